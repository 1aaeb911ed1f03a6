"""Find the files that a recipe names by files, folders, patterns and addresses.

A file's name in ids is its path below the root that the recipe names, so that it is the same on
every machine. Secrets in addresses (user, password, signed query) never reach a name or a message.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Any, Literal, NamedTuple, NoReturn

from curate.errors import RecipeError, ResourceError, nearest, without_secrets
from curate.logging_setup import LOGGER
from curate.paths import local_path, open_filesystem
from curate.paths.remote import Unreachable, in_order
from curate.sources.base import InputFile, safe_in_id

#: Files up to this size are identified by all bytes, larger ones by samples and their time.
WHOLE = 8 << 20
_SAMPLE = 64 * 1024
_SAMPLES = 64

#: The folder of a run that holds its product.
PRODUCT = "mixture"
#: What tells that a folder is a run's (the manifest of a finished one, the state of another) or a
#: dedup store.
_MARKERS = ("manifest.json", "work/run.json", "store.json")
_MARKER_KEYS = ({"format", "curate"}, {"format", "parameters"})

#: Remote files and addresses that are looked at at the same time.
LOOKED_AT = 16

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_MAGIC = re.compile(r"[*?\[]")
_REVISION = re.compile(r"@(?:refs/[^/]+/[^/]+|[^/]+)")
#: Characters of a remote file's name; stores allow 1,024 bytes.
_LONGEST = 4096


class Listing(NamedTuple):
    """What a path names: the files, named below the root, and how the path named them."""

    kind: Literal["file", "folder", "pattern"]
    root: str
    files: list[InputFile]
    #: What is left out: folders of runs and dedup stores, because work and results are no input,
    #: and names that begin with a dot.
    runs: list[str]
    hidden: list[str]


def expand(
    paths: Sequence[str], suffixes: Sequence[str], root: str | None = None
) -> list[InputFile]:
    """Find the files that paths name, sorted by name.

    A path is a file, a folder (searched for files that end in ``suffixes``, in any case), a pattern
    (``**`` crosses folders) or any of these at an fsspec address (``s3://``, ``https://``,
    ``memory://``). A name that exists is no pattern, whatever signs it has.
    Names are relative to ``root``, else to what precedes ``/./`` in the path, to the folder, to
    what precedes a pattern's first wildcard, or to the file's own folder. Hidden files are left out
    of folders and patterns, pipes and sockets everywhere; a folder that links to one of its parents
    is entered once. A folder of a run is left out (and logged), unless the path names it: then its
    product is read.

    Raise RecipeError for a path that names nothing (with the nearest existing name) and for two
    files that would have the same name.
    """
    files: dict[str, InputFile] = {}
    at_once = LOOKED_AT if any("://" in path for path in paths) else 1
    listings = in_order(partial(list_files, root=root), paths, at_once)
    for path, listing in zip(paths, listings):
        for run in listing.runs:
            LOGGER.warning("%s is the folder of a run, and no input", without_secrets(run))
        found = listing.files
        if listing.kind == "folder":
            found = [file for file in found if file.name.lower().endswith(tuple(suffixes))]
        if not found:
            raise _nothing(path, suffixes, listing)
        for file in found:
            other = files.setdefault(file.name, file)
            if other.path != file.path:
                raise RecipeError(
                    f"two files would be called '{file.name}' in ids",
                    where=f"{other.path} and {file.path}",
                    hint="name the folder that holds both, or make them two sources",
                )
    return [files[name] for name in sorted(files)]


def list_files(path: str, root: str | None = None) -> Listing:
    """List the files that one path names, of any ending; see :func:`expand`."""
    if not path:
        what, hint = "a path is empty", "write . for this folder; a variable may not be set"
        raise RecipeError(what, hint=hint)
    if root is None and "/./" in path:
        root, _, rest = path.rpartition("/./")
        path = f"{root}/{rest}"
    local = _local(path)
    if local is not None:
        return _list_local(local, root)
    try:
        return _list_remote(path, root)
    except RecipeError:
        raise
    except Unreachable as error:
        raise ResourceError(
            str(error), where=path, hint="run the same command again when the server answers"
        ) from None
    except ImportError as error:
        raise RecipeError(str(error), where=path) from None
    except Exception as error:
        # Messages of storage libraries contain whole addresses, signatures included.
        what = f"the address cannot be read ({type(error).__name__})"
        raise RecipeError(what, where=path, hint=_about_hub(path)) from None


def _nothing(path: str, suffixes: Sequence[str], listing: Listing) -> RecipeError:
    what = f"no file with one of the endings {', '.join(suffixes[:8])}"
    hint = "see what the folder holds, or name the files themselves"
    if listing.kind == "pattern":
        what = "no file matches the pattern"
    elif listing.files:
        hint = f"the folder holds {len(listing.files)} other files, such as"
        hint += f" {listing.files[0].name[:100]!r}"
    elif listing.runs:
        hint = "it holds the folder of a run: name that folder to read its product"
    return RecipeError(what, where=path, hint=hint)


def identity(file: InputFile, *, listed: bool = True) -> str:
    """Return a digest that changes when the file does.

    Up to 8 MiB: size and all bytes (a plan must not read a corpus). Larger files: size, time of
    change, head, tail and 64 blocks spread evenly. Remote files: size, and the version that their
    store gave when it listed them (without ``listed``: that it gives now), else the samples. A
    change between the samples of a large file whose time is then reset is not detected.
    """
    digest = hashlib.blake2b(digest_size=16)
    digest.update(f"{file.size}\n".encode())
    local = _local(file.path)
    if file.version:
        digest.update((file.version if listed else _version_now(file.path)).encode())
        return digest.hexdigest()
    if local is not None and file.size > WHOLE:
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


#: What stores say of an object's content; the first that is there counts. Times come last: one
#: store gives them more exactly in a listing than in the answer to a single request.
_VERSIONS = (
    "etag",
    "md5",
    "blob_id",
    "mtime",
    "lastmodified",
    "last_modified",
    "updated",
    "created",
)


def _version(info: dict[str, Any]) -> str:
    values = {key.lower(): value for key, value in info.items()}
    for key in _VERSIONS:
        if value := values.get(key):
            return f"{key}={value.timestamp() if isinstance(value, datetime) else value}"
    return ""


def _version_now(path: str) -> str:
    fs, inner = open_filesystem(path)
    return _version(fs.info(inner))


def _local(path: str) -> Path | None:
    scheme = _SCHEME.match(path)
    if scheme is None:
        return local_path(path)
    return local_path(path[scheme.end() :]) if scheme[1] in ("file", "local") else None


def _list_local(path: Path, root: str | None) -> Listing:
    runs: list[str] = []
    hidden: list[str] = []
    kind: Literal["file", "folder", "pattern"] = "file"
    if path.is_dir():
        kind, below = "folder", path
        start = path / PRODUCT if _is_run(path) else path
        chosen = list(_walk(start, None, runs, hidden)) if start.is_dir() else []
    elif path.exists():
        below, chosen = path.parent, [path]
    elif _MAGIC.search(str(path)):
        kind = "pattern"
        fixed, pattern = _cut_pattern(str(path))
        below = Path(fixed)
        if not below.is_dir():
            raise _does_not_exist(below)
        depth = None if "**" in pattern else pattern.count("/")
        matches = _matcher(pattern)
        left_out = None if _enters_runs(pattern) else runs
        chosen = [
            file
            for file in _walk(below, depth, left_out, hidden)
            if matches(file.relative_to(below).as_posix())
        ]
    else:
        raise _does_not_exist(path)
    below = Path(root) if root else below
    files = []
    for file in chosen:
        if not file.is_relative_to(below):
            raise RecipeError(f"'{file}' does not lie below its root '{below}'")
        name = safe_in_id(file.relative_to(below).as_posix())
        files.append(InputFile(str(file), name, file.stat().st_size))
    return Listing(kind, str(below), files, runs, hidden)


def _walk(
    folder: Path, depth: int | None, runs: list[str] | None, hidden: list[str]
) -> Iterator[Path]:
    """Yield the regular files below a folder; links are followed, no folder is entered twice.

    Folders of runs below it are added to ``runs`` instead, and hidden names to ``hidden``; where
    ``runs`` is None, folders of runs are entered.
    """
    seen: set[tuple[int, int]] = set()

    def refuse(error: OSError) -> NoReturn:
        raise RecipeError(f"the folder cannot be read: {error.strerror}", where=error.filename)

    for at, folders, names in os.walk(folder, followlinks=True, onerror=refuse):
        here = Path(at)
        info = here.stat()
        level = len(here.relative_to(folder).parts)
        if (info.st_dev, info.st_ino) in seen:
            folders.clear()
            continue
        seen.add((info.st_dev, info.st_ino))
        if level and runs is not None and _is_run(here):
            runs.append(str(here))
            folders.clear()
            continue
        hidden += (str(here / name) for name in (*folders, *names) if name.startswith("."))
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        if depth is not None and level >= depth:
            folders.clear()
        for name in sorted(names):
            try:
                is_one = not name.startswith(".") and (here / name).is_file()
            except OSError as error:
                refuse(error)
            if is_one:
                yield here / name


def _is_run(folder: Path) -> bool:
    """Return whether a folder is a run's, finished or not: by what curate wrote into it."""
    for marker in _MARKERS:
        try:
            if (folder / marker).is_file() and _is_marker((folder / marker).read_bytes()):
                return True
        except OSError:
            continue
    return False


def _is_marker(body: bytes) -> bool:
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        return False
    return isinstance(fields, dict) and any(keys <= fields.keys() for keys in _MARKER_KEYS)


def _enters_runs(pattern: str) -> bool:
    """Return whether a pattern names a folder that a run writes, and so means results."""
    return not {PRODUCT, "rejected"}.isdisjoint(pattern.split("/"))


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

    try:
        return re.compile(fsspec.utils.glob_translate(pattern)).match
    except (ValueError, re.error) as error:
        what = f"no pattern of files: {str(error)[:200]}"
        hint = "** stands for folders, as in **/*.gz; [*] is the sign itself"
        raise RecipeError(what, where=pattern[:200], hint=hint) from None


def _list_remote(path: str, root: str | None) -> Listing:
    fs, inner = open_filesystem(path)
    is_web = path.startswith(("http://", "https://"))
    runs: list[str] = []
    hidden: list[str] = []
    kind: Literal["file", "folder", "pattern"] = "file"
    # One request per thousand files: whether the path is a folder is seen by what lies below it.
    listed = [] if is_web else _listed(fs, inner, None)
    info = listed[0] if len(listed) == 1 and listed[0]["name"] == inner.rstrip("/") else None
    if listed and info is None:
        kind, below = "folder", inner
        chosen = [f for f in listed if not _is_hidden(f, inner)]
        hidden += (f["name"] for f in listed if _is_hidden(f, inner))
        chosen = _without_runs(fs, inner, chosen, runs)
    elif not is_web and info is None and _MAGIC.search(inner) and not fs.exists(inner):
        kind = "pattern"
        fixed, pattern = _cut_pattern(inner)
        matches = _matcher(pattern)
        depth = None if "**" in pattern else pattern.count("/") + 1
        listed = _listed(fs, fixed, depth)
        if not listed and not fs.isdir(fixed):
            raise RecipeError("there is no such folder", where=path, hint=_about_hub(path))
        below = fixed
        chosen = [f for f in listed if matches(_relative(f, fixed)) and not _is_hidden(f, fixed)]
        if not _enters_runs(pattern):
            chosen = _without_runs(fs, None, chosen, runs, listed)
    else:
        if is_web and without_secrets(path).endswith("/"):
            raise _web_lists_nothing(path)
        try:
            info = dict(info or fs.info(inner))
        except FileNotFoundError:
            if is_web and _MAGIC.search(without_secrets(path)):
                raise _web_lists_nothing(path) from None
            hint = None if is_web else _neighbour(fs, inner) or _about_hub(path)
            what = "there is no such file"
            raise RecipeError(what, where=path, hint=hint) from None
        if info.get("type") == "directory":
            return Listing("folder", path, [], runs, hidden)
        if info.get("size") is None:
            raise RecipeError(
                "the server does not say how large the file is",
                where=path,
                hint="download it first",
            )
        name = PurePosixPath(without_secrets(path)).name
        if root is not None:
            name = without_secrets(path).removeprefix(without_secrets(root)).lstrip("/")
        file = InputFile(path, safe_in_id(name), int(info["size"]), _version(info))
        return Listing(kind, root or path.rpartition("/")[0], [file], runs, hidden)
    if root is not None:
        below = open_filesystem(root)[1]
    files = [
        InputFile(
            fs.unstrip_protocol(f["name"]),
            safe_in_id(_relative(f, below)),
            int(f["size"]),
            _version(f),
        )
        for f in chosen
    ]
    return Listing(kind, fs.unstrip_protocol(below), files, runs, hidden)


def _web_lists_nothing(path: str) -> RecipeError:
    return RecipeError(
        "a web server does not list its files, so there are no folders and patterns over http",
        where=path,
        hint="write the addresses into a file, one per line, and name it with path_list = FILE"
        " (or use s3://, gs:// or hf://)",
    )


def _without_runs(
    fs: Any,
    base: str | None,
    chosen: list[dict[str, Any]],
    runs: list[str],
    listed: list[dict[str, Any]] | None = None,
) -> list[dict[str, Any]]:
    """Leave out what lies in folders of runs, except the product of the folder that is named."""
    marked = {
        str(f["name"]).removesuffix(marker).rstrip("/")
        for f in (chosen if listed is None else listed)
        for marker in _MARKERS
        if str(f["name"]).endswith("/" + marker) and _is_marker(fs.cat_file(f["name"]))
    }
    if base is not None and base.rstrip("/") in marked:
        product = f"{base.rstrip('/')}/{PRODUCT}/"
        return [f for f in chosen if str(f["name"]).startswith(product)]
    runs += sorted(map(fs.unstrip_protocol, marked))
    inside = tuple(run + "/" for run in marked)
    return [f for f in chosen if not str(f["name"]).startswith(inside)] if inside else chosen


def _listed(fs: Any, folder: str, depth: int | None) -> list[dict[str, Any]]:
    """Return the files below a folder, sorted; the file itself where it is one, or nothing."""
    try:
        listed = fs.find(folder, maxdepth=depth, detail=True)
    except FileNotFoundError:
        return []
    finally:
        fs.invalidate_cache()  # it holds a million files, and hides from `identity` what changed
    # The Hub's says nothing of a path that is itself a file.
    found = (info or fs.info(name) for name, info in sorted(listed.items()))
    files = [info for info in found if info["type"] == "file"]
    for info in files:
        _check_listed(info, folder.rstrip("/"))
    return files


def _check_listed(info: dict[str, Any], folder: str) -> None:
    """Raise RecipeError for what no store lists in a folder: its server is broken, or hostile."""
    name, size = str(info["name"]), info.get("size")
    # The Hub writes a revision in another way than it was asked for.
    place, above = (_REVISION.sub("", path, count=1) for path in (name, folder))
    is_inside = not above or place == above or place.startswith(above + "/")
    if not is_inside or len(name) > _LONGEST or not _is_unicode(name):
        what = f"the store lists {name[:200]!a}, which cannot be a file of this folder"
        raise RecipeError(what, where=folder)
    if not isinstance(size, int) or not 0 <= size < 1 << 63:
        raise RecipeError(f"the store lists a file of {str(size)[:50]} bytes", where=name)


def _is_unicode(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _neighbour(fs: Any, inner: str) -> str | None:
    """Return a hint that names what is stored beside an object that does not exist."""
    try:
        names = [PurePosixPath(name).name for name in fs.ls(fs._parent(inner), detail=False)]
    except Exception:
        return None  # a hint is not worth a second error
    return nearest(PurePosixPath(inner).name, names)[:300] if names else None


def _about_hub(path: str) -> str | None:
    """Return a hint on addresses of the Hub, which does not tell what is private from nothing."""
    if not path.startswith("hf://"):
        return None
    form = "hf://datasets/OWNER/NAME/PATH or hf://datasets/OWNER/NAME@REVISION/PATH"
    return f"{form}; if it is private: hf auth login, or set HF_TOKEN"


def _relative(info: dict[str, Any], folder: str) -> str:
    return str(info["name"]).removeprefix(folder.rstrip("/")).lstrip("/")


def _is_hidden(info: dict[str, Any], folder: str) -> bool:
    return any(part.startswith(".") for part in _relative(info, folder).split("/"))


def _does_not_exist(path: Path) -> RecipeError:
    """Return an error that names the first missing part of a path, and what exists beside it."""
    missing = path
    while not missing.parent.exists() and missing.parent != missing:
        missing = missing.parent
    try:
        names = sorted(entry.name for entry in missing.parent.iterdir())
        siblings = [name for name in names if name[0] != "." or missing.name[0] == "."]
    except OSError:
        siblings = []
    hint = nearest(missing.name, siblings[:50]) if siblings else None
    return RecipeError(f"'{missing.name}' does not exist", where=str(path), hint=hint)
