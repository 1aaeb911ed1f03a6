"""Copies of remote files: made once, checked, never more bytes than allowed."""

import os

import pytest

from curate.errors import RecipeError
from curate.sources.base import InputFile
from curate.sources.cache import BYTES, FOLDER
from curate.sources.files import list_files
from tests.unit.sources.web.crawl_mirror import serving

DATA = {name: name.encode() * 1000 for name in ("one", "two", "six")}


@pytest.fixture
def served(tmp_path, monkeypatch):
    monkeypatch.setenv(FOLDER, str(tmp_path / "cache"))
    for name, data in DATA.items():
        (tmp_path / "web").mkdir(exist_ok=True)
        (tmp_path / "web" / name).write_bytes(data)
    with serving(tmp_path / "web") as (address, server):
        yield tmp_path, address, server


def remote(address, name) -> InputFile:
    (file,) = list_files(f"{address}/{name}").files
    return file


def copies(folder):
    return sorted(path for path in (folder / "cache").iterdir() if not path.name.startswith("."))


def test_a_file_is_fetched_once_and_read_from_its_copy(served):
    folder, address, server = served
    file = remote(address, "one")
    for ahead in (True, False, True):
        with file.open(ahead=ahead) as handle:
            handle.seek(3)
            assert handle.read(6) == b"oneone"
    assert len(server.asked["one"]) == 1
    (copy,) = copies(folder)
    assert copy.read_bytes() == DATA["one"]
    assert (folder / "cache").stat().st_mode & 0o077 == 0


def test_without_a_folder_nothing_is_kept(served, monkeypatch):
    folder, address, server = served
    monkeypatch.delenv(FOLDER)
    for _ in range(2):
        assert remote(address, "one").open().read() == DATA["one"]
    assert len(server.asked["one"]) == 2
    assert not (folder / "cache").exists()


@pytest.mark.parametrize("change", [b"x" * 3000, b"", b"one" * 999])
def test_a_damaged_copy_is_made_again(served, change, monkeypatch, caplog):
    folder, address, server = served
    file = remote(address, "one")
    file.open().close()
    (copy,) = copies(folder)
    copy.write_bytes(change)
    monkeypatch.setattr("curate.sources.cache._CHECKED", set())  # as in another process
    assert file.open().read() == DATA["one"]
    assert copies(folder) == [copy]
    assert len(server.asked["one"]) == 2
    assert "is damaged, and made again" in caplog.text


def test_a_file_that_changed_is_another_file(served):
    folder, address, _ = served
    assert remote(address, "one").open().read() == DATA["one"]
    (folder / "web" / "one").write_bytes(b"changed")
    assert remote(address, "one").open().read() == b"changed"
    assert len(copies(folder)) == 2


def test_what_was_used_longest_ago_makes_room(served, monkeypatch):
    folder, address, server = served
    monkeypatch.setenv(BYTES, "7000")
    files = {name: remote(address, name) for name in DATA}
    for age, name in enumerate(("one", "two")):
        files[name].open().close()
        (new,) = [c for c in copies(folder) if c.read_bytes() == DATA[name]]
        os.utime(new, (1000 + age, 1000 + age))
    files["one"].open().close()  # used again
    (folder / "cache" / ".left-by-a-kill").write_bytes(b"x" * 900)
    os.utime(folder / "cache" / ".left-by-a-kill", (1, 1))
    files["six"].open().close()
    assert {c.read_bytes()[:3] for c in copies(folder)} == {b"one", b"six"}
    assert not (folder / "cache" / ".left-by-a-kill").exists()
    assert {name: len(asked) for name, asked in server.asked.items()} == dict.fromkeys(DATA, 1)
    monkeypatch.setenv(BYTES, "2999")  # too small for any of them
    assert files["two"].open().read() == DATA["two"]
    assert len(copies(folder)) == 2


def test_a_file_that_is_cut_on_the_way_leaves_nothing(served, monkeypatch):
    folder, address, server = served
    file = remote(address, "one")
    (folder / "web" / "one").write_bytes(b"shorter")
    with pytest.raises(OSError, match=r"."):
        server.faults["one"] = ["404"]
        file.open()
    assert file.open().read(3) == b"sho"  # whoever reads compares the version
    assert copies(folder) == []
    monkeypatch.setenv(BYTES, "7 GB")
    with pytest.raises(RecipeError, match="is a number of bytes, not '7 GB'"):
        file.open()
