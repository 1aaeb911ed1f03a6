"""Pages that Parsoid wrote become prose; what is left out is known by its name and counted."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.sources.wiki.parsoid import LEFT_OUT, Rendering, article
from tests.examples import examples
from tests.unit.sources.wiki.enterprise import REFERENCE, SENTENCES, math, page
from tests.unit.sources.wiki.enterprise import article as fixture


def text(body, **options):
    return article(page(body).encode(), Rendering(**options)).text


def left_out(body, **options):
    return dict(article(page(body).encode(), Rendering(**options)).left_out)


@pytest.mark.parametrize("language", SENTENCES)
def test_numbers_that_templates_render_stay(language):
    sentence, first, second = SENTENCES[language]
    found = article(fixture(language).encode())
    prose = sentence.format(first, second)
    assert found.text == f"{prose}\n\n| A | B |\n| --- | --- |\n| {first} | {second} |"
    assert found.left_out == {"references": 1, "hatnotes": 1, "navigation": 1, "infoboxes": 1}


def test_headings_lists_and_paragraphs_are_as_from_wikitext():
    body = (
        '<p>Lead.</p><section><h2 id="A">First<span class="mw-editsection">[edit]</span></h2>'
        "<section><h3>Below</h3><p>One<br/>two.</p><ul><li>a<ol><li>b</li></ol></li><li>c</li></ul>"
        "</section></section><section><h2>Empty</h2><section><h3>Notes</h3>"
        '<div class="mw-references-wrap"><ol class="mw-references references"><li>n</li></ol></div>'
        "</section></section><section><h2>Last</h2><dl><dd>In.</dd></dl></section>"
    )
    assert text(body) == (
        "Lead.\n\nFirst\n\nBelow\nOne\ntwo.\n\n- a\n- b\n- c\n\nLast\nIn."
    )  # fmt: skip
    assert left_out(body) == {"edit_links": 1, "references": 1}


TABLE = (
    "<table class='wikitable'><caption>Title</caption><tr><th>Year</th><th></th><th>N</th></tr>"
    "<tr><td></td><td>a<br/>b<ul><li>c</li></ul></td><td>7|8</td></tr><tr><td>z</td></tr></table>"
)


def test_tables_keep_their_columns():
    assert text(f"<p>A.</p>{TABLE}<p>B.</p>").split("\n\n") == [
        "A.",
        "Title\n| Year | | N |\n| --- | --- | --- |\n| | a b - c | 7\\|8 |\n| z | | |",
        "B.",
    ]
    assert text(f"<p>A.</p>{TABLE}<p>B.</p>", tables=False) == "A.\n\nB."
    assert left_out(TABLE, tables=False) == {"tables": 1}


def test_cells_of_several_columns_and_rows_leave_the_others_empty():
    found = text(
        "<table class=wikitable><tr><th rowspan=2>City</th><th colspan='2'>People</th><th>km</th>"
        "</tr><tr><th>2009</th><th>2021</th><td>1</td></tr>"
        "<tr><td>Oral</td><td>203</td><td rowspan='2'>x</td><td>7</td></tr>"
        "<tr><td>Aqtau</td><td>166</td><td>8</td></tr><tr><td>a</td><td>b</td></tr>"
        "<tr><td>c</td><td>d</td><td rowspan=2>e</td></tr><tr><td>f</td></tr>"
        "<tr><td>g</td><td>h</td><td>i</td></tr></table>"
    )
    assert found.split("\n") == [
        "| City | People | | km |",
        "| --- | --- | --- | --- |",
        "| | 2009 | 2021 | 1 |",
        "| Oral | 203 | x | 7 |",
        "| Aqtau | 166 | | 8 |",
        "| a | b | | |",
        "| c | d | e | |",
        "| f | | | |",
        "| g | h | i | |",
    ]


@pytest.mark.parametrize("cells", [1, 30_000])
def test_spans_and_wide_rows_stay_linear(cells):
    wide = "<td colspan=999999999999999999999 rowspan=65534>w</td>" * cells
    rows = f"<tr>{wide}</tr>" + "<tr><td>s</td><td>t</td></tr>" * cells
    found = text(f"<table>{rows}</table>")
    assert len(found) < 40 * len(rows)
    assert (found.count("w"), found.count("s"), found.count("t")) == (cells, cells, cells)


@pytest.mark.parametrize("outer", ["table", "table><tr"])
def test_cells_outside_of_rows_write_no_more_than_there_is_room_for(outer):
    """Their columns go up and down without end; each way up would be written anew."""
    between = "<div><td>d</td></div><td>e</td>"
    body = f"<{outer}>{'<td>c</td>' * 20_000}{between * 20_000}</table>"
    found = text(body)
    assert (found.count("c"), found.count("d"), found.count("e")) == (20_000,) * 3
    assert len(found) < 10 * len(body)


def test_an_infobox_is_kept_by_its_option_alone():
    box = "<table class='infobox'><tr><th>Height</th><td>8,848 m</td></tr></table>"
    assert text(f"{box}<p>A.</p>") == "A."
    kept = "| Height | 8,848 m |\n| --- | --- |\n\nA."
    assert text(f"{box}<p>A.</p>", infoboxes=True) == kept
    assert text(f"{box}<p>A.</p>", infoboxes=True, tables=False) == kept


def test_a_formula_is_its_tex_once():
    formulas = [math("a<b"), math("x^{2}"), math("y")]
    body = "<p>First one. Where {} holds, it is {}. Last (so {}).</p>".format(*formulas)
    assert text(body) == "First one. Where $a<b$ holds, it is $x^{2}$. Last (so $y$)."
    found = article(page(body).encode(), Rendering(formulas=False))
    assert found.text == "First one. Last."
    assert (found.left_out, found.sentences, found.parentheses) == ({"formulas": 3}, 1, 1)


def test_a_formula_that_has_a_picture_alone_or_begins_a_heading():
    picture = '<img class="mwe-math-fallback-image-inline" alt="{\\displaystyle z&lt;1}"/>'
    formula = f'<span class="mwe-math-element">{picture}</span>'
    assert text(f"<p>It is {formula}.</p>") == "It is $z<1$."
    assert text(f"<h2>{math('k')}-means</h2><p>A.</p>") == "$k$-means\nA."


def test_a_heading_in_a_formula_costs_no_text():
    found = text("<p>w</p><math>a<h2>b</h2></math><p>c</p>")
    assert found.replace("\n", "") == "w$ab$c"


def test_ruby_and_powers_are_as_on_web_pages():
    ruby = "<ruby>東京<rp>(</rp><rt>とうきょう</rt><rp>)</rp></ruby>"
    assert text(f"<p>{ruby}は10<sup>6</sup>人。</p>") == "東京は10⁶人。"


@pytest.mark.parametrize("name", LEFT_OUT)
def test_each_name_is_left_out_and_counted(name):
    for word in LEFT_OUT[name].split():
        attribute = "typeof" if word.startswith("mw:") else "class"
        body = f'<p>Kept<span {attribute}="x {word}"> left <b>out</b></span>.</p>'
        assert text(body) == "Kept."
        assert left_out(body) == {name: 1}
    assert text(f'<p>Kept<span class="my-{word} {word}-x">, too</span>.</p>') == "Kept, too."


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ('<p>A<span style="color:red; DISPLAY : none">x</span>.</p>', "hidden"),
        ("<p>A<span hidden>x</span>.</p>", "hidden"),
        ('<p>A.</p><figure typeof="mw:File/Thumb"><figcaption>x</figcaption></figure>', "figures"),
        ('<p>A.</p><div role="navigation">x</div>', "navigation"),
        ('<p>A.</p><span id="coordinates">x</span>', "coordinates"),
        ('<p>A (<span class="ext-phonos">x</span>).</p>', "audio"),
        (f"<p>A{REFERENCE}.</p>", "references"),
    ],
)
def test_other_marks_of_what_is_left_out(body, name):
    assert text(body) == "A."
    assert left_out(body) == {name: 1}


def test_kinds_of_pages():
    meta = '<meta property="mw:PageProp/disambiguation"/>'
    assert article(page("<p>A.</p>", meta).encode()).is_disambiguation
    assert article(page('<link rel="mw:PageProp/redirect" href="./X"/>').encode()).is_redirect
    plain = article(page("<p>A.</p>").encode())
    assert not plain.is_disambiguation
    assert not plain.is_redirect


@pytest.mark.parametrize("tag", ["div", "span", "table", "ul", "td", "h2", "math", "section"])
def test_depth_and_size_cost_no_text(tag):
    body = f"<p>Before.</p>{f'<{tag}>' * 50_000}inside{f'</{tag}>' * 50_000}<p>Behind.</p>"
    words = set(re.findall(r"\w+", text(body)))
    assert {"Before", "Behind"} <= words
    assert "inside" in words or tag == "h2"


def test_a_huge_table_has_all_its_cells():
    rows = "<tr>" + "<td>1</td><td></td>" * 500 + "</tr>"
    found = text(f"<table>{rows * 200}</table>")
    assert found.count("1") == 100_000
    assert len(found.split("\n")) == 201


_WORD = st.from_regex(r"[a-zкәأ漢한]{1,4}", fullmatch=True)
_TAGS = ("p", "div", "b", "i", "a", "li", "ul", "table", "tr", "td", "th", "section", "dd", "h3")


@given(st.data())
@examples(300)
def test_text_outside_of_what_is_left_out_never_vanishes(data):
    """Any nesting of elements, some of them named: all other words are there, in their order.

    A cell or link in another one ends that one and what is open in it, so it is not drawn.
    """
    names = [word for group in LEFT_OUT.values() for word in group.split()]
    wanted: list[str] = []

    def draw(depth: int, inside: bool, around: frozenset[str]) -> str:
        parts = []
        for _ in range(data.draw(st.integers(1, 3))):
            if depth and data.draw(st.booleans()):
                out = data.draw(st.integers(0, 4)) == 0
                once = [tag for tag in ("td", "a") if tag not in around]
                tag = data.draw(st.sampled_from(["div", "span"] if out else ["div", "b", *once]))
                named = f' class="{data.draw(st.sampled_from(names))}"' if out else ""
                content = draw(depth - 1, inside or out, around | {tag})
                parts.append(f"<{tag}{named}>{content}</{tag}>")
            else:
                word = data.draw(_WORD)
                parts.append(f" {word} ")
                if not inside:
                    wanted.append(word)
        return "".join(parts)

    body = draw(3, inside=False, around=frozenset())
    found = [word for word in text(f"<div>{body}</div>").split() if word.strip("|-")]
    assert found == wanted


@given(st.lists(st.sampled_from([*(f"<{tag}>" for tag in _TAGS), *(f"</{tag}>" for tag in _TAGS),
    "<math>", "</math>", math("x"), "word", "&#1;", "&lt;", '<span class="navbox">', "</span>",
    "\x0e\x0f\x11",
    '<annotation encoding="application/x-tex">', "</annotation>", "<sup>2</sup>", "<!--", '"', "<",
]), max_size=40))  # fmt: skip
@examples(300)
def test_no_markup_breaks_it(parts):
    for how in (Rendering(), Rendering(tables=False, formulas=False, infoboxes=True)):
        found = article("".join(parts).encode(), how).text
        assert not re.search("[\x00-\x08\x0b-\x1f]", found)
        assert "word" in found or "word" not in parts or "<" in "".join(parts)
