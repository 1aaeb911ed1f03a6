"""Imports go one way (CONTRIBUTING.md, "The rooms"), and the package starts light."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "curate"

#: What each room may import from curate. Everyone may import the contracts.
CONTRACTS = {"schema", "errors", "profile", "failpoint", ""}
ALLOWED = {
    "text": set(),
    "langid": {"text"},
    "signals": {"text", "langid"},
    "calibrate": {"signals", "text"},
    "dedup": {"text", "stages.base", "stages.memory"},
    "mixture": {"text"},
    "tokens": {"text"},
    "stages": {"text", "langid", "signals", "dedup", "mixture", "tokens"},
    "io": {"text"},
    "recipe": set(),
    "registry": {"stages", "io"},
    "ledger": set(),
    "plan": {"recipe", "stages", "io", "registry", "mixture", "formats"},
    "formats": {"io", "text", "tokens"},
    "engine": {"plan", "stages", "io", "ledger", "mixture", "text", "formats"},
    "report": {"ledger", "io", "dedup", "tokens"},
    "api": {
        "calibrate",
        "plan",
        "engine",
        "io",
        "ledger",
        "recipe",
        "report",
        "stages",
        "registry",
        "langid",
        "text",
        "signals",
        "dedup",
        "mixture",
        "tokens",
        "formats",
    },
    "outline": {"plan", "dedup", "io.dedup_store"},
    "__main__": {"cli"},
    "cli": {
        "calibrate",
        "outline",
        "api",
        "plan",
        "recipe",
        "stages",
        "engine",
        "report",
        "io",
        "ledger",
        "registry",
        "signals",
        "text",
        "langid",
        "dedup",
        "mixture",
        "tokens",
    },
}


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names.add(node.module)
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return names


def room_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE).parts
    return parts[0] if len(parts) > 1 else path.stem.replace("__init__", "")


FILES = sorted(p for p in PACKAGE.rglob("*.py") if "_shipped" not in p.parts)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_room_imports_only_what_it_may(path):
    room = room_of(path)
    if room in CONTRACTS:
        return
    for name in imported(path):
        if not name.startswith("curate."):
            continue
        target = name.removeprefix("curate.")
        top = target.split(".")[0]
        if top == room or top in CONTRACTS or top == "__version__":
            continue
        allowed = ALLOWED[room]
        assert top in allowed or any(
            target == entry or target.startswith(entry + ".") for entry in allowed
        ), f"{path.name} imports {name}"


def test_only_one_file_imports_ray():
    users = {
        str(p.relative_to(PACKAGE))
        for p in FILES
        if {n for n in imported(p) if n.split(".")[0] == "ray"}
    }
    assert users == {"engine/ray_tasks.py"}


def test_nothing_evaluates_or_unpickles():
    banned = {"eval", "exec", "compile"}
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in banned, path
            if isinstance(node, ast.Import):
                assert not {a.name for a in node.names} & {"pickle", "yaml", "marshal"}, path


@pytest.mark.parametrize("statement", ["import curate", "import curate.cli"])
def test_starting_imports_nothing_heavy(statement):
    code = f"{statement}\nimport sys\nprint(sorted({{'ray', 'numba', 'fasttext', 'pyarrow.dataset'}} & set(sys.modules)))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
