"""tiktoken's byte-pair encodings: a pattern that splits text, and ranks of byte strings."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curate.errors import RecipeError, ResourceError, nearest

#: A run of at least this many spaces is not passed to tiktoken's regex engine.
_LONG_RUN = 100_000


@dataclass(frozen=True)
class TiktokenCounter:
    """Counts with one of tiktoken's encodings; special tokens in a text are text."""

    name: str
    digest: str
    encoding: Any

    def count(self, texts: pa.LargeStringArray) -> npt.NDArray[np.int64]:
        """Count each text; null and empty are 0."""
        counts = (
            len(encode_ordinary(self.encoding, text)) if text else 0 for text in texts.to_pylist()
        )
        return np.fromiter(counts, np.int64, len(texts))

    def __reduce__(self) -> tuple[Any, ...]:
        # The vocabulary is large and is loaded once per process: a pickled counter is a call.
        return tiktoken_counter, (self.name.removeprefix("tiktoken:"),)


@lru_cache(maxsize=8)
def tiktoken_counter(encoding_name: str) -> TiktokenCounter:
    """Load one of tiktoken's encodings, once per process; tiktoken downloads it on first use."""
    import tiktoken

    known = tiktoken.list_encoding_names()
    if encoding_name not in known:
        raise RecipeError(
            f"no encoding '{encoding_name}' in tiktoken: {nearest(encoding_name, known)}"
        )
    try:
        encoding = tiktoken.get_encoding(encoding_name)
    except OSError as error:
        raise ResourceError(
            f"cannot download the encoding: {error}",
            where=f"tiktoken:{encoding_name}",
            hint="set TIKTOKEN_CACHE_DIR to a folder that has it, or count with 'tekken'",
        ) from None
    ranks = encoding._mergeable_ranks
    digest = vocabulary_digest(encoding._pat_str.encode(), *sorted(ranks, key=ranks.__getitem__))
    return TiktokenCounter(f"tiktoken:{encoding_name}", digest, encoding)


def encode_ordinary(encoding: Any, text: str) -> list[int]:
    """Encode any text with tiktoken, special tokens as text.

    tiktoken's regex engine runs out of stack in a million spaces, at the look-ahead that ends all
    of its patterns, and panics. What that would have matched is cut out here: a run up to the end
    of the text, or all of a run but its last character. A run before a newline is matched by
    another alternative, and is safe.
    """
    if len(text) < _LONG_RUN:
        return list(encoding.encode_ordinary(text))
    ids: list[int] = []
    start = 0
    for run in re.finditer(r"[^\S\r\n]+", text):
        at, end = run.span()
        if end - at >= _LONG_RUN and text[end : end + 1] not in ("\r", "\n"):
            ids += encoding.encode_ordinary(text[start:at])
            start = end if end == len(text) else end - 1
            ids += encoding._encode_single_piece(text[at:start])
    ids += encoding.encode_ordinary(text[start:])
    return ids


def vocabulary_digest(*parts: bytes) -> str:
    """Return the blake2b-128 of a pattern and a vocabulary, in hex; parts cannot run together."""
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        digest.update(len(part).to_bytes(8, "little") + part)
    return digest.hexdigest()
