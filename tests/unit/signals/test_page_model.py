"""What models of pages read of a text: excerpts against a slow definition."""

from __future__ import annotations

import pyarrow as pa
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from curate.signals import measure, page_model
from tests.examples import examples

TEXTS = st.one_of(
    st.text(max_size=40),
    st.integers(0, 400).flatmap(
        lambda n: st.text(st.sampled_from("aж語😀 \n\u0301"), min_size=n, max_size=n)
    ),
)


def slow(text: str, window: int) -> str:
    """Return the first characters and those from the middle, white space as spaces."""
    line = "".join(" " if "\t" <= c <= "\r" else c for c in text)
    if len(text) <= 2 * window + window // 5:
        return line
    middle = len(text) // 2
    return f"{line[:window]} {line[middle : middle + window]}"


@examples(200)
@given(st.lists(TEXTS, max_size=4), st.integers(1, 30))
def test_excerpts_are_those_of_the_definition(texts: list[str], window: int) -> None:
    column = pa.array(["before", *texts], pa.large_string()).slice(1)
    shown = page_model.excerpts(column, window)
    assert shown.to_pylist() == [slow(text, window) for text in texts]


@examples(30)
@given(st.lists(st.one_of(st.none(), TEXTS), max_size=5))
def test_compressed_sizes_do_not_depend_on_the_texts_before(texts: list[str | None]) -> None:
    column = pa.array(["before", *texts], pa.large_string()).slice(1)
    found = measure(column, ["compression_ratio"])["signal_compression_ratio"].to_pylist()
    for text, ratio in zip(texts, found, strict=True):
        alone = (text or "").encode("utf-8", "surrogatepass")
        expected = len(zstandard.compress(alone, 3)) / len(alone) if alone else None
        assert ratio == expected
