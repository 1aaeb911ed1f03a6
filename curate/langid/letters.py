"""Which scripts and letters a text is written with: counted once, asked by every rule.

The script of a text is the one that most of its letters belong to. Han counts for Japanese where there
is kana beside it and for Korean where there is Hangul; alone it is ``Hani``, and its characters tell
simplified from traditional.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from curate.text.jit import kernel
from curate.text.unicode import CLASS, LETTER, SCRIPT, SCRIPTS

#: The names that a text's script can have: Unicode's, and Jpan for kana with or without Han.
NAMES: Final = (*SCRIPTS, "Jpan")

#: The script of a text without letters, or with letters of no script.
NONE: Final = SCRIPTS.index("Zyyy")

_HAN, _HIRA, _KANA = (SCRIPTS.index(name) for name in ("Hani", "Hira", "Kana"))
_HANGUL, _JPAN = SCRIPTS.index("Hang"), len(SCRIPTS)

#: So many of a text's letters must be of a script for its language to be one that writes it.
MIN_SCRIPT_SHARE = 0.15

#: Of the letters of Han and kana (or Hangul) together so many must be kana (Hangul).
_MIN_KANA_SHARE = 0.05


@dataclass(frozen=True, eq=False)
class Letters:
    """What was counted in each text of a batch."""

    script: npt.NDArray[np.int64]  #: number of the text's script in NAMES
    total: npt.NDArray[np.int64]  #: letters of all scripts
    of_script: npt.NDArray[np.int64]  #: letters of the text's script
    traditional: npt.NDArray[np.bool_]  #: more traditional than simplified characters
    counts: npt.NDArray[np.int32]  #: of each asked-for letter, one column per letter
    scripts: npt.NDArray[np.int64]  #: letters of each of NAMES, Han where it belongs to
    columns: dict[str, int]  #: letter -> column of counts

    def number_of(
        self, letters: Iterable[str], rows: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.int64]:
        """Count how many letters of the given rows are among ``letters``."""
        wanted = np.array([self.columns[c] for c in sorted(letters)], np.int64)
        picked = self.counts[rows[:, None], wanted]
        return np.asarray(picked.sum(axis=1, dtype=np.int64))


def count(data: Any, offsets: Any, asked: frozenset[str]) -> Letters:
    """Count scripts and letters of texts in Arrow's layout."""
    table, columns = _columns(asked)
    n = len(offsets) - 1
    scripts = np.zeros((n, len(SCRIPTS)), np.int32)
    counts = np.zeros((n, len(columns) + 2), np.int32)
    _count(data, offsets, CLASS, SCRIPT, table, scripts, counts)
    total = scripts.sum(axis=1, dtype=np.int64)

    merged = np.zeros((n, len(NAMES)), np.int64)
    merged[:, :-1] = scripts
    merged[:, NONE] = 0
    han = merged[:, _HAN].copy()
    kana = merged[:, _HIRA] + merged[:, _KANA]
    japanese = (kana > 0) & (kana >= _MIN_KANA_SHARE * (kana + han))
    hangul = merged[:, _HANGUL].copy()
    korean = ~japanese & (hangul > 0) & (hangul >= _MIN_KANA_SHARE * (hangul + han))
    merged[:, _JPAN] = np.where(japanese, kana + han, 0)
    merged[:, _HANGUL] += np.where(korean, han, 0)
    # A page of Chinese with some Korean names may still be heard as Chinese.
    merged[:, _HAN] = np.where(japanese | (korean & (2 * hangul > han)), 0, han)
    merged[:, [_HIRA, _KANA]] = np.where(japanese[:, None], 0, merged[:, [_HIRA, _KANA]])
    of_script = merged.max(axis=1, initial=0)
    script = np.where(of_script > 0, merged.argmax(axis=1), NONE)
    traditional = counts[:, 1] > counts[:, 0]
    return Letters(script, total, of_script, traditional, counts, merged, columns)


def hear(letters: Letters, wanted: npt.NDArray[np.int64]) -> Letters:
    """Read each text in the script that was asked for, where enough of its letters are of that one.

    ``wanted`` are numbers in NAMES, -1 to leave a text as it is. A page in two scripts is judged by
    the one that its language is written in: a Japanese page full of English names is Japanese.
    """
    rows = np.flatnonzero((wanted >= 0) & (wanted != letters.script))
    there = letters.scripts[rows, wanted[rows]]
    rows = rows[(there > 0) & (there >= MIN_SCRIPT_SHARE * letters.total[rows])]
    script, of_script = letters.script.copy(), letters.of_script.copy()
    script[rows] = wanted[rows]
    of_script[rows] = letters.scripts[rows, wanted[rows]]
    return replace(letters, script=script, of_script=of_script)


@lru_cache(maxsize=8)
def _columns(asked: frozenset[str]) -> tuple[Any, dict[str, int]]:
    """Give the table from code points to columns: 0 simplified, 1 traditional, then the letters."""
    table = np.full(0x110000, -1, np.int16)
    for column, characters in enumerate(_exclusive()):
        table[[ord(c) for c in characters]] = column
    columns = {}
    for k, letter in enumerate(sorted(asked)):
        columns[letter] = k + 2
        table[ord(letter)] = k + 2
    return table, columns


@lru_cache(maxsize=1)
def _exclusive() -> tuple[str, str]:
    """Give the Han characters that only simplified, and only traditional, Chinese writes.

    Taken from the two national character sets: in GB 2312 and not in Big5, and the other way round.
    Big5 also has rare characters that simplified texts write alike; they are rare in both.
    """
    han = [chr(c) for c in range(0x4E00, 0xA000)]
    simplified = {c for c in han if _encodes(c, "gb2312")}
    traditional = {c for c in han if _encodes(c, "big5")}
    return "".join(sorted(simplified - traditional)), "".join(sorted(traditional - simplified))


def _encodes(character: str, charset: str) -> bool:
    return bool(character.encode(charset, "ignore"))


@kernel
def _count(
    data: Any, offsets: Any, classes: Any, of_script: Any, columns: Any, scripts: Any, counts: Any
) -> None:
    for d in range(len(offsets) - 1):
        i = offsets[d]
        stop = offsets[d + 1]
        while i < stop:
            byte = np.int64(data[i])
            if byte < 0x80:
                point = byte
                i += 1
            elif byte < 0xE0:
                point = (byte & 0x1F) << 6 | (np.int64(data[i + 1]) & 0x3F)
                i += 2
            elif byte < 0xF0:
                point = (byte & 0x0F) << 12 | (np.int64(data[i + 1]) & 0x3F) << 6
                point |= np.int64(data[i + 2]) & 0x3F
                i += 3
            else:
                point = (byte & 0x07) << 18 | (np.int64(data[i + 1]) & 0x3F) << 12
                point |= (np.int64(data[i + 2]) & 0x3F) << 6 | (np.int64(data[i + 3]) & 0x3F)
                i += 4
            if classes[point] & LETTER:
                scripts[d, of_script[point]] += 1
                column = columns[point]
                if column >= 0:
                    counts[d, column] += 1
