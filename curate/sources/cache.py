"""Copies of remote input files in a folder of this machine: bounded, checked, off by default.

``$CURATE_INPUT_CACHE`` names the folder and ``$CURATE_INPUT_CACHE_BYTES`` its bound. A copy is
named after the file's address, size and version, and after a digest of its own bytes, so that a
file that changed is another one, and a copy that is damaged is made again. While files are being
fetched there may be one per process beyond the bound.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO

from curate.errors import RecipeError, without_secrets
from curate.logging_setup import LOGGER

FOLDER, BYTES = "CURATE_INPUT_CACHE", "CURATE_INPUT_CACHE_BYTES"
DEFAULT_BYTES = 100 * 10**9

_BLOCK = 1 << 20
#: Copies that this process has compared with their digests.
_CHECKED: set[Path] = set()


def local_copy(path: str, size: int, version: str, read: Callable[[], IO[bytes]]) -> Path | None:
    """Return a copy of a file, made by ``read`` if there is none; None where none is kept.

    None is kept where no folder is named, the file states no version, or it is larger than the
    bound. Processes of one machine that want the same file wait for one of them.
    """
    folder, bound = os.environ.get(FOLDER), _bound()
    if not folder or not version or size > bound:
        return None
    root = Path(folder)
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    key = hashlib.blake2b(f"{path}\n{size}\n{version}".encode(), digest_size=16).hexdigest()
    with (root / f".{key[:2]}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for copy in root.glob(f"{key}-*"):
            if _is_whole(copy, size):
                copy.touch()
                return copy
            LOGGER.warning("a copy of %s is damaged, and made again", without_secrets(path))
            copy.unlink(missing_ok=True)
        _make_room(root, bound - size)
        return _fetched(root, key, size, read)


def _bound() -> int:
    stated = os.environ.get(BYTES, str(DEFAULT_BYTES))
    if not stated.isdecimal():
        raise RecipeError(f"{BYTES} is a number of bytes, not {stated[:100]!r}")
    return int(stated)


def _is_whole(copy: Path, size: int) -> bool:
    if copy.stat().st_size != size:
        return False
    if copy not in _CHECKED:
        with copy.open("rb") as file:
            digest = hashlib.file_digest(file, _hasher).hexdigest()
        if digest != copy.name.rpartition("-")[2]:
            return False
        _CHECKED.add(copy)
    return True


def _hasher() -> hashlib.blake2b:
    return hashlib.blake2b(digest_size=16)


def _make_room(root: Path, bound: int) -> None:
    """Remove what was used longest ago, and what killed processes left, until ``bound`` is kept."""
    found = []
    for entry in root.iterdir():
        with suppress(FileNotFoundError):  # another process makes room, too
            if not entry.name.endswith(".lock"):
                found.append((entry.stat().st_mtime, entry.stat().st_size, entry))
    total = sum(size for _, size, _ in found)
    for _, size, entry in sorted(found):
        if total <= bound:
            return
        entry.unlink(missing_ok=True)  # who reads it now reads on
        total -= size


def _fetched(root: Path, key: str, size: int, read: Callable[[], IO[bytes]]) -> Path | None:
    """Return a new copy; None where the file has another size now: whoever reads it finds out."""
    partial = root / f".{key}.{uuid.uuid4().hex}"
    digest, length = _hasher(), 0
    try:
        with partial.open("xb") as sink, read() as source:
            while block := source.read(_BLOCK):
                digest.update(block)
                length += sink.write(block)
        if length != size:
            return None
        copy = root / f"{key}-{digest.hexdigest()}"
        partial.rename(copy)
    finally:
        partial.unlink(missing_ok=True)
    _CHECKED.add(copy)
    return copy
