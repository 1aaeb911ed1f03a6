"""The folder of compiled kernels. Read before anything is compiled, so it imports no compiler.

What it holds is unpickled, so it must be ours: the folder and each file belong to this user and are
writable by no other, and a file's content must have the digest that the file begins with. A file
that is damaged is compiled again; with a folder that cannot be used, kernels are compiled in
memory.
"""

from __future__ import annotations

import hashlib
import logging
import os
import stat
import tempfile
from functools import cache
from pathlib import Path

from curate.paths import user_cache

LOGGER = logging.getLogger("curate.kernels")
SUFFIX = ".kernel"

_DIGEST_BYTES = 32


def cache_folder() -> Path:
    """Return the folder of compiled kernels, in the user's cache folder."""
    return user_cache() / "kernels"


def usable_folder() -> Path | None:
    """Make the folder where it is missing, and return it; None (and a warning) if unusable."""
    return _usable(cache_folder())


@cache
def _usable(folder: Path) -> Path | None:
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        for each in (folder.parent, folder):
            if not _is_private(each.stat()):
                why = f"others may write to {each}; remove it, or chmod go-w"
                break
        else:
            with tempfile.TemporaryFile(dir=folder):
                return folder
    except OSError as error:
        why = error.strerror or str(error)
    LOGGER.warning("kernels are compiled in memory, not kept in %s: %s", folder, why)
    return None


def _is_private(status: os.stat_result) -> bool:
    return status.st_uid == os.geteuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def is_empty() -> bool:
    """Return whether nothing was compiled here yet: the next work will start slowly."""
    folder = usable_folder()
    return folder is None or next(folder.rglob(f"*{SUFFIX}"), None) is None


def read(path: Path) -> bytes | None:
    """Return what :func:`write` stored; None where nothing is, or what is there is not ours."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        with os.fdopen(descriptor, "rb") as file:
            if not _is_private(os.fstat(descriptor)):
                return None
            content = file.read()
    except OSError:
        return None
    digest, content = content[:_DIGEST_BYTES], content[_DIGEST_BYTES:]
    return content if digest == _digest(path, content) else None


def write(path: Path, content: bytes) -> None:
    """Store content, whole or not at all. Raises OSError."""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        try:
            file.write(_digest(path, content) + content)
            file.close()
            Path(file.name).replace(path)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise


def _digest(path: Path, content: bytes) -> bytes:
    # The name is part of it: a file that was moved is another kernel's.
    return hashlib.blake2b(content, digest_size=_DIGEST_BYTES, key=path.name.encode()[:64]).digest()
