"""Byte-pair encodings of the tiktoken kind: a pattern that splits text, and ranks of byte strings."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from importlib import resources
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curate.errors import RecipeError, ResourceError, nearest

#: The newest vocabulary that mistral_common brings: 130,072 byte strings.
_TEKKEN_FILE = "tekken_240911.json"


@dataclass(frozen=True)
class BytePairCounter:
    """Counts with a tiktoken encoding; special tokens in a text are text."""

    name: str
    digest: str
    encoding: Any

    def count(self, texts: pa.LargeStringArray) -> npt.NDArray[np.int64]:
        """Count each text; null and empty are 0."""
        encode = self.encoding.encode_ordinary
        counts = (len(encode(text)) if text else 0 for text in texts.to_pylist())
        return np.fromiter(counts, np.int64, len(texts))

    def __reduce__(self) -> tuple[Any, ...]:
        # Vocabularies are large; a worker loads its own.
        from curate.tokens import counter

        return counter, (self.name,)


def tekken() -> BytePairCounter:
    """Load Mistral's Tekken vocabulary from the installed mistral_common package."""
    content = (resources.files("mistral_common") / "data" / _TEKKEN_FILE).read_bytes()
    said = json.loads(content)
    config = said["config"]
    size = config["default_vocab_size"] - config["default_num_special_tokens"]
    # The file holds more than the model uses; tokens are in order of rank.
    ranks = {
        base64.b64decode(token["token_bytes"]): token["rank"] for token in said["vocab"][:size]
    }
    return _counter("tekken", config["pattern"], ranks)


def tiktoken_encoding(name: str) -> BytePairCounter:
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
    return _counter(f"tiktoken:{name}", encoding._pat_str, encoding._mergeable_ranks)


def _counter(name: str, pattern: str, ranks: dict[bytes, int]) -> BytePairCounter:
    import tiktoken

    digest = hashlib.blake2b(pattern.encode(), digest_size=16)
    for token, rank in sorted(ranks.items(), key=lambda item: item[1]):
        digest.update(b"%d:%d:%b" % (rank, len(token), token))
    encoding = tiktoken.Encoding(name, pat_str=pattern, mergeable_ranks=ranks, special_tokens={})
    return BytePairCounter(name, digest.hexdigest(), encoding)
