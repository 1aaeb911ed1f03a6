"""Crawled text stays text: no markup, no link, no command to the terminal."""

import re
import unicodedata
from html.parser import HTMLParser

import pytest
import yaml
from markdown_it import MarkdownIt

from curate.report.format import address, code, visible
from tests.unit.report.conftest import render

PAYLOADS = (
    "<script>alert(1)</script>", "</title><script>alert(1)</script>",
    "</style><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>", "<svg onload=alert(1)>", "<svg><script>alert(1)</script></svg>",
    '"><script>alert(1)</script>', "'><img src=x onerror=alert(1)>", '" onmouseover="alert(1)',
    "' onfocus='alert(1)' x='",
    "javascript:alert(1)", "JaVaScRiPt:alert(1)", "data:text/html,<script>alert(1)</script>",
    "vbscript:msgbox(1)",
    "<a href='javascript:alert(1)'>x</a>", "<iframe src=//evil.example></iframe>",
    "<object data=//evil.example>",
    "<embed src=//evil.example>", "<link rel=stylesheet href=//evil.example/x.css>",
    "<base href=//evil.example/>",
    "<meta http-equiv=refresh content='0;url=//evil.example'>",
    "<form action=//evil.example><input name=x>",
    "<style>@import url(//evil.example)</style>", "<div style='background:url(//evil.example)'>",
    "<!-- --><b>x</b>",
    "-->x<script>alert(1)</script>", "<![CDATA[<script>alert(1)</script>]]>", "<?php echo 1 ?>",
    "{{ 7 * 7 }}",
    "{% include 'page.css' %}", "${7*7}", "&lt;script&gt;alert(1)&lt;/script&gt;",
    "&#60;script&#62;", "\\u003cscript\\u003e",
    "<details open ontoggle=alert(1)>", "<video><source onerror=alert(1)>",
    "<math><mi xlink:href='data:x'>",
    "</bdi><h1>big</h1>", "</table></div><h1>out</h1>", "<plaintext>", "<textarea>",
    "<noscript><p title='</noscript><b>'>",
    "[x](javascript:alert(1))", "![x](//evil.example/x.png)", "a|b|c", "``` x ```", "`|`",
    "# heading", "---", "https://evil.example/auto",
    "a\\|b", "\u202egnp.exe\u202c", "\x1b[31mred\x1b[0m",
    "\x1b]8;;https://evil.example\x07x\x1b]8;;\x07", "a\u2066b\u2069", "a\x00b",
    "a\u2028b\u0085c", "=HYPERLINK(1)", "x\n\n# y\n\n<b>", "- !!python/object:os.system",
    "\ufeffx", "😀&'\"<>",
)  # fmt: skip

TAGS = {
    "html", "head", "meta", "title", "style", "body", "header", "main", "nav", "footer", "section",
    "aside", "p", "h1", "h2",
    "h3", "div", "span", "strong", "small", "b", "bdi", "ul", "li", "svg", "rect", "table",
    "thead", "tbody", "tfoot",
    "tr", "th", "td", "details", "summary", "figure", "figcaption", "blockquote", "code", "br",
    "dl", "dt", "dd", "a", "ins", "del", "path", "text", "tspan", "label", "input",
}  # fmt: skip
ATTRIBUTES = {
    "lang", "charset", "http-equiv", "content", "name", "class", "aria-label", "aria-hidden",
    "role", "viewbox",
    "preserveaspectratio", "width", "height", "x", "rx", "id", "open", "dir", "href", "d", "y",
    "dy", "text-anchor", "scope", "tabindex",
}  # fmt: skip
FIELDS = (
    "recipe", "describes", "web", "wiki", "file", "skip", "damage", "kaz", "rule", "group",
    "phase", "unit", "id", "url",
    "text", "twin", "tally", "package", "version", "model", "license", "engine", "host", "label",
    "segment", "input", "set", "compare", "curate", "template",
    "tokenizer", "tokenizer_digest", "uneven", "profile", "signal",
)  # fmt: skip


class Page(HTMLParser):
    def __init__(self, page):
        super().__init__(convert_charrefs=True)
        self.tags, self.links, self.style, self.words, self._in = [], [], "", "", ""
        self.sections = []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        assert tag in TAGS, tag
        for name, value in attributes:
            # The one control is the choice of a unit, which styles alone read.
            control = tag == "input" and (name, value) in {("type", "radio"), ("checked", None)}
            assert name in ATTRIBUTES or control, (tag, name)
            if name == "href":
                self.links.append(value)
            if name == "id":
                assert re.fullmatch("[a-z]+[0-9]*", value), value
                self.sections.append(f"#{value}")
        self.tags.append(tag)
        self._in = tag

    def handle_data(self, data):
        if self._in == "style":
            self.style += data
            self._in = ""
        self.words += data

    def handle_comment(self, data):
        raise AssertionError(data)

    def handle_pi(self, data):
        raise AssertionError(data)

    unknown_decl = handle_pi


def pages(manifest, timings, word):
    """Render with the word in every field at once."""
    words = dict.fromkeys(FIELDS, word)
    # Two sources, and languages with a script, so that the structure of the report is unchanged.
    words |= {
        "web": f"a{word}",
        "wiki": f"b{word}",
        "kaz": f"kaz{word}",
        "phase": word.replace("/", "") or "x",
    }
    return render(manifest(**words), [*timings(**words), *uneven(word)])


def uneven(word):
    """Return timings of a part whose slowest task the report mentions by name."""
    part = {"segment": "02-segment", "label": word}
    return [part | {"task": n, "seconds": 9.0 if n else 0.1, "host": "a"} for n in (0, 1, 0)]


@pytest.mark.parametrize("payload", PAYLOADS)
def test_no_word_becomes_markup(manifest, timings, payload):
    rendered = pages(manifest, timings, payload)
    page = Page(rendered["report.html"].decode())
    assert set(page.links) <= set(page.sections)
    assert "#time" in page.links
    assert "url(" not in page.style
    assert "@import" not in page.style
    assert page.style == Page(pages(manifest, timings, "x")["report.html"].decode()).style
    assert " ".join(visible(payload).split()) in " ".join(page.words.split())
    for name in ("report.md", "README.md"):
        body = rendered[name].decode()
        if name == "README.md":
            _, front, body = body.split("---\n", 2)
            assert set(yaml.safe_load(front)) <= {
                "pretty_name", "language", "license", "task_categories", "size_categories", "tags",
                "configs",
            }  # fmt: skip
        tokens = MarkdownIt("commonmark").enable("table").parse(body)
        flat = [*tokens, *(child for token in tokens for child in token.children or ())]
        assert not {t.type for t in flat} & {"html_block", "html_inline", "link_open", "image"}
        assert "http" not in "".join(t.content for t in flat if t.type == "text")
        # a bar did not open a cell: the padded last row is as wide as its header
        for number in {t.map[0] for t in tokens if t.type == "tr_open"}:
            lines = body.splitlines()
            assert re.fullmatch(r"\|( [^|]* \|)+", lines[number])
    for name in ("report.html", "report.md", "README.md"):
        acting = [
            c for c in rendered[name].decode()
            if unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp") and c not in "\n\t\u200c\u200d"
        ]  # fmt: skip
        assert not acting


@pytest.mark.parametrize("field", FIELDS)
def test_every_field_is_shown_escaped_or_not_at_all(manifest, timings, field):
    payload = (
        "<script src=//evil.example>alert(1)</script>" if field != "phase" else "<script>alert(1)"
    )
    other = {field: payload}
    rendered = render(manifest(**other), [*timings(**other), *uneven(other.get("uneven", "x"))])
    Page(rendered["report.html"].decode())
    assert b"<script" not in rendered["report.html"]
    for name in ("report.md", "README.md"):
        body = rendered[name].decode().rpartition("---\n")[2]
        tokens = MarkdownIt("commonmark").enable("table").parse(body)
        flat = [*tokens, *(child for token in tokens for child in token.children or ())]
        assert not {t.type for t in flat} & {"html_block", "html_inline", "link_open", "image"}


def test_the_page_forbids_itself_everything_but_its_own_style(manifest, timings):
    page = render(manifest(), timings())["report.html"].decode()
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page).group(1)
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert "//" not in page.replace("https://e.example/page", "")


def test_samples_are_cut(manifest):
    long = manifest(text="ә" * 5000)
    page = render(long, [])["report.html"].decode()
    assert "ә" * 400 + " …" in page
    assert "ә" * 401 not in page


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://user:secret@e.example/p?key=secret#secret", "https://e.example/p"),
        ("javascript:alert(1)", "alert(1)"),
        ("//e.example:80/x", "//e.example:80/x"),
        ("", ""),
        ("http://[::1", ""),
    ],
)
def test_addresses_lose_what_may_be_secret(url, shown):
    assert address(url) in (shown, shown.replace("//", "://", 1))
    assert "secret" not in address(url)


def test_half_an_emoji_cut_by_a_sample_is_replaced(manifest):
    fields = manifest()
    fields["samples"][0]["text"] = "half \ud83d"
    rendered = render(fields, [])
    assert "half \ufffd" in rendered["report.html"].decode()
    assert "half \ufffd" in rendered["report.md"].decode()
    assert "half ?" in rendered["report.json"].decode()


def test_joiners_that_shape_words_stay():
    assert visible("می\u200cخواهم") == "می\u200cخواهم"


@pytest.mark.parametrize("text", ["`", "``", "a`", "`a``b`", "|", "\\", " "])
def test_a_code_span_is_one_code_span(text):
    tokens = MarkdownIt("commonmark").parse(f"x {code(text)} y")
    spans = [t.content for t in tokens[1].children if t.type == "code_inline"]
    assert spans == ([text.replace("|", "¦")] if text.strip() else [])
