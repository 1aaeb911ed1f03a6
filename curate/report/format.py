"""Text, numbers, sizes and times as people read them; control characters become visible."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

#: Joiners shape words in Persian, Hindi and many more scripts: they are letters to a reader.
_JOINERS = "\u200c\u200d"


def visible(text: str) -> str:
    r"""Show controls and bidi marks as pictures; newlines and tabs stay. Empty text stays empty.

    A right-to-left override in a title reverses the line that a person reads (trojansource.codes);
    an escape character controls the terminal. Lone surrogates, which cannot be encoded, are
    replaced. Long runs of combining marks are kept: the page cuts what overflows.

    >>> visible("a\x1b[31m\u202eb\x7f")
    'a␛[31m[U+202E]b␡'
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_shown, text))


def _shown(character: str) -> str:
    if character in "\n\t" or character in _JOINERS or character.isprintable():
        return character
    code = ord(character)
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "\u2421"
    kind = unicodedata.category(character)
    if kind == "Cs":
        return "\ufffd"
    if kind in ("Cc", "Cf", "Zl", "Zp"):
        return f"[U+{code:04X}]"
    return character


def one_line(text: str) -> str:
    r"""Show text in one line.

    >>> one_line("a\n\n b\tc ")
    'a b c'
    """
    return " ".join(visible(text).split())


def address(url: str) -> str:
    """Show an address without user, password and query, because crawled URLs contain keys.

    >>> address("https://me:pw@example.org/a?token=1#x")
    'https://example.org/a'
    >>> address("http://[")
    ''
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}" if host else parts.path


def code(text: str) -> str:
    r"""Write text as a Markdown code span, safe in a table cell too: nothing in it is markup.

    The fence is longer than any run of backticks inside. A bar would end the table's cell even
    after a backslash, so it is shown as a broken bar.

    >>> code("a`b|<script>"), code("")
    ('``a`b¦<script>``', '')
    """
    shown = one_line(text).replace("|", "¦")
    if not shown:
        return ""
    longest = run = 0
    for character in shown:
        run = run + 1 if character == "`" else 0
        longest = max(longest, run)
    fence = "`" * (longest + 1)
    pad = " " if shown[0] == "`" or shown[-1] == "`" else ""
    return f"{fence}{pad}{shown}{pad}{fence}"


def number(value: float | None) -> str:
    """Write a number for people; a dash where there is none.

    >>> number(12345), number(0.51234), number(None)
    ('12,345', '0.5123', '–')
    """
    if value is None:
        return "–"
    if float(value).is_integer():
        return f"{int(value):,}"
    return f"{value:,.4g}"


def count(value: int | None) -> str:
    """Write a count with three digits or four; a dash where there is none.

    >>> count(386), count(21_266_000), count(4_000_000_000_000), count(None)
    ('386', '21.3 M', '4.0 T', '–')
    """
    for size, unit in ((10**12, "T"), (10**9, "G"), (10**6, "M")):
        if value is not None and value >= size * 0.99995:
            return f"{value / size:.1f} {unit}"
    return number(value)


def ratio(value: float | None) -> str:
    """Write a ratio with two decimals; a dash where it is undefined.

    >>> ratio(2.0449), ratio(None)
    ('2.04', '–')
    """
    return "–" if value is None else f"{value:.2f}"


def percent(value: float | None) -> str:
    """Write a share; a dash where it is undefined.

    >>> percent(0.4114), percent(0.99996), percent(None)
    ('41.1 %', '99.9 %', '–')
    """
    if value is None:
        return "–"
    # Rounding must not claim that all was kept, or nothing, when it was not.
    shown = round(value * 100, 1)
    if shown == 100 and value < 1:
        shown = 99.9
    if shown == 0 and value > 0:
        return "< 0.1 %"
    return f"{shown:.1f} %"


def size(count: float) -> str:
    """Write bytes for people.

    >>> size(999), size(1_300_000), size(999_999), size(-2048)
    ('999 B', '1.3 MB', '1.0 MB', '−2.0 kB')
    """
    if count < 0:
        return "−" + size(-count)
    for unit in ("B", "kB", "MB", "GB"):
        if count < (999.5 if unit == "B" else 999.95):
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def duration(seconds: float | None) -> str:
    """Write a time for people.

    >>> duration(0.034), duration(4.25), duration(59.96), duration(7322), duration(None)
    ('0.03 s', '4.2 s', '1 min 0 s', '2 h 2 min', '–')
    >>> duration(1_000_000)
    '11 d 14 h'
    """
    if seconds is None:
        return "–"
    if seconds < 59.95:
        return f"{seconds:.{1 if seconds >= 1 else 2}f} s"
    if seconds < 3599.5:
        return f"{round(seconds) // 60} min {round(seconds) % 60} s"
    if seconds < 172_770:
        minutes = round(seconds / 60)
        return f"{minutes // 60} h {minutes % 60} min"
    hours = round(seconds / 3600)
    return f"{hours // 24} d {hours % 24} h"


def unmatched(counts: Mapping[str, Any]) -> str:
    """Return in words what of a sidecar matched, and what did not on both sides.

    >>> unmatched({"documents": 9, "unmatched_documents": 2, "documents_without_key": 0, "rows": 8,
    ...            "unmatched_rows": 1, "rows_without_key": 0, "values_that_do_not_fit": 3})
    '7 of 9 documents have a row; 2 match none; 1 of 8 rows match none; 3 values do not fit'
    """
    kept = counts["documents"] - counts["unmatched_documents"] - counts["documents_without_key"]
    parts = [
        f"{kept:,} of {counts['documents']:,} documents have a row",
        f"{counts['unmatched_documents']:,} match none",
    ]
    if counts["documents_without_key"]:
        parts.append(f"{counts['documents_without_key']:,} have no key")
    parts.append(f"{counts['unmatched_rows']:,} of {counts['rows']:,} rows match none")
    if counts["rows_without_key"]:
        parts.append(f"{counts['rows_without_key']:,} rows have no key")
    if counts["values_that_do_not_fit"]:
        parts.append(f"{counts['values_that_do_not_fit']:,} values do not fit")
    return "; ".join(parts)
