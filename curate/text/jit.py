"""The compiler of the text kernels, and the cache that makes the second start fast.

numba's own cache returns stale code when a helper in *another* module changes. So the cache folder's
name is a digest of all kernel sources and tables, of numba, llvmlite and of the CPU.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import llvmlite
import llvmlite.binding
import numba

Function = TypeVar("Function", bound=Callable[..., Any])

#: The rooms that hold kernels or their tables.
_ROOMS = ("text", "langid", "signals", "dedup", "mixture", "tokens")


def _digest() -> str:
    digest = hashlib.blake2b(digest_size=12)
    digest.update(f"{numba.__version__} {llvmlite.__version__}".encode())
    digest.update(llvmlite.binding.get_host_cpu_name().encode())
    package = Path(__file__).resolve().parent.parent
    for room in _ROOMS:
        for path in sorted((package / room).glob("*")):
            if path.suffix in (".py", ".npz"):
                digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def cache_folder() -> Path:
    """Where compiled kernels are kept: ``$CURATE_CACHE``, else the user's cache folder."""
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("CURATE_CACHE") or caches / "curate") / f"kernels-{_digest()}"


_FOLDER = cache_folder()
_FOLDER.mkdir(parents=True, exist_ok=True)
numba.config.CACHE_DIR = str(_FOLDER)


def kernel(function: Function) -> Function:
    """Compile a function on first use. Integers only where results are stored; never fastmath."""
    compiled: Function = numba.njit(cache=True, nogil=True, boundscheck=False)(function)
    return compiled


def inline(function: Function) -> Function:
    """Compile a small helper into the kernels that call it."""
    compiled: Function = numba.njit(inline="always", nogil=True)(function)
    return compiled


@contextmanager
def one_compiler() -> Iterator[None]:
    """Hold the node's compile lock, so that many workers do not all compile the same kernels."""
    with (_FOLDER / "lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(handle, fcntl.LOCK_UN)
