"""Edits that turn a text into a damaged, copied or changed one. Pure; the caller sets the seed."""

from __future__ import annotations

import random
import re
import unicodedata
from functools import lru_cache

# A word is a run of letters and digits; in kana and Han each character is one.
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|(?:(?![\u3040-\u30ff\u3400-\u9fff])\w)+")
_LOOKALIKES = str.maketrans("аосеі", "aocei")
_TATWEEL = "\u0640"


def shingles(text: str, n: int = 5) -> frozenset[tuple[str, ...]]:
    """Return the set of word n-grams, lower-cased, digits as 0; a shorter text is one shingle."""
    folded = unicodedata.normalize("NFC", text).lower()
    words = [re.sub(r"\d+", "0", word) for word in _WORD.findall(folded)]
    if not words:
        return frozenset()
    return frozenset(tuple(words[i : i + n]) for i in range(max(1, len(words) - n + 1)))


def jaccard(a: str, b: str) -> float:
    """Return shared / all word 5-grams of two texts; 0 where both are empty."""
    left, right = shingles(a), shingles(b)
    return len(left & right) / len(left | right) if left | right else 0.0


def drop_words(text: str, until: float, rng: random.Random) -> str:
    """Remove words of the body, one at a time, until the Jaccard is ``until`` or less."""
    edited = text
    while jaccard(text, edited) > until:
        body = edited.index("\n\n")
        words = [word for word in _WORD.finditer(edited, body) if len(word.group()) < 14]
        word = rng.choice(words[4:-4])
        end = word.end() + (edited[word.end() : word.end() + 1] == " ")
        edited = edited[: word.start()] + edited[end:]
    return edited


def homoglyphs(text: str) -> str:
    """Replace а, о, с, е, і by their Latin look-alikes in every third long word."""
    seen = 0

    def mix(match: re.Match[str]) -> str:
        nonlocal seen
        word = match.group()
        at = next((i for i, c in enumerate(word) if i and c in "аосеі"), None)
        if len(word) < 5 or at is None:
            return word
        seen += 1
        return word if seen % 3 else word[:at] + word[at].translate(_LOOKALIKES) + word[at + 1 :]

    return re.sub(r"\w+", mix, text)


def mojibake(text: str, codec: str) -> str:
    """Decode the text's UTF-8 as a Windows code page; bytes undefined there are kept."""
    return "".join(_sloppy(codec)[byte] for byte in text.encode())


@lru_cache(maxsize=4)
def _sloppy(codec: str) -> list[str]:
    return [bytes([b]).decode(codec, "ignore") or chr(b) for b in range(256)]


def litter(text: str, mark: str) -> str:
    """Insert an invisible character into the middle of every fifth word."""
    seen = 0

    def insert(match: re.Match[str]) -> str:
        nonlocal seen
        word = match.group()
        seen += 1
        middle = len(word) // 2
        return word if seen % 5 or middle < 2 else word[:middle] + mark + word[middle:]

    return re.sub(r"\w+", insert, text)


def half_width(text: str) -> str:
    """Return katakana in its half-width forms, voicing marks apart (ガ becomes ｶﾞ)."""
    return "".join(_half_widths().get(c, c) for c in text)


@lru_cache(maxsize=1)
def _half_widths() -> dict[str, str]:
    forms = [chr(c) for c in range(0xFF66, 0xFF9E)]
    pairs = forms + [form + mark for form in forms for mark in "\uff9e\uff9f"]
    full = {pair: unicodedata.normalize("NFKC", pair) for pair in pairs}
    return {whole: pair for pair, whole in reversed(full.items()) if len(whole) == 1}


def presentation_forms(text: str) -> str:
    """Return Arabic letters in the shapes of their positions, as old PDF extraction writes them."""
    shapes = _arabic_shapes()
    out = []
    for i, c in enumerate(text):
        forms = shapes.get(c)
        if forms is None:
            out.append(c)
            continue
        before = next((p for p in reversed(text[:i]) if not unicodedata.combining(p)), "")
        after = next((p for p in text[i + 1 :] if not unicodedata.combining(p)), "")
        joins_back = "initial" in shapes.get(before, {}) and "final" in forms
        joins_on = "initial" in forms and "final" in shapes.get(after, {})
        place = (
            "medial" if joins_back and joins_on
            else "final" if joins_back
            else "initial" if joins_on
            else "isolated"
        )  # fmt: skip
        out.append(forms.get(place, c))
    return "".join(out)


@lru_cache(maxsize=1)
def _arabic_shapes() -> dict[str, dict[str, str]]:
    shapes: dict[str, dict[str, str]] = {}
    for code in range(0xFE80, 0xFEF5):
        place, letter = unicodedata.decomposition(chr(code)).split()
        shapes.setdefault(chr(int(letter, 16)), {})[place.strip("<>")] = chr(code)
    return shapes


def tatweel(text: str) -> str:
    """Stretch every fourth Arabic word after a letter that joins to the next one."""
    shapes = _arabic_shapes()
    seen = 0

    def stretch(match: re.Match[str]) -> str:
        nonlocal seen
        word = match.group()
        for i in range(1, len(word) - 1):
            if "initial" in shapes.get(word[i], {}) and "final" in shapes.get(word[i + 1], {}):
                seen += 1
                return word if seen % 4 else word[: i + 1] + _TATWEEL * 3 + word[i + 1 :]
        return word

    return re.sub(r"[\u0621-\u064a]{4,}", stretch, text)


def longest_paragraph(text: str) -> str:
    """Return the longest paragraph of a text after its title."""
    return max(text.split("\n\n")[1:], key=len)
