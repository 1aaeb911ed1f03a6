"""Records of an archive: all of them, each once, wherever the file is damaged or cut."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import itertools
import os
import random
import re
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from curate.sources.base import Damage, Piece, Skip
from curate.sources.web.warc_records import ArchiveRecord, archive_records, cut_archive
from tests.examples import examples
from tests.unit.sources.web.archives import (
    blocks,
    cut,
    damages,
    html,
    members,
    read,
    record,
    response,
    small_archive,
)

DATA = os.environ.get("CURATE_SHARED_DATA")
needs_data = pytest.mark.skipif(not DATA, reason="needs $CURATE_SHARED_DATA")

RECORDS = small_archive()
BLOCKS = [part.partition(b"\r\n\r\n")[2][:-4] for part in RECORDS]
PLAIN = b"".join(RECORDS)
GZIPPED = members(RECORDS)


def starts(parts: list[bytes]) -> list[int]:
    places, at = [], 0
    for part in parts:
        places.append(at)
        at += len(part)
    return places


MEMBER_STARTS = starts([gzip.compress(part, mtime=0) for part in RECORDS])
RECORD_STARTS = starts(RECORDS)


def members_of_each(data: bytes) -> bytes:
    """Return each record of a plain archive in a member of its own."""
    parts = re.split(rb"(?=WARC/1\.0\r\n)", data)[1:]
    return members(parts)


class TestLayouts:
    def test_a_member_per_record(self) -> None:
        found = read(GZIPPED)
        assert blocks(found) == BLOCKS
        assert [item.locator for item in found] == [str(place) for place in MEMBER_STARTS]
        assert [item.offset + item.length for item in found] == [*MEMBER_STARTS[1:], len(GZIPPED)]

    def test_plain(self) -> None:
        found = read(PLAIN)
        assert blocks(found) == BLOCKS
        assert [item.locator for item in found] == [str(place) for place in RECORD_STARTS]
        ends = [place + len(part) - 4 for place, part in zip(RECORD_STARTS, RECORDS)]
        assert [item.offset + item.length for item in found] == ends

    def test_one_member_for_the_whole_file(self) -> None:
        found = read(gzip.compress(PLAIN))
        assert blocks(found) == BLOCKS
        assert [item.locator for item in found[:2]] == ["0", f"0:{RECORD_STARTS[1]}"]

    @pytest.mark.parametrize("width", [7, 100, 1000])
    def test_members_that_are_cut_anywhere(self, width: int) -> None:
        data = members([PLAIN[at : at + width] for at in range(0, len(PLAIN), width)])
        assert blocks(read(data)) == BLOCKS

    def test_several_records_in_a_member(self) -> None:
        data = members([b"".join(RECORDS[:2]), b"".join(RECORDS[2:])])
        assert blocks(read(data)) == BLOCKS

    def test_line_feeds_only_and_folded_and_odd_case(self) -> None:
        head = b"WARC/1.0\nwarc-TYPE: metadata\nX-Long: a\n b\ncontent-length:  4\n\n"
        (found,) = read(head + b"data\n\n")
        assert (found.kind, found.block, found.headers[b"x-long"]) == ("metadata", b"data", b"a b")

    def test_arc(self) -> None:
        block = b"HTTP/1.1 200 OK\r\n\r\nhello"
        line = b"http://x.example/a 10.0.0.1 20140216050221 text/html %d\n" % len(block)
        info = b"1 0 hand\nURL IP-address Archive-date Content-type Archive-length\n"
        first = b"filedesc://x.arc 0.0.0.0 20140216050221 text/plain %d\n" % len(info)
        parts = [first + info + b"\n", line + block + b"\n"]
        for data in (b"".join(parts), members(parts), gzip.compress(b"".join(parts))):
            info_record, page = read(data)
            assert info_record.kind == "warcinfo"
            assert page.block == block
            assert page.headers[b"warc-target-uri"] == b"http://x.example/a"
            assert page.headers[b"warc-date"] == b"2014-02-16T05:02:21Z"


class TestDamage:
    def test_an_empty_file_is_one_damage(self) -> None:
        assert read(b"") == [Damage("empty_file", 0, 0, "the file has no bytes")]

    @pytest.mark.parametrize(
        "data", [b"not an archive", b"\x00" * 9, b"\x1f\x8b\x08 no gzip", b"\n\n\nx"]
    )
    def test_what_is_no_archive_is_one_damage(self, data: bytes) -> None:
        found = read(data)
        assert len(found) == 1
        assert isinstance(found[0], Damage)
        assert found[0].offset + found[0].length == len(data)

    @pytest.mark.parametrize(("magic", "name"), [(b"\x04\x22\x4d\x18", "lz4"), (b"BZh9", "bzip2")])
    def test_other_packings_are_named(self, magic: bytes, name: str) -> None:
        (found,) = read(magic + b"rest")
        assert (found.reason, found.length) == ("packing", 4 + len(magic))
        assert name in found.error
        assert read(magic + b"rest", start=2) == []

    def test_gzip_cut_at_every_byte(self) -> None:
        """Compare with the members that are completely before the cut, as the writer lists them."""
        ends = [*MEMBER_STARTS[1:], len(GZIPPED)]
        for size in range(1, len(GZIPPED)):
            found = read(GZIPPED[:size])
            whole = sum(end <= size for end in ends)
            assert blocks(found) == BLOCKS[:whole], size
            if size in ends:
                assert damages(found) == []
            else:
                (lost,) = damages(found)
                assert (lost.offset, lost.offset + lost.length) == (MEMBER_STARTS[whole], size)

    def test_plain_cut_at_every_byte(self) -> None:
        for size in range(1, len(PLAIN)):
            found = read(PLAIN[:size])
            # A record is whole once its block is; the four bytes after it are empty lines.
            ends = [start + len(part) - 4 for start, part in zip(RECORD_STARTS, RECORDS)]
            whole = sum(end <= size for end in ends)
            assert blocks(found) == BLOCKS[:whole], size
            at = RECORD_STARTS[whole] if whole < len(RECORDS) else len(PLAIN)
            assert len(damages(found)) == (size > at), size
            assert all(lost.offset == at for lost in damages(found))

    def test_flipped_bits_cost_one_record(self) -> None:
        dice = random.Random(7)
        for _ in range(300):
            place, bit = dice.randrange(len(GZIPPED)), dice.randrange(8)
            data = bytearray(GZIPPED)
            data[place] ^= 1 << bit
            found = read(bytes(data))
            hit = max(number for number, start in enumerate(MEMBER_STARTS) if start <= place)
            rest = BLOCKS[:hit] + BLOCKS[hit + 1 :]
            if blocks(found) == BLOCKS:
                # Nothing is lost: the bit is in a header field without data.
                assert place - MEMBER_STARTS[hit] < 10
                continue
            assert blocks(found) == rest, (place, bit)
            (lost,) = damages(found)
            ends = [*MEMBER_STARTS[1:], len(GZIPPED)]
            assert (lost.offset, lost.offset + lost.length) == (MEMBER_STARTS[hit], ends[hit])

    def test_flipped_bits_in_one_long_member_are_always_reported(self) -> None:
        whole = gzip.compress(PLAIN, mtime=0)
        dice = random.Random(8)
        for _ in range(200):
            place = dice.randrange(10, len(whole))
            data = bytearray(whole)
            data[place] ^= 1 << dice.randrange(8)
            found = read(bytes(data))
            assert damages(found), place

    def test_one_long_member_cut_keeps_the_records_before_the_cut(self) -> None:
        whole = gzip.compress(PLAIN, mtime=0)
        found = read(whole[: len(whole) * 3 // 4])
        assert 2 <= len(blocks(found)) < len(BLOCKS)
        assert blocks(found) == BLOCKS[: len(blocks(found))]
        assert [lost.reason for lost in damages(found)] == ["truncated"]

    @pytest.mark.parametrize(
        "garbage", [b"garbage", b"\x1f\x8b", b"\x1f\x8b\x08\x00" * 50, b"\n" * 9]
    )
    def test_garbage_between_members(self, garbage: bytes) -> None:
        parts = [gzip.compress(part, mtime=0) for part in RECORDS]
        data = b"".join(parts[:2]) + garbage + b"".join(parts[2:])
        found = read(data)
        assert blocks(found) == BLOCKS
        (lost,) = damages(found)
        assert (lost.offset, lost.length) == (MEMBER_STARTS[2], len(garbage))

    def test_a_member_of_something_else(self) -> None:
        parts = [gzip.compress(part, mtime=0) for part in RECORDS]
        other = gzip.compress(b"a log file\n" * 9, mtime=0)
        found = read(b"".join(parts[:2]) + other + b"".join(parts[2:]))
        assert blocks(found) == BLOCKS
        (lost,) = damages(found)
        expected = ("not_a_record", MEMBER_STARTS[2], len(other))
        assert (lost.reason, lost.offset, lost.length) == expected

    def test_zeros_at_the_end_are_padding_and_empty_members_nothing(self) -> None:
        assert read(GZIPPED + b"\0" * 600)[-1] == Skip("padding")
        data = GZIPPED + gzip.compress(b"") + gzip.compress(b"\r\n")
        assert blocks(read(data)) == BLOCKS
        assert damages(read(data)) == []

    @pytest.mark.parametrize("pack", [bytes, members_of_each, gzip.compress])
    @pytest.mark.parametrize(
        ("length", "reason"),
        [(3, "content_length"), (10**6, "content_length"), (10**14, "too_large")],
    )
    def test_a_wrong_length_costs_its_record(
        self, pack: Callable[[bytes], bytes], length: int, reason: str
    ) -> None:
        bad = record("response", b"HTTP/1.1 200 OK\r\n\r\nbody of a page", length=length)
        found = read(pack(b"".join([*RECORDS[:3], bad, *RECORDS[3:]])))
        assert blocks(found) == BLOCKS
        assert [lost.reason for lost in damages(found)] == [reason]

    @pytest.mark.parametrize("packed", [False, True])
    @pytest.mark.parametrize(
        "bad",
        [
            b"WARC/1.0\r\nWARC-Type: response\r\n\r\nno length\r\n\r\n",
            b"WARC/1.0\r\nContent-Length: +4\r\n\r\nplus\r\n\r\n",
            b"WARC/1.0\r\nContent-Length: 4_0\r\n\r\n" + b"x" * 40 + b"\r\n\r\n",
            b"WARC/1.0\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n" + b"x" * 40 + b"\r\n\r\n",
            b"WARC/1.0\r\nContent-Length: 4" + b" " * 70_000 + b"x\r\n\r\n",
        ],
    )
    def test_wrong_heads_cost_their_record(self, packed: bool, bad: bytes) -> None:
        parts = [*RECORDS[:3], bad, *RECORDS[3:]]
        found = read(members(parts) if packed else b"".join(parts))
        assert blocks(found) == BLOCKS
        assert len(damages(found)) == 1

    def test_a_digest_that_differs_costs_its_record_in_plain_files(self) -> None:
        digest = base64.b32encode(hashlib.sha1(b"text one").digest()).decode()
        parts = [
            record("conversion", b"text one", WARC_Block_Digest=f"sha1:{digest}"),
            record("conversion", b"text 0ne", WARC_Block_Digest=f"sha1:{digest}"),
            record("revisit", b"", WARC_Block_Digest=f"sha1:{digest}"),
            record("conversion", b"text 0ne", WARC_Block_Digest="crc7:00"),
        ]
        found = read(b"".join(parts))
        assert blocks(found) == [b"text one", b"", b"text 0ne"]
        (lost,) = damages(found)
        assert (lost.reason, lost.offset) == ("digest", len(parts[0]))
        assert len(blocks(read(b"".join(parts), check_digests=False))) == 4
        assert len(blocks(read(members(parts)))) == 4

    @pytest.mark.parametrize("packed", [False, True])
    def test_a_record_above_the_cap_is_skipped(self, packed: bool) -> None:
        big = response("http://x.example/big", b"A" * 5_000_000)
        parts = [*RECORDS[:3], big, *RECORDS[3:]]
        data = members(parts) if packed else b"".join(parts)
        found = read(data, max_record_bytes=100_000)
        assert blocks(found) == BLOCKS
        assert [lost.reason for lost in damages(found)] == ["bomb" if packed else "too_large"]
        noise = random.Random(3).randbytes(3_000_000)
        parts[3] = response("http://x.example/big", noise)
        data = members(parts) if packed else b"".join(parts)
        found = read(data, max_record_bytes=100_000)
        assert blocks(found) == BLOCKS
        assert [lost.reason for lost in damages(found)] == ["too_large"]

    def test_a_bomb_is_refused_after_little_work(self) -> None:
        packer = zlib.compressobj(9, zlib.DEFLATED, 31)
        bomb = packer.compress(record("response", b"", length=1 << 30)[:-4])
        zeros = b"\0" * (1 << 20)
        bomb += b"".join(packer.compress(zeros) for _ in range(256)) + packer.flush()
        parts = [gzip.compress(part, mtime=0) for part in RECORDS]
        found = read(b"".join(parts[:3]) + bomb + b"".join(parts[3:]), max_record_bytes=1 << 22)
        assert blocks(found) == BLOCKS
        (lost,) = damages(found)
        assert (lost.reason, lost.offset, lost.length) == ("bomb", MEMBER_STARTS[3], len(bomb))

    def test_nested_false_starts_stay_linear(self) -> None:
        # Broken members inside a broken member, each of which inflates its beginning.
        inner = gzip.compress(record("response", random.Random(1).randbytes(200)), compresslevel=0)
        data = GZIPPED[: MEMBER_STARTS[1]] + (inner[:120] * 3000) + GZIPPED[MEMBER_STARTS[1] :]
        found = read(data)
        assert blocks(found)[0] == BLOCKS[0]
        assert blocks(found)[-1] == BLOCKS[-1]
        lost = damages(found)
        assert sum(item.length for item in lost) == len(data) - len(GZIPPED)

    @given(data=st.binary(max_size=300), packed=st.booleans(), after=st.integers(1, 5))
    @examples(150)
    def test_any_bytes_are_accounted_for(self, data: bytes, packed: bool, after: int) -> None:
        parts = [gzip.compress(part, mtime=0) for part in RECORDS] if packed else RECORDS
        mixed = b"".join(parts[:after]) + data + b"".join(parts[after:])
        covered = 0
        for item in read(mixed):
            if isinstance(item, (ArchiveRecord, Damage)):
                assert item.offset >= covered
                covered = item.offset + item.length
        if packed:
            assert Counter(blocks(read(mixed)))  # the neighbours are still read
            assert covered == len(mixed) or not mixed[covered:].strip(b"\0")


ARC_RECORDS = [
    b"http://x.example/%d 10.0.0.1 20140216050221 text/html %d\n%s\n" % (n, len(block), block)
    for n, block in enumerate(b"HTTP/1.1 200 OK\r\n\r\npage %d, bir eki ush" % n for n in range(6))
]
ARC_BLOCKS = [part.partition(b"\n")[2][:-1] for part in ARC_RECORDS]
INFO = b"filedesc://x.arc 0.0.0.0 20140216050221 text/plain 2\nx\n\n"


def frames(parts: list[bytes], **options: bool) -> bytes:
    packer = zstandard.ZstdCompressor(write_checksum=True, **options)
    return b"".join(packer.compress(part) for part in parts)


def whole(pack: Callable[[bytes], bytes]) -> Callable[[list[bytes]], bytes]:
    return lambda parts: pack(b"".join(parts))


CONTAINERS = {
    "plain": whole(bytes),
    "gzip": members,
    "one member": whole(gzip.compress),
    "zstd": frames,
    "one frame": whole(lambda data: frames([data])),
}


@pytest.mark.parametrize("pack", CONTAINERS.values(), ids=CONTAINERS)
class TestOddNeighbours:
    """What is odd between two records, or wrong in one, costs neither its neighbours nor more."""

    STRAY = (b"\0", b"x", b"\0\0\0\0", b"\n \n", b"\xef\xbb\xbf", b"</html>")

    @pytest.mark.parametrize("stray", STRAY)
    def test_stray_bytes_behind_each_record(
        self, pack: Callable[[list[bytes]], bytes], stray: bytes
    ) -> None:
        found = read(pack([part + stray for part in RECORDS]))
        assert blocks(found) == BLOCKS
        assert {lost.reason for lost in damages(found)} <= {"stray_bytes"}

    @pytest.mark.parametrize("stray", STRAY)
    def test_stray_bytes_before_each_record(
        self, pack: Callable[[list[bytes]], bytes], stray: bytes
    ) -> None:
        found = read(pack([stray + part for part in RECORDS]))
        assert blocks(found) == BLOCKS
        assert {lost.reason for lost in damages(found)} <= {"stray_bytes", "not_a_record"}

    @pytest.mark.parametrize("ending", [b"", b"\n", b"\r\n", b"\r\n\r\n\r\n", b"\0\r\n\r\n"])
    def test_other_endings_than_two_empty_lines(
        self, pack: Callable[[list[bytes]], bytes], ending: bytes
    ) -> None:
        found = read(pack([part[:-4] + ending for part in RECORDS]))
        assert blocks(found) == BLOCKS

    @pytest.mark.parametrize(
        "bad",
        [
            b"XARC/1.0\r\nWARC-Type: response\r\nContent-Length: 9\r\n\r\nsome text\r\n\r\n",
            b"WARC/1.0\r\nWARC-Type: response\r\n\r\nno length\r\n\r\n",
            b"a line of a log file, which is no record at all\r\n\r\n",
            b"\0" * 40_000,
        ],
    )
    def test_a_damaged_neighbour(self, pack: Callable[[list[bytes]], bytes], bad: bytes) -> None:
        found = read(pack([*RECORDS[:3], bad, *RECORDS[3:]]))
        assert blocks(found) == BLOCKS
        assert len(damages(found)) == 1

    def test_arc(self, pack: Callable[[list[bytes]], bytes]) -> None:
        broken = b"http://x.example/b 10.0.0.1 null text/html 9\nsome text\n"
        for odd in (b"\0", b"\0\0\0", b"\r\n \n", broken):
            found = read(pack([INFO, *ARC_RECORDS[:2], odd, *ARC_RECORDS[2:]]), name="a.arc")
            assert blocks(found)[1:] == ARC_BLOCKS, odd
            assert len(damages(found)) <= 1

    def test_a_length_that_is_wrong_by_little_shows_in_the_digest(
        self, pack: Callable[[list[bytes]], bytes]
    ) -> None:
        block = b"HTTP/1.1 200 OK\r\n\r\na page"
        digest = "sha1:" + base64.b32encode(hashlib.sha1(block).digest()).decode()
        bad = record("response", block, length=len(block) - 3, WARC_Block_Digest=digest)
        found = read(pack([*RECORDS[:3], bad, *RECORDS[3:]]), check_digests=False)
        assert blocks(found) == BLOCKS
        assert [lost.reason for lost in damages(found)] == ["digest", "stray_bytes"]

    @given(data=st.binary(max_size=200), after=st.integers(1, 5))
    @examples(60)
    def test_any_neighbour(
        self, pack: Callable[[list[bytes]], bytes], data: bytes, after: int
    ) -> None:
        found = read(pack([*RECORDS[:after], data, *RECORDS[after:]]))
        kept = blocks(found)
        # Whole records end as they should; only what directly follows the bytes may be hidden.
        assert kept[:after] == BLOCKS[:after]
        assert kept[after:] in (BLOCKS[after:], BLOCKS[after + 1 :])

    @given(place=st.integers(0), value=st.integers(0, 255))
    @examples(60)
    def test_any_changed_byte(
        self, pack: Callable[[list[bytes]], bytes], place: int, value: int
    ) -> None:
        place %= len(PLAIN)
        changed = bytearray(PLAIN)
        changed[place] = value
        hit = max(number for number, start in enumerate(RECORD_STARTS) if start <= place)
        ends = [*RECORD_STARTS[1:], len(PLAIN)]
        parts = [bytes(changed[a:b]) for a, b in zip(RECORD_STARTS, ends)]
        kept = blocks(read(pack(parts)))
        others = BLOCKS[:hit] + BLOCKS[hit + 1 :]
        assert [block for block in kept if block in others] == others


class TestHeads:
    @pytest.mark.parametrize(
        ("head", "expected"),
        [
            (b"warc/1.0", None),
            (b"WARC/1.0\r\nwarc-type: response\r\nCONTENT-LENGTH: 4", b"response"),
            (b"WARC/1.1\r\nWARC-Type:\r\n response\r\nContent-Length:\r\n\t4", b"response"),
            (b"WARC/1.0\nWARC-Type: response\r\nContent-Length: 4", b"response"),
            ("WARC/1.0\r\nX-Қазақ: я\r\nWARC-Type: a\r\nContent-Length: 4".encode(), b"a"),
            (b"WARC/1.0\r\nWARC-Type: a\r\nWARC-Type: b\r\nContent-Length: 4", b"a"),
            (b"WARC/1.0\r\nno colon\r\nWARC-Type: a\r\nContent-Length: 4", b"a"),
            (b"WARC/1.0\r\nWARC-Type: a\0\r\nContent-Length: 4", None),
            (
                b"WARC/1.0\r\nWARC-Record-ID: <a>\r\nContent-Length: 4\r\nWARC-Record-ID: <b>",
                None,
            ),
        ],
    )
    def test_warc(self, head: bytes, expected: bytes | None) -> None:
        (found,) = read(head + b"\r\n\r\ndata\r\n\r\n")
        if expected is None:
            assert isinstance(found, Damage)
        else:
            assert isinstance(found, ArchiveRecord)
            assert (found.headers[b"warc-type"], found.block) == (expected, b"data")

    @pytest.mark.parametrize(
        ("line", "media"),
        [
            (b"http://x.example/ 1.2.3.4 20140216050221 text/html 4", b"text/html"),
            (b"http://x.example/ 1.2.3.4 20140216050221 text/html; charset=utf-8 4", None),
            (b"http://x.example/ 1.2.3.4 20140216050221  4", b""),
            (b"http://x.example/ 1.2.3.4 20140216050221 4", b""),
            (b"http://x.example/  20140216050221 no-type 4", b"no-type"),
            (b"http://x.example/a b c 1.2.3.4 20140216050221 text/html 4", b"text/html"),
            (b"http://x.example/ 1.2.3.4 20140216050221 text/html 200 - - 7 a.arc 4", b"text/html"),
            (b"http://x.example/ 1.2.3.4 201402160502 text/html 4", b"text/html"),
            (b"http://x.example/ 1.2.3.4 20140216050221123 text/html 4", b"text/html"),
            (b"http://x.example/ 1.2.3.4 20140216050221 text/html 4 ", b"text/html"),
        ],
    )
    def test_arc(self, line: bytes, media: bytes | None) -> None:
        (found,) = read(line + b"\ndata\n", name="a.arc")
        assert isinstance(found, ArchiveRecord)
        assert found.block == b"data"
        assert found.headers[b"warc-target-uri"].startswith(b"http://x.example/")
        assert found.headers[b"warc-date"].startswith(b"2014-02-16T05:02:")
        if media is not None:
            assert found.headers[b"x-arc-content-type"] == media

    def test_an_address_with_spaces(self) -> None:
        (found,) = read(
            b"http://x.example/a 20140216 c 1.2.3.4 20140216050221 t/h 4\ndata\n", name="a.arc"
        )
        assert isinstance(found, ArchiveRecord)
        assert found.headers[b"warc-target-uri"] == b"http://x.example/a 20140216 c"

    def test_zeros_inside_two_heads_are_damage_and_hide_nothing(self) -> None:
        data = bytearray(PLAIN)
        a, b = RECORD_STARTS[2] + 60, RECORD_STARTS[3] + 60
        data[a:b] = bytes(b - a)
        found = read(bytes(data))
        assert blocks(found) == BLOCKS[:2] + BLOCKS[4:]
        assert damages(found)

    @pytest.mark.parametrize(
        "data",
        [gzip.compress(b""), gzip.compress(b"") * 3, frames([b""])],
        ids=["gzip", "three of gzip", "zstd"],
    )
    def test_members_of_nothing_are_one_damage(self, data: bytes) -> None:
        assert [lost.reason for lost in damages(read(data))] == ["empty_file"]


def with_dictionary(parts: list[bytes], *, packed: bool, checksum: bool = True) -> bytes:
    samples = [part + b"%d" % n for n in range(300) for part in parts]
    words = zstandard.train_dictionary(2000, samples)
    stored = words.as_bytes()
    stored = zstandard.compress(stored) if packed else stored
    packer = zstandard.ZstdCompressor(dict_data=words, write_checksum=checksum)
    frame = b"\x5d\x2a\x4d\x18" + len(stored).to_bytes(4, "little") + stored
    return frame + b"".join(packer.compress(part) for part in parts)


class TestZstd:
    def test_a_frame_per_record(self) -> None:
        data = frames(RECORDS)
        found = read(data, name="a.warc.zst")
        assert blocks(found) == BLOCKS
        ends = [item.offset + item.length for item in found]
        assert [item.offset for item in found] == [0, *ends[:-1]]
        assert ends[-1] == len(data)
        assert [item.locator for item in found] == [str(item.offset) for item in found]

    @pytest.mark.parametrize("packed", [False, True])
    def test_a_dictionary(self, packed: bool) -> None:
        data = with_dictionary(RECORDS, packed=packed)
        found = read(data, name="a.warc.zst")
        assert blocks(found) == BLOCKS
        assert damages(found) == []
        for target in (50, 300, 1000):
            pieces = [item for piece in cut(data, target) for item in read(data, *piece)]
            assert pieces == found
        assert len(cut(data, 300)) > 2

    def test_several_records_in_a_frame_and_a_record_in_several_frames(self) -> None:
        assert blocks(read(frames([b"".join(RECORDS[:2]), b"".join(RECORDS[2:])]))) == BLOCKS
        for width in (100, 1000):
            data = frames([PLAIN[at : at + width] for at in range(0, len(PLAIN), width)])
            assert blocks(read(data)) == BLOCKS

    def test_skippable_frames_anywhere_are_passed_over(self) -> None:
        other = b"\x50\x2a\x4d\x18\x03\0\0\0abc"
        data = other + other.join(frames([part]) for part in RECORDS) + other
        found = read(data, name="a.warc.zst")
        assert blocks(found) == BLOCKS
        assert damages(found) == []

    def test_arc_and_wet(self) -> None:
        assert blocks(read(frames([INFO, *ARC_RECORDS]), name="a.arc.zst"))[1:] == ARC_BLOCKS
        (found,) = read(frames([record("conversion", b"text")]), name="a.warc.wet.zst")
        assert (found.kind, found.block) == ("conversion", b"text")

    @pytest.mark.parametrize("dictionary", [False, True])
    def test_flipped_bits_cost_one_record(self, dictionary: bool) -> None:
        data = with_dictionary(RECORDS, packed=True) if dictionary else frames(RECORDS)
        places = [item.offset for item in read(data, name="a.warc.zst")]
        dice = random.Random(9)
        for _ in range(200):
            place = dice.randrange(places[0], len(data))
            changed = bytearray(data)
            changed[place] ^= 1 << dice.randrange(8)
            found = read(bytes(changed), name="a.warc.zst")
            hit = max(number for number, start in enumerate(places) if start <= place)
            if blocks(found) != BLOCKS:
                assert blocks(found) == BLOCKS[:hit] + BLOCKS[hit + 1 :], place
                assert damages(found), place

    def test_cut_at_every_byte(self) -> None:
        data = frames(RECORDS)
        places = [item.offset for item in read(data)]
        ends = [*places[1:], len(data)]
        for size in range(4, len(data)):
            found = read(data[:size])
            kept = sum(end <= size for end in ends)
            assert blocks(found) == BLOCKS[:kept], size
            assert len(damages(found)) == (size not in ends), size

    @pytest.mark.parametrize(
        "first",
        [
            b"\x5d\x2a\x4d\x18\xff\xff\xff\xff",
            b"\x5d\x2a\x4d\x18\x08\0\0\0\x28\xb5\x2f\xfdabcd",
        ],
    )
    def test_a_damaged_dictionary_is_named(self, first: bytes) -> None:
        (found,) = read(first + frames(RECORDS), name="a.warc.zst")
        assert isinstance(found, Damage)
        assert found.reason == "zstd_dictionary"

    def test_frames_of_another_dictionary_are_named_and_long_windows_read(self) -> None:
        data = with_dictionary(RECORDS, packed=False)
        (found,) = read(data[8 + int.from_bytes(data[4:8], "little") :], name="a.warc.zst")
        assert isinstance(found, Damage)
        assert found.reason == "zstd_dictionary"
        window = zstandard.ZstdCompressionParameters(window_log=28)
        packer = zstandard.ZstdCompressor(compression_params=window).compressobj()
        long = packer.compress(RECORDS[1]) + packer.flush()
        # A long window is an error only where so much was written to it.
        assert blocks(read(long + frames(RECORDS[2:]), name="a.warc.zst")) == BLOCKS[1:]

    def test_digests_are_compared_because_checksums_are_an_option(self) -> None:
        bad = record("conversion", b"text", WARC_Block_Digest="md5:" + "0" * 32)
        assert [lost.reason for lost in damages(read(frames([bad, RECORDS[1]])))] == ["digest"]
        assert blocks(read(frames([bad]), check_digests=False)) == [b"text"]

    def test_a_bomb_is_refused(self) -> None:
        bomb = record("response", bytes(64 << 20))
        found = read(frames([RECORDS[0], bomb, *RECORDS[1:]]), max_record_bytes=1 << 20)
        assert blocks(found) == BLOCKS
        assert [lost.reason for lost in damages(found)] == ["bomb"]


class Counting(io.BytesIO):
    """A file that counts the bytes that are read of it."""

    taken = 0

    def read(self, size: int | None = -1, /) -> bytes:
        part = super().read(size)
        self.taken += len(part)
        return part


class TestPieces:
    @pytest.mark.parametrize("data", [PLAIN, GZIPPED, members([PLAIN[:900], PLAIN[900:]])])
    def test_every_cut_gives_each_record_once(self, data: bytes) -> None:
        whole = read(data)
        for target in [*range(1, 60), *range(60, len(data) + 50, 37)]:
            pieces = cut(data, target)
            assert pieces[0].start == 0
            assert pieces[-1].end == len(data)
            assert all(a.end == b.start for a, b in itertools.pairwise(pieces))
            found = [item for piece in pieces for item in read(data, *piece)]
            assert found == whole, target

    @given(
        places=st.lists(st.integers(0, len(GZIPPED) + 200), max_size=6),
        packed=st.booleans(),
        hurt=st.integers(0, 10_000),
    )
    @examples(200)
    def test_cuts_of_a_damaged_file_give_the_same(
        self, places: list[int], packed: bool, hurt: int
    ) -> None:
        data = bytearray(GZIPPED if packed else PLAIN)
        data[hurt % len(data)] ^= 0x41
        ends = sorted({0, len(data), *(place for place in places if place < len(data))})
        pieces = [Piece(a, b) for a, b in itertools.pairwise(ends)]
        found = [item for piece in pieces for item in read(bytes(data), *piece)]
        assert found == read(bytes(data))

    def test_local_cuts_are_not_misled_by_pages_about_archives(self) -> None:
        trap = response("http://x.example/trap", b"<pre>\n\n" + b"".join(RECORDS[:3]) + b"</pre>")
        data = b"".join([*RECORDS[:3], trap, b"garbage\r\n", *RECORDS[3:], RECORDS[1][:200]])
        whole = read(data)
        assert len(blocks(whole)) == len(RECORDS) + 1
        for target in range(1, len(data), 23):
            pieces = cut(data, target, local=True)
            assert [item for piece in pieces for item in read(data, *piece)] == whole

    def test_local_cuts_read_heads_only(self) -> None:
        big = response("http://x.example/", bytes(1_000_000))
        data = big * 60
        file = Counting(data)
        assert len(cut_archive(file, len(data), 5_000_000, local=True)) == 12
        assert file.taken < 3_000_000

    def test_one_long_member_is_one_piece(self) -> None:
        data = gzip.compress(PLAIN)
        assert cut(data, 100) == [Piece(0, len(data))]

    def test_a_locator_reads_its_record_again(self) -> None:
        for item in read(GZIPPED):
            (again,) = read(GZIPPED, item.offset, item.offset + 1)
            assert again == item

    def test_split_reads_the_first_member_only(self) -> None:
        data = GZIPPED * 4000
        file = Counting(data)
        cut_archive(file, len(data), 1 << 20)
        assert file.taken <= 3 << 20 < len(data)


@pytest.mark.real_data
@needs_data
class TestRealFiles:
    KINDS = {
        "valid/cc-whirlwind-anwiki.warc.gz": {
            "warcinfo": 1,
            "request": 1,
            "response": 1,
            "metadata": 1,
        },
        "valid/dolma-sample-0000.warc.gz": {
            "warcinfo": 1,
            "request": 22,
            "response": 22,
            "metadata": 1,
            "resource": 2,
        },
        "valid/cc2008-copycat-1213893279526_0.arc.gz": {"warcinfo": 1, "response": 145},
        "valid/IAH-blackbook-archive.org.warc.gz": {
            "warcinfo": 1,
            "response": 299,
            "request": 261,
            "metadata": 261,
        },
        "valid/IAH-blackbook-truncated.arc.gz": {"warcinfo": 1, "response": 8},
        "valid/pywb-iana.warc.gz": {"warcinfo": 1, "response": 48, "request": 171, "revisit": 123},
        "valid/warcio-example-iana.org-chunked.warc": {"warcinfo": 1, "response": 1, "request": 1},
        "rewrapped/hplt-cc100.rewrapped.warc.gz": {"warcinfo": 1, "response": 100},
        "rewrapped/hplt-cc100.rewrapped.warc.wet.gz": {"warcinfo": 1, "conversion": 100},
        "malformed/warcio-example-bad-non-chunked.warc.gz": {
            "warcinfo": 2,
            "response": 1,
            "request": 2,
            "revisit": 1,
        },
        "malformed/warcio-example-bad.warc.gz.bad": {
            "warcinfo": 1,
            "response": 2,
            "request": 2,
            "revisit": 1,
        },
        "malformed/warcio-example-wrong-chunks.warc.gz": {"response": 1, "request": 1},
        "malformed/warcio-example-trunc.warc": {
            "warcinfo": 2,
            "request": 1,
            "digest": 1,
            "stray_bytes": 1,
        },
        "malformed/warciojs-example-bad-length.warc": {
            "warcinfo": 2,
            "digest": 1,
            "stray_bytes": 1,
            "request": 2,
            "revisit": 1,
        },
        "malformed/gowarc-corrupted-mid-record.warc.gz": {"response": 12, "gzip_header": 1},
        "malformed/resiliparse-clipped.warc.gz": {"truncated": 1},
        "malformed/aut-badexample.arc.gz": {
            "warcinfo": 1,
            "response": 2,
            "not_a_record": 1,
            "content_length": 2,
        },
        "malformed/warcio-bad.arc": {"not_a_record": 2, "response": 1},
    }

    @pytest.mark.parametrize("name", KINDS)
    def test_kinds_and_damage(self, name: str) -> None:
        data = (Path(str(DATA)) / "warc" / name).read_bytes()
        found = list(archive_records(io.BytesIO(data), len(data), Piece(0, len(data)), name=name))
        kinds = Counter(
            item.kind if isinstance(item, ArchiveRecord) else item.reason for item in found
        )
        assert kinds == self.KINDS[name]

    @pytest.mark.parametrize(
        "name", ["rewrapped/hplt-cc100.rewrapped.warc.gz", "valid/warcio-example.warc"]
    )
    def test_pieces_of_a_real_file(self, name: str) -> None:
        data = (Path(str(DATA)) / "warc" / name).read_bytes()
        whole = [item.locator for item in read(data)]
        for target in (max(1, len(data) // 7), len(data) // 3):
            found = [item.locator for piece in cut(data, target) for item in read(data, *piece)]
            assert found == whole

    def test_the_reference_reader_finds_the_same_records(self) -> None:
        from fastwarc.warc import ArchiveIterator, WarcRecordType

        for name in ("valid/dolma-sample-0000.warc.gz", "valid/pywb-iana.warc.gz"):
            data = (Path(str(DATA)) / "warc" / name).read_bytes()
            theirs = [
                (other.record_id, other.reader.read())
                for other in ArchiveIterator(
                    io.BytesIO(data), record_types=WarcRecordType.any_type, parse_http=False
                )
            ]
            ours = [
                (item.headers[b"warc-record-id"].decode(), item.block)
                for item in read(data)
                if isinstance(item, ArchiveRecord)
            ]
            assert [block for _, block in ours] == [block for _, block in theirs], name


def test_html_builder_is_html() -> None:
    assert html("x").startswith(b"<html>")


class TestCost:
    """Bytes copied or inflated per byte of hostile input stay bounded."""

    @pytest.mark.parametrize("length", [60_000_000, 6_000_000_000, 70_000])
    def test_lengths_that_are_all_wrong(self, length: int) -> None:
        one = record("response", b"xx", length=length)
        found = read(one * 30_000)
        assert len(found) == 30_000
        reasons = {item.reason for item in damages(found)}
        assert reasons <= {"content_length", "too_large", "truncated"}
