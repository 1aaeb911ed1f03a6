"""What a person sees on the terminal: bars with rate and ETA there, plain lines elsewhere."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from curate.kernels.cache import cache_folder, is_empty

Write = Callable[[str], None]

#: Everything that a terminal acts on instead of showing: C0 and C1 controls, bidirectional formats,
#: line separators, annotations, tag characters, lone surrogates. Joiners and zero-width spaces stay:
#: Persian and Khmer are written with them.
_ACTS = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u206f"
    r"\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)

#: Seconds between two lines about a step that is still at work, where there is no terminal.
QUIET = 30.0


def shown(text: str) -> str:
    r"""Make crawled text safe to print: what a terminal would act on is replaced.

    >>> shown("a\x1b[31mb\u202e")
    'a\ufffd[31mb\ufffd'
    """
    return _ACTS.sub("\ufffd", text)


def one_line(text: str) -> str:
    r"""Make text safe to print within a line: as ``shown``, and line ends and tabs are spaces.

    >>> one_line("a\r\n\tb")
    'a\ufffd  b'
    """
    return shown(text).replace("\n", " ").replace("\t", " ")


def complain(message: str) -> None:
    """Say what went wrong, on stderr."""
    sys.stderr.write(f"curate: {shown(message)}\n")


def say(message: str = "") -> None:
    """Say something to the person, on stderr, so that stdout stays data."""
    sys.stderr.write(shown(message) + "\n")


def answer(message: str = "") -> None:
    """Print data, on stdout."""
    sys.stdout.write(shown(message) + "\n")


def as_json(value: object, indent: int | None = 1) -> str:
    r"""Give JSON for machines; what a terminal would act on is escaped, so nothing is lost.

    >>> as_json({"text": "қ\x9b"}, None)
    '{"text": "қ\\u009b"}'
    """
    import json

    said = json.dumps(value, ensure_ascii=False, indent=indent, default=str)
    return _ACTS.sub(lambda sign: json.dumps(sign[0])[1:-1], said) if _ACTS.search(said) else said


def size(count: float) -> str:
    """Give bytes for people.

    >>> size(1_300_000), size(999_999)
    ('1.3 MB', '1.0 MB')
    """
    for unit in ("B", "kB", "MB", "GB"):
        if count < (999.5 if unit == "B" else 999.95):
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def duration(seconds: float) -> str:
    """Give a stretch of time for people.

    >>> duration(4.25), duration(250), duration(100_000)
    ('4.2 s', '4 min 10 s', '27 h 46 min')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def fixed(value: float | None, digits: int = 4) -> str:
    """Give a share with a fixed number of digits; null is a dash.

    >>> fixed(0.375), fixed(None)
    ('0.3750', '-')
    """
    return "-" if value is None else f"{value:.{digits}f}"


def table(header: Sequence[str], rows: Sequence[Sequence[Any]], write: Write = answer) -> None:
    """Print a table: numbers to the right, wide characters counted as two, no trailing blanks."""
    from rich.cells import cell_len

    cells = [[one_line(str(cell)) for cell in row] for row in [header, *rows]]
    widths = [max(cell_len(row[i]) for row in cells) for i in range(len(header))]
    right = [bool(rows) and all(_is_number(row[i]) for row in rows) for i in range(len(header))]
    for row in cells:
        padded = [
            blank + cell if to_right else cell + blank
            for cell, width, to_right in zip(row, widths, right, strict=True)
            for blank in (" " * (width - cell_len(cell)),)
        ]
        write("  ".join(padded).rstrip())


def _is_number(cell: object) -> bool:
    """Tell what stands best to the right: numbers, also with a unit or percent sign."""
    return not isinstance(cell, str) or bool(re.fullmatch(r"-|\d[\d.]*( ?[%a-zA-Z]{1,2})?", cell))


class Listener(Protocol):
    """Who is told how far a run is; held open from first to last step."""

    def start(self, label: str, total: int, done: int) -> None: ...
    def advance(self, documents: int) -> None: ...
    def finish(self) -> None: ...
    def close(self) -> None: ...


def progress() -> Listener:
    """Give the listener that fits where stderr goes; warn of what makes the first run ever slow."""
    if is_empty():
        say(f"compiling for this machine, once: half a minute, kept in {cache_folder()}")
    return Bars() if sys.stderr.isatty() else Lines()


class Lines:
    """One line per step when it is done, and now and then before: logs stay readable."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock

    def start(self, label: str, total: int, done: int) -> None:
        """Remember when a step began."""
        self._label, self._total, self._reused, self._new = label, total, done, 0
        self._since = self._said = self._clock()

    def advance(self, documents: int) -> None:
        """Count a task; say how far the step is if nothing was said for a while."""
        self._new += 1
        now = self._clock()
        done = self._reused + self._new
        if now - self._said < QUIET or done == self._total:
            return
        self._said = now
        rate = self._new / (now - self._since)
        left = duration((self._total - done) / rate)
        say(f"{self._label}: {done} of {self._total} tasks, {rate:.2g} tasks/s, {left} left")

    def finish(self) -> None:
        """Say what was done."""
        tasks = f"{self._total} task" + ("" if self._total == 1 else "s")
        reused = f", {self._reused} done before" if self._reused else ""
        say(f"{self._label}: {tasks}{reused}, {duration(self._clock() - self._since)}")

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
            TextColumn("{task.description:<28}", markup=False),
            BarColumn(bar_width=28),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]:>12}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(compact=True),
            console=Console(stderr=True),
        )
        self._bars.start()
        self._task: Any = None

    def start(self, label: str, total: int, done: int) -> None:
        """Show a new bar."""
        self._task = self._bars.add_task(one_line(label), total=total, completed=done, rate="")
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
