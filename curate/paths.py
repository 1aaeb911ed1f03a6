"""Places: a path of this machine, an address of a remote file system, the user's cache folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from curate.errors import RecipeError, nearest

#: The extra of this package that installs what a protocol needs.
EXTRAS = {
    "s3": "s3", "s3a": "s3", "gs": "gcs", "gcs": "gcs", "http": "http", "https": "http",
    "abfs": "abfs", "abfss": "abfs", "az": "abfs",
}  # fmt: skip


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


def open_filesystem(address: str) -> tuple[Any, str]:
    """Return fsspec's file system for an address such as ``s3://bucket/x``, and the path in it.

    Raises RecipeError for a protocol that is unknown, and for one whose package is missing, with
    the command that installs it.
    """
    import fsspec

    protocol = address.partition("://")[0].partition("::")[0]
    try:
        filesystem, path = fsspec.core.url_to_fs(address)
    except ImportError as error:
        extra = EXTRAS.get(protocol)
        raise RecipeError(
            f"{protocol}:// needs a package that is not installed",
            where=address,
            hint=f"pip install 'curate-corpus[{extra}]'" if extra else str(error),
        ) from None
    except ValueError:
        known = {name for name in fsspec.available_protocols() if name in EXTRAS} | {"hf", "file"}
        raise RecipeError(
            f"no protocol '{protocol}'", where=address, hint=nearest(protocol, known)
        ) from None
    return filesystem, str(path)
