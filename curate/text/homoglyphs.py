"""Words that mix letters of two scripts which look the same, written in one script again.

A word is changed only if one script explains all of its letters: each letter of another script has
a lookalike in it that the language uses. Words in one script never change: a blind table would
damage every English word in the text. What a language uses is known from its label; without one
the Kazakh and Russian letters count.

Source of the pairs: the table of kaznlp's ScriptFixer, Unicode's confusables.txt, and the keyboards
of the languages that lack a letter and borrow the Latin one (Chuvash ă ĕ ç, Ossetian æ, Macedonian
s, palochka written as I).
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import NamedTuple

LATIN = "A-Za-zªº\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u018e\u0190-\u024f"  # without the schwas
CYRILLIC = "\u0400-\u0481\u048a-\u052f"
GREEK = "\u0370-\u0373\u0376-\u0377\u037b-\u037d\u037f\u0386\u0388-\u03ff\u1f00-\u1fff\u00b5"

#: Pairs for every language in Cyrillic letters; Y is Ү where the language has it.
_SHARED = dict(zip("ABCEHKMOPTXYaceopxy", "АВСЕНКМОРТХУасеорхуү"))
#: Pairs for languages that have the second letter.
_OWN = {
    "i": "і", "I": "І", "j": "ј", "J": "Ј", "s": "ѕ", "S": "Ѕ", "h": "һ", "F": "Ғ", "Y": "Ү",
    "ɵ": "ө", "Ɵ": "Ө", "æ": "ӕ", "Æ": "Ӕ", "ç": "ҫ", "Ç": "Ҫ", "ÿ": "ӳ", "Ÿ": "Ӳ",
}  # fmt: skip
#: Letters beyond those that Russian has with all others, of the languages in Cyrillic letters.
_CYRILLIC_LETTERS = {
    "rus": "ё", "ukr": "ії", "bel": "іё", "rue": "іїё", "bul": "", "mkd": "јѕѐѝ", "srp": "ј",
    "bos": "ј", "hbs": "ј", "cnr": "ј", "kaz": "әғіүһёө", "kir": "үөё", "tat": "әүөһё",
    "bak": "әғүөһҫё", "kaa": "әғүөё", "uzn": "ғё", "uzb": "ғё", "tgk": "ғё", "khk": "үөё",
    "bxr": "үөһё", "xal": "әүөһё", "sah": "үөһё", "tyv": "үөё", "tuk": "әүөё", "azj": "әғүөһј",
    "uig": "әғүөһё", "chv": "ӑӗҫӳё", "oss": "ӕё", "kpv": "іӧё", "koi": "іӧё", "mhr": "ӧӱё",
    "mrj": "ӓӧӱё", "alt": "јӧӱё", "abk": "ә", "kmr": "әөһ",
}  # fmt: skip
#: The Caucasus writes Ӏ (palochka), on most keyboards as the Latin I or l.
_PALOCHKA = frozenset(["ava", "che", "inh", "lez", "ady", "kbd", "dar", "lbe", "tab", "agx", "rut"])
#: Without a label: what the Kazakh and Russian table has.
_ANY = "әғіүһ"

_TO_GREEK = dict(zip("ABEZHIKMNOPTYXovµ", "ΑΒΕΖΗΙΚΜΝΟΡΤΥΧονμ"))
_STRESS = "\u0300\u0301"


class _Pairs(NamedTuple):
    to_latin: dict[str, str]
    to_other: dict[str, str]


@lru_cache(maxsize=512)
def _cyrillic_pairs(lang: str) -> _Pairs:
    code = lang[:3]
    letters = _CYRILLIC_LETTERS.get(code, "ё" if lang.endswith("_Cyrl") else _ANY)
    own = {latin: letter for latin, letter in _OWN.items() if letter.lower() in letters}
    to_cyrillic = _SHARED | own | dict.fromkeys("Il" if code in _PALOCHKA else "", "Ӏ")
    for letter in map(chr, (*range(0xC0, 0x180), *range(0x1CD, 0x250))):
        base, *marks = list(unicodedata.normalize("NFD", letter))
        if not marks or base not in to_cyrillic or letter in to_cyrillic:
            continue
        spelt = unicodedata.normalize("NFC", to_cyrillic[base] + "".join(marks))
        if (len(spelt) == 1 and spelt.lower() in letters) or (
            marks[0] in _STRESS and not marks[1:]
        ):
            to_cyrillic[letter] = spelt
    every = {cyrillic: latin for latin, cyrillic in (_OWN | _SHARED).items() if latin not in "Yç"}
    every |= {"У": "Y", "Ү": "Y", "Ӏ": "I", "ӏ": "l", "ԁ": "d", "ԛ": "q", "ԝ": "w", "Ғ": "F"}
    every |= {"ё": "ë", "Ё": "Ë", "ї": "ï", "Ї": "Ï", "ә": "ə", "Ә": "Ə"}
    return _Pairs(every, to_cyrillic)


@lru_cache(maxsize=1)
def _greek_pairs() -> _Pairs:
    to_greek = dict(_TO_GREEK)
    for letter in map(chr, range(0xC0, 0x180)):
        base, *marks = list(unicodedata.normalize("NFD", letter))
        if base in _TO_GREEK and marks in (["\u0301"], ["\u0308"]):
            spelt = unicodedata.normalize("NFC", _TO_GREEK[base] + marks[0])
            if len(spelt) == 1:
                to_greek[letter] = spelt
    to_latin = {greek: latin for latin, greek in _TO_GREEK.items() if latin != "µ"}
    return _Pairs(to_latin, to_greek)


def cyrillic_homoglyphs(text: str, lang: str = "") -> str:
    """Write words that mix Latin and Cyrillic letters in one script, if one script explains them.

    If each Latin letter has a Cyrillic lookalike that the language uses the word becomes Cyrillic;
    if each Cyrillic letter has a Latin one, Latin. Where both are possible the script of the
    language wins, without a label the more frequent one; at a tie the word stays, as does one that
    neither explains. An accented Latin letter may be a stressed Cyrillic one. A Roman numeral
    becomes Latin, with У for V.

    Wrong for real mixtures that happen to have only lookalikes (the brand "Хiaomi"; "XXI" glued to
    a Kazakh word becomes Cyrillic with it).

    >>> cyrillic_homoglyphs("Қaзaқcтaн, Micrоsoft, WhatsAppта, Moscow")
    'Қазақстан, Microsoft, WhatsAppта, Moscow'
    >>> cyrillic_homoglyphs("Укрaїнськi мiста", "ukr_Cyrl")
    'Українські міста'
    """
    return _mended(text, _MIXED_CYRILLIC, _CYRILLIC_WORD, lang)


def greek_homoglyphs(text: str, lang: str = "") -> str:
    """Write words that mix Latin and Greek letters in one script, if one script explains them.

    A Greek text's words become Greek if their Latin letters (and the micro sign) are lookalikes.
    Elsewhere a word of at least five letters becomes Latin if its few Greek letters are; shorter
    ones are units and formulas (μm, ΔT).

    >>> greek_homoglyphs("Eλλάδα και κόσµος", "ell_Grek"), greek_homoglyphs("Micrοsoft, ΔT, 5 μm")
    ('Ελλάδα και κόσμος', 'Microsoft, ΔT, 5 μm')
    """
    return _mended(text, _MIXED_GREEK, _GREEK_WORD, lang)


# A Latin letter beside one of the other script. The engine skips to the class at its beginning.
_MIXED_CYRILLIC = re.compile(f"[{LATIN}ɵ](?:(?=[{CYRILLIC}])|(?<=[{CYRILLIC}].))")
_MIXED_GREEK = re.compile(f"[{LATIN}µ](?:(?=[{GREEK}])|(?<=[{GREEK}].))")
_CYRILLIC_WORD = re.compile(f"[{LATIN}{CYRILLIC}ɵ\u0300\u0301]+")
_GREEK_WORD = re.compile(f"[{LATIN}{GREEK}]+")
_IS_LATIN = re.compile(f"[{LATIN}ɵµ]")


def _mended(text: str, mixed: re.Pattern[str], words: re.Pattern[str], lang: str) -> str:
    pieces: list[str] = []
    done = 0
    place = mixed.search(text)
    while place is not None:
        start = place.start()
        while start > done and words.match(text, start - 1):
            start -= 1
        word = words.match(text, start)
        assert word is not None
        mended = _in_one_script(word.group(), words is _GREEK_WORD, lang)
        pieces += [text[done:start], mended]
        done = word.end()
        place = mixed.search(text, done)
    return "".join([*pieces, text[done:]]) if pieces else text


def _in_one_script(word: str, greek: bool, lang: str) -> str:
    if not greek and _ROMAN.fullmatch(numeral := word.translate(_TO_ROMAN)):
        return numeral
    pairs = _greek_pairs() if greek else _cyrillic_pairs(lang)
    letters = [char for char in word if char not in _STRESS]
    latin = [char for char in letters if _IS_LATIN.match(char)]
    others = [char for char in letters if not _IS_LATIN.match(char)]
    all_latin = all(char in pairs.to_latin for char in others)
    all_other = all(char in pairs.to_other for char in latin)
    if greek:
        all_other &= lang.endswith("_Grek")
        all_latin &= len(letters) >= 5 and len(latin) > 2 * len(others)
    if all_other and all_latin:
        more = len(latin) - len(others)
        own = {"_Latn": 1, "_Cyrl": -1, "_Grek": -1}.get(lang[3:], more)
        all_latin, all_other = own > 0, own < 0
    if all_other:
        return "".join(pairs.to_other.get(char, char) for char in word)
    if all_latin:
        return "".join(pairs.to_latin.get(char, char) for char in word)
    return word


_TO_ROMAN = str.maketrans("ІХМСУ", "IXMCV")
# With an X or V: СIМ is a Kazakh abbreviation.
_ROMAN = re.compile("(?=.*[XV])M{0,3}(?:CM|CD|D?C{0,3})(?:XC|XL|L?X{0,3})(?:IX|IV|V?I{0,3})")


def kazakh_schwa(text: str, lang: str = "") -> str:
    """Turn the Latin schwa ə into the Cyrillic ә, in words that are Cyrillic otherwise.

    The two look the same, and keyboards for Azerbaijani have only the Latin one. Words with any
    other Latin letter, a schwa alone, and texts in languages without the letter stay. Wrong in
    phonetic notes with Cyrillic.

    >>> kazakh_schwa("Əлемдегі ең əдемі; Azərbaycan; [ə]")
    'Әлемдегі ең әдемі; Azərbaycan; [ə]'
    """
    if not ("ə" in text or "Ə" in text):
        return text
    if lang.endswith("_Cyrl") and "ә" not in _CYRILLIC_LETTERS.get(lang[:3], ""):
        return text
    return _SCHWA_WORD.sub(_cyrillic_schwa, text)


_SCHWA_WORD = re.compile(f"[{LATIN}{CYRILLIC}əƏ]+")
_LATIN_LETTER = re.compile(f"[{LATIN}]")


def _cyrillic_schwa(match: re.Match[str]) -> str:
    word = match.group()
    if _LATIN_LETTER.search(word) or word.strip("əƏ") == "":
        return word
    return word.replace("ə", "ә").replace("Ə", "Ә")
