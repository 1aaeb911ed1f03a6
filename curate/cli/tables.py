"""Tables that fit a terminal: headers and the last text on several lines, other texts cut."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

#: Whole numbers from here on are written with three digits and a unit; JSON has all of them.
_SHORT = 10_000_000

#: No text column becomes narrower than this, nor a last one, which is folded, than that.
_NARROWEST, _NARROWEST_FOLDED = 12, 24

_GAP = 2


def lines(
    header: Sequence[str], rows: Sequence[Sequence[Any]], width: int | None = None
) -> list[str]:
    r"""Return the lines of a table: numbers right-aligned, wide characters counted as two.

    With ``width`` a table that is wider gets headers of several lines first; then a last column of
    text is folded at its spaces, and the widest other texts are cut in their middle. Numbers are
    never cut.

    >>> print("\n".join(lines(("group", "share got"), [("kazakh", 4_000_000_000_000)], 13)))
             share
    group      got
    kazakh  4.00 T
    """
    right = [bool(rows) and all(_is_number(row[i]) for row in rows) for i in range(len(header))]
    body = [[_written(cell) for cell in row] for row in rows]
    heads = [[name] for name in header]
    widths = _widths(heads, body)
    if width is not None and _total(widths) > width:
        heads = [
            _wrapped(name, max(_width(row[i] for row in body), _width(name.split(" "))))
            for i, name in enumerate(header)
        ]
        widths = _widths(heads, body)
        folds = bool(right) and not right[-1] and widths[-1] > _NARROWEST_FOLDED
        if folds:
            least = max(_NARROWEST_FOLDED, _width(heads[-1]))
            excess = min(_total(widths) - width, widths[-1] - least)
            widths[-1] -= max(0, excess)
        _narrow(widths, [*right[:-1], right[-1] or folds], _total(widths) - width)
        if folds:
            body = [line for row in body for line in _folded(row, widths[-1])]
    tall = max((len(head) for head in heads), default=0)
    above = [
        ["" if line < tall - len(head) else head[line - tall + len(head)] for head in heads]
        for line in range(tall)
    ]
    return [(" " * _GAP).join(map(_padded, row, widths, right)).rstrip() for row in [*above, *body]]


def short(number: int) -> str:
    """Write a whole number for people: large ones with three digits and a unit.

    >>> short(9_999_999), short(12_345_678), short(4_000_000_000_000), short(999_999_999)
    ('9999999', '12.3 M', '4.00 T', '1.00 G')
    """
    if abs(number) < _SHORT:
        return str(number)
    value, unit = float(number), 0
    while abs(value) >= 999.5 and unit < len(_UNITS) - 1:
        value /= 1000
        unit += 1
    digits = 2 if abs(value) < 9.995 else 1 if abs(value) < 99.95 else 0
    return f"{value:.{digits}f} {_UNITS[unit]}"


_UNITS = ("", "k", "M", "G", "T", "P", "E")


def _written(cell: object) -> str:
    return short(cell) if isinstance(cell, int) and not isinstance(cell, bool) else str(cell)


def _is_number(cell: object) -> bool:
    """Return whether a cell is right-aligned: numbers, also with a unit or percent sign."""
    return not isinstance(cell, str) or bool(
        re.fullmatch(r"-|[-+]?\d[\d.]*( ?[%a-zA-Z]{1,2})?", cell)
    )


def _width(cells: Iterable[str]) -> int:
    from rich.cells import cell_len

    return max(map(cell_len, cells), default=0)


def _widths(heads: list[list[str]], body: list[list[str]]) -> list[int]:
    return [max(_width(head), _width(row[i] for row in body)) for i, head in enumerate(heads)]


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + _GAP * (len(widths) - 1)


def _wrapped(name: str, width: int) -> list[str]:
    """Put the words of a text on lines of a width; a longer word has a line of its own."""
    from rich.cells import cell_len

    words = name.split(" ")
    out = [words[0]]
    for word in words[1:]:
        if cell_len(out[-1]) + 1 + cell_len(word) <= width:
            out[-1] += f" {word}"
        else:
            out.append(word)
    return out


def _folded(row: list[str], width: int) -> Iterator[list[str]]:
    """Yield the lines of a row whose last cell is folded; a word that is too long is cut later."""
    first, *more = _wrapped(row[-1], width)
    yield [*row[:-1], first]
    for line in more:
        yield [*[""] * (len(row) - 1), line]


def _narrow(widths: list[int], right: Sequence[bool], excess: int) -> None:
    """Take ``excess`` cells from the columns of text, always from the widest."""
    texts = [i for i, is_number in enumerate(right) if not is_number]
    while excess > 0 and texts:
        widest = max(texts, key=lambda i: widths[i])
        if widths[widest] <= _NARROWEST:
            return
        widths[widest] -= 1
        excess -= 1


def _padded(cell: str, width: int, to_right: bool) -> str:
    from rich.cells import cell_len

    cell = cut(cell, width)
    blank = " " * (width - cell_len(cell))
    return blank + cell if to_right else cell + blank


def cut(text: str, width: int) -> str:
    """Cut a text in its middle to so many cells; characters that combine stay together.

    >>> cut("web/crawl.warc.gz#15258", 12), cut("湖边晚报湖边晚报", 9)
    ('web/cr…15258', '湖边…晚报')
    """
    from rich.cells import cell_len

    if cell_len(text) <= width:
        return text
    import regex

    letters = regex.findall(r"\X", text)
    front, back = width // 2, (width - 1) // 2
    return "".join([*_first(letters, front), "…", *reversed(_first(letters[::-1], back))])


def _first(letters: Sequence[str], width: int) -> list[str]:
    """Return the first letters that fit."""
    from rich.cells import cell_len

    taken: list[str] = []
    for letter in letters:
        width -= cell_len(letter)
        if width < 0:
            break
        taken.append(letter)
    return taken
