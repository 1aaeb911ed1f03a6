"""`curate dedup` and `curate mix` on paths as people have them: what is read, kept and named."""

import datetime
import decimal
import gzip
import json
import os
from pathlib import Path

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.unit.cli.commands import curate

BAKER = (
    "The baker opened the small shop at five and swept the stone floor before the first customers"
    " came in from the rain"
)
RIVER = (
    "A narrow river runs behind the mill and in spring the children race paper boats down to the"
    " wooden bridge near the school"
)
MAPS = (
    "Old maps of the valley show three villages where today there is only one lake and a dam made"
    " of grey concrete blocks"
)


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(path, texts=(BAKER, RIVER, BAKER), **columns):
    """Write records in the format that the path's ending names."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.table({"text": list(texts), **columns})
    if path.suffix.lower() in (".parquet", ".parq", ".pq", ".gzip"):
        pq.write_table(table, path)
    else:
        lines = "".join(json.dumps(row) + "\n" for row in table.to_pylist()).encode()
        path.write_bytes(gzip.compress(lines) if path.suffix == ".gz" else lines)
    return path


def dedup(*arguments, output="out"):
    return curate("dedup", *arguments, "--output", output, "--engine", "in-process")


def rows(output, *folders):
    """Return the rows of a run's datasets, by id."""
    found = {}
    for folder in folders or ("mixture", "rejected"):
        for path in sorted(Path(output, folder).rglob("*.parquet")):
            for row in pq.read_table(path).to_pylist():
                found[row["id"]] = row | {"meta": json.loads(row["meta"] or "{}")}
    return found


# Format per file


def test_a_folder_of_two_formats_loses_neither():
    write("in/a.jsonl", [BAKER, RIVER])
    write("in/b.parquet", [BAKER, MAPS])
    result = dedup("in")
    assert result.code == 0
    assert "kept 3 of 4 documents" in result.out
    assert set(rows("out")) == {
        "jsonl/a.jsonl#0", f"jsonl/a.jsonl#{len(json.dumps({'text': BAKER})) + 1}",
        "parquet/b.parquet#0:0", "parquet/b.parquet#0:1",
    }  # fmt: skip


def test_what_stands_beside_data_is_left_out_by_name_and_counted():
    write("in/part-0.snappy.parquet")
    names = ("README.md", "LICENSE", "_SUCCESS", "notes.txt", "x.docx", "dataset_info.json")
    for name in names:
        Path("in", name).write_text("{}")
    for name in ("config.json", "metadata.json", "croissant.json"):
        Path("in", name).write_text('{"text": "what the data are"}')
    Path("in/.part-0.crc").write_text("x")
    Path("in/_delta_log").mkdir()
    Path("in/_delta_log/0.json").write_text('{"text": "a log"}')
    result = dedup("in")
    assert result.code == 0
    assert "kept 2 of 3 documents" in result.out
    first = result.err.splitlines()[0]
    assert first.startswith("warning: in: left out LICENSE, README.md, _SUCCESS, config.json, ")
    assert ", 5 more, 1 hidden" in first


@pytest.mark.parametrize(
    "name",
    [
        "DATA.PARQUET",
        "x/y/z/deep.parquet",
        "a [1] b*.jsonl",
        "мәтін 文.jsonl",
        "part-00000",
        "B.JSON",
        "lines.jl",
        "lines.ldjson",
        "part-00000.gz",
        "table.parq",
        "table.parquet.gzip",
    ],
)
def test_any_name_and_depth_is_found(name):
    write(Path("in") / name)
    assert "kept 2 of 3 documents" in dedup("in").out


def test_a_name_in_no_encoding_is_read_from_its_folder_and_refused_alone():
    name = os.fsdecode(b"\xff.jsonl")
    write(Path("in") / name)
    assert "kept 2 of 3 documents" in dedup("in").out
    assert {id.partition("#")[0] for id in rows("out")} == {"jsonl/%FF.jsonl"}
    Path("in/state.json").write_text("{}")  # so that the folder's files are named each
    for path in ("in", f"in/{name}"):
        result = dedup(path, output="other")
        assert result.code == 2
        assert "bytes that are no UTF-8" in result.err
        assert "\\udcff.jsonl" in result.err


def test_a_name_that_exists_is_no_pattern():
    write("a[1].jsonl")
    write("a1.jsonl", [MAPS])
    assert "kept 2 of 3 documents" in dedup("a[1].jsonl").out


def test_a_pattern_over_two_formats_reads_each():
    write("in/x/a.jsonl", [BAKER, RIVER])
    write("in/y/a.parquet", [BAKER, MAPS])
    Path("in/x/README.md").write_text("no data")
    result = dedup("in/*/*")
    assert "kept 3 of 4 documents" in result.out
    assert "left out x/README.md" in result.err
    assert {name.partition("#")[0] for name in rows("out")} == {
        "jsonl/x/a.jsonl", "parquet/y/a.parquet",
    }  # fmt: skip


def test_files_without_an_ending_beside_others_keep_their_names(here):
    write("in/year=2024/part-00000")
    write("in/year=2025/part-00000", [MAPS, BAKER])
    write("in/year=2025/more.jsonl", [RIVER])
    result = dedup("in")
    assert "kept 3 of 6 documents" in result.out
    assert {id.partition("#")[0]: row["year"] for id, row in rows("out").items()} == {
        "jsonl/year=2024/part-00000": "2024",
        "jsonl/year=2025/part-00000": "2025",
        "jsonl/year=2025/more.jsonl": "2025",
    }


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("in/x.docx", "no file of a known format"),
        ("in/README.md", "it holds README.md"),
        ("in/.hidden.jsonl", "no file of a known format"),
    ],
)
def test_a_folder_without_data_is_refused(name, said):
    write(name)
    result = dedup("in")
    assert result.code == 2
    assert said in result.err
    assert not Path("out").exists()


def test_a_file_without_a_format_is_refused():
    Path("x.docx").write_text("text\na\n")
    result = dedup("x.docx")
    assert result.code == 2
    assert "'x.docx' has no format" in result.err and ".jsonl (jsonl)" in result.err


def test_a_source_with_a_name_has_one_format():
    write("in/a.jsonl")
    write("in/b.parquet")
    result = dedup("web=in")
    assert result.code == 2
    assert "source 'web' has files of two formats: jsonl and parquet" in result.err


@pytest.mark.parametrize("form", ["file://{}/in", "file://{}/in/*", "memory://people/in"])
def test_an_address_of_a_folder_is_read_like_the_folder(here, form):
    path = write("in/p.parquet")
    memory = fsspec.filesystem("memory")
    memory.pipe("/people/in/p.parquet", path.read_bytes())
    memory.pipe("/people/in/README.md", b"no data")
    result = dedup(form.format(here))
    memory.rm("/people", recursive=True)
    assert result.code == 0
    assert "kept 2 of 3 documents" in result.out


def test_partitioned_folders_are_fields_and_a_column_goes_before_its_folder():
    write("in/year=2024/month=01/city=A%2FB/p.parquet", year=[1, 2, 3])
    write("in/year=2023/month=__HIVE_DEFAULT_PARTITION__/q.jsonl", [MAPS])
    assert "kept 3 of 4 documents" in dedup("in").out
    found = {row["text"]: row["meta"] for row in rows("out", "mixture").values()}
    by_text = {row["text"]: row for row in rows("out", "mixture").values()}
    assert (by_text[RIVER]["month"], by_text[RIVER]["city"]) == ("01", "A/B")
    assert (by_text[MAPS]["month"], by_text[MAPS]["city"]) == (None, None)
    # The column is a number, the folder's key a text: no type holds both.
    assert (found[RIVER], found[MAPS]) == ({"year": 2}, {"year": "2023"})


def test_a_link_is_followed():
    write("elsewhere/p.parquet")
    Path("in").mkdir()
    Path("in/linked").symlink_to(Path("elsewhere").resolve(), target_is_directory=True)
    assert "kept 2 of 3 documents" in dedup("in").out


# Fields


def test_each_row_keeps_its_own_fields():
    columns = {"doc_id": [11, 12, 13], "url": ["http://a/1", "http://a/2", "http://a/3"]}
    for name in ("a.parquet", "a.jsonl"):
        write(name, [BAKER, BAKER, RIVER], label=["x", "y", "z"], **columns)
        assert "kept 2 of 3" in dedup(name, output=f"{name}.out").out
        own = list(rows(f"{name}.out").values())
        assert sorted(row["doc_id"] for row in own) == [11, 12, 13]
        for row in own:
            assert row["input_url"] == f"http://a/{row['doc_id'] - 10}"
            assert row["label"] == "xyz"[row["doc_id"] - 11]


def test_values_of_every_type_are_kept():
    when = datetime.datetime(2024, 1, 2, 3, 4, 5, 678, tzinfo=datetime.UTC)
    columns = {
        "big": pa.array([2**62 + 1], pa.int64()),
        "price": pa.array([decimal.Decimal("1.50")], pa.decimal128(10, 2)),
        "at": pa.array([when], pa.timestamp("us", tz="UTC")),
        "day": pa.array([when.date()], pa.date32()),
        "kind": pa.array(["x"]).dictionary_encode(),
        "list": pa.array([[1, None]]),
        "struct": pa.array([{"a": {"b": "ә"}}]),
        "none": pa.nulls(1),
        "flag": pa.array([True]),
        "bytes": pa.array([b"ab"], pa.binary()),
        "meta": pa.array(['{"own": 1}']),
        "id": pa.array(["mine"]),
        "lang": pa.array(["kk"]),
    }
    write("a.parquet", [BAKER], **columns)
    assert dedup("a.parquet").code == 0
    (stored,) = Path("out/mixture/main").glob("*.parquet")
    kept, given = pq.read_table(stored), pq.read_table("a.parquet")
    for name in columns:
        ours = f"input_{name}" if name in ("meta", "id", "lang") else name
        assert kept.schema.field(ours).type == given.schema.field(name).type, name
        assert kept[ours].to_pylist() == columns[name].to_pylist(), name
    assert kept["meta"].to_pylist() == [None]


def test_fields_that_are_named_become_columns_and_ids():
    write("a.parquet", [BAKER, RIVER], key=["k#1", "k2"], link=["http://a", None], n=[1, 2])
    arguments = ("--id-field", "key", "--url-field", "link")
    assert dedup("a.parquet", *arguments).code == 0
    found = rows("out")
    assert {id: (row["url"], row["key"], row["link"], row["n"]) for id, row in found.items()} == {
        "parquet/a.parquet#0:0~k%231": ("http://a", "k#1", "http://a", 1),
        "parquet/a.parquet#0:1~k2": (None, "k2", None, 2),
    }
    explained = curate("explain", "out", "k2")
    assert explained.code == 0
    assert "parquet/a.parquet#0:1~k2" in explained.out


def test_mix_keeps_fields_too():
    write("a.parquet", [BAKER, RIVER, MAPS], doc_id=[1, 2, 3])
    result = curate(
        "mix", "a.parquet", "--ratio", "eng_Latn=1", "--unit", "documents", "--output", "out",
        "--engine", "in-process",
    )  # fmt: skip
    assert result.code == 0
    assert {row["text"]: row["doc_id"] for row in rows("out", "mixture").values()} == {
        BAKER: 1, RIVER: 2, MAPS: 3,
    }  # fmt: skip


def test_a_text_field_that_no_record_has_is_refused_before_anything_is_read():
    for name in ("a.jsonl", "a.parquet"):
        write(name, title=["a", "b", "c"])
        result = dedup(name, "--text-field", "body")
        assert result.code == 2
        assert "no record has the field 'body'" in result.err
        assert "the records have text, title: name the text with --text-field" in result.err
        assert not Path("out").exists()


# Dates

DATES = {
    "iso": ["2019-01-01", "2024-01-01", "2022-05-05"],
    "seconds": [1546300800, 1704067200, 1651708800],
    "milliseconds": [1546300800000, 1704067200000, 1651708800000],
    "timestamp": pa.array([1546300800, 1704067200, 1651708800], pa.timestamp("s")),
    "day": pa.array([17897, 19723, 19117], pa.date32()),
}


@pytest.mark.parametrize("kind", DATES)
@pytest.mark.parametrize(("keep", "kept"), [("newest", "new"), ("oldest", "old")])
def test_the_newest_and_the_oldest_by_dates_of_any_kind(kind, keep, kept):
    write("a.parquet", [BAKER] * 3, key=["old", "new", "mid"], when=DATES[kind])
    assert dedup("a.parquet", "--keep", keep, "--date-field", "when").code == 0
    (row,) = rows("out", "mixture").values()
    assert row["key"] == kept


@pytest.mark.parametrize("name", ["a.jsonl", "a.parquet"])
def test_the_newest_without_a_date_is_refused_and_the_likely_field_is_named(name):
    write(name, [BAKER] * 2, date=["2019-01-01", "2024-01-01"], n=[1, 2])
    result = dedup(name, "--keep", "newest")
    assert result.code == 2
    assert "keep = 'newest', but no record has a date" in result.err
    assert "--date-field FIELD" in result.err and "these look like dates: 'date'" in result.err
    assert not Path("out").exists()
    result = dedup(name, "--keep", "oldest", "--date-field", "dat")
    assert result.code == 2
    assert "'dat': did you mean 'date'?" in result.err


def test_documents_without_a_date_come_last_and_are_counted():
    write("a.jsonl", [BAKER] * 3, date=[None, "2019-01-01", "not yet"])
    result = dedup("a.jsonl", "--keep", "newest", "--date-field", "date")
    assert result.code == 0
    assert "2 of 3 documents have no date; keep = 'newest' puts them last" in result.err
    (row,) = rows("out", "mixture").values()
    assert row["date"].year == 2019


# Emptiness


@pytest.mark.parametrize(
    ("content", "records"), [("", 0), ("\n\n", 2), ('{"text": null}\n', 1), ("{broken\n", 1)]
)
def test_input_without_a_document_is_no_success(content, records):
    Path("a.jsonl").write_text(content)
    result = dedup("a.jsonl")
    assert result.code == 3
    assert f"no document was read: 1 input files hold {records} records" in result.err


def test_damage_throughout_is_a_success_only_where_the_recipe_allows_all_of_it():
    Path("a.jsonl").write_text("{broken\n" * 3)
    recipe = 'name = "r"\n[limits]\nquarantined_share = {}\n[sources.a]\nformat = "jsonl"\n'
    Path("all.toml").write_text(recipe.format("1.0") + 'path = "a.jsonl"\n')
    Path("most.toml").write_text(recipe.format("0.9") + 'path = "a.jsonl"\n')
    allowed = curate("run", "all.toml", "--output", "all", "--engine", "in-process")
    assert (allowed.code, "3 quarantined" in allowed.err) == (0, True)
    refused = curate("run", "most.toml", "--output", "most", "--engine", "in-process")
    assert refused.code == 3
    assert "3 of 3 records could not be read" in refused.err


def test_parquet_without_rows_is_no_success():
    pq.write_table(pa.table({"text": pa.array([], pa.string())}), "a.parquet")
    result = dedup("a.parquet")
    assert result.code == 3
    assert "no document was read" in result.err


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--ratio", "deu_Latn=1"), 2, "group 'deu_Latn' has nothing to give"),
        (("--ratio", "eng_Latn=1", "--budget", "1"), 3, "none of 2 documents was taken"),
        (("--ratio", "eng_Latin=1"), 2, "did you mean 'eng_Latn'?"),
    ],
)
def test_a_mixture_of_nothing_says_why(arguments, code, said):
    write("a.jsonl", [BAKER, RIVER])
    result = curate("mix", "a.jsonl", *arguments, "--output", "out", "--engine", "in-process")
    assert result.code == code
    assert said in result.err
    assert "Traceback" not in result.err


# Runs' folders


@pytest.mark.parametrize("name", ["p.parquet", "p.jsonl"])
def test_output_inside_input_is_no_input(name):
    write(Path("in") / name)
    assert "kept 2 of 3" in dedup("in", output="in/out").out
    second = dedup("in", output="in/out2")
    assert second.code == 0
    assert "kept 2 of 3" in second.out
    assert "in/out is the folder of a run, and no input" in second.err
    again = dedup("in", "--fresh", output="in/out")
    assert again.code == 0
    assert "kept 2 of 3" in again.out
    assert dedup("in/**/*", output="out3").out.startswith("kept 2 of 3")


def test_a_run_that_is_named_is_read_by_its_product():
    write("a.jsonl")
    assert dedup("a.jsonl").code == 0
    assert dedup("out", output="two").out.startswith("kept 2 of 2")
    assert set(rows("two")) == {
        f"parquet/mixture/main/part-00000.parquet#0:{row}" for row in (0, 1)
    }
    assert dedup("out/rejected/**/*.parquet", output="three").out.startswith("kept 1 of 1")


def test_an_unfinished_run_and_a_dedup_store_are_no_input():
    write("in/p.parquet")
    Path("in/broken/work").mkdir(parents=True)
    Path("in/broken/work/run.json").write_text('{"format": 2, "curate": "0.1.0"}')
    write("in/broken/work/x.parquet", [MAPS])
    assert dedup("in", "--store-to", "in/seen").out.startswith("kept 2 of 3")
    result = dedup("in", output="two")
    assert result.out.startswith("kept 2 of 3")
    assert "in/broken is the folder" in result.err and "in/seen is the folder" in result.err


def test_a_manifest_of_others_hides_nothing():
    write("in/x/p.parquet")
    Path("in/x/manifest.json").write_text('{"files": []}')
    assert dedup("in").out.startswith("kept 2 of 3")


# What is printed can be pasted


def test_the_line_that_loads_the_product_loads_it(here, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", here / "cache")
    write("a.jsonl", [f"{BAKER} number {n} {RIVER if n % 2 else MAPS} {n}" for n in range(20)])
    result = curate(
        "mix", "a.jsonl", "--ratio", "eng_Latn=1", "--validation", "0.4", "--unit", "documents",
        "--output", "it's out", "--engine", "in-process",
    )  # fmt: skip
    assert result.code == 0
    (line,) = [line for line in result.out.splitlines() if line.startswith("load:")]
    loaded = eval(line.removeprefix("load:"), {"datasets": datasets})
    for split, phase in (("train", "main"), ("validation", "validation")):
        stored = pq.read_table(f"it's out/mixture/{phase}")
        assert loaded[split]["id"][:] == stored["id"].to_pylist()
    assert len(loaded["train"]) + len(loaded["validation"]) == 20


def test_parquet_without_an_ending_is_known_by_its_first_bytes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "data"
    folder.mkdir()
    table = pa.table({"text": ["one two three", "four five six"]})
    pq.write_table(table, folder / "train-00000-of-00001")
    for path in ("data", "data/train-00000-of-00001"):
        result = curate("dedup", path, "--engine", "in-process", "--output", "out", "--fresh")
        assert result.code == 0
        assert "2 documents" in result.out + result.err
