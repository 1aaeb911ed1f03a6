"""Where compiled kernels are kept. Asked before anything is compiled, so it imports no compiler."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """Where compiled kernels are kept: ``$CURATE_CACHE``, else the user's cache folder."""
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("CURATE_CACHE") or caches / "curate") / "kernels"


def is_empty() -> bool:
    """Tell whether nothing was ever compiled here: the next work will be slow to begin."""
    return next(cache_folder().rglob("*.nbc"), None) is None
