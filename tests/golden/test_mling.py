"""The mling recipe: bytes of Japanese lines, of documents in three languages, of many sentences."""

import gzip
import json
import os
import re
from pathlib import Path

import pyarrow.compute as pc
import pytest

from curate import api, schema
from tests.golden.shares import check_shares, dropped, product

DATA = os.environ.get("CURATE_SHARED_DATA")
SAMPLES = Path(__file__).resolve().parents[2] / "sample_data"
WEIGHTS = {"main": {"cc100_ja": 96.39, "skypile": 100.57, "ko_en": 108.5, "glot500": 181.24}}


def check_inner(run):
    """Korean and English are 1 : 1 in their source, to one document."""
    sizes = {"kor_Hang": [], "eng_Latn": []}
    for row in product(run):
        if row["source"] == "ko_en":
            sizes[row["lang"]].append(row["n_bytes"])
    both = [sum(lengths) for lengths in sizes.values()]
    largest = max(max(lengths) for lengths in sizes.values())
    assert abs(both[0] - both[1]) <= max(largest, 0.001 * sum(both)), both


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return api.run(
        "mling",
        output=tmp_path_factory.mktemp("mling") / "out",
        engine="in-process",
        settings=["limits.quarantined_records=40"],
    )


def test_bytes_have_the_shares_of_the_card(run):
    assert run.exit_code == 0
    check_shares(run, WEIGHTS, lambda row: row["source"], unit="bytes")
    check_inner(run)


def test_lines_and_sentences_are_not_judged_as_documents(run):
    # 73 lines, 18 of them titles: only the line of dashes is dropped. Of 477 sentences only copies
    # are dropped.
    lines = dropped(run, "cc100_ja")
    assert {rule: n for rule, n in lines.items() if not rule.startswith("mix:")} == {
        "judge:too_few_letters": 1
    }
    sentences = dropped(run, "glot500")
    assert not [rule for rule in sentences if rule.startswith("judge:")]


def test_temperature_brings_small_languages_up(run, tmp_path):
    flat = api.run(
        "mling",
        output=tmp_path / "out",
        engine="in-process",
        settings=["limits.quarantined_records=40", "mixture.groups.glot500.alpha=0.0"],
    )

    def spread(result):
        sizes = {}
        for row in product(result):
            if row["source"] == "glot500":
                sizes[row["lang"]] = sizes.get(row["lang"], 0) + row["n_bytes"]
        main = [sizes.get(lang, 0) for lang in ("kaz_Cyrl", "rus_Cyrl", "jpn_Jpan", "cmn_Hans")]
        return max(main) / max(1, min(main))

    check_shares(flat, WEIGHTS, lambda row: row["source"], unit="bytes")
    assert spread(flat) < 1.3 < 1.8 < spread(run)


# --- the Japanese trap ---------------------------------------------------------------------------


def by_spaces(text):
    """Return whether Gopher's three rules on words keep a text whose words are split at spaces."""
    words = text.split()
    letters = sum(bool(re.search(r"[^\W\d_]", word)) for word in words)
    mean = sum(map(len, words)) / max(1, len(words))
    return len(words) >= 50 and 3 <= mean <= 10 and letters >= 0.8 * len(words)


def japanese():
    """Return paragraphs of Japanese: real ones if available, else the samples' texts."""
    if DATA:
        with gzip.open(f"{DATA}/text/ja-jaquad-wikipedia-paragraphs.dev.jsonl.gz", "rt") as lines:
            return [json.loads(line)["text"] for line in lines]
    return [path.read_text() for path in sorted((SAMPLES / "texts" / "jpn_Jpan").glob("*.txt"))]


def test_whitespace_rules_would_drop_nearly_all_japanese_and_ours_keep_it():
    texts = [text for text in japanese() if len(text) >= 150]
    assert sum(map(by_spaces, texts)) < 0.02 * len(texts)
    rows = [
        {"id": f"ja/{i}", "source": "ja", "lang": "jpn_Jpan", "text": text}
        for i, text in enumerate(texts)
    ]
    for profile in ("jpn_Jpan", "line"):
        judged = api.judge(schema.documents(rows), profile=profile)
        kept = pc.sum(pc.is_null(judged.column("dropped_by"))).as_py()
        assert kept >= 0.97 * len(texts), profile


@pytest.mark.real_data
@pytest.mark.skipif(not DATA, reason="needs $CURATE_SHARED_DATA")
def test_on_real_files(tmp_path):
    text = f"{DATA}/text"
    run = api.run(
        "mling",
        output=tmp_path / "out",
        engine="in-process",
        inputs={
            "cc100_ja": f"{text}/ja-jaquad-wikipedia-paragraphs.dev.jsonl.gz",
            "skypile": [f"{text}/zh-cmrc2018-*.jsonl.gz", f"{text}/zh-laws-*.jsonl.gz"],
            "ko_en": [f"{text}/ko-*.jsonl.gz", f"{text}/en-*.jsonl.gz"],
            "glot500": [f"{text}/african-news-lines-*.jsonl.gz", f"{text}/kk-kaznerd-*.jsonl.gz"],
        },
        settings=[
            'sources.skypile.text="text"',
            'sources.ko_en.format="jsonl"',
        ],
    )
    assert run.exit_code == 0
    check_shares(run, WEIGHTS, lambda row: row["source"], unit="bytes")
    check_inner(run)
