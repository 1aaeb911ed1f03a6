"""Read Wikipedia dumps: speed, and the share of sentences that are cut, by language.

python -m tests.benchmarks.wikitext [DUMP ...]

Without dumps, those below ``$CURATE_SHARED_DATA/wiki`` are read. A sentence is cut because a
template in it had words that only the wiki knows. The speed is that of the best of three runs over
the markup of all articles in memory, in CPU seconds, without the XML.
"""

from __future__ import annotations

import argparse
import os
import re
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

from curate.sources.base import Document, InputFile, Note, Piece, Skip
from curate.sources.wiki import wikitext
from curate.sources.wiki.holes import sentences
from curate.sources.wiki.wikipedia import Wikipedia


def records(path: Path) -> Iterator[Any]:
    """Yield the records of a dump."""
    size = path.stat().st_size
    yield from Wikipedia().read(InputFile(str(path), path.name, size), Piece(0, size))


def main() -> None:
    """Print a line per language, then the speed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("dumps", nargs="*", type=Path)
    folder = Path(os.environ.get("CURATE_SHARED_DATA", ".")) / "wiki"
    paths = parser.parse_args().dumps or sorted(folder.rglob("*.xml*"))
    counts: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    calls: list[tuple[Any, ...]] = []
    read = wikitext.prose

    def remember(*call: Any) -> wikitext.Prose:
        calls.append(call)
        return read(*call)

    with mock.patch.object(wikitext, "prose", remember):
        for path in paths:
            name = re.match(r"([a-z_]{2,12}?)wiki", path.name)
            language = name[1] if name else "?"
            for record in records(path):
                if isinstance(record, Document):
                    counts[language]["articles"] += 1
                    kept = sum(1 for line in record.text.split("\n") for _ in sentences(line))
                    counts[language]["kept"] += kept
                elif isinstance(record, Note):
                    counts[language][record.what] += record.count
                elif isinstance(record, Skip) and record.reason == "no_whole_sentence":
                    counts[language]["lost"] += 1
    print(f"{'language':>12} articles lost  sentences   cut  share  parentheses cut")
    for language, one in sorted(counts.items()):
        cut = one["sentences_cut"]
        share = 100 * cut / max(1, cut + one["kept"])
        print(
            f"{language:>12} {one['articles']:8} {one['lost']:4} {one['kept']:10} {cut:5}"
            f" {share:5.1f}% {one['parentheses_cut']:16}"
        )
    size = sum(len(call[0].encode()) for call in calls)
    seconds = []
    for _ in range(3):
        start = time.process_time()
        for call in calls:
            read(*call)
        seconds.append(time.process_time() - start)
    print(f"{size / 1e6:.1f} MB of wikitext, {size / 1e6 / min(seconds):.1f} MB per CPU second")


if __name__ == "__main__":
    main()
