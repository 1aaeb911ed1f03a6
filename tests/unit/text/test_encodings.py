"""Which encoding bytes are in: the stated one unless another is clearly better."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.text import encodings, multibyte, readings
from curate.text.code_pages import PAGES
from tests.examples import examples
from tests.unit.sources.test_decoding import READINGS


@pytest.mark.parametrize("other", PAGES)
@pytest.mark.parametrize(("text", "page"), READINGS)
def test_a_stated_page_is_kept_unless_another_is_clearly_better(
    text: str, page: str, other: str
) -> None:
    data = text.encode(page)
    own, best = readings.compare(data, other)
    assert best is not None
    expected = other
    if own is None or own.bits - best.bits > 12 + own.pairs * 0.05:
        expected = best.page
    if best.mean <= readings.PROSE and (own is None or own.mean <= readings.PROSE):
        found = encodings.likely(data, stated=other)
        assert found is not None
        assert data.decode(found) == data.decode(expected)


@examples(100)
@given(data=st.binary(max_size=60) | st.text("é的ア한 a1").map(lambda text: text.encode()))
def test_what_may_not_be_utf_8_has_a_wrong_place_for_ten_characters(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    wrong = text.count("\ufffd")
    right = sum(char > "\x7f" for char in text) - wrong
    if not encodings.may_be_utf8(data):
        assert right < 10 * wrong


@examples(100)
@given(
    text=st.text(st.characters(codec="gb18030") | st.sampled_from("ｱｲ的한ñé a1"), min_size=3),
    codec=st.sampled_from(list(multibyte.MULTIBYTE)),
)
def test_what_an_encoding_reads_is_possible(text: str, codec: str) -> None:
    data = text.encode(codec, "ignore")
    if sum(char > "\x7f" for char in data.decode(codec)) < 3:
        return
    assert codec in multibyte.possible(data)


def test_bytes_that_break_off_a_character_are_in_no_encoding_of_several() -> None:
    assert multibyte.possible("un café, olé ! Noël ".encode("cp1252")) == []
