"""From texts to token numbers, for the formats that hold them. Counting needs none of this."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

from curate.errors import RecipeError, nearest
from curate.tokens import DEFAULT, counter

#: A run of this many spaces is kept away from tiktoken's regex engine.
LONG_RUN = 100_000


class Encoder(Protocol):
    """Gives the numbers of a text's tokens; nothing is put before or after them."""

    @property
    def name(self) -> str: ...
    @property
    def digest(self) -> str:
        """The digest of the counter of the same name."""
        ...

    @property
    def end(self) -> int:
        """The number of the token that ends a document."""
        ...

    @property
    def width(self) -> int:
        """Bytes that hold any number of the vocabulary: 2 or 4."""
        ...

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Give the token numbers of each text, as many as the counter counts."""
        ...


@lru_cache(maxsize=4)
def encoder(name: str | None, end: str | None) -> Encoder:
    """Load an encoder by a counter's name; ``end`` is the token that ends a document.

    Tekken ends documents with ``</s>`` and tiktoken's encodings with ``<|endoftext|>`` unless ``end``
    says otherwise; a ``tokenizer.json`` does not say which of its tokens it is, so ``end`` must.
    """
    counting = counter(name)
    if counting.name == DEFAULT:
        return _tekken(counting.digest, end)
    if counting.name.startswith("tiktoken:"):
        return _tiktoken(counting, end)
    if hasattr(counting, "path"):
        return _hugging_face(counting, end)
    raise RecipeError(
        f"'{counting.name}' has no token numbers",
        hint="[output] tokenizer = 'tekken', or a tokenizer.json",
    )


@dataclass(frozen=True)
class BytePairs:
    """Encodes with tiktoken; ``offset`` is added to all numbers."""

    name: str
    digest: str
    encoding: Any
    offset: int
    end: int
    size: int

    @property
    def width(self) -> int:
        """Bytes that hold any number of the vocabulary."""
        return 2 if self.size <= 1 << 16 else 4

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Encode each text; special tokens in a text are text."""
        found = [ordinary(self.encoding, text) for text in texts]
        return [[id + self.offset for id in ids] for ids in found] if self.offset else found


@dataclass(frozen=True)
class HuggingFace:
    """Encodes with the tokenizers library."""

    name: str
    digest: str
    tokenizer: Any
    end: int

    @property
    def width(self) -> int:
        """Bytes that hold any number of the vocabulary."""
        return 2 if self.tokenizer.get_vocab_size() <= 1 << 16 else 4

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Encode each text without special tokens around it."""
        batch = self.tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        return [one.ids for one in batch]


def ordinary(encoding: Any, text: str) -> list[int]:
    """Encode with tiktoken, whatever the text.

    tiktoken's regex engine runs out of stack in a million spaces, at the look-ahead that ends all of its
    patterns, and panics. What that would have matched is cut out here: a run up to the end of the text,
    or all of a run but its last character. A run before a newline is matched by another alternative,
    and does no harm.
    """
    if len(text) < LONG_RUN:
        return list(encoding.encode_ordinary(text))
    ids: list[int] = []
    start = 0
    for run in re.finditer(r"[^\S\r\n]+", text):
        at, end = run.span()
        if end - at >= LONG_RUN and text[end : end + 1] not in ("\r", "\n"):
            ids += encoding.encode_ordinary(text[start:at])
            start = end if end == len(text) else end - 1
            ids += encoding._encode_single_piece(text[at:start])
    ids += encoding.encode_ordinary(text[start:])
    return ids


def _tekken(digest: str, end: str | None) -> Encoder:
    import tiktoken
    from mistral_common.tokens.tokenizers.tekken import Tekkenizer

    from curate.tokens.pattern import TEKKEN_PATTERN
    from curate.tokens.tiktoken_bpe import tekken_tokens

    tokens, special = tekken_tokens()
    named = {
        str(token["token_str"]): int(token["rank"])
        for token in Tekkenizer.DEPRECATED_SPECIAL_TOKENS
    }
    encoding = tiktoken.Encoding(
        "tekken",
        pat_str=TEKKEN_PATTERN,
        mergeable_ranks={token: rank for rank, token in enumerate(tokens)},
        special_tokens={},
    )
    mark = _ending(end or "</s>", named)
    return BytePairs(DEFAULT, digest, encoding, special, mark, special + len(tokens))


def _tiktoken(counting: Any, end: str | None) -> Encoder:
    encoding = counting.encoding
    named = {token: encoding.encode_single_token(token) for token in encoding.special_tokens_set}
    mark = _ending(end or "<|endoftext|>", named)
    return BytePairs(counting.name, counting.digest, encoding, 0, mark, encoding.n_vocab)


def _hugging_face(counting: Any, end: str | None) -> Encoder:
    from curate.tokens.huggingface import load

    tokenizer = load(counting.path, counting.digest)
    added = json.loads(tokenizer.to_str()).get("added_tokens") or []
    named = {str(token["content"]): int(token["id"]) for token in added}
    if end is None:
        known = ", ".join(sorted(named)[:8]) or "none"
        raise RecipeError(
            "which token ends a document?",
            where=counting.path,
            hint=f"[output] end = '...'; the tokenizer's special tokens: {known}",
        )
    if end not in named and tokenizer.token_to_id(end) is not None:
        named[end] = tokenizer.token_to_id(end)
    return HuggingFace(counting.name, counting.digest, tokenizer, _ending(end, named))


def _ending(end: str, named: dict[str, int]) -> int:
    if end not in named:
        raise RecipeError(
            f"the tokenizer has no token '{end}' to end a document", hint=nearest(end, named)
        )
    return named[end]
