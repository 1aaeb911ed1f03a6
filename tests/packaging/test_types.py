"""The types of the interface, as mypy and pyright see them in a project that depends on curate."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

CONSUMER = Path(__file__).with_name("consumer.py")
WRONG = [
    n for n, line in enumerate(CONSUMER.read_text("utf-8").splitlines(), 1) if "# wrong" in line
]


def test_mypy(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--ignore-missing-imports",
         "--python-executable", sys.executable, "--config-file", "",
         "--cache-dir", str(tmp_path / "cache"), str(CONSUMER)],
        cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    found = re.findall(r"consumer\.py:(\d+): error: (.*)", done.stdout)
    assert [int(line) for line, _ in found] == WRONG, done.stdout + done.stderr


def test_pyright(tmp_path):
    basedpyright = pytest.importorskip("basedpyright").__name__
    (tmp_path / "pyrightconfig.json").write_text(
        json.dumps({"typeCheckingMode": "standard", "include": [str(CONSUMER)]})
    )
    done = subprocess.run(
        [sys.executable, "-m", basedpyright, "--outputjson", "--pythonpath", sys.executable],
        cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    found = json.loads(done.stdout)["generalDiagnostics"]
    lines = [one["range"]["start"]["line"] + 1 for one in found if one["severity"] == "error"]
    assert lines == WRONG, [one["message"] for one in found]
