"""The allam recipe: English, then Arabic (native, translated) : English : code = 22.5 : 22.5 : 45 :
10.
"""

import json
import os
from pathlib import Path

import pyarrow as pa
import pytest

from curate import api
from curate.recipe import locate, profile
from curate.recipe.recipe import load_recipe
from curate.text.standardize import standardize
from tests.golden.shares import check_shares, dropped, product, texts

DATA = os.environ.get("CURATE_SHARED_DATA")
SAMPLES = Path(__file__).resolve().parents[2] / "sample_data" / "recipes"
WEIGHTS = {
    "english": {"english": 4000},
    "mixed": {"code": 120, "arabic_translated": 270, "arabic": 270, "english": 540},
}


def group_of(row):
    if row["source"] == "code":
        return "code"
    if row["lang"] == "eng_Latn":
        return "english"
    assert row["lang"].endswith("_Arab")
    return "arabic_translated" if row["origin"] == "mt" else "arabic"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return api.run(
        "allam",
        output=tmp_path_factory.mktemp("allam") / "out",
        engine="in-process",
        settings=["limits.quarantined_records=40"],
    )


def test_both_phases_keep_their_shares(run):
    assert run.exit_code == 0
    check_shares(run, WEIGHTS, group_of)


def test_no_document_is_in_both_phases(run):
    ids = [row["id"] for row in product(run)]
    assert len(set(ids)) == len(ids) > 40


def test_code_is_not_rewritten_and_data_is_dropped(run):
    rows = [json.loads(line) for line in (SAMPLES / "code.jsonl").read_text().splitlines()]
    sources = {row["content"].strip() for row in rows}
    assert {text.strip() for text in texts(run, "code")} <= sources
    assert dropped(run, "code") == {
        "judge:line_too_long": 1,
        "judge:too_few_letters_and_digits": 1,
    }


def test_light_standardization_keeps_what_arabic_writers_wrote():
    text = (
        "\ufee3\ufeae\u062d\u0628\u0640\u0640\u0627\u064b \u0623\u0644\u0649 "
        "\u0645\u062f\u0631\u0633\u0629 \u200f\u0661\u0662"
    )
    for name in (
        "arb_Arab",
        "arz_Arab",
        "ary_Arab",
        "ars_Arab",
        "apc_Arab",
        "acm_Arab",
        "aeb_Arab",
        "arq_Arab",
    ):
        section = profile.load_profile(name, locate.profile_text).standardize
        standardized, _ = standardize(pa.array([text], pa.large_string()), section)
        # Letters for shapes, no tatweel, no bidi mark; hamza, final ya, ta marbuta, digits stay.
        assert standardized.to_pylist() == [
            "\u0645\u0631\u062d\u0628\u0627\u064b \u0623\u0644\u0649 "
            "\u0645\u062f\u0631\u0633\u0629 \u0661\u0662"
        ], name


def test_one_number_scales_every_budget():
    small = load_recipe("allam", settings=["mixture.scale=1.0"]).mixture
    large = load_recipe("allam").mixture
    for phase in small.schedule():
        assert large.budget_of(phase) == small.budget_of(phase) * 10**9
        assert small.shares(phase) == large.shares(phase)


@pytest.mark.real_data
@pytest.mark.skipif(not DATA, reason="needs $CURATE_SHARED_DATA")
def test_on_real_files(tmp_path):
    data = Path(DATA)
    lines = (f"{data}/text/{lang}-*.jsonl.gz" for lang in ("ar", "en"))
    run = api.run(
        "allam",
        output=tmp_path / "out",
        engine="in-process",
        inputs={
            "web": [f"{data}/warc/valid"],
            "wiki": f"{data}/wiki/gensim-enwiki-pages-articles1-shortened.xml.bz2",
            "text": list(lines),
            "translated": str(SAMPLES / "translated.jsonl"),
            "code": str(SAMPLES / "code.jsonl"),
        },
        settings=["limits.quarantined_share=0.05"],
    )
    assert run.exit_code == 0
    check_shares(run, WEIGHTS, group_of)
