"""Which parts of a text a failing rule comes from."""

from hypothesis import given
from hypothesis import strategies as st

from curate import api
from curate.inspection.places import parts_of
from tests.examples import examples

PROSE = (
    "The bridge over the river was closed for repairs on Monday.\n"
    "Until the work is done, a ferry takes people to the other side every half an hour.\n"
    "The town says that it will take two weeks, and that the old stones are replaced by hand.\n"
    "Many shops near the river have fewer guests than they had before the bridge was closed.\n"
)


@given(st.text(alphabet="ab.\n 。", max_size=400), st.integers(3, 48))
@examples(300)
def test_the_parts_are_the_text_and_never_too_many(text, most):
    parts = parts_of(text, most)
    spans = sorted(span for spans in parts for span in spans)
    assert "".join(text[start:end] for start, end in spans) == text
    assert [start for start, _ in spans] == [0, *(end for _, end in spans[:-1])]
    assert 1 <= len(parts) <= most


@given(st.lists(st.sampled_from(["x\n", "yy\n"]), min_size=3, max_size=40))
@examples(50)
def test_equal_lines_are_one_part(lines):
    parts = parts_of("".join(lines))
    assert sorted(map(len, parts)) == sorted(
        lines.count(line) for line in {"x\n", "yy\n"} if lines.count(line)
    )


def rules_of(text):
    return {rule["rule"]: rule for rule in api.explain_text("demo", text)[-1]["rules"]}


def test_a_repeated_line_is_named_with_all_its_places():
    line = "Buy our bicycles now, they are cheaper than ever before today.\n"
    text = PROSE + line * 30
    rule = rules_of(text)["repeated_lines"]
    (place,) = rule["places"]
    assert not rule["holds"]
    assert [text[start:end] for start, end in place["spans"]][:-1] == [line] * 29
    assert place["without"] == 0.0


def test_a_placeholder_is_found_where_it_stands():
    text = PROSE + "Lorem ipsum dolor sit amet, consectetur adipiscing elit.\n" + PROSE[:60]
    (place,) = rules_of(text)["placeholder_text"]["places"]
    ((start, end),) = place["spans"]
    assert text[start:end].startswith("Lorem ipsum")
    assert place["without"] == 0


def test_what_all_of_the_text_does_has_no_place_and_what_is_too_short_none():
    rules = rules_of("\n".join(f"https://site.example/a/list/of-pages/{n}" for n in range(80)))
    assert rules["repeated_5grams"]["places"] == []
    short = rules_of("Too short.")
    assert not short["too_few_words"]["holds"]
    assert "places" not in short["too_few_words"]
