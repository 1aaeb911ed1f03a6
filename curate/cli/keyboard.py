"""Keys of a terminal, one by one, or lines of a pipe."""

from __future__ import annotations

import codecs
import os
import re
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

#: What arrows and function keys send; it contains letters that nobody typed.
_SEQUENCE = re.compile(r"\x1b(?:\[[0-9;?]*[ -/]*[@-~]?|O.?|.)?", re.DOTALL)
#: Seconds in which the rest of a key's bytes arrives.
_REST = 0.05


class Lines:
    """Answers from a pipe or file: the first sign of each line, a reason in its rest or below."""

    def __init__(self) -> None:
        self._rest = ""

    def key(self) -> str | None:
        """Return the next key; None at the end of the input."""
        line = sys.stdin.readline()
        self._rest = line.strip()[1:].strip()
        return (line.strip()[:1] or " ") if line else None

    def line(self) -> str:
        """Return the rest of the line, or the next one."""
        return self._rest or sys.stdin.readline().strip()


class Keys:
    """Single keys from a terminal."""

    def __init__(self, terminal: int, usual: list[Any]) -> None:
        self._terminal, self._usual = terminal, usual
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._typed = ""

    def key(self) -> str | None:
        """Wait for a key; None where the terminal is gone."""
        while not self._typed:
            data = os.read(self._terminal, 1024)
            if not data:
                return None
            self._typed += self._decode(data)
            begun = "\x1b" in self._typed[-12:]
            if begun and select.select([self._terminal], [], [], _REST)[0]:
                self._typed += self._decode(os.read(self._terminal, 1024))
            self._typed = _SEQUENCE.sub("", self._typed)
        key, self._typed = self._typed[0], self._typed[1:]
        return None if key == "\x04" else key

    def line(self) -> str:
        """Read a line with the terminal's own editing."""
        import termios

        here = termios.tcgetattr(self._terminal)
        typed, self._typed = self._typed, ""
        if "\n" in typed:
            line, _, self._typed = typed.partition("\n")
            return line.strip()
        termios.tcsetattr(self._terminal, termios.TCSADRAIN, self._usual)
        try:
            data = os.read(self._terminal, 4096)
        finally:
            termios.tcsetattr(self._terminal, termios.TCSADRAIN, here)
        return _SEQUENCE.sub("", typed + data.decode("utf-8", "replace")).strip()


@contextmanager
def keyboard() -> Iterator[Keys | Lines]:
    """Yield what the user types; the terminal is as before afterwards, whatever happens."""
    if not sys.stdin.isatty():
        yield Lines()
        return
    import termios
    import tty

    terminal = sys.stdin.fileno()
    usual = termios.tcgetattr(terminal)
    try:
        tty.setcbreak(terminal, termios.TCSADRAIN)
        yield Keys(terminal, usual)
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, usual)
