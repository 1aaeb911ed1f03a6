"""Wikitext becomes the text that a reader sees; hostile wikitext costs linear time."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.sources.wiki.names import of_wiki
from curate.sources.wiki.wikitext import prose

CASES = json.loads((Path(__file__).parent / "wikitext_cases.json").read_text())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["label"])
def test_a_page_gives_its_prose(case):
    names = of_wiki(case.get("language"), case.get("namespaces"))
    assert prose(case["input"], names).text == case["expected"]


def plain_text(wikitext):
    return prose(wikitext).text


# A scan that searched the rest of the page at each sign would need 10**10 steps.
FLOOD = 200_000


@pytest.mark.parametrize(
    "unit",
    [
        "\n{|",
        "<a ",
        *["{{", "[[", "{|", "<ref>", "'''", "=", "&nbsp;", "{{a|", "[[a|", "<!--", "-{", "("],
    ],
)
def test_a_flood_of_what_opens_is_linear(unit):
    text = plain_text("Кіріспе.\n\n" + unit * (FLOOD // len(unit)))
    assert text.startswith("Кіріспе.")
    assert len(text) <= FLOOD + 10


@pytest.mark.parametrize("unit", ["}}", "]]", "|}", "\n|}", "</ref>", "-->", "}-", "</table>", "]"])
def test_a_flood_of_what_closes_is_linear(unit):
    assert plain_text("Кіріспе.\n\n" + unit * (FLOOD // len(unit))).startswith("Кіріспе.")


@pytest.mark.parametrize(
    ("opens", "closes", "expected"),
    [
        ("{{", "}}", ""),  # one hole, in the only sentence
        ("{{{", "}}}", ""),
        ("\n{|", "\n|}", "before after"),
        ("<table>", "</table>", "before  after"),
    ],
)
def test_fifty_thousand_levels_are_closed_in_one_pass(opens, closes, expected):
    depth = 50_000
    text = plain_text("before " + opens * depth + "x" * depth + closes * depth + " after")
    assert text.split() == expected.split()


@pytest.mark.parametrize(
    ("opens", "closes"), [("[[", "]]"), ("[http://a ", "]"), ("-{", "}-"), ("[[a|", "]]")]
)
def test_links_fifty_thousand_deep_keep_what_is_between_them(opens, closes):
    depth = 50_000
    assert "x" * depth in plain_text(opens * depth + "x" * depth + closes * depth)


words = st.text("аәб\n =*|'", max_size=6)
markup = """{{ }} {{{ }}} [[ ]] [[a| {| |} <ref> </ref> <ref/> <!-- --> ''' '' [http://x ] -{ }-
<nowiki> </nowiki> <table> </table> &amp; &#10; == __NOTOC__ <br> [[File:a.jpg| [[de:"""
pieces = st.sampled_from([*markup.split(), "\n{|", "\n|}", "\n=="])


@given(st.lists(words | pieces, max_size=40).map("".join))
def test_any_markup_gives_tidy_text(source):
    text = plain_text(source)
    assert text == text.strip()
    assert "\n\n\n" not in text
    assert not set(text) & set("\x01\x02\x03\x04")
    assert all(line == line.strip() for line in text.split("\n"))


@given(st.text("аәбвгabc .,\n", max_size=80))
def test_prose_without_markup_stays(prose):
    assert "".join(plain_text(prose).split()) == "".join(prose.split())


@given(st.lists(words | pieces, max_size=20).map("".join))
def test_the_content_of_a_closed_template_is_dropped(inside):
    for sign in "{}<-":
        inside = inside.replace(sign, "")
    found = prose("Before. A {{t|" + inside + "}} big. After.")
    assert found == ("Before. After.", 1, 0)
    assert prose("A ({{t|" + inside + "}}) big.") == ("A big.", 0, 1)
