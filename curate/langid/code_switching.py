"""Segment mode: the language of each part of a text.

A text is cut where a part in another language can start: at line ends, behind sentences, and before
a word of another script. Each piece is identified by itself. A piece that is short or has a low
score gets the language of the whole text where that is written in the piece's script, else that of
the piece before it. Neighbouring pieces of one language become one span.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import uint64

from curate.kernels.arrow import from_buffers
from curate.kernels.jit import kernel
from curate.kernels.unicode import CLASS, LETTER, NEWLINE, SCRIPT, SCRIPTS, SPACE, TERMINAL
from curate.kernels.utf8 import decode
from curate.langid.scripts import SCRIPT_SETS
from curate.schema import LANG_SPAN, UNDETERMINED

Rows = npt.NDArray[np.int64]

#: A piece with fewer letters than this is a name or a title, and no part in another language.
MIN_LETTERS = 20

#: A piece with a lower score than this takes its language from its surroundings.
MIN_SCORE = 0.8

_NONE = SCRIPTS.index("Zyyy")

#: Scripts that one language uses together; a change among them starts no piece.
_TOGETHER = tuple(SCRIPTS.index(name) for name in ("Hani", "Hira", "Kana", "Hang"))


def spans(
    data: Any, offsets: Any, whole: list[str], identify: Callable[[pa.Array], pa.Table]
) -> pa.ListArray:
    """Return the spans of each text, as list<struct<start, end, lang>>; offsets are UTF-8 bytes.

    ``whole`` holds the language of each whole text. The spans of a text cover it without gaps from
    its first byte to its last; an empty text has none.
    """
    owner, start, end, letters, script = _pieces(data, offsets)
    cut = np.append(start, end[-1:]) if len(start) else np.zeros(1, np.int64)
    pieces = from_buffers(data, np.ascontiguousarray(cut))
    labelled = identify(pieces)
    sure = (letters >= MIN_LETTERS) & (labelled["lang_score"].to_numpy() >= MIN_SCORE)
    langs: list[str | None] = [
        lang if ok and lang != UNDETERMINED else None
        for lang, ok in zip(labelled["lang"].to_pylist(), sure.tolist())
    ]
    _fill_unsure(langs, owner.tolist(), script.tolist(), whole)
    return _merged(langs, owner, start, end, offsets)


def _fill_unsure(
    langs: list[str | None], owner: list[int], script: list[int], whole: list[str]
) -> None:
    """Fill in the language of pieces without one of their own."""
    for k, lang in enumerate(langs):
        if lang is not None:
            continue
        of_text = whole[owner[k]]
        if script[k] != _NONE and SCRIPTS[script[k]] in _scripts(of_text):
            langs[k] = of_text
        elif k and owner[k - 1] == owner[k]:
            langs[k] = langs[k - 1]
        else:
            langs[k] = _next(langs, owner, k) or of_text


def _next(langs: list[str | None], owner: list[int], k: int) -> str | None:
    at = k
    while at < len(langs) and owner[at] == owner[k] and langs[at] is None:
        at += 1
    return langs[at] if at < len(langs) and owner[at] == owner[k] else None


def _scripts(label: str) -> tuple[str, ...]:
    script = label[4:]
    return SCRIPT_SETS.get("Kore" if script == "Hang" else script, (script,))


def _merged(
    langs: list[str | None], owner: Rows, start: Rows, end: Rows, offsets: Any
) -> pa.ListArray:
    first = np.ones(len(langs), np.bool_)
    for k in range(1, len(langs)):
        first[k] = owner[k] != owner[k - 1] or langs[k] != langs[k - 1]
    at = np.flatnonzero(first)
    last = np.append(at[1:], len(langs)) - 1 if len(at) else at
    base = np.asarray(offsets)[owner[at]]
    values = pa.StructArray.from_arrays(
        [
            pa.array(start[at] - base, pa.int64()),
            pa.array(end[last] - base, pa.int64()),
            pa.array([langs[k] for k in at.tolist()], pa.string()),
        ],
        fields=list(LANG_SPAN),
    )
    counts = np.bincount(owner[at], minlength=len(offsets) - 1)
    ends = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(ends), values)


def _pieces(data: Any, offsets: Any) -> tuple[Rows, Rows, Rows, Rows, Rows]:
    """Cut texts; return each piece's text, first byte, end, number of letters and script."""
    together = np.zeros(len(SCRIPTS), np.bool_)
    together[list(_TOGETHER)] = True
    n = _cut(data, offsets, CLASS, SCRIPT, together, np.empty((0, 5), np.int64))
    pieces = np.empty((n, 5), np.int64)
    _cut(data, offsets, CLASS, SCRIPT, together, pieces)
    owner, start, end, letters, script = pieces.T.copy()
    return owner, start, end, letters, script


@kernel
def _write(pieces: Any, n: int, text: int, start: int, end: int, letters: int, script: int) -> None:
    if n < len(pieces):
        pieces[n, 0], pieces[n, 1], pieces[n, 2] = text, start, end
        pieces[n, 3], pieces[n, 4] = letters, script


@kernel
def _cut(data: Any, offsets: Any, classes: Any, scripts: Any, together: Any, pieces: Any) -> int:
    """Write a row (text, start, end, letters, script) for each piece; return how many.

    A piece ends behind a newline, behind a space that follows the end of a sentence, and before a
    word of another script. Rows beyond the length of ``pieces`` are not written.
    """
    n: Any = np.int64(0)
    for d in range(len(offsets) - 1):
        i = offsets[d]
        stop = offsets[d + 1]
        start = i
        letters: Any = np.int64(0)
        script: Any = np.int64(_NONE)
        word = i  # where the current word began
        in_word, fresh, ended = False, False, False
        while i < stop:
            here = i
            point, size = decode(data, i)
            i += size
            kind = classes[uint64(point)]
            if kind & SPACE:
                in_word = False
                if (kind & NEWLINE or ended) and i < stop:
                    _write(pieces, n, d, start, i, letters, script)
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
                new = np.int64(scripts[uint64(point)])
                if fresh and new != _NONE and new != script:
                    if script == _NONE:
                        script = new
                    elif not (together[new] and together[script]):
                        _write(pieces, n, d, start, word, letters - 1, script)
                        n += 1
                        start, letters, script = word, np.int64(1), new
                fresh = False
        if start < stop:
            _write(pieces, n, d, start, stop, letters, script)
            n += 1
    return int(n)
