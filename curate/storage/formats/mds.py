"""MosaicML's streaming format (MDS): shards that training nodes fetch one by one.

Written here from the format's layout, because the package that defines it needs PyTorch only to
write bytes; where it is installed, a test compares the shards with the package's own, byte for
byte. Columns are ``id`` and ``text`` (llm-foundry's text dataset reads ``text`` and tokenizes as it
goes).

A shard is: the number of samples; the offset in the file of each sample, and of the end of the last
(little-endian, 32 bits each); the configuration as JSON; the samples. A sample is the sizes of its
columns, 32 bits each, and then the columns in order of their names. ``index.json`` of the folder
lists all shards; it is written when the run is published.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa

from curate.storage.entries import FileEntry
from curate.storage.formats import Output
from curate.storage.store import Store

_COLUMNS = ("id", "text")

#: The most bytes of a shard's samples, unless one sample is larger.
SHARD_BYTES = 1 << 26

_CONFIG = {
    "column_encodings": ["str"] * len(_COLUMNS),
    "column_names": list(_COLUMNS),
    "column_sizes": [None] * len(_COLUMNS),
    "compression": None,
    "format": "mds",
    "hashes": [],
    "size_limit": SHARD_BYTES,
    "version": 2,
}


def write(
    store: Store, folder: str, table: pa.Table, output: Output, tally: Counter[str]
) -> list[FileEntry]:
    """Write the shards of one part."""
    entries: list[FileEntry] = []
    for number, (samples, body) in enumerate(shards(_samples(table))):
        suffix = f".{number:05d}.mds"
        name = f"{folder}/mds-00000{suffix}"
        with store.writing(name) as sink:
            sink.write(body)
            entries.append(FileEntry("mds", name, sink.bytes, sink.sha256, samples, suffix))
    return entries


def index(files: Iterable[tuple[str, int, int]]) -> bytes:
    """Return ``index.json`` for (name, bytes, samples) of each shard, in order."""
    listed = [
        {
            **_CONFIG,
            "raw_data": {"basename": name, "bytes": size, "hashes": {}},
            "samples": samples,
            "zip_data": None,
        }
        for name, size, samples in files
    ]
    return json.dumps({"version": 2, "shards": listed}, sort_keys=True).encode()


def _samples(table: pa.Table) -> Iterator[bytes]:
    for batch in table.select(_COLUMNS).to_batches(max_chunksize=512):
        for row in batch.to_pylist():
            columns = [(row[name] or "").encode() for name in _COLUMNS]
            yield np.array([len(c) for c in columns], "<u4").tobytes() + b"".join(columns)


def shards(samples: Iterable[bytes], limit: int = SHARD_BYTES) -> Iterator[tuple[int, bytes]]:
    """Yield shards of at most ``limit`` bytes: the number of samples in each, and its bytes."""
    config = json.dumps(_CONFIG | {"size_limit": limit}, sort_keys=True).encode()
    fixed = 8 + len(config)
    waiting: list[bytes] = []
    size = fixed
    for sample in samples:
        if waiting and size + len(sample) + 4 > limit:
            yield len(waiting), _shard(waiting, config)
            waiting, size = [], fixed
        waiting.append(sample)
        size += len(sample) + 4
    if waiting:
        yield len(waiting), _shard(waiting, config)


def _shard(samples: list[bytes], config: bytes) -> bytes:
    ends = np.cumsum([0, *(len(sample) for sample in samples)])
    start = 4 + 4 * len(ends) + len(config)
    head = np.array([len(samples)], "<u4").tobytes() + (ends + start).astype("<u4").tobytes()
    return head + config + b"".join(samples)
