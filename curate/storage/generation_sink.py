"""Writes the files of a dedup store's future generation."""

from __future__ import annotations

import zlib
from collections import Counter
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from curate.storage.dedup_store import footer_of
from curate.storage.entries import StoreFile
from curate.storage.store import HashingWriter, Store

#: Rows per row group, the unit that is read for one candidate.
_GROUP_ROWS = {"documents": 1024, "shingles": 256, "texts": 64, "keys": 1 << 16}


class _Abandoned(Exception):
    """Raised through open files, so that they are not completed."""


@dataclass
class _OpenFile:
    path: str
    sink: HashingWriter
    writer: pq.ParquetWriter
    rows: int = 0
    highs: list[list[int]] = field(default_factory=list)
    sources: Counter[str] = field(default_factory=Counter)


class GenerationSink:
    """Writes one task's files of a future generation; they are not read before `append`."""

    def __init__(self, store: Store, folder: str, task: int) -> None:
        self._store, self._folder, self._task = store, folder, task
        self._open = ExitStack()
        self._files: dict[str, _OpenFile] = {}

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
            self._files[dataset] = _OpenFile(path, sink, self._open.enter_context(writer))
        file = self._files[dataset]
        step = _GROUP_ROWS[dataset]
        for start in range(0, table.num_rows, step):
            rows = table.slice(start, step).combine_chunks()
            file.writer.write_table(rows, row_group_size=rows.num_rows)
            if dataset == "keys":
                high = rows.column("high")
                file.highs.append([high[0].as_py(), high[-1].as_py()])
        file.rows += table.num_rows
        if dataset == "documents":
            for row in pc.value_counts(table.column("source")).to_pylist():
                file.sources[row["values"]] += row["counts"]

    def close(self) -> list[StoreFile]:
        """Complete the files and return their entries."""
        self._open.close()
        return [self._entry(dataset, file) for dataset, file in self._files.items()]

    def _entry(self, dataset: str, file: _OpenFile) -> StoreFile:
        with self._store.open(file.path) as written:
            footer = footer_of(written)
        return StoreFile(
            dataset,
            self._task,
            file.path,
            file.sink.bytes,
            file.sink.sha256,
            file.rows,
            file.highs or None,
            dict(sorted(file.sources.items())) or None,
            zlib.crc32(footer),
        )

    def abandon(self) -> None:
        """Remove what was written; close files as after an error, so that none becomes visible."""
        with suppress(_Abandoned), self._open:
            raise _Abandoned
        self._store.remove(self._folder)
