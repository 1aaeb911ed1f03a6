"""From texts to token numbers, for the formats that store them; counting needs none of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from curate.errors import RecipeError, nearest
from curate.tokens import counter
from curate.tokens.huggingface import HuggingFaceCounter, config_of, load, named_tokens
from curate.tokens.rank_file import RankFileCounter
from curate.tokens.tekken import TekkenCounter, tekken_encoding
from curate.tokens.tiktoken_bpe import TiktokenCounter, encode_ordinary

#: Stands before a text that follows a special token, where the tokenizer makes a difference.
_ANCHOR = "\U0010fffd curate \U0010fffd"


class Section(NamedTuple):
    """Text between two special tokens, in parts that a model is trained on or not."""

    parts: tuple[tuple[str, bool], ...]
    first: bool = False  #: whether it begins the sequence: nothing stands before it

    @property
    def text(self) -> str:
        """The parts, joined."""
        return "".join(text for text, _ in self.parts)


#: Token numbers, and whether a model is trained on each.
Masked = tuple[list[int], npt.NDArray[np.bool_]]


class Encoder(Protocol):
    """Turns a text into the numbers of its tokens; nothing is added before or after them.

    Special tokens in a text are text: only who names one in `special` gets its number.
    """

    @property
    def name(self) -> str: ...
    @property
    def digest(self) -> str:
        """The digest of the counter of the same name."""

    @property
    def end(self) -> int:
        """The number of the token that ends a document."""

    @property
    def begin(self) -> int | None:
        """The number of the token that begins a document, where the tokenizer has one."""

    @property
    def special(self) -> Mapping[str, int]:
        """The numbers of the special tokens."""

    @property
    def width(self) -> int:
        """Bytes that hold any number of the vocabulary: 2 or 4."""

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the token numbers of each text, as many as the counter counts."""

    def encode_sections(self, sections: Sequence[Section]) -> list[Masked]:
        """Return the tokens of each section's text, and which of them a model is trained on.

        A token that reaches over the border of two parts is, if one of them is: so Transformers
        counts the tokens of ``{% generation %}``.
        """


@lru_cache(maxsize=4)
def encoder(name: str | None, end: str | None) -> Encoder:
    """Load an encoder by a counter's name; ``end`` is the token that ends a document.

    Without ``end`` Tekken ends documents with ``</s>``, tiktoken's encodings with
    ``<|endoftext|>``, a ``tokenizer.model`` with the token that is known for it and a
    ``tokenizer.json`` with the ``eos_token`` of the ``tokenizer_config.json`` beside it. Tekken
    begins documents with ``<s>``, a ``tokenizer.json`` with what its post-processor adds.
    """
    counting = counter(name)
    if isinstance(counting, TekkenCounter):
        return _tekken(counting, end)
    if isinstance(counting, TiktokenCounter):
        return _tiktoken(counting, end)
    if isinstance(counting, HuggingFaceCounter):
        return _hugging_face(counting, end)
    raise RecipeError(
        f"'{counting.name}' has no token numbers",
        hint="[output] tokenizer = 'tekken', or a tokenizer.json",
    )


@dataclass(frozen=True)
class BytePairEncoder:
    """Encodes with tiktoken; ``offset`` is added to all numbers."""

    name: str
    digest: str
    encoding: Any
    offset: int
    begin: int | None
    end: int
    special: Mapping[str, int]
    width: int
    sizes: npt.NDArray[np.int64] = field(compare=False)  #: bytes of the token of each rank

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Encode each text; special tokens in a text are text."""
        ranks = [encode_ordinary(self.encoding, text) for text in texts]
        return [[rank + self.offset for rank in row] for row in ranks] if self.offset else ranks

    def encode_sections(self, sections: Sequence[Section]) -> list[Masked]:
        """Encode each section; tokens are found in it by the bytes that they stand for."""
        masked: list[Masked] = []
        for section in sections:
            ranks = encode_ordinary(self.encoding, section.text)
            ends = np.cumsum(self.sizes[ranks], dtype=np.int64)
            flags = _trained([(len(text.encode()), flag) for text, flag in section.parts])
            starts = ends - self.sizes[ranks]
            masked.append(([rank + self.offset for rank in ranks], flags[ends] > flags[starts]))
        return masked


@dataclass(frozen=True)
class HuggingFaceEncoder:
    """Encodes with the tokenizers library."""

    name: str
    digest: str
    tokenizer: Any
    begin: int | None
    end: int
    special: Mapping[str, int]
    width: int
    #: The same with `_ANCHOR` as a token, where the first text of all is encoded otherwise.
    anchored: Any = None

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Encode each text without special tokens around it."""
        batch = self.tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        return [encoding.ids for encoding in batch]

    def encode_sections(self, sections: Sequence[Section]) -> list[Masked]:
        """Encode each section; tokens are found in it by the library's offsets."""
        masked: list[Masked] = []
        plain = self.tokenizer.encode_batch([s.text for s in sections], add_special_tokens=False)
        for section, encoding in zip(sections, plain, strict=True):
            ids, offsets = encoding.ids, np.array(encoding.offsets, np.int64).reshape(-1, 2)
            if self.anchored is not None and not section.first and _ANCHOR not in section.text:
                text = _ANCHOR + section.text
                encoding = self.anchored.encode(text, add_special_tokens=False)
                ids = encoding.ids[1:]
                offsets = np.array(encoding.offsets, np.int64)[1:].reshape(-1, 2) - len(_ANCHOR)
            flags = _trained([(len(text), flag) for text, flag in section.parts])
            # A token without characters of its own marks the start of a word: it is the next one's.
            starts, ends = offsets[:, 0], np.maximum(offsets[:, 1], offsets[:, 0] + 1)
            ends = np.minimum(ends, len(flags) - 1)
            masked.append((ids, flags[ends] > flags[np.minimum(starts, ends)]))
        return masked


def _trained(parts: Sequence[tuple[int, bool]]) -> npt.NDArray[np.int64]:
    """Return how much of a section's beginning is trained on, for beginnings of every length."""
    lengths, flags = [length for length, _ in parts], [flag for _, flag in parts]
    return np.concatenate([[0], np.cumsum(np.repeat(flags, lengths))]).astype(np.int64)


def _tekken(counting: TekkenCounter, end: str | None) -> Encoder:
    from mistral_common.tokens.tokenizers.tekken import Tekkenizer

    encoding, special = tekken_encoding()
    tokens = Tekkenizer.DEPRECATED_SPECIAL_TOKENS
    numbers = {str(token["token_str"]): int(token["rank"]) for token in tokens}
    mark = _end_token(end or "</s>", numbers)
    width = _width(special + encoding.n_vocab)
    return BytePairEncoder(
        counting.name, counting.digest, encoding, special, numbers["<s>"], mark, numbers, width,
        _sizes(encoding),
    )  # fmt: skip


def _tiktoken(counting: TiktokenCounter, end: str | None) -> Encoder:
    encoding = counting.encoding
    numbers = {token: encoding.encode_single_token(token) for token in encoding.special_tokens_set}
    begin = None
    if isinstance(counting, RankFileCounter):
        begin, end = numbers.get(counting.begin or ""), end or counting.end
    mark = _end_token(end or "<|endoftext|>", numbers)
    width = _width(encoding.n_vocab)
    return BytePairEncoder(
        counting.name, counting.digest, encoding, 0, begin, mark, numbers, width, _sizes(encoding)
    )


def _hugging_face(counting: HuggingFaceCounter, end: str | None) -> Encoder:
    tokenizer = load(counting.path, counting.digest)
    added = json.loads(tokenizer.to_str()).get("added_tokens") or []
    numbers = {str(token["content"]): int(token["id"]) for token in added}
    end = end or named_tokens(config_of(counting)).get("eos_token")
    if end is None:
        known = ", ".join(sorted(numbers)[:8]) or "none"
        raise RecipeError(
            "which token ends a document?",
            where=counting.path,
            hint=f"[output] end = '...'; the tokenizer's special tokens: {known}",
        )
    if end not in numbers and tokenizer.token_to_id(end) is not None:
        numbers[end] = tokenizer.token_to_id(end)
    mark, width = _end_token(end, numbers), _width(tokenizer.get_vocab_size())
    special = {str(token["content"]): int(token["id"]) for token in added if token["special"]}
    around = tokenizer.encode("", add_special_tokens=True).ids
    begin = around[0] if around and around[0] != mark else None
    return HuggingFaceEncoder(
        counting.name, counting.digest, tokenizer, begin, mark, special, width, _anchored(tokenizer)
    )


def _anchored(tokenizer: Any) -> Any:
    """Return a copy with `_ANCHOR` as a token; None where it encodes a text as the tokenizer does.

    Some tokenizers put a mark of a word's start before the first text only, not before one that
    follows a special token.
    """
    from tokenizers import AddedToken, Tokenizer

    copy = Tokenizer.from_str(tokenizer.to_str())
    copy.encode_special_tokens = True
    copy.add_tokens([AddedToken(_ANCHOR, special=False, normalized=False)])
    for text in ("a b", " a", "\n\na"):
        after = copy.encode(_ANCHOR + text, add_special_tokens=False).ids[1:]
        if after != tokenizer.encode(text, add_special_tokens=False).ids:
            return copy
    return None


def _sizes(encoding: Any) -> npt.NDArray[np.int64]:
    """Return the bytes of the token of each rank."""
    ranks = encoding._mergeable_ranks
    sizes = np.zeros(max(ranks.values()) + 1, np.int64)
    for token, rank in ranks.items():
        sizes[rank] = len(token)
    return sizes


def _width(size: int) -> int:
    return 2 if size <= 1 << 16 else 4


def _end_token(end: str, numbers: dict[str, int]) -> int:
    if end not in numbers:
        raise RecipeError(
            f"the tokenizer has no token '{end}' to end a document", hint=nearest(end, numbers)
        )
    return numbers[end]
