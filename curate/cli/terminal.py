"""Output of the command line: progress bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import re
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TextIO

from curate.errors import without_secrets
from curate.report.format import duration

Write = Callable[[str], None]

#: What a terminal interprets instead of showing: C0 and C1 controls, bidirectional formats, line
#: separators, annotations, tag characters, lone surrogates. Joiners and zero-width spaces are not
#: included, because Persian and Khmer are written with them.
_CONTROLS = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u206f"
    r"\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)

#: Words with the spaces before them; each wide character is one.
_WIDE = (
    r"\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6"
)
_WORDS = re.compile(rf" *(?:[{_WIDE}]|[^ {_WIDE}]+)")

#: Seconds between two lines about a running step, where there is no terminal.
QUIET = 30.0


def printable(text: str) -> str:
    r"""Return crawled text safe to print: what a terminal would interpret is replaced.

    >>> printable("a\x1b[31mb\u202e")
    'a\ufffd[31mb\ufffd'
    """
    return _CONTROLS.sub("\ufffd", text)


def printable_line(text: str) -> str:
    r"""Return text safe to print within a line: ``printable``, with line ends and tabs as spaces.

    >>> printable_line("a\r\n\tb")
    'a\ufffd  b'
    """
    return printable(text).replace("\n", " ").replace("\t", " ")


def folded(text: str, width: int) -> str:
    r"""Fold long lines at spaces, with the rest indented; a word is never cut.

    Between wide characters, as Chinese and Japanese have them, a line may end anywhere.

    >>> folded("湖边晚报湖边晚报", 9).split("\n")
    ['湖边晚报', '  湖边晚', '  报']
    >>> folded("  211 records: 12 skipped", 20).split("\n")
    ['  211 records: 12', '    skipped']
    """
    out = []
    for line in text.split("\n"):
        if 2 * len(line) <= width:  # no character is wider than two cells
            out.append(line)
            continue
        from rich.cells import cell_len

        indent = " " * (len(line) - len(line.lstrip(" ")) + 2)
        begun, length = "", 0
        for word in _WORDS.findall(line):
            added = cell_len(word)
            if begun.strip() and length + added > width:
                out.append(begun)
                begun, word = "", indent + word.lstrip(" ")
                length, added = 0, cell_len(word)
            begun, length = begun + word, length + added
        out.append(begun)
    return "\n".join(out)


def _write(stream: TextIO, text: str) -> None:
    """Print lines; those that a terminal would break within a word are folded."""
    if stream.isatty():
        text = folded(text, shutil.get_terminal_size().columns)
    stream.write(text + "\n")


def complain(message: str) -> None:
    """Print an error on stderr."""
    _write(sys.stderr, f"curate: {printable(without_secrets(message))}")


def say(message: str = "") -> None:
    """Print a message on stderr, so that stdout contains data alone."""
    _write(sys.stderr, printable(without_secrets(message)))


def answer(message: str = "") -> None:
    """Print data, on stdout."""
    _write(sys.stdout, printable(message))


def print_markdown(text: str) -> None:
    """Print Markdown as it is; on a terminal as it is meant, with tables that fit."""
    if not sys.stdout.isatty():
        answer(text)
        return
    from rich.console import Console
    from rich.markdown import Markdown

    Console().print(Markdown(printable(text), hyperlinks=False))


def as_json(value: object, indent: int | None = 1) -> str:
    r"""Return JSON; what a terminal would interpret is escaped, so that nothing is lost.

    >>> as_json({"text": "қ\x9b"}, None)
    '{"text": "қ\\u009b"}'
    """
    import json

    text = json.dumps(value, ensure_ascii=False, indent=indent, default=str)
    return _CONTROLS.sub(lambda match: json.dumps(match[0])[1:-1], text)


def fixed(value: float | None, digits: int = 4) -> str:
    """Write a share with a fixed number of digits; null is a dash.

    >>> fixed(0.375), fixed(None)
    ('0.3750', '-')
    """
    return "-" if value is None else f"{value:.{digits}f}"


def table(header: Sequence[str], rows: Sequence[Sequence[Any]], write: Write = answer) -> None:
    """Print a table; on a terminal it fits the width (:mod:`curate.cli.tables`)."""
    from curate.cli import tables

    stream = sys.stderr if write is say else sys.stdout
    width = shutil.get_terminal_size().columns if stream.isatty() else None
    safe = [
        [cell if isinstance(cell, int) else printable_line(str(cell)) for cell in row]
        for row in rows
    ]
    for line in tables.lines([printable_line(name) for name in header], safe, width):
        write(line)


@contextmanager
def progress() -> Iterator[Lines | Bars]:
    """Yield the listener for a terminal or a file."""
    listener = Bars() if sys.stderr.isatty() else Lines()
    try:
        yield listener
    finally:
        listener.close()


class Lines:
    """A line per finished stage, and one every QUIET seconds before: logs stay readable.

    A stage that needs all data has several steps; they share a line.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._stage, self._tasks, self._reused, self._began = "", 0, 0, 0.0

    def note(self, text: str) -> None:
        """Print a line."""
        say(text)

    def start(self, label: str, total: int, done: int) -> None:
        """Begin a step, perhaps the first of a stage."""
        stage, _, step = label.partition(": ")
        if stage != self._stage:
            self.close()
            self._stage, self._tasks, self._reused, self._began = stage, 0, 0, self._clock()
            self._printed = self._began
        self._step, self._total, self._done = f" {step}" if step else "", total, done
        self._tasks += total
        self._reused += done

    def advance(self, share: float, seconds_left: float | None) -> None:
        """Count a task; print the progress if nothing was printed for QUIET seconds."""
        self._done += 1
        now = self._clock()
        if now - self._printed < QUIET or self._done == self._total:
            return
        self._printed = now
        whole = f"; all: {share:.0%}, {duration(seconds_left)} left" if seconds_left else ""
        say(f"{self._stage}{self._step}: {self._done} of {self._total} tasks{whole}")

    def finish(self) -> None:
        """Print nothing: the stage may have more steps."""

    def close(self) -> None:
        """Print what was done for the stage at hand."""
        if self._stage:
            tasks = f"{self._tasks} task" + ("" if self._tasks == 1 else "s")
            reused = f", {self._reused} done before" if self._reused else ""
            say(f"{self._stage}: {tasks}{reused}, {duration(self._clock() - self._began)}")
            self._stage = ""


class Bars:
    """A bar for the whole run, and below it one for the stage at hand."""

    def __init__(self) -> None:
        from rich import progress as bar
        from rich.console import Console

        self._bars = bar.Progress(
            bar.TextColumn("{task.description:<28}", markup=False),
            bar.BarColumn(bar_width=28),
            bar.TaskProgressColumn(),
            bar.TextColumn("{task.fields[tells]}", markup=False),
            bar.TimeElapsedColumn(),
            console=Console(stderr=True),
        )
        self._bars.start()
        self._whole = self._bars.add_task("all", total=1.0, tells="")
        self._step: Any = None
        self._stage = ""

    def note(self, text: str) -> None:
        """Print a line above the bars."""
        self._bars.console.print(
            printable_line(without_secrets(text)), markup=False, highlight=False
        )

    def start(self, label: str, total: int, done: int) -> None:
        """Show a step in the bar of its stage, which the next stage replaces."""
        stage, _, step = label.partition(": ")
        if stage != self._stage:
            if self._step is not None:
                self._bars.remove_task(self._step)
            self._step = self._bars.add_task(printable_line(stage), tells="")
            self._stage = stage
        self._name, self._total, self._done = printable_line(step), total, done
        self._draw()

    def advance(self, share: float, seconds_left: float | None) -> None:
        """Move the bars by one task."""
        self._done += 1
        left = "" if seconds_left is None else f"{duration(seconds_left)} left"
        self._bars.update(self._whole, completed=share, tells=left)
        self._draw()

    def finish(self) -> None:
        """Draw the bars once more."""
        self._bars.refresh()

    def close(self) -> None:
        """Stop drawing."""
        self._bars.stop()

    def _draw(self) -> None:
        tells = f"{self._name} {self._done} of {self._total}".strip()
        self._bars.update(self._step, total=self._total, completed=self._done, tells=tells)
