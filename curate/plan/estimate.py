"""What a run will need: documents, text, tokens, disk, memory, time, tasks and requests.

Disk, memory, tasks and requests are a model of what each step writes, holds and asks for; its
constants were measured in November 2026 (`python -m tests.benchmarks.planner` compares it with
runs). Time follows from the rates of each stage (``rates.py``; `curate bench` measures this
machine's). What differs most from input to input, such as text per stored byte and how well text is
compressed, is measured on a sample where one was read (``inspection/sampled.py``, for `curate
plan`), else it is the usual of the format.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from curate.plan.model import Plan
from curate.plan.passes import MOST_PARTITIONS, readers_together
from curate.plan.rates import Rates, rates

#: Bytes of text per stored byte, by format, as such files commonly come: WARC and WET gzipped,
#: Wikipedia in bz2, Parquet compressed. Measured: 0.23, 2.1, 1.7, 1.8. Wikipedia's HTML is an
#: assumption: beside each page stands its wikitext.
TEXT_PER_STORED = {
    "warc": 0.23,
    "wet": 2.1,
    "wikipedia": 1.7,
    "wikipedia_html": 0.25,
    "parquet": 1.8,
}

#: Bytes of pages' text per byte of Common Crawl's index: an assumption, for a language of a page in
#: 2,000. Of the index alone nobody can tell; `curate stage --dry-run` measures.
TEXT_PER_INDEX = 0.02

#: The same for files that are not compressed: without the markup of pages and wikis.
TEXT_PER_PLAIN = {
    "warc": 0.05,
    "wet": 0.85,
    "wikipedia": 0.48,
    "wikipedia_html": 0.04,
    "jsonl": 0.95,
    "csv": 0.95,
    "chat": 0.8,
}

#: Text formats and how much smaller compression makes them. Measured: 3.4 (gz), 3.2 (xz).
COMPRESSED, PACKED = (".gz", ".tgz", ".bz2", ".zst", ".xz"), 3.3


class Sampled(NamedTuple):
    """What a sample of a source's documents was like; the defaults are what is usual.

    Attributes
    ----------
    text_per_document : float
        Bytes of UTF-8: documents of crawls have 1.4 to 4.7 kB.
    kept : float
        The share of the text that rules leave to the first dedup.
    tokens, shingles : float
        Of the recipe's tokenizer, and of the near dedup, per byte of the text that rules leave.
    clustered : float
        The share of the documents that have a like one; half of them are dropped.
    lz4, zstd, zstd_1 : float
        Stored bytes per byte of text: as work, in the product, among the rejected.
    text_per_stored : float or None
        Bytes of text per stored byte; None: the usual of the format.
    documents : int
        How many there were; 0: none was read.
    """

    text_per_document: float = 3000.0
    kept: float = 0.9
    tokens: float = 0.25
    shingles: float = 1 / 7
    clustered: float = 0.3
    lz4: float = 0.6
    zstd: float = 0.35
    zstd_1: float = 0.45
    text_per_stored: float | None = None
    documents: int = 0


#: Bytes on disk per document and segment (all columns but the text), per document of the product or
#: of the rejects, and once per shard and partition of a step.
ROW_BYTES, PRODUCT_ROW_BYTES, TASK_BYTES = 110, 90, 2500

#: Bytes of a Parquet file without rows: names and statistics of its columns.
FILE_BYTES = 25_000

#: Bytes per document that a dedup of equal values writes from sketch to decisions, and the mixture.
EXACT_BYTES, MIX_BYTES = 110, 45

#: Bytes per document of a near dedup besides the signature, per band, and per shingle sent; and the
#: bytes of sketches, which decide on the number of partitions.
NEAR_BYTES, BAND_BYTES, SHINGLE_BYTES = 60, 14.7, 8
SKETCH_BYTES, EXACT_SKETCH_BYTES, MIX_SKETCH_BYTES = 20, 47, 25

#: Bytes of memory of a task, once (interpreter, kernels, models, buffers) and per byte: of a batch
#: where a shard is read, of the text of a file of the product where it is written, and in a
#: partition of a near dedup per document and per byte of the shingles that are compared there.
MEMORY_READING, MEMORY_PRODUCT = (455_000_000, 4.0), (440_000_000, 2.0)
MEMORY_PARTITION, PER_DOCUMENT, PER_SHINGLE_BYTE = 390_000_000, 800, 2.4

#: Bytes and core-seconds per clustered document of the tasks that merge and label all clusters:
#: measured at 1e6 and 1e7 (`contract` and `label_components` of dedup/fuzzy/components.py).
CLUSTER_BYTES, CLUSTER_SECONDS = 84, 1.4e-6

#: Core-seconds, once, for imports, kernels and models: a run of forty documents.
START = 2.8

#: Requests to an object store, once (the lease, the report's files) and per task, and seconds of
#: the driver where a request takes 20 ms (`python -m tests.benchmarks.planner --requests`,
#: `.cluster` and `.driver_scale`).
REQUESTS_ONCE, REQUESTS_PER_TASK, DRIVER_PER_TASK = 200, 9.2, 0.0017

#: What is routed from a task to another, or to several, is one block of a file: a request of the
#: reader, and a row of an index that the driver writes: 0.6 µs to read it from a commit, 1.9 to
#: write it.
DRIVER_PER_BLOCK, REQUEST_SECONDS, AT_ONCE = 2.5e-6, 0.02, 16


def estimate(plan: Plan) -> dict[str, Any]:
    """Return the estimate alone, which every run makes at its start: no file is read."""
    return of_sources(plan, sources(plan, {}, {}), {})


def sources(
    plan: Plan, assumed: Mapping[str, int], sampled: Mapping[str, Sampled]
) -> dict[str, Any]:
    """Return files, stored bytes, shards and estimated text of each source."""
    found: dict[str, Any] = {}
    sizes: dict[str, dict[str, int]] = {name: {} for name in plan.sources}
    shards: Counter[str] = Counter()
    for shard in plan.shards:
        shards[shard.source] += 1
        sizes[shard.source] |= {piece.file.name: piece.file.size for piece in shard.pieces}
    for name, files in sizes.items():
        format, like = plan.recipe.sources[name].format, sampled.get(name, Sampled())
        stored, count = sum(files.values()), shards[name]
        if like.text_per_stored is None:
            text = sum(size * _text_per_byte(format, file) for file, size in files.items())
        else:
            text = stored * like.text_per_stored
        if name in assumed and stored:
            text, stored = text * (assumed[name] / stored), assumed[name]
            count = max(1, -(-stored // plan.recipe.shards.input_bytes))
        found[name] = {
            "format": format,
            "files": len(files),
            "bytes": stored,
            "shards": count,
            "text_estimated": round(text),
            "documents_estimated": round(text / like.text_per_document),
            "sampled": like.documents,
        }
    return found


def of_sources(
    plan: Plan, found: Mapping[str, Any], sampled: Mapping[str, Sampled]
) -> dict[str, Any]:
    """Return the estimate of a run on sources as :func:`sources` describes them."""
    speeds, work = rates(), _Work(plan, found, sampled)
    reading = sum(_reading(source, speeds) for source in found.values())
    barriers = {barrier.name for barrier in plan.barriers}
    uses = [spec.use for spec in plan.recipe.stages if spec.label not in barriers]
    stages = sum(map(speeds.of, [*uses, "rest"]))
    blocks = work.blocks
    tasks = work.tasks
    waiting = blocks * REQUEST_SECONDS / AT_ONCE
    return {
        "text_bytes": round(work.text),
        "documents": round(work.documents),
        "tokens": round(work.tokens),
        "disk_bytes": round(work.disk),
        "product_bytes": round(work.product),
        "memory_bytes_per_worker": round(work.memory),
        "core_seconds": round(START + reading + work.text * stages, 2),
        "shards": work.shards,
        "partitions": work.partitions,
        "tasks": tasks,
        "blocks": blocks,
        "requests": round(REQUESTS_ONCE + tasks * REQUESTS_PER_TASK + blocks),
        "request_seconds": round(waiting, 1),
        "driver_seconds": round(tasks * DRIVER_PER_TASK + blocks * DRIVER_PER_BLOCK, 1),
        "clusters_bytes": round(work.clustered * CLUSTER_BYTES),
        "clusters_seconds": round(work.clustered * CLUSTER_SECONDS, 1),
        "rates": speeds.measured,
    }


def on_nodes(estimate: Mapping[str, Any], nodes: int, cores: int, price: float) -> dict[str, Any]:
    """Return time, memory and cost of an estimate on some nodes of some cores.

    ``price`` is that of a node for an hour, in any currency. The time of the driver and of the one
    task that labels clusters is added to that of the cores, as if nothing else ran meanwhile.
    """
    alone = estimate["driver_seconds"] + estimate["clusters_seconds"]
    shared = estimate["core_seconds"] + estimate["request_seconds"]
    seconds = shared / (nodes * cores) + alone
    return {
        "nodes": nodes,
        "cores": cores,
        "seconds": round(seconds, 1),
        "seconds_alone": round(alone, 1),
        "memory_bytes_per_node": max(
            estimate["memory_bytes_per_worker"] * cores, estimate["clusters_bytes"]
        ),
        "disk_bytes_per_node": round(estimate["disk_bytes"] / nodes),
        "cost": round(nodes * price * seconds / 3600, 2),
    }


#: Bytes of the one task and of each task of a partition beyond which is a warning.
LARGE_TASK, LARGE_PARTITION = 8 << 30, 2 << 30


def warnings(estimate: Mapping[str, Any]) -> list[str]:
    """Return what more nodes do not make faster, each with the remedy."""
    found = []
    parts = "take the input in parts that share a dedup store (`store` of fuzzy_dedup)"
    if estimate["clusters_bytes"] > LARGE_TASK:
        found.append(
            "one task of the near dedup (`components`) labels all clusters: it needs about"
            f" {estimate['clusters_bytes'] / 1e9:,.0f} GB of memory on one node and"
            f" {estimate['clusters_seconds'] / 60:,.0f} minutes, whatever the number of nodes;"
            f" {parts}"
        )
    held = estimate["memory_bytes_per_worker"]
    if estimate["partitions"] == MOST_PARTITIONS and held > LARGE_PARTITION:
        found.append(
            f"a dedup has at most {MOST_PARTITIONS:,} partitions, and a task of the near dedup"
            f" holds one: about {held / 1e9:,.0f} GB; {parts}"
        )
    return found


class _Work:
    """The work of a plan, step by step, for sources as they were described."""

    def __init__(
        self, plan: Plan, found: Mapping[str, Any], sampled: Mapping[str, Sampled]
    ) -> None:
        self.recipe, self.shards = plan.recipe, sum(one["shards"] for one in found.values())
        self.text = self.documents = self.tokens = self.deduped = self.clustered = 0.0
        kept = taken = gathered = work = shingles = self.product = 0.0
        near = any(barrier.near_duplicates is not None for barrier in plan.barriers)
        rewriting = sum(any("text" in s.rewrites for s in one.stages) for one in plan.segments)
        for name, source in found.items():
            like = sampled.get(name, Sampled())
            text, documents = source["text_estimated"], source["documents_estimated"]
            clustered = like.clustered if near else 0.0
            taken_here = text * like.kept * (1 - clustered / 2)
            self.text += text
            self.documents += documents
            kept += text * like.kept
            taken += taken_here
            gathered += taken_here * like.lz4
            self.tokens += taken_here * like.tokens
            self.deduped += documents * like.kept  # that reach the dedups
            self.clustered += documents * like.kept * clustered
            shingles += text * like.kept * clustered * like.shingles
            work += text * like.kept * like.lz4 * max(1, rewriting)
            self.product += taken_here * like.zstd + (text - taken_here) * like.zstd_1
        if not any("n_tokens" in stage.adds for stage in plan.stages):
            self.tokens = 0.0
        of_product = plan.recipe.shards.product_files(round(taken))
        files = len(plan.segments) * self.shards + of_product
        self.product += PRODUCT_ROW_BYTES * self.documents + FILE_BYTES * files
        work += ROW_BYTES * self.deduped * len(plan.segments) + SHINGLE_BYTES * shingles

        shards = plan.recipe.shards
        self.blocks, self.partitions = 0, 1
        self.tasks = (len(plan.segments) + 1) * self.shards
        self.tasks += of_product
        work += gathered * (self._routed(self.shards, of_product) - 1)
        work += sum(map(self._barrier, plan.barriers))
        self.disk = work + self.product + TASK_BYTES * self.tasks
        reading, product = MEMORY_READING, MEMORY_PRODUCT
        held = PER_DOCUMENT * self.deduped + PER_SHINGLE_BYTE * SHINGLE_BYTES * shingles
        self.memory = max(
            reading[0] + reading[1] * min(self.text, shards.batch_bytes),
            product[0] + product[1] * taken / of_product,
            MEMORY_PARTITION + held / self.partitions if near else 0,
        )

    def _barrier(self, barrier: Any) -> float:
        """Count the tasks and blocks of a barrier's steps; return the bytes that they write."""
        near = barrier.near_duplicates
        if near is not None:
            signature = 4 * near.num_permutations
            sketch = signature + SKETCH_BYTES
            written = sketch + BAND_BYTES * near.num_bands + NEAR_BYTES
            written += signature / 2 * self.clustered / max(1, self.deduped)
        elif barrier.makes_product:
            sketch, written = MIX_SKETCH_BYTES, MIX_BYTES
        else:
            sketch, written = EXACT_SKETCH_BYTES, EXACT_BYTES
        wanted = self.deduped * sketch / self.recipe.shards.partition_bytes
        partitions = min(MOST_PARTITIONS, max(1, math.ceil(wanted)))
        self.partitions = max(self.partitions, partitions)
        over = {"shard": self.shards, "partition": partitions, "one": 1}
        made: dict[str, str] = {}
        passes = 1
        for step in barrier.steps():
            crossed = {made[name] for name in step.reads if name in made} - {step.over}
            made |= dict.fromkeys(step.writes, step.over)
            if step.over == "tree":  # it merges the outputs of the partitions eight at a time
                self.tasks += sum(_levels(partitions))
                continue
            self.tasks += over[step.over]
            if partitions > 1 and crossed & {"shard", "partition"} and step.over != "one":
                # Rows go from shards to partitions, or back.
                readers = over[step.over]
                passes = max(passes, self._routed(self.shards * partitions // readers, readers))
        return float(self.deduped * written) * passes

    def _routed(self, writers: int, readers: int) -> int:
        """Count the blocks between tasks, and the tasks of a second pass; return the passes."""
        together = readers_together(writers, readers)
        groups = -(-readers // together)
        self.blocks += min(writers * groups, round(self.deduped))
        if together == 1:
            return 1
        self.tasks += groups
        self.blocks += readers
        return 2


def _levels(outputs: int) -> Iterator[int]:
    """Yield the tasks of each level of a tree.

    >>> list(_levels(100))
    [13, 2, 1]
    """
    while True:
        outputs = -(-outputs // 8)
        yield outputs
        if outputs <= 1:
            return


def _reading(source: Mapping[str, Any], speeds: Rates) -> float:
    """Return the core-seconds of reading a source."""
    with_markup = speeds.reading_of(source["format"])
    if with_markup is None:
        return float(source["text_estimated"] * speeds.reading)
    return float(source["bytes"] * with_markup)


def _text_per_byte(format: str, file: str) -> float:
    """Estimate bytes of text per stored byte of a file, by its format and ending."""
    if format == "commoncrawl":
        if file.endswith(".parquet"):
            return TEXT_PER_INDEX
        format = "wet" if file.endswith(".wet.gz") else "warc"
    plain = TEXT_PER_PLAIN.get(format, 1.0)
    if format == "run":
        return TEXT_PER_STORED["parquet"]
    if format == "parquet" or (format in TEXT_PER_STORED and file.endswith(COMPRESSED)):
        return TEXT_PER_STORED[format]
    return plain * PACKED if file.endswith(COMPRESSED) else plain
