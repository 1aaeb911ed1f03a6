"""The cache of compiled kernels: only what we wrote is loaded, and nothing in it ends a program."""

import hashlib
import os
import pickle
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from curate.kernels import cache, hashing, jit


def forget():
    """Forget what this process knows of folders, and that it warned."""
    for known in (
        cache._key, cache.not_kept, cache._thrown_away, cache._used, cache._bound,
    ):  # fmt: skip
        known.cache_clear()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Return an empty cache folder that this process uses."""
    monkeypatch.setenv("CURATE_CACHE", str(tmp_path / "cache"))
    forget()
    yield tmp_path / "cache" / "kernels"
    forget()


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
    assert not list(folder.rglob(f"*{cache.SUFFIX}"))
    assert use() == (128, "compiled")
    assert use() == (128, "loaded")
    assert stored(folder).stat().st_size
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
def test_a_damaged_file_is_compiled_and_written_again(folder, caplog, damage):
    use()
    for _ in range(2):
        stored(folder).write_bytes(damage(stored(folder).read_bytes()))
        assert use() == (128, "compiled")
        assert use() == (128, "loaded")
    assert [record.getMessage() for record in caplog.records] == [thrown_away(folder)]


def thrown_away(folder):
    return f"damaged or foreign files in {folder} are thrown away and made again"


@pytest.mark.parametrize("what", ["folder", "pipe", "link to nothing"])
def test_what_is_no_file_is_not_read(folder, what):
    use()
    path = stored(folder)
    path.unlink()
    if what == "folder":
        path.mkdir()
    elif what == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("nowhere")
    assert use() == (128, "compiled")
    assert use() == (128, "compiled" if what == "folder" else "loaded")


def test_a_file_that_was_moved_is_not_loaded(folder):
    use()
    path = stored(folder)
    content = path.read_bytes()
    assert cache.read(path)
    for place in (path.parent / "other.kernel", folder / "other" / path.name):
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(content)
        assert cache.read(place) is None
        assert not place.exists()


@pytest.mark.parametrize("digest", ["none", "without the key", "under the key of another folder"])
def test_a_planted_pickle_is_never_loaded(folder, tmp_path, monkeypatch, digest):
    use()
    path, planted = stored(folder), pickle.dumps(Planted(tmp_path / "CANARY"))
    if digest == "none":
        path.write_bytes(planted)
    elif digest == "without the key":
        name = f"{path.parent.name}/{path.name}\0".encode()
        path.write_bytes(hashlib.blake2b(name + planted, digest_size=32).digest() + planted)
    else:
        monkeypatch.setenv("CURATE_CACHE", str(tmp_path / "other"))
        cache.usable_folder()
        cache.write(tmp_path / "other" / "kernels" / path.parent.name / path.name, planted)
        monkeypatch.setenv("CURATE_CACHE", str(tmp_path / "cache"))
        os.replace(tmp_path / "other" / "kernels" / path.parent.name / path.name, path)
    assert use() == (128, "compiled")
    assert use() == (128, "loaded")
    assert not (tmp_path / "CANARY").exists()


@pytest.mark.parametrize("damage", ["gone", "empty", "cut", "read by others", "linked"])
def test_without_its_key_a_cache_is_made_again(folder, tmp_path, damage):
    use()
    path, mine = folder.parent / "kernels.key", tmp_path / "mine"
    assert path.stat().st_mode & 0o777 == 0o600
    key = path.read_bytes()
    mine.write_bytes(b"7" * 32)
    if damage == "read by others":
        path.chmod(0o644)
    else:
        path.unlink()
    if damage == "linked":
        path.symlink_to(mine)
    elif damage in ("empty", "cut"):
        path.write_bytes(key[: len(key) // 2 * (damage == "cut")])
        path.chmod(0o600)
    forget()
    assert use() == (128, "compiled")
    assert use() == (128, "loaded")
    assert path.read_bytes() != key
    assert path.stat().st_mode & 0o777 == 0o600
    assert mine.read_bytes() == b"7" * 32


@pytest.mark.parametrize("place", ["kernels", "."])
@pytest.mark.parametrize("mode", [0o777, 0o770, 0o702])
def test_a_folder_that_others_may_write_to_is_not_used(folder, caplog, place, mode):
    use()
    cache.write(stored(folder), pickle.dumps(Planted(folder.parent.parent / "CANARY")))
    (folder.parent / place).chmod(mode)
    forget()
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert use() == (128, "compiled")
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    assert not (folder.parent.parent / "CANARY").exists()
    (message,) = [record.getMessage() for record in caplog.records]
    target = folder.parent if place == "." else folder
    assert message == (
        f"kernels are compiled in memory, not kept in {folder}: "
        f"others may write to {target}; run: chmod go-w '{target}'"
    )


@pytest.mark.parametrize("mode", [0o666, 0o620])
def test_a_file_that_others_may_write_to_is_not_loaded(folder, tmp_path, mode):
    use()
    cache.write(stored(folder), pickle.dumps(Planted(tmp_path / "CANARY")))
    stored(folder).chmod(mode)
    assert use() == (128, "compiled")
    assert not (tmp_path / "CANARY").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make another user's files")
@pytest.mark.parametrize("place", ["kernels", ".", "file"])
def test_what_belongs_to_another_user_is_not_loaded(folder, tmp_path, caplog, place):
    use()
    cache.write(stored(folder), pickle.dumps(Planted(tmp_path / "CANARY")))
    os.chown(stored(folder) if place == "file" else folder.parent / place, 12345, -1)
    forget()
    assert use() == (128, "compiled")
    assert not (tmp_path / "CANARY").exists()
    (message,) = [record.getMessage() for record in caplog.records]
    assert message == thrown_away(folder) if place == "file" else "is another user's" in message


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
    forget()
    assert use() == (128, "compiled")
    assert use() == (128, "compiled")
    with jit.compiling("x", wait=True) as acquired:
        assert acquired
    assert target.read_text() == "mine"
    assert len(caplog.records) == 1
    forget()


def test_a_full_disk_costs_only_the_keeping(folder, monkeypatch, caplog):
    def full(path, content):
        raise OSError(28, "No space left on device")

    cache.usable_folder()
    monkeypatch.setattr(cache, "_replace", full)
    assert use() == (128, "compiled")
    assert use() == (128, "compiled")
    (message,) = [record.getMessage() for record in caplog.records]
    assert message == (
        f"kernels are compiled in memory, not kept in {folder}: No space left on device"
    )


def test_a_write_that_fails_leaves_nothing(folder, monkeypatch):
    use()
    path = stored(folder)
    whole = path.read_bytes()
    with pytest.raises(TypeError):
        cache.write(path, "no bytes")
    assert path.read_bytes() == whole
    assert list(path.parent.iterdir()) == [path]


def test_what_was_used_longest_ago_is_removed_beyond_a_bound(folder, monkeypatch):
    now = time.time()
    monkeypatch.setattr(cache, "MOST_BYTES", 10_000)
    cache.usable_folder()
    ages = {"new": 60, "used": 90_000, "week": 604_800, "month": 2_592_000, "cut.gone": 2_592_001}
    for name, age in ages.items():
        cache.write(folder / name / "k.kernel", bytes(3_000))
        os.utime(folder / name, (now - age, now - age))
    outside = folder.parent / "outside"
    outside.mkdir()
    (outside / "mine").write_bytes(bytes(20_000))
    os.utime(outside, (0, 0))
    (folder / "link").symlink_to(outside)
    forget()
    assert cache.read(folder / "used" / "k.kernel") == bytes(3_000)  # so it is the newest
    assert (folder / "used").stat().st_mtime >= now - 1
    cache.write(folder / "added" / "k.kernel", bytes(3_000))
    left = {path.name for path in folder.iterdir()}
    assert left == {"locks", "link", "added", "used", "new"}
    assert (outside / "mine").exists()
    assert cache.read(folder / "week" / "k.kernel") is None


def test_what_may_be_in_use_is_kept_beyond_the_bound(folder, monkeypatch):
    monkeypatch.setattr(cache, "MOST_BYTES", 0)
    cache.usable_folder()
    for name, age in {"recent": cache.IN_USE - 60, "old": cache.IN_USE + 60}.items():
        (folder / name).mkdir()
        (folder / name / "k.kernel").write_bytes(b"kernel")
        os.utime(folder / name, (time.time() - age,) * 2)
    assert use() == (128, "compiled")
    assert use() == (128, "loaded")
    assert (folder / "recent").is_dir()
    assert not (folder / "old").exists()


PROGRAM = """
import logging, sys
logging.basicConfig(format="%(message)s")
from curate.kernels import hashing
print(hashing.table_size(100), sum(hashing.table_size.stats.cache_hits.values()))
"""


def program(folder, *, user=None):
    """Use a kernel in a new process; return its result, whether it was loaded, and warnings."""
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=os.environ | {"CURATE_CACHE": str(folder), "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
        user=user,
    )
    size, hits = map(int, result.stdout.split())
    return size, hits == 1, result.stderr.splitlines()


def test_processes_that_start_together_agree_on_the_key(tmp_path):
    with ThreadPoolExecutor() as pool:
        started = list(pool.map(program, [tmp_path] * 4))
    assert [(size, warned) for size, _, warned in started] == [(128, [])] * 4
    assert program(tmp_path) == (128, True, [])


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start a process of another user")
@pytest.mark.parametrize("case", ["planted by another", "another user's", "read only", "a file"])
def test_another_process_meets(tmp_path, case):
    for folder in [*reversed(tmp_path.parents[:3]), tmp_path]:
        folder.chmod(0o755)  # pytest's folders are private
    folder, user = tmp_path / "cache", None
    if case == "planted by another":
        assert program(folder) == (128, False, [])
        for path in (folder, folder / "kernels"):
            path.chmod(0o777)
        canary = pickle.dumps(Planted(tmp_path / "CANARY"))
        for path in [*folder.rglob(f"*{cache.SUFFIX}")]:
            path.write_bytes(canary)
            os.chown(path, 65534, -1)
        why = f"others may write to {folder}; run: chmod go-w '{folder}'"
    elif case == "another user's":
        assert program(folder) == (128, False, [])
        why, user = f"{folder} is another user's; set CURATE_CACHE to a folder of yours", 65534
    elif case == "read only":
        folder.mkdir(mode=0o500)
        os.chown(folder, 65534, -1)
        why, user = "Permission denied", 65534
    else:
        folder.write_text("mine")
        why = f"{folder} is a file"
    line = f"kernels are compiled in memory, not kept in {folder}/kernels: {why}"
    assert program(folder, user=user) == (128, False, [line])
    if case == "planted by another":
        for path in (folder, folder / "kernels"):
            path.chmod(0o700)  # the remedy of the line
        assert program(folder) == (128, False, [thrown_away(folder / "kernels")])
        assert program(folder) == (128, True, [])
        assert not (tmp_path / "CANARY").exists()
