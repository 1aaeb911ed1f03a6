import hashlib
import os
from pathlib import Path

import pytest

from curate.errors import RecipeError
from curate.storage.store import LocalStore, open_store


def test_create_is_once_and_whole(tmp_path):
    store = LocalStore(str(tmp_path / "run"))
    assert store.create("commits/a/x.json", b"first")
    assert not store.create("commits/a/x.json", b"second")
    assert store.read("commits/a/x.json") == b"first"
    assert store.names("commits") == ["commits/a/x.json"]


def test_a_home_that_no_shell_expanded(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert open_store("~/run").address == str(tmp_path / "run")
    assert open_store("file://~/run").address == str(tmp_path / "run")
    with pytest.raises(RecipeError, match="no path that can be used"):
        open_store("~nobody-of-this-name/run")


def test_writing_counts_and_digests_and_never_overwrites(tmp_path):
    store = LocalStore(str(tmp_path))
    with store.writing("work/f") as sink:
        sink.write(b"abc")
        sink.write(memoryview(b"def"))
        assert sink.tell() == 6
    assert sink.sha256 == hashlib.sha256(b"abcdef").hexdigest()
    with pytest.raises(FileExistsError), store.writing("work/f"):
        pass


def test_link_publish_remove(tmp_path):
    store = LocalStore(str(tmp_path))
    with store.writing("work/data") as sink:
        sink.write(b"rows")
    store.link("work/data", ".publish-1/mixture/part.parquet")
    store.replace(".publish-1/manifest.json", b"{}")
    store.publish(".publish-1/", ["mixture", "manifest.json"])
    assert store.top() == ["manifest.json", "mixture", "work"]
    assert store.read("mixture/part.parquet") == b"rows"
    assert store.read("manifest.json") == b"{}"
    store.remove("work")
    store.remove("work")
    assert store.size("work/data") is None
    assert store.read("mixture/part.parquet") == b"rows"


def test_files_of_tasks_are_durable_once_published_and_others_at_once(tmp_path, monkeypatch):
    synced = []
    fsync = os.fsync

    def recorded(handle):
        fsync(handle)
        synced.append(os.fstat(handle).st_ino)

    moved_unsynced = []
    rename = Path.rename

    def moved(path, target):
        if path.name == ".publish-1":
            parts = [path, *path.rglob("*")]
            moved_unsynced.extend(part for part in parts if part.stat().st_ino not in synced)
        return rename(path, target)

    monkeypatch.setattr(os, "fsync", recorded)
    store = LocalStore(str(tmp_path))
    store.create("commits/a/x.json", b"{}")
    with store.writing("work/a/k/u/part.parquet") as sink:
        sink.write(b"rows")
    assert synced == []
    with store.writing("data/r/keys.parquet") as sink:
        sink.write(b"keys")
    store.replace("work/run.json", b"{}")
    inodes = [store.path(name).stat().st_ino for name in ("data/r/keys.parquet", "work/run.json")]
    assert set(inodes) <= set(synced)
    store.link("work/a/k/u/part.parquet", ".publish-1/mixture/main/part.parquet")
    store.replace(".publish-1/manifest.json", b"{}")
    monkeypatch.setattr(Path, "rename", moved)
    store.publish(".publish-1/", ["mixture", "manifest.json"])
    assert moved_unsynced == []
    assert store.path("mixture/main/part.parquet").stat().st_ino in synced


def test_addresses():
    assert isinstance(open_store("file:///tmp/x"), LocalStore)
    assert type(open_store("memory://x")).__name__ == "ObjectStore"


def test_object_store_keeps_the_same_promises():
    store = open_store("memory://bucket/run")
    store.remove("")
    with store.writing("work/a") as sink:
        sink.write(b"rows")
    assert store.staging(1) == ""
    store.link("work/a", "mixture/a")
    store.replace("manifest.json", b"{}")
    assert store.names("mixture") == ["mixture/a"]
    assert store.top() == ["manifest.json", "mixture", "work"]
    assert store.sizes("work") == {"work/a": 4}
    assert store.read_range("work/a", 1, 3) == b"ow"
    assert store.read("manifest.json") == b"{}"
    assert store.size("nothing") is None
