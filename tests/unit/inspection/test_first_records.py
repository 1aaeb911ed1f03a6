"""A wrong field or format is told before a run begins, by the first records."""

import json
import logging

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curate.errors import RecipeError
from curate.inspection import first_records
from curate.inspection.first_records import check
from curate.plan import build as planning
from curate.recipe.recipe import Recipe
from curate.sources.base import InputFile
from curate.sources.jsonl import Jsonl


def plan(path, format="jsonl", stages=(), **options):
    source = {"format": format, "path": [str(path)], **options}
    recipe = {"name": "a", "sources": {"web": source}, "stages": list(stages)}
    return planning.build(Recipe.model_validate(recipe))


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_parquet_given_to_jsonl_and_the_reverse(tmp_path):
    lines = write(tmp_path / "a.jsonl", [{"text": "x"}])
    pq.write_table(pa.table({"text": ["x"]}), tmp_path / "b.parquet")
    with pytest.raises(RecipeError, match="the files of source 'web' are parquet, not jsonl"):
        check(plan(tmp_path / "b.parquet"))
    with pytest.raises(RecipeError, match="the files of source 'web' are jsonl, not parquet"):
        check(plan(lines, "parquet"))
    check(plan(lines))
    check(plan(tmp_path / "b.parquet", "parquet"))


def test_one_file_of_another_format_or_layout_stops_nothing(tmp_path):
    pq.write_table(pa.table({"text": ["x"]}), tmp_path / "a.jsonl")
    write(tmp_path / "b.jsonl", [{"body": "x"}])
    write(tmp_path / "c.jsonl", [{"text": "x"}])
    check(plan(tmp_path))


@pytest.mark.parametrize(
    ("record", "text", "said"),
    [
        ({"title": "a", "body": "b"}, "text", "no record has the field 'text'(.|\n)*title, body"),
        ({"txt": "a"}, "text", "did you mean 'txt'"),
        ({"text": {"body": "b"}}, "text", "holds an object and no text(.|\n)*have text.body:"),
        (
            {"content": {"body": "a story " * 9, "lang": "kk"}, "id": 1},
            "content",
            "did you mean 'content.body'(.|\n)*have content.body, content.lang, id:",
        ),
        ({"text": 7, "body": "b"}, "text", "the field 'text' holds a number and no text"),
        ({"content": {"bod": "b"}}, "content.body", "no record has the field 'content.body'"),
        ({"text\x1b[31m": "a"}, "text", r"text\\x1b"),
    ],
)
def test_a_field_without_text(tmp_path, record, text, said):
    with pytest.raises(RecipeError, match=said):
        check(plan(write(tmp_path / "a.jsonl", [record] * 3), text=text))


def test_nulls_are_no_missing_field(tmp_path):
    check(plan(write(tmp_path / "a.jsonl", [{"text": None}] * 3)))
    check(plan(write(tmp_path / "b.jsonl", [{"content": {"body": "b"}}]), text="content.body"))
    check(plan(write(tmp_path / "empty.jsonl", [])))


def test_other_fields_that_are_missing_are_told(tmp_path, caplog):
    lines = write(tmp_path / "a.jsonl", [{"text": "x", "link": "http://a"}])
    with caplog.at_level(logging.WARNING, "curate"):
        check(plan(lines, url="lnk"))
    assert "no record has the field 'lnk': did you mean 'link'?" in caplog.text


@pytest.mark.parametrize(
    ("record", "likely"),
    [
        ({"when": "2024-01-01T00:00:00Z", "n": 7, "year": 2024}, "'when'"),
        ({"crawl_time": 1704067200, "n": 1704067200}, "'crawl_time'"),
        ({"published": 1704067200000, "id": "2024"}, "'published'"),
    ],
)
def test_fields_that_look_like_dates_are_named(tmp_path, record, likely):
    stages = [{"use": "exact_dedup", "keep": "newest"}]
    lines = write(tmp_path / "a.jsonl", [record | {"text": "x"}])
    with pytest.raises(RecipeError, match=f"look like dates: {likely}$"):
        check(plan(lines, stages=stages))
    with pytest.raises(RecipeError, match="no record has a date that can be read"):
        check(plan(lines, stages=stages, date="text"))


def test_a_date_that_some_record_may_have_is_enough(tmp_path):
    stages = [{"use": "exact_dedup", "keep": "oldest"}]
    rows = [{"text": "x", "date": None}, {"text": "y", "date": "never"}]
    check(plan(write(tmp_path / "a.jsonl", rows), stages=stages, date="date"))


def test_a_file_that_is_damaged_throughout_is_not_read_to_its_end(tmp_path, monkeypatch):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"te\n' * 5_000)
    looked, objects = [], Jsonl.objects

    def counted(reader, *arguments):
        for item in objects(reader, *arguments):
            looked.append(item)
            yield item

    monkeypatch.setattr(Jsonl, "objects", counted)
    assert first_records.of_files(Jsonl(), [InputFile(str(path), "a.jsonl", 25_000)]) == []
    assert len(looked) == 1_000
