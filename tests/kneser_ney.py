"""Interpolated modified Kneser-Ney smoothing over characters, from the formulas and with dicts.

The text is circular. ``limits`` says how often n-grams of each length must occur to be known.
"""

import math
import os
import tempfile
from collections import Counter
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from curate.calibrate.ngram import train
from tests.conftest import SESSION

CODE_POINTS = 0x110000


@cache
def tiny_model() -> str:
    """Return the path of a model of a few English words, for tests that need any."""
    path = Path(tempfile.mkdtemp(dir=os.environ.get(SESSION)), "eng_Latn.npz")
    train("eng_Latn", ["the end of it is near", "it is the end of the year"]).save(path)
    return str(path)


def spelled(text: str) -> str:
    """Return a text of ASCII and Cyrillic in lower case, digits as 0, runs of spaces as one."""
    return "".join("0" if c.isdigit() else c for c in " ".join(text.split()).lower())


class KneserNey:
    def __init__(self, text: str, alphabet: str, limits: Sequence[int]) -> None:
        self.order = len(limits)
        self.alphabet = set(alphabet)
        self.vocabulary = len(alphabet) + 1
        symbols = [c if c in self.alphabet else "" for c in text]
        around = symbols + [symbols[k % len(symbols)] for k in range(self.order)]
        places = range(len(symbols))
        raw = [Counter(tuple(around[k : k + n]) for k in places) for n in range(1, self.order + 1)]
        self.known = [
            {gram for gram, times in raw[n].items() if times >= limits[n]}
            for n in range(self.order)
        ]
        #: For all but the longest: how many different symbols stand before an n-gram.
        self.counts = [Counter(gram[1:] for gram in longer) for longer in raw[1:]] + [raw[-1]]
        self.discounts = [self._discounts(counts) for counts in self.counts]
        self.totals: list[Counter[tuple[str, ...]]] = []
        for counts in self.counts:
            self.totals.append(Counter())
            for gram, count in counts.items():
                self.totals[-1][gram[:-1]] += count

    @staticmethod
    def _discounts(counts: Counter[tuple[str, ...]]) -> tuple[float, float, float]:
        n = [sum(1 for c in counts.values() if c == k) for k in (1, 2, 3, 4)]
        if n[0] and n[1] and n[2]:
            y = n[0] / (n[0] + 2 * n[1])
            found = tuple(k - (k + 1) * y * n[k] / n[k - 1] for k in (1, 2, 3))
            if all(0 < d <= k for k, d in enumerate(found, 1)):
                return found
        return (0.5, 1.0, 1.5)

    def share(self, gram: tuple[str, ...]) -> float:
        """Return what an n-gram has of its own, without shorter ones."""
        n = len(gram)
        if n > self.order or gram not in self.known[n - 1]:
            return 0.0
        count = self.counts[n - 1][gram]
        return (count - self.discounts[n - 1][min(count, 3) - 1]) / self.totals[n - 1][gram[:-1]]

    def probability(self, context: tuple[str, ...], symbol: str) -> float:
        """Return the probability of a symbol, "" for all outside of the alphabet."""
        context = context[max(0, len(context) - self.order + 1) :]
        lower = self.probability(context[1:], symbol) if context else 1 / self.vocabulary
        own = sum(self.share((*context, c)) for c in (*self.alphabet, ""))
        return self.share((*context, symbol)) + (1 - own) * lower

    def cost(self, text: str) -> float:
        """Return minus the logarithm of a text's probability, behind a space."""
        total, context = 0.0, (" ",)
        for character in spelled(text):
            symbol = character if character in self.alphabet else ""
            total -= math.log(self.probability(context, symbol))
            if not symbol:
                total += math.log(CODE_POINTS - len(self.alphabet))
            context = (*context, symbol)
        return total
