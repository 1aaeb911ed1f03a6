"""Each command on the demo: what it prints for people, and that its JSON is JSON."""

import json
import shutil

import pytest

from tests.unit.cli.commands import curate, demo_run


@pytest.fixture(scope="module")
def run():
    return demo_run()[0]


def test_run_ends_with_the_places_on_stdout_and_the_rest_on_stderr(run):
    said = demo_run()[1]
    assert said.code == 0
    assert said.out == f"mixture: {run}/mixture\nreport:  {run}/report.html\n"
    assert "611 records: 156 skipped, 10 quarantined, 445 documents" in said.err
    assert "main   kazakh" in said.err


def test_the_same_command_again_does_nothing(run):
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*") if path.name != ".lock"}
    said = curate("run", "demo", "--engine", "in-process", "--output", str(run), "--json")
    assert said.code == 0
    assert "nothing to do" in said.err
    told = json.loads(said.out)
    assert told["reused"] is True
    assert told["totals"]["documents"] == 445
    after = {path: path.stat().st_mtime_ns for path in run.rglob("*") if path.name != ".lock"}
    assert after == before


def test_plan_tells_segments_curve_and_cost(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = curate("plan", "demo")
    assert said.code == 0
    assert "segment 1" in said.out
    assert "20 bands x 8 rows" in said.out
    assert "estimate: " in said.out
    told = json.loads(curate("plan", "demo", "--json").out)
    assert [stage["name"] for stage in told["segments"][1]["barriers"]] == ["mix"]
    assert curate("run", "demo", "--dry-run", "--output", "x").out == said.out
    assert not list(tmp_path.iterdir())


def test_a_setting_reaches_the_plan():
    told = json.loads(
        curate("plan", "demo", "--set", "stages.fuzzy_dedup.threshold=0.5", "--json").out
    )
    assert told["curves"]["fuzzy_dedup"]["threshold"] == 0.5


def test_stage_runs_a_recipe_up_to_a_map_stage(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = curate(
        "stage", "identify", "demo", "--input", "wiki=sample_data/wiki", "--output", "out",
        "--engine", "in-process", "--json",
    )  # fmt: skip
    assert said.code == 0
    told = json.loads(said.out)
    assert told["totals"]["taken"] == told["totals"]["documents"] == 10


def test_stage_runs_a_recipe_up_to_a_barrier(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = curate(
        "stage", "exact_dedup", "demo", "--input", "notes=sample_data/notes", "--output", "out",
        "--engine", "in-process", "--json",
    )  # fmt: skip
    assert said.code == 0
    totals = json.loads(said.out)["totals"]
    assert totals["dropped"] > 0
    assert totals["taken"] == totals["documents"] - totals["dropped"]


def test_dedup_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = curate("dedup", "sample_data/books.parquet", "--output", "out", "--engine", "in-process")
    assert said.code == 0
    assert said.out.startswith("kept ")
    assert "clusters: out/clusters.parquet" in said.out
    assert (tmp_path / "out" / "clusters.parquet").exists()


def test_mix_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = curate(
        "mix", "sample_data/books.parquet", "--ratio", "eng_Latn=1,xho_Latn=1",
        "--unit", "bytes", "--dry-run",
    )  # fmt: skip
    assert said.code == 2
    assert "group 'xho_Latn' has nothing to give" in said.err
    said = curate("mix", "sample_data/books.parquet", "--ratio", "eng_Latn=1", "--dry-run")
    assert said.code == 0
    assert said.out.splitlines()[1].startswith("main   eng_Latn")
    assert not list(tmp_path.iterdir())
    told = json.loads(
        curate(
            "mix", "sample_data/books.parquet", "--ratio", "eng_Latn=1,rus_Cyrl=1",
            "--unit", "documents", "--output", "out", "--engine", "in-process", "--json",
        ).out
    )  # fmt: skip
    first, second = (row["amount"] for row in told["mixture"])
    assert first == second > 0


@pytest.mark.parametrize(
    ("path", "documents"),
    [
        ("sample_data/web/crawl.warc.gz", 119),
        ("sample_data/web/crawl.warc.wet.gz", 87),
        ("sample_data/wiki", 10),
        ("sample_data/books.parquet", 54),
        ("sample_data/notes", 48),
    ],
)
def test_identify_knows_a_format_by_its_names(path, documents):
    said = curate("identify", path, "--json")
    assert said.code == 0
    rows = [json.loads(line) for line in said.out.splitlines()]
    assert len(rows) == documents
    assert all(len(row["lang"]) in (3, 8) for row in rows)
    assert sum(int(line.split()[0]) for line in said.err.splitlines() if "_" in line[-6:]) > 0


def test_identify_that_reads_nothing_says_what_to_name():
    said = curate("identify", "sample_data/news.jsonl.zst")
    assert said.code == 3
    assert "--text FIELD" in said.err
    assert said.out == ""


def test_identify_a_named_field():
    said = curate("identify", "sample_data/news.jsonl.zst", "--text", "content.body")
    assert said.code == 0
    assert said.out.splitlines()[0].split("\t")[0] == "arb_Arab"
    assert "could not be read: bad_json" in said.err


def test_report_is_built_anew(run):
    told = json.loads(curate("report", str(run), "--json").out)
    assert told["documents"]["documents"] == 445
    assert curate("report", str(run)).out.count("fuzzy_dedup") > 0


def test_verify_finds_a_sound_run_sound(run):
    said = curate("verify", str(run))
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith("sound: ")
    assert json.loads(curate("verify", str(run), "--json").out)["problems"] == []


def test_verify_names_a_damaged_file(run, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    product = next((copy / "mixture").rglob("*.parquet"))
    body = bytearray(product.read_bytes())
    body[len(body) // 2] ^= 1
    product.write_bytes(bytes(body))
    said = curate("verify", str(copy))
    assert said.code == 1
    assert f"{product.relative_to(copy)}: its bytes changed" in said.err


def test_check_knows_its_budget():
    said = curate("check", "kaz_Cyrl")
    assert said.code == 0
    assert said.out.splitlines()[1].startswith("kaz_Cyrl")
    assert json.loads(curate("check", "kaz_Cyrl", "--json").out)["kaz_Cyrl"]["samples"] == 30


def test_every_profile_with_samples_leaves_them_alone():
    said = curate("check")
    assert (said.code, said.err) == (0, "")


def test_check_takes_clean_text_of_ones_own_and_names_the_rule(tmp_path):
    clean = tmp_path / "clean.jsonl"
    clean.write_text(
        "".join(json.dumps({"body": f"Beş kelime daha {n}."}) + "\n" for n in range(9))
    )
    asked = ("check", "tur_Latn", "--reference", str(clean), "--text", "body")
    said = curate(*asked)
    assert said.code == 3
    assert (
        "rejects 100.0% of its clean samples, 2.0% are allowed; by rule: too_few_words" in said.err
    )
    assert curate(*asked, "--budget", "1").code == 0
    assert json.loads(curate(*asked, "--json").out)["tur_Latn"]["samples"] == 9
    assert curate("check", "--reference", str(clean)).code == 2


def test_a_calibrated_profile_passes_check(tmp_path):
    profile = tmp_path / "kaz.toml"
    reference = ("--reference", "sample_data/texts/kaz_Cyrl")
    said = curate("calibrate", "--lang", "kaz_Cyrl", *reference, "--output", str(profile))
    assert said.code == 0
    assert said.out == f"{profile}\n"
    assert "30 documents, 1 domains, 0 too short; 0.0% of the 14 held out" in said.err
    assert curate("check", str(profile), *reference).code == 0
    printed = curate("calibrate", "--lang", "kaz_Cyrl", *reference)
    assert printed.out == profile.read_text("utf-8")


def test_signals_lists_and_shows_a_card():
    listed = json.loads(curate("signals", "--json").out)
    assert "mean_word_length" in listed
    card = curate("signals", "mean_word_length").out
    assert "what    Mean number of characters" in card
    assert curate("signals").out.count("\n") == len(listed) + 1


def test_explain_in_words(run):
    said = curate("explain", str(run), "https://pages-7.example/login")
    assert said.code == 0
    assert "dropped by judge:too_few_words, measured 18" in said.out
    assert said.out.splitlines()[-1].split()[0] == "judge"
    told = json.loads(curate("explain", str(run), "web/crawl.warc.gz#9169", "--json").out)
    assert told[0]["witness"][0]["outcome"] in ("kept", "over_budget")


def test_explain_a_record_that_could_not_be_read(run):
    said = curate("explain", str(run), "web/crawl.warc.gz#113616")
    assert said.code == 0
    assert "quarantined: gzip_data, 1237 bytes at offset 113616" in said.out
