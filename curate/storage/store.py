"""A run's folder, on a local disk or in an object store, with the operations that a commit needs.

Names are relative, '/' separated. ``create`` is the commit: it makes an object whole *if absent*
(link(2) here, If-None-Match there). Data files are written once and never renamed.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
import re
import shutil
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Protocol

from curate.errors import RecipeError, ResourceError, without_secrets
from curate.paths import local_path, open_filesystem
from curate.storage.swap import settle, swap, sync

#: The names that ``create`` and ``replace`` use until what they write is complete.
_PARTIAL = re.compile(r"\..+\.[0-9a-f]{32}")


class Damaged(ResourceError):
    """A file of the run is missing, truncated or corrupt. The task that wrote it runs again."""

    def __init__(self, path: str, *, where: str | None = None, hint: str | None = None) -> None:
        self.path = where or path
        super().__init__(
            "a file of the run is not what was written to it",
            where=self.path,
            hint="run the same command again: it is made again; and look at the disk",
        )

    @property
    def folder(self) -> str:
        """The folder of tasks, or of the product, that the file belongs to."""
        first, *below = self.path.split("/")
        inside = below and first.startswith(("work", "commits", ".publish-"))
        return below[0] if inside else first


class HashingWriter(io.RawIOBase):
    """A file being written: counts the bytes and computes their SHA-256."""

    def __init__(self, sink: IO[bytes]) -> None:
        self._sink, self._digest, self.bytes = sink, hashlib.sha256(), 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._sink.write(data)
        self._digest.update(data)
        self.bytes += memoryview(data).nbytes
        return memoryview(data).nbytes

    def tell(self) -> int:
        return self.bytes

    @property
    def sha256(self) -> str:
        """The digest of the bytes written so far, in hex."""
        return self._digest.hexdigest()


class Store(Protocol):
    """Where a run is stored."""

    address: str
    readers: int  #: requests that are worth making at the same time

    def create(self, name: str, data: bytes) -> bool:
        """Write a complete object unless one exists; return whether it was written."""

    def replace(self, name: str, data: bytes) -> None:
        """Write a complete object, replacing an older one if there is one."""

    def read(self, name: str) -> bytes:
        """Return an object's bytes; raise FileNotFoundError if there is none."""

    def read_range(self, name: str, start: int, end: int) -> bytes:
        """Return bytes of an object, fewer where it ends; raise FileNotFoundError if it is none."""

    def size(self, name: str) -> int | None:
        """Return an object's size in bytes, None if there is none."""

    def sizes(self, folder: str) -> dict[str, int]:
        """Return the sizes of all objects below a folder, by name, sorted."""

    def versions(self, folder: str) -> dict[str, str]:
        """Return, by name, what the store changes with the bytes of an object; empty on disks."""

    def names(self, folder: str) -> list[str]:
        """Return the names of all objects below a folder, sorted."""

    def writing(self, name: str) -> Any:
        """Open a new object for writing (a context manager over a HashingWriter)."""

    def open(self, name: str) -> Any:
        """Open an object for reading with seeks."""

    def top(self) -> list[str]:
        """Return the names of the objects and folders at the top, sorted."""

    def staging(self, epoch: int) -> str:
        """Return the prefix under which a publication is built; empty where nothing is moved."""

    def remove(self, folder: str) -> None:
        """Remove an object, or a folder with its contents, if it exists."""

    def remove_partial(self, folder: str) -> None:
        """Remove what killed ``create`` and ``replace`` calls left directly in a folder."""

    def link(self, name: str, target: str) -> None:
        """Make ``target`` a second name of ``name``, without a copy where the store supports it."""

    def publish(self, staging: str, names: Sequence[str]) -> None:
        """Make what was staged the product at the top, in one step; remove what it replaces.

        ``staging`` is what `staging` returned; ``names`` are all that a product can have.
        """

    def settle(self, names: Sequence[str]) -> None:
        """End a `publish` that was killed, before or after its one step."""


def open_store(address: str) -> Store:
    """Open the store for an output address: a local path, or ``s3://...`` and the like."""
    if "://" in address and not address.startswith("file://"):
        if without_secrets(address) != address:
            raise RecipeError(
                "an address with a password or a signature would be written to logs and files",
                where=address,
                hint="leave it out, and set it in the environment, such as AWS_SECRET_ACCESS_KEY",
            )
        return ObjectStore(address)
    # Shells leave the ~ of --output=~/x as it is, and a folder of that name is a trap.
    return LocalStore(str(local_path(address.removeprefix("file://"))))


def sha256_of(store: Store, name: str) -> str:
    """Read an object and return its SHA-256, in hex."""
    with store.open(name) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class LocalStore:
    """A folder on a file system that has hard links and fsync."""

    readers = 1

    def __init__(self, folder: str) -> None:
        self.root = Path(folder).absolute()
        self.address = str(self.root)

    def path(self, name: str) -> Path:
        """Return the path of an object."""
        return self.root / name

    def create(self, name: str, data: bytes) -> bool:
        try:
            with self._temporary(name, data) as temporary:
                os.link(temporary, self.path(name))
        except FileExistsError:
            return False
        self._sync(name, self.path(name).parent)
        return True

    def replace(self, name: str, data: bytes) -> None:
        with self._temporary(name, data) as temporary:
            temporary.replace(self.path(name))
        self._sync(name, self.path(name).parent)

    @contextmanager
    def _temporary(self, name: str, data: bytes) -> Iterator[Path]:
        """Write data under another name in the same folder; remove that name afterwards."""
        final = self.path(name)
        temporary = final.with_name(f".{final.name}.{uuid.uuid4().hex}")
        try:
            with _opened(temporary) as sink:
                sink.write(data)
            self._sync(name, temporary)
            yield temporary
        finally:
            temporary.unlink(missing_ok=True)

    def read(self, name: str) -> bytes:
        return self.path(name).read_bytes()

    def read_range(self, name: str, start: int, end: int) -> bytes:
        handle = os.open(self.path(name), os.O_RDONLY)
        try:
            parts = []
            while start < end and (part := os.pread(handle, end - start, start)):
                parts.append(part)
                start += len(part)
        finally:
            os.close(handle)
        return b"".join(parts) if len(parts) != 1 else parts[0]

    def size(self, name: str) -> int | None:
        try:
            return self.path(name).stat().st_size
        except FileNotFoundError:
            return None

    def sizes(self, folder: str) -> dict[str, int]:
        return dict(sorted((name, entry.stat().st_size) for name, entry in self._below(folder)))

    def versions(self, folder: str) -> dict[str, str]:
        return {}

    def names(self, folder: str) -> list[str]:
        return sorted(name for name, _ in self._below(folder))

    def _below(self, folder: str) -> Iterator[tuple[str, os.DirEntry[str]]]:
        """Yield the files below a folder, of which there may be a million: no `Path` is made."""
        folders = [folder]
        for name in folders:
            try:
                with os.scandir(self.path(name)) as entries:
                    for entry in entries:
                        below = f"{name}/{entry.name}".lstrip("/")
                        if entry.is_dir(follow_symlinks=False):
                            folders.append(below)
                        elif entry.is_file() and not entry.name.startswith("."):
                            yield below, entry
            except (FileNotFoundError, NotADirectoryError):
                continue  # none there, or gone meanwhile

    @contextmanager
    def writing(self, name: str) -> Iterator[HashingWriter]:
        path = self.path(name)
        with _opened(path) as sink:
            yield HashingWriter(sink)
        self._sync(name, path)

    def _sync(self, name: str, path: Path) -> None:
        """Make what was written as ``name`` durable, unless it is a commit or a file of a task.

        What a power cut takes of those is missed on resume, by size or checksum, and made again.
        Publishing makes what it publishes durable.
        """
        if not name.startswith("commits/") and not (
            name.startswith("work/") and name.count("/") > 1
        ):
            sync(path)

    def open(self, name: str) -> IO[bytes]:
        return self.path(name).open("rb")

    def top(self) -> list[str]:
        return sorted(path.name for path in self.root.iterdir()) if self.root.is_dir() else []

    def staging(self, epoch: int) -> str:
        return f".publish-{epoch}/"

    def remove(self, folder: str) -> None:
        path = self.path(folder)
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)

    def remove_partial(self, folder: str) -> None:
        for path in self.path(folder).glob(".*"):
            if _PARTIAL.fullmatch(path.name):
                path.unlink(missing_ok=True)

    def link(self, name: str, target: str) -> None:
        final = self.path(target)
        final.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(self.path(name), final)
        except FileExistsError:
            pass
        except OSError:
            shutil.copyfile(self.path(name), final)

    def publish(self, staging: str, names: Sequence[str]) -> None:
        staged = self.path(staging)
        for path in sorted(staged.rglob("*")):
            sync(path)
        sync(staged)
        swap(self.root, staged, names)
        self.remove(staging)

    def settle(self, names: Sequence[str]) -> None:
        settle(self.root, names)


class ObjectStore:
    """A prefix of an object store, through fsspec. Only the manifest marks a finished run there."""

    readers = 16

    def __init__(self, address: str) -> None:
        self.address = address.rstrip("/")
        self._files, self._root = open_filesystem(self.address)
        # In more than one part s3fs asks for the size first: a request for each small file.
        self._whole = {"max_concurrency": 1} if "s3" in self._files.protocol else {}

    def _at(self, name: str) -> str:
        return f"{self._root}/{name}"

    def create(self, name: str, data: bytes) -> bool:
        try:
            self._files.pipe_file(self._at(name), data, mode="create")
        except FileExistsError:
            return False
        except OSError as error:
            if "PreconditionFailed" in str(error) or getattr(error, "errno", None) == 17:
                return False
            raise
        self._files.invalidate_cache()
        return True

    def replace(self, name: str, data: bytes) -> None:
        self._files.pipe_file(self._at(name), data)
        self._files.invalidate_cache()

    def read(self, name: str) -> bytes:
        return bytes(self._files.cat_file(self._at(name), **self._whole))

    def read_range(self, name: str, start: int, end: int) -> bytes:
        return bytes(self._files.cat_file(self._at(name), start=start, end=end))

    def size(self, name: str) -> int | None:
        self._files.invalidate_cache()
        try:
            return int(self._files.info(self._at(name))["size"])
        except FileNotFoundError:
            return None

    def _listed(self, folder: str) -> dict[str, dict[str, Any]]:
        self._files.invalidate_cache()
        try:
            found = self._files.find(self._at(folder), detail=True)
        except FileNotFoundError:
            return {}
        return {path[len(self._root) + 1 :]: found[path] for path in sorted(found)}

    def sizes(self, folder: str) -> dict[str, int]:
        return {name: int(info["size"]) for name, info in self._listed(folder).items()}

    def versions(self, folder: str) -> dict[str, str]:
        return {
            name: str(info[key])
            for name, info in self._listed(folder).items()
            for key in ("ETag", "etag")
            if info.get(key)
        }

    def names(self, folder: str) -> list[str]:
        return list(self.sizes(folder))

    @contextmanager
    def writing(self, name: str) -> Iterator[HashingWriter]:
        sink = self._files.open(self._at(name), "wb")
        try:
            yield HashingWriter(sink)
        except BaseException:
            # Closing would make an incomplete object visible.
            if hasattr(sink, "discard"):
                sink.discard()
            raise
        sink.close()

    def open(self, name: str) -> Any:
        return self._files.open(self._at(name), "rb")

    def top(self) -> list[str]:
        self._files.invalidate_cache()
        try:
            paths = self._files.ls(self._root, detail=False)
        except FileNotFoundError:
            return []
        return sorted(path.rstrip("/").rpartition("/")[2] for path in paths)

    def staging(self, epoch: int) -> str:
        return ""

    def remove(self, folder: str) -> None:
        if self._files.exists(self._at(folder)):
            self._files.rm(self._at(folder), recursive=True)

    def remove_partial(self, folder: str) -> None:
        """Do nothing: objects here are complete or absent."""

    def link(self, name: str, target: str) -> None:
        self._files.cp_file(self._at(name), self._at(target))

    def publish(self, staging: str, names: Sequence[str]) -> None:
        """Do nothing: a publication is built where it stays."""

    def settle(self, names: Sequence[str]) -> None:
        """Do nothing: nothing is moved."""


def _opened(path: Path) -> IO[bytes]:
    """Open a new file for writing; make its folders where they are missing."""
    try:
        return path.open("xb")
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("xb")


def as_resource_error(error: OSError, address: str) -> ResourceError:
    """Return a failure of a disk, store or system limit as an error after which a run resumes."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    remedy = "free space" if full else "mend that (space, permissions, open files, the disk)"
    return ResourceError(
        f"the system refused to read or write: {error.strerror or error}",
        where=str(error.filename or address),
        hint=f"{remedy}, then run the same command again: it resumes",
    )
