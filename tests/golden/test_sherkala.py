"""The sherkala recipe: Kazakh : (Russian + Turkish) : English = 3 : 1 : 3 by tokens."""

import gzip
import os
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from curate import api
from curate.engine.verify import verify
from curate.io.store import open_store

DATA = os.environ.get("CURATE_SHARED_DATA")


def check_mixture(result):
    rows = {row["group"]: row for row in result.manifest["mixture"]}
    assert list(rows) == ["kazakh", "russian_turkish", "english"]
    total = sum(row["amount"] for row in rows.values())
    for row, share in zip(rows.values(), (3 / 7, 1 / 7, 3 / 7), strict=True):
        assert row["asked_share"] == pytest.approx(share)
        error = abs(row["amount"] - share * total)
        assert error <= max(0.001 * total, row["largest"]), row
    counted = {"kazakh": 0, "russian_turkish": 0, "english": 0}
    groups = {
        "kaz_Cyrl": "kazakh",
        "rus_Cyrl": "russian_turkish",
        "tur_Latn": "russian_turkish",
        "eng_Latn": "english",
    }
    for path in Path(result.output, "mixture").rglob("*.parquet"):
        table = pq.read_table(path, columns=["lang", "n_tokens"])
        for lang, tokens in zip(
            *(table.column(c).to_pylist() for c in ("lang", "n_tokens")), strict=True
        ):
            counted[groups[lang]] += tokens
    assert counted == {group: row["tokens"] for group, row in rows.items()}
    assert verify(open_store(result.output)) == []


def test_on_sample_data(tmp_path):
    result = api.run(
        "sherkala",
        output=tmp_path / "out",
        engine="in-process",
        settings=["limits.quarantined_records=40"],
    )
    assert result.exit_code == 0
    check_mixture(result)
    assert "41.1 %" in Path(result.output, "report.md").read_text()


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
    check_mixture(result)
    books = result.manifest["ledger"]["files"]
    for lang in ("kk", "ru", "tr", "en"):
        for path in (data / "text").glob(f"{lang}-*.jsonl.gz"):
            with gzip.open(path) as lines:
                assert books[f"text/{path.name}"]["records"] == sum(1 for _ in lines), path.name
    gensim = next(book for name, book in books.items() if "gensim" in name)
    assert gensim["records"] == 206
    for name, book in books.items():
        fates = (
            book["documents"] + sum(book["skipped"].values()) + sum(book["quarantined"].values())
        )
        assert book["records"] == fates, name
        assert book["documents"] == sum(book["dropped"].values()) + book["curated"], name
