"""JSON objects of a file: one per line, as one array, or printed over many lines.

Untrusted JSON nests a hundred thousand deep, contains numbers of five thousand digits and half of a
surrogate pair. Each of these costs one record, reported with its offset; reading goes on after it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import IO, NamedTuple

from curate.sources import streams
from curate.sources.base import Damage, InputFile, Piece, Skip
from curate.sources.streams import Block, Broken, Line

SUFFIXES = tuple(
    plain + packing
    for packing in streams.PACKINGS
    for plain in (".jsonl", ".ndjson", ".jsonlines", ".json")
)
#: The longest line or array element that is read into memory.
CAP = 64 * 1024 * 1024
_HEAD = 64 * 1024
#: A record of a few megabytes can have a million empty lists, each twenty times its size in memory.
_LARGE = 1024 * 1024
_MAX_PARTS = 2_000_000

_BOM = b"\xef\xbb\xbf"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
#: Names of files with one object per line, whatever they begin with.
_LINE_NAMES = (".jsonl", ".ndjson", ".jsonlines")

# NaN and infinities are no JSON, but Python writes them; the rest of the document is good.
_decode = json.JSONDecoder(parse_constant=lambda _: None).decode
_IN_STRING = re.compile(rb'["\\]')
_STRUCTURE = re.compile(rb'["{}\[\],]')


class JsonObject(NamedTuple):
    """One object, and where it begins in the plain bytes of the file."""

    offset: int
    length: int
    record: dict[str, object]
    raw: bytes


def split(file: InputFile, target_bytes: int) -> list[Piece]:
    """Cut a file of lines into byte ranges; compressed files and arrays stay whole."""
    with file.open() as handle:
        head = handle.read(4096)
    if streams.compression(head) or _layout(head, file.name) != "lines":
        return [Piece(0, file.size)]
    return streams.cut(file.size, target_bytes)


def objects(file: InputFile, piece: Piece, cap: int = CAP) -> Iterator[JsonObject | Skip | Damage]:
    """Yield the objects that begin in a piece, blank lines as skips, and what cannot be read.

    An offset counts plain bytes where the file is compressed: it is the locator of the record. Only
    the reasons of :func:`curate.sources.streams.blocks` count bytes as stored. Reasons:
    ``bad_json``, ``not_an_object``, ``too_deep``, ``huge_number``, ``lone_surrogate``,
    ``invalid_utf8``, ``too_large``, ``too_complex``, ``utf_16`` (the whole file), ``truncated`` (an
    array that does not end), ``trailing_data`` (something behind its end).
    """
    with file.open() as handle:
        try:
            for line in _raw(handle, file, piece, cap):
                yield line if isinstance(line, Damage) else _parse(line)
        except Broken as broken:
            yield broken.damage


def _raw(handle: IO[bytes], file: InputFile, piece: Piece, cap: int) -> Iterator[Line | Damage]:
    if piece.start:
        yield from streams.lines_in(handle, file.name, piece, cap)
        return
    stream = streams.blocks(handle, file.name)
    first = next(stream, None)
    if first is None:
        return
    if first.data.startswith(_UTF16):
        yield Damage(
            "utf_16", 0, file.size, "JSON in UTF-16; convert it to UTF-8", first.data[:4096]
        )
        return
    layout = _layout(first.data, file.name)
    if layout == "lines":
        yield from streams.lines_in(handle, file.name, piece, cap)
    else:
        yield from _elements(chain([first], stream), cap, array=layout == "array")


def _layout(head: bytes, name: str) -> str:
    """Return how a file arranges objects: ``lines``, ``array``, or ``objects`` over many lines."""
    head = head.removeprefix(_BOM).lstrip()
    if head.startswith(b"[") and not streams.plain_name(name).endswith(_LINE_NAMES):
        return "array"
    # A line with nothing but a brace is no JSON: the object continues below.
    return "objects" if head[:1] == b"{" and head[1:64].lstrip(b" \t\r")[:1] == b"\n" else "lines"


def _elements(stream: Iterable[Block], cap: int, *, array: bool) -> Iterator[Line | Damage]:
    """Cut an array into its elements, or objects that follow each other, without parsing them.

    Only strings and brackets are examined, once each; what is between them is left to the parser.
    """
    base = 1 if array else 0
    depth = position = 0
    in_string = escaped = done = False
    element = _Element(0, cap)
    for _, data in stream:
        at = start = 0
        if escaped:
            at, escaped = 1, False
        while not done:
            token = (_IN_STRING if in_string else _STRUCTURE).search(data, at)
            if token is None:
                break
            at, sign = token.end(), token.group()
            if sign == b"\\":
                at += 1
                escaped = at > len(data)
            elif sign == b'"':
                in_string = not in_string
            elif sign in b"{[":
                depth += 1
                if array and depth == 1:
                    start, element = at, _Element(position + at, cap)
            elif sign in b"}]" or (array and depth == base):
                depth -= sign in b"}]"
                if depth > base or (depth == base and array and sign != b","):
                    continue
                element.add(data, start, at - array)
                done = array and depth < base
                if not done or not element.is_blank:
                    yield element.line()
                depth = max(depth, base)
                start, element = at, _Element(position + at, cap)
        element.add(data, start, len(data))
        position += len(data)
    if array and depth == base and not (done or in_string or element.is_blank):
        yield element.line()
        element = _Element(position, cap)
    if element.is_blank and (done or not array):
        return
    if done:
        reason, error = "trailing_data", "something follows the array's end"
    else:
        reason, error = "truncated", "the file ends inside an array or object"
    yield Damage(reason, element.begin, element.length, error, b"".join(element.parts)[:_HEAD])


class _Element:
    """The bytes between two separators, collected from blocks, kept up to the cap."""

    def __init__(self, begin: int, cap: int) -> None:
        self.begin, self.length, self._cap = begin, 0, cap
        self.parts: list[bytes] = []

    def add(self, data: bytes, start: int, end: int) -> None:
        if self.length <= self._cap:
            self.parts.append(data[start:end])
        self.length += end - start

    @property
    def is_blank(self) -> bool:
        return self.length <= self._cap and not b"".join(self.parts).strip()

    def line(self) -> Line:
        raw = b"".join(self.parts)
        if self.length > self._cap:
            return Line(self.begin, self.length, None, raw[:4096])
        data = raw.strip()
        return Line(self.begin + len(raw) - len(raw.lstrip()), len(data), data)


def _parse(line: Line) -> JsonObject | Skip | Damage:
    offset, length, data, head = line
    if data is None:
        return Damage("too_large", offset, length, f"{length} bytes in one record", head)
    if not offset:
        data = data.removeprefix(_BOM)
    if not data.strip():
        return Skip("blank_line")
    if length > _LARGE and sum(map(data.count, (b"[", b"{", b":"))) > _MAX_PARTS:
        error = f"more than {_MAX_PARTS} lists, objects and fields"
        return Damage("too_complex", offset, length, error, data[:_HEAD])
    try:
        record = _decode(data.decode())
        if not isinstance(record, dict):
            reason, error = "not_an_object", f"a {type(record).__name__} instead of an object"
        else:
            if b"\\ud" in data or b"\\uD" in data:
                json.dumps(record, ensure_ascii=False).encode()
            return JsonObject(offset, length, record, data)
    except UnicodeDecodeError as problem:
        reason, error = "invalid_utf8", f"byte {problem.start} of the record: {problem.reason}"
    except UnicodeEncodeError:
        reason, error = "lone_surrogate", "half of a surrogate pair is no character"
    except RecursionError:
        reason, error = "too_deep", "nested too deep"
    except json.JSONDecodeError as problem:
        reason, error = "bad_json", f"character {problem.pos} of the record: {problem.msg}"
    except ValueError:
        reason, error = "huge_number", "a number of more than 4,300 digits"
    return Damage(reason, offset, length, error, data[:_HEAD])
