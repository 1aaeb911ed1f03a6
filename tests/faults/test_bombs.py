"""Every bomb, a fraction of its size: bounded memory, no exception, a named outcome."""

import sys

import pytest

from tests.faults import bombs

#: What is not read to its end, and what says so.
STOPPED = {
    "one-line.gz": "bomb", "one-line.bz2": "bomb", "one-line.xz": "bomb", "one-line.zst": "bomb",
    "deep-json": "too_deep", "record.warc.gz": "bomb", "headers.warc.gz": "record_head",
    "members.warc.gz": "empty_file", "page.gzip": "bomb", "page.zstd": "bomb",
    "page.gzip-gzip": "bomb", "page.br": "too_many_tags", "one-page.xml.bz2": "too_large",
    "rows-of-footer.parquet": "row_count", "rows-of-page.parquet": "corrupt",
    "rows-of-both.parquet": "corrupt", "nulls.parquet": "bomb", "dictionary.parquet": "bomb",
    "repeated.parquet": "bomb", "repeated.run": "bomb", "size.tar.gz": "bomb",
    "pax.tar.gz": "bomb", "zeros.tar.gz": "bomb", "members.tar.gz": "truncated",
    "same-rows.index": "repeated_row", "rows-of-no-file.index": "missing",
    "long-list.parquet": "bomb", "columns.parquet": "too_many_columns",
    "header.csv": "too_many_columns",
    "instances.chat": "too_many_turns", "paths.chat": "too_many_turns", "long-paths.chat": "bomb",
    "transcript.chat": "too_many_turns", "contents.zim": "bomb", "names.zim": "bad_zim",
    "short-list.parquet": "too_complex",
}  # fmt: skip

#: What the quick tier reads; each costs a process of its own.
QUICK = (
    "tiny-lines.zst",
    "agents.robots.gz",
    "pax.tar.gz",
    "page.br",
    "instances.chat",
    "names.zim",
    "rows-of-page.parquet",
    "dictionary.parquet",
)

#: Those that take their time in proportion to their size; the others are small enough.
SCALE = {
    "broken-lines.zst": 0.01,
    "tiny-pages.xml.bz2": 0.01,
    "rules.robots.gz": 0.01,
    "tiny-lines.sidecar": 0.01,
    "rows-of-no-file.index": 0.01,
    "short-list.parquet": 0.15,
    "long-list.parquet": 0.2,
    "columns.parquet": 0.2,
    "overlapping-rows.index": 0.3,
}


@pytest.mark.skipif(sys.platform != "linux", reason="peaks are read from /proc")
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name in QUICK else pytest.mark.thorough)
        for name in bombs.BOMBS
    ],
)
def test_a_bomb_is_read_in_bounded_memory(name, tmp_path):
    taken = bombs.cost(name, tmp_path, SCALE.get(name, 0.1))
    assert not taken.error
    assert taken.mebibytes <= bombs.MEBIBYTES
    assert taken.outcome
    if name in STOPPED:
        assert STOPPED[name] in taken.outcome
