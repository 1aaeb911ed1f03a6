"""Decoders return bounded output, and everything before an error."""

import gzip

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from curate.sources.inflate import DecodeError, Zlib, Zstd, decode, portions

CODINGS = {Zlib: gzip.compress, Zstd: zstandard.compress}


@pytest.mark.parametrize("decoder", CODINGS)
@given(data=st.binary(max_size=5000), size=st.integers(1, 600), limit=st.integers(0, 6000))
def test_output_ends_just_past_the_limit(decoder, data, size, limit):
    plain, error = decode(decoder(), portions(CODINGS[decoder](data), size), limit)
    assert data.startswith(plain) and not error
    assert len(plain) >= min(len(data), limit + 1)
    assert decoder is Zstd or len(plain) <= limit + 1


@pytest.mark.parametrize("decoder", CODINGS)
def test_input_that_is_not_read_is_kept_for_the_next_call(decoder):
    one = decoder()
    packed = CODINGS[decoder](b"a" * 100_000) + b"rest"
    parts = [one.decompress(packed, 1000)]
    while not one.eof:
        parts.append(one.decompress(b"", 1000))
    assert (b"".join(parts), one.unused_data) == (b"a" * 100_000, b"rest")


def test_an_error_costs_the_portion_that_it_is_in():
    packed = bytearray(gzip.compress(b"text of a page"))
    packed[-8] ^= 0xFF  # the checksum
    with pytest.raises(DecodeError):
        Zlib().decompress(bytes(packed), 1000)
    plain, error = decode(Zlib(), portions(bytes(packed), 1), 1000)
    assert plain == b"text of a page" and "data check" in error
