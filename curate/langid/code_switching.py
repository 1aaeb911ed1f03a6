"""Segment mode: which parts of a text are in which language.

A text is cut where a part in another language can start: at line ends, behind sentences, and where the
script changes for good. Each piece is identified by itself. A piece that is short or unsure says
nothing of its own: it belongs to the language of the whole text where that is written in its script,
else to the piece before it. Neighbours of one language become one span.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import uint64

from curate.kernels.jit import kernel
from curate.kernels.unicode import CLASS, LETTER, NEWLINE, SCRIPT, SCRIPTS, SPACE, TERMINAL
from curate.kernels.utf8 import decode
from curate.schema import LANG_SPAN, UNDETERMINED

Rows = npt.NDArray[np.int64]

#: Fewer letters than this are a name or a title, and no part in another language.
MIN_LETTERS = 20

#: A piece that is less sure than this takes its language from its surroundings.
MIN_SCORE = 0.8

_NONE = SCRIPTS.index("Zyyy")

#: Scripts that one language writes side by side; a change among them starts nothing.
_TOGETHER = tuple(SCRIPTS.index(name) for name in ("Hani", "Hira", "Kana", "Hang"))


def spans(
    data: Any, offsets: Any, whole: list[str], identify: Callable[[pa.Array], pa.Table]
) -> pa.ListArray:
    """Give the spans of each text, as list<struct<start, end, lang>>; offsets are UTF-8 bytes.

    ``whole`` holds the language of each whole text. The spans of a text follow each other without a
    gap from its first byte to its last; an empty text has none.
    """
    owner, start, end, letters, script = _pieces(data, offsets)
    cut = np.append(start, end[-1:]) if len(start) else np.zeros(1, np.int64)
    pieces = pa.LargeStringArray.from_buffers(
        len(start), pa.py_buffer(np.ascontiguousarray(cut)), pa.py_buffer(data)
    )
    found = identify(pieces)
    sure = (letters >= MIN_LETTERS) & (found["lang_score"].to_numpy() >= MIN_SCORE)
    own = found["lang"].to_pylist()
    said: list[str | None] = [
        own[k] if ok and own[k] != UNDETERMINED else None for k, ok in enumerate(sure.tolist())
    ]
    _settle(said, owner.tolist(), script.tolist(), whole)
    return _merged(said, owner, start, end, offsets)


def _settle(said: list[str | None], owner: list[int], script: list[int], whole: list[str]) -> None:
    """Give the pieces that say nothing themselves a language."""
    for k, mine in enumerate(said):
        if mine is not None:
            continue
        text = whole[owner[k]]
        if script[k] == _NONE or SCRIPTS[script[k]] not in _scripts(text):
            said[k] = (
                said[k - 1] if k and owner[k - 1] == owner[k] else _next(said, owner, k) or text
            )
        else:
            said[k] = text


def _next(said: list[str | None], owner: list[int], k: int) -> str | None:
    at = k
    while at < len(said) and owner[at] == owner[k] and said[at] is None:
        at += 1
    return said[at] if at < len(said) and owner[at] == owner[k] else None


def _scripts(label: str) -> tuple[str, ...]:
    written = label[4:]
    joint = {"Jpan": ("Hani", "Hira", "Kana"), "Hans": ("Hani",), "Hant": ("Hani",)}
    return joint.get(written, ("Hang", "Hani") if written == "Hang" else (written,))


def _merged(
    said: list[str | None], owner: Rows, start: Rows, end: Rows, offsets: Any
) -> pa.ListArray:
    first = np.ones(len(said), np.bool_)
    for k in range(1, len(said)):
        first[k] = owner[k] != owner[k - 1] or said[k] != said[k - 1]
    at = np.flatnonzero(first)
    last = np.append(at[1:], len(said)) - 1 if len(at) else at
    base = np.asarray(offsets)[owner[at]]
    values = pa.StructArray.from_arrays(
        [
            pa.array(start[at] - base, pa.int64()),
            pa.array(end[last] - base, pa.int64()),
            pa.array([said[k] for k in at.tolist()], pa.string()),
        ],
        fields=list(LANG_SPAN),
    )
    many = np.bincount(owner[at], minlength=len(offsets) - 1)
    ends = np.concatenate([[0], np.cumsum(many)]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(ends), values)


def _pieces(data: Any, offsets: Any) -> tuple[Rows, Rows, Rows, Rows, Rows]:
    """Cut texts: the text of each piece, its first byte and the one behind it, letters, script."""
    together = np.zeros(len(SCRIPTS), np.bool_)
    together[list(_TOGETHER)] = True
    n = _cut(data, offsets, CLASS, SCRIPT, together, np.empty((0, 5), np.int64))
    found = np.empty((n, 5), np.int64)
    _cut(data, offsets, CLASS, SCRIPT, together, found)
    owner, start, end, letters, script = found.T.copy()
    return owner, start, end, letters, script


@kernel
def _write(found: Any, n: int, text: int, start: int, end: int, letters: int, script: int) -> None:
    if n < len(found):
        found[n, 0], found[n, 1], found[n, 2] = text, start, end
        found[n, 3], found[n, 4] = letters, script


@kernel
def _cut(data: Any, offsets: Any, classes: Any, scripts: Any, together: Any, found: Any) -> int:
    """Write a row (text, start, end, letters, script) for each piece; return how many.

    A piece ends behind a newline, behind a space that follows the end of a sentence, and before a
    word of another script. Only as many are written as there is room for.
    """
    n: Any = np.int64(0)
    for d in range(len(offsets) - 1):
        i = offsets[d]
        stop = offsets[d + 1]
        start = i
        letters: Any = np.int64(0)
        script: Any = np.int64(_NONE)
        word = i  # where the word that is being read began
        in_word, fresh, ended = False, False, False
        while i < stop:
            here = i
            point, size = decode(data, i)
            i += size
            kind = classes[uint64(point)]
            if kind & SPACE:
                in_word = False
                if (kind & NEWLINE or ended) and i < stop:
                    _write(found, n, d, start, i, letters, script)
                    n += 1
                    start, letters, script = i, np.int64(0), np.int64(_NONE)
                ended = False
                continue
            if not in_word:
                in_word, fresh, word = True, True, here
            if kind & TERMINAL:
                ended = True
            if kind & LETTER:
                ended = False
                letters += 1
                mine = np.int64(scripts[uint64(point)])
                if fresh and mine != _NONE and mine != script:
                    if script == _NONE:
                        script = mine
                    elif not (together[mine] and together[script]):
                        _write(found, n, d, start, word, letters - 1, script)
                        n += 1
                        start, letters, script = word, np.int64(1), mine
                fresh = False
        if start < stop:
            _write(found, n, d, start, stop, letters, script)
            n += 1
    return int(n)
