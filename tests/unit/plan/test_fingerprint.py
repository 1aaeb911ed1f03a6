from pathlib import Path

import pytest

import curate
from curate.plan import fingerprint

#: Files of the package that change no row: what is shown, and what editors read.
SHOWN = {
    "dedup/PRIMER.md", "py.typed", "recipe/profile.schema.json", "recipe/recipe.schema.json",
    "report/charts.j2", "report/details.j2", "report/page.css", "report/page.html.j2",
    "report/slide.svg.j2", "report/sweep.html.j2",
}  # fmt: skip
PACKAGE = Path(curate.__file__).parent


def digest_of(package, monkeypatch):
    """Return the digest of a package in another folder."""
    monkeypatch.setattr(fingerprint, "__file__", str(package / "plan/fingerprint.py"))
    return fingerprint.code_digest.__wrapped__()


def test_every_file_that_can_change_a_row_is_of_a_kind_that_is_digested(tmp_path, monkeypatch):
    kinds = {
        path.suffix
        for path in PACKAGE.rglob("*")
        if path.is_file()
        and not {"__pycache__", "_shipped"} & set(path.parts)
        and path.relative_to(PACKAGE).as_posix() not in SHOWN
    }
    assert {".py", ".npz", ".toml"} <= kinds
    empty = digest_of(tmp_path, monkeypatch)
    for kind in kinds:
        file = tmp_path / f"one{kind}"
        file.write_text("")
        assert digest_of(tmp_path, monkeypatch) != empty, f"{kind} files are not digested"
        file.unlink()


@pytest.mark.parametrize("name", ["langid/lexicon.toml", "langid/identify.py", "kernels/t.npz"])
def test_the_digest_of_the_code_knows_what_changes_rows(name, tmp_path, monkeypatch):
    file = tmp_path / name
    file.parent.mkdir()
    file.write_text("a = 1")
    before = digest_of(tmp_path, monkeypatch)
    file.write_text("a = 2")
    assert digest_of(tmp_path, monkeypatch) != before


@pytest.mark.parametrize(
    "name", ["cli/run_command.py", "report/notes.py", "_shipped/r.toml", "recipe/x.schema.json"]
)
def test_what_changes_no_row_is_not_in_the_digest_of_the_code(name, tmp_path, monkeypatch):
    before = digest_of(tmp_path, monkeypatch)
    file = tmp_path / name
    file.parent.mkdir()
    file.write_text("a = 1")
    assert digest_of(tmp_path, monkeypatch) == before
