"""Addresses of remote file systems: what is missing or unknown is one sentence with its remedy."""

import io
import sys

import pytest

from curate.errors import RecipeError
from curate.paths import _Remote, open_filesystem
from curate.storage.store import open_store
from tests.unit.cli.commands import curate


def test_a_missing_package_is_named_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    with pytest.raises(RecipeError) as error:
        open_filesystem("gs://bucket/a")
    assert str(error.value) == (
        "gs:// needs a package that is not installed\n"
        "  at: gs://bucket/a\n"
        "  next: pip install 'curate-corpus[gcs]'"
    )


@pytest.mark.parametrize(
    ("address", "near"), [("s4://b/a", "one of: "), ("htp://x/y", "did you mean 'http'?")]
)
def test_an_unknown_protocol_is_refused_with_the_nearest(address, near):
    with pytest.raises(RecipeError, match="no protocol") as error:
        open_filesystem(address)
    assert near in str(error.value)


@pytest.mark.parametrize("option", ["--output", "--input"])
def test_commands_end_in_that_sentence(option, tmp_path):
    given = {"--output": ["--output", "s4://bucket/out"], "--input": ["--input", "web=s4://b/x"]}
    rest = [] if option == "--output" else ["--output", str(tmp_path / "out")]
    out = curate("run", "demo", "--engine", "in-process", *given[option], *rest)
    assert out.code == 2
    assert "no protocol 's4'" in out.err


def test_a_container_before_an_account_is_no_password(monkeypatch):
    monkeypatch.setitem(sys.modules, "adlfs", None)
    with pytest.raises(RecipeError, match="needs a package"):
        open_store("abfs://container@account.dfs.core.windows.net/out")


@pytest.mark.parametrize("address", ["s3://KEY:hunter2@bucket/x", "abfs://user:hunter2@account/x"])
def test_a_password_in_an_output_is_refused_and_not_shown(address):
    with pytest.raises(RecipeError, match="password") as error:
        open_store(address)
    assert "hunter2" not in str(error.value)


class Short(io.BytesIO):
    size = 100


def test_a_file_that_ends_before_its_stated_size_is_an_error_and_no_end():
    whole = _Remote(Short(b"x" * 100), frozenset())
    assert [len(whole.read(size)) for size in (60, 60, 60)] == [60, 40, 0]
    cut = _Remote(Short(b"x" * 90), frozenset())
    assert len(cut.read(60)) == 60
    with pytest.raises(OSError, match="the store gave 90 bytes of a file of 100"):
        cut.read(60)
    with pytest.raises(OSError, match="90 bytes of a file of 100"):
        _Remote(Short(b"x" * 90), frozenset()).read()
