"""Clean documents by source, and how they are divided for a test on text that was held out."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

#: Parts that are held out one after the other, at most.
FOLDS: Final = 5


class Fold(NamedTuple):
    """Documents that set limits, and those of other sources (or blocks) that test them."""

    seen: Reference
    unseen: Reference


@dataclass(frozen=True)
class Reference:
    """Clean documents by source: a file, a folder, a genre, or the value of a field each."""

    domains: dict[str, list[str]]

    @property
    def texts(self) -> list[str]:
        """All documents, once each, in order."""
        return list(dict.fromkeys(text for texts in self.domains.values() for text in texts))

    def half(self, which: int, bit: int = 0) -> Reference:
        """Return the documents whose text's hash has ``which``, 0 or 1, in a bit."""
        return self.only({text for text in self.texts if _hash(text) >> bit & 1 == which})

    def only(self, chosen: set[str]) -> Reference:
        """Return the chosen documents; sources without any drop out."""
        kept = {n: [text for text in texts if text in chosen] for n, texts in self.domains.items()}
        return Reference({name: texts for name, texts in kept.items() if texts})

    def distinct(self) -> Reference:
        """Return each text once, in the first source that has it."""
        seen: set[str] = set()
        kept: dict[str, list[str]] = {}
        for name, texts in self.domains.items():
            new = [text for text in dict.fromkeys(texts) if text not in seen]
            seen.update(new)
            if new:
                kept[name] = new
        return Reference(kept)

    @property
    def in_blocks(self) -> str | None:
        """The source with more than half of the documents, which is held out in blocks, if any."""
        total = sum(map(len, self.domains.values()))
        return next((n for n, texts in self.domains.items() if 2 * len(texts) > total), None)

    def folds(self) -> Iterator[Fold]:
        """Yield up to five ways to hold documents out, each document in one of them.

        A source is held out as a whole. One with more than half of the documents, without which
        too few would be left, is cut into blocks of neighbours, because these are alike.
        """
        units = []
        for name, texts in self.domains.items():
            size = -(-len(texts) // (FOLDS if name == self.in_blocks else 1))
            units += [(name, texts[at : at + size]) for at in range(0, len(texts), size)]
        units.sort(key=lambda unit: (-len(unit[1]), unit[0], _hash(unit[1][0])))
        parts: list[set[str]] = [set() for _ in range(min(FOLDS, len(units)))]
        for _, texts in units:
            min(parts, key=len).update(texts)
        everything = set(self.texts)
        for part in parts:
            yield Fold(self.only(everything - part), self.only(part))


def _hash(text: str) -> int:
    return hashlib.blake2b(text.encode(), digest_size=1).digest()[0]
