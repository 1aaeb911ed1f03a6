"""Pack texts of random lengths: how full the sequences are, and what packing costs.

Run: ``CURATE_SHARED_DATA=... python -m tests.benchmarks.packing --megabytes 64``. One process, CPU
seconds. The memory is what packing adds to the table of documents: a window of sequences.
"""

from __future__ import annotations

import argparse
import random
import resource
import tempfile
from collections import Counter
from time import process_time

import pyarrow as pa

from curate.storage.formats import Output, packed
from curate.storage.store import open_store
from curate.tokens.encode import encoder
from tests.benchmarks.corpus import paragraphs


def documents(megabytes: int) -> pa.Table:
    """Return documents of 1 to 20 paragraphs of many languages, in one phase."""
    pool = paragraphs("*")
    draw = random.Random(1)
    texts: list[str] = []
    size = 0
    while size < megabytes << 20:
        texts.append("\n".join(draw.choices(pool, k=draw.choice((1, 2, 5, 20)))))
        size += len(texts[-1].encode())
    ids = [f"a#{number}" for number in range(len(texts))]
    columns = {"id": ids, "text": pa.array(texts, pa.large_string()), "phase": ["main"] * len(ids)}
    return pa.table(columns)


def peak() -> int:
    """Return the most memory that this process has had, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=64)
    parser.add_argument("--lengths", type=int, nargs="+", default=[512, 2048, 8192, 32768])
    options = parser.parse_args()
    table = documents(options.megabytes)
    start = process_time()
    tokens = encoder(None, None)
    for batch in table.select(["text"]).to_batches(max_chunksize=256):
        tokens.encode(batch.column(0).to_pylist())
    alone = process_time() - start
    print(f"{table.num_rows:,} documents, {options.megabytes} MB; tokens alone {alone:.1f} s")
    before = peak()
    for length in options.lengths:
        tally: Counter[str] = Counter()
        with tempfile.TemporaryDirectory() as folder:
            start = process_time()
            output = Output(formats=("packed",), length=length)
            (entry,) = packed.write(open_store(folder), "x", table, output, tally)
            seconds = process_time() - start
        used, padding = tally["packed:main:tokens"], tally["packed:main:padding"]
        print(
            f"length {length:>6,}: fill {used / (used + padding):.4f}, {entry.rows:,} sequences,"
            f" {tally['packed:main:split']:,} documents split, {seconds:.1f} s,"
            f" {entry.bytes / used:.2f} bytes a token, peak +{peak() - before} MiB"
        )


if __name__ == "__main__":
    main()
