"""The folder of compiled kernels. Read before anything is compiled, so it imports no compiler."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """Return the folder of compiled kernels: ``$CURATE_CACHE``, else the user's cache folder."""
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("CURATE_CACHE") or caches / "curate") / "kernels"


def is_empty() -> bool:
    """Return whether nothing was compiled here yet: the next work will start slowly."""
    return next(cache_folder().rglob("*.nbc"), None) is None
