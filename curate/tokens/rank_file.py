"""A ``tokenizer.model`` of tiktoken's form: a line per token, its bytes in base64 and its rank.

The file has neither the pattern that splits text nor the special tokens. They are known for the
vocabularies of Llama 3 and Llama 4, which are recognised by their content; for another one they
stand beside it, in ``tiktoken.json``: ``{"pattern": ..., "special_tokens": {text: number}}``.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from curate.errors import RecipeError
from curate.tokens.tiktoken_bpe import TiktokenCounter, vocabulary_digest

#: What stands beside a tokenizer.model.
BESIDE = "tiktoken.json"

_LLAMA_3_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_LLAMA_4_PATTERN = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


class RankFile(NamedTuple):
    """What a ``tokenizer.model`` and what belongs to it say."""

    ranks: dict[bytes, int]
    pattern: str
    specials: dict[str, int]
    begin: str | None  #: the special token that begins a text
    end: str | None  #: and the one that ends it


def read_rank_file(path: str | Path) -> RankFile:
    """Read a ``tokenizer.model``; raise RecipeError where it is none, or its pattern is unknown."""
    path = Path(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        what = f"cannot read the tokenizer: {error.strerror or error}"
        raise RecipeError(what, where=str(path)) from None
    ranks: dict[bytes, int] = {}
    for number, line in enumerate(content.splitlines(), 1):
        try:
            token, rank = line.split()
            ranks[base64.b64decode(token, validate=True)] = int(rank)
        except (ValueError, binascii.Error):
            raise RecipeError(
                f"line {number} is no token in base64 and its rank, as tiktoken writes them",
                where=str(path),
                hint="a SentencePiece model is not of this form: give a byte-level tokenizer.json",
            ) from None
    if len(set(ranks.values())) < len(ranks) or not {bytes([b]) for b in range(256)} <= set(ranks):
        what = "two tokens have one rank, or a single byte is no token"
        raise RecipeError(what, where=str(path))
    beside = path.with_name(BESIDE)
    if beside.exists():
        return RankFile(ranks, *_read_beside(beside))
    known = _KNOWN.get(hashlib.sha256(content).hexdigest())
    if known is None:
        raise RecipeError(
            "the pattern and the special tokens of this tokenizer.model are unknown",
            where=str(path),
            hint=f'give the model\'s tokenizer.json, or put {BESIDE} beside it: {{"pattern": '
            '"...", "special_tokens": {"<|end|>": 1000}}',
        )
    pattern, names = known
    first = max(ranks.values()) + 1
    specials = {name: first + number for number, name in enumerate(names)}
    return RankFile(ranks, pattern, specials, names[0], names[1])


def _read_beside(path: Path) -> tuple[str, dict[str, int], str | None, str | None]:
    try:
        given: dict[str, Any] = json.loads(path.read_bytes())
        pattern, specials = given["pattern"], given.get("special_tokens", {})
        if not isinstance(pattern, str) or not all(isinstance(n, int) for n in specials.values()):
            raise ValueError("the pattern is no text, or the number of a special token no number")
    except (OSError, ValueError, LookupError, AttributeError, TypeError) as error:
        raise RecipeError(f"cannot use {BESIDE}: {error}", where=str(path)) from None
    return pattern, specials, given.get("begin"), given.get("end")


def rank_file_content(ranks: Mapping[bytes, int]) -> bytes:
    r"""Return tokens and ranks as tiktoken's ``load_tiktoken_bpe`` reads them.

    >>> rank_file_content({b"ab": 256, b"a": 97})
    b'YQ== 97\nYWI= 256\n'
    """
    ordered = sorted(ranks, key=ranks.__getitem__)
    return b"".join(b"%s %d\n" % (base64.b64encode(token), ranks[token]) for token in ordered)


@dataclass(frozen=True)
class RankFileCounter(TiktokenCounter):
    """Counts with the encoding of a ``tokenizer.model``, whose path is its name."""

    begin: str | None  #: the special token that begins a text
    end: str | None  #: and the one that ends it

    def __reduce__(self) -> tuple[Any, ...]:
        return rank_file_counter, (Path(self.name),)


def rank_file_counter(path: Path) -> RankFileCounter:
    """Load a counter from a ``tokenizer.model``."""
    import tiktoken

    found = read_rank_file(path)
    ordered = sorted(found.ranks, key=found.ranks.__getitem__)
    encoding = tiktoken.Encoding(
        path.name,
        pat_str=found.pattern,
        mergeable_ranks=found.ranks,
        special_tokens=found.specials,
    )
    digest = vocabulary_digest(found.pattern.encode(), *ordered)
    return RankFileCounter(str(path), digest, encoding, found.begin, found.end)


def _llama_3() -> list[str]:
    names = [
        "<|begin_of_text|>", "<|end_of_text|>", "<|reserved_special_token_0|>",
        "<|reserved_special_token_1|>", "<|finetune_right_pad_id|>", "<|step_id|>",
        "<|start_header_id|>", "<|end_header_id|>", "<|eom_id|>", "<|eot_id|>", "<|python_tag|>",
        "<|image|>",
    ]  # fmt: skip
    return names + [f"<|reserved_special_token_{2 + n}|>" for n in range(256 - len(names))]


def _llama_4() -> list[str]:
    def reserved(kind: str, count: int, first: int = 0) -> list[str]:
        return [f"<|{kind}reserved_special_token_{first + n}|>" for n in range(count)]

    names = [
        "<|begin_of_text|>", "<|end_of_text|>", "<|fim_prefix|>", "<|fim_middle|>",
        "<|fim_suffix|>", "<|header_start|>", "<|header_end|>", "<|eom|>", "<|eot|>", "<|step|>",
        *reserved("text_post_train_", 6), "<|python_start|>", "<|python_end|>",
        "<|finetune_right_pad|>", *reserved("text_post_train_", 61, 8),
        "<|image_start|>", "<|image_end|>", *reserved("vision_", 2), "<|tile_x_separator|>",
        "<|tile_y_separator|>", *reserved("vision_", 4, 2), "<|image|>",
        *reserved("vision_", 1, 6), "<|patch|>", *reserved("vision_", 1041, 7),
        *reserved("reasoning_", 8), "<|reasoning_thinking_start|>", "<|reasoning_thinking_end|>",
    ]  # fmt: skip
    return names + reserved("", 2048 - len(names))


#: SHA-256 of a file -> its pattern and special tokens, as the package llama-models has them.
_KNOWN = {
    "82e9d31979e92ab929cd544440f129d9ecd797b69e327f80f17e1c50d5551b55": (
        _LLAMA_3_PATTERN,
        _llama_3(),
    ),
    "d0bdbaf59b0762c8c807617e2d8ea51420eb1b1de266df2495be755c8e0ed6ed": (
        _LLAMA_4_PATTERN,
        _llama_4(),
    ),
}
