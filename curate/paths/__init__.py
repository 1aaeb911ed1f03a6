"""Places: a path of this machine, an address of a remote file system, the user's cache folder."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from functools import partial, wraps
from pathlib import Path
from typing import Any

from curate.errors import RecipeError, nearest, without_secrets
from curate.paths.remote import Unreachable, patiently

#: The extra of this package that installs what a protocol needs.
EXTRAS = {
    "s3": "s3", "s3a": "s3", "gs": "gcs", "gcs": "gcs", "http": "http", "https": "http",
    "abfs": "abfs", "abfss": "abfs", "az": "abfs",
}  # fmt: skip
#: What is asked for again where its error may pass, because it changes nothing and the protocol's
#: library gives up at the first error. (That of hf repeats reads itself.)
_LISTING = frozenset(("info", "find", "ls", "open"))
_READING = _LISTING | {"cat_file", "read", "readinto"}
_REPEATED = {"http": _READING, "https": _READING, "hf": _LISTING}


def local_path(written: str, *, where: str | None = None) -> Path:
    """Return a path with its ``~`` resolved. It need not exist, but it has to be possible.

    Raises RecipeError for the home of an unknown user, a name that is too long, a folder that may
    not be looked into, and what may never end: a pipe, socket or device. ``where`` names the place
    that the path was written in.
    """
    try:
        path = Path(written).expanduser()
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return path
    except (OSError, RuntimeError, ValueError) as error:
        reason = (isinstance(error, OSError) and error.strerror) or str(error)
    else:
        if stat.S_ISREG(mode) or stat.S_ISDIR(mode):
            return path
        reason = "a pipe, socket or device is no file that can be read twice"
    shown = written if len(written) <= 200 else written[:200] + "…"
    raise RecipeError(f"'{shown}' is no path that can be used: {reason}", where=where)


def user_cache() -> Path:
    """Return the folder of what is kept between runs: ``$CURATE_CACHE``, else the user's caches."""
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("CURATE_CACHE") or caches / "curate")


def open_filesystem(address: str) -> tuple[Any, str]:
    """Return fsspec's file system for an address such as ``s3://bucket/x``, and the path in it.

    What it raises is an OSError without secrets, whatever its library raises, after what may pass
    was tried again (:func:`curate.paths.remote.patiently`). Raises RecipeError
    for a protocol that is unknown, for one whose package is missing, with the command that installs
    it, for a password that the protocol would take for a part of the name, and as `local_path` does
    for a file of this machine.
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
    if protocol in EXTRAS and protocol not in ("http", "https") and _has_password(address):
        raise RecipeError(
            f"{protocol}:// takes no key or password in an address",
            where=address,
            hint="set it in the environment, such as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        )
    if protocol in EXTRAS and not address.partition("://")[2].strip("/"):
        hint = "is a variable not set?"
        raise RecipeError(f"{protocol}:// names no bucket, container or server", hint=hint)
    if getattr(filesystem, "local_file", False):
        local_path(str(path))
    return _Remote(filesystem, _REPEATED.get(protocol, frozenset())), str(path)


def _has_password(address: str) -> bool:
    user, at, _ = address.partition("://")[2].partition("@")
    return bool(at) and ":" in user


class _Remote:
    """A file system, or a file in it, whose errors are OSErrors without secrets."""

    def __init__(self, inner: Any, repeated: frozenset[str]) -> None:
        self._inner, self._repeated = inner, repeated

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._inner, name)
        if name == "read":
            value = _whole(value, self._inner)
        return _guarded(value, self._repeated, name) if callable(value) else value

    def __enter__(self) -> _Remote:
        _guarded(self._inner.__enter__)()
        return self

    def __exit__(self, *error: Any) -> None:
        _guarded(self._inner.__exit__)(*error)

    def __iter__(self) -> Any:
        return iter(self._inner)


def _whole(read: Callable[..., bytes], file: Any) -> Callable[..., bytes]:
    """Return a file's ``read``, which raises where a store gives less than it said that it has."""

    @wraps(read)
    def whole(length: int = -1) -> bytes:
        data = read(length)
        size = getattr(file, "size", None)
        if size is not None and not 0 <= length <= len(data) and file.tell() < size:
            raise OSError(f"the store gave {file.tell()} bytes of a file of {size}")
        return data

    return whole


#: Errors that callers tell apart.
_KINDS: tuple[type[Exception], ...] = (
    FileNotFoundError, FileExistsError, IsADirectoryError, NotADirectoryError, PermissionError,
    Unreachable,
)  # fmt: skip
#: What is raised where a file system cannot do what it is asked for.
_UNABLE: tuple[type[Exception], ...] = (NotImplementedError, TypeError, ValueError)


def _guarded(
    method: Callable[..., Any], repeated: frozenset[str] = frozenset(), name: str = ""
) -> Callable[..., Any]:
    """Return a method of a file system whose errors are OSErrors, and show no secrets.

    Each library has errors of its own, and their messages hold whole addresses.
    """

    @wraps(method)
    def call(*values: Any, **options: Any) -> Any:
        try:
            request = partial(method, *values, **options)
            result = patiently(request) if name in repeated else request()
        except Exception as error:
            what = without_secrets(str(error)) or type(error).__name__
            if type(error) in _UNABLE:
                raise type(error)(what) from None
            kind = next((kind for kind in _KINDS if isinstance(error, kind)), OSError)
            if not isinstance(error, OSError):
                raise kind(f"{type(error).__name__}: {what}") from None
            raise (kind(what) if error.errno is None else kind(error.errno, what)) from None
        return _Remote(result, repeated) if name == "open" else result

    return call
