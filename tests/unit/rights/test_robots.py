"""Directives of headers and of pages, for all robots alone; hostile pages cost little."""

import pytest

from curate.rights.robots import SEARCHED, directives


@pytest.mark.parametrize(
    ("value", "stated"),
    [
        (b"noai, noimageai", {"noai", "noimageai"}),
        (b"NoIndex,nofollow", {"noindex"}),
        (b"none", {"noindex"}),
        (b"*: noai", {"noai"}),
        (b"googlebot: noindex, otherbot: noai", set()),
        (b"unavailable_after: 25 Jun 2030 15:00:00 PST", set()),
        (b"index, follow, max-snippet:-1", set()),
        (b"", set()),
    ],
)
def test_header_and_meta_say_the_same(value, stated):
    assert directives({b"x-robots-tag": value}, b"", is_html=False) == stated
    page = b"<html><head><META NAME='Robots' content=\"" + value + b'"></head>'
    assert directives({}, page, is_html=True) == stated
    assert directives({}, page, is_html=False) == set()


def test_reservations():
    assert directives({b"tdm-reservation": b"1"}, b"", is_html=False) == {"tdm"}
    assert directives({b"tdm-reservation": b"0"}, b"", is_html=False) == set()
    page = b'<meta content="1" name="tdm-reservation"/>'
    assert directives({}, page, is_html=True) == {"tdm"}


@pytest.mark.parametrize(
    "body",
    [
        b'<!-- <meta name="robots" content="noai"> -->',
        b'<script>s = \'<meta name="robots" content="noai">\'</script>',
        b'<!-- <meta name="robots" content="noai">',
        b'<meta name="googlebot" content="noai">',
        b'<meta property="og:title" content="noai">',
        b" " * SEARCHED + b'<meta name="robots" content="noai">',
    ],
)
def test_what_is_no_word_of_the_page_to_all(body):
    assert directives({}, body, is_html=True) == set()


@pytest.mark.parametrize("piece", [b"<meta ", b"<!--", b'<meta a="', b"<script", b"<meta name="])
def test_endless_beginnings_end(piece):
    assert directives({}, piece * SEARCHED, is_html=True) == set()
