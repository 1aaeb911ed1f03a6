"""Run the command line in a new process at the cost of a fork: imports and kernels are loaded.

A server process imports everything and runs a small recipe once; then each call forks it. The child
is an ordinary process: it can be killed at a failpoint or interrupted, and its exit code is real.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from subprocess import CompletedProcess

from tests.conftest import SESSION
from tests.runs import write_corpus, write_recipe

#: Seconds after which a child that hangs is killed.
LIMIT = 120


class Server:
    """Fork command lines until it is closed."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", "from tests.faults.forked import serve; serve()"],
            cwd=Path(__file__).parents[2],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __call__(self, *arguments: str, limit: int = LIMIT, **environment: str) -> CompletedProcess:
        """Run ``curate`` with arguments; blocks until it ends."""
        request = {
            "arguments": list(map(str, arguments)),
            "environment": environment,
            "limit": limit,
        }
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        return CompletedProcess(arguments, answer["code"], answer["stdout"], answer["stderr"])

    def close(self) -> None:
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(10)


def serve() -> None:
    """Answer one line of JSON per call, in turn."""
    from curate import api

    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    folder = Path(tempfile.mkdtemp(dir=os.environ.get(SESSION)))
    write_corpus(folder / "in", documents=20)
    api.run(
        write_recipe(folder / "warm.toml", folder / "in"),
        output=folder / "out",
        engine="in-process",
    )
    for line in sys.stdin:
        call = json.loads(line)
        child = os.fork()
        if not child:
            _child(call, folder)
        _, status = os.waitpid(child, 0)
        answer = {
            "code": os.waitstatus_to_exitcode(status),
            "stdout": (folder / "stdout").read_text(),
            "stderr": (folder / "stderr").read_text(),
        }
        answers.write(json.dumps(answer) + "\n")
        answers.flush()
    shutil.rmtree(folder)


def _child(call: dict, folder: Path) -> None:
    from curate import cli

    signal.alarm(call["limit"])
    os.environ.update(call["environment"])
    for name, number in (("stdout", 1), ("stderr", 2)):
        os.dup2(os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    sys.argv = ["curate", *call["arguments"]]
    code = 70
    try:
        cli.main()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    except BaseException:
        import traceback

        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
