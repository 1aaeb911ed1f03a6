"""BLAKE2b of many texts in one call (RFC 7693), equal to hashlib's, without Python between them.

A call of hashlib takes as long as hashing a short text, and holds the interpreter's lock, so that
threads wait for each other.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numba import uint8, uint64

from curate.kernels.jit import inline, kernel

#: Bytes of a digest, and of a block.
SIZE: Final = 16
_BLOCK: Final = 128

_IV: Final = np.array(
    [
        *(0x6A09E667F3BCC908, 0xBB67AE8584CAA73B, 0x3C6EF372FE94F82B, 0xA54FF53A5F1D36F1),
        *(0x510E527FADE682D1, 0x9B05688C2B3E6C1F, 0x1F83D9ABFB41BD6B, 0x5BE0CD19137E2179),
    ],
    np.uint64,
)
#: The word of a block that each step of a round takes (RFC 7693, section 2.7); rounds 10 and 11
#: repeat 0 and 1.
_SIGMA: Final = np.array(
    [
        list(bytes.fromhex(row))
        for row in (
            "000102030405060708090a0b0c0d0e0f",
            "0e0a0408090f0d06010c00020b070503",
            "0b080c0005020f0d0a0e030607010904",
            "070903010d0c0b0e0206050a04000f08",
            "0900050702040a0f0e010b0c0608030d",
            "020c060a000b0803040d07050f0e0109",
            "0c05010f0e0d040a000706030902080b",
            "0d0b070e0c01030905000f040806020a",
            "060f0e090b0300080c020d0701040a05",
            "0a020804070601050f0b090e030c0d00",
            "000102030405060708090a0b0c0d0e0f",
            "0e0a0408090f0d06010c00020b070503",
        )
    ],
    np.uint8,
)


@inline
def _rotate_right(x: Any, by: int) -> Any:
    return (x >> uint64(by)) | (x << uint64(64 - by))


@inline
def _g(a: Any, b: Any, c: Any, d: Any, x: Any, y: Any) -> Any:
    a = a + b + x
    d = _rotate_right(d ^ a, 32)
    c = c + d
    b = _rotate_right(b ^ c, 24)
    a = a + b + y
    d = _rotate_right(d ^ a, 16)
    c = c + d
    b = _rotate_right(b ^ c, 63)
    return a, b, c, d


@kernel
def _compress(h: np.ndarray, m: np.ndarray, counted: Any, last: Any, iv: Any, sigma: Any) -> None:
    a0, a1, a2, a3 = h[0], h[1], h[2], h[3]
    b0, b1, b2, b3 = h[4], h[5], h[6], h[7]
    c0, c1, c2, c3 = iv[0], iv[1], iv[2], iv[3]
    d0, d1, d2, d3 = iv[4] ^ counted, iv[5], iv[6] ^ last, iv[7]
    for r in range(sigma.shape[0]):
        s = sigma[r]
        a0, b0, c0, d0 = _g(a0, b0, c0, d0, m[s[0]], m[s[1]])
        a1, b1, c1, d1 = _g(a1, b1, c1, d1, m[s[2]], m[s[3]])
        a2, b2, c2, d2 = _g(a2, b2, c2, d2, m[s[4]], m[s[5]])
        a3, b3, c3, d3 = _g(a3, b3, c3, d3, m[s[6]], m[s[7]])
        a0, b1, c2, d3 = _g(a0, b1, c2, d3, m[s[8]], m[s[9]])
        a1, b2, c3, d0 = _g(a1, b2, c3, d0, m[s[10]], m[s[11]])
        a2, b3, c0, d1 = _g(a2, b3, c0, d1, m[s[12]], m[s[13]])
        a3, b0, c1, d2 = _g(a3, b0, c1, d2, m[s[14]], m[s[15]])
    h[0] ^= a0 ^ c0
    h[1] ^= a1 ^ c1
    h[2] ^= a2 ^ c2
    h[3] ^= a3 ^ c3
    h[4] ^= b0 ^ d0
    h[5] ^= b1 ^ d1
    h[6] ^= b2 ^ d2
    h[7] ^= b3 ^ d3


@kernel
def _digests(
    data: np.ndarray, offsets: np.ndarray, iv: np.ndarray, sigma: np.ndarray, out: np.ndarray
) -> None:
    h, m = np.empty(8, np.uint64), np.empty(16, np.uint64)
    block = m.view(np.uint8)
    for d in range(offsets.shape[0] - 1):
        at, end = uint64(offsets[d]), uint64(offsets[d + 1])
        for i in range(8):
            h[i] = iv[i]
        h[0] ^= uint64(0x01010000 ^ SIZE)
        counted = uint64(0)
        while end - at > uint64(_BLOCK):
            for i in range(_BLOCK):
                block[i] = data[at + uint64(i)]
            at += uint64(_BLOCK)
            counted += uint64(_BLOCK)
            _compress(h, m, counted, uint64(0), iv, sigma)
        left = end - at
        for i in range(_BLOCK):
            block[i] = data[at + uint64(i)] if uint64(i) < left else uint8(0)
        _compress(h, m, counted + left, ~uint64(0), iv, sigma)
        out[d, 0], out[d, 1] = h[0], h[1]


def digests(data: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Return the 16-byte digests of spans of bytes: (texts, 2) little-endian uint64.

    >>> digests(np.frombuffer(b"abc", np.uint8), np.array([0, 3])).tobytes().hex()
    'cf4ab791c62b8d2b2109c90275287816'
    """
    out = np.empty((len(offsets) - 1, 2), np.uint64)
    data, offsets = data.view(), offsets.view()
    for array in (data, offsets):  # writable arrays would be other types to numba
        array.flags.writeable = False
    _digests(data, offsets, _IV, _SIGMA, out)
    return out
