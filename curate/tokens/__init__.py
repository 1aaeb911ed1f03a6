"""Token counters: how many tokens a text has for the model that will be trained on it.

A mixture ratio in tokens depends on the tokenizer. Each counter therefore has a name and a digest
of its vocabulary, and both are stored with the counts.
"""

from __future__ import annotations

import difflib
from functools import lru_cache
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curate.errors import RecipeError, nearest
from curate.paths import local_path

#: The counter of a recipe that names no tokenizer: its vocabulary is installed with a dependency,
#: and was trained on more than a hundred languages.
DEFAULT = "tekken"

_PLAIN = ("bytes", "characters", "words")

#: What a tokenizer may be, with what that means; a colon stands where something is downloaded.
KINDS = {
    DEFAULT: "Mistral's Tekken, from an installed package; the default",
    "FILE": "the path of a tokenizer.json, of its folder, or of tiktoken's tokenizer.model",
    "hf:<repository>": "the tokenizer.json of a repository of the Hugging Face Hub",
    "tiktoken:<encoding>": "an encoding of tiktoken, such as o200k_base",
    "bytes": "UTF-8 bytes",
    "characters": "Unicode code points",
    "words": "words, as the signals count them",
}


class TokenCounter(Protocol):
    """Counts tokens, without special tokens and without marks of beginning and end."""

    @property
    def name(self) -> str: ...
    @property
    def digest(self) -> str:
        """A digest of everything that the counts depend on."""

    def count(self, texts: pa.LargeStringArray) -> npt.NDArray[np.int64]:
        """Count the tokens of each text; a null or empty text has 0."""


def counter(name: str | None = None) -> TokenCounter:
    """Load a token counter by name.

    ``tekken`` (the default), ``tiktoken:<encoding>``, ``hf:<repository>``, the path of a
    ``tokenizer.json``, of its folder or of a ``tokenizer.model`` in tiktoken's form, or ``bytes``,
    ``characters``, ``words``. Only ``tiktoken:`` and ``hf:`` download anything.

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
        from curate.tokens.tekken import tekken

        return tekken()
    if name.startswith("tiktoken:"):
        from curate.tokens.tiktoken_bpe import tiktoken_counter

        return tiktoken_counter(name.removeprefix("tiktoken:"))
    if name.startswith("hf:"):
        from curate.tokens.huggingface import from_repository

        return from_repository(name.removeprefix("hf:"))
    if name.endswith((".model", ".tiktoken")):
        from curate.tokens.rank_file import rank_file_counter

        return rank_file_counter(local_path(name))
    path = local_path(name)
    if name.endswith(".json") or path.exists():
        from curate.tokens.huggingface import from_file

        return from_file(local_path(f"{path}/tokenizer.json") if path.is_dir() else path)
    raise RecipeError(
        f"no tokenizer '{name}': {nearest(name, KINDS)}", hint=_meant(name) or "curate tokenizers"
    )


def _meant(name: str) -> str | None:
    """Return the name that was meant where a prefix or a few signs are missing."""
    if name.count("/") == 1:
        return f"a repository of the Hugging Face Hub is 'hf:{name}'"
    encodings = ("cl100k_base", "o200k_base", "p50k_base", "r50k_base", "gpt2")
    near = difflib.get_close_matches(name, encodings, n=1, cutoff=0.8)
    return f"did you mean 'tiktoken:{near[0]}'?" if near else None
