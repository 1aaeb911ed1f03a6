"""What changed between two finished runs: counts, and documents that changed sides.

Rows are joined by id. They are divided by a hash of the id into parts that fit into memory, in a
temporary folder; so neither run needs to.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.ipc
import pyarrow.parquet as pq

from curate import schema
from curate.inspection.finished_rows import readable
from curate.inspection.verify import manifest_of
from curate.mixture.sampling import sample_key
from curate.storage.entries import Manifest
from curate.storage.store import Store

#: Rows of both runs that are joined at a time, about; and the most parts that are written at once.
PART_ROWS, MOST_PARTS = 1 << 20, 512

#: Examples per change, and characters of the text of each.
EXAMPLES, CHARACTERS = 3, 200

KEPT, ABSENT = "kept", "absent"

_PLACED = pa.schema(
    [
        ("id", pa.string()), ("source", pa.string()), ("lang", pa.string()),
        ("outcome", pa.string()), ("value", pa.float64()), ("tokens", pa.int64()),
        ("file", pa.int32()), ("group", pa.int32()),
    ]
)  # fmt: skip


def compare_runs(before: Store, after: Store) -> dict[str, Any]:
    """Return what changed from one finished run to another; see `curate.api.compare_runs`."""
    runs = [(store, manifest_of(store)) for store in (before, after)]
    totals, rules = [], []
    for _, manifest in runs:
        totals.append(manifest.totals.to_json())
        dropped: Counter[str] = Counter()
        for name, stage in manifest.ledger.stages.items():
            for (*_, rule), amount in stage.dropped.items():
                dropped[f"{name}:{rule}"] += amount.documents
        rules.append(dropped)
    moved: dict[tuple[str, str], _Moved] = {}
    kept: dict[str, dict[str, list[int]]] = {"sources": {}, "languages": {}}
    for joined in _joined(runs):
        _count_kept(joined, kept)
        _count_moved(joined, moved)
    changes = sorted(moved.items(), key=lambda item: (-item[1].documents, item[0]))
    return {
        "totals": {name: [each.get(name, 0) for each in totals] for name in totals[0]},
        "rules": _both(rules),
        **{name: dict(sorted(counts.items())) for name, counts in kept.items()},
        "changed": [
            {
                "before": pair[0],
                "after": pair[1],
                "documents": change.documents,
                "examples": [_shown(runs, example) for _, example in change.examples],
            }
            for pair, change in changes
        ],
    }


class _Moved:
    """Documents with one change of their outcome: how many, and those whose ids hash lowest."""

    def __init__(self) -> None:
        self.documents = 0
        self.examples: list[tuple[int, dict[str, Any]]] = []


def _both(counts: list[Counter[str]]) -> dict[str, list[int]]:
    names = sorted(counts[0].keys() | counts[1].keys())
    return {name: [each[name] for each in counts] for name in names}


def _joined(runs: list[tuple[Store, Manifest]]) -> Iterator[pa.Table]:
    """Yield the documents of both runs side by side, part by part; null where one has none."""
    rows = sum(entry.rows for _, manifest in runs for entry in manifest.files)
    parts = min(MOST_PARTS, 1 + rows // PART_ROWS)
    with tempfile.TemporaryDirectory(prefix="curate-compare-") as folder:
        for side, (store, manifest) in enumerate(runs):
            _divide(store, manifest, Path(folder), side, parts)
        for part in range(parts):
            tables = []
            for side in (0, 1):
                with pa.ipc.open_file(Path(folder, f"{side}-{part}")) as file:
                    tables.append(_documents(file.read_all()))
            yield tables[0].join(
                tables[1], "id", join_type="full outer", left_suffix="_0", right_suffix="_1",
                use_threads=False,
            )  # fmt: skip


def _divide(store: Store, manifest: Manifest, folder: Path, side: int, parts: int) -> None:
    """Write the rows of a run into files by the hash of their ids, without their texts."""
    with ExitStack() as stack:
        sinks = [
            stack.enter_context(pa.ipc.new_file(folder / f"{side}-{part}", _PLACED))
            for part in range(parts)
        ]
        for number, entry in enumerate(manifest.files):
            if entry.dataset not in ("mixture", "rejected"):
                continue
            for group, table in _groups(store, entry.path):
                placed = _placed(table, entry.dataset == "mixture", number, group)
                part_of = sample_key(placed.column("id"), 0) % np.uint64(parts)
                for part in np.unique(part_of).tolist():
                    sinks[part].write(placed.filter(pa.array(part_of == part)))


def _groups(store: Store, path: str) -> Iterator[tuple[int, pa.Table]]:
    wanted = {"id", "source", "lang", "n_tokens", "dropped_by", "dropped_value"}
    with readable(store, path), store.open(path) as handle:
        file = pq.ParquetFile(handle, page_checksum_verification=True)
        columns = [name for name in file.schema_arrow.names if name in wanted]
        for group in range(file.num_row_groups):
            yield group, file.read_row_group(group, columns=columns, use_threads=False)


def _placed(table: pa.Table, taken: bool, file: int, group: int) -> pa.Table:
    rows = table.num_rows

    def column(name: str, otherwise: pa.DataType) -> pa.Array:
        absent = name not in table.column_names
        return pa.nulls(rows, otherwise) if absent else schema.whole(table.column(name))

    outcome = pa.repeat(KEPT, rows) if taken else column("dropped_by", pa.string())
    columns = [
        column("id", pa.string()), column("source", pa.string()), column("lang", pa.string()),
        outcome, column("dropped_value", pa.float64()), column("n_tokens", pa.int64()),
        pa.repeat(pa.scalar(file, pa.int32()), rows), pa.repeat(pa.scalar(group, pa.int32()), rows),
    ]  # fmt: skip
    return pa.table(columns, names=_PLACED.names).cast(_PLACED)


def _documents(rows: pa.Table) -> pa.Table:
    """Return a row per document, with the tokens of all its copies."""
    firsts = [name for name in _PLACED.names if name not in ("id", "tokens")]
    grouped = rows.group_by("id", use_threads=False).aggregate(
        [*((name, "first") for name in firsts), ("tokens", "sum")]
    )
    names = [name.removesuffix("_first").removesuffix("_sum") for name in grouped.column_names]
    return grouped.rename_columns(names).select(_PLACED.names)


def _count_kept(joined: pa.Table, kept: dict[str, dict[str, list[int]]]) -> None:
    """Add documents and tokens that each run took: before, after, tokens before, tokens after."""
    for side in (0, 1):
        taken = joined.filter(pc.equal(joined.column(f"outcome_{side}"), KEPT))
        for title, name in (("sources", "source"), ("languages", "lang")):
            rows = taken.select([f"{name}_{side}", f"tokens_{side}"]).rename_columns(["by", "n"])
            sums = rows.group_by("by", use_threads=False).aggregate(
                [([], "count_all"), ("n", "sum")]
            )
            for row in sums.to_pylist():
                counts = kept[title].setdefault(row["by"] or "-", [0, 0, 0, 0])
                counts[side] += row["count_all"]
                counts[2 + side] += row["n_sum"] or 0


def _count_moved(joined: pa.Table, moved: dict[tuple[str, str], _Moved]) -> None:
    outcomes = [pc.fill_null(joined.column(f"outcome_{side}"), ABSENT) for side in (0, 1)]
    changed = pc.not_equal(*outcomes)
    table = joined.filter(changed)
    if not table.num_rows:
        return
    pairs = pa.table([*(each.filter(changed) for each in outcomes)], names=["before", "after"])
    keys = sample_key(table.column("id"), 0)
    order = np.argsort(keys, kind="stable")
    seen: Counter[tuple[str, str]] = Counter()
    before, after = (
        pairs.column(name).take(pa.array(order)).to_pylist() for name in pairs.schema.names
    )
    for row, pair in zip(order.tolist(), zip(before, after, strict=True), strict=True):
        seen[pair] += 1
        if seen[pair] <= EXAMPLES:
            change = moved.setdefault(pair, _Moved())
            change.examples.append((int(keys[row]), table.slice(row, 1).to_pylist()[0]))
    for pair, documents in seen.items():
        change = moved[pair]
        change.documents += documents
        change.examples.sort(key=lambda one: (one[0], one[1]["id"]))
        del change.examples[EXAMPLES:]


def _shown(runs: list[tuple[Store, Manifest]], row: dict[str, Any]) -> dict[str, Any]:
    """Return an example with the beginning of its text, of the later run where that has it."""
    side = 0 if row["outcome_1"] is None else 1
    store, manifest = runs[side]
    path, text = manifest.files[row[f"file_{side}"]].path, ""
    with store.open(path) as handle:
        group = pq.ParquetFile(handle).read_row_group(
            row[f"group_{side}"], columns=["id", "text"], use_threads=False
        )
    for found in group.filter(pc.equal(group.column("id"), row["id"])).slice(0, 1).to_pylist():
        text = (found["text"] or "")[:CHARACTERS]
    values = [row["value_0"], row["value_1"]]
    return {"id": row["id"], "values": values, "text": text}
