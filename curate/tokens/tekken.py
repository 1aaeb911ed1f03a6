"""Mistral's Tekken: the vocabulary of the mistral_common package, counted by own kernels."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curate.errors import InternalError
from curate.tokens.tiktoken_bpe import vocabulary_digest

if TYPE_CHECKING:
    from curate.tokens.merge import Vocabulary

#: The newest vocabulary in mistral_common: 130,072 byte strings.
_FILE = "tekken_240911.json"

#: How many pieces of a batch are cached with their counts; 36 bytes each.
_CACHED_PIECES = 1 << 16


@dataclass(frozen=True)
class TekkenCounter:
    """Counts with Mistral's Tekken vocabulary; the counts are equal to mistral_common's.

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

        data, offsets = buffers(texts)
        counts = np.zeros(len(texts), np.int64)
        cache = np.zeros((_CACHED_PIECES, 4), np.uint64), np.zeros(_CACHED_PIECES, np.int32)
        count_pieces(data, offsets, self.classes, *self.vocabulary, *cache, counts)
        return counts

    def __reduce__(self) -> tuple[Any, ...]:
        # The vocabulary is large and is loaded once per process: a pickled counter is a call.
        return tekken, ()


def tekken_tokens() -> tuple[list[bytes], int]:
    """Return Tekken's tokens in order of rank, and how many numbers before them are special tokens.

    From the installed mistral_common package; nothing is downloaded.
    """
    from curate.tokens.pattern import TEKKEN_PATTERN

    content = json.loads((resources.files("mistral_common") / "data" / _FILE).read_bytes())
    config = content["config"]
    if config["pattern"] != TEKKEN_PATTERN:
        raise InternalError("the installed mistral_common splits text by another pattern")
    # The file holds more than the model uses; its entries are in order of rank.
    used = content["vocab"][: config["default_vocab_size"] - config["default_num_special_tokens"]]
    if [token["rank"] for token in used] != list(range(len(used))):
        raise InternalError("the installed mistral_common has its vocabulary out of order")
    tokens = [base64.b64decode(token["token_bytes"]) for token in used]
    return tokens, int(config["default_num_special_tokens"])


@lru_cache(maxsize=1)
def tekken() -> TekkenCounter:
    """Load Tekken from the installed mistral_common package, once per process."""
    from curate.tokens.merge import Vocabulary
    from curate.tokens.pattern import TEKKEN_PATTERN, classes

    tokens, _ = tekken_tokens()
    table = classes()
    return TekkenCounter(
        name="tekken",
        digest=vocabulary_digest(TEKKEN_PATTERN.encode(), table.tobytes(), *tokens),
        vocabulary=Vocabulary.build(tokens),
        classes=table,
    )


@lru_cache(maxsize=1)
def tekken_encoding() -> tuple[Any, int]:
    """Return Tekken as a ``tiktoken.Encoding`` of ranks, and the number of the token of rank 0."""
    import tiktoken

    from curate.tokens.pattern import TEKKEN_PATTERN

    tokens, special = tekken_tokens()
    ranks = {token: rank for rank, token in enumerate(tokens)}
    encoding = tiktoken.Encoding(
        "tekken", pat_str=TEKKEN_PATTERN, mergeable_ranks=ranks, special_tokens={}
    )
    return encoding, special
