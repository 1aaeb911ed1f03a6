"""Clean documents by domain, divided into halves by their hash."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True)
class Reference:
    """Clean documents by domain: a file, a folder or a genre each."""

    domains: dict[str, list[str]]

    @property
    def texts(self) -> list[str]:
        """All documents, once each, in order."""
        return list(dict.fromkeys(text for texts in self.domains.values() for text in texts))

    def half(self, which: int, bit: int = 0) -> Reference:
        """Return the documents whose text's hash has ``which``, 0 or 1, in a bit."""
        halves = {
            name: [text for text in texts if _hash(text) >> bit & 1 == which]
            for name, texts in self.domains.items()
        }
        return Reference({name: texts for name, texts in halves.items() if texts})


def _hash(text: str) -> int:
    return hashlib.blake2b(text.encode(), digest_size=1).digest()[0]
