"""The table of docs/reliability.md: what each campaign counted, at which commit, by which command.

A campaign that ends without a failure writes its row with ``--record``. Rows of other campaigns
stay as they are.
"""

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
BEGIN, END = "<!-- begin scoreboard: by tests/faults/scoreboard.py -->", "<!-- end scoreboard -->"
HEAD = ["| campaign | counted | command | commit | date |", "| --- | --- | --- | --- | --- |"]


def commit() -> str:
    """Return the checkout's commit; with a ``+`` where files differ from it."""
    described = ["git", "describe", "--always", "--dirty=+", "--exclude=*"]
    return subprocess.run(
        described, cwd=PAGE.parent, check=True, capture_output=True, text=True
    ).stdout.strip()


def record(campaign: str, counted: str) -> None:
    """Write one campaign's row, and keep the others; rows are sorted by campaign."""
    module = Path(sys.argv[0]).stem
    arguments = [argument for argument in sys.argv[1:] if argument != "--record"]
    command = " ".join(["python -m", f"tests.faults.{module}", *arguments])
    day = datetime.now(UTC).date().isoformat()
    row = f"| {campaign} | {counted} | `{command}` | {commit()} | {day} |"
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    table, _, behind = rest.partition(END)
    rows = {line.split("|")[1].strip(): line for line in table.strip().splitlines()[2:]}
    rows[campaign] = row
    lines = [BEGIN, "", *HEAD, *(rows[name] for name in sorted(rows)), "", END]
    PAGE.write_text(before + "\n".join(lines) + behind, encoding="utf-8")
