"""Tables that follow from code and installed packages, computed once on a machine.

They take tens to hundreds of milliseconds to compute and a few to read. They are stored beside the
kernels and by the same rules; an array file holds numbers only and is never unpickled.
"""

from __future__ import annotations

import hashlib
import io
import sys
from collections.abc import Callable

import numpy as np

from curate.kernels import cache, jit

Arrays = dict[str, np.ndarray]


def derived(module: str, name: str, compute: Callable[[], Arrays]) -> Arrays:
    """Return the arrays that ``compute`` returns, stored if they were computed before.

    They must depend on nothing but the sources and tables that ``module`` imports, on ftfy, numba,
    numpy and Python; ``name`` tells those of a module apart.
    """
    folder = cache.usable_folder()
    if folder is None:
        return compute()
    versions = f"{name} {np.__version__} {sys.version}".encode()
    digest = hashlib.blake2b(versions, digest_size=8).hexdigest()
    path = folder / jit.digest(module) / f"{name.partition(' ')[0]}-{digest}.arrays"
    if stored := cache.read(path):
        try:
            with np.load(io.BytesIO(stored), allow_pickle=False) as arrays:
                return dict(arrays)
        except (ValueError, OSError):
            pass  # of a numpy that writes another format
    found = compute()
    content = io.BytesIO()
    np.savez(content, allow_pickle=False, **found)
    cache.write(path, content.getvalue())
    return found
