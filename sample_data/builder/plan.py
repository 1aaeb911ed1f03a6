"""The texts, distributed over containers, and the record of each planted document."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from builder import pages, variants

HERE = Path(__file__).parent.parent
PARTS = HERE / "parts"
SITES: dict[str, pages.Site] = json.loads((PARTS / "sites.json").read_text("utf-8"))
LANGUAGES = tuple(SITES)

CRAWL, TRUNCATED, WET = "web/crawl.warc.gz", "web/truncated.warc.gz", "web/crawl.warc.wet.gz"
WIKI = {
    "kaz_Cyrl": "wiki/kkwiki-sample-pages-articles.xml.bz2",
    "eng_Latn": "wiki/enwiki-sample-pages-articles.xml.bz2",
}
NEWS, BOOKS, NOTES = "news.jsonl.zst", "books.parquet", "notes"
SHAREGPT, MESSAGES = "chat/sharegpt.jsonl", "chat/messages.jsonl"

WIKI_TEXTS = {
    "kaz_Cyrl": ("kiiz-ui", "kobyz-aspaby", "zhibek-zholy", "akboken", "aral-balykshylary"),
    "eng_Latn": ("lighthouse", "tea-clippers", "why-leaves-change", "what-is-a-cache", "hedgehogs"),
}
#: Texts that occur in the containers only in a damaged form.
DAMAGED_TEXTS = {
    "kaz_Cyrl": "asyk-oiyny", "rus_Cyrl": "snegiri", "tur_Latn": "leylekler",
    "eng_Latn": "price-of-eggs", "arb_Arab": "alsaqr", "kor_Hang": "duru-mi",
    "jpn_Jpan": "denshi-renji", "cmn_Hans": "houniao-shidi",
}  # fmt: skip
#: Russian texts that occur only on a Kazakh site.
FOREIGN_TEXTS = ("domashniy-kvas", "doroga-k-mayaku")
KEPT = {"fate": "kept"}


@dataclass(frozen=True)
class Doc:
    """One planted document: its place, its origin, and the outcome that is expected."""

    container: str
    handle: str
    lang: str
    kind: str
    text: str
    base: str | None = None
    expect: dict[str, Any] = field(default_factory=lambda: dict(KEPT))
    note: str = ""


class Plan:
    """The texts, distributed over containers, and everything that is planted."""

    def __init__(self) -> None:
        self.docs: list[Doc] = []
        self.files: dict[str, bytes] = {}
        #: Records that are planted in numbers and not listed one by one.
        self.unlisted: dict[str, dict[str, int]] = {}
        self.texts = {lang: read_texts(lang) for lang in LANGUAGES}
        self.rest = {
            lang: [
                slug
                for slug in self.texts[lang]
                if slug not in {*WIKI_TEXTS.get(lang, ()), *FOREIGN_TEXTS, DAMAGED_TEXTS[lang]}
            ]
            for lang in LANGUAGES
        }
        leads = {
            lang: [
                (slug, variants.longest_paragraph(text)) for slug, text in self.texts[lang].items()
            ]
            for lang in LANGUAGES
        }
        self.leads = {lang: iter(found) for lang, found in leads.items()}

    def dealt(self, lang: str, first: int, last: int, extra: int) -> list[str]:
        """Return the slugs of a container: its own range and every fourth of the remaining ones."""
        rest = self.rest[lang]
        return rest[first:last] + rest[11:][extra::4]

    def slot(self, lang: str, number: int) -> tuple[str, str]:
        """Return the base name and text of the language's n-th distributed text."""
        slug = self.rest[lang][number]
        return f"{lang}/{slug}", self.texts[lang][slug]

    def teasers(self, lang: str, count: int) -> list[tuple[str, str]]:
        """Return the next pages of fixed text around the beginning of another article."""
        frame = (PARTS / "teaser" / f"{lang}.txt").read_text("utf-8").strip()
        out = []
        for _ in range(count):
            slug, lead = next(self.leads[lang])
            title = self.texts[lang][slug].partition("\n\n")[0]
            out.append((slug, f"{title}\n\n{frame.format(lead=lead)}"))
        return out


def read_texts(lang: str) -> dict[str, str]:
    """Read the base texts of a language by slug, title first."""
    paths = sorted((HERE / "texts" / lang).glob("*.txt"))
    return {path.stem.partition("-")[2]: path.read_text("utf-8").strip() for path in paths}


def junk(name: str) -> str:
    """Read a page of low quality."""
    return (PARTS / "junk" / f"{name}.txt").read_text("utf-8").strip()


def dropped(*stages: str, certain: bool = True) -> dict[str, Any]:
    """Expect a document to be dropped by one of these stages."""
    return {"fate": "dropped", "by": list(stages), "certain": certain}


def skipped(reason: str) -> dict[str, Any]:
    """Expect a reader to skip a record by the rules of its format, counted by reason."""
    return {"fate": "skipped", "reason": reason}


def quarantined(reason: str) -> dict[str, Any]:
    """Expect a reader to quarantine a record that it cannot read."""
    return {"fate": "quarantined", "reason": reason}
