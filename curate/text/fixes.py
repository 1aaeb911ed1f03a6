"""Named fixes that a profile may apply to the text of its language.

Each fix is one function from str to str. Its docstring states what it changes, why, and when that
is wrong; it is idempotent, and takes linear time on any input. A profile lists the fixes that run,
in order; those of ``filters/_fixes.toml`` are safe in any text, because each touches only the
letters of its script. What is right in one language and wrong in another is decided by the label
(``kaz_Cyrl``) that the fixes of LABELLED take as their second argument, "" where none is known.
HINTS has for each fix the characters of every text it could change, so that clean batches are
scanned once and never decoded (curate.text.fix_scan).

Unchanged on purpose: ی and ک (they are right in Persian and Urdu, and a quotation in Arabic),
hamza forms, ى and ة, vowel signs, digits of any script, ё, full-width punctuation, ① and ㈱. They
carry meaning, or are folded in hash keys only.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from functools import lru_cache
from inspect import signature

import numpy as np
import pyarrow as pa

from curate.text import fix_scan, script_fixes
from curate.text.fix_scan import Hints
from curate.text.homoglyphs import (
    CYRILLIC,
    GREEK,
    LATIN,
    cyrillic_homoglyphs,
    greek_homoglyphs,
    kazakh_schwa,
)
from curate.text.script_fixes import ARABIC_LETTERS, ARABIC_MARKS

_WIDE_SPACES = "\u00a0\u2000-\u200a\u202f\u205f\u2800\u3164\uffa0"
_BIDI = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"


def nonbreaking_spaces(text: str) -> str:
    r"""Turn no-break, thin and other typographic spaces into a plain space.

    The same sentence typeset by another program should be the same tokens. At the end of a line
    they are removed, as repair removes plain ones. The ideographic space stays: in Chinese and
    Japanese it is the space. So do the narrow space between Mongolian letters (U+202F), which
    joins a suffix to its word, and the Ogham space. Fillers that show nothing (U+3164, U+FFA0) and
    the blank Braille cell are spaces where no letter of their script is beside them. Wrong where
    the width of a space matters, as in tables, and for French typography if a model should learn
    it.

    >>> nonbreaking_spaces("10\u00a0000\u202f₸")
    '10 000 ₸'
    """
    # Both patterns look behind each character; few texts have what they are for.
    spaced = _BLANK.sub(" ", text) if any(blank in text for blank in "\u2800\u3164\uffa0") else text
    if "\u202f" in spaced:
        spaced = _NARROW_SPACE.sub(" ", spaced)
    spaced = _WIDE_SPACE.sub(" ", spaced)
    if spaced == text or not (" \n" in spaced or spaced.endswith(" ")):
        return spaced
    return "\n".join(line.rstrip(" ") for line in spaced.split("\n"))


_WIDE_SPACE = re.compile("[\u00a0\u2000-\u200a\u205f]")
_NARROW_SPACE = re.compile("(?<![\u1800-\u18af])\u202f|\u202f(?![\u1800-\u18af])")
_BLANK = re.compile(
    "(?<![\u1100-\u11ff\u3131-\u318e\uffa0-\uffdc])[\u3164\uffa0]+(?![\u1100-\u11ff\u3131-\u318e\uffa0-\uffdc])"
    "|(?<![\u2800-\u28ff])\u2800+(?![\u2800-\u28ff])"
)


def soft_hyphens(text: str) -> str:
    r"""Remove soft hyphens: invisible hints where a word may be broken.

    They split words for a tokenizer and for every word list. At the end of a line, between two
    letters, one says that the word goes on: the break goes with it. So do the signs that OCR and
    old code pages write for it there (¬, ‧), before a small letter. A hyphen at the end of a line
    stays with its break: it may be the hyphen of a compound. Wrong in texts about soft hyphens.

    >>> soft_hyphens("қазақ\u00adстан\u00adдық"), soft_hyphens("Po\u00ad\nlitik im Nord-\nosten")
    ('қазақстандық', 'Politik im Nord-\nosten')
    """
    return _SPLIT.sub(_joined, text).replace("\u00ad", "")


_SPLIT = re.compile(
    "(?<=[^\\W\\d_])(?:\u00ad[\u00ad\u200b-\u200d\u2060]*|[\u00ac\u2027])"
    "[ \t]*(?:\r?\n|[\r\v\f\x1c-\x1e\u0085\u2028\u2029])[ \t]*(?=([^\\W\\d_]))"
)


def _joined(match: re.Match[str]) -> str:
    return match.group() if match.group()[0] != "\u00ad" and match.group(1).isupper() else ""


def zero_width(text: str, lang: str = "") -> str:
    r"""Remove zero-width spaces and joiners, except where they change what is read.

    Zero-width space (U+200B) stays between letters of scripts that mark words with it (Thai, Lao,
    Khmer, Myanmar, Javanese and others); word joiners (U+2060) are removed. The joiners U+200C and
    U+200D stay after letters of India and of other scripts that shape with them, and after symbols
    (an emoji family is joined by U+200D); of a run of joiners the first stays. In Latin, Cyrillic,
    Greek, Han, Kana and Hangul words they are removed.

    In Arabic letters the language decides. Persian, Urdu, Kurdish and all others but Arabic write
    the non-joiner (U+200C) inside words, also behind digits, Latin names and closing quotation
    marks, and the joiner (U+200D) behind a last heh. In Arabic only words with a letter that Arabic
    lacks keep them. In a text without a label, or with one in another script, they stay if one of
    its letters is Persian, Urdu or Kurdish; that is wrong for a Persian text so short that it has
    none.

    >>> zero_width("Қа\u200bзақ\u200dстан"), zero_width("می\u200cخواهم"), zero_width("👩\u200d🔬")
    ('Қазақстан', 'می\u200cخواهم', '👩\u200d🔬')
    """
    if not _ZERO_WIDTH.search(text):
        return text
    is_arabic = lang[:3] in ARABIC and lang.endswith("_Arab")
    joins = not is_arabic and (lang.endswith("_Arab") or _PERSIAN.search(text) is not None)

    def replacement(match: re.Match[str]) -> str:
        start, end = match.span()
        before, after = text[start - 1 : start], text[end : end + 1]
        run = match.group()
        if "\u200b" in run and _BREAKS_UNSEEN.match(before) and _BREAKS_UNSEEN.match(after):
            return "\u200b"
        joiner = next((char for char in run if char in "\u200c\u200d"), "")
        if not joiner or not before:
            return ""
        arabic_before, arabic_after = _ARABIC.match(before), _ARABIC.match(after)
        if not (arabic_before or arabic_after):
            return joiner if _JOINS.match(before) or _is_symbol(before) else ""
        if joiner == "\u200d" and not arabic_after:
            return joiner if before == "ه" else ""
        near = text[max(0, start - _NEAR) : end + _NEAR]
        if not (joins or (is_arabic and _PERSIAN.search(_word_around(near, min(start, _NEAR))))):
            return ""
        if arabic_before:
            return joiner if after.isalnum() or arabic_after else ""
        return joiner if before.isalnum() or before in "»”’\"')]" else ""

    return _ZERO_WIDTH.sub(replacement, text)


_ZERO_WIDTH = re.compile("[\u200b\u200c\u200d\u2060]+")
#: Arabic and its varieties, by ISO 639-3: the only languages in Arabic letters without joiners.
ARABIC = frozenset(
    [
        "arb",
        "ara",
        "arz",
        "acm",
        "aeb",
        "apc",
        "arq",
        "ars",
        "ary",
        "acw",
        "ajp",
        "afb",
        "apd",
        "ayl",
        "abh",
        "acq",
        "acx",
        "adf",
        "ayn",
        "ayp",
        "pga",
        "shu",
    ]
)
_PERSIAN = re.compile("[پچژگکیہےڤۆێەڵڕھٹڈڑں]")
_ARABIC = re.compile(f"[{ARABIC_LETTERS}{ARABIC_MARKS}]")
_NEAR = 32  #: no word is longer
_BREAKS_UNSEEN = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u1950-\u19ff\u1a20-\u1aaf\u1b00-\u1b7f\ua980-\uaadf]"
)
#: Indic and Southeast Asian scripts, Syriac to N'Ko, Mongolian, variation selectors, emoji tags.
_JOINS = re.compile(
    "[\u0700-\u07ff\u0840-\u085f\u0900-\u0dff\u0e00-\u109f\u1700-\u18af\u1900-\u1cff\ua800-\ua8ff"
    "\ua900-\uaadf\uabc0-\uabff\ufe00-\ufe0f\u20e3\U00011000-\U00011fff\U0001f3fb-\U0001f3ff"
    "\U000e0020-\U000e007f]"
)


def _word_around(text: str, at: int) -> str:
    """Return the word of Arabic letters and joiners around a place."""
    before, after = _WORD_BEFORE.search(text[:at]), _WORD_AFTER.match(text, at)
    return (before.group() if before else "") + (after.group() if after else "")


_WORD_BEFORE = re.compile(f"[{ARABIC_LETTERS}{ARABIC_MARKS}\u200b-\u200d]+$")
_WORD_AFTER = re.compile(f"[{ARABIC_LETTERS}{ARABIC_MARKS}\u200b-\u200d\u2060]+")


def _is_symbol(char: str) -> bool:
    return unicodedata.category(char) in ("So", "Sm") or char in "©®‼⁉"


def bidi_controls(text: str) -> str:
    r"""Remove marks, embeddings, overrides and isolates of writing direction.

    They are noise in plain text, and an override can make a text look different from its content.
    Wrong where mixed-direction text must be displayed again as it was.

    >>> bidi_controls("\u202bالعربية\u202c\u200f")
    'العربية'
    """
    return _BIDI_CONTROL.sub("", text)


_BIDI_CONTROL = re.compile(f"[{_BIDI}]")


def line_separators(text: str) -> str:
    r"""Turn the line and paragraph separators of Unicode into newlines.

    Half of all programs break lines there and half do not: JSON Lines readers have lost records
    because of it. Never wrong as far as we know.

    >>> line_separators("one\u2028two\u2029three")
    'one\ntwo\nthree'
    """
    return text.replace("\u2028", "\n").replace("\u2029", "\n")


def combining_floods(text: str) -> str:
    r"""Drop whole runs of more than eight combining marks ("zalgo" decoration).

    No orthography puts more than four or five on a letter (Hebrew with cantillation, Tibetan
    stacks, Vietnamese decomposed); eight leaves room. The whole run is dropped, because none of it
    has meaning.

    >>> combining_floods("t" + "\u0334\u0317\u0353" * 4 + "ext"), combining_floods("Việt")
    ('text', 'Việt')
    """
    return text if text.isascii() else _mark_flood().sub("", text)


@lru_cache(maxsize=1)
def _marks() -> str:
    codes = [c for c in range(0x300, 0x20000) if unicodedata.category(chr(c)) in ("Mn", "Me")]
    codes += range(0xE0100, 0xE01F0)
    starts = [c for before, c in zip([-1, *codes], codes) if c != before + 1]
    ends = [c for c, after in zip(codes, [*codes[1:], -1]) if c + 1 != after]
    return "".join(f"{chr(a)}-{chr(b)}" for a, b in zip(starts, ends))


@lru_cache(maxsize=1)
def _mark_flood() -> re.Pattern[str]:
    return re.compile(f"[{_marks()}]{{9,}}")


#: Every fix by its name in profiles.
FIXES: dict[str, Callable[..., str]] = {
    fix.__name__: fix
    for fix in (
        *(nonbreaking_spaces, soft_hyphens, zero_width, bidi_controls, line_separators),
        *(combining_floods, cyrillic_homoglyphs, greek_homoglyphs, kazakh_schwa),
    )
} | {name: getattr(script_fixes, name) for name in script_fixes.HINTS}

#: The fixes that take the label of the language.
LABELLED = frozenset(name for name, fix in FIXES.items() if "lang" in signature(fix).parameters)


def applicable(names: Iterable[str], lang: str) -> tuple[str, ...]:
    """Return those of the named fixes that are right in a language, "" for an unknown one.

    >>> applicable(["tatweel", "cedillas", "dotted_i"], "lit_Latn")
    ('tatweel',)
    """
    only, never, code = script_fixes.LANGUAGES, script_fixes.NOT_IN, lang[:3]
    return tuple(
        name
        for name in names
        if code not in never.get(name, ()) and (name not in only or code in only[name])
    )


@lru_cache(maxsize=1024)
def custom(lang: str | None) -> str:
    """Return a label that stands for all languages which the fixes treat as they treat this one.

    So the rows of a batch are few groups, whatever the number of their languages.

    >>> custom("kir_Cyrl"), custom("eng_Latn"), custom("und"), custom(None)
    ('kir_Cyrl', 'und_Latn', '', '')
    """
    code, _, script = (lang or "").partition("_")
    special = frozenset().union(*script_fixes.LANGUAGES.values(), *script_fixes.NOT_IN.values())
    if not script or script in ("Arab", "Cyrl") or code in special:
        return f"{code}_{script}" if script else ""
    return f"und_{script}"


#: For each fix the characters, or pairs of neighbours, of every text that it could change. Runs of
#: combining marks are counted besides.
HINTS: dict[str, Hints] = {
    "nonbreaking_spaces": (("", _WIDE_SPACES),),
    "soft_hyphens": (
        ("", "\u00ad"),
        ("\u00ac\u2027", " \t\n\r\v\f\x1c-\x1e\u0085\u2028\u2029"),
    ),
    "zero_width": (("", "\u200b-\u200d\u2060"),),
    "bidi_controls": (("", _BIDI),),
    "line_separators": (("", "\u2028\u2029"),),
    "combining_floods": (),
    "cyrillic_homoglyphs": ((f"{LATIN}ɵ", CYRILLIC), (CYRILLIC, f"{LATIN}ɵ")),
    "greek_homoglyphs": ((f"{LATIN}µ", GREEK), (GREEK, f"{LATIN}µ")),
    "kazakh_schwa": ((CYRILLIC, "əƏ"), ("əƏ", CYRILLIC)),
} | script_fixes.HINTS

_BITS = {name: np.uint64(1 << number) for number, name in enumerate(HINTS)}


@lru_cache(maxsize=1)
def _tables() -> fix_scan.Tables:
    return fix_scan.build(HINTS, "combining_floods")


def hinted(texts: pa.LargeStringArray, names: Iterable[str]) -> dict[str, np.ndarray]:
    """Return for each of the named fixes the numbers of the texts that it could change.

    >>> hinted(pa.array(["a", "сoo", "سـ"], pa.large_string()), ["tatweel", "cyrillic_homoglyphs"])
    {'tatweel': array([2]), 'cyrillic_homoglyphs': array([1])}
    """
    found = fix_scan.scan(texts, _tables())
    return {name: np.flatnonzero(found & _BITS[name]) for name in names}
