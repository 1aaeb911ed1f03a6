"""Paths of this machine: one that a user wrote, and the user's cache folder."""

from __future__ import annotations

import os
from pathlib import Path

from curate.errors import RecipeError


def local_path(written: str, *, where: str | None = None) -> Path:
    """Return a path with its ``~`` resolved. It need not exist, but it has to be possible.

    Raises RecipeError for the home of an unknown user, a name that is too long, and a folder that
    may not be looked into; ``where`` names the place that the path was written in.
    """
    try:
        path = Path(written).expanduser()
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return path
    except (OSError, RuntimeError, ValueError) as error:
        reason = (isinstance(error, OSError) and error.strerror) or error
        shown = written if len(written) <= 200 else written[:200] + "…"
        raise RecipeError(f"'{shown}' is no path that can be used: {reason}", where=where) from None
    return path


def user_cache() -> Path:
    """Return the folder of what is kept between runs: ``$CURATE_CACHE``, else the user's caches."""
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("CURATE_CACHE") or caches / "curate")
