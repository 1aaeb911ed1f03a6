"""Retention curves of the demo, beside a count by hand; and the page, with hostile text."""

import html
import json
import re
from collections import defaultdict
from pathlib import Path

import pytest

from curate import api
from curate.recipe.profile import load_profile
from curate.report.sweep_page import sweep_page
from tests.unit.cli.commands import curate, demo_run
from tests.unit.tuning.test_sample import every_row


@pytest.fixture(scope="module")
def run() -> str:
    return str(demo_run()[0])


def passes(row: dict, profile: str, without: str) -> bool:
    """Judge a row by a profile's rules on other signals, one by one."""
    for rule in load_profile(profile).rules.values():
        value = row.get(f"signal_{rule.signal}")
        if rule.signal == without:
            continue
        if value is None:
            if rule.undefined == "drop":
                return False
        elif (rule.min is not None and value < rule.min) or (
            rule.max is not None and value > rule.max
        ):
            return False
    return True


@pytest.mark.parametrize(
    ("signal", "side"), [("n_words", "min"), ("short_line_share", "max"), ("n_words", "max")]
)
def test_a_point_keeps_what_a_count_by_hand_keeps(run: str, signal: str, side: str) -> None:
    rows = [
        row
        for row in every_row(run).values()
        if row["lang"] == "eng_Latn" and row["source"] not in ("chat", "notes")
    ]
    rates = defaultdict(lambda: [0, 0])
    for row in every_row(run).values():
        if row.get("n_tokens") is not None:
            rates[row["lang"]][0] += row["n_tokens"]
            rates[row["lang"]][1] += len(row["text"].encode())
    rate = rates["eng_Latn"][0] / rates["eng_Latn"][1]
    chosen = [
        row
        for row in every_row(run).values()
        if row["lang"] == "eng_Latn"
        and row.get(f"signal_{signal}") is not None
        and passes(row, _profile_of(row), signal)
    ]
    found = api.sweep(run, signal, lang="en")
    assert len(rows) < found["documents"]["all"]
    assert found["documents"]["decided"] == len(chosen)
    points = found["curves"][side]["points"]
    assert [point["limit"] for point in points] == sorted(point["limit"] for point in points)
    assert any("eng_Latn" in point["profiles"] for point in points)
    for point in points:
        kept = [
            row
            for row in chosen
            if (
                row[f"signal_{signal}"] >= point["limit"]
                if side == "min"
                else row[f"signal_{signal}"] <= point["limit"]
            )
        ]
        sizes = [len(row["text"].encode()) for row in kept]
        tokens = [
            n * rate if row.get("n_tokens") is None else row["n_tokens"]
            for row, n in zip(kept, sizes)
        ]
        assert point["documents"] == len(kept)
        assert point["bytes"] == sum(sizes)
        assert point["tokens"] == pytest.approx(sum(tokens), abs=1)
        assert point["documents_share"] == pytest.approx(len(kept) / len(chosen))


def _profile_of(row: dict) -> str:
    return {"chat": "chat", "notes": "line"}.get(row["source"], row["lang"])


def test_examples_stand_on_both_sides_of_the_limit(run: str) -> None:
    found = api.sweep(run, "n_words", lang="kk", at=[103])
    sides = defaultdict(list)
    for one in found["examples"]:
        assert one["limit"] == 103
        sides[one["side"], one["example"]].append(one["value"])
    assert all(value >= 103 for value in sides["min", "kept"])
    assert all(value < 103 for value in sides["min", "dropped"])
    assert sides["min", "kept"] == sorted(sides["min", "kept"])
    assert len(sides["min", "dropped"]) == len(sides["max", "kept"]) == 3
    marked = [p["limit"] for p in found["curves"]["min"]["points"] if p["marked"]]
    assert marked == [103]


def test_the_plot_fits_and_marks_the_limit(run: str, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    result = curate("sweep", run, "--signal", "n_words", "--lang", "kk", "--html", str(page))
    assert result.code == 0, result.err
    plot = [line for line in result.out.splitlines() if "%" in line and "█" in line]
    assert len(plot) > 20 and max(map(len, plot)) <= 80
    assert re.search(r"^> +35 ", result.out, re.MULTILINE)
    assert "> 35: kaz_Cyrl" in result.out
    text = page.read_text("utf-8")
    assert text.count("<polyline") == 6 and "<script" not in text
    again = curate("sweep", run, "--signal", "n_words", "--lang", "kk", "--json")
    assert json.loads(again.out)["documents"]["decided"] == 70


def test_hostile_text_is_text_on_the_page(run: str) -> None:
    found = api.sweep(run, "n_words", lang="kk")
    evil = '</bdi><script>alert("x")</script>\u202e\x1b[31m'
    found["examples"][0] |= {"text": evil, "id": evil, "lang": evil}
    page = sweep_page(found)
    assert "<script" not in page and "\u202e" not in page and "\x1b" not in page
    assert html.escape("</bdi><script>") in page
    assert page == sweep_page(found)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--signal", "n_wrds"), "did you mean 'n_words'"),
        (("--signal", "n_words", "--lang", "fra_Latn"), "no documents in fra_Latn"),
        (("--signal", "n_words", "--html", "/nowhere/x.html"), "cannot be written"),
    ],
)
def test_what_cannot_be_swept_is_one_sentence(run: str, arguments: tuple, said: str) -> None:
    result = curate("sweep", run, *arguments)
    assert result.code in (2, 5)
    assert said in result.err and "Traceback" not in result.err
