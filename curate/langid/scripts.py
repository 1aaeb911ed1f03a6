"""The scripts and letters of a text: counted once, used by every rule.

The script of a text is the one that most of its letters belong to. Han counts as Japanese beside
kana, as Korean beside Hangul, and else as ``Hani``, simplified or traditional by its characters.
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

#: The possible scripts of a text: Unicode's, and Jpan for kana with or without Han.
NAMES: Final = (*SCRIPTS, "Jpan")

#: The script of a text without letters, or with letters of no script.
NONE: Final = SCRIPTS.index("Zyyy")

_HAN, _HIRA, _KANA = (SCRIPTS.index(name) for name in ("Hani", "Hira", "Kana"))
_HANGUL, _JPAN = SCRIPTS.index("Hang"), len(SCRIPTS)

#: The first two sets are always counted.
_SIMPLIFIED, _TRADITIONAL = 0, 1

#: A script with at least this share of a text's letters can be the script of its language.
MIN_SCRIPT_SHARE = 0.15

#: Among the letters of Han and kana (or Hangul) at least this share must be kana (Hangul).
_MIN_KANA_SHARE = 0.05

#: Codes of ISO 15924 that cover several of Unicode's scripts.
SCRIPT_SETS: Final = {
    "Jpan": ("Hira", "Kana", "Hani"), "Kore": ("Hang", "Hani"),
    "Hans": ("Hani",), "Hant": ("Hani",),
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Letters:
    """The letters of each text of a batch, counted."""

    script: npt.NDArray[np.int64]  #: number of the text's script in NAMES
    total: npt.NDArray[np.int64]  #: letters of all scripts
    of_script: npt.NDArray[np.int64]  #: letters of the text's script
    traditional: npt.NDArray[np.bool_]  #: more traditional than simplified characters
    sets: npt.NDArray[np.int32]  #: letters of each required set, a column per set
    scripts: npt.NDArray[np.int64]  #: letters of each of NAMES, Han as in the module's docstring
    columns: dict[frozenset[str], int]  #: set of letters -> column of ``sets``

    def count_of(
        self, letters: frozenset[str], rows: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.int64]:
        """Return how many letters of the given rows belong to a required set."""
        return np.asarray(self.sets[rows, self.columns[letters]], np.int64)


def count_letters(data: Any, offsets: Any, letter_sets: frozenset[frozenset[str]]) -> Letters:
    """Count scripts, letters and the letters of each required set in texts in Arrow's layout."""
    cells, script_of, member, columns = _cells(letter_sets)
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
    # A page of Chinese with some Korean names may still be labelled Chinese.
    merged[:, _HAN] = np.where(japanese | (korean & (2 * hangul > han)), 0, han)
    merged[:, [_HIRA, _KANA]] = np.where(japanese[:, None], 0, merged[:, [_HIRA, _KANA]])
    of_script = merged.max(axis=1, initial=0)
    script = np.where(of_script > 0, merged.argmax(axis=1), NONE)
    traditional = sets[:, _TRADITIONAL] > sets[:, _SIMPLIFIED]
    return Letters(script, total, of_script, traditional, sets, merged, columns)


def use_script(letters: Letters, preferred: npt.NDArray[np.int64]) -> Letters:
    """Use the preferred script instead of the dominant one where it has MIN_SCRIPT_SHARE.

    ``preferred`` are numbers in NAMES, -1 to keep the dominant script. A page in two scripts is
    judged by that of its language: a Japanese page full of English names is Japanese.
    """
    rows = np.flatnonzero((preferred >= 0) & (preferred != letters.script))
    in_script = letters.scripts[rows, preferred[rows]]
    rows = rows[(in_script > 0) & (in_script >= MIN_SCRIPT_SHARE * letters.total[rows])]
    script, of_script = letters.script.copy(), letters.of_script.copy()
    script[rows] = preferred[rows]
    of_script[rows] = letters.scripts[rows, preferred[rows]]
    return replace(letters, script=script, of_script=of_script)


@lru_cache(maxsize=8)
def _cells(
    letter_sets: frozenset[frozenset[str]],
) -> tuple[Any, Any, Any, dict[frozenset[str], int]]:
    """Lay out the cells that the kernel counts in: one per letter of a set, one per script's rest.

    Return the cell of each code point, 0 for what is no letter; the script of each cell; whether a
    cell belongs to a set: [cells, sets]; and the column of each set.
    """
    in_sets = frozenset[str]().union(*letter_sets)
    # Characters of required sets are no sign of either: some occur in Cantonese alone.
    sets = [*(letters - in_sets for letters in _exclusive()), *sorted(letter_sets, key=sorted)]
    letters = sorted(c for c in in_sets if CLASS[ord(c)] & LETTER)
    rest, han = 1 + len(letters), SCRIPTS.index("Hani")
    cells = np.where(CLASS & LETTER, rest + SCRIPT.astype(np.int16), 0).astype(np.int16)
    cells[[ord(c) for c in letters]] = np.arange(1, rest)
    script_of = np.array(
        [0, *(SCRIPT[ord(c)] for c in letters), *range(len(SCRIPTS)), han, han], np.int64
    )
    member = np.zeros((len(script_of), len(sets)), np.int32)
    for k, letter_set in enumerate(sets[2:], 2):
        member[[cell for cell, c in enumerate(letters, 1) if c in letter_set], k] = 1
    for k in (_SIMPLIFIED, _TRADITIONAL):
        cells[[ord(c) for c in sets[k]]] = len(script_of) - 2 + k
        member[len(script_of) - 2 + k, k] = 1
    return cells, script_of, member, {letter_set: k for k, letter_set in enumerate(sets[2:], 2)}


@lru_cache(maxsize=1)
def _exclusive() -> tuple[frozenset[str], frozenset[str]]:
    """Return the Han characters that are only simplified, and those that are only traditional.

    Taken from the national character sets: in GB 2312 and not in Big5, and the reverse. Big5 also
    has rare characters that simplified texts share; they are rare in both.
    """
    han = [chr(c) for c in range(0x4E00, 0xA000)]
    simplified = {c for c in han if c.encode("gb2312", "ignore")}
    traditional = {c for c in han if c.encode("big5", "ignore")}
    return frozenset(simplified - traditional), frozenset(traditional - simplified)


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
