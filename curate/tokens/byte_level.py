"""Byte-level BPE as a ``tokenizer.json`` has it: each byte is written as one printable character.

The alphabet is GPT-2's, which `tokenizers` calls ByteLevel: printable characters of Latin-1 stand
for themselves, the other 68 bytes for the characters from U+0100 on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

_PRINTABLE = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
_OTHERS = [byte for byte in range(256) if byte not in _PRINTABLE]
_WRITTEN = {byte: chr(byte) for byte in _PRINTABLE} | {
    byte: chr(0x100 + number) for number, byte in enumerate(_OTHERS)
}
_READ = {ord(character): byte for byte, character in _WRITTEN.items()}

#: int16[2048]: the byte that a character of up to two bytes stands for, by code point, or -1.
BYTES = np.full(0x800, -1, np.int16)
BYTES[list(_READ)] = list(_READ.values())

#: The 256 characters that stand for bytes.
ALPHABET = frozenset(_WRITTEN.values())


def written(token: bytes) -> str:
    """Write a token's bytes as characters.

    >>> written(" қ".encode())
    'ĠÒĽ'
    """
    return token.decode("latin-1").translate(_WRITTEN)


def read(token: str) -> bytes:
    """Return the bytes that characters of the alphabet stand for; KeyError for another character.

    >>> read("ĠÒĽ").decode()
    ' қ'
    """
    return bytes([_READ[ord(character)] for character in token])


def splits(tokens: Iterable[bytes], numbers: Mapping[bytes, int]) -> list[tuple[bytes, bytes]]:
    """Return each way to cut each token into two tokens, in the order of the tokens.

    With all of them as merges a ``tokenizer.json`` merges as tiktoken does: two neighbours whose
    joined bytes are a token become this token, the lowest number first.
    """
    return [
        (token[:cut], token[cut:])
        for token in tokens
        for cut in range(1, len(token))
        if token[:cut] in numbers and token[cut:] in numbers
    ]


def tokenizer_json(
    tokens: Mapping[bytes, int],
    specials: Mapping[str, int],
    pattern: str,
    begin: str | None = None,
) -> dict[str, Any]:
    """Return byte strings by number as the content of a ``tokenizer.json``.

    It encodes as tiktoken does with the same numbers as ranks and the same pattern. Special tokens
    stand in the vocabulary, too, so that their numbers need not come last. ``begin`` is the special
    token that begins a text.
    """
    ordered = sorted(tokens, key=tokens.__getitem__)
    vocabulary = {written(token): tokens[token] for token in ordered} | dict(specials)
    template = {
        "type": "TemplateProcessing",
        "single": [_special(begin), _sequence("A", 0)],
        "pair": [_special(begin), _sequence("A", 0), _special(begin, 1), _sequence("B", 1)],
        "special_tokens": {begin: {"id": begin, "ids": [specials[begin]], "tokens": [begin]}},
    } if begin is not None else None  # fmt: skip
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [added_token(text, number) for text, number in specials.items()],
        "normalizer": None,
        "pre_tokenizer": {
            "type": "Sequence",
            "pretokenizers": [
                {
                    "type": "Split",
                    "pattern": {"Regex": pattern},
                    "behavior": "Isolated",
                    "invert": False,
                },
                _byte_level(),
            ],
        },
        "post_processor": template,
        "decoder": _byte_level(),
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": True,
            "vocab": vocabulary,
            "merges": as_merges(splits(ordered, tokens)),
        },
    }


def as_merges(pairs: Sequence[tuple[bytes, bytes]]) -> list[list[str]]:
    """Write pairs of tokens as the merges of a ``tokenizer.json``."""
    return [[written(left), written(right)] for left, right in pairs]


def added_token(text: str, number: int) -> dict[str, Any]:
    """Return a special token as a ``tokenizer.json`` has it."""
    return {
        "id": number,
        "content": text,
        "single_word": False,
        "lstrip": False,
        "rstrip": False,
        "normalized": False,
        "special": True,
    }


def _byte_level() -> dict[str, Any]:
    return {
        "type": "ByteLevel",
        "add_prefix_space": False,
        "trim_offsets": True,
        "use_regex": False,
    }


def _special(text: str | None, segment: int = 0) -> dict[str, Any]:
    return {"SpecialToken": {"id": text, "type_id": segment}}


def _sequence(name: str, segment: int) -> dict[str, Any]:
    return {"Sequence": {"id": name, "type_id": segment}}
