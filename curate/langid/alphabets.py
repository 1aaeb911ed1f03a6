"""Alphabets of languages that models confuse: the letters of each, and those of any text in it.

``letters`` is the whole alphabet. ``usual`` is, for a group of letters, the *least* number of them
per thousand letters of running prose; the figures are well below what is common, because names,
lists and quotations are texts too. A Latin i counts as the Cyrillic one, because many people type
it. Cyrillic alphabets are those of the national orthographies: Kazakh has і and ұ, Kyrgyz only ң ө
ү, Tatar җ, Bashkir ҡ ҙ ҫ, Karakalpak ў and ҳ beside ә ө ү, Uzbek ў and ҳ without them.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple


class Alphabet(NamedTuple):
    """The letters of a language, and how frequent some are in any longer text."""

    letters: str
    usual: tuple[tuple[str, int], ...] = ()  #: (letters, least number of them per 1,000)


_RUSSIAN = "абвгдеёжзийклмнопрстуфхцчшщъыьэюя"
_SOUTH = "абвгдежзиклмнопрстуфхцчш"  # shared by Serbian and Macedonian

ALPHABETS = {
    "rus_Cyrl": Alphabet(_RUSSIAN, (("ы", 5), ("йья", 15))),
    "ukr_Cyrl": Alphabet("абвгґдеєжзиіїйклмнопрстуфхцчшщьюя", (("іiї", 15),)),
    "bel_Cyrl": Alphabet("абвгдеёжзійклмнопрстуўфхцчшыьэюя", (("іi", 15), ("ыў", 10))),
    "bul_Cyrl": Alphabet("абвгдежзийклмнопрстуфхцчшщъьюя", (("ъ", 5),)),
    "mkd_Cyrl": Alphabet(_SOUTH + "ѓѕјљњќџѐѝ", (("ј", 5),)),
    "srp_Cyrl": Alphabet(_SOUTH + "ђјљњћџ", (("ј", 10), ("ђћљњџ", 5))),
    "kaz_Cyrl": Alphabet(_RUSSIAN + "әғқңөұүһі", (("іi", 10), ("қғәңөұү", 25))),
    "kir_Cyrl": Alphabet(_RUSSIAN + "ңөү", (("ңөү", 15), ("ы", 15))),
    "tat_Cyrl": Alphabet(_RUSSIAN + "әҗңөүһ", (("ә", 15),)),
    "bak_Cyrl": Alphabet(_RUSSIAN + "әғҙҡңөҫүһ", (("ә", 15), ("ҡҙҫ", 10))),
    "kaa_Cyrl": Alphabet(_RUSSIAN + "әғқңөүўҳ", (("ўҳ", 4), ("әңөү", 10), ("қғ", 10))),
    "uzn_Cyrl": Alphabet("абвгдеёжзийклмнопрстуфхцчшъьэюяўқғҳ", (("ўқғҳ", 15),)),
    # Early Cyrillic fonts have ї ќ ѓ њ љ for Tajik ӣ қ ғ ҳ ҷ; ў for ӯ would make Uzbek fit.
    "tgk_Cyrl": Alphabet("абвгғдеёжзиӣйкқлмнопрстуӯфхҳчҷшъэюяїќѓњљ", (("ӣӯҷқғҳїќѓњљ", 15),)),
    # Early Cyrillic fonts have ї for Mongolian ү and є for ө.
    "khk_Cyrl": Alphabet(_RUSSIAN + "өүїє", (("өүїє", 15),)),
    "sah_Cyrl": Alphabet(_RUSSIAN + "ҕҥөһү", (("ҕҥһ", 10), ("өү", 10))),
    "tuk_Cyrl": Alphabet(_RUSSIAN + "әҗңөү", (("ңөү", 10), ("җ", 4), ("ә", 10))),
    "uig_Cyrl": Alphabet(_RUSSIAN + "әғқңөүҗһ", (("ә", 20), ("қғ", 10), ("и", 20))),
    "azj_Cyrl": Alphabet("абвгғдеәжзиыјкҝлмноөпрстуүфхһчҹш", (("ә", 25), ("јҝҹ", 10))),
    # The letters with a breve or a cedilla are Latin ones, from older Chuvash keyboards.
    "chv_Cyrl": Alphabet(_RUSSIAN + "ӑӗҫӳăĕçÿ", (("ӑӗăĕ", 15),)),
    "tyv_Cyrl": Alphabet(_RUSSIAN + "ңөү", (("ңөү", 10),)),
    # Uyghur writes ئ before every vowel that begins a word, and has vowels of its own; Kazakh in
    # China writes ٴ (or ء) before words with front vowels, Kyrgyz ۅ and ۉ. Neither has ئ, ې or ۈ.
    # The Arabic heh and yeh are in all three: fonts and keyboards lack ە, ھ and ى.
    "uig_Arab": Alphabet("ابپتجچخدرزژسشغفقكگڭلمنھهوۇۆۈۋېىيەئء", (("ئ", 20), ("ېۆۈ", 12))),
    "kaz_Arab": Alphabet("ابپتجچحدرزسشعفقكگڭلمنھهوۇۆۋىيەءٴٵٶٷٸ", (("ە", 15), ("ى", 25))),
    "kir_Arab": Alphabet("ابپتجچحدرزسشعفقكگڭلمنھهوۅۇۉۆۋىيەءخ", (("ۅۉ", 12), ("ى", 15))),
    # With letters of dialects and names, and Persian keyboards; Jawi and others have more.
    "arb_Arab": Alphabet("ءآأؤإئابةتثجحخدذرزسشصضطظعغفقكلمنهوىيٱپچڤڨڭگژیک"),
    # ý þ ð are ı ş ğ in the wrong one-byte charset: still Turkish, and fixed by ``repair``.
    # Those with bars and dots occur in scholarly spellings of Ottoman and Arabic names.
    "tur_Latn": Alphabet("abcçdefgğhıIiİjklmnoöprsştuüvwyzâîûýþðāīūḍḥḫḳṣṭẓżġķŧ"),
    "azj_Latn": Alphabet("abcçdeəfgğhxıIiİjkqlmnoöprsştuüvwyzâ"),
    # ñ and ÿ are ň and ý in the orthography of 1993, and on keyboards since.
    "tuk_Latn": Alphabet("abcçdeäfghijžklmnňñoöprsştuüvwyýÿz", (("ýžňñÿ", 10), ("ä", 10))),
    "crh_Latn": Alphabet("abcçdefgğhıIiİjklmnñoöpqrsştuüvyzâ", (("q", 8), ("ñ", 4))),
    "uig_Latn": Alphabet("abcdefghijklmnopqrstuvwxyzëéöü", (("ëé", 6), ("öü", 8), ("q", 8))),
    "uzn_Latn": Alphabet("abcdefghijklmnopqrstuvxyz", (("q", 8), ("z", 5), ("h", 15))),
}


@cache
def letters_of(label: str) -> frozenset[str]:
    """Return an alphabet's letters, small and capital.

    >>> sorted(letters_of("kaz_Cyrl") - letters_of("rus_Cyrl"))[:4]
    ['І', 'і', 'Ғ', 'ғ']
    """
    return both_cases(ALPHABETS[label].letters)


def both_cases(letters: str) -> frozenset[str]:
    """Return letters as they are, small and capital, where each is one character.

    >>> sorted(both_cases("әß"))
    ['ß', 'Ә', 'ә']
    """
    shapes = {shape for c in letters for shape in (c, c.lower(), c.upper())}
    return frozenset(shape for shape in shapes if len(shape) == 1)
