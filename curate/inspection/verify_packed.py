"""Check packed sequences against their manifest: their shape, their counts, their documents."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from curate.mixture.sampling import sample_key
from curate.protocol.tallies import PACKED, counts_of
from curate.storage.entries import Manifest
from curate.storage.store import Store

#: What is counted again; ``continued``: pieces that do not begin their document.
_COUNTED = ("sequences", "documents", "continued", "tokens", "trained", "padding")


def packed_problems(store: Store, manifest: Manifest) -> Iterator[str]:
    """Yield what is wrong with packed files whose digests are right, one sentence each.

    Ids are compared as 64-bit hashes, so that memory is 8 bytes for each document.
    """
    folders: dict[str, list[str]] = {}
    for entry in manifest.files:
        folder, _, rest = entry.path.partition("/")
        if folder in (PACKED, "mixture"):
            folders.setdefault(rest.partition("/")[0], []).append(entry.path)
    counted: dict[str, Counter[str]] = {}
    for stage in manifest.ledger.stages.values():
        for key, count in counts_of(stage.tally, PACKED).items():
            phase, _, what = key.partition(":")
            counted.setdefault(phase, Counter())[what] += count
    for phase, expected in counted.items():
        yield from _phase(store, phase, folders.get(phase, []), expected, manifest)


def _phase(
    store: Store, phase: str, paths: list[str], expected: Counter[str], manifest: Manifest
) -> Iterator[str]:
    length = int(manifest.recipe["output"]["length"])
    found: Counter[str] = Counter()
    packed, continued = [np.empty(0, np.uint64)], [np.empty(0, np.uint64)]
    product = [np.empty(0, np.uint64)]
    for path in paths:
        if path.startswith("mixture/"):
            product += [sample_key(t.column("id"), 1) for t in _groups(store, path, ["id"])]
            continue
        for table in _groups(store, path):
            try:
                for keys, more in zip((packed, continued), _sound(table, length, found)):
                    keys.append(more)
            except ValueError as wrong:
                yield f"{path}: {wrong}"
                return
    expected["continued"] = expected["pieces"] - expected["split"]
    for what in _COUNTED:
        if found[what] != expected[what]:
            yield f"packed/{phase}: {found[what]} {what}, but the ledger says {expected[what]}"
    left_out = sum(counts_of(expected, "left_out").values())
    documents = np.concatenate(packed)
    extra, missing = _difference(documents, np.concatenate(product))
    extra += int((~np.isin(np.concatenate(continued), documents)).sum())
    if extra:
        yield f"packed/{phase}: {extra} documents are not in mixture/{phase}"
    if missing != left_out:
        yield (
            f"packed/{phase}: {missing} documents of mixture/{phase} are not packed, but the"
            f" ledger says {left_out}"
        )


def _groups(store: Store, path: str, columns: list[str] | None = None) -> Iterator[pa.Table]:
    with store.open(path) as handle:
        file = pq.ParquetFile(handle)
        for group in range(file.num_row_groups):
            yield file.read_row_group(group, columns=columns, use_threads=False).combine_chunks()


def _lists(table: pa.Table, name: str) -> tuple[npt.NDArray[Any], npt.NDArray[np.int64]]:
    """Return the values of a column of lists, and how many each row has."""
    column = table.column(name).combine_chunks()
    lengths = column.value_lengths().to_numpy().astype(np.int64)
    return column.flatten().to_numpy(zero_copy_only=False), lengths


def _sound(
    table: pa.Table, length: int, found: Counter[str]
) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64]]:
    """Add the counts of sequences; return the keys of documents that begin, or continue, in them.

    Raise ValueError, with what is wrong, where their columns do not belong together.
    """
    for name in ("input_ids", "loss_mask", "position_ids"):
        if (_lists(table, name)[1] != length).any():
            raise ValueError(f"a sequence has not {length} values in '{name}'")
    offsets, edges = _lists(table, "document_offsets")
    starts, documents = _lists(table, "document_starts")
    ids, named = _lists(table, "document_ids")
    if (edges != documents + 1).any() or (edges != named + 1).any() or (edges < 2).any():
        raise ValueError("a sequence has other offsets than documents")
    last = np.cumsum(edges) - 1
    ends_row = np.zeros(len(offsets), np.bool_)
    ends_row[last] = True
    begins, lengths = offsets[~ends_row], np.diff(offsets, append=0)[~ends_row]
    if offsets[last - documents].any() or (lengths < 1).any() or (offsets[last] > length).any():
        raise ValueError("the offsets of documents do not rise from 0 to the sequence's length")
    places = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    row = np.repeat(np.arange(table.num_rows), documents)
    positions = np.zeros(table.num_rows * length, np.int64)
    of_document = np.zeros(len(positions), np.bool_)
    at = np.repeat(row * length + begins, lengths) + places
    positions[at], of_document[at] = places, True
    if (_lists(table, "position_ids")[0] != positions).any():
        raise ValueError("positions do not begin again with each document")
    mask = _lists(table, "loss_mask")[0]
    if (mask > 1).any() or mask[~of_document].any():
        raise ValueError("a loss mask covers padding, or is neither 0 nor 1")
    found += Counter(
        sequences=table.num_rows,
        documents=int((starts == 0).sum()),
        continued=int((starts > 0).sum()),
        tokens=int(lengths.sum()),
        trained=int(mask.sum()),
        padding=int((~of_document).sum()),
    )
    keys = sample_key(pa.array(ids), 1)
    return keys[starts == 0], np.unique(keys[starts > 0])


def _difference(packed: npt.NDArray[np.uint64], product: npt.NDArray[np.uint64]) -> tuple[int, int]:
    """Return how many keys are in the first only, and in the second only; copies count."""
    keys = np.concatenate([packed, product])
    signs = np.concatenate([np.ones(len(packed), np.int64), -np.ones(len(product), np.int64)])
    _, inverse = np.unique(keys, return_inverse=True)
    over = np.bincount(inverse, signs).astype(np.int64) if len(keys) else np.empty(0, np.int64)
    return int(over[over > 0].sum()), int(-over[over < 0].sum())
