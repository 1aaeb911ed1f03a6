"""Compressed files end where their format says, or the damage is reported."""

import bz2
import gzip
import io
import lzma
import os
import random
import tracemalloc
from itertools import pairwise

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from curate.sources.base import InputFile, Piece
from curate.sources.chat.conversations import Chat
from curate.sources.jsonl import Jsonl
from curate.sources.plain_text import PlainText
from curate.sources.streams import (
    BLOCK,
    RUN,
    Broken,
    Run,
    blocks,
    compression,
    lines,
    lines_in,
    runs_in,
)
from curate.sources.wiki.wikipedia import Wikipedia

PACK = {
    ".gz": lambda data: gzip.compress(data, 6, mtime=0),
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": lambda data: zstandard.ZstdCompressor(write_checksum=True).compress(data),
}
ENDINGS = sorted(PACK)


def read(stored, name="x", **options):
    """Return all plain bytes of a file, and the damage that ended it."""
    parts = []
    try:
        for block in blocks(io.BytesIO(stored), name, **options):
            parts.append(block.data)
    except Broken as broken:
        return b"".join(parts), broken.damage
    return b"".join(parts), None


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("size", [0, 1, 1000, 3 * BLOCK + 17])
def test_what_was_packed_comes_back(ending, size):
    data = os.urandom(size // 2) + b"a" * (size - size // 2)
    assert read(PACK[ending](data), "x" + ending) == (data, None)


@pytest.mark.parametrize("ending", ENDINGS)
def test_many_streams_in_a_row_are_one_file(ending):
    parts = [os.urandom(n) for n in (10, 0, 70_000, 1)] * 5
    assert read(b"".join(map(PACK[ending], parts)))[0] == b"".join(parts)


@pytest.mark.parametrize("ending", ENDINGS)
def test_every_cut_is_reported_and_costs_nothing_before_it(ending):
    first, second = b"first line\n" * 20, b"second line\n" * 20
    one = PACK[ending](first)
    stored = one + PACK[ending](second)
    for cut in range(1, len(stored)):
        got, damage = read(stored[:cut], "x" + ending)
        if cut == len(one):
            assert (got, damage) == (first, None)  # a cut between streams leaves no trace
            continue
        assert damage is not None, cut
        assert (first + second).startswith(got)
        if cut > len(one):
            assert got.startswith(first)
            assert damage.offset == len(one)
        assert damage.offset + damage.length == cut
        if cut > len(one) + 9 or 9 < cut < len(one):
            assert damage.reason == "truncated", cut


@pytest.mark.parametrize("ending", ENDINGS)
def test_no_flipped_bit_gives_wrong_bytes_without_damage(ending):
    data = b"".join(b"line %d\n" % i for i in range(300))
    stored = PACK[ending](data)
    for place in range(0, len(stored), 7):
        flipped = bytearray(stored)
        flipped[place] ^= 0x10
        got, damage = read(bytes(flipped), "x" + ending)
        # Flags and names in a header may change without a change of the content.
        assert damage is not None or got == data, place


@pytest.mark.parametrize("ending", ENDINGS)
def test_what_follows_a_stream_and_is_none_is_reported(ending):
    good = PACK[ending](b"good")
    got, damage = read(good + b"and now something else")
    assert got == b"good"
    assert (damage.reason, damage.offset, damage.length) == ("trailing_data", len(good), 22)
    assert damage.head.startswith(b"and now")


@pytest.mark.parametrize("ending", ENDINGS)
def test_padding_with_zeros_is_allowed(ending):
    assert read(PACK[ending](b"a") + bytes(1024) + PACK[ending](b"b") + bytes(8)) == (b"ab", None)


def test_a_skippable_frame_of_zstd_holds_no_data():
    skippable = b"\x50\x2a\x4d\x18" + (5).to_bytes(4, "little") + b"12345"
    assert read(skippable + PACK[".zst"](b"x") + skippable) == (b"x", None)


def _long(data, window_log):
    """Return a frame that states a window without the compressor using its memory."""
    packer = zstandard.ZstdCompressor().compressobj()  # it does not know the size
    frame = bytearray(packer.compress(data) + packer.flush())
    assert frame[4] == 0  # neither a size nor a checksum: the next byte is the window
    frame[5] = window_log - 10 << 3
    return bytes(frame)


@pytest.mark.parametrize("window_log", [23, 27, 28, 31])
def test_a_frame_with_a_long_window_is_read_as_far_as_memory_allows(window_log):
    data = random.Random(1).randbytes(3_000_000)
    stored = PACK[".zst"](b"first") + _long(data, window_log)
    assert read(stored, "x.zst") == (b"first" + data, None)
    got, damage = read(stored, "x.zst", window=1 << 20)
    assert damage.reason == "window_too_large" and damage.offset == len(PACK[".zst"](b"first"))
    assert f"{1 << window_log - 20} MiB" in damage.error and "max_window_bytes" in damage.error
    assert (b"first" + data).startswith(got)
    assert read(stored, "x.zst", window=1 << 31) == (b"first" + data, None)


def test_an_xz_stream_with_a_large_dictionary_is_called_so():
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 64 << 20}]
    stored = lzma.compress(b"text", filters=filters)
    assert read(stored) == (b"text", None)
    damage = read(stored, window=1 << 20)[1]
    assert damage.reason == "window_too_large" and "max_window_bytes" in damage.error


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"PK\x03\x04", "zip"),
        (b"\x04\x22\x4d\x18", "lz4"),
        (lzma.compress(b"text", lzma.FORMAT_ALONE), "lzma"),
        (b"7z\xbc\xaf\x27\x1c", "7z"),
        (b"\xff\x06\0\0sNaPpY", "snappy"),
        (b"\x1f\x9d\x90", "compress"),
        (b"PAR1", "Parquet"),
    ],
)
def test_a_container_that_is_not_read_is_named(head, name):
    for file in ("x.jsonl", "x.jsonl.gz"):
        got, damage = read(head + b"\n text\n", file)
        assert (got, damage.reason, damage.offset) == (b"", "unsupported_container", 0)
        assert f"this is {name}" in damage.error


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_bomb_is_stopped_before_memory_is(ending):
    stored = PACK[ending](bytes(96 * 1024 * 1024))
    plain_bytes = 0
    tracemalloc.start()
    with pytest.raises(Broken) as caught:
        for block in blocks(io.BytesIO(stored), "x"):
            plain_bytes += len(block.data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert caught.value.damage.reason == "bomb"
    assert plain_bytes < 80 * 1024 * 1024
    assert peak < 128 * 1024 * 1024


def test_a_name_may_be_wrong_about_compression_if_the_bytes_are_text():
    assert read("текст\n".encode(), "x.gz") == ("текст\n".encode(), None)
    assert read(PACK[".gz"](b"packed"), "x.jsonl") == (b"packed", None)


def test_a_name_that_states_what_the_bytes_are_not_is_reported():
    stored = b"\x1e" + PACK[".gz"](b"x" * 100)[1:]
    assert read(stored, "x.gz")[1].reason == "bad_magic"
    assert read(b"", "x.gz")[1].reason == "truncated"
    assert read(b"", "x") == (b"", None)


def test_words_that_begin_like_a_magic_number_are_text():
    assert compression(b"BZh9 is how bzip2 begins") is None


@given(
    st.lists(st.binary(max_size=30).filter(lambda b: b"\n" not in b)),
    st.booleans(),
    st.integers(1, 9),
)
def test_lines_are_those_of_split_in_whatever_blocks_they_come(parts, ends, step):
    data = b"\n".join(parts) + (b"\n" if ends and parts else b"")
    chunks = [(0, data[i : i + step]) for i in range(0, len(data), step)]
    found = list(lines(iter(chunks), cap=1000))
    expected = data.split(b"\n")
    if not expected[-1]:
        expected.pop()
    assert [line.data for line in found] == expected
    for line in found:
        assert data[line.offset : line.offset + line.length] == line.data


@given(
    # Newlines among them; bytes that begin like a compressed file are one.
    st.binary(max_size=60)
    .map(lambda b: b.replace(b"\x1f", b"\n"))
    .filter(lambda b: compression(b) is None),
    st.lists(st.integers(0, 60)),
)
def test_each_line_belongs_to_the_piece_where_it_begins(data, cuts):
    edges = sorted({0, len(data), *(cut for cut in cuts if cut <= len(data))})
    whole = list(lines_in(io.BytesIO(data), "x", Piece(0, len(data)), 1000))
    pieces = [
        line
        for start, end in pairwise(edges)
        for line in lines_in(io.BytesIO(data), "x", Piece(start, end), 1000)
    ]
    assert pieces == whole


def test_a_line_over_the_cap_is_skipped_and_its_neighbours_are_not():
    data = b"a\n" + b"x" * 5_000_000 + b"\nb"
    found = list(lines_in(io.BytesIO(data), "x", Piece(0, len(data)), 1_000_000))
    places = [(line.offset, line.length) for line in found]
    assert places == [(0, 1), (2, 5_000_000), (5_000_003, 1)]
    assert [line.data for line in found] == [b"a", None, b"b"]
    assert found[1].head == b"x" * 4096


def test_a_kilobyte_that_unpacks_to_millions_of_lines_comes_in_runs_of_bounded_size():
    data = b'{"text":"a"}\n' * 1_000_000
    packed = zstandard.ZstdCompressor().compress(data)
    assert len(packed) < 4096
    found = list(runs_in(io.BytesIO(packed), "x", Piece(0, len(packed)), cap=1 << 20))
    assert all(isinstance(run, Run) for run in found)
    assert max(len(run.data) for run in found) <= 2 * RUN
    assert b"".join(run.data for run in found) == data


@pytest.mark.parametrize("end", [b"", b"\n", b"\nlast"])
def test_a_long_line_has_a_run_of_its_own(end):
    long = b"x" * (3 * RUN)
    data = b"a\nb\n" + long + b"\nc\n" + long + end
    found = list(runs_in(io.BytesIO(data), "x", Piece(0, len(data)), cap=4 * RUN))
    assert [run.data for run in found][:4] == [b"a\nb\n", long + b"\n", b"c\n", long + end[:1]]
    assert [run.offset for run in found][:4] == [0, 4, 5 + len(long), 7 + len(long)]
    assert b"".join(run.data for run in found) == data


@pytest.mark.parametrize(
    ("source", "name"),
    [
        (Jsonl(), "a.jsonl"),
        (Chat(), "a.jsonl"),
        (PlainText(split_on="line"), "a.txt"),
        (Wikipedia(), "a.xml"),
    ],
)
def test_a_container_that_is_not_read_is_one_damage_however_it_would_be_cut(tmp_path, source, name):
    data = b"PK\x03\x04" + b'\n{"text": "x"}\n<page>\n' * 50
    (tmp_path / name).write_bytes(data)
    file = InputFile(str(tmp_path / name), name, len(data))
    (found,) = (r for piece in source.split(file, 100) for r in source.read(file, piece))
    assert found[:3] == ("unsupported_container", 0, len(data))
