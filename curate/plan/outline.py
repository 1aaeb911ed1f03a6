"""A plan in words and numbers, for a person who decides whether to run it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from curate.dedup.options import NearDuplicates
from curate.plan import estimate
from curate.plan.estimate import Sampled
from curate.plan.model import Plan
from curate.plan.rates import rates
from curate.protocol.stage import Barrier, Stage
from curate.storage.dedup_store import generation


def outline(
    plan: Plan,
    assumed: Mapping[str, int] | None = None,
    sampled: Mapping[str, Sampled] | None = None,
) -> dict[str, Any]:
    """Describe a plan: sources, segments with their columns, S-curves, and an estimate of cost.

    ``assumed`` has the stored bytes of sources that are estimated as if they were as large;
    ``sampled`` says what their documents are like, where that was measured.
    """
    sources = estimate.sources(plan, assumed or {}, sampled or {})
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
        "estimate": estimate.of_sources(plan, sources, sampled or {}),
    }


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
#: Bytes of text per line, as a guess. Of a store of spans, measured on Kazakh and Japanese: keys
#: per window, their bytes, and how much smaller a stored text is.
TEXT_PER_LINE, WINDOW_KEYS, WINDOW_KEY, STORED_TEXT = 100, 3, 10, 0.52


def _store(barrier: Barrier) -> dict[str, Any]:
    """Describe a dedup's store, and how many bytes a document of usual length adds to it."""
    stored, text = barrier.stored_parameters, estimate.Sampled().text_per_document
    per_document = float(STORED_KEY)  # exact: one key
    if "lines" in stored:
        per_document = STORED_KEY * text / TEXT_PER_LINE
    elif "spans" in stored:
        window = int(stored["spans"]) * (1 if stored["of"] == "bytes" else 4)  # bytes of a token
        per_document = text * (WINDOW_KEYS * WINDOW_KEY / window + STORED_TEXT)
    elif (options := barrier.near_duplicates) is not None:
        shingles = text / (TEXT_PER_WORD if options.shingle == "word" else 1)
        keys, signature = options.num_bands * STORED_KEY, 4 * options.num_permutations
        per_document = keys + signature + 8 * shingles
    known = [generation(barrier.known.address, number) for number, _ in barrier.known.read]
    return {
        "address": barrier.known.address,
        "adds": barrier.store is not None,
        "generations": len(known),
        "documents": sum(one.documents for one in known),
        "bytes": sum(one.bytes for one in known),
        "bytes_per_document": round(per_document) + STORED_NAME,  # id, source and address
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
