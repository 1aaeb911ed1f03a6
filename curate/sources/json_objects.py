"""JSON objects of a file: one per line, as one array, or printed over many lines.

Untrusted JSON nests a hundred thousand deep, contains numbers of five thousand digits and half of a
surrogate pair. Such a value costs itself, and its record where the value was wanted; what is no
JSON costs one record, reported with its offset. Reading goes on after it.

Nearly all records are read by one call of the decoder. The careful reader is for those where it
fails.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import IO, Any, NamedTuple

import numpy as np

from curate.sources import streams
from curate.sources.base import Damage, InputFile, Piece, Skip
from curate.sources.streams import Block, Broken, Line, Run

SUFFIXES = tuple(
    plain + packing
    for packing in streams.PACKINGS
    for plain in (".jsonl", ".ndjson", ".jsonlines", ".json")
)
#: The longest line or array element that is read into memory.
CAP = 64 * 1024 * 1024
_HEAD = 64 * 1024
#: A record of a few megabytes can have a million empty lists, each twenty times its size in memory.
LARGE = 1024 * 1024
MAX_PARTS = 2_000_000

#: Levels of lists and objects: a tree of 200 messages has 400, and the decoder, like whoever reads
#: ``meta`` later, fails at less than 1,000.
_MAX_DEPTH = 450
_MAX_DIGITS = 4300

_BOM = b"\xef\xbb\xbf"
#: What may stand between two objects, besides byte order marks: files are joined, arrays are cut,
#: and JSON text sequences (RFC 7464) begin each record with a record separator.
_SPACE = b" \t\r\n\x1e"
_BETWEEN = re.compile(rb"(?:[\s,\x1e\0]|\xef\xbb\xbf)*")
#: Encodings by their first bytes; longer marks first, because UTF-32's begins like UTF-16's. Two
#: ASCII characters with zeros around them show them without a mark (RFC 4627, section 3); one would
#: take a file for UTF-16 that has a stray zero byte.
_SECOND = rb"[\s\"\[\]{}0-9tfn-]"
_WIDE = (
    (re.compile(rb"\xff\xfe\0\0|\0\0\xfe\xff"), "utf-32"),
    (re.compile(rb"\xff\xfe|\xfe\xff"), "utf-16"),
    (re.compile(rb"[\[{]\0{3}" + _SECOND + rb"\0{3}"), "utf-32-le"),
    (re.compile(rb"\0{3}[\[{]\0{3}" + _SECOND), "utf-32-be"),
    (re.compile(rb"[\[{]\0" + _SECOND + rb"\0"), "utf-16-le"),
    (re.compile(rb"\0[\[{]\0" + _SECOND), "utf-16-be"),
)
#: Names of files with one object per line, whatever they begin with.
_LINE_NAMES = (".jsonl", ".ndjson", ".jsonlines")
_ARRAY_IN_LINES = re.compile(
    rb"\[\s*\{(?:[^\n]*\][ \t\r]*\n?\s*\Z|[^\n]*[^\]\s][ \t\r]*(?:\n|\Z)|\s*\n)"
)
#: A line that ends inside an object, and a next one that cannot begin an object.
_PRINTED = re.compile(rb"\{(?:[^\n]*[,{\[])?[ \t\r]*\n\s*[\"\]}]")
_OLD_MAC = re.compile(rb"\}[ \t]*\r\s*\{")

# NaN and infinities are no JSON, but Python writes them; the rest of the document is good.
_decode = json.JSONDecoder(parse_constant=lambda _: None).decode
_IN_STRING = re.compile(rb'["\\]')
_STRUCTURE = re.compile(rb'["{}\[\],]')
_STRING = rb'"(?:[^"\\]++|\\.?)*+(?:"|\Z)'
_STRINGS = re.compile(_STRING, re.DOTALL)
_TOKENS = re.compile(_STRING + rb"|[{}\[\]]", re.DOTALL)
_LAST_COMMA = re.compile(rb"(" + _STRING + rb")|,(?=\s*[}\]])", re.DOTALL)
_HALF = re.compile(rb"\\u[dD]")
#: Escapes that JSON has, and the beginning of others: \x41, \', paths of Windows.
_ESCAPES = re.compile(rb"(\\(?:[\"\\/bfnrt]|u[0-9A-Fa-f]{4}))|\\")
#: What stands for the second kind while a record is decoded: half of a surrogate pair.
_NO_ESCAPE = rb"\udfff"
_SURROGATE = re.compile("[\ud800-\udfff]")
_STEPS = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


class JsonObject(NamedTuple):
    """One object, and where it begins in the plain bytes of the file."""

    offset: int
    length: int
    record: dict[str, object]
    raw: bytes
    #: Names in dotted steps, and reasons, of values that are null or have replacement characters.
    damaged: tuple[tuple[str, str], ...] = ()

    def damage_of(self, path: str) -> Damage | None:
        """Return the damage of a value, of a part of it, or of what it is a part of."""
        for place, reason in self.damaged:
            if f"{place}.".startswith(f"{path}.") or f"{path}.".startswith(f"{place}."):
                error = f"'{place[:100]}': {_ERRORS[reason]}"
                return Damage(reason, self.offset, self.length, error, self.raw[:_HEAD])
        return None


_ERRORS = {
    "too_deep": f"nested more than {_MAX_DEPTH} deep",
    "huge_number": f"a number of more than {_MAX_DIGITS} digits",
    "invalid_utf8": "bytes that are not UTF-8",
    "lone_surrogate": "half of a surrogate pair is no character",
    "bad_escape": "an escape that JSON does not have",
}


def split(file: InputFile, target_bytes: int) -> list[Piece]:
    """Cut a file of lines into byte ranges; compressed, UTF-16 and UTF-32 files and arrays stay."""
    with file.open() as handle:
        head = handle.read(streams.BLOCK)
    if streams.is_one_piece(head, file.name) or _wide(head) or _layout(head, file.name) != "lines":
        return [Piece(0, file.size)]
    return streams.cut(file.size, target_bytes)


def objects(
    file: InputFile, piece: Piece, cap: int = CAP, window: int = streams.WINDOW
) -> Iterator[JsonObject | Skip | Damage]:
    """Yield the objects that begin in a piece, blank lines as skips, and what cannot be read.

    An offset counts plain bytes where the file is compressed, and bytes of UTF-8 where it is UTF-16
    or UTF-32: it is the locator of the record. Only the reasons of
    :func:`curate.sources.streams.blocks` count bytes as stored. Reasons: ``bad_json``,
    ``not_an_object``, ``too_deep``, ``too_large``, ``too_complex``, ``truncated`` (an array that
    does not end), ``trailing_data`` (something behind its end). Values that are nested too deep or
    huge numbers are null; bytes that are not UTF-8, halves of surrogate pairs and escapes that JSON
    does not have (``bad_escape``) are U+FFFD; they are named in ``damaged``.
    """
    for run in runs(file, piece, cap, window):
        yield from objects_in(run, cap)


def runs(
    file: InputFile, piece: Piece, cap: int = CAP, window: int = streams.WINDOW
) -> Iterator[Run | Line | Damage]:
    """Yield the bytes of the records that begin in a piece, in runs where each is a line."""
    with file.open() as handle:
        try:
            yield from _raw(handle, file, piece, cap, window)
        except Broken as broken:
            yield broken.damage


def objects_in(run: Run | Line | Damage, cap: int) -> Iterator[JsonObject | Skip | Damage]:
    """Yield the objects of what `runs` yields, as `objects` does."""
    if isinstance(run, Damage):
        yield run
        return
    for line in run.lines(cap) if isinstance(run, Run) else [run]:
        item = _parse(line)
        if item is None or isinstance(item, json.JSONDecodeError):
            yield from _careful(line, item)
        else:
            yield item


def _raw(
    handle: IO[bytes], file: InputFile, piece: Piece, cap: int, window: int
) -> Iterator[Run | Line | Damage]:
    if piece.start:
        yield from streams.runs_in(handle, file.name, piece, cap)
        return
    stream = streams.blocks(handle, file.name, window=window)
    first = next(stream, None)
    if first is None:
        return
    stream = chain([first], stream)
    encoding = _wide(first.data)
    if encoding:
        stream = recoded(stream, encoding, file.size)
        first = next(stream, first)
        stream = chain([first], stream)
    layout = _layout(first.data, file.name)
    if layout != "lines":
        yield from _elements(stream, cap, array=layout == "array")
    elif encoding:
        yield from streams.runs(stream, cap=cap)
    else:
        yield from streams.runs_in(handle, file.name, piece, cap, window)


def _wide(head: bytes) -> str | None:
    """Return the encoding of a file in UTF-16 or UTF-32."""
    return next((name for magic, name in _WIDE if magic.match(head)), None)


def recoded(stream: Iterator[Block], encoding: str, size: int) -> Iterator[Block]:
    """Yield UTF-8; halves of surrogate pairs become bytes that are not UTF-8."""
    decoder = codecs.getincrementaldecoder(encoding)("surrogatepass")
    stored = 0
    try:
        for stored, data in stream:
            yield Block(stored, decoder.decode(data).encode("utf-8", "surrogatepass"))
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as problem:
        reason = "truncated" if "truncated" in problem.reason else "corrupt"
        what = f"{encoding}: {problem.reason}"
        raise Broken(Damage(reason, stored, size - stored, what)) from None


def _layout(head: bytes, name: str) -> str:
    """Return how a file arranges objects: ``lines``, ``array``, or ``objects`` over many lines."""
    head = head[: streams.BLOCK].removeprefix(_BOM).lstrip()
    if head.startswith(b"["):
        in_lines = streams.plain_name(name).endswith(_LINE_NAMES)
        return "array" if not in_lines or _ARRAY_IN_LINES.match(head) else "lines"
    if _PRINTED.match(head) or (b"\n" not in head and _OLD_MAC.search(head)):
        return "objects"
    return "lines"


def _elements(stream: Iterable[Block], cap: int, *, array: bool) -> Iterator[Line | Damage]:
    """Cut an array into its elements, or objects that follow each other, without parsing them.

    Only strings and brackets are examined, once each; what is between them is left to the parser.
    """
    base = 1 if array else 0
    depth = position = 0
    in_string = escaped = done = stopped = False
    element = _Element(0, cap)
    for _, data in stream:
        at = start = 0
        if escaped:
            at, escaped = 1, False
        while not stopped:
            token = (_IN_STRING if in_string else _STRUCTURE).search(data, at)
            if token is None:
                break
            at, sign = token.end(), token.group()
            if done:  # an array may follow an array: files are joined
                element.add(data, start, at - 1)
                start = at - 1
                if sign != b"[" or not element.is_blank:
                    stopped = True
                    break
                done = False
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
                depth = max(depth, 0)
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
        return self.length <= self._cap and not b"".join(self.parts).strip(_SPACE + _BOM)

    def line(self) -> Line:
        raw = b"".join(self.parts)
        if self.length > self._cap:
            return Line(self.begin, self.length, None, raw[:4096])
        data = raw.strip()
        return Line(self.begin + len(raw) - len(raw.lstrip()), len(data), data)


def _parse(line: Line) -> JsonObject | Skip | Damage | json.JSONDecodeError | None:
    """Return what a line contains; an error, or None, if it takes the careful reader."""
    offset, length, data, head = line
    if data is None:
        return Damage("too_large", offset, length, f"{length} bytes in one record", head)
    if not data.strip():
        return Skip("blank_line")
    if is_complex(data):
        error = f"more than {MAX_PARTS} lists, objects and fields"
        return Damage("too_complex", offset, length, error, data[:_HEAD])
    if _depth(data) > _MAX_DEPTH:
        return None
    try:
        record = _decode(data.decode())
        if not isinstance(record, dict):
            return _no_object(line, record)
        # A search for one byte is many times faster than one for three.
        if b"\\" in data and _HALF.search(data):
            json.dumps(record, ensure_ascii=False).encode()
    except json.JSONDecodeError as problem:
        return problem
    except ValueError:  # those of Unicode, and numbers of too many digits
        return None
    return JsonObject(offset, length, record, data)


def is_complex(data: bytes | str) -> bool:
    """Return whether JSON may have so many lists and fields that it takes too much memory."""
    if len(data) <= LARGE:
        return False
    if isinstance(data, str):
        return sum(map(data.count, "[{:")) > MAX_PARTS
    return sum(map(data.count, (b"[", b"{", b":"))) > MAX_PARTS


def _no_object(line: Line, value: object) -> Damage:
    error = f"a {type(value).__name__} instead of an object"
    return Damage("not_an_object", line.offset, line.length, error, (line.data or b"")[:_HEAD])


def _careful(
    line: Line, problem: json.JSONDecodeError | None = None
) -> Iterator[JsonObject | Skip | Damage]:
    """Yield the objects of a line that the decoder refuses as it is, with a problem if it has one.

    Byte order marks may be anywhere between objects, as may zeros before one (what a crash leaves
    in a log), and a file without a last newline that was joined with another has two objects in a
    line. Anything else between objects makes the whole
    line damage: it is then not known which of its objects are records.
    """
    offset, length, data, _ = line
    assert data is not None
    start = _BETWEEN.match(data).end()  # type: ignore[union-attr]  # matches nothing, too
    bare = data[start:].rstrip(_SPACE + b",").removesuffix(_BOM).rstrip(_SPACE + b",")
    if not bare and b"\0" not in data:
        yield Skip("blank_line")
        return
    bare = bare or data
    # The lenient decoder finds the same problem in the same bytes, unless it is one that it allows.
    if problem and (len(bare) < len(data) or problem.msg.startswith("Invalid control")):
        problem = None
    item = _lenient(Line(offset, length, bare), problem)
    parts = _objects_in(data) if isinstance(item, Damage) and item.reason == "bad_json" else []
    if len(parts) < 2:
        yield item
        return
    for begin, end in parts:
        yield _lenient(Line(offset + begin, end - begin, data[begin:end]))


def _objects_in(data: bytes) -> list[tuple[int, int]]:
    """Return the places of objects that follow each other; none if anything else is there."""
    parts: list[tuple[int, int]] = []
    if data.count(b"{") < 2:
        return parts
    depth = end = begin = 0
    for token in _TOKENS.finditer(data):
        sign = token.group()[:1]
        if not depth:
            begin = token.start()
            if sign != b"{" or _BETWEEN.fullmatch(data, end, begin) is None:
                return []
        if sign != b'"':
            depth += 1 if sign in b"{[" else -1
        if not depth:
            end = token.end()
            parts.append((begin, end))
    if depth:
        parts.append((begin, len(data)))
    elif _BETWEEN.fullmatch(data, end) is None:
        return []
    return parts


def _lenient(line: Line, problem: json.JSONDecodeError | None = None) -> JsonObject | Damage:
    """Return the object of a line; values that nobody can read are replaced, and named.

    ``problem`` is what decoding ends with, where that is known.
    """
    offset, length, data, _ = line
    assert data is not None
    is_deep = _depth(data) > _MAX_DEPTH
    shallow = _cut_below(data, _MAX_DEPTH) if is_deep else data
    decode = _CUTTING if is_deep else _LENIENT
    has_bad_escapes = False
    try:
        if problem:
            raise problem
        record = decode(shallow.decode("utf-8", "surrogateescape"))
    except json.JSONDecodeError as as_it_is:
        without = _LAST_COMMA.sub(lambda match: match[1] or b"", shallow)
        try:
            if without == shallow:
                raise as_it_is
            record = decode(without.decode("utf-8", "surrogateescape"))
        except json.JSONDecodeError as problem:
            record = _without_bad_escapes(decode, without, problem)
            has_bad_escapes = record is not None
            if record is None:
                reason, error = "bad_json", f"character {problem.pos} of the record: {problem.msg}"
                if is_deep:
                    reason, error = "too_deep", _ERRORS["too_deep"]
                return Damage(reason, offset, length, error, data[:_HEAD])
    if not isinstance(record, dict):
        return _no_object(line, record)
    try:
        data.decode()
        of_surrogates = "lone_surrogate"
    except UnicodeDecodeError:
        of_surrogates = "invalid_utf8"
    if has_bad_escapes:
        of_surrogates = "bad_escape"
    return JsonObject(offset, length, record, data, tuple(_mended(record, of_surrogates)))


def _without_bad_escapes(
    decode: Callable[[str], Any], data: bytes, problem: json.JSONDecodeError
) -> Any:
    """Return what the decoder makes of a record whose escapes are no JSON; None if that is not all.

    In strings that have them stands half of a surrogate pair instead.
    """
    if not problem.msg.startswith("Invalid \\"):
        return None
    allowed = _ESCAPES.sub(lambda found: found[1] or _NO_ESCAPE, data)
    try:
        return decode(allowed.decode("utf-8", "surrogateescape"))
    except json.JSONDecodeError:
        return None


class _Unreadable(NamedTuple):
    """Stands for a value while a record is decoded."""

    reason: str


#: What a cut value is replaced by: a number that nobody writes so.
_CUT = "-0.0e-000000000000007"
_integer = _Unreadable("huge_number")
_LENIENT = json.JSONDecoder(
    parse_constant=lambda _: None,
    parse_int=lambda digits: int(digits) if len(digits) <= _MAX_DIGITS else _integer,
    strict=False,  # control characters in strings: repair removes and counts them
).decode
_CUTTING = json.JSONDecoder(
    parse_constant=lambda _: None,
    parse_int=lambda digits: int(digits) if len(digits) <= _MAX_DIGITS else _integer,
    parse_float=lambda number: _Unreadable("too_deep") if number == _CUT else float(number),
    strict=False,
).decode


def _mended(record: dict[str, object], of_surrogates: str) -> Iterator[tuple[str, str]]:
    """Replace what cannot be read in a record; yield each place in dotted steps, and the reason."""
    stack: list[tuple[str, Any]] = [("", record)]
    while stack:
        path, node = stack.pop()
        is_dict = isinstance(node, dict)
        for key, value in list(node.items() if is_dict else enumerate(node)):
            place = f"{path}.{key}".lstrip(".") if is_dict else path
            if isinstance(value, dict | list):
                stack.append((place, value))
            elif isinstance(value, _Unreadable):
                node[key] = None
                yield _SURROGATE.sub("\ufffd", place), value.reason
            elif isinstance(value, str) and _SURROGATE.search(value):
                node[key] = _SURROGATE.sub("\ufffd", value)
                yield _SURROGATE.sub("\ufffd", place), of_surrogates
        if is_dict and any(map(_SURROGATE.search, node)):
            yield (
                _SURROGATE.sub("\ufffd", path or next(iter(filter(_SURROGATE.search, node)))),
                of_surrogates,
            )
            named = {_SURROGATE.sub("\ufffd", key): value for key, value in node.items()}
            node.clear()
            node.update(named)


def _depth(data: bytes) -> int:
    """Return how deep lists and objects are nested, in JSON of untrusted balance; 0 if few are."""
    if data.count(b"[") + data.count(b"{") <= _MAX_DEPTH:
        return 0
    brackets = _STRINGS.sub(b"", data).translate(_STEPS, _NO_BRACKETS)
    return int(np.frombuffer(brackets, np.int8).cumsum(dtype=np.int64).max(initial=0))


def _cut_below(data: bytes, levels: int) -> bytes:
    """Replace each list or object that lies deeper by a number that stands for it."""
    parts = []
    depth = start = 0
    for token in _TOKENS.finditer(data):
        sign = token.group()[:1]
        if sign in b"{[":
            depth += 1
            if depth == levels + 1:
                parts += [data[start : token.start()], _CUT.encode()]
        elif sign != b'"':
            depth -= 1
            if depth == levels:
                start = token.end()
    return b"".join(parts) + (data[start:] if depth <= levels else b"")
