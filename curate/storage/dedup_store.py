"""A dedup store: what runs kept, as immutable generations that later runs are compared with.

```
store.json                  what its band keys and shingles were made with
generations/00000.json      one generation: who made it, its sources, its files with sizes and digests
removed/00000.json          a tombstone: a source or a generation that counts no more
data/<run>/<task>/          documents.parquet   id, source, rank, signature (a datasketch MinHash)
                            shingles.parquet    the sorted 64-bit shingle hashes of the same rows
                            keys.parquet        band keys in their order: high, low, doc, source
```

A generation exists once its one small file does, which is created if absent; so a killed run leaves
files that nobody reads, never half a generation. Nothing is ever changed.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from curate.errors import InternalError, RecipeError, RefusedError, nearest
from curate.failpoint import reach
from curate.storage.store import Store, open_store

FORMAT = 2

#: Rows per row group: what is read for one candidate.
_GROUP_ROWS = {"documents": 1024, "shingles": 256, "keys": 1 << 16}

Entry = dict[str, Any]


@dataclass(frozen=True)
class Generation:
    """What a store says of one generation."""

    number: int
    digest: str  #: of the file that says it
    said: Mapping[str, Any]

    @property
    def documents(self) -> int:
        """How many documents it holds, removed ones included."""
        return int(self.said["documents"])

    @property
    def bytes(self) -> int:
        """The size of its files."""
        return sum(int(entry["bytes"]) for entry in self.said["files"])

    def files(self, dataset: str) -> list[Entry]:
        """The files of a dataset, by the number of the task that wrote each."""
        mine = [entry for entry in self.said["files"] if entry["dataset"] == dataset]
        return sorted(mine, key=lambda entry: int(entry["task"]))


def name_of(number: int) -> str:
    """Name the file that makes a generation."""
    return f"generations/{number:05d}.json"


def parameters_of(store: Store) -> dict[str, Any] | None:
    """Give what a store was made with; None where there is no store."""
    try:
        said = json.loads(store.read("store.json"))
        if said["format"] != FORMAT:
            raise RefusedError(
                f"the dedup store has format {said['format']}, this version reads {FORMAT}",
                where=store.address,
                hint="its hashes are others; make a new store: curate dedup PATHS --store-to STORE",
            )
        return dict(said["parameters"])
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError):
        raise damaged(store.address, "store.json", "cannot be read") from None


def numbers(store: Store) -> list[int]:
    """Give the numbers of all generations, in order."""
    return [int(name.split("/")[-1].split(".")[0]) for name in store.names("generations")]


def generations(store: Store) -> list[Generation]:
    """Give the generations that were not removed, in order. Refuses a gap: something was deleted."""
    gone = {said["generation"] for said in removals(store) if "generation" in said}
    known = set(numbers(store))
    for number in range(max(known, default=-1) + 1):
        if number not in known | gone:
            raise damaged(store.address, name_of(number), "is gone")
    return [generation(store.address, number) for number in sorted(known - gone)]


def generation(address: str, number: int) -> Generation:
    """Read one generation."""
    name = name_of(number)
    try:
        body = open_store(address).read(name)
        said = json.loads(body)
        said["files"], said["documents"], said["sources"], said["run"]
    except FileNotFoundError:
        raise damaged(address, name, "is gone") from None
    except (ValueError, KeyError, TypeError):
        raise damaged(address, name, "cannot be read") from None
    return Generation(number, hashlib.blake2b(body, digest_size=16).hexdigest(), said)


def removals(store: Store) -> list[dict[str, Any]]:
    """Give the tombstones in order: `source` or `generation`, and `before`, how many there were then."""
    found = []
    for name in store.names("removed"):
        try:
            found.append(json.loads(store.read(name)))
        except ValueError:
            raise damaged(store.address, name, "cannot be read") from None
    return found


def removed_sources(store: Store, one: Generation) -> set[str] | None:
    """Give the sources of a generation that count no more; None where none of it counts."""
    gone: set[str] = set()
    for said in removals(store):
        if said.get("generation") == one.number:
            return None
        if "source" in said and one.number < said["before"]:
            gone.add(said["source"])
    mine = gone & set(one.said["sources"])
    return None if mine and mine == set(one.said["sources"]) else mine


def damaged(address: str, name: str, how: str) -> RefusedError:
    """Say that a store is not what was written to it."""
    return RefusedError(
        f"the dedup store is damaged: {name} {how}",
        where=address,
        hint="restore it from a copy, or take that generation out of use: curate store"
        f" {address} --remove-generation N",
    )


def check_parameters(address: str, had: Mapping[str, Any], asked: Mapping[str, Any]) -> None:
    """Refuse to compare what was made in different ways."""
    other = [f"{k} = {had.get(k)}, not {v}" for k, v in asked.items() if had.get(k) != v]
    if other:
        raise RefusedError(
            f"the dedup store was made with other parameters: {'; '.join(other)}",
            where=address,
            hint="run with the store's own (bands and rows can be given), or begin another store",
        )


class _Abandoned(Exception):
    """Raised through open files, so that they are not finished."""


class GenerationSink:
    """Writes one task's files of a generation to come; nobody reads them before `append`."""

    def __init__(self, store: Store, folder: str, task: int) -> None:
        self._store, self._folder, self._task = store, folder, task
        self._open = ExitStack()
        self._files: dict[str, tuple[Any, pq.ParquetWriter, Entry]] = {}

    def write(self, dataset: str, table: pa.Table) -> None:
        """Add rows to the task's file of a dataset."""
        if not table.num_rows:
            return
        if dataset not in self._files:
            path = f"{self._folder}/{dataset}.parquet"
            sink = self._open.enter_context(self._store.writing(path))
            writer = pq.ParquetWriter(
                sink,
                table.schema,
                version="2.6",
                compression="zstd",
                compression_level=1,
                use_dictionary=["source"] if "source" in table.column_names else False,
                write_page_checksum=True,
            )
            entry: Entry = {"dataset": dataset, "task": self._task, "path": path, "rows": 0}
            self._files[dataset] = (sink, self._open.enter_context(writer), entry)
        _, writer, entry = self._files[dataset]
        step = _GROUP_ROWS[dataset]
        for start in range(0, table.num_rows, step):
            rows = table.slice(start, step).combine_chunks()
            writer.write_table(rows, row_group_size=rows.num_rows)
            if dataset == "keys":
                high = rows.column("high")
                entry.setdefault("highs", []).append([high[0].as_py(), high[-1].as_py()])
        entry["rows"] += table.num_rows
        if dataset == "documents":
            counts: Counter[str] = Counter(entry.get("sources", {}))
            for row in pc.value_counts(table.column("source")).to_pylist():
                counts[row["values"]] += row["counts"]
            entry["sources"] = dict(sorted(counts.items()))

    def close(self) -> list[Entry]:
        """Finish the files and give their entries."""
        self._open.close()
        return [
            entry | {"bytes": sink.bytes, "sha256": sink.sha256}
            for sink, _, entry in self._files.values()
        ]

    def abandon(self) -> None:
        """Remove what was written; what is open is left as by an error, so that no torn file shows."""
        with suppress(_Abandoned), self._open:
            raise _Abandoned
        self._store.remove(self._folder)


def append(
    address: str,
    *,
    run: str,
    recipe: str,
    inputs: str,
    compared: Sequence[int],
    parameters: Mapping[str, Any],
    entries: Sequence[Entry],
) -> int:
    """Make a generation of a run's files; give its number. The same run again appends nothing.

    Refuses (exit 4) when another run appended since this one looked (``compared`` names the
    generations it was compared with): what was kept here may be copies of what was kept there.
    """
    store = open_store(address)
    for entry in entries:
        if store.size(entry["path"]) != entry["bytes"]:
            raise damaged(address, entry["path"], "is not what was written")
    sources: Counter[str] = Counter()
    for entry in entries:
        sources.update(entry.get("sources", {}))
    said = {
        "run": run,
        "recipe": recipe,
        "inputs": inputs,
        "compared_with": list(compared),
        "documents": sum(sources.values()),
        "sources": dict(sorted(sources.items())),
        "files": sorted(entries, key=lambda entry: (entry["dataset"], entry["task"])),
    }
    head = json.dumps({"format": FORMAT, "parameters": dict(parameters)}, sort_keys=True, indent=1)
    store.create("store.json", head.encode())
    check_parameters(address, parameters_of(store) or {}, parameters)
    known = generations(store)
    mine = own(store, known, run)
    if mine is not None:
        if _content(mine.said) != _content(said):
            raise RefusedError(
                f"generation {mine.number} of the dedup store is of this very run, with other content",
                where=address,
                hint=f"curate store {address} --remove-generation {mine.number}, then run again",
            )
        _sweep(store, run, {entry["path"] for entry in mine.said["files"]})
        return mine.number
    living = [one.number for one in known if removed_sources(store, one) is not None]
    newer = [number for number in living if number not in set(compared)]
    body = json.dumps(said, ensure_ascii=False, sort_keys=True, indent=1).encode()
    reach("store.before")
    number = 1 + max(numbers(store), default=-1)
    if newer or not store.create(name_of(number), body):
        raise RefusedError(
            "another run has added to the dedup store since this one began",
            where=address,
            hint="run the same command again with --fresh, to be compared with that too",
        )
    reach("store.appended")
    _sweep(store, run, {entry["path"] for entry in entries})
    return number


def own(store: Store, known: Sequence[Generation], run: str) -> Generation | None:
    """Find the generation that a run has already made, if it still counts."""
    for one in known:
        if one.said["run"] == run and removed_sources(store, one) is not None:
            return one
    return None


def _content(said: Mapping[str, Any]) -> list[tuple[str, int, str]]:
    return [(entry["dataset"], entry["task"], entry["sha256"]) for entry in said["files"]]


def _sweep(store: Store, run: str, named: set[str]) -> None:
    """Remove the folders of attempts that did not count."""
    folders = {path.rpartition("/")[0] for path in store.names(f"data/{run}")}
    for folder in sorted(folders - {path.rpartition("/")[0] for path in named}):
        store.remove(folder)


def remove(address: str, *, source: str | None = None, generation: int | None = None) -> int:
    """Put a tombstone on a source or a generation; give how many documents count no more.

    Later runs are not compared with them. What earlier runs dropped because of them stays dropped.
    """
    store = open_store(address)
    if parameters_of(store) is None:
        raise RecipeError("no dedup store here", where=address)
    known_numbers = numbers(store)
    said: dict[str, Any] = {"before": 1 + max(known_numbers, default=-1)}
    lost = 0
    if generation is not None:
        if generation not in known_numbers:
            raise RecipeError(
                f"the dedup store has no generation {generation}",
                where=address,
                hint=f"one of: {', '.join(map(str, known_numbers))}",
            )
        said["generation"] = generation
    else:
        known = {name for one in generations(store) for name in one.said["sources"]}
        if source not in known:
            raise RecipeError(
                f"the dedup store has no source '{source}'",
                where=address,
                hint=nearest(str(source), known),
            )
        said["source"] = source
        for one in generations(store):
            gone = removed_sources(store, one)
            if gone is not None and source not in gone:
                lost += int(one.said["sources"].get(source, 0))
    number = len(store.names("removed"))
    if not store.create(f"removed/{number:05d}.json", json.dumps(said).encode()):
        raise RefusedError("somebody else is removing from the store", where=address)
    return lost


def listing(address: str) -> dict[str, Any]:
    """Describe a store: its parameters, and of each generation what it holds and what still counts."""
    store = open_store(address)
    parameters = parameters_of(store)
    if parameters is None:
        raise RecipeError(
            "no dedup store here", where=address, hint="a run makes one: --store-to, or store = ..."
        )
    rows = []
    for one in generations(store):
        gone = removed_sources(store, one)
        living = {
            name: n
            for name, n in one.said["sources"].items()
            if gone is not None and name not in gone
        }
        rows.append(
            {
                "generation": one.number,
                "recipe": one.said["recipe"],
                "documents": one.documents,
                "counting": sum(living.values()),
                "bytes": one.bytes,
                "sources": living,
                "removed": sorted(set(one.said["sources"]) - set(living)),
            }
        )
    return {"parameters": parameters, "generations": rows}


def stored_ids(address: str, read: Sequence[int]) -> Iterator[pa.ChunkedArray]:
    """Stream the ids of generations, a row group at a time."""
    store = open_store(address)
    for number in read:
        for entry in generation(store.address, number).files("documents"):
            for table in read_groups(store, entry, ["id"]):
                yield table.column("id")


def stored_rows_of(address: str, number: int, wanted: str) -> Iterator[dict[str, Any]]:
    """Give id and source of the documents of a generation that have an id."""
    store = open_store(address)
    for entry in generation(store.address, number).files("documents"):
        for table in read_groups(store, entry, ["id", "source"]):
            yield from table.filter(pc.equal(table.column("id"), wanted)).to_pylist()


def read_groups(
    store: Store, entry: Entry, columns: list[str] | None, groups: Sequence[int] | None = None
) -> Iterator[pa.Table]:
    """Stream row groups (all, or those named) of a store's file; refuses what is not as written."""
    try:
        with store.open(entry["path"]) as handle:
            file = pq.ParquetFile(handle, page_checksum_verification=True)
            if file.metadata.num_rows != entry["rows"]:
                raise InternalError("rows")
            for group in range(file.num_row_groups) if groups is None else groups:
                yield file.read_row_group(group, columns=columns, use_threads=False)
    except (OSError, pa.ArrowInvalid, InternalError) as error:
        raise damaged(store.address, entry["path"], "is not what was written") from error
