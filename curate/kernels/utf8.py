"""UTF-8 in kernels: code points one by one, bytes eight at a time, and hashes of spans of bytes.

The text is valid: Arrow checked it. Hashes are the same on every machine.
"""

from __future__ import annotations

from typing import Any, Final

from numba import int64, uint8, uint32, uint64

from curate.kernels.jit import kernel

#: Odd, and with its bits in no order: a product with it is well spread over 64 bits.
SPREAD: Final = uint64(0x9E3779B97F4A7C15)
_K2: Final = uint64(0xD6E8FEB86659FD93)

# Eight bytes at once: a one, the highest bit, the other bits, and the bit of lower case in each.
ONES: Final = uint64(0x0101010101010101)
HIGHEST: Final = uint64(0x8080808080808080)
_OTHERS: Final = uint64(0x7F7F7F7F7F7F7F7F)
LOWER_CASE: Final = uint64(0x2020202020202020)
_TO_A: Final = uint64(0x1F1F1F1F1F1F1F1F)  # 0x80 - "a"
_PAST_Z: Final = uint64(0x0505050505050505)  # 0x80 - "z" - 1


@kernel
def width(lead: Any) -> Any:
    """Give the number of bytes of the code point that begins with this byte."""
    return (
        int64(1)
        + int64(lead >= uint8(0xC0))
        + int64(lead >= uint8(0xE0))
        + int64(lead >= uint8(0xF0))
    )


@kernel
def decode(data: Any, at: Any) -> Any:
    """Decode the code point at ``at``; return it and its size. The text is valid UTF-8: Arrow checked.

    One return for each size, all 32 bits wide, keeps the branches apart: with one common return LLVM
    makes selects of them and Cyrillic is read three times slower.
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
def mixed(value: Any) -> Any:
    """Spread the entropy of a 64-bit value over all of its bits."""
    value = (value ^ (value >> uint64(32))) * _K2
    return value ^ (value >> uint64(29))


@kernel
def eight_bytes(data: Any, at: Any) -> Any:
    """Read eight bytes as one little-endian integer; LLVM makes one load of it."""
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
def hash_span(data: Any, start: Any, end: Any) -> Any:
    """Hash data[start:end], not empty; equal bytes have equal hashes wherever they stand."""
    h = uint64(end - start) * _K2
    i = start
    if end - i > 32:
        # Two chains side by side: a product need not wait for the other.
        g = h
        while end - i > 16:
            h = (h ^ eight_bytes(data, i)) * SPREAD
            g = (g ^ eight_bytes(data, i + 8)) * _K2
            h ^= h >> uint64(29)
            g ^= g >> uint64(31)
            i += 16
        h = mixed(h) ^ g
    while end - i > 8:
        h = (h ^ eight_bytes(data, i)) * SPREAD
        h ^= h >> uint64(29)
        i += 8
    if i + 8 <= len(data):
        block = eight_bytes(data, i) & first_bytes(end - i)
    else:
        block = uint64(0)
        for k in range(end - i):
            block |= uint64(data[i + k]) << uint64(8 * k)
    return mixed((h ^ block) * SPREAD)


@kernel
def hash_block(block: Any, size: Any) -> Any:
    """Hash the first ``size`` bytes of eight, 1 to 8, of which the others are 0, as hash_span does."""
    return mixed(((uint64(size) * _K2) ^ block) * SPREAD)


@kernel
def bytes_before(marked: Any) -> Any:
    """Count the bytes of eight before the first whose highest bit is set; one of them is."""
    through = marked ^ (marked - uint64(1))
    return int64(((through & ONES) * ONES) >> uint64(56)) - 1


@kernel
def leading_letters(block: Any) -> Any:
    """Count the ASCII letters that eight bytes begin with."""
    folded = (block | LOWER_CASE) & _OTHERS
    letters = (folded + _TO_A) & ~(folded + _PAST_Z) & ~block & HIGHEST
    others = letters ^ HIGHEST
    if others == uint64(0):
        return int64(8)
    return bytes_before(others)
