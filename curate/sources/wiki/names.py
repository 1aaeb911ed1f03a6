"""What MediaWiki calls namespaces, redirects and parser functions in each language.

A dump's head lists the wiki's own names of namespaces; MediaWiki also accepts English names, old
names, forms by gender, and what the languages say to which it falls back. These are in
``namespaces.toml``, from MediaWiki's own files.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from unicodedata import normalize

#: The keys of the table that are namespaces, to MediaWiki's numbers.
NUMBERS = {
    "media": -2,
    "special": -1,
    "user": 2,
    "file": 6,
    "mediawiki": 8,
    "template": 10,
    "help": 12,
    "category": 14,
}
#: The keys of the table that are magic words and parser functions.
WORDS = ("redirect", "pagename", "formatnum", "lc", "uc", "lcfirst", "ucfirst")

#: English names work in every wiki; File's name was Image until 2008.
_ENGLISH = {**NUMBERS, "talk": 1, "user talk": 3, "image": 6, "module": 828}


@dataclass(frozen=True)
class Names:
    """The names that one wiki knows; keys are normalised by :func:`key`."""

    language: str  #: MediaWiki's code of the wiki's language
    namespaces: Mapping[str, int]
    #: Names of categories in any language, which wikis take over with the articles of others.
    categories: frozenset[str]
    words: Mapping[str, str]  #: local words of magic words and parser functions, to English ones
    redirects: tuple[str, ...]  #: with their #, in lower case
    #: Codes of the language and of its variants, in the order in which MediaWiki looks for them.
    variants: tuple[str, ...] = ()

    def namespace(self, prefix: str) -> int | None:
        """Return the number of a namespace, None for words that are none.

        >>> of_wiki("kk").namespace(" Санат"), of_wiki("ja").namespace("ファイル")
        (14, 6)
        """
        name = key(prefix)
        return 14 if name in self.categories else self.namespaces.get(name)


def key(name: str) -> str:
    """Return a name as MediaWiki compares it: underscores are spaces, case does not count.

    >>> key(" User_talk "), key("KATEGORİ")
    ('user talk', 'kategori')
    """
    name = " ".join(name.replace("_", " ").split()).casefold()
    # The small letter of İ is i and a dot above, for which Unicode has no letter.
    return name if name.isascii() else normalize("NFC", name).replace("i\u0307", "i")


@cache
def _table() -> dict[str, dict[str, list[str]]]:
    path = Path(__file__).with_name("namespaces.toml")
    return tomllib.loads(path.read_text(encoding="utf-8"))


@cache
def _categories() -> frozenset[str]:
    """Return names of categories, without words of other languages such as Class and Guru."""
    found = {key(name) for facts in _table().values() for name in facts.get("category", ())}
    distinct = {name for name in found if not name.isascii() or name.startswith(("cat", "kat"))}
    return frozenset(distinct | {"category"})


def chain(language: str) -> list[str]:
    """Return a language, its variants (its own script and others) and those it falls back to.

    >>> chain("tt")
    ['tt', 'tt-cyrl', 'ru', 'tt-latn']
    """
    table = _table()
    found, waiting = [], [language]
    while waiting:
        code = waiting.pop(0)
        if code in found:
            continue
        found.append(code)
        variants = [name for name in table if name.startswith(code + "-") and "-" not in code]
        waiting = [*variants, *table.get(code, {}).get("fallback", ()), *waiting]
    return found


def of_wiki(language: str | None = None, stated: Mapping[str, int] | None = None) -> Names:
    """Return the names that a wiki knows: those that its dump states win over the table's.

    ``language`` is the code in the dump's root element, such as kk or be-x-old; without one the
    names are English.
    """
    code = (language or "en").lower()
    code = _OTHER_CODES.get(code, code)
    known: dict[str, int] = {}
    words: dict[str, str] = {}
    redirects = ["#redirect"]
    for name, facts in _facts(code):
        for text in facts:
            if name in NUMBERS:
                known.setdefault(key(text), NUMBERS[name])
            elif name == "redirect":
                redirects.append(text.casefold())
            elif name in WORDS:
                words.setdefault(text, name)
    known |= _ENGLISH
    known |= {key(name): number for name, number in (stated or {}).items() if name}
    words |= {name: word for word in WORDS for name in (word, word.upper())}
    variants = (code, *_table().get(code, {}).get("fallback", ()))
    return Names(code, known, _categories(), words, tuple(dict.fromkeys(redirects)), variants)


@cache
def english() -> Names:
    """Return the names of a wiki of which nothing is known."""
    return of_wiki()


#: Wikis whose code is not that of their language in MediaWiki.
_OTHER_CODES = {
    "be-x-old": "be-tarask",
    "simple": "en",
    "zh-yue": "yue",
    "zh-classical": "lzh",
    "zh-min-nan": "nan",
    "roa-rup": "rup",
    "bat-smg": "sgs",
    "fiu-vro": "vro",
    "als": "gsw",
    "no": "nb",
}


def _facts(language: str) -> Iterator[tuple[str, list[str]]]:
    for code in chain(language):
        yield from _table().get(code, {}).items()
