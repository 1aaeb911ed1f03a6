"""What a body is: by its Content-Type as browsers read it, by its beginning, by the crawler."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.sources.base import Document, InputFile, Piece, Skip
from curate.sources.web.sniffing import content_type, page_kind, sniff
from curate.sources.web.warc import Warc
from tests.examples import examples
from tests.unit.sources.web.archives import record, response

FIRST = "The boats came home before dawn, and nobody in the village had slept."
SECOND = "At noon the wind turned, and the children carried the nets up the hill."
PAGE = f"<html><body><main><p>{FIRST}</p><p>{SECOND}</p></main></body></html>".encode()
TEXT = f"{FIRST}\n\n{SECOND}"


def outcome(tmp_path: Path, data: bytes) -> str:
    """Return the text of an archive's one document, or the reason why there is none."""
    path = tmp_path / "a.warc"
    path.write_bytes(data)
    (found,) = Warc().read(InputFile(str(path), path.name, len(data)), Piece(0, len(data)))
    if isinstance(found, Document):
        return found.text
    assert isinstance(found, Skip)
    return found.reason


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("text/html charset=utf-8", ("text/html", "utf-8")),
        ("text/html, text/html; charset=gbk", ("text/html", "gbk")),
        ("text/html; charset=gbk, text/html", ("text/html", "gbk")),
        ("text/html;charset=gbk, text/plain", ("text/plain", "")),
        ("text/plain, text/html", ("text/html", "")),
        ("text/html, */*", ("text/html", "")),
        ("text/html, nonsense", ("text/html", "")),
        ("text/html, charset=koi8-r", ("text/html", "koi8-r")),
        ("text/html;;; charset = 'koi8-r' ;", ("text/html", "koi8-r")),
        ("text/html; charset=", ("text/html", "")),
        ("text/html;charset=utf-8;boundary=x", ("text/html", "utf-8")),
        ("text/html; mycharset=x; charset=y", ("text/html", "y")),
        ('"text/html"', ("text/html", "")),
        ("text/html\tcharset=utf-8", ("text/html", "utf-8")),
        ("html", ("", "")),
        ("text", ("", "")),
        ("; charset=utf-8", ("", "")),
        ("/html", ("", "")),
    ],
)
def test_content_types(value: str, expected: tuple[str, str]) -> None:
    assert content_type(value.encode()) == expected


@pytest.mark.parametrize(
    "head",
    [
        ("Content-Type: text/html charset=utf-8",),
        ("Content-Type: text/html, text/html; charset=UTF-8",),
        ("Content-Type: text/plain", "Content-Type: text/html"),
        ("Content-Type: html",),
        ("Content-Type:",),
        ("Content-Type: */*",),
        ("Content-Type: application/octet-stream",),
        ("Content-Type: unknown/unknown",),
        ("Content-Type: text/xml",),
        ("Content-Type: text/plain",),
        ("Content-Type: text/html;",),
        ("Content-Type:\r\n text/html;\r\n\tcharset=utf-8",),
        ("X: y",),
    ],
)
def test_pages_under_other_types(tmp_path: Path, head: tuple[str, ...]) -> None:
    assert outcome(tmp_path, response("http://x.example/", PAGE, *head)) == TEXT


@pytest.mark.parametrize(
    "start",
    [
        *("<!-- a --> ", "<!doctype html>", "<?xml version='1.0'?>\n<!-- b -->", "\ufeff"),
        *("<script>", "<style>", "<h1>", "<font>", "<table>", "<a>", "<b>", "<br>", "<iframe>"),
        *("<a href=x>", "<BODY bgcolor=white>", "<!--[if IE]><p><![endif]-->", "<!DOCTYPE note>"),
        "\n\t <P>",
        *("\ufeff\ufeff", "\r\n\ufeff", "\0\0", "<svg><symbol id=a></symbol></svg> "),
    ],
)
def test_beginnings_of_untyped_pages(start: str) -> None:
    assert page_kind("", start.encode() + PAGE).read_as == "html"


@pytest.mark.parametrize(
    ("body", "what"),
    [
        (b"%PDF-1.4\n1 0 obj", "pdf"),
        (b"\n%PDF-1.4", "pdf"),
        (b"\xef\xbb\xbf%PDF-1.4", "pdf"),
        (b"%!PS-Adobe-3.0", "postscript"),
        (b"{\\rtf1 text}", "rtf"),
        (b"\x89PNG\r\n\x1a\n", "image"),
        (b"GIF89a...", "image"),
        (b"\xff\xd8\xff\xe0..JFIF", "image"),
        (b"RIFF....WEBPVP8 ", "image"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'>", "image"),
        (b"ID3\x03\0", "audio"),
        (b"OggS\0", "audio"),
        (b"\0\0\0\x20ftypisom", "video"),
        (b"\x1a\x45\xdf\xa3", "video"),
        (b"wOF2\0\x01", "font"),
        (b"\xa0\x4d\0\0\xd6\x4c\0\0\x02\0\x02\0" + bytes(22) + b"LP", "font"),
        (b"PK\x03\x04....", "archive"),
        (b"Rar!\x1a\x07\0", "archive"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "office"),
        (b'{"title": "A page", "n": 1}', "json"),
        (b'[{"title": 1}', "json"),
        (b"[1, 2, 3]", "json"),
        (b"back.call([1, 2]);\n", "json"),
        (b'/**/cb_1({"title": "A page"})', "json"),
        (b')]}\',\n[["a", 1]]', "json"),
        (b'for(;;);{"a": {"b": 1}}', "json"),
        (b"<?xml version='1.0'?><rss version='2.0'>", "feed"),
        (b"<rss version='2.0'>", "feed"),
        (b"<feed xmlns='http://www.w3.org/2005/Atom'>", "feed"),
        (b"<?xml version='1.0'?>\n<!-- x --><rdf:RDF >", "feed"),
        (b"<?xml version='1.0'?><urlset >", "xml"),
    ],
)
@pytest.mark.parametrize("media", ["text/html", "text/plain", "text/xml", ""])
def test_other_bodies_are_skipped_by_name(media: str, body: bytes, what: str) -> None:
    assert page_kind(media, body) == ("", what)


@pytest.mark.parametrize(
    "text",
    [
        *("[1] A note of a reader.", "{Editor: a letter}", "BMW builds cars.", "OTTO wrote."),
        *("GIF is a format.", "PK is a key.", "MZ", "RIFF is a form.", "5 < 6", "%PDF is a sign."),
        *("f(x) is a sum.", "call(me)", "a" * 34 + "LP", "<title>" + "a" * 27 + "LP"),
        *("[Music]", "<3 for all", "Rar! he said", "<!", "<!--", "-->", "<?php", "ID3 tags"),
    ],
)
def test_prose_that_begins_oddly_is_text(text: str) -> None:
    assert page_kind("text/html", f"{text} {FIRST}".encode()).read_as == "html"


def test_a_title_at_the_place_of_a_fonts_mark_is_a_page() -> None:
    page = b"<!DOCTYPE html><html><head><title>LP of the year</title></head>" + PAGE
    assert page_kind("text/html", page) == ("html", "")


def test_plain_text_that_begins_with_elements_is_neither() -> None:
    assert page_kind("text/plain", b"<p align=center>A logo</p>\n# Title") == ("", "markup")
    assert page_kind("text/plain", b"<p>A page.</p>", "text/html") == ("html", "")
    assert page_kind("text/plain", b"Before <p>a page.</p>", "text/html") == ("html", "")
    assert page_kind("text/plain", b"A letter.", "text/plain") == ("text", "")


def test_what_the_crawler_identified() -> None:
    assert page_kind("text/html", b"\x01\x02", "application/pdf") == ("", "pdf")
    assert page_kind("text/html", b"A fragment", "image/png") == ("", "image")
    assert page_kind("text/html", PAGE, "application/pdf") == ("html", "")
    for media in ("text/html", "text/plain"):
        assert page_kind(media, b"var a = 1;", "application/javascript") == ("", "script")
        assert page_kind(media, b"a { margin: 0 }", "text/css") == ("", "style")
        assert page_kind(media, PAGE, "text/javascript") == ("html", "")
    assert page_kind("text/html", b"A fragment", "text/plain") == ("html", "")
    assert page_kind("application/json", PAGE, "text/html") == ("html", "")
    assert page_kind("application/json", PAGE) == ("", "application")


def test_types_that_say_little_are_decided_by_the_body() -> None:
    for media in (
        *("text/htm", "text/x-php", "application/html", "application/x-httpd-php"),
        *("application/x-aspx", "application/jsp", "application/octetstream", "application/text"),
    ):
        assert page_kind(media, b"<!DOCTYPE html>" + PAGE) == ("html", "")
        assert page_kind(media, b"a { color: red }") == ("", media.partition("/")[0])
    for media in ("none/none", "www/unknown", "content/unknown"):
        assert page_kind(media, b"<!DOCTYPE html>" + PAGE) == ("html", "")
        assert page_kind(media, b"a { color: red }") == ("", "other")


def test_bodies_that_contradict_the_crawler() -> None:
    assert page_kind("image/png", b"\x89PNG", "text/html") == ("", "image")


def test_a_page_in_utf_16() -> None:
    assert sniff("\ufeff<!DOCTYPE html><p>".encode("utf-16-le")) == "html"


def test_deep_json_is_no_error() -> None:
    assert sniff(b"[" * 100_000 + b"]" * 100_000) in ("", "json")


@given(body=st.binary(max_size=200), media=st.sampled_from(["", "text/html", "text/plain", "a/b"]))
@examples(200)
def test_any_body_has_a_kind(body: bytes, media: str) -> None:
    kind = page_kind(media, body)
    assert kind.read_as in ("html", "text", "")
    assert bool(kind.read_as) != bool(kind.what)


@given(value=st.binary(max_size=100))
@examples(200)
def test_any_content_type_is_read(value: bytes) -> None:
    media, _ = content_type(value)
    assert media == "" or "/" in media


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        (record("resource", PAGE, url="http://x.example/", Content_Type="text/html"), TEXT),
        (record("resource", PAGE, url="file:///a.html", Content_Type="text/html"), TEXT),
        (record("resource", PAGE, url="file:/a.html", Content_Type="text/html"), TEXT),
        (
            record(
                "resource",
                gzip.compress(PAGE, mtime=0),
                url="http://x.example/",
                Content_Type="text/html",
            ),
            TEXT,
        ),
        (
            record(
                "resource",
                b"%x\r\n%s\r\n0\r\n\r\n" % (len(PAGE), PAGE),
                url="http://x.example/",
                Content_Type="text/html",
            ),
            TEXT,
        ),
        (record("resource", PAGE, url="http://x.example/"), TEXT),
        (
            record("resource", b"%PDF-1.4", url="http://x.example/", Content_Type="text/html"),
            "not_html:pdf",
        ),
        (
            record("resource", b"\x89PNG", url="http://x.example/", Content_Type="image/png"),
            "not_html:image",
        ),
        (
            record(
                "resource",
                b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n" + PAGE,
                url="http://x.example/",
                Content_Type="application/http",
            ),
            TEXT,
        ),
        (record("resource", TEXT.encode(), url="urn:text:http://x.example/"), "resource"),
        (record("resource", b"{}", url="urn:pageinfo:http://x.example/"), "resource"),
        (record("resource", PAGE, Content_Type="text/html"), "resource"),
        (record("continuation", PAGE, url="http://x.example/"), "continuation"),
        (response("http://x.example/", PAGE, WARC_Segment_Number="1"), "segmented"),
        (
            record("resource", PAGE, url="http://x.example/", WARC_Segment_Number="1"),
            "segmented",
        ),
    ],
)
def test_records_that_are_no_response(tmp_path: Path, stored: bytes, expected: str) -> None:
    assert outcome(tmp_path, stored) == expected


def test_a_resource_has_no_status(tmp_path: Path) -> None:
    data = record("resource", PAGE, url="http://x.example/", Content_Type="text/html;charset=utf-8")
    path = tmp_path / "a.warc"
    path.write_bytes(data)
    (found,) = Warc().read(InputFile(str(path), path.name, len(data)), Piece(0, len(data)))
    assert isinstance(found, Document)
    assert found.url == "http://x.example/"
    meta = json.loads(str(found.meta))
    assert "status" not in meta
    assert (meta["content_type"], meta["charset_declared"]) == ("text/html", "utf-8")
