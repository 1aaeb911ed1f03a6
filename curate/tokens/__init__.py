"""Token counters: how long a text is for the model that will read it.

A ratio by tokens depends on whose tokens. So a counter has a name and a digest of its vocabulary,
and both are written down with the counts.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curate.errors import RecipeError, nearest

#: What is counted with when a recipe names no tokenizer: its vocabulary comes with a dependency, and
#: it was trained on more than a hundred languages.
DEFAULT = "tekken"

_PLAIN = ("bytes", "characters", "words")


class TokenCounter(Protocol):
    """Counts tokens; no special tokens, no beginning or end marks."""

    @property
    def name(self) -> str: ...
    @property
    def digest(self) -> str:
        """A digest of everything that the counts depend on."""
        ...

    def count(self, texts: pa.LargeStringArray) -> npt.NDArray[np.int64]:
        """Count the tokens of each text; a null or empty text has 0."""
        ...


def counter(name: str | None = None) -> TokenCounter:
    """Load a token counter by name.

    ``tekken`` (the default), ``tiktoken:<encoding>``, ``hf:<repository>``, a path to a
    ``tokenizer.json``, or ``bytes``, ``characters``, ``words``. Only ``tiktoken:`` and ``hf:``
    download anything.

    >>> counter("words").count(pa.array(["бір екі үш", "", None], pa.large_string()))
    array([3, 0, 0])
    """
    return _load(name or DEFAULT)


@lru_cache(maxsize=8)
def _load(name: str) -> TokenCounter:
    if name in _PLAIN:
        from curate.tokens.plain import PlainCounter

        return PlainCounter(name)
    if name == DEFAULT:
        from curate.tokens.tiktoken_bpe import tekken

        return tekken()
    if name.startswith("tiktoken:"):
        from curate.tokens.tiktoken_bpe import tiktoken_encoding

        return tiktoken_encoding(name.removeprefix("tiktoken:"))
    if name.startswith("hf:"):
        from curate.tokens.huggingface import from_repository

        return from_repository(name.removeprefix("hf:"))
    if name.endswith(".json") or Path(name).exists():
        from curate.tokens.huggingface import from_file

        return from_file(Path(name))
    known = (DEFAULT, *_PLAIN, "tiktoken:<encoding>", "hf:<repository>")
    raise RecipeError(
        f"no tokenizer '{name}': {nearest(name, known)}",
        hint="or give the path of a tokenizer.json",
    )
