"""Tokens that spell their text: the bytes that they stand for, one after another, are the text.

Then equal tokens are equal text, and a place among the tokens is a place among the bytes, so that text can
be compared and cut by tokens. That holds for Tekken, for tiktoken's encodings, for a ``tokenizer.json`` of
the byte-level kind, and for code points (``characters``). It does not for a tokenizer that knows no more of
a word than that it is unknown, or that marks where words begin: such a one is refused.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from curate.errors import InternalError, RecipeError
from curate.tokens import DEFAULT, counter
from curate.tokens.encode import encoder, ordinary

#: Texts handed to the tokenizers library at a time; what it returns is larger than the text.
_TEXTS = 512


@dataclass(frozen=True)
class Spelling:
    """Cuts texts into tokens and tells where in the text each begins. A name, so that it can travel."""

    name: str
    digest: str  #: of the counter of the same name

    def read(
        self, texts: pa.LargeStringArray
    ) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.int64]]:
        """Give the tokens of all texts in a row, and the offsets of the texts; null has none."""
        known = _engine(self.name)
        found = [np.asarray(ids, np.uint32) for ids in known.encode(texts.to_pylist())]
        offsets = np.cumsum([0, *map(len, found)], dtype=np.int64)
        tokens = np.concatenate([np.empty(0, np.uint32), *found])
        if known.sizes(tokens).sum() != (pc.sum(pc.binary_length(texts)).as_py() or 0):
            raise InternalError("tokens do not spell the texts they are of", where=self.name)
        return tokens, offsets

    def places(self, tokens: npt.NDArray[np.uint32]) -> npt.NDArray[np.int64]:
        """Give the byte at which each token of a text begins, and at which the last one ends."""
        return np.cumsum(np.append(0, _engine(self.name).sizes(tokens)), dtype=np.int64)


def spelling(name: str | None = None) -> Spelling:
    """Load the tokens of a counter's name (see `curate.tokens.counter`); refuse what spells nothing.

    A tokenizer's normalizer and special tokens are left out: a text is its bytes, and nothing else.

    >>> cut = spelling("characters")
    >>> tokens, _ = cut.read(pa.array(["aя東"], pa.large_string()))
    >>> cut.places(tokens)
    array([0, 1, 3, 6])
    """
    counting = counter(name)
    _engine(counting.name)
    return Spelling(counting.name, counting.digest)


class _Engine(NamedTuple):
    encode: Callable[[Sequence[str | None]], Iterator[Sequence[int]]]
    sizes: Callable[[npt.NDArray[np.uint32]], npt.NDArray[np.int64]]  #: bytes of each token


@lru_cache(maxsize=2)
def _engine(name: str) -> _Engine:
    counting = counter(name)
    if name == "characters":
        return _Engine(_characters, _utf8_sizes)
    if name == DEFAULT or name.startswith("tiktoken:"):
        encoding: Any = getattr(encoder(name, None), "encoding")  # noqa: B009
        return _Engine(
            lambda texts: (ordinary(encoding, text) if text else () for text in texts),
            _looked_up({rank: len(token) for token, rank in encoding._mergeable_ranks.items()}),
        )
    path = getattr(counting, "path", None)
    if path is None:
        hint = f"min_{name}" if name == "bytes" else "tokenizer = 'tekken', or 'characters'"
        raise RecipeError(f"'{name}' is no tokenizer that spells a text", hint=hint)
    return _byte_level(path)


def _characters(texts: Sequence[str | None]) -> Iterator[Any]:
    return (np.frombuffer((text or "").encode("utf-32-le"), np.uint32) for text in texts)


def _utf8_sizes(points: npt.NDArray[np.uint32]) -> npt.NDArray[np.int64]:
    limits = np.array([0x80, 0x800, 0x10000], np.uint32)
    return 1 + np.searchsorted(limits, points, side="right")


def _looked_up(
    sizes: dict[int, int],
) -> Callable[[npt.NDArray[np.uint32]], npt.NDArray[np.int64]]:
    table = np.zeros(max(sizes) + 1, np.int64)
    table[list(sizes)] = list(sizes.values())
    return lambda tokens: table[tokens]


def _byte_level(path: str) -> _Engine:
    """Load a ``tokenizer.json`` whose tokens are bytes, without all that changes a text."""
    from tokenizers import Tokenizer
    from tokenizers.pre_tokenizers import ByteLevel

    said = json.loads(Path(path).read_bytes())
    model, first = said["model"], said.get("pre_tokenizer") or {}
    steps = first.get("pretokenizers", [first])
    vocabulary: dict[str, int] = model.get("vocab") or {}
    kinds = {step.get("type") for step in steps}
    loses = any(step.get("behavior") == "Removed" for step in steps)
    if (
        "ByteLevel" not in kinds
        or not kinds <= {"ByteLevel", "Split", "Digits", "Punctuation"}
        or loses
        or model.get("type", "BPE") != "BPE"
        or any(model.get(key) for key in ("dropout", "continuing_subword_prefix"))
        or model.get("end_of_word_suffix")
        or not set(ByteLevel.alphabet()) <= set(vocabulary)
    ):
        raise RecipeError(
            "the tokens of this tokenizer do not spell a text byte for byte",
            where=path,
            hint="tokenizer = 'tekken', 'characters', or a byte-level tokenizer.json",
        )
    for step in steps:
        if step["type"] == "ByteLevel":
            step["add_prefix_space"] = False
    plain = {"lstrip": False, "rstrip": False, "single_word": False, "normalized": False}
    added = [token | plain for token in said.get("added_tokens") or () if not token["special"]]
    said |= {"normalizer": None, "post_processor": None, "truncation": None, "padding": None}
    tokenizer = Tokenizer.from_str(json.dumps(said | {"added_tokens": added}))
    # In a byte-level vocabulary a character is a byte; what was added is text.
    sizes = {number: len(token) for token, number in vocabulary.items()}
    sizes |= {token["id"]: len(token["content"].encode()) for token in added}

    def encode(texts: Sequence[str | None]) -> Iterator[Sequence[int]]:
        for at in range(0, len(texts), _TEXTS):
            few = [text or "" for text in texts[at : at + _TEXTS]]
            yield from (
                one.ids for one in tokenizer.encode_batch_fast(few, add_special_tokens=False)
            )

    return _Engine(encode, _looked_up(sizes))
