"""A shard is read in batches: its memory is that of a batch, whatever its files are."""

import bz2
import gzip
import json
import tracemalloc

import fsspec
import pyarrow as pa
import pytest

from curate.engine.reading import AT_ONCE, read_shard
from curate.plan.model import PlannedPiece, Shard, SourcePlan
from curate.sources.base import Piece
from curate.sources.files import expand, identity
from curate.sources.jsonl import Jsonl
from curate.sources.parquet import Parquet

BATCH = 1 << 21
SOURCE = SourcePlan("a", Jsonl(), "native", None)


def whole(path, suffixes=(".jsonl",)):
    """Return a shard of the whole files of a path."""
    files = expand([str(path)], suffixes)
    return Shard("a", tuple(PlannedPiece(f, Piece(0, f.size), identity(f)) for f in files))


def lines(number):
    words = " ".join(f"w{number * 7919 % 65536:x}{place:x}" for place in range(120))
    return json.dumps({"text": f"{number} {words}"}).encode() + b"\n"


@pytest.mark.parametrize("packing", [gzip, bz2])
def test_a_compressed_file_is_never_in_memory_as_a_whole(tmp_path, packing):
    peaks = []
    for size in (3000, 3000, 12_000):  # the first loads what all need
        name = f"{size}.jsonl.{packing.__name__[0]}z"
        with packing.open(tmp_path / name, "wb") as sink:
            sink.writelines(map(lines, range(size)))
        shard = whole(tmp_path / name)
        tracemalloc.start()
        before = pa.total_allocated_bytes()
        documents = largest = 0
        for batch in read_shard(SOURCE, shard, BATCH):
            documents += batch.documents.num_rows
            assert batch.documents.nbytes < 2 * BATCH
            largest = max(largest, pa.total_allocated_bytes() - before)
        del batch
        peaks.append(tracemalloc.get_traced_memory()[1] + largest)
        tracemalloc.stop()
        assert documents == size
    assert peaks[2] - peaks[1] < 4 << 20, peaks  # the texts have 3 and 11 MB


def test_small_remote_files_are_read_side_by_side_in_their_order(tmp_path):
    memory = fsspec.filesystem("memory")
    for number in range(3 * AT_ONCE):
        body = b"".join(lines(100 * number + line) for line in range(number % 4))
        (tmp_path / f"{number:02d}.jsonl").write_bytes(body + b"broken\n" * (number % 3))
        memory.pipe(f"/small/{number:02d}.jsonl", body + b"broken\n" * (number % 3))
    try:
        (near,) = read_shard(SOURCE, whole(tmp_path), 1 << 30)
        (far,) = read_shard(SOURCE, whole("memory://small"), 1 << 30)
    finally:
        memory.rm("/small", recursive=True)
    assert far.documents.equals(near.documents)
    assert far.quarantined.equals(near.quarantined)
    assert far.counts == near.counts
    assert len(far.counts) == 3 * AT_ONCE


def test_a_parquet_file_at_an_address_is_read_in_parts(monkeypatch, tmp_path):
    import pyarrow.parquet as pq

    from curate.sources import parquet_rows

    monkeypatch.setattr(parquet_rows, "_AT_ONCE", 1 << 10)
    monkeypatch.setattr("curate.engine.reading.SMALL", 1)
    pq.write_table(pa.table({"text": ["a" * 9000, "b", None] * 50}), tmp_path / "x.parquet")
    memory = fsspec.filesystem("memory")
    memory.pipe("/parts/x.parquet", (tmp_path / "x.parquet").read_bytes())
    source = SourcePlan("a", Parquet(), "native", None)
    try:
        (batch,) = read_shard(source, whole("memory://parts", (".parquet",)), 1 << 30)
    finally:
        memory.rm("/parts", recursive=True)
    assert batch.documents.column("text").to_pylist() == ["a" * 9000, "b"] * 50
