import json

import pytest

from curate.report.build import build_report
from curate.report.diff import compare
from curate.report.rows import confusion
from curate.storage.entries import Manifest
from tests.unit.report.conftest import render


def report(manifest, timings=()):
    return json.loads(render(manifest, list(timings))["report.json"])


def test_records_documents_and_kept_of_raw(manifest):
    fields = report(manifest())["documents"]
    keys = ("read", "skipped", "quarantined", "documents", "dropped", "curated", "taken", "rows")
    assert {key: fields[key] for key in keys} == {
        "read": 7, "skipped": 1, "quarantined": 1, "documents": 5, "dropped": 3, "curated": 2,
        "taken": 1, "rows": 2,
    }  # fmt: skip
    assert fields["kept_of_raw"] == 2 / 5
    assert fields["bytes"] == {"documents": 150, "curated": 90, "kept_of_raw": 90 / 150}
    assert fields["dropped_by"] == {
        "judge:too_few_words": 1, "exact_dedup:duplicate_text": 1,
        "fuzzy_dedup:near_duplicate_words": 1,
    }  # fmt: skip


def test_near_duplicates_are_counted_by_what_they_differ_in(manifest):
    counts = {"form": 0, "signs": 0, "numbers": 0, "words": 1}
    assert report(manifest())["dedup"]["near_by_stage"] == {
        "fuzzy_dedup": {"fold": "case, width", "differ_in": counts}
    }
    pages = render(manifest(), [])
    assert "| `fuzzy_dedup` | `case, width` |" in " ".join(pages["report.md"].decode().split())
    assert "What near copies differ in" in pages["report.html"].decode()


def test_packed_sequences(manifest):
    assert report(manifest())["packed"] == [
        {
            "phase": "main", "sequences": 3, "documents": 2, "tokens": 150, "trained": 60,
            "padding": 42, "split": 1, "pieces": 2, "left_out": {"refused_by_template": 1},
            "fill": 150 / 192,
        }
    ]  # fmt: skip
    pages = render(manifest(), [])
    row = "| `main` | 3 | 2 | 150 | 40.0 % | 78.1 % | 42 | 1 into 2 | 1 refused_by_template |"
    assert row in " ".join(pages["report.md"].decode().split())
    assert "packed:" not in pages["report.md"].decode()  # not again among the stages' counts


def test_what_reading_changed_is_told_with_what_the_stages_changed(manifest):
    fields = manifest()
    fields["ledger"]["files"]["wiki/dump.xml"]["noted"] = {"sentences_cut": 1234}
    assert report(fields)["documents"]["noted_by"] == {"sentences_cut": 1234}
    assert report(fields)["sources"]["wiki"]["noted_by"] == {"sentences_cut": 1234}
    pages = render(fields, [])
    assert "| reading | sentences_cut | 1,234 |" in pages["report.md"].decode().replace("`", "")
    assert b"sentences_cut" in pages["report.html"]


def test_stages_are_in_recipe_order_and_pass_on_what_they_keep(manifest, timings):
    stages = report(manifest(), timings())["stages"]
    assert [row["stage"] for row in stages] == [
        "repair",
        "judge",
        "exact_dedup",
        "fuzzy_dedup",
        "count",
        "mix",
    ]
    assert [(row["in"], row["kept"]) for row in stages] == [
        (5, 5),
        (5, 4),
        (4, 3),
        (3, 2),
        (2, 2),
        (2, 2),
    ]
    assert stages[1]["dropped"] == {"too_few_words": 1}
    # one pass for repair and judge; steps of a barrier are added; exact_dedup and mix were not
    # measured
    assert [row["seconds"] for row in stages] == [None, None, None, 2.0, 1.0, None]


def test_sources_and_languages_add_up_to_the_run(manifest):
    fields = report(manifest())
    for parts in (fields["sources"], fields["languages"]):
        for key in ("documents", "dropped", "curated"):
            assert sum(part[key] for part in parts.values()) == fields["documents"][key]
    assert fields["sources"]["web"]["quarantined"] == 1
    assert fields["sources"]["wiki"]["taken"] == 0
    assert fields["languages"]["kaz_Cyrl"]["kept_of_raw"] == 1 / 4
    assert fields["languages"]["kaz_Cyrl"]["bytes"] == {
        "documents": 100,
        "curated": 40,
        "kept_of_raw": 0.4,
    }
    assert fields["languages"]["eng_Latn"]["read"] is None  # a damaged record has no language


def test_dedup_is_measured_across_its_barriers_alone(manifest):
    dedup = report(manifest())["dedup"]
    assert dedup["documents"] == {"before": 4, "after": 2, "ratio": 0.5}
    assert dedup["bytes"] == {"before": 140, "after": 90, "ratio": 90 / 140}
    assert (dedup["exact"], dedup["near"]) == (1, 1)
    assert (dedup["clusters"], dedup["largest"]) == (6, 9)
    assert dedup["cluster_sizes"]["fuzzy_dedup"] == {"2": 4, "9": 1}
    assert dedup["languages"]["kaz_Cyrl"]["documents"] == {"before": 3, "after": 1, "ratio": 1 / 3}
    # kaz: 8 tokens on 40 bytes; eng: 25 on 50
    assert dedup["languages"]["kaz_Cyrl"]["tokens_estimated"] == {
        "before": 18,
        "after": 8,
        "ratio": 40 / 90,
    }
    assert dedup["tokens_estimated"]["after"] == 33


def test_evaluation_sets_have_their_own_table(manifest):
    fields = manifest()
    fields["ledger"]["stages"]["repair"]["dropped"] = [["web", "", "goats", 1, 10]]
    (one,) = report(fields)["benchmarks"]
    assert one == {
        "stage": "repair", "benchmark": "goats", "examples": 9, "too_short": 1, "looked_for": 40,
        "found": 2,
        "found_share": 2 / 8, "most_found": {"example": 0, "documents": 3}, "documents": 4,
        "dropped": {"documents": 1, "bytes": 10}, "cut": {"documents": 2, "bytes": 30},
        "examples_found": {"0": 3, "7": 3}, "examples_too_short": [1],
    }  # fmt: skip
    tally = report(fields)["stages"][0]["tally"]
    assert tally["runs:goats"] == 21 and not any(key.startswith("found:") for key in tally)
    pages = {name: text.decode() for name, text in render(fields, []).items()}
    row = next(line for line in pages["report.md"].splitlines() if "`goats`" in line)
    cells = [cell.strip() for cell in row.strip("| ").split("|")]
    assert cells == ["`goats`", "9", "1", "40", "2", "25.0 %", "0 in 3", "4", "1", "2", "30 B"]
    assert '<td class="n">0 in 3</td>' in pages["report.html"]
    assert "cut:bytes:goats" not in pages["report.html"]


def test_a_run_without_evaluation_sets_has_no_table_of_them(manifest):
    fields = manifest() | {"facts": {}}
    assert report(fields)["benchmarks"] == []
    pages = render(fields, [])
    assert not any(b"Evaluation sets" in pages[name] for name in ("report.html", "report.md"))


def test_what_no_stage_counted_is_null(manifest):
    bare = manifest()
    for stage in bare["ledger"]["stages"].values():
        stage["tally"] = {}
    dedup = report(bare)["dedup"]
    assert dedup["tokens_estimated"] is dedup["clusters"] is dedup["largest"] is None
    without = manifest()
    without["recipe"]["stages"] = [{"use": "repair", "name": "exact_dedup"}]
    without["recipe"]["stages"] += [{"use": "judge", "name": "fuzzy_dedup"}]
    assert report(without)["dedup"] is None


def test_renamed_dedup_stages_are_still_dedup(manifest):
    renamed = manifest()
    renamed["recipe"]["stages"][3] = {"use": "fuzzy_dedup", "name": "again"}
    renamed["stages"][3] = "again"
    renamed["ledger"]["stages"]["again"] = renamed["ledger"]["stages"].pop("fuzzy_dedup")
    assert report(renamed)["dedup"]["documents"]["ratio"] == 0.5


def test_text_that_a_stage_between_rewrites_is_not_counted_as_dedup(manifest):
    between = manifest()
    between["stages"] = ["repair", "exact_dedup", "judge", "fuzzy_dedup", "count", "mix"]
    stages = between["ledger"]["stages"]
    stages["exact_dedup"]["input"] = [["web", "", 5, 150]]
    stages["judge"]["input"] = [["web", "", 4, 130]]
    fields = report(between)["dedup"]
    assert fields["documents"] == {"before": 5, "after": 3, "ratio": 3 / 5}
    assert fields["bytes"]["before"] - fields["bytes"]["after"] == 20 + 30


def test_time_by_part(manifest, timings):
    time = report(manifest(), timings())["time"]
    assert (time["engine"], time["seconds"], time["hosts"], time["peak_bytes"]) == (
        "ray",
        11.0,
        1,
        9_000_000,
    )
    assert [(part["part"], part["seconds"]) for part in time["parts"]] == [
        ("starting the engine", 1.0), ("reading, repair, judge, exact_dedup", 6.0),
        ("fuzzy_dedup", 2.0), ("count", 1.0),
        ("between the tasks", 1.0),
    ]  # fmt: skip
    assert time["parts"][1]["typical_task"] == 3.0
    assert sum(part["seconds"] for part in time["parts"]) == time["seconds"]


def test_the_longest_stage_name_owns_a_step(manifest, timings):
    fields = manifest()
    fields["stages"] = ["repair", "fuzzy_dedup", "fuzzy_dedup-edges", "mix"]
    rows = [{"segment": "fuzzy_dedup-edges-band_keys", "label": "x", "wall": 2.0}]
    stages = report(fields, rows)["stages"]
    assert [row["seconds"] for row in stages] == [None, None, 2.0, None]


def test_accounting_that_does_not_hold_is_shown(manifest):
    assert all(line["holds"] for line in report(manifest())["accounting"])
    wrong = manifest()
    wrong["ledger"]["files"]["web/a.warc.gz"]["records"] = 8
    assert [line["holds"] for line in report(wrong)["accounting"]] == [False, True, True, True]
    pages = render(wrong, [])
    assert b"does not hold" in pages["report.html"]
    assert b"DOES NOT HOLD" in pages["report.md"]


def test_a_run_of_nothing(manifest):
    empty = manifest()
    empty["ledger"] = {"files": {}, "stages": {}}
    empty |= {"mixture": [], "samples": [], "files": [], "totals": {"rows": 0}, "inputs": {}}
    fields = report(empty)
    assert fields["documents"]["kept_of_raw"] is None
    assert fields["dedup"]["documents"]["ratio"] is None
    assert "–" in render(empty, [])["report.md"].decode()


def test_same_manifest_same_bytes_whatever_the_order_of_its_keys(manifest, timings):
    def turned(value):
        if isinstance(value, dict) and "stages" not in value:
            return {key: turned(value[key]) for key in reversed(value)}
        return value

    one = render(manifest(), timings())
    assert render(manifest(), timings()) == one
    fields = manifest()
    fields["ledger"]["files"] = turned(fields["ledger"]["files"])
    fields["ledger"]["stages"] = turned(fields["ledger"]["stages"])
    assert render(fields, timings()) == one
    assert set(one) == {"report.json", "report.md", "report.html", "README.md", "timings.jsonl"}


@pytest.mark.parametrize("name", ["report.html", "report.md", "README.md"])
def test_a_figure_to_compare_with_is_beside_ours(manifest, name):
    fields = manifest()
    fields["recipe"]["compare"] = {"kept_of_raw": 0.411, "source": "a model card"}
    page = render(fields, [])[name].decode()
    source = "a model card" if name.endswith(".html") else "`a model card`"
    assert f"41.1 % ({source})" in page
    assert "an outcome on another pool, not a target" in page
    assert "40.0 % of the raw documents" in page
    assert "41.1" not in render(manifest(), [])[name].decode()


def test_a_run_that_identified_nothing_has_no_table_of_languages(manifest):
    blind = manifest()
    for stage in blind["ledger"]["stages"].values():
        for key in ("input", "dropped"):
            for row in stage[key]:
                row[1] = ""
    fields = report(blind)
    assert list(fields["languages"]) == [""]
    assert fields["languages"][""]["bytes"]["documents"] == 150
    for name in ("report.html", "report.md"):
        assert b"By language" not in render(blind, [])[name]


def test_a_slow_first_task_is_named(manifest, timings):
    slow = timings()
    assert b"often start-up" not in render(manifest(), slow)["report.md"]
    slow += [
        {"segment": "fuzzy_dedup-verify", "label": "x", "seconds": s, "peak_bytes": 1, "host": "h"}
        for s in (0.5, 0.5, 9)
    ]
    assert "`fuzzy_dedup` (9.0 s against 0.50 s)" in render(manifest(), slow)["report.md"].decode()


def test_estimated_tokens_do_not_depend_on_the_hash_seed(manifest):
    """A sum of floats in the order of a set differs from process to process."""
    many = manifest()
    stages = many["ledger"]["stages"]
    for at in range(50):
        for name in ("exact_dedup", "fuzzy_dedup", "count", "mix"):
            stages[name]["input"].append(["web", f"l{at:02}_Latn", 1, 3 + at])
        stages["count"]["tally"][f"tokens:l{at:02}_Latn"] = 1
    report = build_report(Manifest.from_json(many), [])
    dedup = report.dedup
    assert dedup.tokens == pytest.approx((18 + 25 + 50, 8 + 25 + 50))
    assert dedup.tokens[1] == sum(found.tokens[1] for found in report.dedup_languages.values())


def test_the_largest_clusters_show_what_differs(manifest):
    page = render(manifest(), [])["report.html"].decode()
    assert "<del>two</del>" in page
    assert "<ins>one</ins>" in page
    assert "(the document kept is not of this run)" in page
    assert "8 pairs were compared exactly, 6 verified; 25.0 % were false candidates" in page
    fields = json.loads(render(manifest(), [])["report.json"])["dedup"]
    assert fields["candidates"]["fuzzy_dedup"] == {"compared": 8, "verified": 6, "false_rate": 0.25}
    assert [one["documents"] for one in fields["largest_clusters"]] == [9, 4]


def test_a_script_without_spaces_is_compared_by_characters():
    kept, removed = "天地玄黄宇宙洪荒", "天地玄黄宇宙洪亮"
    assert compare(kept, removed) == (
        ("same", "天地玄黄宇宙洪"),
        ("kept", "荒"),
        ("removed", "亮"),
    )
    assert compare("", "") == ()
    (same,) = compare("word " * 300, "word " * 300)
    assert len(same[1]) < 130


def test_labels_that_the_model_would_have_given_otherwise(manifest):
    known = manifest()
    stages = known["ledger"]["stages"]
    stages["repair"]["tally"] |= {
        "relabelled:kk>kaa_Cyrl": 3,
        "relabelled:sw>und": 1,
        "lang:kaa_Cyrl": 3,
    }
    assert report(known)["relabelled"] == [
        {"model": "kk", "lang": "kaa_Cyrl", "documents": 3},
        {"model": "sw", "lang": "und", "documents": 1},
    ]
    pages = {name: page.decode() for name, page in render(known, []).items()}
    assert "kaa_Cyrl" in pages["report.html"]
    assert "| `kk`           | `kaa_Cyrl` |         3 |" in pages["report.md"]
    stages["repair"]["tally"] |= {f"relabelled:m{n}>und": 1 for n in range(40)}
    pages = {name: page.decode() for name, page in render(known, []).items()}
    assert "22 other pairs" in pages["report.md"]  # 42 pairs, 20 shown
    assert "relabelled:" not in pages["report.md"]


def test_languages_that_records_declare_beside_what_they_are(manifest):
    known = manifest()
    known["ledger"]["stages"]["repair"]["tally"] |= {
        "declared:wet:kaz>kaz_Cyrl": 8,
        "declared:wet:kaz>kir_Cyrl": 1,
        "declared:wiki:kaz>und": 1,
        "declared:wiki:rus>rus_Cyrl": 5,
    }
    assert report(known)["declared_languages"][:2] == [
        {"source": "wet", "declared": "kaz", "lang": "kaz_Cyrl", "documents": 8},
        {"source": "wiki", "declared": "rus", "lang": "rus_Cyrl", "documents": 5},
    ]
    pages = {name: page.decode() for name, page in render(known, []).items()}
    assert (
        "| `wet`  | `kaz`    | `kir_Cyrl 1`       |         9 |      88.9 % |" in pages["report.md"]
    )
    assert "declared:wet" not in pages["report.md"]
    built = build_report(Manifest.from_json(known), [])
    labels, matrix = confusion(built)
    assert labels == ["kaz_Cyrl", "rus_Cyrl", "kir_Cyrl", "und"]
    assert matrix == [("kaz", [8, 0, 1, 1]), ("rus", [0, 5, 0, 0])]
    assert 'id="declared"' in pages["report.html"]
