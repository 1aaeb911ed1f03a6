"""From a base and counted pieces to the extended tokenizer, with the proof of what it promises."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np

from curate.errors import InternalError, RecipeError
from curate.tokens.base import Base
from curate.tokens.byte_level import as_merges, splits, written
from curate.tokens.learn import lay_out, learn
from curate.tokens.pieces import Pieces
from curate.tokens.tiktoken_bpe import encode_ordinary
from curate.tokens.token_tables import Joins, Tokens, encode_pieces

#: What transformers reads beside a tokenizer.json, where the base has nothing.
_SETTINGS = {"clean_up_tokenization_spaces": False, "model_max_length": int(1e30)}


@dataclass(frozen=True)
class Extension:
    """New tokens behind those of a base; their numbers are ``base.first`` and the next ones."""

    base: Base
    tokens: Sequence[bytes]
    occurrences: Sequence[int]  #: how often the pair that a token was made of occurred
    pieces: Sequence[Sequence[int]]  #: the tokens of the base that spell each new one
    refused: Mapping[str, int]  #: pairs that became no token, by reason

    @cached_property
    def vocabulary(self) -> dict[bytes, int]:
        """All ordinary tokens, old and new, with their numbers."""
        old = {token: number for number, token in self.base.tokens.items()}
        return old | {token: self.base.first + n for n, token in enumerate(self.tokens)}

    @cached_property
    def tokenizer_json(self) -> dict[str, Any]:
        """The content of a ``tokenizer.json``.

        The merges of the base come first, then those of a new token and another one to a token of
        the base, then those to new tokens, in the order of what they join to. Added tokens stand in
        the vocabulary, too: without that the library would number them behind the new tokens.
        """
        base, model = self.base, self.base.config["model"]
        new = {written(token): self.vocabulary[token] for token in self.tokens}
        vocabulary = {**model["vocab"], **base.specials, **new}
        ordered = dict(sorted(vocabulary.items(), key=lambda item: item[1]))
        made = set(self.tokens)
        to_old = [
            pair
            for pair in splits(base.tokens.values(), self.vocabulary)
            if pair[0] in made or pair[1] in made
        ]
        merges = [
            *([left, right] for left, right in base.merges),
            *as_merges(to_old),
            *as_merges(splits(self.tokens, self.vocabulary)),
        ]
        return {**base.config, "model": {**model, "vocab": ordered, "merges": merges}}

    @property
    def ranks(self) -> dict[bytes, int] | None:
        """Tokens and ranks for tiktoken, or None where more than one pattern splits text."""
        return None if self.base.pattern is None else self.vocabulary

    @cached_property
    def tokenizer_config(self) -> dict[str, Any]:
        """The content of a ``tokenizer_config.json``, with which transformers loads the above.

        That of the base, of the class that takes everything from ``tokenizer.json``; without code
        to run, or names of files.
        """
        kept = json.loads(self.base.beside.get("tokenizer_config.json", b"{}"))
        for name in ("auto_map", "vocab_file", "merges_file", "tokenizer_file", "name_or_path"):
            kept.pop(name, None)
        known = {"bos_token": self.base.begin, "eos_token": self.base.end}
        named = {name: token for name, token in known.items() if token in self.base.specials}
        return {**_SETTINGS, **named, **kept, "tokenizer_class": "PreTrainedTokenizerFast"}


def extend(
    base: Base, pieces: Pieces, *, add: int, min_count: int = 2, where: str | None = None
) -> Extension:
    """Learn ``add`` tokens from counted pieces; raise RecipeError where the pieces have fewer."""
    joins = Joins.build(base.merged_numbers())
    banned: frozenset[bytes] = frozenset()
    while True:
        tokens = Tokens.build(base.tokens, base.first + add)
        slots, weights = lay_out(
            *encode_pieces(pieces.data, pieces.offsets, tokens, joins, base.whole), pieces.counts
        )
        learned = learn(
            slots, weights, tokens, joins,
            first=base.first, add=add, min_count=min_count, banned=banned,
        )  # fmt: skip
        if len(learned.tokens) < add:
            _too_few(len(learned.tokens), add, min_count, where)
        spelled = encode_pieces(*_joined(learned.tokens), tokens, joins, whole=False)
        extension = Extension(
            base, learned.tokens, learned.occurrences, _lists(*spelled), learned.refused
        )
        unreachable = prove(extension)
        if not unreachable:
            return extension
        banned |= unreachable  # these are refused next time, and counted


def _too_few(found: int, add: int, min_count: int, where: str | None) -> None:
    hint = "more text"
    if found:
        hint += f", --add {found}"
    if min_count > 1:
        hint += f", or --min-count {min_count - 1}"
    raise RecipeError(
        f"the text gives {found:,} new tokens whose halves meet at least {min_count} times,"
        f" not {add:,}",
        where=where,
        hint=hint,
    )


def prove(extension: Extension) -> frozenset[bytes]:
    """Check an extended tokenizer with the tokenizers library; return tokens that it cannot make.

    Every number of the base has its token, every added token its number, and the bytes of each new
    token are merged to it, by merges alone. Raise InternalError where an old number changed.
    """
    from tokenizers import Tokenizer

    base = extension.base
    config = extension.tokenizer_json
    model = {**config["model"], "ignore_merges": False}
    tokenizer = Tokenizer.from_str(json.dumps({**config, "model": model}))
    numbers = tokenizer.get_vocab(with_added_tokens=True)
    before = Tokenizer.from_str(json.dumps(base.config)).get_vocab(with_added_tokens=True)
    changed = [token for token, number in before.items() if numbers.get(token) != number]
    if changed or len(numbers) != len(before) + len(extension.tokens):
        raise InternalError(f"{len(changed)} tokens of the base have another number")
    return frozenset(
        token
        for number, token in enumerate(extension.tokens, base.first)
        if [part.id for part in tokenizer.model.tokenize(written(token))] != [number]
    )


def tiktoken_differs(extension: Extension, texts: Sequence[str]) -> int:
    """Return how many texts the two forms encode differently, special tokens as text.

    A ``tokenizer.json`` that has one merge per token may merge otherwise than tiktoken, which takes
    every cut of a token for a merge.
    """
    import tiktoken
    from tokenizers import Tokenizer

    pattern, ranks = extension.base.pattern, extension.ranks
    encoding = tiktoken.Encoding(
        "extended", pat_str=pattern or "", mergeable_ranks=ranks or {}, special_tokens={}
    )
    tokenizer = Tokenizer.from_str(json.dumps({**extension.tokenizer_json, "added_tokens": []}))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return sum(
        tokenizer.encode(text, add_special_tokens=False).ids != encode_ordinary(encoding, text)
        for text in texts
    )


def _joined(tokens: Sequence[bytes]) -> tuple[Any, Any]:
    offsets = np.zeros(len(tokens) + 1, np.int64)
    np.cumsum([len(token) for token in tokens], out=offsets[1:])
    return np.frombuffer(b"".join(tokens), np.uint8), offsets


def _lists(values: Any, ends: Any) -> list[list[int]]:
    return [values[a:b].tolist() for a, b in pairwise(ends)]
