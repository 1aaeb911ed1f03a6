"""Named fixes that a profile may apply to the text of its language.

Each fix is one function from str to str. Its docstring states what it changes, why, and when that
is wrong; it is idempotent, and takes linear time on any input. A profile lists the fixes that its
language needs, in order; nothing runs by default. ``hints`` has for each fix a regular expression
that matches every text it could change, so that clean batches are searched once, by Arrow, and
never decoded.

Unchanged on purpose: ی and ک (they are right in Persian and Urdu, and a quotation in Arabic),
hamza forms, ى and ة, vowel signs, digits of any script, ё, full-width punctuation, ① and ㈱. They
carry meaning, or are folded in hash keys only.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from functools import lru_cache

from curate.text.mojibake import normalize

_WIDE_SPACES = "\u00a0\u1680\u2000-\u200a\u202f\u205f"
_BIDI = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
_LATIN = "A-Za-zªº\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u018e\u0190-\u024f"  # without the schwas
_CYRILLIC = "\u0400-\u0481\u048a-\u052f"
_ARABIC_LETTERS = (
    "\u0620-\u063f\u0641-\u064a\u066e-\u066f\u0671-\u06d3\u06d5\u06ee-\u06ef\u06fa-\u06ff"
    "\u0750-\u077f\u08a0-\u08c9"
)
_ARABIC_MARKS = "\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06dc"
_PRESENTATION = "\ufb50-\ufbb1\ufbd3-\ufd3d\ufd50-\ufdcf\ufe70-\ufefc"


def nonbreaking_spaces(text: str) -> str:
    r"""Turn no-break, thin and other typographic spaces into a plain space.

    The same sentence typeset by another program should be the same tokens. At the end of a line
    they are removed, as repair removes plain ones. The ideographic space stays: in Chinese and
    Japanese it is the space. Wrong where the width of a space matters, as in tables, and for French
    typography if a model should learn it.

    >>> nonbreaking_spaces("10\u00a0000\u202f₸")
    '10 000 ₸'
    """
    spaced = _WIDE_SPACE.sub(" ", text)
    if spaced == text or not (" \n" in spaced or spaced.endswith(" ")):
        return spaced
    return "\n".join(line.rstrip(" ") for line in spaced.split("\n"))


_WIDE_SPACE = re.compile(f"[{_WIDE_SPACES}]")


def soft_hyphens(text: str) -> str:
    r"""Remove soft hyphens: invisible hints where a word may be broken.

    They split words for a tokenizer and for every word list. Never wrong as far as we know, except
    in texts about soft hyphens.

    >>> soft_hyphens("қазақ\u00adстан\u00adдық")
    'қазақстандық'
    """
    return text.replace("\u00ad", "")


def zero_width(text: str) -> str:
    r"""Remove zero-width spaces and joiners, except where they change what is read.

    Zero-width space (U+200B) stays between letters of Thai, Lao, Khmer and Myanmar, where it marks
    words; word joiners (U+2060) and Mongolian vowel separators at the edge of words are removed.
    The joiners U+200C and U+200D stay after letters of India and of other scripts that shape with
    them, after symbols (an emoji family is joined by U+200D), and between Arabic letters in a text
    that uses letters of Persian, Urdu or Kurdish; of a run of joiners the first stays. In Arabic,
    Latin, Cyrillic, Han, Kana and Hangul words they are removed.

    Wrong for a Persian text so short that none of its letters distinguishes it from Arabic.

    >>> zero_width("Қа\u200bзақ\u200dстан"), zero_width("می\u200cخواهم"), zero_width("👩\u200d🔬")
    ('Қазақстан', 'می\u200cخواهم', '👩\u200d🔬')
    """
    if not _ZERO_WIDTH.search(text):
        return text
    is_persian = _PERSIAN.search(text) is not None

    def replacement(match: re.Match[str]) -> str:
        before = text[match.start() - 1 : match.start()]
        after = text[match.end() : match.end() + 1]
        run = match.group()
        if "\u200b" in run and _BREAKS_UNSEEN.match(before) and _BREAKS_UNSEEN.match(after):
            return "\u200b"
        joiner = next((char for char in run if char in "\u200c\u200d"), "")
        if not joiner or not before:
            return ""
        if _ARABIC_LETTER.match(before):
            return joiner if is_persian and _ARABIC_LETTER.match(after) else ""
        return joiner if _JOINS.match(before) or _is_symbol(before) else ""

    return _ZERO_WIDTH.sub(replacement, text)


_ZERO_WIDTH = re.compile("[\u200b\u200c\u200d\u2060]+")
_PERSIAN = re.compile("[پچژگکیہےڤۆێەڵڕھٹڈڑں]")
_ARABIC_LETTER = re.compile(f"[{_ARABIC_LETTERS}]")
_BREAKS_UNSEEN = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\ua9e0-\ua9ff\uaa60-\uaa7f]")
#: Indic and Southeast Asian scripts, Syriac to N'Ko, Mongolian, variation selectors, emoji tags.
_JOINS = re.compile(
    "[\u0700-\u07ff\u0840-\u085f\u0900-\u0dff\u0e00-\u109f\u1700-\u18af\u1900-\u1cff\ua800-\ua8ff"
    "\ua900-\uaadf\uabc0-\uabff\ufe00-\ufe0f\u20e3\U00011000-\U00011fff\U0001f3fb-\U0001f3ff"
    "\U000e0020-\U000e007f]"
)


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


#: Latin letters and the Cyrillic ones that they are confused with on a Kazakh or Russian keyboard
#: (the table of kaznlp's ScriptFixer; F, h and Y replace letters that only Kazakh has).
_TO_CYRILLIC = dict(zip("ABCEHIKMOPTXaceiopxFhYy", "АВСЕНІКМОРТХасеіорхҒһҮу"))
_TO_LATIN = {cyrillic: latin for latin, cyrillic in _TO_CYRILLIC.items()} | {"У": "Y"}


def cyrillic_homoglyphs(text: str) -> str:
    """Write words that mix Latin and Cyrillic letters in one script, if one script explains them.

    A word is a run of letters of the two. If each of its Latin letters has a Cyrillic lookalike the
    word becomes Cyrillic, or else, if each of its Cyrillic letters has a Latin lookalike, Latin.
    Where both are possible the more frequent script wins; at a tie, and where neither is, the word
    stays. Words in one script never change: a blind table would damage every English word in the
    text.

    Wrong for real mixtures that happen to have only lookalikes (the brand "Хiaomi"; "XXI" glued to
    a Kazakh word becomes Cyrillic with it).

    >>> cyrillic_homoglyphs("Қaзaқcтaн, Micrоsoft, WhatsAppта, Moscow")
    'Қазақстан, Microsoft, WhatsAppта, Moscow'
    """
    pieces: list[str] = []
    done = 0
    for match in _LATIN_RUN.finditer(text):
        start, end = match.span()
        if start < done or not (
            _CYRILLIC_LETTER.match(text[start - 1 : start]) or _CYRILLIC_LETTER.match(text, end)
        ):
            continue
        while start > done and _LETTER.match(text[start - 1]):
            start -= 1
        word = _WORD.match(text, start)
        if word is not None:
            pieces += [text[done:start], _in_one_script(word.group())]
            done = word.end()
    return "".join([*pieces, text[done:]]) if pieces else text


_LATIN_RUN = re.compile(f"[{_LATIN}]+")
_CYRILLIC_LETTER = re.compile(f"[{_CYRILLIC}]")
_LETTER = re.compile(f"[{_LATIN}{_CYRILLIC}]")
_WORD = re.compile(f"[{_LATIN}{_CYRILLIC}]+")
_IS_LATIN = re.compile(f"[{_LATIN}]")


def _in_one_script(word: str) -> str:
    latin = _IS_LATIN.findall(word)
    cyrillic = [char for char in word if not _IS_LATIN.match(char)]
    all_cyrillic = all(char in _TO_CYRILLIC for char in latin)
    all_latin = all(char in _TO_LATIN for char in cyrillic)
    if all_cyrillic and all_latin:
        all_cyrillic, all_latin = len(cyrillic) > len(latin), len(latin) > len(cyrillic)
    if all_cyrillic:
        return "".join(_TO_CYRILLIC.get(char, char) for char in word)
    if all_latin:
        return "".join(_TO_LATIN.get(char, char) for char in word)
    return word


def kazakh_schwa(text: str) -> str:
    """Turn the Latin schwa ə into the Cyrillic ә, in words that are Cyrillic otherwise.

    The two look the same, and keyboards for Azerbaijani have only the Latin one. Words with any
    other Latin letter, and a schwa alone, stay. Wrong in phonetic notes with Cyrillic.

    >>> kazakh_schwa("Əлемдегі ең əдемі; Azərbaycan; [ə]")
    'Әлемдегі ең әдемі; Azərbaycan; [ə]'
    """
    return _SCHWA_WORD.sub(_cyrillic_schwa, text) if "ə" in text or "Ə" in text else text


_SCHWA_WORD = re.compile(f"[{_LATIN}{_CYRILLIC}əƏ]+")


def _cyrillic_schwa(match: re.Match[str]) -> str:
    word = match.group()
    if _IS_LATIN.search(word) or word.strip("əƏ") == "":
        return word
    return word.replace("ə", "ә").replace("Ə", "Ә")


def arabic_presentation_forms(text: str) -> str:
    """Turn the shaped forms of Arabic letters, as PDF files have them, into the letters themselves.

    U+FB50-FDCF and U+FE70-FEFC, each by its compatibility decomposition; a vowel sign in its form
    with a space loses the space and attaches to the letter before. Symbols such as ﷺ and ﷼ (U+FDF0
    and up) stay: their decomposition is a phrase of up to 18 letters. Text in visual order stays
    reversed. Wrong in texts about typography.

    >>> arabic_presentation_forms("ﺍﻟﺴﻼﻡ ﷺ")
    'السلام ﷺ'
    """
    if not _SHAPED.search(text):
        return text
    return normalize(_SHAPED.sub(lambda m: _letters_of(m.group()), text))


#: Matches a shaped Arabic letter.
SHAPED = f"[{_PRESENTATION}]"
_SHAPED = re.compile(SHAPED)


@lru_cache(maxsize=1024)
def _letters_of(char: str) -> str:
    return unicodedata.normalize("NFKC", char).lstrip(" ")


def tatweel(text: str) -> str:
    """Remove the stroke that lengthens Arabic words, next to letters.

    It is decoration: كـتـاب is كتاب. A stroke alone is a dash or a rule and stays, as does the one
    of هـ for the years of the Hijra. Wrong where lengthening shows emphasis that should be kept.

    >>> tatweel("مـــرحبـا ١٤٤٣هـ ـــ")
    'مرحبا ١٤٤٣هـ ـــ'
    """
    return _STRETCHED.sub("", text) if "ـ" in text else text


# The look-behind of the first branch keeps هـ where it is the whole word.
_STRETCHED = re.compile(
    f"(?<=[{_ARABIC_LETTERS}{_ARABIC_MARKS}])"
    f"(?!(?<![{_ARABIC_LETTERS}{_ARABIC_MARKS}\u0640]ه)(?<=ه)ـ"
    f"(?![{_ARABIC_LETTERS}{_ARABIC_MARKS}\u0640]))ـ+"
    f"|(?<!ـ)ـ+(?=[{_ARABIC_LETTERS}{_ARABIC_MARKS}])"
)


def halfwidth_katakana(text: str) -> str:
    """Turn half-width katakana and their punctuation into the usual ones, with their voicing marks.

    As neologdn does; NFKC would also change much else (①, ㈱, full-width punctuation). Wrong for
    the rare text in which the width has a meaning, such as descriptions of terminals.

    >>> halfwidth_katakana("ｶﾞｲﾄﾞﾌﾞｯｸ｡"), halfwidth_katakana("カﾞ")
    ('ガイドブック。', 'ガ')
    """
    return _HALFWIDTH.sub(_fullwidth, text)


_HALFWIDTH = re.compile("[ぁ-ゖァ-ヶ]?[｡-ﾟ]+")
_VOICING = {"ﾞ": "゛", "ﾟ": "゜"}


def _fullwidth(match: re.Match[str]) -> str:
    run = match.group()
    pieces: list[str] = []
    for char in run:
        if char in _VOICING:
            joined = unicodedata.normalize("NFKC", (pieces[-1] if pieces else "") + char)
            if pieces and len(joined) == 1:
                pieces[-1] = joined
            else:  # nothing to voice: the spacing mark, not one that combines with what is before
                pieces.append(_VOICING[char])
        else:
            pieces.append(unicodedata.normalize("NFKC", char) if "｡" <= char <= "ﾟ" else char)
    return "".join(pieces)


def fullwidth_ascii(text: str) -> str:
    """Turn full-width Latin letters and digits into ASCII; full-width punctuation stays.

    Japanese and Chinese web text has both for the same word. Punctuation stays because ， and ：
    are correct there (FineWeb2 keeps all widths for that reason). Wrong in tables that are aligned
    by width.

    >>> fullwidth_ascii("ＮＨＫ　２０２４：速報")
    'NHK　2024：速報'
    """
    return text.translate(_NARROW) if _FULLWIDTH.search(text) else text


_FULLWIDTH = re.compile("[０-９Ａ-Ｚａ-ｚ]")
_NARROW = {
    code: code - 0xFEE0
    for code in (*range(0xFF10, 0xFF1A), *range(0xFF21, 0xFF3B), *range(0xFF41, 0xFF5B))
}

#: Every fix by its name in profiles.
FIXES: dict[str, Callable[[str], str]] = {
    fix.__name__: fix
    for fix in (
        *(nonbreaking_spaces, soft_hyphens, zero_width, bidi_controls, line_separators),
        *(combining_floods, cyrillic_homoglyphs, kazakh_schwa, arabic_presentation_forms),
        *(tatweel, halfwidth_katakana, fullwidth_ascii),
    )
}


@lru_cache(maxsize=1)
def hints() -> dict[str, str]:
    """Return for each fix a pattern (RE2) that matches every text the fix could change."""
    return {
        "nonbreaking_spaces": f"[{_WIDE_SPACES}]",
        "soft_hyphens": "\u00ad",
        "zero_width": "[\u200b-\u200d\u2060]",
        "bidi_controls": f"[{_BIDI}]",
        "line_separators": "[\u2028\u2029]",
        "combining_floods": f"[{_marks()}]{{3}}",  # nine in a row would make a large automaton
        "cyrillic_homoglyphs": f"[{_LATIN}][{_CYRILLIC}]|[{_CYRILLIC}][{_LATIN}]",
        "kazakh_schwa": "[əƏ]",
        "arabic_presentation_forms": SHAPED,
        "tatweel": "ـ",
        "halfwidth_katakana": "[｡-ﾟ]",
        "fullwidth_ascii": "[０-９Ａ-Ｚａ-ｚ]",
    }
