"""Helpers for structured records: fields by name, dates in any notation, other fields as JSON."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import islice
from typing import NamedTuple, TypeGuard
from urllib.parse import unquote

from curate.errors import nearest
from curate.sources.base import safe_in_id

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: The years 1 to 9999 in seconds: the range of a timestamp column and of every reader of it.
FIRST, LAST = -62_135_596_800, 253_402_300_799

MISSING = object()


def take(record: dict[str, object], path: str) -> object:
    """Remove and return the field at a path, or MISSING: the path as a name, else as dotted steps.

    >>> record = {"content": {"body": "x", "lang": "kk"}, "a.b": 1}
    >>> take(record, "content.body"), take(record, "a.b"), take(record, "content.x") is MISSING
    ('x', 1, True)
    >>> record
    {'content': {'lang': 'kk'}}
    """
    if path in record:
        return record.pop(path)
    step, _, rest = path.partition(".")
    inner = record.get(step)
    if not rest or not isinstance(inner, dict):
        return MISSING
    value = take(inner, rest)
    if not inner:
        del record[step]
    return value


def at(record: Mapping[str, object], path: str) -> object:
    """Return the value of the field at a path, or MISSING; the record stays as it is.

    >>> at({"content": {"body": "x"}, "a.b": 1}, "content.body"), at({"a.b": 1}, "a.b")
    ('x', 1)
    """
    if path in record:
        return record[path]
    value: object = record
    for step in path.split("."):
        if not isinstance(value, dict) or step not in value:
            return MISSING
        value = value[step]
    return value


def paths(record: Mapping[str, object], depth: int = 4) -> Iterator[str]:
    """Yield the names of a record's fields, and in dotted steps those of the objects in it.

    >>> list(paths({"score": 1, "meta": {"quality": {"score": 2}}}))
    ['score', 'meta', 'meta.quality', 'meta.quality.score']
    """
    for name, value in islice(record.items(), 100):
        yield name
        if isinstance(value, dict) and depth > 1:
            yield from (f"{name}.{inner}" for inner in paths(value, depth - 1))


def missing(path: str, record: Mapping[str, object]) -> str:
    """Return an error for a field that is missing, with the one that was probably meant."""
    return _missing(path, tuple(str(key)[:64] for key, _ in zip(record, range(50))))


@lru_cache(maxsize=256)
def _missing(path: str, names: tuple[str, ...]) -> str:
    # Cached, because a wrong option gives the same error for every record of a file.
    return f"no field '{path}'" + (f": {nearest(path, map(shown, names))[:300]}" if names else "")


def shown(name: str) -> str:
    r"""Return a name of untrusted input with control characters escaped, safe for a terminal.

    >>> shown("мәтін\x1b[31m")
    'мәтін\\x1b[31m'
    """
    return "".join(
        sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in name[:64]
    )


def with_own_id(locator: str, value: object) -> str:
    """Return a locator with the id that the record has itself: ``<locator>~<id>``.

    >>> with_own_id("0:3", "doc#7"), with_own_id("0:4", None)
    ('0:3~doc%237', '0:4')
    """
    if value is None or not isinstance(value, str | int):
        return locator
    return f"{locator}~{safe_in_id(str(value)[:256])}"


def partitions(name: str) -> dict[str, object]:
    """Return the keys of the folders of a file's name, as Hive and Spark write them, as text.

    >>> partitions("year=2024/month=01/city=A%2FB/part-0.parquet")
    {'year': '2024', 'month': '01', 'city': 'A/B'}
    """
    pairs = (folder.partition("=") for folder in name.split("/")[:-1])
    return {
        key: None if value == "__HIVE_DEFAULT_PARTITION__" else unquote(value)
        for key, equals, value in pairs
        if equals and key
    }


def microseconds(value: object) -> int | None:
    """Return a date as microseconds since the epoch in UTC; None for what is no date.

    ISO 8601 in all forms that Python reads (no zone means UTC), datetimes, and numbers of seconds,
    milliseconds, microseconds or nanoseconds, distinguished by size, which is wrong for
    milliseconds of the first months of 1970. Digits that write a day or a second of the years 1900
    to 2100 (``20240131``, ``20240131235959`` as in Common Crawl) are that, as text or as a number;
    a number of four digits is a year alone, and no date.

    >>> microseconds("2026-01-02T03:04:05Z"), microseconds(1767323045), microseconds(1767323045000)
    (1767323045000000, 1767323045000000, 1767323045000000)
    >>> microseconds("20260102"), microseconds(20260102000000), microseconds("yesterday")
    (1767312000000000, 1767312000000000, None)
    """
    if isinstance(value, int) and not isinstance(value, bool):
        if 1000 <= value <= 9999:
            return None
        written = _written(str(value)) if 19_000_101 <= value < 21_010_101_000_000 else None
        value = value if written is None else written
    elif isinstance(value, str) and len(value) == 14:
        value = _written(value) or value
    if isinstance(value, str) and len(value) <= 64:
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError:
            return None
    if isinstance(value, datetime):
        at = value if value.tzinfo else value.replace(tzinfo=UTC)
        since = (at - _EPOCH) // timedelta(microseconds=1)
        return since if FIRST * 10**6 <= since <= LAST * 10**6 else None
    if isinstance(value, bool) or not is_number(value):
        return None
    size = abs(value)
    per_second = 1 if size < 1e11 else 10**3 if size < 1e14 else 10**6 if size < 1e17 else 10**9
    if not FIRST <= value / per_second <= LAST:
        return None
    if isinstance(value, int):
        return int(value * 10**6) // per_second
    return int(value / per_second * 1e6)


def is_number(value: object) -> TypeGuard[int | float]:
    """Return whether a value is a finite number that a float can have: 400 digits are none.

    >>> is_number(3), is_number("3"), is_number(float("nan")), is_number(10**400)
    (True, False, False, False)
    """
    return isinstance(value, int | float) and -sys.float_info.max <= value <= sys.float_info.max


def _written(digits: str) -> datetime | None:
    """Return the time that eight or fourteen digits write, in the years 1900 to 2100."""
    form = {8: "%Y%m%d", 14: "%Y%m%d%H%M%S"}.get(len(digits))
    if form is None or not "1900" <= digits[:4] <= "2100" or not digits.isdecimal():
        return None
    try:
        return datetime.strptime(digits, form).replace(tzinfo=UTC)
    except ValueError:
        return None


class Provenance(NamedTuple):
    """The columns of a document about its origin, and ``meta``."""

    url: str | None
    date: int | None
    license: str | None
    meta: str | None


def provenance(
    record: dict[str, object],
    url: str | None,
    date: str | None,
    license: str | None,
    keep: Iterable[str] | None,
) -> Provenance:
    """Remove the fields with these names from a record; the rest of it is ``meta``.

    Values of a wrong type and dates that cannot be read count as missing and stay in ``meta``.

    >>> provenance({"u": "http://a", "when": "never"}, "u", "when", None, None)
    Provenance(url='http://a', date=None, license=None, meta='{"when":"never"}')
    """
    link = take(record, url) if url else None
    if not isinstance(link, str) and url and link not in (None, MISSING):
        record[url], link = link, None
    when = take(record, date) if date else None
    at = microseconds(when)
    if at is None and date and when not in (None, MISSING):
        record[date] = when
    terms = take(record, license) if license else None
    return Provenance(
        link if isinstance(link, str) else None,
        at,
        terms if isinstance(terms, str) else None,
        leftovers(record, keep),
    )


def leftovers(record: Mapping[str, object], keep: Iterable[str] | None = None) -> str | None:
    """Return the fields that no column has as JSON with sorted keys; None where there are none.

    ``keep`` names those to keep, None means all. Numbers that JSON cannot represent become null.

    >>> leftovers({"b": 1, "a": "ә"}), leftovers({"b": 1}, keep=()), leftovers({"x": float("inf")})
    ('{"a":"ә","b":1}', None, '{"x":null}')
    """
    kept = record if keep is None else {name: record[name] for name in keep if name in record}
    return as_json(kept) if kept else None


def as_json(value: object) -> str | None:
    """Return a value as JSON, for ``meta``; None for None."""
    if value is None:
        return None
    try:
        return _write(value)
    except ValueError:
        text = json.dumps(value, default=_plain)
        return _write(json.loads(text, parse_constant=lambda _: None))


def _plain(value: object) -> str:
    """Return a value that JSON does not have as text: dates in ISO 8601, bytes as text or base64.

    >>> _plain(datetime(2026, 1, 2, tzinfo=UTC)), _plain(bytes([255])), _plain(b"ab")
    ('2026-01-02T00:00:00+00:00', '/w==', 'ab')
    """
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return base64.b64encode(value).decode()
    return str(value)


_write = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"), default=_plain
).encode
