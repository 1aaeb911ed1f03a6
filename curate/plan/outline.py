"""A plan in words and numbers, for a person who decides whether to run it.

The estimate is linear in stored bytes, text and documents. Time follows from the rates of each
stage (``rates.py``; `curate bench` measures this machine's). The other constants were measured in
November 2026, in-process, through all stages of the shipped recipes: 100 Common Crawl pages and a
145-page ARC (3.0 MB stored), WET of the same pages (0.16 MB), an English Wikipedia dump (1.7 MB
bz2), paragraphs of four languages as JSONL (1.8 MB gz), 13,853 web documents of 186 languages as
JSONL (6.2 MB xz, and 100 MB unpacked and varied) and a Parquet file (0.3 MB). On these it was
within a third for disk and memory; text per stored byte is what differs most from crawl to crawl.
`curate stage --dry-run` measures yours.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from curate.dedup.fuzzy.cost import cost
from curate.dedup.options import NearDuplicates
from curate.plan.model import Plan
from curate.plan.rates import Rates, rates
from curate.protocol.stage import Barrier, Stage
from curate.storage.dedup_store import generation

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
    "chat": 0.8,
}

#: Text formats and how much smaller compression makes them. Measured: 3.4 (gz), 3.2 (xz).
COMPRESSED, PACKED = (".gz", ".tgz", ".bz2", ".zst", ".xz"), 3.3

#: Core-seconds, once, for kernels and models.
START = 2.0

#: Bytes on disk while a run works (work, commits, product, rejects): per byte of text, per document
#: (signatures, shingles, signals), and once.
DISK_PER_TEXT, DISK_PER_DOCUMENT, DISK_ONCE = 1.5, 2000, 400_000

#: A document of the crawls above had 1.4 to 4.7 kB of text.
TEXT_PER_DOCUMENT = 3000

#: Bytes of memory of a task: interpreter, kernels, models and buffers; per byte of a batch; and per
#: byte of text in a file of the product. A shard is never in memory as a whole. The task that needs
#: most had, of English JSONL (.gz) through all stages, 0.50 GB for 10 MB of text, 0.69 for 200 MB
#: with output_bytes = 64 MiB, 0.83 with the usual 256 MiB, 0.88 with batch_bytes = 32 MiB besides,
#: 0.91 for 800 MB, and 0.99 for 3 GB: `timings.jsonl` of such runs, peak_bytes.
MEMORY_ONCE, MEMORY_PER_BATCH, MEMORY_PER_OUTPUT = 560_000_000, 3, 1.3


#: Bytes that the sketch of a fuzzy dedup has per document of 3 kB, and that of any other barrier.
SKETCH_PER_DOCUMENT = {"near": 660, "other": 40}

#: Requests to an object store per task, and seconds of the driver where a request takes 20 ms
#: (`python -m tests.benchmarks.cluster` and `.driver_scale`). A task over all shards asks more.
REQUESTS_PER_TASK, DRIVER_PER_TASK = 10, 0.0017


def outline(plan: Plan, assumed: Mapping[str, int] | None = None) -> dict[str, Any]:
    """Describe a plan: sources, segments with their columns, S-curves, and an estimate of cost.

    ``assumed`` has the stored bytes of sources that are estimated as if they were as large.
    """
    sources = _sources(plan, assumed or {})
    cost_of_all = _estimate(plan, sources)
    documents, text = cost_of_all["documents"], cost_of_all["text_bytes"]
    near = {b.name: options for b in plan.barriers if (options := b.near_duplicates) is not None}
    return {
        "recipe": plan.recipe.name,
        "describes": plan.recipe.describes,
        "fingerprint": plan.fingerprint,
        "sources": sources,
        "shards": sum(source["shards"] for source in sources.values()),
        "segments": [
            {
                "stages": [_stage(stage) for stage in segment.stages],
                "barriers": [_stage(barrier) for barrier in segment.barriers],
            }
            for segment in plan.segments
        ],
        "curves": {name: _curve(options) for name, options in near.items()},
        "stores": {
            barrier.name: _store(barrier) for barrier in plan.barriers if barrier.known is not None
        },
        "mixture": _mixture(plan),
        "estimate": cost_of_all,
        "dedups": {
            name: cost(documents, text, *options.band_shape)._asdict()
            for name, options in near.items()
        },
    }


def estimate(plan: Plan) -> dict[str, Any]:
    """Return the estimate of an outline alone, which every run makes at its start."""
    return _estimate(plan, _sources(plan, {}))


def shares(plan: Plan) -> dict[str, float]:
    """Return the share of the whole work that each step is expected to be, by its label.

    Measured in November 2026 on 60 MB of English, Kazakh and Japanese JSONL in one process
    (``timings.jsonl`` of `python -m tests.benchmarks.pipeline`): of what is no stage, comparing
    near duplicates takes about a quarter, and the product another.
    """
    speeds = rates()
    barriers = {barrier.name for barrier in plan.barriers}
    uses = {spec.label: spec.use for spec in plan.recipe.stages if spec.label not in barriers}
    work: dict[str, float] = {}
    rest = speeds.of("rest")
    for segment in plan.segments:
        stages = sum(speeds.of(uses.get(stage.name, "")) for stage in segment.stages)
        work[segment.label] = stages + rest * (0.35 if segment.number == 0 else 0.15)
        for barrier in segment.barriers:
            near = barrier.near_duplicates is not None
            steps = barrier.steps()
            for step in steps:
                work[f"{barrier.name}: {step.name}"] = rest * (0.25 if near else 0.03) / len(steps)
    work["mixture: placing"] = rest * 0.03
    mixture = plan.recipe.mixture
    phases = ["main"] if mixture is None else [phase.name for phase in mixture.schedule()]
    for phase in phases:
        work[f"mixture: {phase}"] = rest * 0.22 / len(phases)
    whole = sum(work.values())
    return {label: seconds / whole for label, seconds in work.items()}


def on_nodes(estimate: Mapping[str, Any], nodes: int, cores: int, price: float) -> dict[str, Any]:
    """Return time, memory and cost of an estimate on some nodes of some cores.

    ``price`` is that of a node for an hour, in any currency. The driver's time is added to that of
    the cores, as if it never worked while they do.
    """
    seconds = estimate["core_seconds"] / (nodes * cores) + estimate["driver_seconds"]
    return {
        "nodes": nodes,
        "cores": cores,
        "seconds": round(seconds, 1),
        "memory_bytes_per_node": estimate["memory_bytes_per_worker"] * cores,
        "disk_bytes_per_node": round(estimate["disk_bytes"] / nodes),
        "cost": round(nodes * price * seconds / 3600, 2),
    }


def _estimate(plan: Plan, sources: Mapping[str, Any]) -> dict[str, Any]:
    speeds = rates()
    text = sum(source["text_estimated"] for source in sources.values())
    reading = sum(_reading(source, speeds) for source in sources.values())
    barriers = {barrier.name for barrier in plan.barriers}
    uses = [spec.use for spec in plan.recipe.stages if spec.label not in barriers]
    stages = sum(map(speeds.of, [*uses, "rest"]))
    shards = plan.recipe.shards
    memory = MEMORY_ONCE + MEMORY_PER_BATCH * min(text, shards.batch_bytes)
    memory += MEMORY_PER_OUTPUT * min(text, shards.output_bytes)
    documents = round(text / TEXT_PER_DOCUMENT)
    shards = sum(source["shards"] for source in sources.values())
    tasks = _tasks(plan, shards, documents, text)
    return {
        "text_bytes": round(text),
        "documents": documents,
        "disk_bytes": round(DISK_ONCE + text * DISK_PER_TEXT + documents * DISK_PER_DOCUMENT),
        "memory_bytes_per_worker": round(memory),
        "core_seconds": round(START + reading + text * stages, 2),
        "tasks": tasks,
        "requests": tasks * REQUESTS_PER_TASK,
        "driver_seconds": round(tasks * DRIVER_PER_TASK, 1),
        "rates": speeds.measured,
    }


def _tasks(plan: Plan, shards: int, documents: int, text: float) -> int:
    """Return the number of tasks: of the segments, the barriers' steps and the product's files."""
    count = (len(plan.segments) + 1) * shards
    for barrier in plan.barriers:
        near = "near" if barrier.near_duplicates is not None else "other"
        sketch = documents * SKETCH_PER_DOCUMENT[near]
        partitions = min(4096, max(1, -(-sketch // plan.recipe.shards.partition_bytes)))
        over = {"shard": shards, "tree": shards, "partition": partitions, "one": 1}
        count += sum(over[step.over] for step in barrier.steps())
    return count + max(1, -(-round(text) // plan.recipe.shards.output_bytes))


def _sources(plan: Plan, assumed: Mapping[str, int]) -> dict[str, Any]:
    sources: dict[str, Any] = {}
    sizes: dict[str, dict[str, int]] = {name: {} for name in plan.sources}
    shards: Counter[str] = Counter()
    for shard in plan.shards:
        shards[shard.source] += 1
        sizes[shard.source] |= {piece.file.name: piece.file.size for piece in shard.pieces}
    for name, files in sizes.items():
        format = plan.recipe.sources[name].format
        text = sum(size * _text_per_byte(format, file) for file, size in files.items())
        stored = sum(files.values())
        count = shards[name]
        if name in assumed and stored:
            text, stored = text * (assumed[name] / stored), assumed[name]
            count = max(1, -(-stored // plan.recipe.shards.input_bytes))
        sources[name] = {
            "format": format,
            "files": len(files),
            "bytes": stored,
            "shards": count,
            "text_estimated": round(text),
        }
    return sources


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


def _stage(stage: Stage) -> dict[str, Any]:
    return {
        "name": stage.name,
        "reads": list(stage.reads),
        "adds": list(stage.adds),
        "rewrites": list(stage.rewrites),
    }


def _curve(options: NearDuplicates) -> dict[str, Any]:
    from curate.dedup.fuzzy.lsh import s_curve

    bands, rows = options.band_shape
    return {
        "similarity": options.similarity,
        "threshold": options.threshold,
        "aim": round(options.target_jaccard, 4),
        "bands": bands,
        "rows": rows,
        "permutations": bands * rows,
        "looked_at": [[round(s, 2), round(p, 4)] for s, p in s_curve(bands, rows)],
    }


#: Bytes of text per shingle of words, and of a key and of what names a document as they are stored:
#: measured on five scripts' texts.
TEXT_PER_WORD, STORED_KEY, STORED_NAME = 7, 20, 40


def _store(barrier: Barrier) -> dict[str, Any]:
    """Describe a dedup's store, and how many bytes a document of usual length adds to it."""
    bytes_per_document = STORED_KEY + STORED_NAME  # exact: one key, id, source and address
    if (options := barrier.near_duplicates) is not None:
        shingles = TEXT_PER_DOCUMENT / (TEXT_PER_WORD if options.shingle == "word" else 1)
        keys, signature = options.num_bands * STORED_KEY, 4 * options.num_permutations
        bytes_per_document = round(keys + signature + 8 * shingles + STORED_NAME)
    known = [generation(barrier.known.address, number) for number, _ in barrier.known.read]
    return {
        "address": barrier.known.address,
        "adds": barrier.store is not None,
        "generations": len(known),
        "documents": sum(one.documents for one in known),
        "bytes": sum(one.bytes for one in known),
        "bytes_per_document": bytes_per_document,
    }


def _mixture(plan: Plan) -> dict[str, Any] | None:
    if plan.recipe.mixture is None:
        return None
    mixture = plan.mix.mixture
    return {
        "unit": mixture.unit,
        "phases": [
            {
                "phase": phase.name,
                "shares": {group: float(share) for group, share in mixture.shares(phase).items()},
            }
            for phase in mixture.schedule()
        ],
    }
