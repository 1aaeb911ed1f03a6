"""Fixes of letters that one script, or one language in it, has in a second form.

They restore the letters that were meant: shaped and stretched Arabic, Thai vowels in two pieces,
radicals for ideographs, jamo for syllables, a cedilla for a comma. Each touches only letters of
its script, so that a profile for many languages can name them all; LANGUAGES has those that are
right in a few languages alone. The rules are those of curate.text.fixes, which lists them.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from curate.text.fix_scan import Hints
from curate.text.mojibake import cut_mark_runs, normalize

ARABIC_LETTERS = (
    "\u0620-\u063f\u0641-\u064a\u066e-\u066f\u0671-\u06d3\u06d5\u06ee-\u06ef\u06fa-\u06ff"
    "\u0750-\u077f\u08a0-\u08c9"
)
ARABIC_MARKS = "\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06dc"
#: Matches a shaped Arabic letter.
SHAPED = "[\ufb50-\ufbb1\ufbd3-\ufd3d\ufd50-\ufdcf\ufe70-\ufefc]"


@lru_cache(maxsize=2048)
def _compatible(char: str) -> str:
    return unicodedata.normalize("NFKC", char)


def arabic_presentation_forms(text: str, lang: str = "") -> str:
    """Turn the shaped forms of Arabic letters, as PDF files have them, into the letters themselves.

    U+FB50-FDCF and U+FE70-FEFC, each by its compatibility decomposition; a vowel sign in its form
    with a space loses the space and attaches to the letter before. Symbols such as ﷺ and ﷼ stay:
    their decomposition is a phrase of up to 18 letters, and ﷲ stands for الله and for لله. Text in
    visual order stays reversed. In Uyghur, Kazakh, Kyrgyz and Central Kurdish the last and lone
    form of heh is the vowel ە, which has no forms of its own; the other two are ھ, except in
    Kurdish. Wrong in texts about typography.

    >>> arabic_presentation_forms("ﺍﻟﺴﻼﻡ ﷺ"), arabic_presentation_forms("ﭘﺎﺭﺳﯽ")
    ('السلام ﷺ', 'پارسی')
    """
    if not _SHAPED.search(text):
        return text
    if lang in _WITH_VOWEL_E:
        text = text.translate(_VOWEL_E if lang in _KURDISH else _VOWEL_E | _TWO_EYED)
    return normalize(_SHAPED.sub(lambda m: _compatible(m.group()).lstrip(" "), text))


_KURDISH = ("ckb_Arab", "sdh_Arab")
_WITH_VOWEL_E = frozenset(["uig_Arab", "kaz_Arab", "kir_Arab", *_KURDISH])
_VOWEL_E = {0xFEE9: "ە", 0xFEEA: "ە"}
_TWO_EYED = {0xFEEB: "ھ", 0xFEEC: "ھ"}


_SHAPED = re.compile(SHAPED)


def tatweel(text: str) -> str:
    """Remove the stroke that lengthens words in Arabic letters, next to letters.

    It is decoration: كـتـاب is كتاب. A stroke alone is a dash or a rule and stays, as do the
    carrier of a vowel sign that is shown alone, and the one of هـ for the years of the Hijra. Wrong
    where lengthening shows emphasis that should be kept.

    >>> tatweel("مـــرحبـا ١٤٤٣هـ ـــ")
    'مرحبا ١٤٤٣هـ ـــ'
    """
    return _STRETCHED.sub("", text) if "ـ" in text else text


# The look-behind of the first branch keeps هـ where it is the whole word.
_STRETCHED = re.compile(
    f"(?<=[{ARABIC_LETTERS}{ARABIC_MARKS}])"
    f"(?!(?<![{ARABIC_LETTERS}{ARABIC_MARKS}\u0640]ه)(?<=ه)ـ"
    f"(?![{ARABIC_LETTERS}{ARABIC_MARKS}\u0640]))ـ+"
    f"|(?<!ـ)ـ+(?=[{ARABIC_LETTERS}{ARABIC_MARKS}])"
)


def hebrew_presentation_forms(text: str) -> str:
    """Turn wide Hebrew letters, the alef-lamed ligature and the plus sign into the usual ones.

    Composed letters (U+FB1D, FB1F, FB2A-FB4E) are taken apart by NFC already. The Yiddish digraphs
    װ ױ ײ are letters and stay. Wrong in texts about typography.

    >>> hebrew_presentation_forms("ﭏהים")
    'אלהים'
    """
    return _HEBREW.sub(lambda m: _compatible(m.group()), text)


_HEBREW = re.compile("[\ufb20-\ufb29\ufb4f]")


def latin_ligatures(text: str) -> str:
    """Turn ligatures of Latin and Armenian letters, and digraphs that are one character, apart.

    ﬁ ﬂ ﬀ ﬃ ﬄ ﬅ ﬆ and ﬓ to ﬗ come from PDF files; ĳ ŀ ŉ ǆ ǉ ǌ ǳ from old character sets: all
    keyboards write them as two letters. The letters æ, œ, ß and և stay. Wrong in texts about
    typography.

    >>> latin_ligatures("ﬁnaal, ĳs, l'œuvre, ﬄ")
    "finaal, ijs, l'œuvre, ffl"
    """
    return _LIGATURE.sub(lambda m: _compatible(m.group()), text)


_LIGATURES = "\ufb00-\ufb06\ufb13-\ufb17\u0132\u0133\u013f\u0140\u0149\u01c4-\u01cc\u01f1-\u01f3"
_LIGATURE = re.compile(f"[{_LIGATURES}]")


def dotted_i(text: str) -> str:
    """Remove the dot above (U+0307) that follows a small i or j.

    Programs that do not know Turkish write it when they make a capital İ small; the letter has its
    dot already. Lithuanian dictionaries write it before an accent: not for that language.

    >>> dotted_i("i\u0307stanbul")
    'istanbul'
    """
    return _DOTTED.sub(_without_dot, text)


_DOTTED = re.compile("[iıj]\u0307+")


def _without_dot(match: re.Match[str]) -> str:
    return "j" if match.group()[0] == "j" else "i"


def commas_below(text: str) -> str:
    """Write ș and ț with a comma, as Romanian does, not with a cedilla.

    Old keyboards and fonts have only the cedilla. A word with a letter that Romanian does not have
    is a foreign name and stays.

    >>> commas_below("Ştiinţa la Iaşi, Başlığı")
    'Știința la Iași, Başlığı'
    """
    return _CEDILLA_WORD.sub(
        lambda m: m.group() if _NOT_ROMANIAN.search(m.group()) else m.group().translate(_COMMA),
        text,
    )


_COMMA = str.maketrans("ŞşŢţ", "ȘșȚț")
_CEDILLA_WORD = re.compile(r"[^\W\d_]*[ŞşŢţ][^\W\d_]*")
_NOT_ROMANIAN = re.compile("[ğĞıİöÖüÜçÇəƏñÑ]")


def cedillas(text: str) -> str:
    """Write ş and ţ with a cedilla, as Turkic languages and Kurdish do, not with a comma below.

    The two are one letter in some fonts. Wrong in Romanian names.

    >>> cedillas("bașka")
    'başka'
    """
    return text.translate(_CEDILLA)


_CEDILLA = str.maketrans("ȘșȚț", "ŞşŢţ")


def barred_d(text: str) -> str:
    """Write Đ with the stroke of Vietnamese, Croatian, Bosnian and Serbian, not as Icelandic Ð.

    The two capitals look the same and old keyboards and character sets have only one of them. The
    small ð differs from đ and stays.

    >>> barred_d("Ðà Nẵng"), barred_d("Ðoković")
    ('Đà Nẵng', 'Đoković')
    """
    return text.translate(_BARRED_D)


_BARRED_D = str.maketrans("ÐƉ", "ĐĐ")


def vietnamese_marks(text: str) -> str:
    """Put the mark of the vowel (ê, ô, â, ă) before the mark of the tone, in Vietnamese.

    Typed in the other order the two do not compose: é with a circumflex is not ế. In other
    languages the order of marks above has a meaning.

    >>> vietnamese_marks("tie\u0301\u0302ng") == "tiếng"
    True
    """
    if not _VIETNAMESE.search(text):
        return text
    apart = unicodedata.normalize("NFD", cut_mark_runs(text))
    return normalize(_TONE_FIRST.sub(r"\1\3\2", apart))


_VIETNAMESE = re.compile(
    "[\u0080-\U0010ffff][\u0302\u0306]|[\u0300\u0301\u0303\u0309][\u0302\u0306]"
)
_TONE_FIRST = re.compile("([aeoAEO]\u0323?)([\u0300\u0301\u0303\u0309])([\u0302\u0306])")


def thai_lao_vowels(text: str) -> str:
    """Compose Thai and Lao vowels that were typed in pieces, and put tone marks behind the vowel.

    Nikhahit and sara aa, with a tone mark between or before, are sara am (ํา is ำ); a tone mark
    stands before sara am and behind the vowels above and below; two sara e are sara ae (เเ is แ),
    and the same in Lao. None of the replaced sequences is Thai or Lao. Beside Thai letters, the
    private characters that fonts of Windows and the Macintosh had for lowered and shifted marks, as
    PDF files have them, are the marks (source: "The PUA fallback shaping model" of
    n8willis/opentype-shaping-documents). Never wrong as far as we know, except in texts about
    typing.

    >>> thai_lao_vowels("สีดํา นํ้า คําว่า เเละ นำ้"), thai_lao_vowels("ที\uf70aนี\uf70a")
    ('สีดำ น้ำ คำว่า และ น้ำ', 'ที่นี่')
    """
    if _THAI_SHAPED.search(text):
        text = _THAI_SHAPED.sub(lambda m: m.group().translate(_THAI_UNSHAPED), text)
    for _ in range(8):  # as in indic_sequences
        if not _THAI_LAO.search(text):
            break
        for pattern, order in _THAI_LAO_ORDER:
            text = pattern.sub(order, text)
        text = normalize(text)
    return text


# In order: without their tails; vowels, tones and signs shifted left; both; lowered.
_THAI = (
    "\u0e10\u0e34\u0e35\u0e36\u0e37\u0e48\u0e49\u0e4a\u0e4b\u0e4c\u0e48\u0e49\u0e4a\u0e4b\u0e4c\u0e0d"
    "\u0e31\u0e4d\u0e47\u0e48\u0e49\u0e4a\u0e4b\u0e4c\u0e38\u0e39\u0e3a"  # U+F700 and up
    "\u0e31\u0e34\u0e35\u0e36\u0e37\u0e47\u0e48\u0e48\u0e48\u0e49\u0e49\u0e49\u0e4a\u0e4a\u0e4a\u0e4b\u0e4b\u0e4b"
    "\u0e4c\u0e4c\u0e4c\u0e4d\u0e0d\u0e38\u0e39\u0e3a\u0e10"  # U+F884 and up
)
_THAI_UNSHAPED = dict(zip((*range(0xF700, 0xF71B), *range(0xF884, 0xF89F)), _THAI, strict=True))
_THAI_FORMS, _THAI_BELOW = "\uf700-\uf71a\uf884-\uf89e", "\u0e38-\u0e3a\uf718-\uf71a\uf89b-\uf89d"
_THAI_BASES = "\uf700\uf70f\uf89a\uf89e"
_THAI_SHAPED = re.compile(
    f"(?:[\u0e01-\u0e4e]|[{_THAI_BASES}](?=[{_THAI_BELOW}]))[{_THAI_FORMS}]+"
    f"|[{_THAI_BASES}](?=[{_THAI_BELOW}])"
)
_THAI_LAO = re.compile(
    "[\u0e4d\u0ecd][\u0e48-\u0e4b\u0ec8-\u0ecb]?[\u0e32\u0eb2]|[\u0e33\u0eb3][\u0e48-\u0e4b\u0ec8-\u0ecb]"
    "|[\u0e48-\u0e4b][\u0e31\u0e34-\u0e39]|[\u0ec8-\u0ecb][\u0eb1\u0eb4-\u0eb9\u0ebb]|เเ|ເເ"
)
_THAI_LAO_ORDER = tuple(
    (re.compile(pattern), order)
    for pattern, order in (
        ("\u0e40\u0e40", "\u0e41"),
        ("\u0ec0\u0ec0", "\u0ec1"),
        ("([\u0e48-\u0e4b]+)([\u0e31\u0e34-\u0e39]+)", r"\2\1"),
        ("([\u0ec8-\u0ecb]+)([\u0eb1\u0eb4-\u0eb9\u0ebb]+)", r"\2\1"),
        ("\u0e4d([\u0e48-\u0e4b]?)\u0e32", "\\1\u0e33"),
        ("([\u0e48-\u0e4b])\u0e4d\u0e32", "\\1\u0e33"),
        ("\u0ecd([\u0ec8-\u0ecb]?)\u0eb2", "\\1\u0eb3"),
        ("([\u0ec8-\u0ecb])\u0ecd\u0eb2", "\\1\u0eb3"),
        ("\u0e33([\u0e48-\u0e4b]+)", "\\1\u0e33"),
        ("\u0eb3([\u0ec8-\u0ecb]+)", "\\1\u0eb3"),
    )
)


def indic_sequences(text: str) -> str:
    """Compose vowels, nukta and final consonants of Indic scripts and Khmer that are in pieces.

    A vowel letter with a vowel sign (अ with ा is आ), vowel signs in two parts (ा with े is ो), a
    nukta behind the vowel sign instead of before it, Bengali ব with a nukta (র), and the letters
    that older texts write with a joiner: Malayalam chillus, Bengali khanda ta. They look the same,
    and Unicode's standard says not to write the former (chapters 12, 13 and 16). NFC does not
    compose them. Wrong in texts about typing.

    >>> indic_sequences("अाज घर माें"), indic_sequences("അവന\u0d4d\u200d")
    ('आज घर मों', 'അവൻ')
    """
    for _ in range(8):  # what one step composes or moves, another may compose; text settles in two
        if not _INDIC.search(text):
            break
        text = _NUKTA_LAST.sub(_nukta_first, text).replace("\u09ac\u09bc", "\u09b0")
        text = _WITH_JOINER.sub(lambda m: _JOINED[m.group()], text)
        text = normalize(_IN_PIECES.sub(lambda m: _WHOLE[m.group()], text))
    return text


def _table(lines: str) -> dict[str, str]:
    """Read lines of code points: what is replaced, and last what replaces it."""
    rows = [[chr(int(code, 16)) for code in row.split()] for row in lines.split("|")]
    return {"".join(parts): whole for *parts, whole in rows}


_WHOLE = _table(
    "0905 0946 0904|0905 093E 0906|0909 0941 090A|090F 0945 090D|090F 0946 090E|090F 0947 0910|"
    "0905 0949 0911|0906 0945 0911|0905 094A 0912|0906 0946 0912|0905 094B 0913|0906 0947 0913|"
    "0905 094C 0914|0906 0948 0914|0905 0945 0972|093E 0947 094B|093E 0948 094C|093E 0945 0949|"
    "093E 0946 094A|0985 09BE 0986|0A05 0A3E 0A06|0A72 0A3F 0A07|0A72 0A40 0A08|0A73 0A41 0A09|"
    "0A73 0A42 0A0A|0A72 0A47 0A0F|0A05 0A48 0A10|0A73 0A4B 0A13|0A05 0A4C 0A14|0A85 0ABE 0A86|"
    "0A85 0AC5 0A8D|0A85 0AC7 0A8F|0A85 0AC8 0A90|0A85 0AC9 0A91|0A85 0ACB 0A93|0A85 0ACC 0A94|"
    "0B05 0B3E 0B06|0C12 0C55 0C13|0C12 0C4C 0C14|0C89 0CBE 0C8A|0C92 0CCC 0C94|0D07 0D57 0D08|"
    "0D09 0D57 0D0A|0D0E 0D46 0D10|0D12 0D3E 0D13|0D12 0D57 0D14|0D85 0DCF 0D86|0D85 0DD0 0D87|"
    "0D85 0DD1 0D88|0D8B 0DDF 0D8C|0D91 0DCA 0D92|0D91 0DD9 0D93|0D94 0DDF 0D96|17C1 17B6 17C4|"
    "17C1 17B8 17BE"
)
_JOINED = _table(
    "0D23 0D4D 200D 0D7A|0D28 0D4D 200D 0D7B|0D30 0D4D 200D 0D7C|0D32 0D4D 200D 0D7D|"
    "0D33 0D4D 200D 0D7E|0D15 0D4D 200D 0D7F|09A4 09CD 200D 09CE"
)
_IN_PIECES = re.compile("|".join(_WHOLE))
_WITH_JOINER = re.compile("|".join(_JOINED))
#: Vowel signs with a nukta behind one: Devanagari, Bengali, Gurmukhi.
_NUKTAS, _SIGNS = "\u093c\u09bc\u0a3c", "\u093e-\u094c\u09be-\u09cc\u0a3e-\u0a4c"
_NUKTA_LAST = re.compile(f"[{_SIGNS}][{_SIGNS}{_NUKTAS}]*[{_NUKTAS}]")


def _nukta_first(found: re.Match[str]) -> str:
    return "".join(sorted(found[0], key=lambda char: char not in _NUKTAS))


_INDIC = re.compile(
    f"{_IN_PIECES.pattern}|{_WITH_JOINER.pattern}|\u09ac\u09bc|{_NUKTA_LAST.pattern}"
)


def cjk_radicals(text: str) -> str:
    """Turn Kangxi radicals and CJK radicals into the ideographs that look the same.

    PDF files have them in place of the ideographs: fonts give both one glyph. The pairs are those
    of Unicode's Equivalent_Unified_Ideograph (14.0); compatibility ideographs (U+F900 and up) are
    unified by NFC already. Wrong in lists of radicals.

    >>> cjk_radicals("⽇本の⻑い⽂")
    '日本の長い文'
    """
    return text.translate(_UNIFIED) if _RADICAL.search(text) else text


_RADICAL = re.compile("[\u2e81-\u2ef3\u2f00-\u2fd5]")
_RADICALS = (
    "⺁⺂⺃⺄⺅⺆⺇⺈⺉⺊⺋⺌⺍⺎⺏⺐⺑⺒⺓⺔⺕⺖⺗⺘⺙⺛⺜⺝⺞⺟⺠⺡⺢⺣⺤⺥⺦⺧⺨⺩⺪⺫⺬⺭⺮⺯"
    "⺰⺱⺲⺳⺴⺵⺶⺷⺸⺹⺺⺻⺼⺽⺾⺿⻀⻁⻂⻃⻄⻅⻆⻇⻈⻉⻊⻋⻌⻍⻎⻏⻐⻑⻒⻓⻔⻕⻖⻗⻘⻙⻚⻛⻜⻝"
    "⻞⻟⻠⻡⻢⻣⻤⻥⻦⻧⻨⻩⻪⻫⻬⻭⻮⻯⻰⻱⻲⻳"
)
_IDEOGRAPHS = (
    "厂乛乚乙亻冂𠘨刀刂卜㔾小尐兀尣尢𡯂巳幺彑彐忄心扌攵旡日月歺母民氵氺灬爫爬丬牛犭王𤴔目示礻𥫗糹"
    "纟罓罒㓁冗𦉫羊𦍌𦍋耂肀聿肉𦥑艹艺艻虎衤覀西见角𧢲讠贝𧾷车辶辷辸邑钅長镸长门𨸏阝雨青韦页风飞食"
    "𩙿飠饣𩠐马骨鬼鱼鸟卤麦黄黾斉齐歯齿竜龙龜亀龟"
)
_UNIFIED = str.maketrans(_RADICALS, _IDEOGRAPHS) | {
    code: unicodedata.normalize("NFKC", chr(code)) for code in range(0x2F00, 0x2FD6)
}


def hangul_jamo(text: str) -> str:
    """Compose Korean letters that stand one by one into syllables, where they spell some.

    A run of compatibility jamo that is nothing but two or more whole syllables (ㅎㅏㄴㄱㅡㄹ) is
    text that was taken apart; other runs (ㅋㅋㅋ, ㅠㅠ, ㄱㄴㄷ) mean the letters. Half-width ones
    become usual ones. Conjoining jamo are composed by NFC already. Wrong where a text shows how
    syllables are spelt.

    >>> hangul_jamo("ㅎㅏㄴㄱㅡㄹ ㅋㅋㅋ ㅎㅏ"), hangul_jamo("ﾡￂﾡￂ")
    ('한글 ㅋㅋㅋ ㅎㅏ', '가가')
    """
    text = _HALFWIDTH_JAMO.sub(lambda m: _JAMO_LETTER[m.group()], text)
    return _JAMO_RUN.sub(lambda m: _JAMO_SYLLABLE.sub(_syllable, m.group()), text)


_HALFWIDTH_JAMO = re.compile("[\uffa1-\uffbe\uffc2-\uffc7\uffca-\uffcf\uffd2-\uffd7\uffda-\uffdc]")
_JAMO_LETTER = {
    chr(code): chr(int(unicodedata.decomposition(chr(code)).split()[1], 16))
    for code in range(0xFFA1, 0xFFDD)
    if _HALFWIDTH_JAMO.match(chr(code))
}
_INITIALS, _FINALS = (
    "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ",
    "ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ",
)
_JAMO_SYLLABLE = re.compile(f"([{_INITIALS}])([ㅏ-ㅣ])([{_FINALS}](?![ㅏ-ㅣ]))?")
_JAMO_RUN = re.compile(f"(?<![ㄱ-ㆎ])(?:{_JAMO_SYLLABLE.pattern}){{2,}}(?![ㄱ-ㆎ])")


def _syllable(match: re.Match[str]) -> str:
    initial, vowel, final = match.groups()
    number = _INITIALS.index(initial) * 21 + ord(vowel) - ord("ㅏ")
    return chr(0xAC00 + number * 28 + (_FINALS.index(final) + 1 if final else 0))


def kurdish_heh(text: str) -> str:
    """Turn heh with a zero-width non-joiner into the Kurdish vowel ە, in Central Kurdish.

    Texts from before the letter was in fonts write it so. The non-joiner goes with it.
    Persian writes both.

    >>> kurdish_heh("هه\u200cموو")
    'هەموو'
    """
    return text.replace("ه\u200c", "ە")


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

#: The only languages of some fixes, by ISO 639-3; in other languages what they change is right.
LANGUAGES = {
    "commas_below": frozenset(["ron", "ruo"]),
    "cedillas": frozenset(
        ["tur", "azj", "azb", "crh", "tuk", "gag", "kmr", "tat", "kaz", "zza", "diq", "kiu"]
    ),
    "barred_d": frozenset(["vie", "hrv", "bos", "srp", "hbs", "cnr", "sme"]),
    "vietnamese_marks": frozenset(["vie"]),
    "kurdish_heh": frozenset(["ckb", "sdh"]),
}
#: The languages in which a fix would be wrong.
NOT_IN = {
    "dotted_i": frozenset(["lit", "sgs"]),
    "halfwidth_katakana": frozenset(["kor", "cmn", "yue", "wuu"]),  # their ･ is a middle dot
}

_TONES, _LAO_TONES = "\u0e48-\u0e4b", "\u0ec8-\u0ecb"
#: For each fix of this module the characters, or pairs of neighbours, that it could change.
HINTS: dict[str, Hints] = {
    "arabic_presentation_forms": (("", SHAPED[1:-1]),),
    "tatweel": (("", "ـ"),),
    "hebrew_presentation_forms": (("", "\ufb20-\ufb29\ufb4f"),),
    "latin_ligatures": (("", _LIGATURES),),
    "dotted_i": (("iıj", "\u0307"),),
    "commas_below": (("", "ŞşŢţ"),),
    "cedillas": (("", "ȘșȚț"),),
    "barred_d": (("", "ÐƉ"),),
    "vietnamese_marks": (("", "\u0302\u0306"),),
    "thai_lao_vowels": (
        ("", "\u0e4d"),
        ("\u0e01-\u0e4e", _THAI_FORMS),
        (_THAI_BASES, _THAI_BELOW),
        ("\u0ecd", f"\u0eb2{_LAO_TONES}"),
        ("\u0e33", _TONES),
        ("\u0eb3", _LAO_TONES),
        (_TONES, "\u0e31\u0e34-\u0e39"),
        (_LAO_TONES, "\u0eb1\u0eb4-\u0eb9\u0ebb\u0ecd"),
        ("เ", "เ"),
        ("ເ", "ເ"),
    ),
    "indic_sequences": (
        ("".join(pair[0] for pair in _WHOLE), "".join(pair[1] for pair in _WHOLE)),
        ("\u0d4d\u09cd", "\u200d"),
        ("\u09ac", "\u09bc"),
        ("\u093e-\u094c\u09be-\u09cc\u0a3e-\u0a4c", "\u093c\u09bc\u0a3c"),
    ),
    "cjk_radicals": (("", "\u2e81-\u2ef3\u2f00-\u2fd5"),),
    "hangul_jamo": (("", "\uffa1-\uffdc"), (_INITIALS, "ㅏ-ㅣ")),
    "kurdish_heh": (("ه", "\u200c"),),
    "halfwidth_katakana": (("", "｡-ﾟ"),),
    "fullwidth_ascii": (("", "０-９Ａ-Ｚａ-ｚ"),),
}
