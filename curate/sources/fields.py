"""Helpers for structured records: fields by name, dates in any notation, other fields as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple

from curate.errors import nearest

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


def microseconds(value: object) -> int | None:
    """Return a date as microseconds since the epoch in UTC; None for what is no date.

    ISO 8601 in all forms that Python reads (no zone means UTC), datetimes, and numbers of seconds,
    milliseconds, microseconds or nanoseconds, distinguished by size, which is wrong for
    milliseconds of the first months of 1970.

    >>> microseconds("2026-01-02T03:04:05Z"), microseconds(1767323045), microseconds(1767323045000)
    (1767323045000000, 1767323045000000, 1767323045000000)
    >>> microseconds("20260102"), microseconds("yesterday")
    (1767312000000000, None)
    """
    if isinstance(value, str) and len(value) <= 64:
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError:
            return None
    if isinstance(value, datetime):
        at = value if value.tzinfo else value.replace(tzinfo=UTC)
        since = (at - _EPOCH) // timedelta(microseconds=1)
        return since if FIRST * 10**6 <= since <= LAST * 10**6 else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    size = abs(value)
    per_second = 1 if size < 1e11 else 10**3 if size < 1e14 else 10**6 if size < 1e17 else 10**9
    if not FIRST <= value / per_second <= LAST:
        return None
    if isinstance(value, int):
        return int(value * 10**6) // per_second
    return int(value / per_second * 1e6)


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
    if not kept:
        return None
    try:
        return _write(kept)
    except ValueError:
        text = json.dumps(kept, default=str)
        return _write(json.loads(text, parse_constant=lambda _: None))


_write = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"), default=str
).encode
