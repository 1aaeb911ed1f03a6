"""Lists of paths: files with one path or address per line, packed or not, here or at an address."""

from __future__ import annotations

import re
from typing import NoReturn

from curate.errors import RecipeError
from curate.sources.base import InputFile
from curate.sources.files import list_files
from curate.sources.streams import Broken, blocks, lines

#: The longest path, and the most of them.
_LONGEST, _MOST = 4096, 1_000_000

_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)(?:::|://)")


def paths_of(path: str) -> list[str]:
    """Return the paths that a list names, in its order; a relative one is below the list's folder.

    Raise RecipeError where the list cannot be read or names nothing, and where a list at an address
    names files of this machine or leads out of its folder.
    """
    listing = list_files(path)
    if len(listing.files) != 1:
        raise RecipeError("a list of paths is one file", where=path)
    (file,) = listing.files
    folder = file.path.rpartition("/")[0]
    found = [_below(folder, line, file) for line in read_list(file)]
    if not found:
        raise RecipeError("the list names no path", where=path)
    return found


def read_list(file: InputFile) -> list[str]:
    """Return the lines of a list, without empty ones and those that begin with ``#``."""
    found: list[str] = []
    try:
        with file.open() as handle:
            for line in lines(blocks(handle, file.name), cap=_LONGEST):
                if line.data is None:
                    _refuse(file, f"a line of {line.length} bytes")
                text = line.data.decode("utf-8", "surrogateescape").strip()
                text = text.removeprefix("\ufeff")  # editors of Windows write a mark first
                if "\0" in text:
                    _refuse(file, "bytes that are no text")
                if text and not text.startswith("#"):
                    found.append(text)
                if len(found) > _MOST:
                    _refuse(file, f"over {_MOST:,} paths")
    except Broken as error:
        raise RecipeError(f"the list cannot be read: {error}", where=file.path) from None
    except OSError as error:
        what = f"the list cannot be read: {error.strerror or error}"
        raise RecipeError(what, where=file.path) from None
    return found


def _refuse(file: InputFile, what: str) -> NoReturn:
    raise RecipeError(
        f"this is no list of paths: it holds {what}",
        where=file.path,
        hint="path_list names files with one path per line; name data itself with path",
    )


def _below(folder: str, path: str, file: InputFile) -> str:
    scheme = _ADDRESS.match(path)
    if scheme is not None and scheme[1].lower() not in ("file", "local"):
        return path
    if file.is_remote and (scheme is not None or path.startswith(("/", "~")) or ".." in path):
        what = f"a list at an address names {path[:200]!r}, which is not below it"
        raise RecipeError(what, where=file.path, hint="copy the list here, and look at it")
    if scheme is not None or path.startswith(("/", "~")):
        return path
    return f"{folder}/{path}" if "/./" in path else f"{folder or '.'}/./{path.removeprefix('./')}"
