"""docs/data-format.md describes every file, column and key of the demo's folder."""

import json
import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from curate.engine.publish import ENTRIES
from tests.unit.cli.commands import demo_run

PAGE = (Path(__file__).parents[2] / "docs/data-format.md").read_text(encoding="utf-8")


def section(title):
    """Return the text of a section of the page."""
    return re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", PAGE, re.M | re.S)[1]


def documented(title):
    """Return the types of the columns that a section's tables describe."""
    rows = re.findall(r"^\| `(\w+)` \| `([^`]+)` \|", section(title), re.M)
    return dict(rows)


def undocumented(keys, title):
    return [key for key in keys if f"`{key}`" not in section(title)]


@pytest.fixture(scope="module")
def out():
    return demo_run()[0]


@pytest.fixture(scope="module")
def manifest(out):
    return json.loads((out / "manifest.json").read_text(encoding="utf-8"))


def plain(type):
    return str(type).replace("element: ", "").replace("item: ", "")


@pytest.mark.parametrize(
    ("folder", "titles"),
    [
        ("mixture", ["Documents", "Signals"]),
        ("rejected", ["Documents", "Signals"]),
        ("quarantine", ["Quarantine"]),
        ("clusters.parquet", ["Clusters"]),
    ],
)
def test_every_column_of_every_file_is_documented(out, folder, titles):
    columns = {name: type for title in titles for name, type in documented(title).items()}
    files = [out / folder] if folder.endswith(".parquet") else [*(out / folder).rglob("*.parquet")]
    assert files
    for path in files:
        for field in pq.read_schema(path):
            assert field.name in columns, f"{path}: column '{field.name}' is not in the page"
            assert plain(field.type) == columns[field.name], f"{path}: {field.name}"


def test_every_file_of_the_folder_is_documented(out):
    for path in out.iterdir():
        name = path.name if path.is_file() else f"{path.name}/"
        assert f"`{name}" in section("The folder"), f"{name} is not in the page"
    for name in ENTRIES:
        assert f"`{name}" in section("The folder"), f"{name} is not in the page"


def test_every_key_of_the_manifest_is_documented(manifest):
    ledger = manifest["ledger"]
    rows = [
        manifest,
        manifest["totals"],
        *manifest["files"],
        *manifest["mixture"],
        *manifest["samples"],
        *manifest["clusters"],
        *ledger["files"].values(),
        *ledger["stages"].values(),
    ]
    assert undocumented({key for row in rows for key in row}, "manifest.json") == []


def test_the_page_names_no_key_that_the_manifest_lacks(manifest):
    table = re.findall(
        r"^\| `(\w+)` \| (?:\w+)", section("manifest.json").split("`ledger`:")[0], re.M
    )
    assert set(table) - set(manifest) <= {"stores", "takedowns", "sidecars", "repairs"}


def test_every_key_of_the_report_is_documented(out):
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    rows = [
        report,
        report["documents"],
        report["documents"]["bytes"],
        report["dedup"],
        report["dedup"]["documents"],
        report["time"],
        *report["stages"],
        *report["relabelled"],
        *report["declared_languages"],
        *report["fertility"],
        *report["rules"],
        *report["quarantine"],
        *report["accounting"],
    ]
    assert undocumented({key for row in rows for key in row}, "report.json") == []
    assert set(re.findall(r"^\| `(\w+)`", section("report.json"), re.M)) <= {*report, "sources"}


def test_every_key_of_timings_is_documented(out):
    lines = (out / "timings.jsonl").read_text(encoding="utf-8").splitlines()
    keys = {key for line in lines for key in json.loads(line)}
    assert undocumented(keys, "timings.jsonl") == []
