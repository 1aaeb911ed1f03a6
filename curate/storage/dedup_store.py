"""A dedup store: what runs kept, as immutable generations that later runs are compared with.

```
store.json                  the parameters of its band keys and shingles
generations/00000.json      one generation: its run, its sources, its files with sizes and digests
removed/00000.json          a tombstone: a source or a generation that no longer counts
taken_down/00000.parquet    keys of addresses, domains and ids that may not come back
written/generations/00000.json.digest   of what was first written to the file of this name: one
                            that is gone is missed; so of removed/ and taken_down/
data/<run>/<task>/          documents.parquet   id, source, rank, signature (a datasketch MinHash),
                            written (hashes of words, of words and numbers, of the text), url
                            shingles.parquet    the sorted 64-bit shingle hashes of the same rows
                            keys.parquet        band keys in their order: high, low, doc, source

A store of an exact dedup has ids, sources and addresses of documents, and their hashes as keys.
```

A generation exists once its one small file does, which is created if absent; so a killed run leaves
files that are never read, never half a generation. Nothing is ever changed, but for a takedown,
which replaces a generation by one without some documents (`store_takedown`).
"""

from __future__ import annotations

import hashlib
import json
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import IO, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from curate.errors import InternalError, RecipeError, RefusedError, nearest
from curate.failpoint import reach
from curate.storage.entries import StoreFile, Tombstone
from curate.storage.store import Store, open_store

#: Raised when the same text gets other hashes or signatures, or a file other columns.
FORMAT = 3

_FOOTER_END = 8  # of a Parquet file: the length of its footer, and the magic bytes
_NUMBERED = re.compile(r"(\d{5,})\.[a-z]+")


@dataclass(frozen=True)
class Generation:
    """One generation, as its file describes it."""

    number: int
    digest: str  #: of its file
    run: str
    recipe: str
    inputs: str
    documents: int  #: removed ones included
    sources: Mapping[str, int]  #: documents of each
    entries: Sequence[StoreFile]

    @property
    def bytes(self) -> int:
        """The size of its files."""
        return sum(entry.bytes for entry in self.entries)

    def files(self, dataset: str) -> list[StoreFile]:
        """Return the files of a dataset, by the number of the task that wrote each."""
        files = [entry for entry in self.entries if entry.dataset == dataset]
        return sorted(files, key=lambda entry: entry.task)


def name_of(number: int) -> str:
    """Return the name of a generation's file."""
    return f"generations/{number:05d}.json"


def parameters_of(store: Store) -> dict[str, Any] | None:
    """Return the parameters of a store; None where there is no store."""
    try:
        body = store.read("store.json")
        fields = json.loads(body)
        if fields["format"] != FORMAT:
            raise RefusedError(
                f"the dedup store has format {fields['format']}, this version reads {FORMAT}",
                where=store.address,
                hint="its hashes are others; make a new store: curate dedup PATHS --store-to STORE",
            )
        return dict(unsealed(body)["parameters"])
    except FileNotFoundError:
        if store.names("generations") or store.names("written"):
            raise damaged(store.address, "store.json", "is gone") from None
        return None
    except (ValueError, KeyError, TypeError):
        raise damaged(store.address, "store.json", "cannot be read") from None


def sealed(fields: Mapping[str, Any]) -> bytes:
    """Return a record as JSON with a digest of itself, so that no flipped bit changes its values.

    >>> unsealed(sealed({"a": 1}))
    {'a': 1}
    """
    return _as_json({**fields, "check": _check(fields)})


def unsealed(body: bytes) -> dict[str, Any]:
    """Return the record of :func:`sealed`, or of older versions, which have no digest.

    Raise ValueError where it is neither.
    """
    fields = json.loads(body)
    if not isinstance(fields, dict):
        raise ValueError("no object")
    check = fields.pop("check", None)
    if check is not None and check != _check(fields):
        raise ValueError("damaged")
    return fields


def _check(fields: Mapping[str, Any]) -> str:
    return hashlib.blake2b(_as_json(fields), digest_size=16).hexdigest()


def _as_json(fields: Mapping[str, Any]) -> bytes:
    return json.dumps(fields, ensure_ascii=False, sort_keys=True, indent=1).encode()


def create(store: Store, name: str, body: bytes) -> bool:
    """Write a numbered file if absent, and that it was written; return whether it was."""
    created = store.create(name, body)
    if created:
        mark_written(store, name, body)
    return created


def mark_written(store: Store, name: str, body: bytes) -> None:
    """Note beside a store's files that one was written, and what."""
    digest = hashlib.blake2b(body, digest_size=16).hexdigest()
    store.create(f"written/{name}.digest", digest.encode())


def first_digest(store: Store, name: str) -> str | None:
    """Return the digest of what was first written to a file; None where an older version wrote."""
    try:
        return store.read(f"written/{name}.digest").decode(errors="replace")
    except FileNotFoundError:
        return None


def numbered(store: Store, folder: str) -> dict[int, str]:
    """Return the files of a folder by their numbers, in order. Refuse one that is gone.

    Files with names of other kinds are not ours.
    """
    written, found = _written(store, folder), _by_number(store.names(folder))
    for number in written.keys() - found.keys():
        raise damaged(store.address, written[number], "is gone")
    return found


def _written(store: Store, folder: str) -> dict[int, str]:
    marks = store.names(f"written/{folder}")
    return _by_number(mark.removeprefix("written/").removesuffix(".digest") for mark in marks)


def _by_number(names: Iterable[str]) -> dict[int, str]:
    matches = ((name, _NUMBERED.fullmatch(name.rpartition("/")[2])) for name in names)
    return dict(sorted((int(match[1]), name) for name, match in matches if match))


def numbers(store: Store) -> list[int]:
    """Return the numbers of all generations that were ever written, in order."""
    present = _by_number(store.names("generations")).keys() | _written(store, "generations")
    return list(range(max(present, default=-1) + 1))


def generations(store: Store) -> list[Generation]:
    """Return the generations that were not removed, in order. Refuse a gap: a file was deleted."""
    removed = {stone.generation for stone in removals(store)}
    return [generation(store.address, one) for one in numbers(store) if one not in removed]


def generation(address: str, number: int) -> Generation:
    """Read one generation."""
    name = name_of(number)
    try:
        body = open_store(address).read(name)
        fields = unsealed(body)
        return Generation(
            number,
            hashlib.blake2b(body, digest_size=16).hexdigest(),
            entries=tuple(StoreFile.from_json(entry) for entry in fields["files"]),
            **{name: fields[name] for name in ("run", "recipe", "inputs", "documents", "sources")},
        )
    except FileNotFoundError:
        raise damaged(address, name, "is gone") from None
    except (ValueError, KeyError, TypeError):
        raise damaged(address, name, "cannot be read") from None


def removals(store: Store) -> list[Tombstone]:
    """Return the tombstones in order."""
    stones = []
    for name in numbered(store, "removed").values():
        try:
            stones.append(Tombstone.from_json(unsealed(store.read(name))))
        except (ValueError, TypeError):
            raise damaged(store.address, name, "cannot be read") from None
    return stones


def removed_sources(store: Store, one: Generation) -> set[str] | None:
    """Return the sources of a generation that no longer count; None where none of it counts."""
    removed: set[str] = set()
    for stone in removals(store):
        if stone.generation == one.number:
            return None
        if stone.source and stone.source in one.sources and one.number < stone.before:
            removed.add(stone.source)
    return None if removed and removed == set(one.sources) else removed


def damaged(address: str, name: str, how: str) -> RefusedError:
    """Return the error for a store that is not what was written to it."""
    return RefusedError(
        f"the dedup store is damaged: {name} {how}",
        where=address,
        hint="restore it from a copy, or take that generation out of use: curate store"
        f" {address} --remove-generation N",
    )


def check_parameters(address: str, own: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    """Refuse to compare a store with band keys and shingles of other parameters."""
    other = [f"{k} = {own.get(k)}, not {v}" for k, v in expected.items() if own.get(k) != v]
    if other:
        raise RefusedError(
            f"the dedup store was made with other parameters: {'; '.join(other)}",
            where=address,
            hint="run with the store's own (bands and rows can be given), or begin another store",
        )


def append(
    address: str,
    *,
    run: str,
    recipe: str,
    inputs: str,
    compared: Sequence[int],
    parameters: Mapping[str, Any],
    entries: Sequence[StoreFile],
) -> int:
    """Make a generation of a run's files; return its number. The same run again appends nothing.

    Refuse (exit 4) when another run appended since this one looked (``compared`` lists the
    generations it was compared with): what was kept here may be copies of what was kept there.
    """
    store = open_store(address)
    sources: Counter[str] = Counter()
    for entry in entries:
        if store.size(entry.path) != entry.bytes:
            raise damaged(address, entry.path, "is not what was written")
        sources.update(entry.sources or {})
    entries = sorted(entries, key=lambda entry: (entry.dataset, entry.task))
    fields = {
        "run": run,
        "recipe": recipe,
        "inputs": inputs,
        "compared_with": list(compared),
        "documents": sum(sources.values()),
        "sources": dict(sorted(sources.items())),
        "files": [entry.to_json() for entry in entries],
    }
    if parameters_of(store) is None:
        store.create("store.json", sealed({"format": FORMAT, "parameters": dict(parameters)}))
    check_parameters(address, parameters_of(store) or {}, parameters)
    known = generations(store)
    earlier = own(store, known, run)
    if earlier is not None:
        if _content(earlier.entries) != _content(entries):
            raise RefusedError(
                f"generation {earlier.number} of the dedup store is of this very run,"
                " with other content",
                where=address,
                hint=f"curate store {address} --remove-generation {earlier.number}, then run again",
            )
        mark_written(store, name_of(earlier.number), store.read(name_of(earlier.number)))
        _sweep(store, run, earlier.entries)
        return earlier.number
    counting = [one.number for one in known if removed_sources(store, one) is not None]
    newer = [number for number in counting if number not in set(compared)]
    reach("store.before")
    number = len(numbers(store))
    if newer or not create(store, name_of(number), sealed(fields)):
        raise RefusedError(
            "another run has added to the dedup store since this one began",
            where=address,
            hint="run the same command again with --fresh, to be compared with that too",
        )
    reach("store.appended")
    _sweep(store, run, entries)
    return number


def replace(store: Store, one: Generation, entries: Sequence[StoreFile]) -> None:
    """Let a generation consist of other files, in one step."""
    fields = unsealed(store.read(name_of(one.number)))
    sources: Counter[str] = Counter()
    for entry in entries:
        sources.update(entry.sources or {})
    fields |= {
        "documents": sum(sources.values()),
        "sources": dict(sorted(sources.items())),
        "files": [entry.to_json() for entry in entries],
    }
    store.replace(name_of(one.number), sealed(fields))


def sweep(store: Store, one: Generation) -> None:
    """Remove files of a generation's run that are not part of it, as a killed takedown leaves."""
    _sweep(store, one.run, generation(store.address, one.number).entries)


def own(store: Store, known: Sequence[Generation], run: str) -> Generation | None:
    """Return the generation that a run has already made, if it still counts."""
    for one in known:
        if one.run == run and removed_sources(store, one) is not None:
            return one
    return None


def _content(entries: Sequence[StoreFile]) -> list[tuple[str, int, str]]:
    return [(entry.dataset, entry.task, entry.sha256) for entry in entries]


def _sweep(store: Store, run: str, entries: Sequence[StoreFile]) -> None:
    """Remove the folders of a run's attempts that are not part of its generation."""
    folders = {path.rpartition("/")[0] for path in store.names(f"data/{run}")}
    for folder in sorted(folders - {entry.path.rpartition("/")[0] for entry in entries}):
        store.remove(folder)


def remove(address: str, *, source: str | None = None, generation: int | None = None) -> int:
    """Put a tombstone on a source or a generation; return how many documents no longer count.

    Later runs are not compared with them. What earlier runs dropped because of them stays dropped.
    """
    store = open_store(address)
    if parameters_of(store) is None:
        raise RecipeError("no dedup store here", where=address)
    known_numbers = numbers(store)
    documents = 0
    if generation is not None:
        if generation not in known_numbers:
            raise RecipeError(
                f"the dedup store has no generation {generation}",
                where=address,
                hint=f"one of: {', '.join(map(str, known_numbers))}",
            )
    else:
        known = {name for one in generations(store) for name in one.sources}
        if source not in known:
            raise RecipeError(
                f"the dedup store has no source '{source}'",
                where=address,
                hint=nearest(str(source), known),
            )
        for one in generations(store):
            removed = removed_sources(store, one)
            if removed is not None and source not in removed:
                documents += one.sources.get(source, 0)
    stone = Tombstone(len(known_numbers), source if generation is None else None, generation)
    number = 1 + max(numbered(store, "removed"), default=-1)
    if not create(store, f"removed/{number:05d}.json", sealed(stone.to_json())):
        raise RefusedError("somebody else is removing from the store", where=address)
    return documents


def listing(address: str) -> dict[str, Any]:
    """Return a store's parameters, and of each generation the content and what still counts."""
    store = open_store(address)
    parameters = parameters_of(store)
    if parameters is None:
        raise RecipeError(
            "no dedup store here", where=address, hint="a run makes one: --store-to, or store = ..."
        )
    rows = []
    for one in generations(store):
        removed = removed_sources(store, one)
        counting = {
            name: documents
            for name, documents in one.sources.items()
            if removed is not None and name not in removed
        }
        rows.append(
            {
                "generation": one.number,
                "recipe": one.recipe,
                "documents": one.documents,
                "counting": sum(counting.values()),
                "bytes": one.bytes,
                "sources": counting,
                "removed": sorted(set(one.sources) - set(counting)),
            }
        )
    return {"parameters": parameters, "generations": rows}


def stored_ids(address: str, generations: Sequence[int]) -> Iterator[pa.ChunkedArray]:
    """Yield the ids of generations, a row group at a time."""
    store = open_store(address)
    for number in generations:
        for entry in generation(store.address, number).files("documents"):
            for table in read_groups(store, entry, ["id"]):
                yield table.column("id")


def stored_rows_of(address: str, number: int, id: str) -> Iterator[dict[str, Any]]:
    """Yield id and source of the documents of a generation that have an id."""
    store = open_store(address)
    for entry in generation(store.address, number).files("documents"):
        for table in read_groups(store, entry, ["id", "source"]):
            yield from table.filter(pc.equal(table.column("id"), id)).to_pylist()


def read_groups(
    store: Store, entry: StoreFile, columns: list[str] | None, groups: Sequence[int] | None = None
) -> Iterator[pa.Table]:
    """Yield row groups (all, or those numbered) of a store's file; refuse a damaged file."""
    try:
        with store.open(entry.path) as handle:
            metadata = _metadata(handle, entry)
            file = pq.ParquetFile(handle, metadata=metadata, page_checksum_verification=True)
            for group in range(file.num_row_groups) if groups is None else groups:
                yield file.read_row_group(group, columns=columns, use_threads=False)
    except (OSError, pa.ArrowException, InternalError) as error:
        raise damaged(store.address, entry.path, "is not what was written") from error


def group_ends(store: Store, entry: StoreFile) -> list[int]:
    """Return the number of rows up to the end of each row group; refuse a damaged file."""
    try:
        with store.open(entry.path) as handle:
            metadata = _metadata(handle, entry)
    except (OSError, pa.ArrowException, InternalError) as error:
        raise damaged(store.address, entry.path, "is not what was written") from error
    rows = [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]
    return list(accumulate(rows))


def _metadata(handle: IO[bytes], entry: StoreFile) -> pq.FileMetaData:
    """Return the metadata of a file. Pages have checksums of their own, the footer has not."""
    footer = footer_of(handle)
    if entry.footer is not None and zlib.crc32(footer) != entry.footer:
        raise InternalError("footer")
    metadata = pq.read_metadata(pa.BufferReader(b"PAR1" + footer))
    if metadata.num_rows != entry.rows:
        raise InternalError("rows")
    return metadata


def footer_of(handle: IO[bytes]) -> bytes:
    """Return the footer of a Parquet file with its length and the magic bytes after it."""
    size = handle.seek(0, 2)
    handle.seek(max(size - _FOOTER_END, 0))
    length = int.from_bytes(handle.read(4), "little") + _FOOTER_END
    handle.seek(max(size - length, 0))
    return handle.read(length)
