"""The cache of compiled kernels: only what we wrote is loaded, and nothing in it ends a program."""

import os
import pickle

import pytest

from curate.kernels import cache, hashing, jit


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Return an empty cache folder that this process uses."""
    monkeypatch.setenv("CURATE_CACHE", str(tmp_path / "cache"))
    cache._usable.cache_clear()
    yield tmp_path / "cache" / "kernels"
    cache._usable.cache_clear()


def use():
    """Run a kernel that is new to this process; return its result, and how it was made."""
    kernel = jit.kernel(hashing.table_size.py_func)
    size = kernel(100)
    return size, "loaded" if sum(kernel.stats.cache_hits.values()) else "compiled"


class Planted:
    """Makes a file when it is unpickled."""

    def __init__(self, canary):
        self.canary = str(canary)

    def __reduce__(self):
        return os.mkdir, (self.canary,)


def stored(folder):
    """Return the only stored kernel."""
    (path,) = folder.rglob(f"*{cache.SUFFIX}")
    return path


def test_the_second_use_is_loaded(folder):
    assert cache.is_empty()
    assert use() == (128, "compiled")
    assert use() == (128, "loaded")
    assert not cache.is_empty()
    assert folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[:20],
        lambda content: content[: len(content) // 2],
        lambda content: content[:-1],
        lambda content: content + b"x",
        lambda content: content[:50] + bytes([content[50] ^ 1]) + content[51:],
        lambda content: b"\0" * len(content),
    ],
)
def test_a_damaged_file_is_compiled_and_written_again(folder, damage):
    use()
    stored(folder).write_bytes(damage(stored(folder).read_bytes()))
    assert use() == (128, "compiled")
    assert cache.read(stored(folder))
    assert use() == (128, "loaded")


def test_a_file_that_was_moved_is_not_loaded(folder):
    use()
    path = stored(folder)
    content = path.read_bytes()
    assert cache.read(path)
    (path.parent / "other.kernel").write_bytes(content)
    assert cache.read(path.parent / "other.kernel") is None


def test_a_planted_pickle_is_never_loaded(folder, tmp_path):
    use()
    stored(folder).write_bytes(pickle.dumps(Planted(tmp_path / "CANARY")))
    assert use() == (128, "compiled")
    assert not (tmp_path / "CANARY").exists()


@pytest.mark.parametrize("place", ["kernels", "."])
@pytest.mark.parametrize("mode", [0o777, 0o770, 0o702])
def test_a_folder_that_others_may_write_to_is_not_used(folder, caplog, place, mode):
    use()
    # Also with a right digest: whoever can write to the folder can compute one.
    cache.write(stored(folder), pickle.dumps(Planted(folder.parent.parent / "CANARY")))
    (folder.parent / place).chmod(mode)
    cache._usable.cache_clear()
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert use() == (128, "compiled")
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    assert not (folder.parent.parent / "CANARY").exists()
    (message,) = [record.getMessage() for record in caplog.records]
    assert message.startswith(f"kernels are compiled in memory, not kept in {folder}: others may")


@pytest.mark.parametrize("mode", [0o666, 0o620])
def test_a_file_that_others_may_write_to_is_not_loaded(folder, tmp_path, mode):
    use()
    cache.write(stored(folder), pickle.dumps(Planted(tmp_path / "CANARY")))
    stored(folder).chmod(mode)
    assert use() == (128, "compiled")
    assert not (tmp_path / "CANARY").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make another user's files")
@pytest.mark.parametrize("place", ["kernels", ".", "file"])
def test_what_belongs_to_another_user_is_not_loaded(folder, tmp_path, place):
    use()
    cache.write(stored(folder), pickle.dumps(Planted(tmp_path / "CANARY")))
    os.chown(stored(folder) if place == "file" else folder.parent / place, 12345, -1)
    cache._usable.cache_clear()
    assert use() == (128, "compiled")
    assert not (tmp_path / "CANARY").exists()


def test_a_linked_file_is_not_loaded(folder, tmp_path):
    use()
    path = stored(folder)
    path.rename(tmp_path / path.name)
    path.symlink_to(tmp_path / path.name)
    assert use() == (128, "compiled")
    assert not path.is_symlink()


@pytest.mark.parametrize("where", ["cache", "cache/kernels", "."])
def test_a_path_that_is_a_file_means_compiling_in_memory(tmp_path, monkeypatch, caplog, where):
    monkeypatch.setenv(
        "CURATE_CACHE", str(tmp_path / "file" / "x" if where == "." else tmp_path / "cache")
    )
    target = tmp_path / ("file" if where == "." else where)
    target.parent.mkdir(exist_ok=True)
    target.write_text("mine")
    cache._usable.cache_clear()
    assert use() == (128, "compiled")
    assert use() == (128, "compiled")
    with jit.compiling("x", wait=True) as acquired:
        assert acquired
    assert target.read_text() == "mine"
    assert len(caplog.records) == 1
    cache._usable.cache_clear()


def test_a_full_disk_costs_only_the_keeping(folder, monkeypatch, caplog):
    def full(path, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cache, "write", full)
    assert use() == (128, "compiled")
    (message,) = [record.getMessage() for record in caplog.records]
    assert str(folder) in message
    assert "No space left" in message


def test_a_write_that_fails_leaves_nothing(folder, monkeypatch):
    use()
    path = stored(folder)
    whole = path.read_bytes()
    with pytest.raises(TypeError):
        cache.write(path, "no bytes")
    assert path.read_bytes() == whole
    assert list(path.parent.iterdir()) == [path]
