#!/usr/bin/env python3
"""All tasks of a developer in one file; needs Python 3.11 to 3.13 and nothing else.

    python3 tasks.py demo        set up, run the main job on sample_data, print where results are
    python3 tasks.py test        set up, run the tests' quick tier (a few minutes on two cores)
    python3 tasks.py test-all    set up, run all tests, as continuous integration does
    python3 tasks.py explore     all tests, with new random examples of the property tests
    python3 tasks.py check       format, lint, spelling, TOML, generated pages, types
    python3 tasks.py docs        write the generated pages of docs/ (--check: only compare)
    python3 tasks.py site        build the documentation in out/site, and check all links
    python3 tasks.py bench       ratios against peers (minutes)
    python3 tasks.py campaign    kill runs, damage their input, change their environment (minutes)
    python3 tasks.py lock        write requirements.lock again

Each sets up ./.venv from requirements.lock first. More arguments are passed on:
``python3 tasks.py test -k ledger``.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
ENVIRONMENT = Path(os.environ.get("CURATE_VENV") or HERE / ".venv")
PYTHON = ENVIRONMENT / "bin" / "python"
LOCK = HERE / "requirements.lock"

#: One process per core; tests that start Ray stay in one of them.
PARALLEL = ("-n", "auto", "--dist", "loadgroup")


def set_up() -> None:
    """Create the environment, unless it was created from the current lock file."""
    if not (3, 11) <= sys.version_info[:2] <= (3, 13):
        version = ".".join(map(str, sys.version_info[:2]))
        sys.exit(
            f"curate needs Python 3.11, 3.12 or 3.13; this is {version}. Try: python3.12 tasks.py"
        )
    digest = hashlib.sha256(LOCK.read_bytes() + (HERE / "pyproject.toml").read_bytes()).hexdigest()
    mark = ENVIRONMENT / "made-from"
    if mark.exists() and mark.read_text() == digest:
        return
    print(f"setting up {ENVIRONMENT} (once; a few minutes)", file=sys.stderr)
    venv.create(ENVIRONMENT, with_pip=True, clear=True)
    pip = [str(PYTHON), "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
    run([*pip, "--only-binary", ":all:", "--require-hashes", "-r", str(LOCK)])
    run([*pip, "--no-deps", "--editable", str(HERE)])
    mark.write_text(digest)


def run(command: list[str], **environment: str) -> None:
    """Run a command here; end with its exit code if that is not 0."""
    done = subprocess.run(command, cwd=HERE, env={**os.environ, **environment}, check=False)
    if done.returncode:
        sys.exit(done.returncode)


def demo(*arguments: str) -> None:
    """Run the main job on sample_data."""
    if "--output" not in arguments:
        arguments = ("--output", "out/demo", *arguments)
    run([str(PYTHON), "-m", "curate", "run", "demo", *arguments])


def test(*arguments: str) -> None:
    """Run the quick tier of the tests; doctests are tests."""
    run([str(PYTHON), "-m", "pytest", *PARALLEL, *arguments])
    print(
        "left out: tests marked `thorough`, and nine of ten examples of each property test"
        " (python3 tasks.py test-all runs them)"
    )


def test_all(*arguments: str) -> None:
    """Run every test."""
    run([str(PYTHON), "-m", "pytest", *PARALLEL, *arguments], CURATE_TESTS="thorough")


def explore(*arguments: str) -> None:
    """Run every test, with new examples of the property tests."""
    os.environ["CURATE_EXPLORE"] = "1"
    test_all(*arguments)


def check(*arguments: str) -> None:
    """Check format, lint, spelling, TOML, generated pages and types."""
    tool = str(PYTHON.parent)
    run([f"{tool}/ruff", "format", "--check", "."])
    run([f"{tool}/ruff", "check", "."])
    run([f"{tool}/codespell"])
    check_toml()
    docs("--check")
    run([f"{tool}/mypy", *arguments])


def check_toml() -> None:
    """Parse every TOML file; end with the location of the first error."""
    import tomllib  # not in the Pythons that set_up refuses with a message

    listed = subprocess.run(
        ["git", "ls-files", "*.toml"], cwd=HERE, capture_output=True, text=True, check=True
    )
    for name in listed.stdout.splitlines():
        try:
            tomllib.loads((HERE / name).read_text(encoding="utf-8"))
        except ValueError as error:
            sys.exit(f"{name}: {error}")


def docs(*arguments: str) -> None:
    """Write the generated pages of docs/, or compare them."""
    run([str(PYTHON), "docs/generate.py", *arguments])


#: What draws the diagrams of the site: a file of an npm package, and its digest.
MERMAID = "mermaid@11.17.2"
MERMAID_SHA256 = "581ed7d74bd9048d0e3a91363927d72ef22942d7722546b27f7cc29e35390eb8"


def fetch_mermaid() -> None:
    """Fetch the script that draws diagrams, for docs/site_hook.py; without npm they stay text."""
    script = HERE / "out" / "mermaid.min.js"
    if script.exists():
        return
    script.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        fetched = subprocess.run(["npm", "pack", "--silent", MERMAID], cwd=folder, check=False)
        if fetched.returncode:
            print("npm did not give mermaid: diagrams stay text", file=sys.stderr)
            return
        with tarfile.open(next(Path(folder).glob("*.tgz"))) as package:
            member = package.extractfile("package/dist/mermaid.min.js")
            content = member.read() if member else b""
    if hashlib.sha256(content).hexdigest() != MERMAID_SHA256:
        sys.exit(f"{MERMAID} is not what it was")
    script.write_bytes(content)


def site(*arguments: str) -> None:
    """Build the documentation as a site, which asks no other host for anything."""
    if shutil.which("npm"):
        fetch_mermaid()
    else:
        print("there is no npm: diagrams stay text", file=sys.stderr)
    run([str(PYTHON), "-m", "mkdocs", "build", *arguments], NO_MKDOCS_2_WARNING="1")


#: Modules of tests/benchmarks that the benchmarks import; they print nothing on their own.
HELPERS = ("__init__", "corpus", "dedup_contenders", "exact_pairs", "planted")


def bench(*arguments: str) -> None:
    """Print the ratios against peers, one benchmark after the other."""
    chosen = arguments or sorted(path.stem for path in (HERE / "tests/benchmarks").glob("*.py"))
    for name in chosen:
        if name not in HELPERS:
            run([str(PYTHON), "-m", f"tests.benchmarks.{name}"])


def campaign(*arguments: str) -> None:
    """Run the campaigns of tests/faults, each short; docs/reliability.md has their long forms."""
    for short in (
        ["kills", "--engine", "in-process", "--kills", "10"],
        ["kills", "--engine", "ray", "--kills", "5"],
        ["folders", "--runs", "30"],
        ["environments", "--runs", "4"],
        ["mutants", "--mutants", "300"],
        ["recipes", "--mutants", "300"],
        ["bombs", "--scale", "0.1"],
        ["stores", "--damages", "100", "--runs", "15"],
        ["samples", "--format", "jsonl"],
    ):
        run([str(PYTHON), "-m", f"tests.faults.{short[0]}", *short[1:], *arguments])


def lock(*arguments: str) -> None:
    """Write requirements.lock from pyproject.toml, for all supported Pythons."""
    run([str(PYTHON), "-m", "pip", "install", "--quiet", "uv"])
    run(
        [
            str(PYTHON.parent / "uv"), "pip", "compile", "pyproject.toml", "--extra", "test",
            "--universal", "--python-version", "3.11", "--generate-hashes", "--no-header",
            "--no-emit-index-url", "--no-annotate", "--output-file", str(LOCK), *arguments,
        ]
    )  # fmt: skip


TASKS = {
    "demo": demo,
    "test": test,
    "test-all": test_all,
    "explore": explore,
    "check": check,
    "docs": docs,
    "site": site,
    "bench": bench,
    "campaign": campaign,
    "lock": lock,
}


def main() -> None:
    """Set up and run one task."""
    if len(sys.argv) < 2 or sys.argv[1] not in TASKS:
        sys.exit(__doc__)
    set_up()
    TASKS[sys.argv[1]](*sys.argv[2:])


if __name__ == "__main__":
    main()
