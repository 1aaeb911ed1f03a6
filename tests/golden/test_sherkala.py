"""The sherkala recipe: Kazakh : (Russian + Turkish) : English = 3 : 1 : 3 by tokens."""

import gzip
import json
import os
from pathlib import Path

import pytest

from curate import api
from tests.golden.shares import check_shares, product

DATA = os.environ.get("CURATE_SHARED_DATA")
TEXTS = Path(__file__).resolve().parents[2] / "sample_data" / "texts"
WEIGHTS = {"main": {"kazakh": 3, "russian_turkish": 1, "english": 3}}
GROUPS = {
    "kaz_Cyrl": "kazakh",
    "rus_Cyrl": "russian_turkish",
    "tur_Latn": "russian_turkish",
    "eng_Latn": "english",
}


def group_of(row):
    return GROUPS[row["lang"]]


def check_cap(result):
    """Check that at most 24 % of the Kazakh tokens, or a document more, are machine-translated."""
    kazakh = [row for row in product(result) if row["lang"] == "kaz_Cyrl"]
    total = sum(row["n_tokens"] for row in kazakh)
    translated = sum(row["n_tokens"] for row in kazakh if row["origin"] == "mt")
    assert translated <= 0.24 * total + max(row["n_tokens"] for row in kazakh)
    return translated / total


def test_on_sample_data(tmp_path):
    result = api.run(
        "sherkala",
        output=tmp_path / "out",
        engine="in-process",
        settings=["limits.quarantined_records=40"],
    )
    assert result.exit_code == 0
    check_shares(result, WEIGHTS, group_of)
    assert 0 < check_cap(result) < 0.24
    # The card's figure is beside ours: it is no target, so only its presence is checked.
    assert "41.1 %" in Path(result.output, "report.md").read_text()
    assert result.manifest["totals"]["curated"] > 250


def test_translated_text_is_capped_however_much_there_is(tmp_path):
    # Two Kazakh texts in three count as translated here.
    rows_of = {"text": [], "translated": []}
    for lang in GROUPS:
        for i, path in enumerate(sorted((TEXTS / lang).glob("*.txt"))):
            source = "translated" if lang == "kaz_Cyrl" and i % 3 else "text"
            rows_of[source].append({"text": path.read_text()})
    for source, rows in rows_of.items():
        (tmp_path / f"{source}.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    result = api.run(
        "sherkala",
        output=tmp_path / "out",
        engine="in-process",
        inputs={source: str(tmp_path / f"{source}.jsonl") for source in rows_of},
    )
    check_shares(result, WEIGHTS, group_of)
    assert check_cap(result) == pytest.approx(0.24, abs=0.04)


@pytest.mark.real_data
@pytest.mark.skipif(not DATA, reason="needs $CURATE_SHARED_DATA")
def test_on_real_files(tmp_path):
    data = Path(DATA)
    texts = [f"{data}/text/{lang}-*.jsonl.gz" for lang in ("kk", "ru", "tr", "en")]
    result = api.run(
        "sherkala",
        output=tmp_path / "out",
        engine="in-process",
        inputs={
            "web": [f"{data}/warc/valid", f"{data}/warc/rewrapped"],
            "wet": [f"{data}/warc/valid", f"{data}/warc/rewrapped"],
            "wiki": f"{data}/wiki",
            "text": texts,
        },
    )
    assert result.exit_code == 0
    check_shares(result, WEIGHTS, group_of)
    check_cap(result)
    files = result.manifest["ledger"]["files"]
    for lang in ("kk", "ru", "tr", "en"):
        for path in (data / "text").glob(f"{lang}-*.jsonl.gz"):
            with gzip.open(path) as lines:
                assert files[f"text/{path.name}"]["records"] == sum(1 for _ in lines), path.name
    gensim = next(counts for name, counts in files.items() if "gensim" in name)
    assert gensim["records"] == 206
    for name, counts in files.items():
        accounted = (
            counts["documents"]
            + sum(counts["skipped"].values())
            + sum(counts["quarantined"].values())
        )
        assert counts["records"] == accounted, name
        assert counts["documents"] == sum(counts["dropped"].values()) + counts["curated"], name
