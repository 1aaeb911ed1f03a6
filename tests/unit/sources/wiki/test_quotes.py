"""Emphasis is resolved as MediaWiki does it, and apostrophes that are letters stay."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.sources.wiki.quotes import without_quotes
from curate.sources.wiki.wikitext import prose
from tests.examples import examples


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("L'''Aiglon'' fut jouée", "L'Aiglon fut jouée"),
        ("nom d'''Arvernus'' et de l'''Énéide''", "nom d'Arvernus et de l'Énéide"),
        ("La nave ''Vega'' e l'''Orsa Maggiore''", "La nave Vega e l'Orsa Maggiore"),
        ("dell'''Orsa Maggiore'' e dell'''Arca''", "dell'Orsa Maggiore e dell'Arca"),
        ("l''''''Obra''''' completa", "l'Obra completa"),
        ("l''''Obra''' completa", "l'Obra completa"),
        ("El llibre ''Tirant'' i l'''Atlàntida''", "El llibre Tirant i l'Atlàntida"),
        ("'''O'zbekiston''' — ''o'zbek'' tili; g'''isht''", "O'zbekiston — o'zbek tili; g'isht"),
        ("'''Hawai'i''' ka mokupuni; ''Hawai'i'''s", "Hawai'i ka mokupuni; Hawai'i's"),
        (
            "The ''Eagle'''s stage and the ''Britannica'''s",
            "The Eagle's stage and the Britannica's",
        ),
        ("'''''both''''' and ''i '''bi''''' and '''b ''bi'''''", "both and i bi and b bi"),
        ("'''''a'' b''' and '''''c''' d''", "a b and c d"),
        ("'''bold''' ''italic'' it's", "bold italic it's"),
        ("'''never closed", "never closed"),
        ("''''foo''''", "'foo'"),
        ("''L''''amour'' x", "L'amour x"),
        ("''a '''b'' c'''", "a b c"),
    ],
)
def test_a_line_of_emphasis(line, expected):
    assert without_quotes(line) == expected


def mediawiki(line):
    """Resolve a line by MediaWiki's published rule alone, written down step by step."""
    pieces = re.split("(''+)", line)
    texts, runs = pieces[::2], [len(run) for run in pieces[1::2]]
    for n, run in enumerate(runs):
        if run == 4 or run > 5:
            texts[n] += "'" * (1 if run == 4 else run - 5)
            runs[n] = 3 if run == 4 else 5
    if sum(r in (3, 5) for r in runs) % 2 and sum(r in (2, 5) for r in runs) % 2:
        bold = [n for n, run in enumerate(runs) if run == 3]
        spaces = [n for n in bold if texts[n].encode()[-1:] == b" "]
        single = [n for n in bold if n not in spaces and texts[n].encode()[-2:-1] == b" "]
        words = [n for n in bold if n not in spaces]
        for n in [*single, *words, *spaces][:1]:
            texts[n] += "'"
    return "".join(texts)


def balanced(line):
    """Whether emphasis is nested well and closed as MediaWiki resolves the line."""
    marks = [len(run) for run in re.findall("''+", line)]
    return all(mark in (2, 3) for mark in marks) and all(
        a == b for a, b in zip(marks[::2], marks[1::2], strict=False)
    )


@examples(300)
@given(st.lists(st.sampled_from(["''", "'''", "''''", "'''''", "l", "été ", " ", "a"]), max_size=9))
def test_where_the_rule_of_mediawiki_leaves_no_fault_it_holds(parts):
    line = "".join(parts)
    found = without_quotes(line)
    assert found.replace("'", "") == line.replace("'", "")
    if balanced(line) or line.count("''") == 0:
        assert found == mediawiki(line)
    assert found.count("'") >= mediawiki(line).count("'")


@pytest.mark.parametrize(
    ("markup", "expected"),
    [
        # A label is a line of its own; emphasis around the link is not mixed with its apostrophes.
        ("''[[Playin|Playin']]'' is", "Playin' is"),
        ("[[Film|l'''Aiglon'']] et '''b'''", "l'Aiglon et b"),
        # Something that shows nothing separates.
        ("''a''<ref>x</ref>''b''", "ab"),
        ("''{{cn}}'' c", "c"),
        ("<nowiki>''</nowiki>x''y''", "''xy"),
        ("''rock&#39;n&#39;roll''", "rock'n'roll"),
        ("* l'''A''\n* '''b'''", "- l'A\n- b"),
        ("== L'''Aiglon'' ==\nx", "L'Aiglon\nx"),
    ],
)
def test_what_stands_between_apostrophes(markup, expected):
    assert prose(markup).text == expected
