"""The list of everything planted, with which tests compare a run."""

from __future__ import annotations

import zlib
from collections import Counter
from itertools import combinations
from typing import Any

import pyarrow
import zstandard

from builder import variants
from builder.plan import CRAWL, LANGUAGES, TRUNCATED, Doc, Plan

#: Kinds whose text is the base text or nearly so: together they are one group of duplicates.
COPIES = (
    "base", "charset", "chunked", "compressed", "exact_copy", "html_copy", "near_added_sentence",
    "near_date_line", "near_word_edits", "repaired_copy", "same_url",
)  # fmt: skip


def planted(plan: Plan) -> dict[str, Any]:
    """List everything: counts per container, every document, groups of duplicates, look-alikes."""
    places = dict.fromkeys(doc.container for doc in plan.docs)
    return {
        "license": "CC0-1.0",
        "built_with": {
            "zlib": zlib.ZLIB_RUNTIME_VERSION,
            "zstd": ".".join(map(str, zstandard.ZSTD_VERSION)),
            "pyarrow": pyarrow.__version__,
        },
        "containers": {name: _counts(plan, name) for name in places},
        "groups": _groups(plan.docs),
        "kept_apart": _kept_apart(plan.docs),
        "drifts": _drifts(plan.docs),
        "documents": [_entry(doc) for doc in plan.docs],
    }


def _counts(plan: Plan, container: str) -> dict[str, Any]:
    """Return what a reader must count: records = documents + skipped + quarantined."""
    docs = [doc.expect for doc in plan.docs if doc.container == container]
    skipped = Counter(e["reason"] for e in docs if e["fate"] == "skipped")
    skipped.update(plan.unlisted.get(container, {}))
    quarantined = Counter(e["reason"] for e in docs if e["fate"] == "quarantined")
    documents = sum(e["fate"] not in ("skipped", "quarantined") for e in docs)
    return {
        "records": documents + skipped.total() + quarantined.total(),
        "documents": documents,
        "skipped": dict(sorted(skipped.items())),
        "quarantined": dict(sorted(quarantined.items())),
    }


def _entry(doc: Doc) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "container": doc.container,
        "handle": doc.handle,
        "lang": doc.lang,
        "kind": doc.kind,
    }
    entry |= {key: value for key, value in (("base", doc.base), ("note", doc.note)) if value}
    return entry | {"expect": {"certain": True, **doc.expect}}


def _place(doc: Doc) -> list[str]:
    return [doc.container, doc.handle]


def _groups(docs: list[Doc]) -> list[dict[str, Any]]:
    """Return the sets of documents of which dedup keeps exactly one."""
    by_base: dict[str, list[Doc]] = {}
    for doc in docs:
        if doc.base and doc.kind in COPIES:
            by_base.setdefault(doc.base, []).append(doc)
        elif doc.kind == "short_same":
            by_base.setdefault(f"short/{doc.lang}", []).append(doc)
    out = []
    for name, members in by_base.items():
        if len(members) < 2:
            continue
        whole = [d for d in members if d.kind != "repaired_copy"]
        lowest = min(variants.jaccard(a.text, b.text) for a, b in combinations(whole, 2))
        out.append(
            {
                "name": name,
                "members": [[*_place(d), d.kind] for d in members],
                "survivors": 1,
                "lowest_jaccard": round(lowest, 3),
                "web_pages": any(d.container in (CRAWL, TRUNCATED) for d in members),
            }
        )
    return out


def _kept_apart(docs: list[Doc]) -> list[dict[str, Any]]:
    """Return the sets of documents that look alike and of which dedup removes none."""
    out = []
    for lang in LANGUAGES:
        frames = [d for d in docs if d.kind == "shared_frame" and d.lang == lang]
        out.append(_apart(f"shared_frame/{lang}", frames))
        for edited in (d for d in docs if d.kind == "rewritten" and d.lang == lang):
            whole = next(d for d in docs if d.base == edited.base and d.kind == "base")
            out.append(_apart(f"rewritten/{lang}", [whole, edited]))
        short = [d for d in docs if d.kind == "short_different" and d.lang == lang]
        if short:
            out.append(_apart(f"short_different/{lang}", short))
    return out


def _drifts(docs: list[Doc], threshold: float = 0.8) -> list[dict[str, Any]]:
    """Return the chains of editions, and what is kept of each: similarity is not transitive.

    Each edition is shorter than the one before it, so with the longest first a document is removed
    only if a kept one is near enough; the end of the chain is not, and is kept.
    """
    out = []
    for base in dict.fromkeys(doc.base for doc in docs if doc.kind == "drift"):
        chain = [d for d in docs if d.base == base and d.kind in ("base", "drift")]
        chain.sort(key=lambda d: -len(d.text))
        kept: list[Doc] = []
        for doc in chain:
            if all(variants.jaccard(doc.text, other.text) < threshold for other in kept):
                kept.append(doc)
        pairs = [[variants.jaccard(a.text, b.text) for b in chain] for a in chain]
        if any(abs(value - threshold) < 0.015 for row in pairs for value in row):
            raise AssertionError(f"{base}: a pair of editions is too near the threshold: {pairs}")
        out.append(
            {
                "name": base,
                "members": [_place(d) for d in chain],
                "threshold": threshold,
                "keep": "longest",
                "kept": [_place(d) for d in kept],
                "jaccard": [[round(value, 3) for value in row] for row in pairs],
            }
        )
    return out


def _apart(name: str, docs: list[Doc]) -> dict[str, Any]:
    highest = max(variants.jaccard(a.text, b.text) for a, b in combinations(docs, 2))
    return {
        "name": name,
        "members": [_place(d) for d in docs],
        "highest_jaccard": round(highest, 3),
    }
