"""The tutorials work as written: their commands are run in order, their files are made."""

import io
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from curate.recipe import locate
from tests.unit.cli.commands import curate

DOCS = Path(__file__).parents[2] / "docs"
PAGES = sorted([*(DOCS / "tutorials").glob("*.md")])
BLOCK = re.compile(
    r'^```(console|python|toml)(?: title="([^"]+)")?\n(.*?)^```', re.DOTALL | re.MULTILINE
)


def _console(block: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run each command, and find the lines that stand below it in what it printed, in order."""
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, *expected = part.strip().splitlines()
        before, pipe, after = command.partition(" | ")
        words = shlex.split(after if pipe else command)
        assert words[0] == "curate"
        if pipe:
            typed = subprocess.run(before, shell=True, check=True, capture_output=True, text=True)
            monkeypatch.setattr("sys.stdin", io.StringIO(typed.stdout))
        engine = ["--engine", "in-process"] if words[1] in ("run", "dedup", "mix") else []
        result = curate(*words[1:], *engine)
        assert result.code == 0, f"{command}\n{result.err}"
        printed = " ".join(f"{result.out}\n{result.err}".split())
        missing = [line for line in expected if " ".join(line.split()) not in printed]
        assert not missing, f"{command} does not print {missing}:\n{printed}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_tutorial_works_as_written(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sample_data").symlink_to(locate.data_path("sample_data"))
    for kind, title, block in BLOCK.findall(page.read_text(encoding="utf-8")):
        if kind == "console":
            _console(block, monkeypatch)
        elif kind == "python":
            exec(compile(block, str(page), "exec"), {})
        elif title:
            Path(title).parent.mkdir(parents=True, exist_ok=True)
            Path(title).write_text(block, encoding="utf-8")


def test_every_page_is_in_the_navigation() -> None:
    listed = set(re.findall(r"[\w/-]+\.md", (DOCS.parent / "mkdocs.yml").read_text()))
    assert listed == {
        str(p.relative_to(DOCS)) for p in DOCS.rglob("*.md") if p.parent.name != "upstream"
    }


@pytest.mark.thorough
def test_the_site_builds_with_all_its_links(tmp_path: Path) -> None:
    from mkdocs.commands.build import build
    from mkdocs.config import load_config

    config = load_config(str(DOCS.parent / "mkdocs.yml"), site_dir=str(tmp_path / "site"))
    build(config)  # strict: a broken link ends it
    page = (tmp_path / "site" / "reliability" / "index.html").read_text()
    assert "https://github.com/curate-corpus/curate/blob/main/SECURITY.md" in page
    pages = {path: path.read_text() for path in (tmp_path / "site").rglob("*.html")}
    script = (tmp_path / "site" / "assets" / "mermaid.min.js").exists()
    for path, page in pages.items():  # what a page would ask another host for
        loaded = re.findall(r'<(?:script|img|iframe|source)[^>]* src="([^"]+)"', page)
        loaded += re.findall(r'<link[^>]* rel="(?:stylesheet|icon)"[^>]* href="([^"]+)"', page)
        assert not [place for place in loaded if "://" in place], path
        assert 'data-md-component="source"' not in page, path  # asks for the repository's stars
        assert script or 'class="mermaid"' not in page, path  # fetches the script that draws
