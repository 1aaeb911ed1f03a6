"""Tables of every code point: class bits, script, and the two foldings of hash keys.

``tests/generate/unicode_tables.py`` makes the tables from one Unicode version (:data:`VERSION`).
They are committed, so that results depend neither on the Python version nor on the machine. Kernels
take them as arguments, never as globals: numba would copy a global array into every kernel.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

LETTER: Final = 1  #: category L
DIGIT: Final = 2  #: category Nd
MARK: Final = 4  #: category M: belongs to the character before it
SPACE: Final = 8  #: str.isspace
UNSPACED: Final = 16  #: of a script without spaces: a code point is a word there
PUNCTUATION: Final = 32  #: category P or S
UPPER: Final = 64  #: str.isupper
TERMINAL: Final = 128  #: ends a sentence, in any script
CONTROL: Final = 256  #: category Cf, and Cc without tab and newline
NEWLINE: Final = 512  #: U+000A
#: Letters of the languages with ı and i, and of few others.
TURKIC_LETTERS: Final = "ıİğĞşŞ"

_SIZE: Final = 0x110000
PATH: Final = Path(__file__).with_name("unicode.npz")


def _load() -> tuple[
    str,
    tuple[str, ...],
    npt.NDArray[np.uint16],
    npt.NDArray[np.uint8],
    npt.NDArray[np.uint32],
    npt.NDArray[np.uint32],
]:
    with np.load(PATH) as stored:
        classes = np.repeat(stored["class_values"], stored["class_counts"])
        scripts = np.repeat(stored["script_values"], stored["script_counts"])
        fold = np.arange(_SIZE, dtype=np.uint32)
        base = fold.copy()
        fold[stored["fold_from"]] = stored["fold_to"]
        base[stored["base_from"]] = stored["base_to"]
        for table in (classes, scripts, fold, base):
            table.setflags(write=False)
        return (
            str(stored["version"]),
            tuple(stored["scripts"].tolist()),
            classes,
            scripts,
            fold,
            base,
        )


#: ``VERSION`` of Unicode; ``SCRIPTS`` names the values of ``SCRIPT`` (ISO 15924; Zyyy = the rest).
#: ``FOLD`` maps a code point to lower case (i ı I İ all to i), ``BASE`` also strips the accents of
#: Latin and Greek letters and maps ё to е; both are for hash keys, never for text.
VERSION, SCRIPTS, CLASS, SCRIPT, FOLD, BASE = _load()
