"""Run one contender of dedup_peers: read, sign, cluster, (verify,) write.

    python tests/benchmarks/dedup_contenders.py NAME IN.parquet OUT.parquet [--work DIR]

Prints one line of JSON: seconds of start (imports, compiling) and of work, ids kept. Each peer is
used as its documentation shows; 14 bands of 8 rows, word 5-grams. Of this project the file imports
``curate`` alone, so that a peer's own environment can run it.
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

BANDS, ROWS, NGRAM = 14, 8, 5


def curate_table(source, out, **options):
    """Run `curate.deduplicate`: exact and near, verified, all cores, 20 bands of 8 rows."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    import curate

    few = pq.ParquetFile(source).read_row_group(0)["text"].slice(0, 300).to_pylist()
    # With near copies, so that all kernels are loaded.
    curate.deduplicate(pa.table({"text": few + [text + " as it was told" for text in few]}))
    yield
    table = curate.deduplicate(pq.read_table(source, memory_map=True), **options)
    yield save(table.select(["id", "text"]), pc.is_null(table["dropped_by"]), out)


def curate_as_peers(source, out):
    """Run `curate.deduplicate` with the bands and rows of the peers."""
    yield from curate_table(source, out, bands=BANDS, rows=ROWS)


def curate_run(source, out):
    """Run `curate run`, with commits, accounting, clusters and a report.

    Its start (interpreter, Ray, kernels) is the time of the same command on 200 documents.
    """
    import pyarrow.parquet as pq

    folder = Path(out).with_suffix("")
    engine = os.environ.get("CURATE_ENGINE", "ray")
    more = ["--workers", "2"] if engine == "ray" else []
    recipe = folder.with_suffix(".toml")
    recipe.write_text(
        'name = "dedup"\n[sources.parquet]\nformat = "parquet"\npath = []\n'
        '[[stages]]\nuse = "exact_dedup"\n[[stages]]\nuse = "fuzzy_dedup"\n'
        "[shards]\ninput_bytes = 16000000\n"  # enough shards for two workers
    )

    def run(path, to):
        line = [sys.executable, "-m", "curate", "run", str(recipe), "--output", str(to)]
        line += ["--input", f"parquet={path}", "--engine", engine, *more]
        shutil.rmtree(to, ignore_errors=True)
        began = time.perf_counter()
        subprocess.run(line, check=True, capture_output=True)
        return time.perf_counter() - began

    file = pq.ParquetFile(source)
    few = folder.with_suffix(".few.parquet")
    pq.write_table(file.read_row_group(0).slice(0, 200), few)
    yield min(run(few, f"{folder}-few-{n}") for n in range(2))
    run(source, folder)
    # An id ends in row group and row.
    starts = [0]
    for group in range(file.num_row_groups):
        starts.append(starts[-1] + file.metadata.row_group(group).num_rows)
    ids = pq.read_table(source, columns=["id"])["id"].to_pylist()
    kept = []
    for part in sorted(folder.glob("mixture/*/*.parquet")):
        for name in pq.read_table(part, columns=["id"])["id"].to_pylist():
            group, row = name.rpartition("#")[2].split(":")
            kept.append(ids[starts[int(group)] + int(row)])
    yield kept


def daft(source, out):
    """Sign with Daft's normalize and minhash; join the bands with `first_of_component`."""
    import daft as df
    import numpy as np
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    yield
    text = df.col("text").normalize(
        remove_punct=True, lowercase=True, nfd_unicode=False, white_space=True
    )
    signed = text.minhash(num_hashes=BANDS * ROWS, ngram_size=NGRAM, seed=1, hash_function="xxhash")
    rows = df.read_parquet(source).select(df.col("id"), signed.alias("signature")).to_arrow()
    flat = np.asarray(rows["signature"].combine_chunks().flatten(), np.uint32)
    table = pq.read_table(source, memory_map=True)
    at = pc.index_in(table["id"].combine_chunks(), value_set=rows["id"].combine_chunks())
    yield finish(table, flat.reshape(table.num_rows, -1)[at.to_numpy()], out)


def rensa(source, out):
    """Sign each document with RMinHash; join the bands with `first_of_component`."""
    import numpy as np
    import pyarrow.parquet as pq
    from rensa import RMinHash

    yield
    table = pq.read_table(source, memory_map=True)
    signatures = np.empty((table.num_rows, BANDS * ROWS), np.uint32)
    for row, text in enumerate(table["text"].to_pylist()):
        minhash = RMinHash(num_perm=BANDS * ROWS, seed=42)
        minhash.update(grams(text))
        signatures[row] = minhash.digest()
    yield finish(table, signatures, out)


def datasketch(source, out):
    """Sign with MinHash.generator and xxhash; join the bands with `first_of_component`."""
    import numpy as np
    import pyarrow.parquet as pq
    import xxhash
    from datasketch import MinHash

    yield
    table = pq.read_table(source, memory_map=True)
    minhashes = MinHash.generator(
        ([gram.encode() for gram in grams(text)] for text in table["text"].to_pylist()),
        num_perm=BANDS * ROWS,
        hashfunc=lambda data: xxhash.xxh32_intdigest(data),
    )
    signatures = np.array([minhash.hashvalues for minhash in minhashes], np.uint32)
    yield finish(table, signatures, out)


def text_dedup(source, out):
    """Run the command of text-dedup with two processes."""
    folder = Path(out).with_suffix("")
    yield
    options = {
        "path": "parquet",
        "data_files": source,
        "split": "train",
        "column": "text",
        "output": str(folder),
        "ngram": NGRAM,
        "num_perm": BANDS * ROWS,
        "b": BANDS,
        "r": ROWS,
        "num_proc": 2,
        "hash_func": "xxh3",
        "hash_bits": 32,
        "cache_dir": str(folder) + "-cache",
    }
    for old in (folder, options["cache_dir"]):  # else it continues an earlier run
        shutil.rmtree(old, ignore_errors=True)
    line = [sys.executable, "-m", "text_dedup.minhash"]
    for name, value in options.items():
        line += [f"--{name}", str(value)]
    subprocess.run(line, check=True, capture_output=True)
    from datasets import load_from_disk

    yield list(load_from_disk(str(folder))["id"])


def datatrove(source, out):
    """Run FineWeb's four steps with two workers; without spaCy, words are those of `str.split`."""
    import pyarrow.parquet as pq
    from datatrove.executor.local import LocalPipelineExecutor
    from datatrove.pipeline.dedup import MinhashDedupSignature
    from datatrove.pipeline.dedup import minhash as steps
    from datatrove.pipeline.readers import ParquetReader
    from datatrove.pipeline.writers import ParquetWriter

    class Split:
        def word_tokenize(self, text):
            return text.split()

    if not os.environ.get("DATATROVE_TOKENIZER"):
        steps.load_word_tokenizer = lambda language: Split()
    room = Path(out).with_suffix("")
    shutil.rmtree(room, ignore_errors=True)  # else it continues an earlier run
    config = steps.MinhashConfig(n_grams=NGRAM, num_buckets=BANDS, hashes_per_bucket=ROWS)
    folder = Path(source).parent / (Path(source).stem + "-files")
    if not folder.exists():
        folder.mkdir()
        table = pq.read_table(source, memory_map=True)
        half = -(-table.num_rows // 2)
        for part in range(2):
            pq.write_table(table.slice(part * half, half), folder / f"{part}.parquet")
    yield

    def reader():
        return ParquetReader(str(folder), text_key="text", id_key="id")

    def run(name, *pipeline, tasks=2):
        LocalPipelineExecutor(
            list(pipeline), tasks=tasks, workers=2, logging_dir=str(room / "logs" / name)
        ).run()

    signatures, buckets, removed = (str(room / n) for n in ("signatures", "buckets", "removed"))
    run("sign", reader(), MinhashDedupSignature(output_folder=signatures, config=config))
    run("bucket", steps.MinhashDedupBuckets(signatures, buckets, config=config), tasks=BANDS)
    run("cluster", steps.MinhashDedupCluster(buckets, removed, config=config), tasks=1)
    kept = str(room / "kept")
    run("filter", reader(), steps.MinhashDedupFilter(removed), ParquetWriter(kept))
    yield [
        i for p in sorted(Path(kept).glob("*.parquet")) for i in pq.read_table(p)["id"].to_pylist()
    ]


def grams(text):
    words = text.lower().split()
    return [" ".join(words[i : i + NGRAM]) for i in range(max(1, len(words) - NGRAM + 1))]


def first_of_component(signatures):
    """Return whether each document is the first of its component of documents that share a band.

    Some peers compute signatures alone: numpy and scipy join their bands, as fast as they can.
    """
    import numpy as np
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    count = len(signatures)
    weights = np.random.default_rng(1).integers(1, 1 << 63, ROWS, dtype=np.uint64) | np.uint64(1)
    left, right = [], []
    for band in range(BANDS):
        rows = signatures[:, band * ROWS : (band + 1) * ROWS].astype(np.uint64)
        keys = (rows * weights).sum(1, dtype=np.uint64)
        order = np.argsort(keys, kind="stable")
        same = np.flatnonzero(keys[order][1:] == keys[order][:-1])
        left.append(order[same])
        right.append(order[same + 1])
    left, right = np.concatenate(left), np.concatenate(right)
    edges = coo_array((np.ones(len(left), np.int8), (left, right)), (count, count))
    _, label = connected_components(edges, directed=False)
    first = np.zeros(count, bool)
    first[np.unique(label, return_index=True)[1]] = True
    return first


def finish(table, signatures, out):
    import pyarrow as pa

    return save(table, pa.chunked_array([first_of_component(signatures)]), out)


def save(table, kept, out):
    """Write the kept rows as two files in parallel, by row groups; return their ids.

    One thread, or a copy of all texts, would limit every contender.
    """
    from concurrent.futures import ThreadPoolExecutor

    import pyarrow.parquet as pq

    def write(part):
        start, end = (part * table.num_rows // 2, (part + 1) * table.num_rows // 2)
        rows, mask = table.slice(start, end - start), kept.slice(start, end - start)
        ids, at = [], 0
        with pq.ParquetWriter(f"{out}.{part}", table.schema, compression="zstd") as writer:
            for batch in rows.to_batches():
                chosen = batch.filter(mask.slice(at, len(batch)).combine_chunks())
                writer.write_batch(chosen)
                ids += chosen["id"].to_pylist()
                at += len(batch)
        return ids

    with ThreadPoolExecutor(2) as pool:
        return [name for ids in pool.map(write, range(2)) for name in ids]


CONTENDERS = {
    "curate table": curate_table,
    "curate 14x8": curate_as_peers,
    "curate run": curate_run,
    "daft": daft,
    "rensa": rensa,
    "datasketch": datasketch,
    "text-dedup": text_dedup,
    "datatrove": datatrove,
}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("name", choices=CONTENDERS)
    parser.add_argument("source")
    parser.add_argument("out")
    arguments = parser.parse_args()
    began = time.perf_counter()
    steps = CONTENDERS[arguments.name](arguments.source, arguments.out)
    included = next(steps) or 0.0  # a start that the time of work contains
    started = time.perf_counter()
    kept = next(steps)
    work = time.perf_counter() - started - included
    Path(arguments.out + ".kept").write_text("\n".join(kept), encoding="utf-8")
    record = {"start": included or started - began, "work": work, "kept": len(kept)}
    print(json.dumps(record | {"rss": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10}))


if __name__ == "__main__":
    main()
