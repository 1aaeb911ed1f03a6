"""Write ``curate/kernels/unicode.npz``: run ``python -m tests.generate.unicode_tables``.

Categories, case and decompositions come from :mod:`unicodedata`; scripts and the property
Sentence_Terminal, which it lacks, from the ``regex`` package (a dependency of tiktoken). Only code
points that unicodedata knows get a class, so that the version in the file applies to all of it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping

import numpy as np
import regex  # type: ignore[import-untyped,unused-ignore]

from curate.kernels import unicode
from curate.kernels.grouping import first_of_runs
from curate.kernels.unicode import (
    CONTROL,
    DIGIT,
    LETTER,
    MARK,
    NEWLINE,
    PUNCTUATION,
    SPACE,
    TERMINAL,
    UNSPACED,
    UPPER,
)

SIZE = 0x110000

#: ISO 15924 → Unicode's name of the script. ``Zyyy`` is everything else; at most 256 fit.
_NAMES = (
    "Latn=Latin Cyrl=Cyrillic Arab=Arabic Hang=Hangul Hira=Hiragana Kana=Katakana Hani=Han "
    "Thai=Thai Laoo=Lao Khmr=Khmer Mymr=Myanmar Grek=Greek Hebr=Hebrew Deva=Devanagari "
    "Beng=Bengali Ethi=Ethiopic Armn=Armenian Geor=Georgian Guru=Gurmukhi Gujr=Gujarati "
    "Orya=Oriya Taml=Tamil Telu=Telugu Knda=Kannada Mlym=Malayalam Sinh=Sinhala Tibt=Tibetan "
    "Mong=Mongolian Syrc=Syriac Thaa=Thaana Nkoo=Nko Tfng=Tifinagh Cher=Cherokee "
    "Cans=Canadian_Aboriginal Bopo=Bopomofo Yiii=Yi Olck=Ol_Chiki Adlm=Adlam Vaii=Vai "
    "Java=Javanese Bali=Balinese Sund=Sundanese Mtei=Meetei_Mayek Cakm=Chakma Lisu=Lisu "
    "Copt=Coptic Goth=Gothic Runr=Runic Ogam=Ogham"
)
SCRIPT_NAMES = {"Zyyy": "", **dict(pair.split("=") for pair in _NAMES.split())}
UNSPACED_SCRIPTS = ("Hani", "Hira", "Kana", "Thai", "Laoo", "Khmr", "Mymr")

#: Khmer signs that end a text or a section; FineWeb counts them as ends of sentences too.
MORE_TERMINALS = "៖៙៚"

#: Marks of length and iteration that Unicode calls Common although only Japanese has them.
JAPANESE = {"ー": "Kana", "ｰ": "Kana", "ヽ": "Kana", "〆": "Hani", "〇": "Hani"}

TURKISH_I = {"I": "i", "ı": "i", "İ": "i"}


def classes_and_scripts() -> tuple[np.ndarray, np.ndarray]:
    """Build the two dense tables."""
    names = list(SCRIPT_NAMES)
    patterns = {n: regex.compile(rf"\p{{Script={p}}}") for n, p in SCRIPT_NAMES.items() if p}
    terminal = regex.compile(r"\p{Sentence_Terminal}")
    bits, scripts = np.zeros(SIZE, np.uint16), np.zeros(SIZE, np.uint8)
    for code in range(SIZE):
        character = chr(code)
        category = unicodedata.category(character)
        if category in ("Cn", "Cs", "Co"):
            continue
        script = JAPANESE.get(character) or next(
            (name for name, pattern in patterns.items() if pattern.match(character)), "Zyyy"
        )
        scripts[code] = names.index(script)
        value = 0
        if character.isalpha():
            value |= LETTER
        if category == "Nd":
            value |= DIGIT
        if category[0] == "M":
            value |= MARK
        if character.isspace():
            value |= SPACE
        if category in ("Lo", "Lm", "Nl") and script in UNSPACED_SCRIPTS:
            value |= UNSPACED
        if category[0] in "PS":
            value |= PUNCTUATION
        if character.isupper():
            value |= UPPER
        if terminal.match(character) or character in MORE_TERMINALS:
            value |= TERMINAL
        if category == "Cf" or (category == "Cc" and character not in "\t\n"):
            value |= CONTROL
        if character == "\n":
            value |= NEWLINE
        bits[code] = value
    return bits, scripts


def fold(character: str) -> str:
    """Fold one code point to one code point: Turkish i, else lower case where that is one."""
    if character in TURKISH_I:
        return TURKISH_I[character]
    lower = character.lower()
    return lower if len(lower) == 1 else character


def base(character: str, is_latin_or_greek: bool) -> str:
    """Strip the accents of a folded Latin or Greek letter; elsewhere only ё becomes е."""
    folded = fold(character)
    if folded == "ё":
        return "е"
    return unicodedata.normalize("NFD", folded)[0] if is_latin_or_greek else folded


def runs(table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the values of a table's runs, and their lengths."""
    starts = np.flatnonzero(first_of_runs(table))
    return table[starts], np.diff(np.append(starts, len(table))).astype(np.int32)


#: Compatibility forms of letters and signs: ligatures, presentation forms, full and half width,
#: radicals. Other compatibility characters (superscripts, circled numbers) are written on purpose.
WIDTH_BLOCKS = (
    (0x2F00, 0x2FD5),
    (0x3000, 0x3000),
    (0xFB00, 0xFDFF),
    (0xFE30, 0xFEFE),
    (0xFF01, 0xFFEE),
)


def width(character: str) -> str:
    """Return the usual form of a compatibility form of a letter or sign."""
    inside = any(first <= ord(character) <= last for first, last in WIDTH_BLOCKS)
    form = unicodedata.normalize("NFKC", character) if inside else character
    return form if form.strip() == form or form == " " else character


def case(character: str) -> str:
    """Return the full case folding of one code point; the dot of İ is no letter of its own."""
    return "i" if character == "İ" else unicodedata.normalize("NFC", character.casefold())


def mapping(name: str, forms: Mapping[int, str]) -> Mapping[str, np.ndarray]:
    """Return code points and their forms: those of one code point, and those of several."""
    one = {code: ord(form) for code, form in forms.items() if len(form) == 1}
    several = {code: form for code, form in forms.items() if len(form) > 1}
    return {
        f"{name}_from": np.array(list(one), np.uint32),
        f"{name}_to": np.array(list(one.values()), np.uint32),
        f"{name}_long_from": np.array(list(several), np.uint32),
        f"{name}_long_to": np.array(list(several.values())),
    }


def equivalences() -> Mapping[str, np.ndarray]:
    """Build what tells texts that are the same although their code points differ.

    `recomposed`: code points that NFC replaces; `leads` and `composes`: the first and the second of
    two that it may join, or take apart to join others; `order`: the combining classes of marks.
    """
    known = [c for c in range(SIZE) if unicodedata.category(chr(c)) not in ("Cn", "Cs", "Co")]
    normal = {c: unicodedata.normalize("NFC", chr(c)) for c in known}
    pairs = [
        parts
        for c in known
        if normal[c] == chr(c) and len(parts := unicodedata.decomposition(chr(c)).split()) == 2
    ]
    leads = {int(first, 16) for first, _ in pairs if first[0] != "<"} | {*range(0x1100, 0x1113)}
    leads |= {c for c in known if len(unicodedata.normalize("NFD", chr(c))) > 1}
    seconds = {int(second, 16) for first, second in pairs if first[0] != "<"}
    jamo = {*range(0x1161, 0x1176), *range(0x11A8, 0x11C3)}
    combining = {c: unicodedata.combining(chr(c)) for c in known}
    order = {c: number for c, number in combining.items() if number}
    numbers = [c for c in known if unicodedata.category(chr(c)) in ("No", "Nl")]
    symbols = [c for c in known if unicodedata.category(chr(c))[0] == "S"]
    folds = {
        c: form for c in known if (form := case(normal[c])) != normal[c] and len(normal[c]) == 1
    }
    widths = {c: form for c in known if (form := width(chr(c))) != normal[c]}
    return {
        "recomposed": np.array([c for c in known if normal[c] != chr(c)], np.uint32),
        "leads": np.array(sorted(leads), np.uint32),
        "composes": np.array(sorted(seconds | jamo), np.uint32),
        "order_of": np.array(list(order), np.uint32),
        "order": np.array(list(order.values()), np.uint8),
        "numbers": np.array(numbers, np.uint32),
        "symbols": np.array(symbols, np.uint32),
        **mapping("case", folds),
        **mapping("width", widths),
    }


def tables() -> Mapping[str, np.ndarray]:
    """Build all arrays of the file."""
    bits, scripts = classes_and_scripts()
    names = list(SCRIPT_NAMES)
    accented = {names.index("Latn"), names.index("Grek")}
    folds, bases = {}, {}
    for code in np.flatnonzero(bits).tolist():
        character = chr(code)
        if (folded := ord(fold(character))) != code:
            folds[code] = folded
        if (bare := ord(base(character, int(scripts[code]) in accented))) != code:
            bases[code] = bare
    return {
        "version": np.array(unicodedata.unidata_version),
        "scripts": np.array(names),
        "class_values": runs(bits)[0],
        "class_counts": runs(bits)[1],
        "script_values": runs(scripts)[0],
        "script_counts": runs(scripts)[1],
        "fold_from": np.array(list(folds), np.uint32),
        "fold_to": np.array(list(folds.values()), np.uint32),
        "base_from": np.array(list(bases), np.uint32),
        "base_to": np.array(list(bases.values()), np.uint32),
        **equivalences(),
    }


if __name__ == "__main__":
    np.savez_compressed(unicode.PATH, **tables())
