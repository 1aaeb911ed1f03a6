"""Names for pages that stand in a dump more than once."""

from __future__ import annotations

from collections import Counter, defaultdict

from curate.sources.base import Document, Record

#: Numbers of pages that share a bitmap; those of a dump lie close together.
_TOGETHER = 4096


class Repeats:
    """Numbers the documents of one page, so that each has a locator of its own.

    25 million pages take some 10 MB.
    """

    def __init__(self) -> None:
        self._seen: defaultdict[int, int] = defaultdict(int)  #: bitmaps
        self._again: Counter[int] = Counter()

    def named(self, record: Record) -> Record:
        """Return a record; the second document of page 7 is ``7:1``, the third ``7:2``."""
        if not isinstance(record, Document):
            return record
        page = int(record.locator)
        block, bit = page // _TOGETHER, 1 << page % _TOGETHER
        if not self._seen[block] & bit:
            self._seen[block] |= bit
            return record
        self._again[page] += 1
        return record._replace(locator=f"{record.locator}:{self._again[page]}")
