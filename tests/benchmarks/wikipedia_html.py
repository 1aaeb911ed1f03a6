"""Compare the two sources of Wikipedia: what of the same articles each of them keeps.

python -m tests.benchmarks.wikipedia_html [--xml DUMP ... --html DUMP ...] [--pages 20]

Dumps of one wiki are compared by page id, the first ``--pages`` that both have. A number is a run
of digits of any script, with the marks between them; a sentence is counted as the XML source counts
those that it cuts. Without dumps the pages of `tests/unit/sources/wiki/enterprise.py` are read:
one page in each of eight languages, in the shape of Parsoid and of our own writing, whose numbers
come from templates that only the wiki knows. They show what each source does, not how often.
"""

from __future__ import annotations

import argparse
import re
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from curate.sources.base import Document, InputFile, Piece, Source
from curate.sources.wiki.holes import sentences
from curate.sources.wiki.wikipedia import Wikipedia
from curate.sources.wiki.wikipedia_html import WikipediaHtml
from tests.unit.sources.wiki.enterprise import SENTENCES, article, lines, record, tar_gz

_NUMBER = re.compile(r"\d+(?:[.,\u066b\u066c\u00a0\u202f ]\d+)*")


def documents(paths: Iterable[Path], source: Source) -> Iterator[tuple[str, str]]:
    """Yield the language and id of each article as one string, and its text."""
    for path in paths:
        name = re.match(r"([a-z_]{2,12}?)wiki", path.name)
        size = path.stat().st_size
        for found in source.read(InputFile(str(path), path.name, size), Piece(0, size)):
            if isinstance(found, Document):
                yield f"{name[1] if name else '?'} {found.locator}", found.text


def counted(text: str) -> tuple[int, int, int]:
    """Return the numbers, sentences and bytes of a text, without the frames of tables."""
    return (
        len(_NUMBER.findall(text)),
        sum(1 for line in text.split("\n") if "|" not in line for _ in sentences(line)),
        len(text.encode()),
    )


def fixtures(folder: Path) -> tuple[list[Path], list[Path]]:
    """Write the pages of the tests as two dumps per language."""
    xml, html = [], []
    for language, (sentence, *_) in SENTENCES.items():
        text = sentence.format("{{population|x}}", "{{area|x}}")
        page = (
            f"<page><title>T</title><id>7</id><revision><text>A town.\n\n{text}</text></revision>"
        )
        xml.append(folder / f"{language}wiki.xml")
        xml[-1].write_text(f"{page}</page>", encoding="utf-8")
        html.append(folder / f"{language}wiki.json.tar.gz")
        body = article(language).replace("<p>", "<p>A town.</p><p>", 1)
        html[-1].write_bytes(tar_gz(lines(record(html=body))))
    return xml, html


def main() -> None:
    """Print a line per language."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--xml", nargs="+", type=Path, default=[])
    parser.add_argument("--html", nargs="+", type=Path, default=[])
    parser.add_argument("--pages", type=int, default=20)
    options = parser.parse_args()
    if bool(options.xml) != bool(options.html):
        parser.error("give dumps of both kinds, or none")
    with tempfile.TemporaryDirectory() as folder:
        xml, html = options.xml, options.html
        if not xml:
            xml, html = fixtures(Path(folder))
        by_xml = dict(documents(xml, Wikipedia()))
        start = time.process_time()
        by_html = dict(documents(html, WikipediaHtml()))
        seconds = time.process_time() - start
        stored = sum(path.stat().st_size for path in html)
    pages: dict[str, list[str]] = defaultdict(list)
    for page in by_html:
        if page in by_xml:
            pages[page.split()[0]].append(page)
    print(f"{'wiki':>6} pages   numbers xml  html   sentences xml  html   bytes xml   html")
    for language, found in sorted(pages.items()):
        chosen = list(islice(found, options.pages))
        old, new = (
            [sum(column) for column in zip(*(counted(texts[page]) for page in chosen), strict=True)]
            for texts in (by_xml, by_html)
        )
        print(
            f"{language:>6} {len(chosen):5} {old[0]:13} {new[0]:5} {old[1]:15} {new[1]:5}"
            f" {old[2]:11} {new[2]:6}"
        )
    print(f"{stored / 1e6:.1f} MB of HTML dumps in {seconds:.1f} CPU seconds")


if __name__ == "__main__":
    main()
