"""Generate text in every script, with planted near duplicates. Deterministic; needs no data.

Words are drawn from a vocabulary of random words with the frequencies of a natural one (Zipf), so
that unrelated documents share hardly any shingles and every duplicate is a planted one.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import pyarrow as pa

#: Script → (letters, letters per word, word separator). Han, Kana and Thai have no spaces.
SCRIPTS: dict[str, tuple[str, tuple[int, int], str]] = {
    "Latin": ("abcdefghijklmnopqrstuvwxyz", (2, 9), " "),
    "Cyrillic": ("абвгдежзийклмнопрстуфхцчшыьэюяәғқңөұүі", (2, 10), " "),
    "Arabic": ("ابتثجحخدذرزسشصضطظعغفقكلمنهوي", (2, 7), " "),
    "Hangul": ("".join(map(chr, range(0xAC00, 0xAC00 + 1200, 3))), (1, 5), " "),
    "Han": ("".join(map(chr, range(0x4E00, 0x4E00 + 3000))), (1, 3), ""),
    "Kana": ("".join(map(chr, [*range(0x3041, 0x3094), *range(0x30A1, 0x30F4)])), (1, 5), ""),
    "Thai": ("กขคงจชซญดตถทธนบปผพฟมยรลวสหอฮาะิีึืุูเแโใไ", (2, 7), ""),
}

#: Kind of copy → share of its words (characters where there are no spaces) that are edited.
EDITS = {"exact": 0.0, "edit_1": 0.01, "edit_5": 0.05, "edit_10": 0.10, "edit_20": 0.20}


class Planted(NamedTuple):
    """Documents (`id`, `text`), and for each the number of its family and its kind of copy."""

    table: pa.Table
    family: list[int]
    kind: list[str]


class Writer:
    """Write generated text of a script."""

    def __init__(self, script: str, seed: int, words: int = 20_000) -> None:
        self.draw = np.random.default_rng([seed, *script.encode()])
        letters, (low, high), self.between = SCRIPTS[script]
        sizes = self.draw.integers(low, high, words, endpoint=True)
        self._words = np.array(
            ["".join(self.draw.choice(list(letters), size)) for size in sizes], object
        )
        chances = 1 / np.arange(3, words + 3)
        self._chances = chances / chances.sum()

    def words(self, count: int) -> list[str]:
        """Draw words."""
        return list(self.draw.choice(self._words, count, p=self._chances))

    def units(self, words: list[str]) -> list[str]:
        """Return the units of an edit: words, or characters where words are not separated."""
        return words if self.between else list("".join(words))

    def text(self, units: list[str], sentence: int = 14) -> str:
        """Join units into sentences."""
        stop = ". " if self.between else "。"
        parts = [self.between.join(units[i : i + sentence]) for i in range(0, len(units), sentence)]
        return stop.join(parts) + stop.strip()

    def edited(self, units: list[str], share: float) -> list[str]:
        """Replace, delete or insert a share of the units."""
        chosen = self.draw.random(len(units)) < share
        others = self.units(self.words(int(chosen.sum()) + 1))
        edited: list[str] = []
        for unit, edit in zip(units, chosen.tolist(), strict=True):
            if not edit:
                edited.append(unit)
                continue
            other = others[int(self.draw.integers(len(others)))]
            edited += [[other], [other], [], [unit, other]][int(self.draw.integers(4))]
        return edited


def near_copies(script: str, documents: int, *, seed: int = 1, median_words: int = 150) -> Planted:
    """Return documents of log-normal length; one in seven has one to four random copies."""
    writer = Writer(script, seed)
    texts: list[str] = []
    family: list[int] = []
    kind: list[str] = []
    while len(texts) < documents:
        words = writer.words(max(20, int(median_words * math.exp(writer.draw.normal(0, 0.7)))))
        units = writer.units(words)
        number = len(texts)
        copies = int(writer.draw.integers(1, 5)) if writer.draw.random() < 1 / 7 else 0
        for chosen in ["original", *writer.draw.choice(list(EDITS), copies)]:
            texts.append(writer.text(writer.edited(units, EDITS.get(str(chosen), 0.0))))
            family.append(number)
            kind.append(str(chosen))
    return _shuffled(writer, texts[:documents], family[:documents], kind[:documents])


def boilerplate(script: str, documents: int, *, seed: int = 1, shared: float = 0.6) -> Planted:
    """Return one family of pages that share a template and have bodies of their own."""
    writer = Writer(script, seed)
    template = writer.units(writer.words(180))
    body = int(len(template) * (1 - shared) / shared)
    texts = [
        writer.text(template[: len(template) // 2])
        + "\n"
        + writer.text(writer.units(writer.words(body + 5))[:body])
        + "\n"
        + writer.text(template[len(template) // 2 :])
        for _ in range(documents)
    ]
    return _shuffled(writer, texts, [0] * documents, ["original"] * documents)


def chain(
    script: str, links: int, *, seed: int = 1, words: int = 400, step: float = 0.02
) -> Planted:
    """Return a chain: each document is its predecessor with a few edits; its ends are unrelated."""
    writer = Writer(script, seed)
    units = writer.units(writer.words(words))
    texts = []
    for _ in range(links):
        texts.append(writer.text(units))
        units = writer.edited(units, step)
    return _shuffled(writer, texts, [0] * links, ["original"] * links)


def short_documents(script: str, documents: int, *, identical: bool, seed: int = 1) -> pa.Table:
    """Return documents of forty words, all identical or all distinct."""
    writer = Writer(script, seed)
    words = writer.words(40 if identical else 40 * documents)
    if identical:
        texts = [writer.text(words)] * documents
    else:
        texts = [writer.text(words[i : i + 40]) for i in range(0, len(words), 40)]
    return pa.table({"id": _ids(documents), "text": pa.array(texts, pa.large_string())})


def _ids(count: int) -> list[str]:
    return [f"d{number:08d}" for number in range(count)]


def _shuffled(writer: Writer, texts: list[str], family: list[int], kind: list[str]) -> Planted:
    order = writer.draw.permutation(len(texts)).tolist()
    table = pa.table(
        {
            "id": _ids(len(texts)),
            "text": pa.array([texts[old] for old in order], pa.large_string()),
        }
    )
    return Planted(table, [family[old] for old in order], [kind[old] for old in order])
