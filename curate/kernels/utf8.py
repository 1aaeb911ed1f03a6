"""UTF-8 in kernels, one code point or eight bytes at a time; Arrow checked that it is valid."""

from __future__ import annotations

from typing import Any, Final

from numba import int64, uint8, uint32, uint64

from curate.kernels.jit import inline, kernel

# Eight bytes at once: a one, the highest bit, the other bits, and the bit of lower case in each.
ONES: Final = uint64(0x0101010101010101)
HIGHEST: Final = uint64(0x8080808080808080)
LOW_SEVEN: Final = uint64(0x7F7F7F7F7F7F7F7F)
LOWER_CASE: Final = uint64(0x2020202020202020)
_TO_A: Final = uint64(0x1F1F1F1F1F1F1F1F)  # 0x80 - "a"
_PAST_Z: Final = uint64(0x0505050505050505)  # 0x80 - "z" - 1


@kernel
def width(lead: Any) -> Any:
    """Return the number of bytes of the code point that begins with this byte."""
    return (
        int64(1)
        + int64(lead >= uint8(0xC0))
        + int64(lead >= uint8(0xE0))
        + int64(lead >= uint8(0xF0))
    )


@kernel
def decode(data: Any, at: Any) -> Any:
    """Decode the code point at ``at``; return it and its size.

    One return per size, all 32 bits wide, keeps the branches apart: with a common return LLVM turns
    them into selects, and Cyrillic is read three times slower.
    """
    i = uint64(at)  # unsigned, so that numba does not look for negative indices
    lead = uint32(data[i])
    if lead < uint32(0x80):
        return lead, int64(1)
    if lead < uint32(0xE0):
        return uint32(
            (lead & uint32(0x1F)) << uint32(6) | uint32(data[i + uint64(1)]) & uint32(0x3F)
        ), int64(2)
    if lead < uint32(0xF0):
        return uint32(
            (lead & uint32(0x0F)) << uint32(12)
            | (uint32(data[i + uint64(1)]) & uint32(0x3F)) << uint32(6)
            | uint32(data[i + uint64(2)]) & uint32(0x3F)
        ), int64(3)
    return uint32(
        (lead & uint32(0x07)) << uint32(18)
        | (uint32(data[i + uint64(1)]) & uint32(0x3F)) << uint32(12)
        | (uint32(data[i + uint64(2)]) & uint32(0x3F)) << uint32(6)
        | uint32(data[i + uint64(3)]) & uint32(0x3F)
    ), int64(4)


@kernel
def count_code_points(data: Any, start: Any, end: Any) -> Any:
    """Count code points, 128 bytes at a time in uint8, so that LLVM vectorises the loop."""
    chars = int64(0)
    block, last = uint64(start), uint64(end)
    while block < last:
        stop = min(block + uint64(128), last)
        a = uint8(0)
        for i in range(block, stop):
            a = uint8(a + uint8((data[i] & uint8(0xC0)) != uint8(0x80)))
        chars += int64(a)
        block = stop
    return chars


@inline
def encode(out: Any, n: Any, c: Any) -> Any:
    """Write a code point at ``n``; return the place after it."""
    if c < 0x80:
        out[n] = uint8(c)
        return n + uint64(1)
    if c < 0x800:
        out[n] = uint8(uint32(0xC0) | (c >> uint32(6)))
        out[n + uint64(1)] = uint8(uint32(0x80) | (c & uint32(63)))
        return n + uint64(2)
    if c < 0x10000:
        out[n] = uint8(uint32(0xE0) | (c >> uint32(12)))
        out[n + uint64(1)] = uint8(uint32(0x80) | ((c >> uint32(6)) & uint32(63)))
        out[n + uint64(2)] = uint8(uint32(0x80) | (c & uint32(63)))
        return n + uint64(3)
    out[n] = uint8(uint32(0xF0) | (c >> uint32(18)))
    out[n + uint64(1)] = uint8(uint32(0x80) | ((c >> uint32(12)) & uint32(63)))
    out[n + uint64(2)] = uint8(uint32(0x80) | ((c >> uint32(6)) & uint32(63)))
    out[n + uint64(3)] = uint8(uint32(0x80) | (c & uint32(63)))
    return n + uint64(4)


@inline
def stretch_end(data: Any, at: Any, n_bytes: int, stop: Any) -> Any:
    """Return the end of the next ``n_bytes`` bytes, or up to three more: not inside a character."""
    near = min(at + uint64(n_bytes), stop)
    for _ in range(3):
        near += uint64(near < stop and (data[near] & uint8(0xC0)) == uint8(0x80))
    return near


@kernel
def eight_bytes(data: Any, at: Any) -> Any:
    """Read eight bytes as one little-endian integer; LLVM turns it into one load."""
    i = uint64(at)  # unsigned, so that numba does not look for negative indices
    return (
        uint64(data[i])
        | uint64(data[i + uint64(1)]) << uint64(8)
        | uint64(data[i + uint64(2)]) << uint64(16)
        | uint64(data[i + uint64(3)]) << uint64(24)
        | uint64(data[i + uint64(4)]) << uint64(32)
        | uint64(data[i + uint64(5)]) << uint64(40)
        | uint64(data[i + uint64(6)]) << uint64(48)
        | uint64(data[i + uint64(7)]) << uint64(56)
    )


@kernel
def first_bytes(size: Any) -> Any:
    """Mask the first ``size`` bytes of eight, 1 to 8."""
    return ~uint64(0) >> uint64(64 - 8 * size)


@kernel
def bytes_before(marked: Any) -> Any:
    """Count the bytes of eight before the first with its highest bit set; there must be one."""
    through = marked ^ (marked - uint64(1))
    return int64(((through & ONES) * ONES) >> uint64(56)) - 1


@kernel
def leading_letters(block: Any) -> Any:
    """Count the ASCII letters at the beginning of eight bytes."""
    folded = (block | LOWER_CASE) & LOW_SEVEN
    letters = (folded + _TO_A) & ~(folded + _PAST_Z) & ~block & HIGHEST
    others = letters ^ HIGHEST
    if others == uint64(0):
        return int64(8)
    return bytes_before(others)
