from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.protocol.span_offsets import move_spans
from tests.examples import examples

#: A word, or a mask between braces: the spans are where the braces were.
WORDS = st.sampled_from(["река", "a", "{email@x}", "email@x", "{+1 (555)}", "[1]", "日本"])
LINES = st.lists(st.lists(WORDS, max_size=3).map(" ".join), max_size=6)


def spanned(marked):
    """Return a text without its braces, and the spans that they enclosed."""
    data, spans, start = bytearray(), [], 0
    for char in marked:
        if char == "{":
            start = len(data)
        elif char == "}":
            spans.append((start, len(data), "mask"))
        else:
            data += char.encode()
    return data.decode(), spans


@examples(400)
@given(lines=LINES, kept=st.lists(st.booleans(), min_size=6, max_size=6))
def test_spans_stay_with_the_lines_that_stay(lines, kept):
    before, spans = spanned("\n".join(lines))
    left = [line for line, keep in zip(lines, kept) if keep]
    after, wanted = spanned("\n".join(left))
    ways = {}
    for line in lines:
        ways.setdefault(spanned(line)[0], set()).add(line)
    found = move_spans(spans, before, after)
    if any(len(marked) > 1 for marked in ways.values()):
        assert found is None
    elif left or "" in lines or not spans:
        assert found == wanted
    else:  # an empty text has one empty line, which the other had not
        assert found is None


@examples(400)
@given(lines=LINES, others=LINES)
def test_what_is_told_of_any_other_text_stands_there(lines, others):
    before, spans = spanned("\n".join(lines))
    after, _ = spanned("\n".join(others))
    found = move_spans(spans, before, after)
    if found is not None:
        old, new = before.encode(), after.encode()
        masks = Counter(old[first:last] for first, last, _ in spans)
        assert {new[first:last] for first, last, _ in found} <= set(masks)
        assert found == sorted(found)


@pytest.mark.parametrize(
    ("marked", "after", "found"),
    [
        ("a\n{m} [1]", "a\nm", None),  # the line of the mask changed
        ("a [1]\n{m}", "a\nm", [(2, 3, "mask")]),  # another line did
        ("a [1]\n{m}", "a", None),  # it may have become this one
        ("a\n{m}", "a", []),  # it went
        ("{m}\nm", "m", None),  # which of the two is it?
        ("{a\nb}\nc", "a\nb", None),  # over two lines
        ("река\n\n{m}\n\n{m}", "\n{m}\n{m}".replace("{m}", "m"), [(1, 2, "mask"), (3, 4, "mask")]),
        ("a", "b", []),
    ],
)
def test_case(marked, after, found):
    before, spans = spanned(marked)
    assert move_spans(spans, before, after) == found
