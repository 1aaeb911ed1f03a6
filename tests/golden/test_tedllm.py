"""The tedllm recipe: Japanese : English = 80 : 20 in two phases, by llm-jp-corpus' rules."""

import gzip
import json
import os
import re
from pathlib import Path

import pytest

from curate import api
from curate.plan import build
from curate.recipe.recipe import load_recipe
from tests.golden.shares import check_shares, dropped, texts

pytest.importorskip("hojichar")

DATA = os.environ.get("CURATE_SHARED_DATA")
WEIGHTS = {phase: {"japanese": 80, "english": 20} for phase in ("embeddings", "full")}
#: One page of the samples for each rule but compresses_oddly, which has a repeated and a tiny one.
PLANTED = {
    "url_filter:refused_address": 1,
    "url_filter:no_host": 1,
    "url_filter:top_level_domain": 1,
    "judge:empty": 1,
    "judge:no_kana_at_start": 1,
    "judge:too_many_ads": 1,
    "judge:adult": 1,
    "judge:discrimination": 1,
    "judge:violence": 1,
    "judge:too_few_full_stops": 1,
    "judge:compresses_oddly": 2,
    "rewrite:nothing_left": 1,
}


def group_of(row):
    return "japanese" if row["source"].startswith("ja_") else "english"


def by_rules(result, source):
    found = dropped(result, source)
    return {rule: n for rule, n in found.items() if not rule.startswith("mix:")}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return api.run("tedllm", output=tmp_path_factory.mktemp("ted") / "out", engine="in-process")


def test_both_phases_keep_their_shares(run):
    assert run.exit_code == 0
    check_shares(run, WEIGHTS, group_of)
    total = {
        phase: sum(r["amount"] for r in run.manifest["mixture"] if r["phase"] == phase)
        for phase in WEIGHTS
    }
    largest = max(row["largest"] for row in run.manifest["mixture"])
    assert abs(total["embeddings"] - 8.6 / 172.6 * sum(total.values())) <= 2 * largest


def test_every_rule_drops_its_page_and_the_encyclopedia_stays(run):
    assert by_rules(run, "ja_cc") == PLANTED
    assert by_rules(run, "ja_wiki") == by_rules(run, "en_wiki") == {}
    assert by_rules(run, "en_text") == {"judge:empty": 1}


def test_the_strict_limits_drop_two_more_pages(tmp_path):
    strict = api.run(
        "tedllm",
        output=tmp_path / "out",
        engine="in-process",
        settings=["sources.ja_cc.profile=llm_jp_strict"],
    )
    more = {"judge:violence": 2, "judge:too_few_full_stops": 2}
    assert by_rules(strict, "ja_cc") == PLANTED | more
    check_shares(strict, WEIGHTS, group_of)


def test_pages_come_out_in_one_line_and_articles_without_their_ends(run):
    pages, articles = texts(run, "ja_cc"), texts(run, "ja_wiki")
    assert len(pages) > 5 and not any("\n" in page for page in pages)
    assert len(articles) > 2 and all("\n" in article for article in articles)
    assert not any(re.search("関連項目|外部リンク", article) for article in articles)
    assert not any("See also" in article for article in texts(run, "en_wiki"))


def test_a_source_without_input_may_be_in_a_group():
    samples = Path(__file__).resolve().parents[2] / "sample_data" / "recipes"
    inputs = {"ja_cc": str(samples / "crawl-ja.jsonl"), "en_text": str(samples / "text-en.jsonl")}
    assert list(build.build(load_recipe("tedllm", inputs=inputs)).sources) == ["ja_cc", "en_text"]


@pytest.mark.real_data
@pytest.mark.skipif(not DATA, reason="needs $CURATE_SHARED_DATA")
def test_on_real_files(tmp_path):
    # The paragraphs have no addresses, and mC4's pages do.
    with (
        gzip.open(f"{DATA}/text/ja-jaquad-wikipedia-paragraphs.dev.jsonl.gz", "rt") as lines,
        (tmp_path / "pages.jsonl").open("w") as pages,
    ):
        for i, line in enumerate(lines):
            page = {"url": f"https://pages.example.jp/{i}", "text": json.loads(line)["text"]}
            pages.write(json.dumps(page) + "\n")
    result = api.run(
        "tedllm",
        output=tmp_path / "out",
        engine="in-process",
        inputs={
            "ja_cc": str(tmp_path / "pages.jsonl"),
            "ja_wiki": f"{DATA}/wiki/dbpedia-minidump/jawiki.xml.bz2",
            "en_wiki": f"{DATA}/wiki/gensim-enwiki-pages-articles1-shortened.xml.bz2",
            "en_text": f"{DATA}/text/en-*.jsonl.gz",
        },
    )
    assert result.exit_code == 0
    check_shares(result, WEIGHTS, group_of)
