"""Common Crawl from a mirror: every row of the index has an outcome, whatever the server does."""

from __future__ import annotations

import json
import pickle
import signal
from collections import Counter

import pyarrow.parquet as pq
import pytest

from curate import api
from curate.engine.reading import read_shard
from curate.errors import RecipeError, ResourceError
from curate.paths import remote
from curate.plan.model import PlannedPiece, Shard, SourcePlan
from curate.recipe.recipe import load_recipe
from curate.sources.base import Piece
from curate.sources.web import commoncrawl, crawl_index
from curate.sources.web.commoncrawl import CommonCrawl
from curate.sources.web.crawl_index import Row, is_safe, ranges
from tests.runs import curate, tree
from tests.unit.sources.web.crawl_mirror import (
    SNAPSHOT,
    serving,
    warc_name,
    write,
    write_index,
    write_list,
    write_mirror,
)


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch):
    monkeypatch.setattr(remote, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(remote, "LONGEST_PAUSE", 0.002)


def crawl(base, **options) -> CommonCrawl:
    return CommonCrawl(snapshots=(SNAPSHOT,), base=str(base), **options)


class Read:
    """All inputs of a source, read as a run reads them."""

    def __init__(self, reader, target=1 << 30):
        self.documents, self.damage = [], []
        self.counts = {}
        for file in reader.inputs():
            pieces = reader.split(file, target)
            shard = Shard("cc", tuple(PlannedPiece(file, piece, "") for piece in pieces))
            for batch in read_shard(SourcePlan("cc", reader, "native", None), shard, 1 << 20):
                self.documents += batch.documents.to_pylist()
                self.damage += batch.quarantined.to_pylist()
                for name, counts in batch.counts.items():
                    self.counts.setdefault(name, Counter()).update(
                        {"records": counts.records, "documents": counts.documents}
                        | counts.skipped
                        | counts.quarantined
                        | counts.noted
                    )

    @property
    def ids(self):
        return sorted(row["id"] for row in self.documents)

    @property
    def totals(self):
        return dict(+sum(self.counts.values(), Counter()))


def languages_of(rows, *wanted, first=False):
    def said(row):
        found = (row["content_languages"] or "").split(",")
        return set(found[:1] if first else found) & set(wanted)

    return [row for row in rows if said(row)]


def ids_of(rows):
    return sorted(f"cc/{row['warc_filename']}#{row['warc_record_offset']}" for row in rows)


def test_pages_of_a_language_are_those_of_the_whole_files(tmp_path):
    rows = write_mirror(tmp_path, files=3, pages=7, index_files=2)
    whole = {row["id"]: row for row in Read(crawl(tmp_path)).documents}
    assert len(whole) == len(rows) == 21
    with serving(tmp_path) as (address, _):
        for base in (tmp_path, f"file://{tmp_path}", address, f"{address}/"):
            found = Read(crawl(base, languages=("kaz_Cyrl",)), target=1)
            assert found.ids == ids_of(languages_of(rows, "kaz"))
            assert found.documents == [whole[row["id"]] for row in found.documents]
            selected = len(found.documents)
            assert found.totals == {
                "records": selected,
                "documents": selected,
                "index: other language": len(rows) - selected,
            }
            assert sorted(found.counts) == sorted(
                {f"cc/{row['warc_filename']}" for row in rows}
                | {f"cc/{file.name}" for file in crawl(base, languages=("kaz",)).inputs()}
            )


def test_the_first_language_alone(tmp_path):
    rows = write_mirror(tmp_path)
    found = Read(crawl(tmp_path, languages=("Kazakh", "ru"), match="first"))
    assert found.ids == ids_of(languages_of(rows, "kaz", "rus", first=True))
    only = Read(crawl(tmp_path, languages=("ru",), match="first"))
    assert only.ids == ids_of(languages_of(rows, "rus", first=True))
    assert len(only.ids) < len(Read(crawl(tmp_path, languages=("ru",))).ids)


def test_status_and_media_type_of_the_index_decide(tmp_path):
    rows = write_mirror(tmp_path, files=1, pages=10)
    for row in rows:
        row["content_languages"] = "kaz"
    rows[0]["fetch_status"] = 404
    rows[1]["fetch_status"] = None
    rows[2]["content_mime_detected"] = "application/pdf"
    rows[3]["content_mime_detected"] = None
    rows[4]["content_languages"] = None
    write_index(tmp_path, rows)
    found = Read(crawl(tmp_path, languages=("kaz",)))
    assert found.ids == ids_of(rows[5:])
    assert found.totals == {
        "records": 5,
        "documents": 5,
        "index: other status": 2,
        "index: other media type": 2,
        "index: other language": 1,
    }


@pytest.mark.parametrize("kind", ["warc", "wet"])
def test_whole_files_by_their_list(tmp_path, kind):
    rows = write_mirror(tmp_path, files=3)
    with serving(tmp_path) as (address, _):
        every = Read(crawl(address, kind=kind))
        first = crawl(address, kind=kind, limit_files=1).inputs()
    assert len(every.documents) == len(rows)
    assert every.totals["documents"] == len(rows)
    assert [file.name for file in first] == [
        {
            "warc": warc_name(0),
            "wet": warc_name(0).replace("/warc/", "/wet/")[:-8] + ".warc.wet.gz",
        }[kind]
    ]
    assert {id.partition("#")[0] for id in every.ids} == {
        f"cc/{file.name}" for file in crawl(tmp_path, kind=kind).inputs()
    }


def test_a_mirror_without_lists_is_searched(tmp_path):
    rows = write_mirror(tmp_path, files=2, index_files=2)
    listed = {kind: crawl(tmp_path, kind=kind).inputs() for kind in ("warc", "wet")}
    for path in tmp_path.glob("crawl-data/*/*.paths.gz"):
        path.unlink()
    assert {kind: crawl(tmp_path, kind=kind).inputs() for kind in listed} == listed
    assert Read(crawl(tmp_path, languages=("kaz",))).ids == ids_of(languages_of(rows, "kaz"))


PASSING = ["503", "429", "500", "cut", "slow", "other range", "earlier range", "shorter", "more"]


@pytest.mark.parametrize("fault", PASSING)
def test_a_fault_that_passes_changes_nothing(tmp_path, fault, monkeypatch):
    rows = write_mirror(tmp_path)
    monkeypatch.setattr(crawl_index, "GAP", 0)
    with serving(tmp_path) as (address, served):
        index = next(name.name for name in crawl(address, languages=("kaz",)).inputs())
        served.asked.clear()
        quiet = Read(crawl(address, languages=("kaz",)))
        asked = sum(map(len, served.asked.values()))
        served.asked.clear()
        for number in range(2):
            served.faults[warc_name(number)] = [fault, fault]
        served.faults[index] = ["503"]
        served.faults[f"crawl-data/{SNAPSHOT}/cc-index-table.paths.gz"] = ["cut"]
        found = Read(crawl(address, languages=("kaz",)))
        again = sum(map(len, served.asked.values()))
    assert found.documents == quiet.documents
    assert found.counts == quiet.counts
    assert found.ids == ids_of(languages_of(rows, "kaz"))
    assert not any(served.faults.values())
    assert again == asked + (2 if fault == "slow" else 6)


def test_every_row_has_an_outcome(tmp_path):
    """Rows that lie: each is counted under its name, and the others are read."""
    rows = write_mirror(tmp_path, files=2, pages=12)
    for row in rows:
        row["content_languages"] = "kaz"
    size = (tmp_path / warc_name(0)).stat().st_size
    gone = warc_name(0).replace("00000", "00077")
    wrong = [
        ("missing", {"warc_filename": gone}),
        ("missing", {"warc_record_offset": size}),
        ("missing", {"warc_record_offset": size + 10**6}),
        ("truncated", {"warc_record_offset": size - 3}),
        ("truncated", {"warc_record_length": rows[4]["warc_record_length"] - 9}),
        ("index_row", {"warc_filename": "../../etc/passwd"}),
        ("index_row", {"warc_filename": "/etc/passwd"}),
        ("index_row", {"warc_filename": "http://other.example/x"}),
        ("index_row", {"warc_record_offset": -5}),
        ("index_row", {"warc_record_length": 0}),
        ("index_row", {"warc_record_length": 2**31 - 1}),
    ]
    for row, (_, change) in zip(rows, wrong):
        row.update(change)
    damaged = bytearray((tmp_path / warc_name(1)).read_bytes())
    at = rows[12]["warc_record_offset"] + rows[12]["warc_record_length"] - 6
    damaged[at] ^= 255
    write(tmp_path, warc_name(1), bytes(damaged))
    rows.append(dict(rows[13]))  # a second time
    rows.append(rows[13] | {"warc_record_offset": rows[13]["warc_record_offset"] + 1})
    write_index(tmp_path, rows)
    with serving(tmp_path) as (address, served):
        found = Read(crawl(address, languages=("kaz",)))
        assert not [name for name in served.asked if "etc" in name or "other" in name]
    assert found.ids == ids_of([rows[11], *rows[13:24]])
    expected = Counter(reason for reason, _ in wrong)
    damage = Counter(row["reason"] for row in found.damage)
    assert damage - expected == {"gzip_checksum": 1, "gzip_header": 1}
    assert found.totals["records"] == len(rows)
    assert found.totals["documents"] + damage.total() + found.totals["repeated_row"] == len(rows)
    (missing,) = [row for row in found.damage if row["file"] == gone]
    assert missing["offset"] == rows[0]["warc_record_offset"]
    assert missing["error"] == "the server answers 404"
    assert Read(crawl(tmp_path, languages=("kaz",))).totals == found.totals


def test_a_length_that_is_too_long_costs_nothing(tmp_path):
    rows = write_mirror(tmp_path, files=1)
    rows = [row | {"warc_record_length": row["warc_record_length"] + 40} for row in rows[:-1]]
    write_index(tmp_path, rows)
    found = Read(crawl(tmp_path, languages=("kaz",)))
    assert found.ids == ids_of(languages_of(rows, "kaz"))
    assert not found.damage


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("503", "no answer after 8 requests"),
        ("cut", "no answer after 8 requests"),
        ("403", "403"),
        ("302", "no redirect is followed"),
        ("whole", "does not send ranges"),
    ],
)
def test_a_server_that_stays_faulty_stops_the_run_or_is_quarantined(tmp_path, fault, says):
    rows = write_mirror(tmp_path, files=1)
    with serving(tmp_path) as (address, served):
        served.faults[warc_name(0)] = [fault] * 100
        with pytest.raises(ResourceError, match=says):
            Read(crawl(address, languages=("kaz",)))
        served.faults[warc_name(0)] = [fault] * 100
        found = Read(crawl(address, languages=("kaz",), on_unreachable="quarantine"))
        assert "elsewhere" not in served.asked
    selected = len(languages_of(rows, "kaz"))
    assert found.totals["unreachable"] == found.totals["records"] == selected
    assert all(says in row["error"] for row in found.damage)


def test_neighbours_are_read_by_one_request(tmp_path, monkeypatch):
    rows = write_mirror(tmp_path, files=1, pages=8)
    with serving(tmp_path) as (address, served):
        reader = crawl(address, languages=("kaz", "rus", "eng"))
        (file,) = reader.inputs()
        records = list(reader.read(file, Piece(0, 99)))
        assert len(served.asked[warc_name(0)]) == 1
        served.asked.clear()
        monkeypatch.setattr(crawl_index, "GAP", 0)
        assert list(reader.read(file, Piece(0, 99))) == records
        assert len(served.asked[warc_name(0)]) == len(languages_of(rows, "kaz", "rus", "eng"))
        monkeypatch.setattr(commoncrawl, "_WINDOW", 2)
        assert Counter(map(repr, reader.read(file, Piece(0, 99)))) == Counter(map(repr, records))


def test_ranges_join_what_is_near_up_to_a_limit(monkeypatch):
    monkeypatch.setattr(crawl_index, "GAP", 10)
    monkeypatch.setattr(crawl_index, "MOST", 100)
    rows = [
        Row("a", 0, 50),
        Row("a", 60, 40),
        Row("a", 100, 5),
        Row("b", 105, 5),
        Row("b", 90, 1000),
    ]
    assert [(one.file, one.start, one.end, len(one.rows)) for one in ranges(sorted(rows))] == [
        ("a", 0, 100, 2), ("a", 100, 105, 1), ("b", 90, 1090, 2),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "path",
    ["", "/x", "a//b", "a/../b", "..", ".hidden/x", "a/./b", "C:\\x", "a\\b", "http://h/x", "a b",
     "a\nb", "a%2e%2e/b", "a?b", "a#b", "ä", "x" * 2000, "s3::x"],
)  # fmt: skip
def test_a_path_that_leads_elsewhere_is_not_safe(path):
    assert not is_safe(path)
    assert is_safe(warc_name(3))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"snapshots": ()}, "name snapshots"),
        ({"snapshots": ("../x",)}, "is no snapshot"),
        ({"languages": ("Kazahk",)}, "did you mean 'Kazakh'"),
        ({"languages": ("kza",)}, "no language"),
        ({"kind": "wet", "languages": ("kaz",)}, "WET files have no index"),
        ({"kind": "wet", "extract": "trafilatura"}, "leave out extract"),
        ({"base": "https://host/x?key=1"}, "no address with a query"),
    ],
)
def test_options_that_cannot_be_read_are_refused(options, says):
    with pytest.raises((ValueError, RecipeError), match=says):
        CommonCrawl(**{"snapshots": (SNAPSHOT,)} | options)


def test_a_snapshot_or_a_list_that_is_not_there(tmp_path):
    write_mirror(tmp_path)
    with serving(tmp_path) as (address, _):
        for base in (address, tmp_path):
            with pytest.raises(RecipeError, match=r"has no warc.paths.gz there.*\n.*\n.*snapshots"):
                CommonCrawl(snapshots=("CC-MAIN-2031-01",), base=str(base)).inputs()
    write_list(tmp_path, "warc", ["crawl-data/../../../etc/passwd"])
    with pytest.raises(RecipeError, match="no path below the base"):
        crawl(tmp_path).inputs()
    write_list(tmp_path, "warc", [])
    with pytest.raises(RecipeError, match="lists no file"):
        crawl(tmp_path).inputs()
    write(tmp_path, f"crawl-data/{SNAPSHOT}/warc.paths.gz", b"\x1f\x8b\x08 no gzip")
    with pytest.raises(RecipeError, match="cannot be read"):
        crawl(tmp_path).inputs()


def test_an_index_without_languages_is_damage(tmp_path):
    rows = write_mirror(tmp_path)
    write_index(
        tmp_path, [{k: v for k, v in row.items() if k != "content_languages"} for row in rows]
    )
    (damage,) = {row["error"] for row in Read(crawl(tmp_path, languages=("kaz",))).damage}
    assert "before CC-MAIN-2018-39" in damage


def test_the_reader_travels_to_workers(tmp_path):
    reader = crawl(tmp_path, languages=("kaz",))
    assert pickle.loads(pickle.dumps(reader)) == reader


def test_a_run_of_three_languages_under_faults(tmp_path):
    rows = write_mirror(tmp_path / "mirror", files=4, pages=30, index_files=2)
    recipe = tmp_path / "cc.toml"
    with serving(tmp_path / "mirror") as (address, served):
        recipe.write_text(
            f'name = "cc"\n[sources.cc]\nformat = "commoncrawl"\nbase = "{address}"\n'
            f'snapshots = ["{SNAPSHOT}"]\nlanguages = ["kaz", "rus", "eng"]\n'
            '[shards]\ninput_bytes = 1000\n[[stages]]\nuse = "exact_dedup"\n'
        )
        for number in range(4):
            served.faults[warc_name(number)] = ["503", "cut", "429"]
        result = api.run(str(recipe), output=tmp_path / "out", engine="in-process")
        (some, *_) = pq.read_table(tmp_path / "out" / "mixture").column("id").to_pylist()
        explained = curate("explain", str(tmp_path / "out"), some).stdout
    assert "kept, in the mixture" in explained
    assert "characters" in explained and "not replayed" not in explained
    totals = result.manifest["totals"]
    assert result.exit_code == 0
    assert totals["documents"] == totals["records"] == len(languages_of(rows, "kaz", "rus", "eng"))
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    noted = {"index: other language": len(rows) - totals["records"]}
    assert report["documents"]["noted_by"] == noted
    # The recipe that the run keeps is that of a source without a path, too.
    kept = load_recipe(str(tmp_path / "out" / "recipe.toml")).sources["cc"]
    assert kept.is_read
    assert kept.path is kept.path_list is None


@pytest.mark.thorough
def test_a_killed_run_goes_on_with_the_same_plan_and_answer(tmp_path):
    write_mirror(tmp_path / "mirror", files=4, pages=30, index_files=2)
    recipe = tmp_path / "cc.toml"
    recipe.write_text(
        f'name = "cc"\n[sources.cc]\nformat = "commoncrawl"\nbase = "{tmp_path}/mirror"\n'
        f'snapshots = ["{SNAPSHOT}"]\nlanguages = ["kaz", "rus"]\n'
        '[shards]\ninput_bytes = 1000\n[[stages]]\nuse = "exact_dedup"\n'
    )
    clean = api.run(str(recipe), output=tmp_path / "clean", engine="in-process")
    arguments = ("run", str(recipe), "--output", str(tmp_path / "killed"), "--engine", "in-process")
    killed = curate(*arguments, CURATE_FAILPOINT="table.read:kill:5")
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    resumed = api.run(str(recipe), output=tmp_path / "killed", engine="in-process")
    assert resumed.exit_code == 0
    assert tree(tmp_path / "killed") == tree(tmp_path / "clean")
    assert resumed.manifest["totals"] == clean.manifest["totals"]


@pytest.mark.parametrize("offset", [1 << 43, (1 << 63) - 1, -1, None])
def test_an_offset_that_no_archive_has_is_damage_of_the_row(offset):
    selection = crawl_index.Selection(frozenset(), frozenset(), False, 1 << 20)
    assert "no byte range" in selection._wrong("a/b.warc.gz", offset, 9)
    assert selection._wrong("a/b.warc.gz", (1 << 43) - 1, 9) == ""


def test_a_row_is_found_again_among_all_that_a_task_has_read(tmp_path, monkeypatch):
    rows = write_mirror(tmp_path, files=3, pages=9)
    for row in rows:
        row["content_languages"] = "kaz"
    write_index(tmp_path, [*rows, *reversed(rows), rows[5], *rows[7:9]])
    monkeypatch.setattr(commoncrawl, "_WINDOW", 4)
    found = Read(crawl(tmp_path, languages=("kaz",)))
    assert found.ids == ids_of(rows)
    assert found.totals == {"records": 57, "documents": 27, "repeated_row": 30}
    # What is remembered is bounded: then rows that come again are read again.
    monkeypatch.setattr(crawl_index, "_MOST_PLACES", 20)
    again = Read(crawl(tmp_path, languages=("kaz",)))
    assert again.totals["records"] == 57 and again.totals["repeated_row"] < 30
    assert set(ids_of(rows)) <= set(again.ids)


def test_rows_of_two_tasks_for_one_record_are_dropped_by_exact_dedup_or_end_the_run(tmp_path):
    rows = write_mirror(tmp_path / "mirror", files=2, pages=6)
    for row in rows:
        row["content_languages"] = "kaz"
    write_index(tmp_path / "mirror", [*rows, *rows], files=2)
    recipe = tmp_path / "cc.toml"
    recipe.write_text(
        f'name = "cc"\n[sources.cc]\nformat = "commoncrawl"\nbase = "{tmp_path}/mirror"\n'
        f'snapshots = ["{SNAPSHOT}"]\nlanguages = ["kaz"]\n'
        '[shards]\ninput_bytes = 1\n[[stages]]\nuse = "exact_dedup"\n'
    )
    result = api.run(str(recipe), output=tmp_path / "out", engine="in-process")
    totals = result.manifest["totals"]
    assert (totals["records"], totals["dropped"], totals["curated"]) == (24, 12, 12)
    ids = pq.read_table(tmp_path / "out" / "mixture").column("id").to_pylist()
    assert sorted(ids) == ids_of(rows)
    recipe.write_text(recipe.read_text().split("[[stages]]")[0])
    with pytest.raises(RecipeError, match="two documents have the id"):
        api.run(str(recipe), output=tmp_path / "twice", engine="in-process")
