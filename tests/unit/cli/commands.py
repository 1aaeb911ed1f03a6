"""Run commands in this process, and the demo once for all tests that read a run."""

import contextlib
import io
from pathlib import Path
from typing import NamedTuple

from curate.cli import _main
from tests.runs import once


class Output(NamedTuple):
    """The exit code of a command, and what it printed."""

    code: int
    out: str
    err: str


def curate(*arguments: str) -> Output:
    """Run the command line with these arguments in this process."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = _main([str(argument) for argument in arguments])
    return Output(code, out.getvalue(), err.getvalue())


def demo_run() -> tuple[Path, Output]:
    """Run the demo once for the whole session; return its folder and what the command printed."""
    out, answer = once(
        "demo", lambda out: curate("run", "demo", "--engine", "in-process", "--output", str(out))
    )
    return out, Output(*answer)
