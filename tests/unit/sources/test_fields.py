"""Dates in any notation, and other fields that are JSON whatever they contain."""

import json
from datetime import UTC, datetime

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.sources import fields
from curate.sources.fields import MISSING, leftovers, microseconds, missing, take

DAY = 1767312000000000  # 2026-01-02


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2026-01-02", DAY),
        ("2026-01-02T00:00:00Z", DAY),
        (" 2026-01-02 05:00:00+05:00 ", DAY),
        ("2026-W01-5", DAY),
        (1767312000, DAY),
        (1767312000.5, DAY + 500_000),
        (1767312000_000, DAY),
        (1767312000_000_000, DAY),
        (1767312000_000_000_000, DAY),
        (0, 0),
        (-86400, -86400_000_000),
        (True, None),
        (float("nan"), None),
        (float("inf"), None),
        (10**40, None),
        ("", None),
        ("2026-02-30", None),
        ("0001-01-01T00:00:00+23:59", None),
        ("9" * 100_000, None),
        (None, None),
        ([], None),
    ],
)
def test_a_date_is_read_or_is_none(value, expected):
    assert microseconds(value) == expected


@given(
    st.integers() | st.floats() | st.text(max_size=30) | st.datetimes().map(str) | st.datetimes()
)
def test_what_is_read_fits_a_timestamp_that_python_can_read_back(value):
    found = microseconds(value)
    if found is not None:
        assert pa.scalar(found, pa.timestamp("us", tz="UTC")).as_py() is not None


@given(
    st.dictionaries(
        st.text(max_size=5), st.floats() | st.text(max_size=5) | st.none() | st.integers()
    )
)
def test_leftovers_are_json_with_sorted_keys(record):
    written = leftovers(record)
    if written is None:
        assert record == {}
    else:
        again = json.loads(written, parse_constant=pytest.fail)
        assert list(again) == sorted(record)


def test_taking_a_nested_field_leaves_no_empty_objects():
    record = {"a": {"b": {"c": 1}}, "d": 2}
    assert take(record, "a.b.c") == 1
    assert record == {"d": 2}
    assert take(record, "d.e") is MISSING and take(record, "") is MISSING


def test_a_missing_field_is_named_without_control_characters():
    assert missing("text", {"te\x1bxt": 1}) == "no field 'text': did you mean 'te\\x1bxt'?"
    assert missing("text", {}) == "no field 'text'"


@pytest.mark.parametrize(
    ("value", "date"),
    [
        (20240131, "2024-01-31"),
        ("20240131", "2024-01-31"),
        (20240131235959, "2024-01-31T23:59:59"),
        ("20240131235959", "2024-01-31T23:59:59"),
        (20241331, "1970-08-23T06:35:31"),  # no day, so seconds
        (1704067200, "2024-01-01"),
        (1704067200000, "2024-01-01"),
        (1704067200000000, "2024-01-01"),
        (1704067200000000000, "2024-01-01"),
        (1704067200.5, "2024-01-01T00:00:00.500000"),
        (0, "1970-01-01"),
        (-86400, "1969-12-31"),
        (2024, None),
        ("2024-13-01", None),
        ("20241301000000", None),
        (True, None),
    ],
)
def test_dates_in_any_notation(value, date):
    stated = None if date is None else datetime.fromisoformat(date).replace(tzinfo=UTC).timestamp()
    found = fields.microseconds(value)
    assert (None if found is None else found / 1e6) == stated


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("year=2024/a.parquet", {"year": "2024"}),
        ("a=1/b=x%20y/c/d.jsonl", {"a": "1", "b": "x y"}),
        ("day=__HIVE_DEFAULT_PARTITION__/x", {"day": None}),
        ("k=a=b/x", {"k": "a=b"}),
        ("year=2024.parquet", {}),
        ("=x/plain/y", {}),
    ],
)
def test_keys_of_partitioned_folders(name, keys):
    assert fields.partitions(name) == keys
