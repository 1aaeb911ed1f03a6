"""The folder of compiled kernels. Read before anything is compiled, so it imports no compiler.

What it holds is unpickled, so it must be ours. Other users of the machine may put files where they
can write, under any name, and files of ours into folders of theirs; whoever can read this user's
private files, or run code as this user, is not kept out. Therefore the folder and each file belong
to this user and are writable by no other, and a file begins with a digest under a key that only
this user can read. What is damaged or foreign is thrown away and compiled again; with a folder that
cannot be used, kernels are compiled in memory. The folder is bounded: what was used longest ago is
removed, so versions of the package that are gone do not stay for ever.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import math
import os
import secrets
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import IO

from curate.paths import user_cache

LOGGER = logging.getLogger("curate.kernels")
SUFFIX = ".kernel"

#: Bytes to which the folder is cut when a process begins to add to it: twenty versions of all.
MOST_BYTES = 256 << 20

#: Seconds for which what was used is kept in any case: another process may be using it.
IN_USE = 3600.0

_DIGEST_BYTES = 32
_KEY_BYTES = 32


def cache_folder() -> Path:
    """Return the folder of compiled kernels, in the user's cache folder."""
    return user_cache() / "kernels"


def usable_folder() -> Path | None:
    """Make the folder where it is missing, and return it; None (and a warning) if unusable."""
    folder = cache_folder()
    return folder if _key(folder) else None


@cache
def _key(folder: Path) -> bytes | None:
    """Return the key of the digests in a folder, which is made if missing; None if unusable."""
    try:
        for each in (folder.parent, folder):
            each.mkdir(mode=0o700, parents=True, exist_ok=True)
            status = each.stat()
            if status.st_uid != os.geteuid():
                not_kept(folder, f"{each} is another user's; set CURATE_CACHE to a folder of yours")
                return None
            if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
                not_kept(folder, f"others may write to {each}; run: chmod go-w '{each}'")
                return None
        path = folder.parent / "kernels.key"
        key = _stored_key(path)
        if key is None:
            with locked(folder / "locks" / "key"):
                key = _stored_key(path) or secrets.token_bytes(_KEY_BYTES)
                _replace(path, key)
        return key
    except FileExistsError as error:
        not_kept(folder, f"{error.filename} is a file")
    except OSError as error:
        not_kept(folder, error.strerror or str(error))
    return None


def _stored_key(path: Path) -> bytes | None:
    try:
        key = _content(path, hidden=True)
    except OSError:
        return None
    return key if key is not None and len(key) == _KEY_BYTES else None


@cache
def not_kept(folder: Path, why: str) -> None:
    """Warn, once, that what is compiled is not stored."""
    LOGGER.warning("kernels are compiled in memory, not kept in %s: %s", folder, why)


@cache
def _thrown_away(folder: Path) -> None:
    LOGGER.warning("damaged or foreign files in %s are thrown away and made again", folder)


#: Seconds between two tries to get a lock.
_PAUSE = 0.02


@contextmanager
def locked(path: Path, *, seconds: float = math.inf) -> Iterator[bool]:
    """Hold a lock among the node's processes; yield False where one had it for ``seconds``.

    Raises OSError where the lock's file cannot be made.
    """
    path.parent.mkdir(mode=0o700, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "rb") as handle:  # closing the file ends the lock
        end = time.monotonic() + seconds
        while not (held := _is_locked(handle)) and time.monotonic() < end:
            time.sleep(_PAUSE)
        yield held


def _is_locked(handle: IO[bytes]) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def read(path: Path) -> bytes | None:
    """Return what :func:`write` stored; None where nothing is, or what is there is not ours."""
    try:
        stored = _content(path)
    except FileNotFoundError:
        return None
    except OSError:
        stored = None
    if stored is not None:
        digest, content = stored[:_DIGEST_BYTES], stored[_DIGEST_BYTES:]
        if secrets.compare_digest(digest, _digest(path, content)):
            _used(path.parent)
            return content
    _thrown_away(cache_folder())
    with suppress(OSError):
        path.unlink()
    return None


def write(path: Path, content: bytes) -> None:
    """Store content, whole or not at all; where it cannot be stored, warn."""
    try:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        _used(path.parent)
        _replace(path, _digest(path, content) + content)
        _bound(cache_folder())
    except OSError as error:
        not_kept(cache_folder(), error.strerror or str(error))


@cache
def _used(folder: Path) -> None:
    """Note, once, that the kernels of a module are used: its folder's time says when last."""
    with suppress(OSError):
        os.utime(folder)


@cache
def _bound(folder: Path) -> None:
    """Remove, once, the modules' folders used longest ago, until `MOST_BYTES` are left.

    A process that still wants one of them finds nothing stored, and compiles.
    """
    now, total = time.time(), 0
    with suppress(OSError):
        for used, each in sorted(_modules(folder), reverse=True):
            with suppress(OSError):
                total += sum(file.stat().st_size for file in each.iterdir())
                if total > MOST_BYTES and now - used > IN_USE:
                    # Renamed first, so that no process sees a part of it.
                    gone = each if each.suffix == ".gone" else each.with_suffix(".gone")
                    shutil.rmtree(each.replace(gone), ignore_errors=True)


def _modules(folder: Path) -> Iterator[tuple[float, Path]]:
    """Yield each module's folder with the time of its last use."""
    for entry in os.scandir(folder):
        if entry.name != "locks" and entry.is_dir(follow_symlinks=False):
            with suppress(OSError):
                yield entry.stat(follow_symlinks=False).st_mtime, Path(entry)


def _content(path: Path, *, hidden: bool = False) -> bytes | None:
    """Return what is in a file; None if it is not this user's alone to write, or also to read."""
    others = 0o077 if hidden else stat.S_IWGRP | stat.S_IWOTH
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)  # it may be a pipe
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        ours = status.st_uid == os.geteuid() and not status.st_mode & others
        return file.read() if ours and stat.S_ISREG(status.st_mode) else None


def _replace(path: Path, content: bytes) -> None:
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        try:
            file.write(content)
            file.close()
            Path(file.name).replace(path)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise


def _digest(path: Path, content: bytes) -> bytes:
    # The place is part of it: a file that was moved is another kernel's.
    key = _key(cache_folder()) or secrets.token_bytes(_KEY_BYTES)
    digest = hashlib.blake2b(digest_size=_DIGEST_BYTES, key=key)
    digest.update(f"{path.parent.name}/{path.name}\0".encode() + content)
    return digest.digest()
