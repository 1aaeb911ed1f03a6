"""What a person sees on the terminal: bars with rate and ETA there, plain lines elsewhere."""

from __future__ import annotations

import re
import sys
import time
from typing import Any

#: Everything that a terminal acts on instead of showing: C0/C1 controls, bidi and other formats.
_ACTS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def shown(text: str) -> str:
    r"""Make crawled text safe to print: what a terminal would act on is replaced.

    >>> shown("a\x1b[31mb\u202e")
    'a\ufffd[31mb\ufffd'
    """
    return _ACTS.sub("\ufffd", text)


def complain(message: str) -> None:
    """Say what went wrong, on stderr."""
    sys.stderr.write(f"curate: {shown(message)}\n")


def say(message: str = "") -> None:
    """Say something to the person, on stderr, so that stdout stays data."""
    sys.stderr.write(shown(message) + "\n")


def answer(message: str = "") -> None:
    """Print data, on stdout."""
    sys.stdout.write(shown(message) + "\n")


def as_json(value: object) -> str:
    """Give JSON for machines."""
    import json

    return json.dumps(value, ensure_ascii=False, indent=1, default=str)


def size(count: float) -> str:
    """Give bytes for people.

    >>> size(1_300_000)
    '1.3 MB'
    """
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if count < 1000 or unit == "TB":
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return ""


def table(header: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
    """Print a table: numbers to the right, the last column as long as it is."""
    cells = [[shown(str(cell)) for cell in row] for row in [header, *rows]]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    right = [
        bool(rows) and all(isinstance(row[i], int | float) for row in rows)
        for i in range(len(header))
    ]
    for row in cells:
        padded = [
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(row, widths, right, strict=True)
        ]
        answer("  ".join(padded).rstrip())


def progress() -> Any:
    """Give the listener that fits where stderr goes."""
    return Bars() if sys.stderr.isatty() else Lines()


class Lines:
    """One line per step when it is done: logs stay readable."""

    def start(self, label: str, total: int, done: int) -> None:
        """Remember when a step began."""
        self._label, self._total, self._reused = label, total, done
        self._since = time.monotonic()

    def advance(self, documents: int) -> None:
        """Say nothing between."""

    def finish(self) -> None:
        """Say what was done."""
        seconds = time.monotonic() - self._since
        reused = f", {self._reused} done before" if self._reused else ""
        say(f"{self._label}: {self._total} tasks{reused}, {seconds:.1f} s")

    def close(self) -> None:
        """Nothing is held."""


class Bars:
    """A bar per step, with tasks per second and the time that is left."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        self._bars = Progress(
            TextColumn("{task.description:<28}"),
            BarColumn(bar_width=28),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
        )
        self._bars.start()
        self._task: Any = None

    def start(self, label: str, total: int, done: int) -> None:
        """Show a new bar."""
        self._task = self._bars.add_task(shown(label), total=total, completed=done, rate="")
        self._since, self._done = time.monotonic(), 0

    def advance(self, documents: int) -> None:
        """Move the bar by one task."""
        self._done += 1
        rate = self._done / max(1e-9, time.monotonic() - self._since)
        self._bars.update(self._task, advance=1, rate=f"{rate:.1f} tasks/s")

    def finish(self) -> None:
        """Leave the bar as it is."""
        self._bars.refresh()

    def close(self) -> None:
        """Give the terminal back."""
        self._bars.stop()
