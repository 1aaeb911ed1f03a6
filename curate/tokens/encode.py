"""From texts to token numbers, for the formats that store them; counting needs none of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

from curate.errors import RecipeError, nearest
from curate.tokens import counter
from curate.tokens.huggingface import HuggingFaceCounter, load
from curate.tokens.tekken import TekkenCounter, tekken_encoding
from curate.tokens.tiktoken_bpe import TiktokenCounter, encode_ordinary


class Encoder(Protocol):
    """Turns a text into the numbers of its tokens; nothing is added before or after them."""

    @property
    def name(self) -> str: ...
    @property
    def digest(self) -> str:
        """The digest of the counter of the same name."""

    @property
    def end(self) -> int:
        """The number of the token that ends a document."""

    @property
    def width(self) -> int:
        """Bytes that hold any number of the vocabulary: 2 or 4."""

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the token numbers of each text, as many as the counter counts."""


@lru_cache(maxsize=4)
def encoder(name: str | None, end: str | None) -> Encoder:
    """Load an encoder by a counter's name; ``end`` is the token that ends a document.

    Without ``end`` Tekken ends documents with ``</s>`` and tiktoken's encodings with
    ``<|endoftext|>``. A ``tokenizer.json`` does not name the token, so it needs ``end``.
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
    end: int
    width: int

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Encode each text; special tokens in a text are text."""
        ranks = [encode_ordinary(self.encoding, text) for text in texts]
        return [[rank + self.offset for rank in row] for row in ranks] if self.offset else ranks


@dataclass(frozen=True)
class HuggingFaceEncoder:
    """Encodes with the tokenizers library."""

    name: str
    digest: str
    tokenizer: Any
    end: int
    width: int

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Encode each text without special tokens around it."""
        batch = self.tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        return [encoding.ids for encoding in batch]


def _tekken(counting: TekkenCounter, end: str | None) -> Encoder:
    from mistral_common.tokens.tokenizers.tekken import Tekkenizer

    encoding, special = tekken_encoding()
    tokens = Tekkenizer.DEPRECATED_SPECIAL_TOKENS
    numbers = {str(token["token_str"]): int(token["rank"]) for token in tokens}
    mark = _end_token(end or "</s>", numbers)
    width = _width(special + encoding.n_vocab)
    return BytePairEncoder(counting.name, counting.digest, encoding, special, mark, width)


def _tiktoken(counting: TiktokenCounter, end: str | None) -> Encoder:
    encoding = counting.encoding
    numbers = {token: encoding.encode_single_token(token) for token in encoding.special_tokens_set}
    mark = _end_token(end or "<|endoftext|>", numbers)
    width = _width(encoding.n_vocab)
    return BytePairEncoder(counting.name, counting.digest, encoding, 0, mark, width)


def _hugging_face(counting: HuggingFaceCounter, end: str | None) -> Encoder:
    tokenizer = load(counting.path, counting.digest)
    added = json.loads(tokenizer.to_str()).get("added_tokens") or []
    numbers = {str(token["content"]): int(token["id"]) for token in added}
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
    return HuggingFaceEncoder(counting.name, counting.digest, tokenizer, mark, width)


def _width(size: int) -> int:
    return 2 if size <= 1 << 16 else 4


def _end_token(end: str, numbers: dict[str, int]) -> int:
    if end not in numbers:
        raise RecipeError(
            f"the tokenizer has no token '{end}' to end a document", hint=nearest(end, numbers)
        )
    return numbers[end]
