"""A plan in words and numbers, for a person who decides whether to run it."""

from __future__ import annotations

from typing import Any

from curate.plan import Plan

#: Measured on web text with the shipped recipes: bytes of text per stored byte of input, and bytes of
#: work and product per byte of text. Rough on purpose; `curate plan` says that it is an estimate.
TEXT_PER_STORED = {"warc": 0.35, "wet": 2.5, "wikipedia": 2.2, "jsonl": 1.0, "parquet": 2.0}
COMPRESSED, PACKED = (".gz", ".bz2", ".zst", ".xz"), 3.0
SKETCH_PER_DOCUMENT, TEXT_PER_DOCUMENT = 700, 3000
WRITTEN_PER_TEXT = 1.1
MEGABYTES_PER_SECOND = 6.0


def outline(plan: Plan) -> dict[str, Any]:
    """Describe a plan: sources, segments with their columns, the S-curve, and what it will take."""
    sources = _sources(plan)
    text = sum(source["text_estimated"] for source in sources.values())
    documents = max(1, round(text / TEXT_PER_DOCUMENT)) if text else 0
    return {
        "recipe": plan.recipe.name,
        "describes": plan.recipe.describes,
        "fingerprint": plan.fingerprint,
        "sources": sources,
        "shards": len(plan.shards),
        "segments": [
            {
                "stages": [_stage(stage) for stage in segment.stages],
                "barriers": [_stage(barrier) for barrier in segment.barriers],
            }
            for segment in plan.segments
        ],
        "curves": {
            barrier.name: _curve(barrier)
            for segment in plan.segments
            for barrier in segment.barriers
            if hasattr(barrier, "threshold")
        },
        "mixture": _mixture(plan),
        "estimate": {
            "text_bytes": round(text),
            "documents": documents,
            "disk_bytes": round(text * WRITTEN_PER_TEXT + documents * SKETCH_PER_DOCUMENT),
            "memory_bytes_per_worker": round(
                600e6 + 3 * min(256e6, text / max(1, len(plan.shards)))
            ),
            "core_seconds": round(text / (MEGABYTES_PER_SECOND * 1e6), 1),
        },
    }


def _sources(plan: Plan) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in plan.sources:
        files = {
            planned.file.name: planned.file.size
            for shard in plan.shards
            if shard.source == name
            for planned in shard.pieces
        }
        format = plan.recipe.sources[name].format
        text = 0.0
        for file, size in files.items():
            factor = TEXT_PER_STORED.get(format, 1.0)
            packed = format in ("jsonl", "text", "chat") and file.endswith(COMPRESSED)
            text += size * factor * (PACKED if packed else 1)
        found[name] = {
            "format": format,
            "files": len(files),
            "bytes": sum(files.values()),
            "shards": sum(shard.source == name for shard in plan.shards),
            "text_estimated": round(text),
        }
    return found


def _stage(stage: Any) -> dict[str, Any]:
    return {
        "name": stage.name,
        "reads": list(stage.reads),
        "adds": list(stage.adds),
        "rewrites": list(getattr(stage, "rewrites", ())),
    }


def _curve(barrier: Any) -> dict[str, Any]:
    from curate.dedup.bands import choose_bands, s_curve

    bands, rows = barrier.bands, barrier.rows
    if bands is None or rows is None:
        bands, rows = choose_bands(barrier.threshold, barrier.recall)
    return {
        "threshold": barrier.threshold,
        "bands": bands,
        "rows": rows,
        "permutations": bands * rows,
        "looked_at": [[round(s, 2), round(p, 4)] for s, p in s_curve(bands, rows)],
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
