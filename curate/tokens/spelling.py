"""Lossless tokenizers: the bytes of a text's tokens, one after another, are the text.

Equal tokens are then equal text, and a position among the tokens is a position among the bytes, so
that text can be compared and cut by tokens. That holds for Tekken, for tiktoken's encodings, for a
``tokenizer.json`` of the byte-level kind, and for code points (``characters``). It does not hold
for a tokenizer that replaces unknown words by one token, or marks where words begin: it is refused.
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
from curate.tokens import counter
from curate.tokens.huggingface import HuggingFaceCounter
from curate.tokens.tekken import TekkenCounter, tekken_encoding
from curate.tokens.tiktoken_bpe import TiktokenCounter, encode_ordinary

#: Texts per call of the tokenizers library; what it returns is larger than the text.
_TEXTS = 512


@dataclass(frozen=True)
class LosslessTokenizer:
    """Cuts texts into tokens and finds where each begins. Only its name and digest are pickled."""

    name: str
    digest: str  #: of the counter of the same name

    def read(
        self, texts: pa.LargeStringArray
    ) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.int64]]:
        """Return the tokens of all texts in a row, and the offsets of the texts; null has none."""
        codec = _codec(self.name)
        encoded = [np.asarray(ids, np.uint32) for ids in codec.encode(texts.to_pylist())]
        offsets = np.cumsum([0, *map(len, encoded)], dtype=np.int64)
        tokens = np.concatenate([np.empty(0, np.uint32), *encoded])
        if codec.sizes(tokens).sum() != (pc.sum(pc.binary_length(texts)).as_py() or 0):
            raise InternalError("tokens do not spell the texts they are of", where=self.name)
        return tokens, offsets

    def places(self, tokens: npt.NDArray[np.uint32]) -> npt.NDArray[np.int64]:
        """Return the byte at which each token of a text begins, and at which the last one ends."""
        return np.cumsum(np.append(0, _codec(self.name).sizes(tokens)), dtype=np.int64)


def lossless_tokenizer(name: str | None = None) -> LosslessTokenizer:
    """Load a tokenizer by a name of `curate.tokens.counter`; refuse one that is not lossless.

    Normalizers and special tokens are left out, so that the tokens are the text's bytes.

    >>> tokenizer = lossless_tokenizer("characters")
    >>> tokens, _ = tokenizer.read(pa.array(["aя東"], pa.large_string()))
    >>> tokenizer.places(tokens)
    array([0, 1, 3, 6])
    """
    counting = counter(name)
    _codec(counting.name)
    return LosslessTokenizer(counting.name, counting.digest)


class _Codec(NamedTuple):
    encode: Callable[[Sequence[str | None]], Iterator[Sequence[int]]]
    sizes: Callable[[npt.NDArray[np.uint32]], npt.NDArray[np.int64]]  #: bytes of each token


@lru_cache(maxsize=2)
def _codec(name: str) -> _Codec:
    counting = counter(name)
    if name == "characters":
        return _Codec(_code_points, _utf8_sizes)
    if isinstance(counting, TekkenCounter):
        return _byte_pairs(tekken_encoding()[0])
    if isinstance(counting, TiktokenCounter):
        return _byte_pairs(counting.encoding)
    if isinstance(counting, HuggingFaceCounter):
        return _byte_level(counting.path)
    hint = f"min_{name}" if name == "bytes" else "tokenizer = 'tekken', or 'characters'"
    raise RecipeError(f"'{name}' is no tokenizer that spells a text", hint=hint)


def _code_points(texts: Sequence[str | None]) -> Iterator[Any]:
    return (np.frombuffer((text or "").encode("utf-32-le"), np.uint32) for text in texts)


def _utf8_sizes(points: npt.NDArray[np.uint32]) -> npt.NDArray[np.int64]:
    limits = np.array([0x80, 0x800, 0x10000], np.uint32)
    return 1 + np.searchsorted(limits, points, side="right")


def _size_table(
    sizes: dict[int, int],
) -> Callable[[npt.NDArray[np.uint32]], npt.NDArray[np.int64]]:
    table = np.zeros(max(sizes) + 1, np.int64)
    table[list(sizes)] = list(sizes.values())
    return lambda tokens: table[tokens]


def _byte_pairs(encoding: Any) -> _Codec:
    return _Codec(
        lambda texts: (encode_ordinary(encoding, text) if text else () for text in texts),
        _size_table({rank: len(token) for token, rank in encoding._mergeable_ranks.items()}),
    )


def _byte_level(path: str) -> _Codec:
    """Load a ``tokenizer.json`` whose tokens are bytes, without all that changes a text."""
    from tokenizers import Tokenizer
    from tokenizers.pre_tokenizers import ByteLevel

    config = json.loads(Path(path).read_bytes())
    model, first = config["model"], config.get("pre_tokenizer") or {}
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
    added = [token | plain for token in config.get("added_tokens") or () if not token["special"]]
    config |= {"normalizer": None, "post_processor": None, "truncation": None, "padding": None}
    tokenizer = Tokenizer.from_str(json.dumps(config | {"added_tokens": added}))
    # In a byte-level vocabulary a character is a byte; an added token is text.
    sizes = {number: len(token) for token, number in vocabulary.items()}
    sizes |= {token["id"]: len(token["content"].encode()) for token in added}

    def encode(texts: Sequence[str | None]) -> Iterator[Sequence[int]]:
        for at in range(0, len(texts), _TEXTS):
            batch = [text or "" for text in texts[at : at + _TEXTS]]
            yield from (
                encoding.ids
                for encoding in tokenizer.encode_batch_fast(batch, add_special_tokens=False)
            )

    return _Codec(encode, _size_table(sizes))
