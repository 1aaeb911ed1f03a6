"""``report.json``: the report for machines. Its keys are stable; new ones may be added."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from curate.protocol.bins import lower_edge
from curate.report.model import Benchmark, Dedup, Outcome, Report, share
from curate.report.rows import near_rows, shared_rows


def to_json(report: Report) -> dict[str, Any]:
    """Return the whole report as JSON values; null is unknown or undefined, never a magic 0."""
    return {
        "recipe": report.name,
        "documents": _outcome(report.run),
        "stages": [
            {
                "stage": row.stage,
                "in": row.input.documents,
                "kept": row.kept.documents,
                "dropped": {rule: amount.documents for rule, amount in row.dropped.items()},
                "seconds": row.seconds,
                "bytes": {
                    "in": row.input.bytes,
                    "kept": row.kept.bytes,
                    "rewritten": row.rewritten,
                },
                "tally": row.tally,
            }
            for row in report.stages
        ],
        "sources": {name: _outcome(outcome) for name, outcome in report.sources.items()},
        "languages": {name: _outcome(outcome) for name, outcome in report.languages.items()},
        "dedup": _all_dedup(report),
        "benchmarks": [_benchmark(one) for one in report.benchmarks],
        "mixture": report.mixture,
        "packed": [{**vars(one), "fill": one.fill} for one in report.packed],
        "licenses": [one._asdict() for one in report.licenses],
        "sidecars": list(report.manifest.sidecars),
        "takedowns": [one.to_json() for one in report.manifest.takedowns],
        "tokenizer": (report.manifest.counted_with or {}).get("tokenizer"),
        "relabelled": [
            {"model": label, "lang": lang, "documents": count}
            for label, lang, count in report.relabelled
        ],
        "declared_languages": [one._asdict() for one in report.declared],
        "fertility": [
            {
                "language": one.lang,
                "documents": one.documents,
                "tokens": one.tokens,
                "tokens_per_word": one.tokens_per_word,
                "bytes_per_token": one.bytes_per_token,
                "characters_per_token": one.characters_per_token,
            }
            for one in report.fertility
        ],
        "rules": [
            {
                "rule": rule.name,
                "documents": rule.dropped.documents,
                "bytes": rule.dropped.bytes,
                "examples": [
                    {name: value for name, value in vars(example).items() if name != "whole"}
                    for example in rule.examples
                ],
            }
            for rule in report.rules
        ],
        "flows": [flow._asdict() for flow in report.flows],
        "taken": [
            {"source": source, "lang": lang, **vars(taken)}
            for (source, lang), taken in report.taken.items()
        ],
        "signals": [
            {
                "stage": one.stage,
                "profile": one.profile,
                "signal": each.signal,
                "rules": list(each.rules),
                "min": each.min,
                "max": each.max,
                "documents": each.documents,
                "undefined": each.undefined,
                "dropped": each.dropped,
                "bins": [[lower_edge(bin), lower_edge(bin + 1), n] for bin, n in each.bins],
            }
            for one in report.judged
            for each in one.histograms
        ],
        "quarantine": [
            {"reason": reason, "file": file, "records": records}
            for reason, file, records in report.quarantined
        ],
        "time": {
            "engine": report.time.engine or None,
            "seconds": report.time.total,
            "hosts": report.time.hosts,
            "peak_bytes": report.time.peak_bytes,
            "parts": [
                {
                    "part": work.name,
                    "seconds": round(work.wall, 4),
                    "tasks": len(work.tasks),
                    "task_seconds": round(work.busy, 4),
                    "typical_task": work.typical,
                    "slowest_task": work.slowest,
                }
                for work in report.time.work
            ],
        },
        "accounting": [{"identity": words, "holds": holds} for words, holds in report.identities],
        "environment": {
            **report.manifest.environment,
            "curate": report.manifest.curate,
            "contract": report.manifest.contract,
            "plan": report.manifest.plan,
            "profiles": report.manifest.profiles,
            "models": report.manifest.models,
        },
    }


def _outcome(outcome: Outcome) -> dict[str, Any]:
    return {
        "read": outcome.read,
        "skipped": None if outcome.skipped is None else sum(outcome.skipped.values()),
        "quarantined": None if outcome.quarantined is None else sum(outcome.quarantined.values()),
        "documents": outcome.documents.documents,
        "dropped": outcome.lost,
        "curated": outcome.curated.documents,
        "taken": outcome.taken,
        "rows": outcome.rows,
        "kept_of_raw": outcome.kept,
        "bytes": {
            "documents": outcome.documents.bytes,
            "curated": outcome.curated.bytes,
            "kept_of_raw": outcome.kept_bytes,
        },
        "skipped_by": outcome.skipped,
        "quarantined_by": outcome.quarantined,
        "noted_by": outcome.noted,
        "dropped_by": {rule: amount.documents for rule, amount in outcome.dropped.items()},
    }


def _all_dedup(report: Report) -> dict[str, Any] | None:
    if report.dedup is None:
        return None
    return {
        **_dedup(report.dedup),
        "near_by_stage": {
            stage: {"fold": fold, "differ_in": counts} for stage, fold, counts in near_rows(report)
        },
        "clusters": report.cluster_count,
        "largest": report.largest_cluster,
        "cluster_sizes": report.clusters and {k: _keys(v) for k, v in report.clusters.items()},
        "shared_by_sources": [
            {
                "of": of,
                "in": inside,
                "documents": documents,
                "bytes": size,
                "share_of_documents": of_documents,
                "share_of_bytes": of_bytes,
            }
            for of, inside, documents, size, of_documents, of_bytes in shared_rows(report)
        ],
        "candidates": {
            stage: {
                "compared": compared,
                "verified": verified,
                "false_rate": 1 - verified / compared,
            }
            for stage, (compared, verified) in report.candidates.items()
        },
        "largest_clusters": [
            {
                "stage": one.stage,
                "cluster": one.cluster,
                "documents": one.documents,
                "least_like": one.removed_id or None,
                "jaccard": one.jaccard,
            }
            for one in report.manifest.clusters
        ],
        "languages": {lang: _dedup(one) for lang, one in report.dedup_languages.items()},
    }


def _dedup(dedup: Dedup) -> dict[str, Any]:
    tokens = dedup.tokens
    return {
        "documents": _ratio(dedup.before.documents, dedup.after.documents, dedup.kept),
        "bytes": _ratio(dedup.before.bytes, dedup.after.bytes, dedup.kept_bytes),
        "tokens_estimated": tokens
        and _ratio(round(tokens[0]), round(tokens[1]), share(tokens[1], tokens[0])),
        "exact": dedup.exact,
        "near": dedup.near,
    }


def _benchmark(one: Benchmark) -> dict[str, Any]:
    return {
        "stage": one.stage,
        "benchmark": one.name,
        "examples": one.examples,
        "too_short": len(one.too_short),
        "looked_for": one.searchable,
        "found": len(one.found),
        "found_share": one.found_share,
        "most_found": one.most_found
        and {"example": one.most_found[0], "documents": one.most_found[1]},
        "documents": one.documents,
        "dropped": {"documents": one.dropped.documents, "bytes": one.dropped.bytes},
        "cut": {"documents": one.cut.documents, "bytes": one.cut.bytes},
        "examples_found": {str(row): documents for row, documents in one.found.items()},
        "examples_too_short": list(one.too_short),
    }


def _ratio(before: int, after: int, ratio: float | None) -> dict[str, Any]:
    return {"before": before, "after": after, "ratio": ratio}


def _keys(sizes: Mapping[int, int]) -> dict[str, int]:
    return {str(cluster): count for cluster, count in sizes.items()}
