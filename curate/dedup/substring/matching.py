"""Windows of symbols that occurred before: each compared symbol by symbol, in linear time."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numba import int64, uint64

from curate.dedup.substring.winnowing import BASE
from curate.kernels.arrow import buffers
from curate.kernels.hashing import mix64, table_size
from curate.kernels.jit import kernel
from curate.protocol.routing import integers
from curate.schema import whole

#: Initial capacity for spans; it grows.
_SPANS = 1024
#: The largest initial capacity for different windows (20 bytes each); it grows.
_SLOTS = 1 << 20


def repeated_windows(rows: pa.Table, size: int, width: int = 1, base: int = BASE) -> np.ndarray:
    """Return the spans (document, start, end) of runs that occur in an earlier run (keeper order).

    Symbols have `width` bytes. The base of the hash has no influence on the result.
    """
    data, offsets = buffers(whole(rows.column("symbols")))
    data, offsets = data[: len(data) // width * width].view(f"u{width}"), offsets // width
    docs, starts = integers(rows, "doc"), integers(rows, "start")
    windows = int((np.diff(offsets) - size + 1).sum())
    slots = min(_SLOTS, table_size(2 * windows))
    windows_seen = _Windows.of(slots)
    out = np.empty((_SPANS, 3), np.int64)
    done = np.zeros(3, np.int64)
    while True:
        _match(data, offsets, docs, starts, size, np.uint64(base), *windows_seen, done, out)
        row, used, n = done.tolist()
        if row == rows.num_rows:
            return out[:n]
        # One of the two had no capacity for the next row.
        most = int(offsets[row + 1] - offsets[row]) - size + 1
        while 2 * (used + most) > len(windows_seen.places):
            windows_seen = windows_seen.doubled()
        if n + most > len(out):
            out = np.concatenate([out, np.empty((max(len(out), most), 3), np.int64)])


class _Windows(NamedTuple):
    """The different windows, by hash: where each occurs first, and in which row."""

    hashes: np.ndarray
    places: np.ndarray  #: -1 in an empty slot
    owners: np.ndarray

    @classmethod
    def of(cls, slots: int) -> _Windows:
        return cls(
            np.empty(slots, np.uint64), np.full(slots, -1, np.int64), np.empty(slots, np.int32)
        )

    def doubled(self) -> _Windows:
        """Return the same windows with twice the capacity."""
        larger = self.of(2 * len(self.places))
        _move(*self, *larger)
        return larger


@kernel
def _move(
    hashes: np.ndarray,
    places: np.ndarray,
    owners: np.ndarray,
    to_hashes: np.ndarray,
    to_places: np.ndarray,
    to_owners: np.ndarray,
) -> None:
    mask = uint64(len(to_places) - 1)
    for old in range(len(places)):
        if places[old] >= 0:
            slot = hashes[old] & mask
            while to_places[slot] >= 0:
                slot = (slot + uint64(1)) & mask
            to_places[slot], to_hashes[slot] = places[old], hashes[old]
            to_owners[slot] = owners[old]


@kernel
def _match(
    data: np.ndarray,
    offsets: np.ndarray,
    docs: np.ndarray,
    starts: np.ndarray,
    size: int,
    base: np.uint64,
    hashes: np.ndarray,
    places: np.ndarray,
    owners: np.ndarray,
    done: np.ndarray,
    out: np.ndarray,
) -> None:
    """Look up each window among those before it, symbol by symbol; write the repeated spans.

    One slot for each different window, its first occurrence: linear however often it occurs. A
    window after one that was found costs a comparison of one symbol. `done` counts rows, different
    windows and spans so far; the kernel stops before a row that might exceed the capacity, and can
    continue there.
    """
    top = uint64(1)
    for _ in range(size):
        top *= base
    mask = uint64(len(places) - 1)
    first, used, n = done[0], done[1], done[2]
    for r in range(first, offsets.shape[0] - 1):
        at, stop = offsets[r], offsets[r + 1] - size
        most = stop + 1 - at
        if 2 * (used + most) > len(places) or n + most > len(out):
            done[0], done[1], done[2] = r, used, n
            return
        h = uint64(0)
        for i in range(size - 1):
            h = h * base + uint64(data[at + i]) + uint64(1)
        before = int64(-2)  # where the previous window was found
        open_span = False
        for q in range(at, stop + 1):
            h = h * base + uint64(data[q + size - 1]) + uint64(1)
            if q > at:
                h -= (uint64(data[q - 1]) + uint64(1)) * top
            g = mix64(h)
            slot = g & mask
            place = int64(-1)
            while places[slot] >= 0:
                p = places[slot]
                if hashes[slot] == g:
                    same = data[p + size - 1] == data[q + size - 1]
                    if same and p != before + 1:
                        for i in range(size - 1):
                            if data[p + i] != data[q + i]:
                                same = False
                                break
                    if same:
                        place = p
                        break
                slot = (slot + uint64(1)) & mask
            before = place if place >= 0 else int64(-2)
            repeats = place >= 0
            if place < 0:
                places[slot], hashes[slot], owners[slot] = q, g, r
                used += 1
            else:
                o = owners[slot]
                if docs[o] == docs[r]:
                    apart = (starts[r] + q - at) - (starts[o] + place - offsets[o])
                    repeats = apart >= size
            if repeats:
                begin = starts[r] + q - at
                if not open_span:
                    out[n, 0], out[n, 1] = docs[r], begin
                    n += 1
                    open_span = True
                out[n - 1, 2] = begin + size
            else:
                open_span = False
    done[0], done[1], done[2] = offsets.shape[0] - 1, used, n
