"""Byte-pair encodings of the tiktoken kind: a pattern that splits text, and ranks of byte strings."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curate.errors import InternalError, RecipeError, ResourceError, nearest

if TYPE_CHECKING:
    from curate.tokens.merge import Vocabulary

#: The newest vocabulary that mistral_common brings: 130,072 byte strings.
_TEKKEN_FILE = "tekken_240911.json"

#: How many pieces of a batch are remembered with their counts; 36 bytes each.
_KEPT_PIECES = 1 << 16


@dataclass(frozen=True)
class TekkenCounter:
    """Counts with Mistral's Tekken vocabulary, by kernels of our own; equal to mistral_common's.

    Special tokens in a text are text. Linear in the text, apart from a logarithm for pieces of more
    than 256 bytes (these take 56 bytes of memory per byte while they are merged).
    """

    name: str
    digest: str
    vocabulary: Vocabulary
    classes: npt.NDArray[np.uint8]

    def count(self, texts: pa.LargeStringArray) -> npt.NDArray[np.int64]:
        """Count each text; null and empty are 0."""
        from curate.kernels.arrow import buffers
        from curate.tokens.merge import count_pieces

        counts = np.zeros(len(texts), np.int64)
        if len(texts):
            known = self.vocabulary
            count_pieces(
                *buffers(texts),
                self.classes,
                known.content,
                known.offsets,
                known.slots,
                known.pairs,
                known.maybe,
                known.singles,
                known.doubles,
                known.longest,
                np.zeros((_KEPT_PIECES, 4), np.uint64),
                np.zeros(_KEPT_PIECES, np.int32),
                counts,
            )
        return counts

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (self.name,)


def tekken_tokens() -> tuple[list[bytes], int]:
    """Give Tekken's tokens in order of rank, and how many numbers stand before them for special ones.

    From the installed mistral_common package; nothing is downloaded.
    """
    from curate.tokens.pattern import TEKKEN_PATTERN

    said = json.loads((resources.files("mistral_common") / "data" / _TEKKEN_FILE).read_bytes())
    config = said["config"]
    if config["pattern"] != TEKKEN_PATTERN:
        raise InternalError("the installed mistral_common splits text by another pattern")
    # The file holds more than the model uses; its entries are in order of rank.
    used = said["vocab"][: config["default_vocab_size"] - config["default_num_special_tokens"]]
    if [token["rank"] for token in used] != list(range(len(used))):
        raise InternalError("the installed mistral_common has its vocabulary out of order")
    tokens = [base64.b64decode(token["token_bytes"]) for token in used]
    return tokens, int(config["default_num_special_tokens"])


def tekken() -> TekkenCounter:
    """Load Tekken from the installed mistral_common package."""
    from curate.tokens.merge import Vocabulary
    from curate.tokens.pattern import TEKKEN_PATTERN, classes

    tokens, _ = tekken_tokens()
    table = classes()
    return TekkenCounter(
        name="tekken",
        digest=_digest(TEKKEN_PATTERN.encode(), table.tobytes(), *tokens),
        vocabulary=Vocabulary.build(tokens),
        classes=table,
    )


@dataclass(frozen=True)
class TiktokenCounter:
    """Counts with one of tiktoken's encodings; special tokens in a text are text."""

    name: str
    digest: str
    encoding: Any

    def count(self, texts: pa.LargeStringArray) -> npt.NDArray[np.int64]:
        """Count each text; null and empty are 0."""
        from curate.tokens.encode import ordinary

        counts = (len(ordinary(self.encoding, text)) if text else 0 for text in texts.to_pylist())
        return np.fromiter(counts, np.int64, len(texts))

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (self.name,)


def tiktoken_encoding(name: str) -> TiktokenCounter:
    """Load one of tiktoken's encodings; tiktoken downloads it on first use."""
    import tiktoken

    known = tiktoken.list_encoding_names()
    if name not in known:
        raise RecipeError(f"no encoding '{name}' in tiktoken: {nearest(name, known)}")
    try:
        encoding = tiktoken.get_encoding(name)
    except OSError as error:
        raise ResourceError(
            f"cannot download the encoding: {error}",
            where=f"tiktoken:{name}",
            hint="set TIKTOKEN_CACHE_DIR to a folder that has it, or count with 'tekken'",
        ) from None
    ranks = encoding._mergeable_ranks
    digest = _digest(encoding._pat_str.encode(), *sorted(ranks, key=ranks.__getitem__))
    return TiktokenCounter(f"tiktoken:{name}", digest, encoding)


def _digest(*parts: bytes) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        digest.update(len(part).to_bytes(8, "little") + part)
    return digest.hexdigest()


def _again(name: str) -> Any:
    # Vocabularies are large, and loaded once per process: a pickled counter is its name.
    from curate.tokens import counter

    return counter(name)
