"""Each command on the demo: its text for people, and its JSON."""

import json
import re
import shutil

import pytest

from tests.unit.cli.commands import curate, demo_run


@pytest.fixture(scope="module")
def run():
    return demo_run()[0]


def test_run_ends_with_the_places_on_stdout_and_the_rest_on_stderr(run):
    result = demo_run()[1]
    assert result.code == 0
    assert result.out == (
        f"mixture: {run}/mixture\n"
        f"load:    datasets.load_dataset('{run}', 'main')\n"
        f"report:  {run}/report.html\n"
    )
    assert "611 records: 156 skipped, 10 quarantined, 445 documents" in result.err
    assert "main   kazakh" in result.err
    assert "\nenglish limits the mixture, all of it is taken: a lower weight" in result.err
    assert "\ndropped most by exact_dedup:duplicate_text " in result.err
    assert f"next:    curate report {run} --open, curate verify {run}" in result.err


def test_the_same_command_again_does_nothing(run):
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*") if path.name != ".lock"}
    result = curate("run", "demo", "--engine", "in-process", "--output", str(run), "--json")
    assert result.code == 0
    assert "nothing to do" in result.err
    fields = json.loads(result.out)
    assert fields["reused"] is True
    assert fields["totals"]["documents"] == 445
    after = {path: path.stat().st_mtime_ns for path in run.rglob("*") if path.name != ".lock"}
    assert after == before


def test_plan_prints_segments_curve_and_cost(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = curate("plan", "demo")
    assert result.code == 0
    assert "segment 1" in result.out
    assert "20 bands x 8 rows" in result.out
    assert "estimate: " in result.out
    fields = json.loads(curate("plan", "demo", "--json").out)
    assert [stage["name"] for stage in fields["segments"][1]["barriers"]] == ["mix"]
    assert not list(tmp_path.iterdir())


def test_plan_estimates_what_is_assumed():
    arguments = ("--assume", "web=1.5TB", "--nodes", "4", "--cores", "8", "--price", "2", "--json")
    fields = json.loads(curate("plan", "demo", "--sample", "0", *arguments).out)
    assert fields["sources"]["web"]["bytes"] == 1_500_000_000_000
    cost = fields["estimate"]
    assert cost["cost"] == pytest.approx(4 * 2 * cost["seconds"] / 3600, abs=0.01)


@pytest.mark.parametrize(
    ("option", "message"),
    [("wob=1TB", "no source 'wob'"), ("web=much", "'much' is no size"), ("web", "'' is no size")],
)
def test_an_assumption_that_is_none_is_refused(option, message):
    result = curate("plan", "demo", "--assume", option)
    assert result.code == 2
    assert message in result.err


def test_a_setting_reaches_the_plan():
    fields = json.loads(
        curate("plan", "demo", "--set", "stages.fuzzy_dedup.threshold=0.5", "--json").out
    )
    assert fields["curves"]["fuzzy_dedup"]["threshold"] == 0.5


def test_stage_runs_a_recipe_up_to_a_map_stage(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = curate(
        "stage", "identify", "demo", "--input", "wiki=sample_data/wiki", "--output", "out",
        "--engine", "in-process", "--json",
    )  # fmt: skip
    assert result.code == 0
    fields = json.loads(result.out)
    assert fields["totals"]["taken"] == fields["totals"]["documents"] == 10


def test_stage_runs_a_recipe_up_to_a_barrier(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = curate(
        "stage", "exact_dedup", "demo", "--input", "notes=sample_data/notes", "--output", "out",
        "--engine", "in-process", "--json",
    )  # fmt: skip
    assert result.code == 0
    totals = json.loads(result.out)["totals"]
    assert totals["dropped"] > 0
    assert totals["taken"] == totals["documents"] - totals["dropped"]


def test_dedup_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = curate(
        "dedup", "sample_data/books.parquet", "--output", "out", "--engine", "in-process"
    )
    assert result.code == 0
    assert result.out.startswith("kept ")
    assert "clusters: out/clusters.parquet" in result.out
    assert (tmp_path / "out" / "clusters.parquet").exists()


def test_mix_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = curate(
        "mix", "sample_data/books.parquet", "--ratio", "eng_Latn=1,xho_Latn=1",
        "--unit", "bytes", "--dry-run",
    )  # fmt: skip
    assert result.code == 2
    assert "group 'xho_Latn' has nothing to give" in result.err
    result = curate("mix", "sample_data/books.parquet", "--ratio", "eng_Latn=1", "--dry-run")
    assert result.code == 0
    assert result.out.splitlines()[1].startswith("main   eng_Latn")
    assert not list(tmp_path.iterdir())
    fields = json.loads(
        curate(
            "mix", "sample_data/books.parquet", "--ratio", "eng_Latn=1,rus_Cyrl=1",
            "--unit", "documents", "--output", "out", "--engine", "in-process", "--json",
        ).out
    )  # fmt: skip
    first, second = (row["amount"] for row in fields["mixture"])
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
    result = curate("identify", path, "--json")
    assert result.code == 0
    rows = [json.loads(line) for line in result.out.splitlines()]
    assert len(rows) == documents
    assert all(len(row["lang"]) in (3, 8) for row in rows)
    assert sum(int(line.split()[0]) for line in result.err.splitlines() if "_" in line[-6:]) > 0


def test_identify_that_reads_nothing_names_the_option_to_set():
    result = curate("identify", "sample_data/news.jsonl.zst")
    assert result.code == 3
    assert "--text FIELD" in result.err
    assert result.out == ""


@pytest.mark.parametrize("content", ["", "\n\n"])
def test_identify_of_files_without_documents_is_no_success(tmp_path, content):
    (tmp_path / "a.jsonl").write_text(content)
    result = curate("identify", str(tmp_path / "a.jsonl"))
    assert (result.code, result.out) == (3, "")
    assert "not one document was found" in result.err


def test_identify_a_named_field():
    result = curate("identify", "sample_data/news.jsonl.zst", "--text", "content.body")
    assert result.code == 0
    assert result.out.splitlines()[0].split("\t")[0] == "arb_Arab"
    assert "could not be read: bad_json" in result.err


def test_report_is_built_anew(run):
    fields = json.loads(curate("report", str(run), "--json").out)
    assert fields["documents"]["documents"] == 445
    assert curate("report", str(run)).out.count("fuzzy_dedup") > 0


def test_verify_finds_a_sound_run_sound(run):
    result = curate("verify", str(run))
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith("sound: ")
    assert json.loads(curate("verify", str(run), "--json").out)["problems"] == []


def test_verify_names_a_damaged_file(run, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    product = next((copy / "mixture").rglob("*.parquet"))
    body = bytearray(product.read_bytes())
    body[len(body) // 2] ^= 1
    product.write_bytes(bytes(body))
    result = curate("verify", str(copy))
    assert result.code == 1
    assert f"{product.relative_to(copy)}: its bytes changed" in result.err


def test_check_knows_its_budget():
    result = curate("check", "kaz_Cyrl")
    assert result.code == 0
    assert result.out.splitlines()[1].startswith("kaz_Cyrl")
    assert json.loads(curate("check", "kaz_Cyrl", "--json").out)["kaz_Cyrl"]["samples"] == 30


def test_every_profile_with_samples_leaves_them_alone():
    result = curate("check")
    assert (result.code, result.err) == (0, "")


def test_check_takes_clean_text_of_ones_own_and_names_the_rule(tmp_path):
    clean = tmp_path / "clean.jsonl"
    clean.write_text(
        "".join(json.dumps({"body": f"Beş kelime daha {n}."}) + "\n" for n in range(9))
    )
    arguments = ("check", "tur_Latn", "--reference", str(clean), "--text", "body")
    result = curate(*arguments)
    assert result.code == 3
    assert (
        "rejects 100.0% of its clean samples, 2.0% are allowed; by rule: too_few_words"
        in result.err
    )
    assert curate(*arguments, "--budget", "1").code == 0
    assert "the reference says little of tur_Latn: 9 documents are few: even if" in result.err
    found = json.loads(curate(*arguments, "--json").out)["tur_Latn"]
    assert (found["samples"], found["rejected"], found["duplicates"]) == (9, 9, 0)
    assert 0.7 < found["low"] < 0.8 < found["high"] == 1.0
    assert curate("check", "--reference", str(clean)).code == 2


def test_signals_lists_and_shows_a_card():
    listed = json.loads(curate("signals", "--json").out)
    assert "mean_word_length" in listed
    card = curate("signals", "mean_word_length").out
    assert "what    Mean number of characters" in card
    assert curate("signals").out.count("\n") == len(listed) + 1


def test_explain_in_words(run):
    result = curate("explain", str(run), "https://pages-7.example/login")
    assert result.code == 0
    assert "dropped by judge:too_few_words, measured 18" in result.out
    stages, rules = result.out.split("\n\n")[1:3]
    assert stages.splitlines()[-1].split()[0] == "judge"
    assert re.search(r"^too_few_words +18 +50 +fails: .*\(limit: Gopher", rules, re.MULTILINE)
    assert f"next: curate sweep {run} --signal n_words" in result.err
    fields = json.loads(curate("explain", str(run), "web/crawl.warc.gz#9169", "--json").out)
    assert fields[0]["witness"][0]["outcome"] in ("kept", "over_budget")


def test_explain_a_record_that_could_not_be_read(run):
    result = curate("explain", str(run), "web/crawl.warc.gz#113616")
    assert result.code == 0
    assert "quarantined: gzip_data, 1237 bytes at offset 113616" in result.out


def test_explain_takes_several_documents_and_marks_the_places():
    run, _ = demo_run()
    done = curate(
        "explain", str(run), "https://pages-5.example/repeated-tr", "https://pages-7.example/login"
    )
    assert done.code == 0
    assert "where the failing rules come from, and what they measure without it:" in done.out
    assert "line 3 and 23 more: Bugün bütün ürünlerde büyük indirim var" in done.out
    assert "https://pages-7.example/login" in done.out


def test_plan_describes_the_store_of_exact_dedup(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": "one two three"}\n')
    recipe = tmp_path / "r.toml"
    recipe.write_text(
        f'name = "r"\nstages = [{{ use = "exact_dedup", store = "{tmp_path}/seen" }}]\n'
        f'[sources.a]\nformat = "jsonl"\npath = "{tmp_path}/a.jsonl"\n'
    )
    planned = curate("plan", str(recipe))
    assert planned.code == 0, planned.err
    assert "seen: 0 documents in 0 generations, 0 B; about 60 B more for each" in planned.out
    assert curate("run", str(recipe), "--output", str(tmp_path / "out")).code == 0
    (tmp_path / "a.jsonl").write_text('{"text": "four five six"}\n')  # another month
    assert "seen: 1 documents in 1 generations" in curate("plan", str(recipe)).out


def test_a_key_of_blanks_is_named_with_quotes(tmp_path):
    recipe = tmp_path / "r.toml"
    recipe.write_text('name = "r"\n[" "]\nx = 99999999999999999999\n')
    refused = curate("plan", str(recipe))
    assert (refused.code, refused.err.splitlines()[0]) == (
        2, "curate: ' '.x: an integer has at most 64 bits",
    )  # fmt: skip
