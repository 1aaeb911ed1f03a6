"""`curate calibrate` and `check` on clean text: what is counted, refused, and not trusted."""

import json
import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from curate.recipe import locate
from tests.kneser_ney import tiny_model
from tests.unit.cli.commands import curate

KAZAKH = Path(locate.data_path("sample_data/texts/kaz_Cyrl")).absolute()


def test_check_counts_each_text_once_and_by_its_source(tmp_path):
    clean = tmp_path / "clean.jsonl"
    rows = [{"text": f"Beş kelime daha {n}.", "of": "news" if n < 4 else None} for n in range(6)]
    clean.write_text("".join(json.dumps(row) + "\n" for row in rows * 2))
    arguments = ("check", "tur_Latn", "--reference", str(clean), "--source-field")
    found = json.loads(curate(*arguments, "of", "--json").out)["tur_Latn"]
    assert (found["samples"], found["duplicates"], found["domains"]) == (6, 6, 2)
    assert found["sources"]["news"] == {"documents": 4, "share": 1.0}
    assert found["sources"]["no of"] == {"documents": 2, "share": 1.0}
    refused = curate(*arguments, "off")
    assert refused.code == 2
    assert "no document has a field 'off'" in refused.err


def test_a_calibrated_profile_passes_check(tmp_path):
    profile = tmp_path / "kaz.toml"
    reference = ("--reference", "sample_data/texts/kaz_Cyrl")
    result = curate("calibrate", "--lang", "kaz_Cyrl", *reference, "--output", str(profile))
    assert result.code == 0
    assert result.out == f"{profile}\n"
    assert "30 documents of 1 source, 0 duplicates, 0 too short: 30 set the limits" in result.err
    assert "held out in blocks of the one source, 0.0% would be rejected" in result.err
    assert "(95 % interval 0.0% to 11.4%)" in result.err
    assert "the profile is not to be trusted: 30 documents are few" in result.err
    assert curate("check", str(profile), *reference).code == 0
    printed = curate("calibrate", "--lang", "kaz_Cyrl", *reference)
    assert printed.out == profile.read_text("utf-8")


def test_calibrate_refuses_lines_and_leaves_near_duplicates_out(tmp_path):
    lines, pages = tmp_path / "lines.jsonl", tmp_path / "pages.jsonl"
    clean = [path.read_text("utf-8") for path in sorted(KAZAKH.glob("*.txt"))]
    cut = [line for text in clean for line in text.split(". ")]
    lines.write_text("".join(json.dumps({"text": line}) + "\n" for line in cut), "utf-8")
    refused = curate("calibrate", "--lang", "kk", "--reference", str(lines))
    assert refused.code == 2
    assert f"0 of {len(set(cut))} documents have the 40 words that a document has" in refused.err
    twice = [*clean, *(f"{text} Соңы." for text in clean[:7])]
    pages.write_text("".join(json.dumps({"text": text}) + "\n" for text in twice), "utf-8")
    found = curate("calibrate", "--lang", "kk", "--reference", str(pages))
    assert found.code == 0
    assert "37 documents of 1 source, 7 duplicates, 0 too short: 30 set" in found.err


def test_calibrate_ends_with_3_where_a_source_held_out_would_be_rejected(tmp_path):
    pages = tmp_path / "pages.jsonl"
    clean = [path.read_text("utf-8") for path in sorted(KAZAKH.glob("*.txt"))]
    rows = [{"text": text, "meta": {"of": "prose"}} for text in clean[:16]]
    lists = [" ".join(sorted(text.split())[::2] * 2) for text in clean[16:]]
    rows += [{"text": text, "meta": {"of": "lists"}} for text in lists]
    pages.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    reference = ("--reference", str(pages), "--source-field", "meta.of")
    found = curate("calibrate", "--lang", "kk", *reference, "--output", str(tmp_path / "kk.toml"))
    assert found.code == 3
    assert "30 documents of 2 sources" in found.err
    assert re.search(r"most of lists: 100.0% of 14", found.err)


def test_a_model_of_calibrate_is_measured_in_a_run_and_refused_where_it_is_damaged(
    tmp_path, monkeypatch
):
    clean = [path.read_text("utf-8") for path in sorted(KAZAKH.glob("*.txt"))]
    monkeypatch.chdir(tmp_path)
    model, profile = tmp_path / "kk.npz", tmp_path / "filters" / "kk.toml"
    profile.parent.mkdir()
    trained = curate(
        *("calibrate", "--lang", "kk", "--reference", str(KAZAKH)),
        *("--output", str(profile), "--perplexity", str(model)),
    )
    assert trained.code == 0
    assert f"{model}: " in trained.err
    texts = [clean[0], "".join(sorted(clean[1]))]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps({"text": t}) + "\n" for t in texts))
    (tmp_path / "r.toml").write_text(
        'name = "r"\n[sources.a]\nformat = "jsonl"\npath = "a.jsonl"\nprofile = "kk"\n'
        '[[stages]]\nuse = "identify"\n[[stages]]\nuse = "measure"\n'
        '[mixture]\nunit = "documents"\nratio = "3:1"\nshortage = "repeat"\nmax_epochs = 3\n'
        '[mixture.groups.clean]\nwhere = { signal_perplexity_bucket = ["head", "middle"] }\n'
        '[mixture.groups.rest]\nsplit_by = "signal_perplexity_bucket"\n'
        "weights = { tail = 1, head = 0 }\n"
    )
    run = ("run", "r.toml", "--output", "out", "--engine", "in-process")
    assert curate(*run).code == 0
    columns = ["signal_perplexity", "signal_perplexity_bucket"]
    product = pq.read_table("out/mixture", columns=columns).sort_by(columns[0])
    perplexity, bucket = (column.to_pylist() for column in product.columns)
    assert perplexity[0] < 4 < 10 < perplexity[-1]
    assert bucket == ["head", "head", "head", "tail"]
    model.write_bytes(model.read_bytes()[:-100])
    for command in (("plan", "r.toml"), (*run, "--fresh")):
        refused = curate(*command)
        assert refused.code == 2
        assert "no n-gram model of `curate calibrate`, or it is cut off" in refused.err


@pytest.mark.parametrize(
    ("use", "said"),
    [
        (
            "[mixture.groups.a]\nwhere = { signal_perplexity_bucket = { max = 2 } }",
            "where of a group needs a number, and the column 'signal_perplexity_bucket' is string",
        ),
        (
            '[mixture.groups.a]\nwhere = { perplexity_bucket = ["head"] }',
            "did you mean 'signal_perplexity_bucket'?",
        ),
        (
            '[mixture.upsample]\nby = "signal_perplexity_bucket"\ncopies = [[1, 2]]\n'
            "[mixture.groups.a]",
            "upsample needs a number, and the column 'signal_perplexity_bucket' is string",
        ),
        (
            '[mixture.groups.a]\n[[stages]]\nuse = "bucket"\nsignals = ["perplexity"]',
            "stage 'bucket' writes the column 'signal_perplexity_bucket', and so does stage 'meas",
        ),
    ],
)
def test_a_bucket_in_the_place_of_a_number_is_refused_before_reading(
    use, said, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    profile = tmp_path / "filters" / "kk.toml"
    profile.parent.mkdir()
    profile.write_text(f'[perplexity]\nmodel = "{tiny_model()}"\nhead = 2\nmiddle = 3\n')
    (tmp_path / "a.jsonl").write_text('{"text": "a"}\n')
    (tmp_path / "r.toml").write_text(
        'name = "r"\n[sources.a]\nformat = "jsonl"\npath = "a.jsonl"\nprofile = "kk"\n'
        '[[stages]]\nuse = "identify"\n[[stages]]\nuse = "measure"\n'
        '[mixture]\nunit = "documents"\n' + use
    )
    refused = curate("plan", "r.toml")
    assert refused.code == 2
    assert said in refused.err
