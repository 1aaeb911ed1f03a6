"""Commands called in this process, and one run of the demo for all tests that look at a run."""

import contextlib
import io
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from curate.cli import _main

_kept: list[TemporaryDirectory] = []


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


@lru_cache
def demo_run() -> tuple[Path, Said]:
    """Run the demo once for the whole session; give its folder and what was said."""
    _kept.append(TemporaryDirectory(prefix="curate-demo-"))
    out = Path(_kept[-1].name) / "out"
    return out, curate("run", "demo", "--engine", "in-process", "--output", str(out))
