"""Commands called in this process, and one run of the demo for all tests that look at a run."""

import contextlib
import io
from pathlib import Path
from typing import NamedTuple

from curate.cli import _main
from tests.runs import once


class Said(NamedTuple):
    """What a command answered."""

    code: int
    out: str
    err: str


def curate(*arguments: str) -> Said:
    """Run the command line with these arguments, without a process of its own."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = _main([str(argument) for argument in arguments])
    return Said(code, out.getvalue(), err.getvalue())


def demo_run() -> tuple[Path, Said]:
    """Run the demo once for the whole session; return its folder and what the command printed."""
    out, answer = once(
        "demo", lambda out: curate("run", "demo", "--engine", "in-process", "--output", str(out))
    )
    return out, Said(*answer)
