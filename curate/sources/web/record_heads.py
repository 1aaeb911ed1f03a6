"""The heads of records in the two dialects of web archives: WARC and the older ARC."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import NamedTuple

#: The longest head of a record that is accepted.
MAX_HEAD = 1 << 16

#: Header lines by lower-case name.
Headers = dict[bytes, bytes]


class Head(NamedTuple):
    """What precedes a block; ``length`` is the block's length as the record states it."""

    end: int  # bytes up to the block
    length: int | None
    headers: Headers


class Dialect(NamedTuple):
    """How records begin: a test, a search, and the reader of a record's head."""

    peek: int  # bytes that ``mark`` may need
    mark: re.Pattern[bytes]  # matches at the beginning of a record
    boundary: re.Pattern[bytes]  # matches what precedes a record, up to its beginning
    ending: re.Pattern[bytes]  # matches what follows a block, whatever comes after it
    cut: Callable[[bytes], bool]  # whether a file's last bytes may be the beginning of a record
    head: Callable[[bytes, int, int], Head | None]


def parse_headers(lines: Iterable[bytes], lists: frozenset[bytes] = frozenset()) -> Headers:
    """Read header lines into a dictionary with lower-case names; folded lines are joined.

    The first of several headers of one name wins, except those in ``lists``, whose values are
    joined with commas; lines without a colon are ignored.

    >>> parse_headers([b"WARC-Type: response", b"X: a", b" b", b"x: c"], frozenset([b"x"]))
    {b'warc-type': b'response', b'x': b'a b, c'}
    """
    headers: Headers = {}
    name = b""
    for line in lines:
        if line[:1] in b" \t" and line:
            if name:
                headers[name] = (headers[name] + b" " + line.strip()).strip()
            continue
        raw, colon, value = line.partition(b":")
        name = raw.strip().lower()
        if colon and name in headers and name in lists:
            headers[name] += b", " + value.strip()
        elif not colon or name in headers:
            name = b""
        elif name:
            headers[name] = value.strip()
    return headers


def _length(text: bytes | None) -> int | None:
    # int() would accept '+1', '1_0' and 4,300 digits; a length has at most 15 plain digits.
    return int(text) if text is not None and len(text) < 16 and text.isdigit() else None


_BLANK = re.compile(rb"\n\r?\n")
_RECORD_ID = re.compile(rb"\nwarc-record-id[ \t]*:", re.I)


def _warc_head(data: bytes, start: int, limit: int) -> Head | None:
    line = data.find(b"\n", start, limit)
    blank = _BLANK.search(data, line, limit)
    if blank is None:
        return None
    head = data[line : blank.start()]
    if b"\0" in head or len(_RECORD_ID.findall(head)) > 1:
        # Two heads with damage between them: the length is not that of this record.
        return Head(blank.end() - start, None, {})
    headers = parse_headers([text.rstrip(b"\r") for text in head[1:].split(b"\n")])
    length = _length(headers.get(b"content-length"))
    return Head(blank.end() - start, length, headers)


# Addresses and media types may contain spaces or be empty, so the date is found first and the rest
# counted from the right: version 2 has status, checksum, location, offset and file name before the
# length.
_ARC_LINE = re.compile(
    rb"(?>([A-Za-z][A-Za-z0-9+.-]{1,20}:[^\r\n]{0,8192}?) (\S{0,64}) (\d{12}(?:\d{2,5})?) )"
    rb"(?:([^\r\n]{0,3072}?) )?(\d{1,15})[ \t]{0,8}\r?\n"
)
_ARC_MEDIA = re.compile(rb"(.*?)(?: (?:\d{3}|-) \S+ \S+ (?:\d+|-) \S+)?")


def _arc_head(data: bytes, start: int, limit: int) -> Head | None:
    line = _ARC_LINE.match(data, start, limit)
    if line is None:
        return None
    url, _, date, middle, length = line.groups()
    kind = b"warcinfo" if url.startswith(b"filedesc:") else b"response"
    date = date.ljust(14, b"0")
    stamp = b"%s-%s-%sT%s:%s:%sZ" % tuple(
        date[a:b] for a, b in ((0, 4), (4, 6), (6, 8), (8, 10), (10, 12), (12, 14))
    )
    media = _ARC_MEDIA.fullmatch(middle or b"")
    headers = {
        b"warc-type": kind,
        b"warc-target-uri": url.strip(),
        b"warc-date": stamp,
        b"x-arc-content-type": media[1].strip() if media else b"",
    }
    return Head(line.end() - start, int(length), headers)


_WARC_LINE = re.compile(rb"WARC/[01]\.\d{1,2}[ \t]{0,8}\r?\n")

_WARC_LINES = (b"WARC/1.0\r\n", b"WARC/1.1\r\n", b"WARC/0.17\r\n", b"WARC/0.18\r\n")

WARC = Dialect(
    peek=32,
    mark=_WARC_LINE,
    boundary=re.compile(rb"\n\r?\n(?=" + _WARC_LINE.pattern + rb")"),
    ending=re.compile(rb"\r?\n\r?\n"),
    cut=lambda tail: b"\n" not in tail and any(line.startswith(tail) for line in _WARC_LINES),
    head=_warc_head,
)

ARC = Dialect(
    peek=1 << 14,
    mark=_ARC_LINE,
    boundary=re.compile(rb"\n(?=" + _ARC_LINE.pattern + rb")"),
    ending=re.compile(rb"\r?\n[a-z][a-z0-9+.-]{1,20}:\S{1,8192} "),
    cut=lambda tail: b"\n" not in tail,
    head=_arc_head,
)
