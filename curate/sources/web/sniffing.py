"""What a body is by its Content-Type, its first bytes and what the crawler identified.

Content-Type is read as browsers read it (WHATWG Fetch, "extract a MIME type"; WHATWG MIME Sniffing,
the beginnings of unknown types), and forgivingly where servers forget a semicolon. What a server
states is checked against the body: PDF files, pictures, JSON and feeds are served as text/html, and
HTML as text/plain.
"""

from __future__ import annotations

import json
import re
from typing import NamedTuple


class PageKind(NamedTuple):
    """How a body is read: ``html``, ``text`` or, for what is no page, empty; and what it is."""

    read_as: str
    what: str = ""


_HTML = frozenset(("text/html", "application/xhtml+xml", "application/vnd.wap.xhtml+xml"))
_XML = frozenset(("text/xml", "application/xml"))
_UNKNOWN = frozenset(
    (
        *("", "*/*", "unknown/unknown", "application/unknown", "application/octet-stream"),
        *("binary/octet-stream", "application/x-unknown", "application/x-unknown-content-type"),
    )
)
_FAMILIES = frozenset(
    ("application", "audio", "font", "image", "message", "model", "multipart", "text", "video")
)

#: Types that servers and programs invent for pages: text/htm, application/x-httpd-php.
_MAY_BE_PAGES = re.compile(
    r"text/|.*(?:htm|php|asp|jsp|cgi|perl|text|octet|unknown|download|directory)"
)

_MEDIA = re.compile(r"[\s\"']*([a-z0-9!#$&^_.+-]+/[a-z0-9!#$&^_.+*-]+|\*/\*)")
_CHARSET = re.compile(r"[;,\s]charset\s{0,8}=\s{0,8}[\"']?\s{0,8}([^\"';,\s]{1,64})")


def content_type(value: bytes) -> tuple[str, str]:
    """Return the media type and the charset of a Content-Type header, each empty if not stated.

    Several headers are joined with commas before; the last one that is a media type counts, and
    keeps the charset of an earlier one of the same type.

    >>> content_type(b'Text/HTML; Charset="windows-1251"'), content_type(b"text/html charset=utf-8")
    (('text/html', 'windows-1251'), ('text/html', 'utf-8'))
    >>> content_type(b"text/plain, text/html;charset=gbk, nonsense, text/html")
    ('text/html', 'gbk')
    """
    media = charset = ""
    for part in value[:4096].decode("ascii", "replace").lower().split(","):
        found = _MEDIA.match(part)
        if found is None and media:
            # "text/html, charset=utf-8" is a comma for a semicolon.
            stated = _CHARSET.match("," + part.lstrip())
            charset = charset or (stated[1] if stated else "")
        if found is None or (found[1] == "*/*" and media):
            continue
        stated = _CHARSET.search(part, found.end())
        if stated or found[1] != media:
            charset = stated[1] if stated else ""
        media = found[1]
    return media, charset


# The beginnings of HTML in the standard, and others that pages without a document type begin with.
_TAG = re.compile(
    rb"<(?:!doctype\s+html|html|head|script|iframe|h[1-6]|div|font|table|a|style|title|b|body|br|p"
    rb"|meta|link|base|main|article|section|header|nav|aside|footer|span|center|form|img|ul|ol|dl"
    rb"|pre|blockquote|noscript|frameset|[a-z]{1,8}:html)(?=[\s>/])",
    re.I,
)
_DOCUMENT = re.compile(rb"<(?:!doctype\s+html|(?:[a-z]{1,8}:)?html|head|body)(?=[\s>])", re.I)
_FEED = re.compile(rb"<(?:rss|feed|rdf:rdf|opml|atom:feed|channel)(?=[\s>])", re.I)
_BEFORE = re.compile(
    rb"[\s\0]+|\xef\xbb\xbf|<!--(?:[^-]|-(?!->))*+-->|<\?[^>]{0,1024}\?>|<!doctype(?!\s+html)[^>\[]{0,512}>",
    re.I,
)
#: A drawing that begins a page, such as a sheet of icons, is no picture.
_BEHIND_SVG = re.compile(
    rb"</svg>\s*<(?:div|p|h[1-6]|main|article|section|header|nav|html|body)\b", re.I
)
_LOOK = 1 << 14  # bytes in which the first element is looked for

_MAGIC = re.compile(
    rb"(?P<pdf>\s{0,64}%PDF-)|(?P<postscript>%!PS)|(?P<rtf>\{\\rtf)"
    rb"|(?P<image>\x89PNG\r\n\x1a\n|GIF8[79]a|\xff\xd8\xff|\0\0[\x01\x02]\0(?!\0)"
    rb"|BM....\0\0\0\0|RIFF....WEBPVP|II\*\0|MM\0\*|8BPS\0|....ftypavif|....ftyphei)"
    rb"|(?P<audio>FORM....AIFF|ID3[\0-\x1f]|OggS\0|MThd\0\0\0\x06|RIFF....WAVE|fLaC\0)"
    rb"|(?P<video>RIFF....AVI |\x1a\x45\xdf\xa3|[\0\x01]...ftyp|FLV\x01|\0\0\x01\xba)"
    rb"|(?P<font>wOF[F2]\0|\0\x01\0\0\0|OTTO\0|ttcf\0|.{8}[\0-\2]\0[\1\2]\0.{22}LP)"
    rb"|(?P<archive>\x1f\x8b\x08|PK\x03\x04|PK\x05\x06|Rar!\x1a\x07|7z\xbc\xaf\x27\x1c|BZh\d1AY&SY"
    rb"|\xfd7zXZ\0|\x28\xb5\x2f\xfd)"
    rb"|(?P<office>\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1)|(?P<program>MZ[\0-\xff]{0,2}\0|\x7fELF|\0asm)"
    rb"|(?P<flash>[FC]WS[\x03-\x20].{2}[\0-\x04]\0)",
    re.S,
)
_JSON = re.compile(rb"\{\s*\"(?:[^\"\\\n]|\\.){0,200}\"\s*:|\[\s*\{\s*\"[^\"\n]{0,200}\"\s*:")
#: What keeps a script of another site from reading JSON, and a call that lets it: JSONP.
_JSON_GUARD = re.compile(
    rb"(?:\)\]\}',?|while\(1\);|for\(;;\);|(?:/\*\*/\s?)?[A-Za-z_$][\w.$]{0,127}\((?=\s*[\[{]))\s*"
)
_JSON_WHOLE = 1 << 20  # a larger body is taken for JSON by its beginning alone


def sniff(body: bytes) -> str:
    """Return what a body begins as; empty where its beginning says nothing.

    ``html`` is the beginning of a document, ``tag`` another element of HTML or a comment; ``xml``
    is a declaration or a name that is not HTML's.

    >>> [sniff(text) for text in (b" <!-- x --><!DOCTYPE html>", b"%PDF-1.4", b"<p>a", b"A letter")]
    ['html', 'pdf', 'tag', '']
    """
    if found := _MAGIC.match(body.removeprefix(b"\xef\xbb\xbf")):
        return str(found.lastgroup)
    start = body[:_LOOK].removeprefix(b"\xef\xbb\xbf")
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        start = start[2:].replace(b"\0", b"")
    at = 0
    while skipped := _BEFORE.match(start, at):
        at = skipped.end()
    if _DOCUMENT.match(start, at):
        return "html"
    if _TAG.match(start, at):
        return "tag"
    if _FEED.match(start, at):
        return "feed"
    before = start[:at].lower()
    if start[at : at + 4].lower() == b"<svg":
        return "tag" if _BEHIND_SVG.search(body) else "image"
    if b"<?xml" in before:
        return "xml"
    if start[at:].startswith(b"<!--") or b"<!--" in before:
        return "tag"
    return "json" if _is_json(body) else ""


def _is_json(body: bytes) -> bool:
    text = body[:_JSON_WHOLE].strip(b"\xef\xbb\xbf \t\r\n")
    if guard := _JSON_GUARD.match(text):
        text = text[guard.end() :].rstrip(b"; )")
    if text[:1] not in (b"{", b"["):
        return False
    if _JSON.match(text):
        return True
    if len(body) > _JSON_WHOLE or text[-1:] not in (b"}", b"]"):
        return False
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


# What a crawler's identification says against a page whose beginning says nothing.
_IDENTIFIED = {
    "application/pdf": "pdf",
    "application/json": "json",
    "application/rss+xml": "feed",
    "application/atom+xml": "feed",
    "application/rdf+xml": "feed",
    "application/zip": "archive",
    "application/gzip": "archive",
    "application/rtf": "rtf",
    "application/msword": "office",
    "application/postscript": "postscript",
    **dict.fromkeys(
        ("application/javascript", "application/x-javascript", "text/javascript"), "script"
    ),
    "text/css": "style",
}


def page_kind(media: str, body: bytes, identified: str = "") -> PageKind:
    """Return how a body is read, from its stated type, its beginning and its identified type.

    Of a body without a known type only markup is read. What is stated as plain text and begins with
    an element may be source code or a page: it is neither.

    >>> page_kind("text/html", b"A letter."), page_kind("image/png", b"")
    (PageKind(read_as='html', what=''), PageKind(read_as='', what='image'))
    >>> page_kind("text/html", b"%PDF-1.7"), page_kind("text/plain", b"<!doctype html><p>A page.")
    (PageKind(read_as='', what='pdf'), PageKind(read_as='html', what=''))
    """
    family = media.partition("/")[0]
    stated = family if family in _FAMILIES else "other"
    if media not in _HTML and media not in _XML and media != "text/plain" and media not in _UNKNOWN:
        silent = stated == "other" or _MAY_BE_PAGES.match(media)
        if not silent and identified not in _HTML:
            return PageKind("", stated)
        # A type that says little (text/x-php), or that the crawler contradicts: the body decides.
        return PageKind("html") if sniff(body) == "html" else PageKind("", stated)
    shown = sniff(body)
    if shown == "html":
        return PageKind("html")
    if media in _HTML:
        # Any other element may begin a page; XML names that are not HTML's do not.
        if shown in ("", "tag"):
            other = _IDENTIFIED.get(identified, "") if not shown else ""
            if not shown and identified.startswith(("image/", "audio/", "video/", "font/")):
                other = identified.partition("/")[0]
            return PageKind("", other) if other else PageKind("html")
        return PageKind("", shown)
    if media == "text/plain":
        if not shown:
            if (code := _IDENTIFIED.get(identified)) in ("script", "style"):
                return PageKind("", code)
            return PageKind("html" if identified in _HTML and b"</" in body else "text")
        is_page = shown == "tag" and identified in _HTML
        return PageKind("html") if is_page else PageKind("", "markup" if shown == "tag" else shown)
    if media in _XML:
        return PageKind("", shown if shown not in ("", "tag") else stated)
    return PageKind("html") if shown == "tag" else PageKind("", shown or stated)
