"""Find the files that a recipe names by files, folders, patterns and addresses.

A file's name in ids is its path below the root that the recipe names, so that it is the same on
every machine. Secrets in addresses (user, password, signed query) never reach a name or a message.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import IO, Any

from curate.errors import RecipeError, nearest, without_secrets
from curate.paths import local_path
from curate.sources.base import InputFile

#: Files up to this size are identified by all bytes, larger ones by samples and their time.
WHOLE = 8 << 20
_SAMPLE = 64 * 1024
_SAMPLES = 64

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_MAGIC = re.compile(r"[*?\[]")
_UNSAFE = re.compile(r"[#\x00-\x1f\x7f\udc80-\udcff]")


def expand(
    paths: Sequence[str], suffixes: Sequence[str], root: str | None = None
) -> list[InputFile]:
    """Find the files that paths name, sorted by name.

    A path is a file, a folder (searched for files that end in ``suffixes``), a pattern (``**``
    crosses folders) or any of these at an fsspec address (``s3://``, ``https://``, ``memory://``).
    Names are relative to ``root``, else to the folder, to what precedes a pattern's first wildcard,
    or to the file's own folder. Hidden files are left out of folders and patterns, pipes and
    sockets everywhere; a folder that links to one of its parents is entered once.

    Raise RecipeError for a path that names nothing (with the nearest existing name) and for two
    files that would have the same name.
    """
    files: dict[str, InputFile] = {}
    for path in paths:
        for file in _expand(path, tuple(suffixes), root):
            other = files.setdefault(file.name, file)
            if other.path != file.path:
                raise RecipeError(
                    f"two files would be called '{file.name}' in ids",
                    where=f"{other.path} and {file.path}",
                    hint="name the folder that holds both, or make them two sources",
                )
    return [files[name] for name in sorted(files)]


def identity(file: InputFile) -> str:
    """Return a digest that changes when the file does.

    Up to 8 MiB: size and all bytes (a plan must not read a corpus). Larger files: size, time of
    change, head, tail and 64 blocks spread evenly. Remote files: size, etag and time if the store
    has them, else the samples. A change between the samples of a large file whose time is then
    reset is not detected.
    """
    digest = hashlib.blake2b(digest_size=16)
    digest.update(f"{file.size}\n".encode())
    local = _local(file.path)
    if local is None:
        version = _remote_version(file.path)
        if version:
            digest.update(version.encode())
            return digest.hexdigest()
    elif file.size > WHOLE:
        digest.update(f"{local.stat().st_mtime_ns}\n".encode())
    with file.open() as handle:
        for block in _samples(handle, file.size):
            digest.update(block)
    return digest.hexdigest()


def _samples(handle: IO[bytes], size: int) -> Iterator[bytes]:
    if size <= WHOLE:
        while block := handle.read(1 << 20):
            yield block
        return
    last = size - _SAMPLE
    for i in range(_SAMPLES + 2):
        handle.seek(last * i // (_SAMPLES + 1))
        yield handle.read(_SAMPLE)


def _remote_version(path: str) -> str:
    import fsspec

    fs, inner = fsspec.core.url_to_fs(path)
    info: dict[str, Any] = {key.lower(): value for key, value in fs.info(inner).items()}
    keys = ("etag", "md5", "mtime", "lastmodified", "last_modified", "updated", "created")
    return "\n".join(f"{key}={info[key]}" for key in keys if info.get(key))


def _expand(path: str, suffixes: tuple[str, ...], root: str | None) -> list[InputFile]:
    local = _local(path)
    if local is not None:
        files = _expand_local(local, suffixes, root)
    else:
        try:
            files = _expand_remote(path, suffixes, root)
        except RecipeError:
            raise
        except ImportError as error:
            raise RecipeError(str(error), where=path) from None
        except Exception as error:
            # Messages of storage libraries contain whole addresses, signatures included.
            what = f"the address cannot be read ({type(error).__name__})"
            raise RecipeError(what, where=path) from None
    if not files:
        raise RecipeError(
            f"no file with one of the endings {', '.join(suffixes[:8])}"
            if not _MAGIC.search(path)
            else "no file matches the pattern",
            where=path,
            hint="see what the folder holds, or name the files themselves",
        )
    return files


def _local(path: str) -> Path | None:
    scheme = _SCHEME.match(path)
    if scheme is None:
        return local_path(path)
    return Path(path[scheme.end() :]) if scheme[1] in ("file", "local") else None


def _expand_local(path: Path, suffixes: tuple[str, ...], root: str | None) -> list[InputFile]:
    if path.is_dir():
        below = path
        chosen = [file for file in _walk(path) if file.name.endswith(suffixes)]
    elif path.exists():
        if not stat.S_ISREG(path.stat().st_mode):
            raise RecipeError(
                "a pipe, socket or device is no file that can be read twice", where=str(path)
            )
        below, chosen = path.parent, [path]
    elif _MAGIC.search(str(path)):
        fixed, pattern = _cut_pattern(str(path))
        below = Path(fixed)
        if not below.is_dir():
            raise _does_not_exist(below)
        depth = None if "**" in pattern else pattern.count("/")
        matches = _matcher(pattern)
        chosen = [
            file for file in _walk(below, depth) if matches(file.relative_to(below).as_posix())
        ]
    else:
        raise _does_not_exist(path)
    below = Path(root) if root else below
    files = []
    for file in chosen:
        if not file.is_relative_to(below):
            raise RecipeError(f"'{file}' does not lie below its root '{below}'")
        name = _name(file.relative_to(below).as_posix())
        files.append(InputFile(str(file), name, file.stat().st_size))
    return files


def _walk(folder: Path, depth: int | None = None) -> Iterator[Path]:
    """Yield the regular files below a folder; links are followed, no folder is entered twice."""
    seen: set[tuple[int, int]] = set()

    def refuse(error: OSError) -> None:
        raise RecipeError(f"the folder cannot be read: {error.strerror}", where=error.filename)

    for at, folders, names in os.walk(folder, followlinks=True, onerror=refuse):
        here = Path(at)
        info = here.stat()
        level = len(here.relative_to(folder).parts)
        if (info.st_dev, info.st_ino) in seen:
            folders.clear()
            continue
        seen.add((info.st_dev, info.st_ino))
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        if depth is not None and level >= depth:
            folders.clear()
        for name in sorted(names):
            if not name.startswith(".") and (here / name).is_file():
                yield here / name


def _cut_pattern(path: str) -> tuple[str, str]:
    """Split a pattern before the first part with a wildcard.

    >>> _cut_pattern("/data/*/x?.gz")
    ('/data', '*/x?.gz')
    """
    parts = path.split("/")
    first = next(i for i, part in enumerate(parts) if _MAGIC.search(part))
    fixed = "/".join(parts[:first])
    return fixed or ("/" if first else "."), "/".join(parts[first:])


def _matcher(pattern: str) -> Any:
    import fsspec.utils

    return re.compile(fsspec.utils.glob_translate(pattern)).match


def _expand_remote(path: str, suffixes: tuple[str, ...], root: str | None) -> list[InputFile]:
    import fsspec

    fs, inner = fsspec.core.url_to_fs(path)
    is_web = path.startswith(("http://", "https://"))
    if _MAGIC.search(inner) and not is_web:
        fixed, pattern = _cut_pattern(inner)
        matches = _matcher(pattern)
        listed = _listed(fs, fixed, path, None if "**" in pattern else pattern.count("/") + 1)
        below = fixed
        chosen = [f for f in listed if matches(_relative(f, fixed)) and not _is_hidden(f, fixed)]
    elif not is_web and fs.isdir(inner):
        below = inner
        listed = _listed(fs, inner, path, None)
        chosen = [f for f in listed if f["name"].endswith(suffixes) and not _is_hidden(f, inner)]
    else:
        try:
            info = dict(fs.info(inner))
        except FileNotFoundError:
            hint = None if is_web else _neighbour(fs, inner)
            what = "there is no such file"
            raise RecipeError(what, where=path, hint=hint) from None
        if info.get("size") is None:
            raise RecipeError(
                "the server does not say how large the file is",
                where=path,
                hint="download it first",
            )
        name = PurePosixPath(without_secrets(path)).name
        return [InputFile(path, _name(name), int(info["size"]))]
    if root is not None:
        below = fsspec.core.url_to_fs(root)[1]
    return [
        InputFile(fs.unstrip_protocol(f["name"]), _name(_relative(f, below)), int(f["size"]))
        for f in chosen
    ]


def _listed(fs: Any, folder: str, path: str, depth: int | None) -> list[dict[str, Any]]:
    try:
        listed = fs.find(folder, maxdepth=depth, detail=True)
    except FileNotFoundError:
        raise RecipeError("there is no such folder", where=path) from None
    return [info for _, info in sorted(listed.items()) if info["type"] == "file"]


def _neighbour(fs: Any, inner: str) -> str | None:
    """Return a hint that names what is stored beside an object that does not exist."""
    try:
        names = [PurePosixPath(name).name for name in fs.ls(fs._parent(inner), detail=False)]
    except Exception:
        return None  # a hint is not worth a second error
    return nearest(PurePosixPath(inner).name, names)[:300] if names else None


def _relative(info: dict[str, Any], folder: str) -> str:
    return str(info["name"]).removeprefix(folder.rstrip("/")).lstrip("/")


def _is_hidden(info: dict[str, Any], folder: str) -> bool:
    return any(part.startswith(".") for part in _relative(info, folder).split("/"))


def _name(relative: str) -> str:
    """Escape what an id must not contain: ``#``, control characters, bytes that are no text.

    >>> _name("a/b#1.gz")
    'a/b%231.gz'
    """
    return _UNSAFE.sub(lambda sign: f"%{ord(sign[0]) & 0xFF:02X}", relative)


def _does_not_exist(path: Path) -> RecipeError:
    """Return an error that names the first missing part of a path, and what exists beside it."""
    missing = path
    while not missing.parent.exists() and missing.parent != missing:
        missing = missing.parent
    try:
        siblings = sorted(entry.name for entry in missing.parent.iterdir())
    except OSError:
        siblings = []
    hint = nearest(missing.name, siblings[:50]) if siblings else None
    return RecipeError(f"'{missing.name}' does not exist", where=str(path), hint=hint)
