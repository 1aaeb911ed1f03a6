"""How well a tokenizer fits a language, as ratios of sums.

Words are separated by whitespace, so tokens per word means nothing in scripts without spaces; bytes
and characters per token do.
"""

from __future__ import annotations

from dataclasses import dataclass

#: Scripts (ISO 15924) that do not put spaces between words.
UNSPACED = frozenset({"Hani", "Hans", "Hant", "Jpan", "Khmr", "Laoo", "Mymr", "Thai", "Tibt"})


@dataclass(frozen=True)
class Fertility:
    """One language's texts under one tokenizer: sums, and the ratios of them."""

    lang: str
    documents: int
    bytes: int
    characters: int
    words: int
    tokens: int

    @property
    def tokens_per_word(self) -> float | None:
        """Tokens per word; None in scripts without spaces, and where there is no word."""
        spaced = self.lang.partition("_")[2] not in UNSPACED
        return self.tokens / self.words if spaced and self.words else None

    @property
    def bytes_per_token(self) -> float | None:
        """UTF-8 bytes per token; None where there is no token."""
        return self.bytes / self.tokens if self.tokens else None

    @property
    def characters_per_token(self) -> float | None:
        """Code points per token; None where there is no token."""
        return self.characters / self.tokens if self.tokens else None
