"""A manifest like the engine's, small enough to count by hand; every word of it can be replaced."""

from __future__ import annotations

from collections import Counter

import pyarrow as pa
import pytest

from curate import report, schema
from curate.protocol import tallies
from curate.protocol.ledger import Ledger
from curate.storage.entries import Manifest

WORDS = {
    "recipe": "small", "describes": "Two pages.", "web": "web", "wiki": "wiki", "file": "a.warc.gz",
    "skip": "redirect", "damage": "truncated", "kaz": "kaz_Cyrl", "rule": "too_few_words",
    "group": "kazakh",
    "phase": "main", "unit": "tokens", "id": "1", "url": "https://e.example/page",
    "text": "Сәлем, әлем",
    "twin": "web/a.warc.gz#7", "tally": "fix:tatweel", "package": "numpy", "version": "2.4.6",
    "model": "identify",
    "license": "CC0-1.0", "engine": "ray", "host": "node-1", "label": "reading",
    "segment": "00-segment",
    "input": "web/a.warc.gz", "set": "goats", "compare": "arXiv:2406.17557", "curate": "0.1.0",
    "template": "mistral",
    "profile": "kaz_Cyrl", "signal": "n_words",
    "tokenizer": "tekken", "tokenizer_digest": "0123456789abcdef", "uneven": "measure",
}  # fmt: skip


def render(fields, timings):
    """Render the report of a ``manifest.json`` with these fields."""
    return report.render(Manifest.from_json(fields), timings)


def small_manifest(**other):
    """Build the manifest: 7 records, 5 documents, 3 curated, 2 taken; words may be replaced."""
    w = WORDS | other
    judge, exact, near = (
        f"judge:{w['rule']}",
        "exact_dedup:duplicate_text",
        "fuzzy_dedup:near_duplicate_words",
    )
    a, b = f"{w['web']}/{w['file']}", f"{w['wiki']}/dump.xml"
    ids = {n: f"{a if n < 4 else b}#{n}" for n in range(5)}
    # id, source, text, lang, verdict: bytes 10, 20, 30, 40, 50 (one byte per letter)
    verdicts = [(0, judge), (1, exact), (2, near), (3, None), (4, None)]

    def rows(numbers, lang=True):
        return schema.documents(
            {
                "id": ids[n], "source": w["web"] if n < 4 else w["wiki"],
                "text": "x" * (10 * (n + 1)),
                "dropped_by": dict(verdicts)[n], "dropped_value": None,
            }
            for n in numbers
        ).append_column(
            "lang", [[w["kaz"] if lang and n != 4 else "eng_Latn" if lang else "" for n in numbers]]
        )  # fmt: skip

    ledger = Ledger()
    ledger.count_input("repair", rows(range(5), lang=False))
    ledger.count_input("judge", rows(range(5)))
    ledger.count_dropped(rows([0]))
    ledger.count_input("exact_dedup", rows([1, 2, 3, 4]))
    ledger.count_dropped(rows([1]))
    ledger.count_input("fuzzy_dedup", rows([2, 3, 4]))
    ledger.count_dropped(rows([2]))
    for stage in ("count", "mix"):
        ledger.count_input(stage, rows([3, 4]))
    ledger.count_curated(rows([3, 4]))
    ledger.count_over_budget(rows([4]))
    ledger.stage("repair").tally[w["tally"]] = 3
    ledger.stage("repair").tally |= {
        f"documents:{w['set']}": 4, f"runs:{w['set']}": 21, f"found:{w['set']}:0": 3,
        f"found:{w['set']}:7": 3,
        f"cut:documents:{w['set']}": 2, f"cut:bytes:{w['set']}": 30,
    }  # fmt: skip
    # Of the words per document: 2 (dropped), 7, 7, 100; and one without a value.
    words = tallies.tally_key(tallies.SIGNAL, w["profile"], w["signal"])
    ledger.stage("judge").tally |= {
        f"{words}:48": 1, f"{words}:62": 2, f"{words}:92": 1, f"{words}:undefined": 1,
    }  # fmt: skip
    ledger.count_taken("mix", rows([3]).append_column("n_tokens", pa.array([8])))
    ledger.stage("exact_dedup").tally["cluster_size:2"] = 1
    ledger.stage("fuzzy_dedup").tally |= {
        "cluster_size:2": 4, "cluster_size:9": 1, "pairs_compared": 8, "pairs_verified": 6,
    }  # fmt: skip
    ledger.stage("count").tally |= {f"tokens:{w['kaz']}": 8, "tokens:eng_Latn": 25}
    ledger.stage("mix").tally |= {
        f"packed:{w['phase']}:{what}": count
        for what, count in {
            "sequences": 3, "documents": 2, "tokens": 150, "trained": 60, "padding": 42, "split": 1,
            "pieces": 2, "left_out:refused_by_template": 1,
        }.items()
    }  # fmt: skip
    ledger.file(a).records, ledger.file(a).documents = 6, 4
    ledger.file(a).skipped = Counter({w["skip"]: 1})
    ledger.file(a).quarantined = Counter({w["damage"]: 1})
    ledger.file(b).records = ledger.file(b).documents = 1
    ledger.check(["repair", "judge", "exact_dedup", "fuzzy_dedup", "count", "mix"])
    stages = ["repair", "judge", "exact_dedup", "fuzzy_dedup", "count"]
    sources = {w["web"]: "warc", w["wiki"]: "wikipedia"}
    return {
        "format": 2, "contract": 1, "curate": w["curate"],
        "recipe": {
            "name": w["recipe"], "describes": w["describes"],
            "compare": {"kept_of_raw": 0.5, "source": w["compare"]},
            "sources": {
                name: {
                    "format": format, "path": [], "origin": "native", "license": w["license"],
                    "profile": None,
                }
                for name, format in sources.items()
            },
            "stages": [
                {"use": use, "name": None}
                | ({"fold": ["case", "width"]} if use == "fuzzy_dedup" else {})
                for use in stages
            ],
            "output": {"length": 64, "template": w["template"]},
            "mixture": {"groups": {w["group"]: {"languages": [w["kaz"]]}}},
        },
        "profiles": "p", "plan": "q", "stages": [*stages, "mix"],
        "environment": {
            "python": "3.11", "machine": "x86_64",
            "packages": {w["package"]: w["version"], "gone": None},
        },
        "models": {w["model"]: "abc"},
        "counted_with": {
            "tokenizer": w["tokenizer"], "tokenizer_digest": w["tokenizer_digest"],
        },
        "facts": {
            "repair": {
                "benchmarks": {w["set"]: {"examples": 9, "too_short": [1], "looked_for": 40}}
            },
            "judge": {"limits": {w["profile"]: {w["rule"]: [w["signal"], 3, 100000]}}},
        },
        "inputs": {w["input"]: "d"},
        "files": [
            {
                "dataset": "mixture", "path": f"mixture/{w['phase']}/part-00000.parquet",
                "bytes": 1, "sha256": "0", "rows": 2,
            }
        ],
        "totals": {"rows": 2},
        "mixture": [
            {
                "phase": w["phase"], "group": w["group"], "unit": w["unit"], "asked_share": 0.75,
                "share": 1.0,
                "asked": 9, "amount": 8, "documents": 2, "tokens": 16, "available": 8,
                "epochs": 2.0, "shortage": 1,
                "scarcest": True, "largest": 8,
            }
        ],
        "clusters": [
            {
                "stage": "fuzzy_dedup", "cluster": w["twin"], "documents": 9, "start": 40,
                "jaccard": 0.875,
                "kept": f"{w['text']} one", "removed": f"{w['text']} two", "removed_id": ids[2],
            },
            {
                "stage": "fuzzy_dedup", "cluster": "elsewhere#1", "documents": 4, "start": 0,
                "jaccard": 0.9,
                "kept": None, "removed": w["text"], "removed_id": ids[2],
            },
        ],
        "ledger": ledger.to_json(),
        "samples": [
            {
                "id": w["id"], "source": w["web"], "lang": w["kaz"], "url": w["url"],
                "dropped_by": judge,
                "dropped_value": 2.0, "duplicate_of": w["twin"], "jaccard": 0.875,
                "text": w["text"], "bytes": 5000,
            }
        ],
    }  # fmt: skip


def small_timings(**other):
    """Build timings: start 1 s, reading 6 s (2 tasks), near dedup 2 s, count 1 s, in all 11 s."""
    w = WORDS | other
    read = {"segment": w["segment"], "label": w["label"]}
    return [
        {"segment": "start", "label": w["engine"], "wall": 1.0},
        read | {"task": 0, "seconds": 5.0, "peak_bytes": 7_000_000, "host": w["host"]},
        read | {"task": 1, "seconds": 1.0, "peak_bytes": 9_000_000, "host": w["host"]},
        read | {"wall": 6.0},
        {"segment": "fuzzy_dedup-edges", "label": "fuzzy_dedup: edges", "wall": 1.5},
        {
            "segment": "fuzzy_dedup-merge_forests-0",
            "label": "fuzzy_dedup: merge_forests",
            "wall": 0.5,
        },
        {"segment": "01-segment", "label": "count", "wall": 1.0},
        {"segment": "all", "label": "all", "wall": 11.0},
    ]


@pytest.fixture
def manifest():
    """Return :func:`small_manifest`."""
    return small_manifest


@pytest.fixture
def timings():
    """Return :func:`small_timings`."""
    return small_timings
