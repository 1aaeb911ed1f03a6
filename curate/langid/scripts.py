"""Which scripts and letters a text is written with: counted once, asked by every rule.

The script of a text is the one that most of its letters belong to. Han counts for Japanese where there
is kana beside it and for Korean where there is Hangul; alone it is ``Hani``, and its characters tell
simplified from traditional.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from numba import uint64

from curate.kernels.jit import kernel
from curate.kernels.unicode import CLASS, LETTER, SCRIPT, SCRIPTS
from curate.kernels.utf8 import decode

#: The names that a text's script can have: Unicode's, and Jpan for kana with or without Han.
NAMES: Final = (*SCRIPTS, "Jpan")

#: The script of a text without letters, or with letters of no script.
NONE: Final = SCRIPTS.index("Zyyy")

_HAN, _HIRA, _KANA = (SCRIPTS.index(name) for name in ("Hani", "Hira", "Kana"))
_HANGUL, _JPAN = SCRIPTS.index("Hang"), len(SCRIPTS)

#: The first two sets are always counted.
_SIMPLIFIED, _TRADITIONAL = 0, 1

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
    sets: npt.NDArray[np.int32]  #: how many are of each asked-for set of letters, a column per set
    scripts: npt.NDArray[np.int64]  #: letters of each of NAMES, Han where it belongs to
    columns: dict[frozenset[str], int]  #: set of letters -> column of ``sets``

    def number_of(
        self, letters: frozenset[str], rows: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.int64]:
        """Count how many letters of the given rows are of a set that was asked for."""
        return np.asarray(self.sets[rows, self.columns[letters]], np.int64)


def count(data: Any, offsets: Any, asked: frozenset[frozenset[str]]) -> Letters:
    """Count scripts and letters of texts in Arrow's layout, and how many are of each set asked for."""
    cells, script_of, member, columns = _cells(asked)
    n = len(offsets) - 1
    scripts = np.zeros((n, len(SCRIPTS)), np.int32)
    sets = np.zeros((n, member.shape[1]), np.int32)
    _count(data, offsets, cells, script_of, member, scripts, sets)
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
    traditional = sets[:, _TRADITIONAL] > sets[:, _SIMPLIFIED]
    return Letters(script, total, of_script, traditional, sets, merged, columns)


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
def _cells(
    asked: frozenset[frozenset[str]],
) -> tuple[Any, Any, Any, dict[frozenset[str], int]]:
    """Give the cells that the kernel counts in: one for each letter of a set, one for each script's rest.

    That is: the cell of each code point, 0 for what is no letter; the script of each cell; whether a
    cell is of a set: [cells, sets]; and the column of each set.
    """
    apart = frozenset[str]().union(*asked)
    # What Cantonese alone writes is no sign of traditional characters: those asked for stand apart.
    sets = [*(letters - apart for letters in _exclusive()), *sorted(asked, key=sorted)]
    letters = sorted(c for c in apart if CLASS[ord(c)] & LETTER)
    rest, han = 1 + len(letters), SCRIPTS.index("Hani")
    cells = np.where(CLASS & LETTER, rest + SCRIPT.astype(np.int16), 0).astype(np.int16)
    cells[[ord(c) for c in letters]] = np.arange(1, rest)
    script_of = np.array(
        [0, *(SCRIPT[ord(c)] for c in letters), *range(len(SCRIPTS)), han, han], np.int64
    )
    member = np.zeros((len(script_of), len(sets)), np.int32)
    for k, wanted in enumerate(sets[2:], 2):
        member[[k for k, c in enumerate(letters, 1) if c in wanted], k] = 1
    for k in (_SIMPLIFIED, _TRADITIONAL):
        cells[[ord(c) for c in sets[k]]] = len(script_of) - 2 + k
        member[len(script_of) - 2 + k, k] = 1
    return cells, script_of, member, {wanted: k for k, wanted in enumerate(sets[2:], 2)}


@lru_cache(maxsize=1)
def _exclusive() -> tuple[frozenset[str], frozenset[str]]:
    """Give the Han characters that only simplified, and only traditional, Chinese writes.

    Taken from the two national character sets: in GB 2312 and not in Big5, and the other way round.
    Big5 also has rare characters that simplified texts write alike; they are rare in both.
    """
    han = [chr(c) for c in range(0x4E00, 0xA000)]
    simplified = {c for c in han if _encodes(c, "gb2312")}
    traditional = {c for c in han if _encodes(c, "big5")}
    return frozenset(simplified - traditional), frozenset(traditional - simplified)


def _encodes(character: str, charset: str) -> bool:
    return bool(character.encode(charset, "ignore"))


@kernel
def _count(
    data: Any, offsets: Any, cells: Any, script_of: Any, member: Any, scripts: Any, sets: Any
) -> None:
    counts = np.zeros(len(member), np.int32)
    for d in range(len(offsets) - 1):
        i = offsets[d]
        stop = offsets[d + 1]
        counts[:] = 0
        while i < stop:
            point, size = decode(data, i)
            i += size
            counts[uint64(cells[point])] += 1
        for cell in range(1, len(member)):
            if counts[cell] > 0:
                scripts[d, script_of[cell]] += counts[cell]
                for k in range(member.shape[1]):
                    sets[d, k] += counts[cell] * member[cell, k]
