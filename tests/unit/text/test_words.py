"""The words of a text: the kernel against a slow twin that reads like the definition."""

import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.kernels import unicode
from curate.text.words import (
    CHARS,
    HAS_LETTER,
    MORE_THAN_SYMBOLS,
    PUBLISHED_SYMBOLS,
    roles,
    segment_words,
    words,
)
from tests.examples import examples

APOSTROPHES_AND_HYPHENS = "'’-‐‑"
INSIDE_NUMBERS = ".,:٫٬"


def kind(character: str) -> str:
    """Return the role of a character, by the definition in words.py."""
    bits = int(unicode.CLASS[ord(character)])
    if bits & unicode.SPACE or unicodedata.category(character) == "Cc":
        return "separator"
    if bits & unicode.CONTROL:
        return "format"
    if bits & unicode.UNSPACED:
        return "single"
    if bits & unicode.MARK:
        return "mark"
    if bits & unicode.PUNCTUATION:
        return "punctuation"
    return "run"


def slow_words(text: str) -> list[str]:
    found: list[str] = []
    current = ""  # the word that is growing, "" between words
    of = ""  # its kind
    for i, character in enumerate(text):
        now = kind(character)
        after = text[i + 1] if i + 1 < len(text) else " "
        joins = now in ("mark", "format") and bool(current)
        joins = joins or (now == of == "run")
        joins = joins or (now == of == "punctuation" and bool(current) and character == current[0])
        if now == "punctuation" and of == "run" and current:
            joins = character in APOSTROPHES_AND_HYPHENS and kind(after) == "run"
            before = text[i - 1]
            digits = all(unicode.CLASS[ord(c)] & unicode.DIGIT for c in (before, after))
            joins = joins or (character in INSIDE_NUMBERS and digits)
        if joins:
            current += character
            continue
        if current:
            found.append(current)
        current, of = "", ""
        if now not in ("separator", "format"):
            current, of = character, "run" if now == "mark" else now
    return [*found, current] if current else found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (" \n\t\r\u2028", []),
        ("one two", ["one", "two"]),
        ("Don't, he said.", ["Don't", ",", "he", "said", "."]),
        ("rock 'n' roll", ["rock", "'", "n", "'", "roll"]),
        ("well-known - well -known", ["well-known", "-", "well", "-", "known"]),
        ("3.14 1,000 12:30 v2.0. 5.", ["3.14", "1,000", "12:30", "v2.0", ".", "5", "."]),
        ("e.g. a,b", ["e", ".", "g", ".", "a", ",", "b"]),
        ("wait... what?!", ["wait", "...", "what", "?", "!"]),
        ("«Сәлем», — деді.", ["«", "Сәлем", "»", ",", "—", "деді", "."]),
        ("Алматы-2-ге", ["Алматы-2-ге"]),
        ("İstanbul'da İstanbul’da", ["İstanbul'da", "İstanbul’da"]),
        ("東京タワーは2024年。", ["東", "京", "タ", "ワ", "ー", "は", "2024", "年", "。"]),
        (
            "東……。。と、、か\u3099𠀋々々。",
            ["東", "……", "。。", "と", "、、", "か\u3099", "𠀋", "々", "々", "。"],
        ),
        ("東京\u3000は\u200b、é漢", ["東", "京", "は\u200b", "、", "é", "漢"]),
        ("ก็ได้", ["ก็", "ไ", "ด้"]),
        ("한국어 문장입니다.", ["한국어", "문장입니다", "."]),
        ("می\u200cروم", ["می\u200cروم"]),
        ("\u200bне\u00adт\u200b", ["не\u00adт\u200b"]),
        ("e\u0301 \u0301", ["e\u0301", "\u0301"]),
        ("مَرْحَبًا، عالم؟", ["مَرْحَبًا", "،", "عالم", "؟"]),
        ("👍👍 ❤\ufe0f", ["👍👍", "❤\ufe0f"]),
        ("a\x00b\x85c", ["a", "b", "c"]),
        ("x²+½", ["x²", "+", "½"]),
        ("𠀋𝒳", ["𠀋", "𝒳"]),
    ],
)
def test_words(text: str, expected: list[str]) -> None:
    assert words(text) == expected
    assert slow_words(text) == expected


ALPHABET = st.sampled_from(
    [
        *"abZ059 .,:;'’-_#(){}!?…«»\n\t\r",
        *"яәІ東はー漢กิ้한اًـ،؟۔é",
        *"\u0301\u200b\u200d\xad\x00\x85\u20281１😀👍𠀋𝒳\ufe0f٣٫〇²",
    ]
)


@examples(300)
@given(st.text(ALPHABET, max_size=60) | st.text(max_size=40))
def test_words_are_those_of_the_slow_twin(text: str) -> None:
    text = text.encode("utf-8", "ignore").decode()
    assert words(text) == slow_words(text)


@examples(100)
@given(st.text(ALPHABET, max_size=60))
def test_hashes_lengths_and_flags_are_those_of_the_words(text: str) -> None:
    found, spelled = segment_words(text), words(text)
    flags = found.flags[:-1].tolist()
    assert np.diff(found.flags >> CHARS).tolist() == [len(word) for word in spelled]
    assert [bool(f & HAS_LETTER) for f in flags] == [any(map(str.isalpha, w)) for w in spelled]
    alone = [segment_words(word).hashes.tolist() for word in spelled]
    assert [[h] for h in found.hashes.tolist()] == alone
    assert len(set(found.hashes.tolist())) == len(set(spelled))
    symbols = set(PUBLISHED_SYMBOLS) | {
        chr(c) for c in np.flatnonzero(unicode.CLASS & unicode.TERMINAL)
    }
    assert [not f & MORE_THAN_SYMBOLS for f in flags] == [set(word) <= symbols for word in spelled]


def test_hashes_are_pinned() -> None:
    # Equal words must have equal hashes on every machine, today and tomorrow.
    assert [hex(h) for h in segment_words("the және").hashes.tolist()] == PINNED


PINNED = ["0xdeb7a15211a071f0", "0x183168c3419ce849"]


def test_roles_cover_every_code_point() -> None:
    assert roles().shape == (0x110000,)
    assert not roles().flags.writeable
