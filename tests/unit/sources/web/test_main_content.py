"""Content of pages: gold pages in 25 languages, one test per kind of loss, and hostile markup."""

import html
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.api.profiles import samples
from curate.sources.web.main_content import main_content
from curate.sources.web.markup import MAX_DEPTH, parse
from curate.sources.web.markup_tables import NAMES
from tests.examples import examples

#: Every inline element that may stand around a character of a sentence.
INLINE = [
    "a",
    "abbr",
    "acronym",
    "b",
    "bdi",
    "bdo",
    "big",
    "cite",
    "code",
    "data",
    "del",
    "dfn",
    "em",
    "font",
    "i",
    "ins",
    "kbd",
    "label",
    "mark",
    "nobr",
    "q",
    "s",
    "samp",
    "small",
    "span",
    "strike",
    "strong",
    "sub",
    "sup",
    "time",
    "tt",
    "u",
    "var",
    "wbr",
    "x-word",
]

LANGUAGES = {lang: [texts[0] for texts in domains.values()] for lang, domains in samples().items()}


def dressed(text: str, start: int = 0) -> str:
    """Put an inline element with a suspicious class around every fifth character."""
    out = []
    for number, char in enumerate(text):
        char = html.escape(char)
        if number % 5 == 2 and not char.isspace():
            name = INLINE[(start + number // 5) % len(INLINE)]
            link = " href='/x'" if name == "a" else ""
            wrong = ["share", "author", "meta", "tag", "hidden", "ad"][number % 6]
            char = f'<{name}{link} class="{wrong}" rel="tag" aria-hidden="true">{char}</{name}>'
        out.append(char)
    return "".join(out)


def teaser(text: str) -> str:
    """Cut a text to what a card shows of it: some ten words in any script."""
    return text.encode()[:70].decode(errors="ignore")


def semantic(title: str, article: list[str], others: list[str]) -> str:
    links = "".join(f'<li><a href="/{n}">{t[:40]}</a></li>' for n, t in enumerate(others))
    paragraphs = "\n".join(f"<p>{dressed(text, n)}</p>" for n, text in enumerate(article))
    return f"""<!DOCTYPE html><html><head><meta charset=utf-8><title>{title} | Site</title>
<style>p::before {{ content: "<p>no</p>" }}</style><script>if (a < b) document.write("<p>")</script>
</head><body class="single-post has-sidebar"><header><a href=/>Site</a><nav><ul>{links}</ul></nav>
</header><main><article class="post tag-news category-author"><h1>{title}</h1>
<p class="byline"><a href=/a>{others[0][:12]}</a></p>
<figure><img src=x alt="no"><figcaption>{others[1][:60]}</figcaption></figure>
{paragraphs}<div class="share-buttons"><button>Share</button><a href=/s>Share</a></div></article>
<section class="comments"><h2>2</h2><p>{others[2][:150]}</p></section></main>
<aside class="related"><h2>More</h2><ul>{links}</ul><p>{others[3][:150]}</p></aside>
<footer><p>© 2026 {others[0][:20]}</p><ul>{links}</ul></footer>
<div class="cookie-consent"><p>{others[4][:200]}</p></div></body></html>"""


def divisions(title: str, article: list[str], others: list[str]) -> str:
    cards = "".join(
        f'<div class="card"><h3><a href="/{n}">{t[:30]}</a></h3><div>{teaser(t)}</div></div>'
        for n, t in enumerate(others)
    )
    paragraphs = "\n".join(f"<p>{dressed(text, 7 * n)}" for n, text in enumerate(article))
    return f"""<html><body><div id="wrapper">
<div id="top-menu"><a href=/>1</a> <a href=/2>2</a></div>
<div class="container"><div class="row"><div class="col-8"><h1>{title}</h1>
<div class="entry-content">{paragraphs}</div><div class="tagList"><a href=/t>t</a></div></div>
<div class="col-4">{cards}</div></div></div><div id="bottom">{cards}</div></div></body></html>"""


def old(title: str, article: list[str], others: list[str]) -> str:
    menu = "<BR>".join(f"<A HREF=/{n}>{t[:15]}</A>" for n, t in enumerate(others))
    paragraphs = "<P>".join(
        f"<FONT SIZE=2>{dressed(text, 3 * n)}</FONT>" for n, text in enumerate(article)
    )
    return f"""<HTML><BODY BGCOLOR=white><TABLE WIDTH=100%><TR><TD WIDTH=20%>{menu}<TD>
<H1>{title}</H1><P>{paragraphs}</TABLE><HR><CENTER>{menu}</CENTER>"""


@pytest.mark.parametrize("layout", [semantic, divisions, old])
@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_gold_page_keeps_every_character_and_nothing_else(lang, layout):
    texts = LANGUAGES[lang]
    article, others = texts[:3], [*texts[3:8], *texts[3:8]]
    title = " ".join(article[0].split()[:4])[:40]
    found = main_content(layout(title, article, others).encode())
    lines = [line for line in found.text.split("\n") if line]
    assert lines[-3:] == [" ".join(text.split()) for text in article]
    # A title beside the element that holds the prose may be left out, nothing else is there.
    assert lines[:-3] == [title] or (layout is divisions and not lines[:-3])
    assert found.way == "main"


def body(content: str) -> str:
    return main_content(f"<body><main><p>Before it, a sentence.</p>{content}".encode()).text


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("<ul><li>one;<li>two;</ul>", "• one;\n• two;"),
        ("<ol><li>one<ol><li>inner</ol><li>two</ol>", "1. one\n1. inner\n2. two"),
        ("<ol start=3><li>three<li value='7'>seven<li>eight</ol>", "3. three\n7. seven\n8. eight"),
        ("<ol start='0'><li>zero</ol><ol start=x><li>one</ol>", "0. zero\n\n1. one"),
        ("<ul start=4><li value=2>two</ul>", "• two"),
        ("<dl><dt>word<dd>meaning</dl>", "word\nmeaning"),
        ("<blockquote>To be.<footer>— Hamlet</footer></blockquote>", "To be.\n— Hamlet"),
        ("a<br>b<br/>c", "a\nb\nc"),
        ("<div>a<div></div>b</div>", "a\nb"),
        ("<div>a<section>b</section>c</div>", "a\nb\nc"),
        ("<span>a</span><span>b</span> <i>c</i>\n<b> d</b>", "ab c d"),
        ("<table><tr><th>A<th>B<tr><td>1<td><p>2</p></table>", "A\tB\n1\t2"),
        ("<pre>x = 1\n  y = 2\n</pre>", "x = 1\n  y = 2"),
        ("<ruby>漢<rp>(</rp><rt>かん</rt><rp>)</rp>字<rt>じ</rt></ruby>", "漢字"),
        ("x<sup>2</sup> H<sub>2</sub>O", "x² H2O"),
        ("a &amp; b &lt;i&gt; &#x49B;&nbsp;&copy &unknown;", "a & b <i> қ\xa0© &unknown;"),
        ("&<b>amp;</b> A&am<b>p;</b>", "&amp; A&amp;"),
        ("1 < 2 and a<3 <!-- no --> <!> </ no> <?php no ?> yes", "1 < 2 and a<3 yes"),
        ("<a href=\"x>y\" title='<p>no</p>'>link</a>", "link"),
        ("<p>a<p>b</p></p>c", "a\n\nb\n\nc"),
        ("<b>a<p>b</b>c", "a\n\nbc"),
        ("</div></section></p>after", "after"),
        ("<textarea>no</textarea><select><option>no</select><button>no</button>yes", "yes"),
        (
            "<noscript><p>no</p></noscript><template>no</template><svg><text>no</text></svg>yes",
            "yes",
        ),
        ("<xmp><b>as it is</b></xmp>", "<b>as it is</b>"),
        ("<p hidden>no</p><p style='color:red; display : none'>no</p>yes", "yes"),
        ("<math><mi>E</mi><mo>=</mo><mi>m</mi></math> alone", "E=m alone"),
        (
            "<math><semantics><mi>E</mi><annotation encoding='application/x-tex'>E_1</annotation>"
            "</semantics></math> once",
            "E_1 once",
        ),
        ("a\0b\x01c\x02d", "abcd"),
    ],
)
def test_layout(markup, text):
    assert body(markup) == f"Before it, a sentence.\n\n{text}"


def test_rows_as_markdown():
    page = b"<main><p>Prices, today:</p><table><tr><th>A|B<th>C<tr><td>1</table>"
    found = main_content(page, table_style="markdown")
    assert found.text == "Prices, today:\n\n| A\\|B | C |\n| --- | --- |\n| 1 |  |"


def test_comments_are_kept_when_asked():
    prose = "A long answer that people wrote below the question, with all the details of it. "
    page = f"<main><p>{prose * 3}</p><div class='comments'><p>{prose[:79]}.</p></div>".encode()
    assert main_content(page).text.count("A long answer") == 3
    assert main_content(page, comments=True).text.count("A long answer") == 4


def test_a_class_word_never_takes_the_prose_of_a_page():
    prose = "The ferry left the old harbour before sunrise, and nobody on the quay noticed it. " * 3
    for word in ("hidden-xs", "sidebar", "comments", "footer", "ad", "related"):
        for name in ("div", "aside", "footer", "section"):
            found = main_content(f"<body><{name} class='{word}'><p>{prose}</p></{name}>".encode())
            assert found.text == prose.strip(), (word, name)


def test_second_looks_are_named():
    links = "<a href=/>" + "Only links on this page and nothing else at all. " * 4 + "</a>"
    assert main_content(f"<body><div>{links}</div>".encode()).way == "page"
    assert main_content(b"<p>short").text == "short"
    assert main_content(b"<nav>Home</nav><p>Text.", whole=True).text == "Home\n\nText."


WORDS = st.lists(st.text("abcдежكمن漢字한", min_size=1, max_size=6), min_size=1, max_size=4)


@given(
    st.lists(st.tuples(st.sampled_from(["", *INLINE, "div", "p", "li", "td"]), WORDS), max_size=8)
)
@examples(200)
def test_all_visible_text_of_a_page_is_in_its_whole_text(parts):
    page = "".join(f"<{n}>{' '.join(w)}</{n}>" if n else " ".join(w) for n, w in parts)
    found = main_content(page.encode(), whole=True).text
    assert re.sub(r"[\s•]", "", found) == "".join("".join(words) for _, words in parts)


@given(st.text("<>/!-=\"' aApPdDivtr&;\0é漢", max_size=300))
@examples(300)
def test_any_markup_gives_text_without_marks_of_ours(page):
    found = main_content(page.encode())
    assert not re.search("[\x00-\x08]", found.text)
    arrays = parse(page.encode())
    assert (arrays.end > range(len(arrays.end))).all()
    assert (arrays.parent[1:] < range(1, len(arrays.parent))).all()


@given(st.binary(max_size=300))
@examples(200)
def test_any_bytes_are_taken(page):
    main_content(b"<p>" + page)


@pytest.mark.parametrize(
    "piece",
    [b"<div>", b"</div>", b"<a ", b"<!--", b'<p class="', b"<title>", b"<li>", b"<td>", b"<p>a",
     b"<", b"&amp;", b"<b><p>", b"<ol><li>x", b"<table><tr><td>x", b"<math><annotation>x"],
)  # fmt: skip
def test_a_page_of_one_piece_again_and_again_is_read_to_its_end(piece):
    # Elements and runs are bounded by the tags; the time is printed by tests/benchmarks/html.py.
    page = piece * (1_000_000 // len(piece))
    arrays = parse(page)
    assert len(arrays.tag) <= page.count(b"<") + 1
    assert len(arrays.run_start) <= page.count(b"<") + 1
    main_content(page)


def test_depth_is_bounded_and_loses_nothing():
    page = b"<div>" * (3 * MAX_DEPTH) + b"deep" + b"</div>" * (3 * MAX_DEPTH) + b"<p>after"
    assert main_content(page, whole=True).text.split() == ["deep", "after"]


def test_names_are_distinct():
    assert len(set(NAMES)) == len(NAMES)


PROSE = "<p>The boats came home before dawn, and nobody in the village had slept that night.</p>"


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        (
            "2024<span>年</span>5<span>月</span>3<span>日</span>に、<a href=/t>東京</a>",
            "2024年5月3日に、東京",
        ),
        ("그는 <b>왜</b> 왔<i>나</i>", "그는 왜 왔나"),
        ("<ruby>表<rp>(</rp><rt>ひょう</rt><rp>)</rp>示<rt>じ</rt></ruby>された", "表示された"),
        ("<ruby>言葉<rt>ことば</rt><rtc>word</rtc></ruby>が出た", "言葉が出た"),
        ("<ruby>表<rt>ひょう</ruby>した", "表した"),
        ("<ruby>表<rt>ひょう<rb>示<rt>じ</ruby>した", "表示した"),
        ("<ruby>表<rp>(<rt>ひょう<rp>)<rb>示<rp>(<rt>じ<rp>)</ruby>した", "表示した"),
        ("<ruby><rb>表<rb>示<rt>ひょう<rt>じ<rtc>hyo<rt>ji</rtc></ruby>した", "表示した"),
        ("On <time datetime=2024>5 May</time> they came", "On 5 May they came"),
        (
            "all the <a rel=tag href=/x>boats</a> came to <a rel=author>Ann</a>",
            "all the boats came to Ann",
        ),
        ("the <span aria-hidden=true>boats</span> of Ann", "the boats of Ann"),
        ("the <span class='author share'>boats</span> of Ann", "the boats of Ann"),
        ("H<sub>2</sub>O, x<sup>2</sup> and 4<sup>th</sup>", "H2O, x² and 4th"),
        ("10<sup>6</sup> and 10<sup>&minus;<i>19</i></sup>", "10⁶ and 10⁻¹⁹"),
        ("in 1984<sup><a href=#n>2</a></sup> it was 1<sub>2</sub>", "in 1984² it was 1₂"),
        ("log<sub>2</sub>8 and Ca<sup>2+</sup> <sup>2026</sup>", "log₂8 and Ca²⁺ ²⁰²⁶"),
        ("is <math><mfrac><mn>1</mn><mn>2</mn></mfrac></math> here", "is 1/2 here"),
        (
            "is <math><mfrac><mrow><mi>a</mi><mo>+</mo><mi>b</mi></mrow><msup><mi>c</mi>"
            "<mn>2</mn></msup></mfrac><mo>=</mo><msqrt><mi>a</mi><mo>+</mo><mn>1</mn></msqrt></math>",
            "is (a+b)/(c^2)=√(a+1)",
        ),
        (
            "<math>\n<msub>\n<mi>x</mi>\n<mn>1</mn>\n</msub>"
            "<mo>+</mo><msubsup><mi>y</mi><mi>i</mi><mn>2</mn></msubsup></math> here",
            "x_1 +y_i^2 here",
        ),
        (
            "is <img class=latex alt='x^2 &lt; 1' src=x> <img class=lamp alt=no>here",
            "is x^2 < 1 here",
        ),
        ("is <math><mi>E</mi><mo>=</mo><mi>m</mi></math> here", "is E=m here"),
        (
            "is <math><semantics><mrow><mi>E</mi></mrow>"
            "<annotation encoding='application/x-tex'>E=m</annotation></semantics></math> here",
            "is E=m here",
        ),
        (
            "is <span class=katex><span class=katex-mathml><math><semantics><mi>E</mi><annotation"
            " encoding='application/x-tex'>E=m</annotation></semantics></math></span>"
            "<span class=katex-html aria-hidden=true>E=m</span></span> here",
            "is E=m here",
        ),
        (
            "is <span class=katex><span class=katex-html aria-hidden=true>E=m</span></span> here",
            "is E=m here",
        ),
        (
            "is <span class=katex><span class=katex-mathml><math><mi>E</mi></math></span>"
            "<span class=katex-html aria-hidden=true>E</span></span> here",
            "is E here",
        ),
        (  # MathJax 2, drawn in HTML
            "is <span class=MathJax_Preview>[E]</span><span class=MathJax"
            " id=MathJax-Element-1-Frame><nobr><span class=math><span class=mi>E</span></span>"
            "</nobr></span><script type='math/tex' id=MathJax-Element-1>E=m</script> here",
            "is E=m here",
        ),
        (  # as it was sent, not yet drawn
            "is <span class=MathJax_Preview>E=m</span><script type=math/tex>E=m</script> here",
            "is E=m here",
        ),
        ("is <script type='math/tex; mode=display'>E<m</script> here", "is E<m here"),
        (
            "is <span class=MathJax_Preview>E</span><span class=MathJax_CHTML>E</span> here",
            "is E here",
        ),
        (  # with the assistive layer
            "is <span class=MathJax><nobr aria-hidden=true><span>Em</span></nobr><span"
            " class=MJX_Assistive_MathML role=presentation><math><mi>E</mi></math></span></span>"
            " here",
            "is E here",
        ),
        (  # MathJax 3
            "is <mjx-container class=MathJax><mjx-math aria-hidden=true><mjx-c></mjx-c></mjx-math>"
            "<mjx-assistive-mml><math><mi>E</mi></math></mjx-assistive-mml></mjx-container> here",
            "is E here",
        ),
        (
            "is <span class=MathJax>E</span><span class=MathJax>m</span> here",  # two formulas
            "is Em here",
        ),
        (
            "is <math><semantics><mi>E</mi><annotation-xml encoding='MathML-Content'><ci>E</ci>"
            "</annotation-xml></semantics></math> here",
            "is E here",
        ),
        (
            "is <math><semantics><mi>E</mi><annotation encoding='StarMath 5.0'>E_</annotation>"
            "</semantics></math> here",
            "is E here",
        ),
        (
            "is <span class=mwe-math-element><span style='display: none;'><math><semantics>"
            "<mi>E</mi><annotation encoding='application/x-tex'>E=m</annotation></semantics></math>"
            "</span><img src=x alt='E=m'></span> here",
            "is E=m here",
        ),
        (  # the same of earlier years
            "is <span><span style='display: none;'><math><semantics><mi>E</mi>"
            "<annotation encoding='application/x-tex'>E=m</annotation></semantics></math></span>"
            "<img src=x class='mwe-math-fallback-image-inline tex' alt='E=m'></span> here",
            "is E=m here",
        ),
        ("is <img class=mwe-math-fallback-image-inline alt='E=m'> here", "is E=m here"),
        (
            "is <img alt='$x^2$'>, <img alt='\\(y_1\\)'>, <img alt='{\\textstyle z}'>, "
            "<img alt='\\begin{math}a\\end{math}'> <img alt='$5 a day'> <img alt='\\back{'> here",
            "is $x^2$, \\(y_1\\), {\\textstyle z}, \\begin{math}a\\end{math} here",
        ),
        (
            "is <mml:math><mml:semantics><mml:mi>E</mml:mi><mml:annotation "
            "encoding='application/x-tex'>E_1</mml:annotation></mml:semantics></mml:math> or "
            "<m:math><m:mfrac><m:mi>a</m:mi><m:mn>2</m:mn></m:mfrac></m:math> <o:p>here</o:p>",
            "is E_1 or a/2 here",
        ),
        (
            "is <math><mtable><mtr><mtd><mn>1</mn></mtd><mtd><mn>2</mn></mtd></mtr><mtr><mtd>"
            "<mn>3</mn></mtd></mtr></mtable><mphantom><mi>q</mi></mphantom></math> here",
            "is 1 2 3 here",
        ),
    ],
)
def test_sentences_with_elements(markup, text):
    page = f"<html><body><main>{PROSE}<p>{markup}</p>{PROSE}</main></body></html>"
    found, _ = main_content(page.encode())
    assert found.split("\n\n")[1] == text


@pytest.mark.parametrize(
    "hidden",
    [
        *("<p hidden>Words.</p>", "<p style='display:none'>Words.</p>"),
        *("<template>Words.</template>", "<noscript>Words.</noscript>"),
        "<script type='application/ld+json'>{}</script>",
    ],
)
def test_what_no_reader_sees(hidden):
    found, _ = main_content(f"<body>{PROSE}{hidden}{PROSE}".encode())
    assert found == "\n\n".join([re.sub("<.*?>", "", PROSE)] * 2)


@pytest.mark.parametrize(
    "head",
    [
        "<html><head><title>x</title><body>",
        "<head><meta charset=utf-8><title>x</title>",
        "<html><head><title>x</title><div>",
        "<head></head><head><style>p {}</style><body>",
        "<head><noscript><p>no</p></noscript><body>",
        "<head><font><body>",
    ],
)
def test_the_end_tag_of_the_head_may_be_left_out(head):
    found, way = main_content(f"{head}{PROSE}{PROSE}".encode())
    assert found == "\n\n".join([re.sub("<.*?>", "", PROSE)] * 2)
    assert way == "main"


def test_a_list_near_the_body_is_content():
    items = "<ul><li>a filled form with a photo;<li>a copy of the passport;</ul>"
    for page in (f"<body>{PROSE}{items}{PROSE}", f"<body><div><div>{PROSE}{items}{PROSE}"):
        found, _ = main_content(page.encode())
        assert "\n\n• a filled form with a photo;\n• a copy of the passport;\n\n" in found


def test_lists_of_sentences_are_content():
    items = (
        "<ul><li>A court ruled on <a href=/a>Friday</a> that ferries must carry a lamp.</li>"
        "<li>Fishermen <a href=/b>asked the mayor for new nets</a>.</li></ul>"
    )
    for page in (f"<body>{PROSE}{items}{PROSE}", f"<body><div>{PROSE}</div>{items}"):
        found, _ = main_content(page.encode())
        assert "• A court ruled on Friday that ferries must carry a lamp." in found
        assert "• Fishermen asked the mayor for new nets." in found


@pytest.mark.parametrize(
    "sentence",
    [
        "<a>Жүргізушілер жаңа жол ережелерін</a> талқылады.",
        "漁師は<a>市長に新しい網を頼んだという話</a>だ。",
        "मछुआरों ने <a>महापौर से नए जाल और नावें</a> माँगीं।",
        "طلب <a>الصيادون شباكا جديدة من العمدة</a> أمس؟",
        "ชาวประมง<a>ขอตาข่ายใหม่จากนายกเทศมนตรี</a>หลังพายุ",  # Thai has no mark
        "He said “<a>we asked the mayor for new nets</a>.”",
        "one of <a>the most beautiful harbours</a> of the coast;",
    ],
)
@pytest.mark.parametrize("around", ["<ul><li>{}</ul>", "<p>{}</p>", "<dl><dt>x<dd>{}</dl>"])
def test_a_sentence_around_links_is_content(sentence, around):
    page = f"<body><main>{PROSE}{PROSE}<div>{around.format(sentence)}</div></main>"
    assert sentence.replace("<a>", "").replace("</a>", "") in main_content(page.encode()).text


def test_words_among_links_between_sentences_are_content():
    for line in ("<a>boats</a> of <a>Ann</a>", "<a>Лодки</a>, <a>сети</a> и <a>лампы</a>"):
        found, _ = main_content(f"<body>{PROSE}<p>{line}</p>{PROSE}".encode())
        assert found.split("\n\n")[1] == re.sub("<.*?>", "", line)


@pytest.mark.parametrize(
    "links",
    [
        "<ul><li><a>Home</a><li><a>News of the quay.</a><li><a>About us</a></ul>",
        "<ul><li><a>The price of lemons rose</a> 3 days ago<li><a>A trader said</a> today</ul>",
        "<p><a>Home</a> | <a>News</a> » <a>About us</a> · <a>Contact</a></p>",
        "<p>Read also: <a>The price of lemons rose again on the market</a></p>",
        "<p>(1) <a>The price of lemons rose again on the market</a> →</p>",
    ],
)
def test_links_that_no_sentence_holds_are_left_out(links):
    page = f"<body><main><div>{PROSE}{PROSE}</div>{links}</main>"
    assert main_content(page.encode()).text == "\n\n".join([re.sub("<.*?>", "", PROSE)] * 2)


WORDS = (
    "Opens the gate of the quay for a boat that is longer than the oldest boat in the village is."
)


@pytest.mark.parametrize(
    "heading",
    [
        "<h2><a name=quay>Nets and boats</a></h2>",
        "<h2><a id=quay><b>Nets and boats</b></a></h2>",
        "<h2 id=quay><a class=header href=#quay>Nets and boats</a></h2>",
        "<a name=quay><h3>Nets and boats</h3></a>",
        "<p><b><a name=_Toc1>Nets and boats</a></b></p>",
        *(f"<h2 id={slug}>Nets and boats</h2>" for slug in ("print-tools", "comments", "hidden")),
        "<dl><dt id=meta>Nets and boats</dl>",
    ],
)
def test_places_of_a_page_and_their_names_are_no_links(heading):
    found, _ = main_content(f"<body><main>{PROSE}{heading}{PROSE}</main>".encode())
    assert found.split("\n\n")[1] == "Nets and boats"


def test_a_name_without_an_end_takes_no_prose():
    found, _ = main_content(f"<body><main>{PROSE}<a name=top>{PROSE}<p>Short.</p></main>".encode())
    assert found == "\n\n".join([re.sub("<.*?>", "", PROSE)] * 2 + ["Short."])


def test_classes_of_headings_are_still_looked_at():
    heading = "<h3 class=share-title>Share it</h3>"
    found, _ = main_content(f"<body><main>{PROSE}{heading}{PROSE}</main>".encode())
    assert "Share it" not in found


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        (
            "<table><tr><th>River<th>km<tr><td><a href=/a>Amur</a><td>2824"
            "<tr><td><p><a href=/l>Lena</a></p><td>4400</table>",
            "River\tkm\nAmur\t2824\nLena\t4400",
        ),
        (
            "<table><tr><th>River in Asia<th>Mouth<tr><td><a href=/a>Amur</a><td>"
            "<a href=/t>Tartar Strait</a><tr><td>Turgai<td>Shalkarteniz</table>",
            "River in Asia\tMouth\nAmur\tTartar Strait\nTurgai\tShalkarteniz",
        ),
        (
            "<ul><li><a href=/a>Aruba</a><li><a href=/b>Saba</a><li>Curaçao, Bonaire</ul>",
            "• Aruba\n• Saba\n• Curaçao, Bonaire",
        ),
        (
            "<dl><dt><a href=/n>Net</a><dd>A thing to catch fish.</dl>",
            "Net\nA thing to catch fish.",
        ),
        (
            "<table>" + f"<tr><td><a href=/>close()</a><td>{WORDS} {WORDS}" * 3 + "</table>",
            "\n".join([f"close()\t{WORDS} {WORDS}"] * 3),
        ),
    ],
)
def test_a_list_or_table_is_kept_with_its_linked_items(markup, text):
    found, _ = main_content(f"<body><main>{PROSE}{markup}{PROSE}</main>".encode())
    assert text in found.split("\n\n")


def test_a_cell_of_links_beside_prose_is_left_out():
    links = "<td><a href=/>Home</a><br><a href=/n>News</a></td>"
    for row in (f"<tr>{links}<td>{PROSE}</td></tr>", f"<tr>{links}</tr><tr><td>{PROSE}</td></tr>"):
        found, _ = main_content(f"<body><table>{row}</table>{PROSE}".encode())
        assert found == "\n\n".join([re.sub("<.*?>", "", PROSE)] * 2)


def test_an_article_of_short_paragraphs_beside_a_box_of_more_prose_is_content():
    prose = f"{WORDS} {WORDS}"
    short = "Open the gate, let the boat pass, then shut the gate."
    article = f"<p>{prose}</p>" + f"<p>{short}</p>" * 5
    box = "<div>" + f"<div class=item>{prose}</div>" * 2 + "</div>"
    found, _ = main_content(f"<body><div>{article}{box}</div>".encode())
    assert (found.count(prose), found.count(short)) == (3, 5)


def test_pieces_of_which_a_program_builds_pages_are_no_boilerplate():
    long, short = (
        f"{WORDS} {WORDS}",
        "The gate is shut at night, and the key hangs in the old mill.",
    )
    for builder, kept in (
        ("elementor-widget", True),
        ("widget sow-editor", True),
        ("widget", False),
    ):
        pieces = ("<h2>Gates</h2>", f"<p>{long}</p><p>{long}</p>", f"<p>{short}</p>")
        page = "".join(f"<div class='{builder}'>{piece}</div>" for piece in pieces)
        found, _ = main_content(f"<body><div>{page}<p>{long}</p></div>".encode())
        assert found.count(long) == 3
        assert ("Gates" in found, short in found) == (kept, kept)


def test_answers_that_a_click_shows_are_content():
    answer = f"{WORDS} {WORDS}"
    for hidden in ("style='display:none'", "hidden"):
        box = f"<h3>Is it open?</h3><div {hidden}><p>{answer}</p></div>"
        found, _ = main_content(f"<body><div>{box * 5}<div {hidden}>Sign in</div></div>".encode())
        assert found == "\n\n".join(["Is it open?", answer] * 5)
        found, _ = main_content(
            f"<body><div><p>{answer}</p><p>{answer}</p>{box * 5}</div>".encode()
        )
        assert found.count(answer) == 2


def test_details_and_definitions_are_content():
    more = "<details><summary>More</summary><p>The nets were empty.</p></details>"
    found, _ = main_content(f"<body>{PROSE}{more}<dl><dt>Net<dd>Catches fish.</dl>".encode())
    assert found.endswith("More\n\nThe nets were empty.\n\nNet\nCatches fish.")


def test_an_article_under_class_words_of_boilerplate_is_kept():
    for words in ("sidebar comment", "share-widget", "footer", "related-posts"):
        found, _ = main_content(f"<body><div class='{words}'>{PROSE}{PROSE}</div>".encode())
        assert found == "\n\n".join([re.sub("<.*?>", "", PROSE)] * 2), words


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("<p>{0}</p><p>{0}</p>", "{0}\n\n{0}"),
        ("<div id=root></div><main><p>{0}<p>{0}</main>", "{0}\n\n{0}"),
        ("<p>{0} {0} {0}", "{0} {0} {0}"),
    ],
)
def test_prose_that_stands_in_noscript_only_is_read(page, text):
    prose = re.sub("<.*?>", "", PROSE)[:-1] + ", as the keeper of the lamp wrote."
    markup = f"<body><noscript>{page.format(prose)}</noscript><script>x</script>"
    assert main_content(markup.encode()) == (text.format(prose), "noscript")
    with_prose = f"<body><p>{prose} Yes.</p><noscript>{page.format(prose)}</noscript>"
    assert main_content(with_prose.encode()) == (f"{prose} Yes.", "main")


def test_a_request_for_a_script_is_no_text():
    asked = (
        "We are sorry, but this application does not work properly without JavaScript enabled."
        " Please enable it to continue."
    )
    page = f"<body><noscript><strong>{asked}</strong></noscript><div id=app></div>"
    assert main_content(page.encode()).text == ""


#: Pages whose article lost or doubled something in other extractors, and what it says.
QUAY = (
    "The ferry left the old harbour before sunrise, and nobody on the quay noticed that the lamp"
    " was still burning in the upper window.",
    "By noon the fog had lifted, and the fishermen were already mending their nets along the wall.",
)
CASES = {
    "list near the body": (
        "<div id=content><h1>Documents for a licence</h1><p>The applicant brings the following"
        " papers to the office:</p><ul><li>a filled form with a photo;</li><li>a copy of the"
        " passport;</li><li>a receipt of the state fee.</li></ul><p>The answer comes in ten days."
        "</p></div>",
        "Documents for a licence\n\nThe applicant brings the following papers to the office:\n\n"
        "• a filled form with a photo;\n• a copy of the passport;\n• a receipt of the state fee."
        "\n\nThe answer comes in ten days.",
    ),
    "class name": (
        f"<div class='text-block hidden-xs'><p>{QUAY[0]}</p><p>{QUAY[1]}</p></div>",
        "\n\n".join(QUAY),
    ),
    "ruby": (
        "<main><p>その言葉が<ruby>表示<rt>ひょうじ</rt></ruby>された<ruby>瞬間<rp>（</rp><rt>しゅん"
        "かん</rt><rp>）</rp></ruby>、彼は静かに笑った。漁師たちは朝早く網を引き上げ、少年は桟橋に"
        "立って船を見ていた。</p></main>",
        "その言葉が表示された瞬間、彼は静かに笑った。漁師たちは朝早く網を引き上げ、少年は桟橋に"
        "立って船を見ていた。",
    ),
    "formula": (
        '<main><p>The energy is <span class="katex"><span class="katex-mathml"><math xmlns="http:'
        '//www.w3.org/1998/Math/MathML"><semantics><mrow><mi>E</mi><mo>=</mo><mi>m</mi><msup><mi>c'
        '</mi><mn>2</mn></msup></mrow><annotation encoding="application/x-tex">E=mc^2</annotation>'
        '</semantics></math></span><span class="katex-html" aria-hidden="true"><span class="mord">'
        'E</span><span class="mrel">=</span><span class="mord">m</span><span class="mord">c2</span>'
        f"</span></span> for a body at rest.</p><p>{QUAY[0]}</p><p>{QUAY[1]}</p></main>",
        "\n\n".join(["The energy is E=mc^2 for a body at rest.", *QUAY]),
    ),
    "single characters": (
        "<main><p>2024<span>年</span>5<span>月</span>3<span>日</span>に、<a href=/t>東京</a>、<a "
        "href=/o>大阪</a>と<a href=/k>京都</a>の三つの町で祭りがあった。</p></main>",
        "2024年5月3日に、東京、大阪と京都の三つの町で祭りがあった。",
    ),
    "list of sentences with links": (
        "<main><h1>News of the quay</h1><p>Good morning, readers! Here is what happened.</p><div>"
        "<div><ul><li>A court in the capital ruled on Friday that <a href=a>ferries must carry a"
        " lamp at night, whatever the weather</a>.</li><li>Fishermen of the south wall <a href=b>"
        "asked the mayor for new nets</a> after the storm.</li><li>The price of lemons rose again,"
        " <a href=c>a trader said</a>.</li></ul></div></div><p>More tomorrow.</p></main>",
        "News of the quay\n\nGood morning, readers! Here is what happened.\n\n• A court in the"
        " capital ruled on Friday that ferries must carry a lamp at night, whatever the weather.\n"
        "• Fishermen of the south wall asked the mayor for new nets after the storm.\n• The price"
        " of lemons rose again, a trader said.\n\nMore tomorrow.",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_pages_that_lost_text(name):
    content, text = CASES[name]
    page = f"<!DOCTYPE html><html><head><title>Harbour</title></head><body>{content}</body></html>"
    assert main_content(page.encode()).text == text


#: Texts without spaces at their ends, in eight scripts; digits in sup become superscripts.
WRITTEN = (
    "Балықшылар таңертең желін жинап, үйге қайтты.",
    "เรือกลับถึงท่าเรือก่อนรุ่งสาง ไม่มีใครหลับ",
    "नावें भोर से पहले लौट आईं, कोई नहीं सोया।",
    "عادت القوارب قبل الفجر، ولم ينم أحد في القرية.",
    "船在黎明前回来了，村里没有人睡觉。",
    "배는 새벽 전에 돌아왔고, 아무도 자지 않았다.",
    "Τα καΐκια γύρισαν πριν την αυγή, κανείς δεν κοιμήθηκε.",
    "The naïve boats came home; nobody slept (€) — yes…",
)
#: What may stand around or beside any character without changing what is read.
AROUND = [*((f"<{name}>", f"</{name}>") for name in (*INLINE[1:], "ruby", "rb"))]
AROUND += [("", "<wbr>"), ("", "<!-- a - b -->"), ("<!---->", ""), ("", "<img alt=no>")]
AROUND += [("<ruby>", "<rp>(</rp><rt>x</rt><rp>)</rp></ruby>"), ("", "<span></span>")]
AROUND += [("<span class='share author ad'>", "</span>"), ("<time datetime=2024>", "</time>")]


@given(st.sampled_from(WRITTEN), st.data())
@examples(200)
def test_elements_around_characters_change_nothing(text, data):
    dressed = ""
    for character in text:
        before, after = data.draw(st.sampled_from([("", ""), *AROUND]))
        dressed += before + html.escape(character) + after
    blocks = st.sampled_from(["p", "div", "section", "h2", "blockquote"])
    one, two = data.draw(blocks), data.draw(blocks)
    page = f"<body><main>{PROSE}<{one}>{dressed}</{one}><{two}>{dressed}</{two}>{PROSE}</main>"
    found = main_content(page.encode()).text.split("\n")
    assert [line for line in found if line][1:-1] == [text, text]


def test_each_element_around_characters():
    for text in WRITTEN:
        for before, after in (("<a>", "</a>"), *AROUND):
            step = 3 if before == "<a>" else 1  # a line that is all links is left out
            dressed = "".join(
                before + character + after if at % step == 0 else character
                for at, character in enumerate(text)
            )
            page = f"<body><main>{PROSE}<p>{dressed}</p>{PROSE}</main>"
            found = main_content(page.encode()).text
            assert found.split("\n\n")[1] == text, (before, after)


def test_soft_hyphens_stay_for_the_standard_form():
    for text in WRITTEN:
        found = main_content(f"<p>{'&shy;'.join(text)}</p>".encode()).text
        assert found == "\xad".join(text)
