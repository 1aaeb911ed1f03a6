"""HTTP responses as servers and crawlers really store them."""

from __future__ import annotations

import gzip
import random
import zlib

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from curate.sources.web.http_message import (
    HttpDamage,
    HttpResponse,
    dechunk,
    parse_response,
    undo_coding,
)
from tests.examples import examples

BODY = "<html><body>Қазақ тілі, ".encode() * 40 + b"</body></html>"
LIMIT = 1 << 20


def parsed(*head: str, body: bytes = BODY, limit: int = LIMIT) -> HttpResponse | HttpDamage:
    return parse_response("\r\n".join(("HTTP/1.1 200 OK", *head, "", "")).encode() + body, limit)


def chunked(body: bytes, size: int = 100) -> bytes:
    parts = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x;name=value\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


def deflate(body: bytes, wbits: int) -> bytes:
    packer = zlib.compressobj(6, zlib.DEFLATED, wbits)
    return packer.compress(body) + packer.flush()


class TestHead:
    def test_status_headers_body(self) -> None:
        found = parsed("Content-Type: text/html", "CONTENT-type: second", "X-A: b", body=b"<p>")
        assert found == HttpResponse(
            200, {b"content-type": b"text/html, second", b"x-a": b"b"}, b"<p>"
        )

    @pytest.mark.parametrize(
        ("block", "status", "body"),
        [
            (b"HTTP/1.0 404\r\n\r\nx", 404, b"x"),
            (b"HTTP/1.1 200 OK\nA: b\n\nx\r\n\r\ny", 200, b"x\r\n\r\ny"),
            (b"HTTP/1.1 200 OK\r\n\r\n\n\nx", 200, b"\n\nx"),
            (b"HTTP/2 200\r\n\r\n", 200, b""),
            (b"HTTP/1.1 200 OK\r\nA: b", 200, b""),
            (b"HTTP/1.1\r\n\r\n", 0, b""),
            (b"HTTP/1.1 99999 what\r\n\r\n", 0, b""),
            (b"http/1.1 200 ok\r\n\r\nx", 200, b"x"),
            (b"HTTP/2.0 200\r\nA: b\r\n\r\nx", 200, b"x"),
            (b"HTTP/3 200 \r\n\r\nx", 200, b"x"),
            (b"HTTP 200 OK\r\n\r\nx", 200, b"x"),
            (b"ICY 200 OK\r\nicy-name: a\r\n\r\nx", 200, b"x"),
            (b"\r\nHTTP/1.1 200 OK\r\n\r\nx", 200, b"x"),
            (b"HTTP/1.1  200\tOK\r\n\r\nx", 200, b"x"),
            (b"HTTP/1.1 200 OK\r\nA: b\n\r\nx", 200, b"x"),
            (b"HTTP/1.1 200 OK\r\nA: b\r\n<html>\r\n\r\nx", 200, b"<html>\r\n\r\nx"),
            (b"HTTP/1.1 200 OK\r\nno colon\r\nA:\r\n\tb\r\n\r\nx", 200, b"x"),
        ],
    )
    def test_odd_heads(self, block: bytes, status: int, body: bytes) -> None:
        found = parse_response(block, LIMIT)
        assert isinstance(found, HttpResponse)
        assert (found.status, found.body) == (status, body)

    @pytest.mark.parametrize("block", [b"", b"220 smtp", b"HTTP/1.1 " + b"x" * 300_000])
    def test_what_is_no_response(self, block: bytes) -> None:
        found = parse_response(block, LIMIT)
        assert isinstance(found, HttpDamage)
        assert found.reason == "http_head"


class TestInterim:
    FINAL = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<p>hi"

    @pytest.mark.parametrize(
        "before",
        [
            b"HTTP/1.1 100 Continue\r\n\r\n",
            b"HTTP/1.1 100 Continue\n\n",
            b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n",
            b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n",
            b"HTTP/1.1 100 Continue\r\n\r\n\r\n",
            b"HTTP/1.0 200 Connection established\r\nVia: a\r\n\r\n",
            b"HTTP/1.1 200 Tunnel established\r\nVia: a\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nProxy-Agent: a\r\n\r\n",
            b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n",
        ],
    )
    def test_they_are_passed_over(self, before: bytes) -> None:
        found = parse_response(before + self.FINAL, LIMIT)
        assert found == HttpResponse(200, {b"content-type": b"text/html"}, b"<p>hi")

    def test_what_is_none(self) -> None:
        alone = parse_response(b"HTTP/1.1 100 Continue\r\n\r\n", LIMIT)
        assert isinstance(alone, HttpResponse)
        assert alone.status == 100
        page = parse_response(b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 404 is an answer", LIMIT)
        assert isinstance(page, HttpResponse)
        assert (page.status, page.body) == (200, b"HTTP/1.1 404 is an answer")
        dump = b"Content-Type: text/plain\r\n\r\n" + self.FINAL
        page = parse_response(b"HTTP/1.1 200 OK\r\n" + dump, LIMIT)
        assert isinstance(page, HttpResponse)
        assert page.body == self.FINAL
        moved = parse_response(b"HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n" + self.FINAL, LIMIT)
        assert isinstance(moved, HttpResponse)
        assert moved.status == 302
        many = parse_response(b"HTTP/1.1 100 a\r\n\r\n" * 50_000 + self.FINAL, LIMIT)
        assert isinstance(many, HttpResponse)
        assert many.status == 100


class TestUnstatedChunks:
    PAGE = b"<p>The ferry left the old harbour in the night.</p>"

    @pytest.mark.parametrize("size", [7, 1000])
    @pytest.mark.parametrize(
        ("coded", "head"),
        [
            (lambda page, size: chunked(page, size), ""),
            (lambda page, size: b"\r\n" + chunked(page, size), "Transfer-Encoding: chunked"),
            (lambda page, size: chunked(gzip.compress(page), size), "Content-Encoding: gzip"),
            (lambda page, size: chunked(gzip.compress(page), size), ""),
            (
                lambda page, size: gzip.compress(chunked(page, size)),
                "Transfer-Encoding: chunked, gzip",
            ),
        ],
    )
    def test_whole_chunks_are_undone(self, coded, head: str, size: int) -> None:
        block = b"HTTP/1.1 200 OK\r\n%s\r\n\r\n" % (head or "X: y").encode()
        found = parse_response(block + coded(self.PAGE, size), LIMIT)
        assert isinstance(found, HttpResponse)
        assert (found.body, found.cut) == (self.PAGE, False)

    @pytest.mark.parametrize(
        "body",
        [
            b"1984\r\nThe ferry left.\r\n0\r\n\r\n",
            b"3\r\nabc\r\n0\r\n\r\nand so on",
            b"3\r\nabc\r\n2\r\nde\r\n",
            b"3\r\nabcd\r\n0\r\n\r\n",
            b"0\r\n\r\n",
            b"3\nabc\n0\n\n",
        ],
    )
    def test_other_bodies_stay(self, body: bytes) -> None:
        found = parse_response(b"HTTP/1.1 200 OK\r\nX: y\r\n\r\n" + body, LIMIT)
        assert isinstance(found, HttpResponse)
        assert found.body == body


class TestChunks:
    @pytest.mark.parametrize(
        "body",
        [
            b"1984\nThe ferry left the old harbour.\nIt came back.",
            b"1984\r\nThe ferry left the old harbour.\r\n",
            b"12\r\nThe ferry left the old harbour.",
            b"Add\nto the list what is missing from it, please",
            b"0\r\nis where the count begins",
            b"5\nlines\nof a poem",
            b"3\nabc\n2\nde\nand so on",
        ],
    )
    def test_a_first_line_that_looks_like_a_size(self, body: bytes) -> None:
        assert dechunk(body) == (body, False)

    @pytest.mark.parametrize(
        "line", [b"A", b"a", b"0a", b"000A", b"a ", b" a", b"a;x=y", b'a ; x="y"', b"a\t"]
    )
    def test_forms_of_sizes(self, line: bytes) -> None:
        whole = line + b"\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n"
        assert dechunk(whole) == (b"0123456789", False)

    def test_a_first_chunk_that_breaks_off(self) -> None:
        assert dechunk(b"2000\r\n<html><p>text") == (b"<html><p>text", True)
        assert dechunk(b"2000\r\n\x1f\x8b\x08\0\0") == (b"\x1f\x8b\x08\0\0", True)

    @given(body=st.binary(max_size=500), size=st.integers(1, 200))
    def test_round_trip(self, body: bytes, size: int) -> None:
        assert dechunk(chunked(body, size)) == (body, False)

    def test_wrong_and_broken_chunks(self) -> None:
        assert dechunk(BODY) == (BODY, False)
        whole = chunked(BODY)
        assert dechunk(whole[:-5]) == (BODY, True)
        assert dechunk(whole[:300])[1] is True
        assert BODY.startswith(dechunk(whole[:300])[0])
        assert dechunk(b"5\r\nabcde\r\nzz\r\nrest") == (b"abcde", True)
        assert dechunk(b"ffffffffffffffffffff\r\nabc") == (b"ffffffffffffffffffff\r\nabc", False)

    def test_in_a_response(self) -> None:
        found = parsed("Transfer-Encoding: chunked", body=chunked(BODY))
        assert isinstance(found, HttpResponse)
        assert (found.body, found.cut) == (BODY, False)


class TestCodings:
    @pytest.mark.parametrize(
        ("name", "packed"),
        [
            ("gzip", gzip.compress(BODY)),
            ("x-gzip", gzip.compress(BODY[:99]) + gzip.compress(BODY[99:])),
            ("deflate", zlib.compress(BODY)),
            ("deflate", deflate(BODY, -15)),
            ("gzip", BODY),
            ("deflate", BODY),
            ("br", BODY),
            ("zstd", BODY),
            ("klingon", BODY),
        ],
    )
    def test_codings_and_wrong_statements_of_them(self, name: str, packed: bytes) -> None:
        assert undo_coding(name, packed, LIMIT) == (BODY, False)

    def test_brotli_and_zstd(self) -> None:
        import brotli
        import zstandard

        assert undo_coding("br", brotli.compress(BODY), LIMIT) == (BODY, False)
        assert undo_coding("zstd", zstandard.compress(BODY), LIMIT) == (BODY, False)

    def test_several_codings_and_chunks(self) -> None:
        found = parsed(
            "Transfer-Encoding: Chunked",
            "Content-Encoding: deflate, GZIP",
            body=chunked(gzip.compress(zlib.compress(BODY))),
        )
        assert isinstance(found, HttpResponse)
        assert found.body == BODY

    @pytest.mark.parametrize(
        ("head", "body"),
        [
            ((), gzip.compress(BODY)),
            (("Content-Type: text/html",), gzip.compress(BODY)),
            (("Content-Type: text/html",), gzip.compress(gzip.compress(BODY))),
            (("Content-Type: application/xhtml+xml",), zlib.compress(BODY)),
            (("Content-Type: text/html",), zstandard.compress(BODY)),
            (("Content-Encoding: gzip",), gzip.compress(gzip.compress(BODY))),
            (("Content-Encoding: identity",), gzip.compress(BODY)),
            (("Content-Encoding: br",), gzip.compress(BODY)),
            (("Content-Encoding: deflate",), gzip.compress(BODY)),
            (("Content-Encoding: gzip",), zstandard.compress(BODY)),
            (("Content-Encoding: klingon",), gzip.compress(BODY)),
            (("Content-Encoding: gzip;q=1.0",), gzip.compress(BODY)),
            (("Content-Encoding: gzip", "Content-Encoding: deflate"), zlib.compress(BODY)),
            (("Transfer-Encoding: gzip",), gzip.compress(BODY)),
            (("Transfer-Encoding: gzip, chunked",), chunked(gzip.compress(BODY))),
            (
                ("Transfer-Encoding: gzip", "Transfer-Encoding: chunked"),
                chunked(gzip.compress(BODY)),
            ),
            (("Transfer-Encoding: gzip, chunked", "Content-Encoding: gzip"), gzip.compress(BODY)),
            (("Content-Encoding: chunked",), chunked(BODY)),
            (("Transfer-Encoding: gzip, chunked", "Content-Encoding: gzip"), BODY),
        ],
    )
    def test_the_body_decides(self, head: tuple[str, ...], body: bytes) -> None:
        found = parsed(*head, body=body)
        assert isinstance(found, HttpResponse)
        assert (found.body, found.cut) == (BODY, False)

    def test_downloads_stay_packed(self) -> None:
        packed = gzip.compress(BODY)
        for media in ("application/gzip", "application/octet-stream", "image/svg"):
            found = parsed(f"Content-Type: {media}", body=packed)
            assert isinstance(found, HttpResponse)
            assert found.body == packed

    def test_text_is_not_taken_for_deflate(self) -> None:
        for text in (b"x^2 + y", b"x\x01 is", b"x\xda", b"x\x9c" + BODY):
            found = parsed("Content-Type: text/plain", body=text)
            assert isinstance(found, HttpResponse)
            assert found.body == text

    def test_a_coding_without_a_header_that_breaks_off(self) -> None:
        packed = gzip.compress(random.Random(1).randbytes(3000).hex().encode())
        found = parsed("Content-Type: text/html", body=packed[: len(packed) // 2])
        assert isinstance(found, HttpResponse)
        assert found.cut
        assert len(found.body) > 1000

    def test_what_breaks_off_is_kept_and_marked(self) -> None:
        packed = gzip.compress(bytes(range(256)) * 40 + BODY)
        kept, cut = undo_coding("gzip", packed[: len(packed) // 2], LIMIT)
        assert cut
        assert len(kept) > 100
        flipped = bytearray(gzip.compress(BODY))
        flipped[-6] ^= 1  # the checksum
        assert undo_coding("gzip", bytes(flipped), LIMIT) == (BODY, True)

    def test_what_cannot_be_undone_is_damage(self) -> None:
        for name, body in (
            ("gzip", b"\x1f\x8b\x08\x00"),
            ("br", b"\x00\x01\x02" * 9),
            ("zstd", b"\x28\xb5\x2f\xfd\xff\xff\xff"),
            ("klingon", b"\x00\x01\x02"),
        ):
            found = undo_coding(name, body, LIMIT)
            assert isinstance(found, HttpDamage), name
            assert found.reason == "content_encoding"
        found = parsed("Content-Encoding: " + "gzip," * 9)
        assert isinstance(found, HttpDamage)

    @pytest.mark.parametrize("name", ["gzip", "deflate", "br", "zstd"])
    def test_bombs_stop_at_the_cap_in_every_coding(self, name: str) -> None:
        import brotli
        import zstandard

        zeros = bytes(64 << 20)
        packed = {
            "gzip": lambda: gzip.compress(zeros),
            "deflate": lambda: zlib.compress(zeros),
            "br": lambda: brotli.compress(zeros, quality=3),
            "zstd": lambda: zstandard.compress(zeros),
        }[name]()
        found = undo_coding(name, packed, LIMIT)
        assert isinstance(found, HttpDamage)
        assert found.reason == "bomb"

    def test_many_tiny_members_stay_cheap(self) -> None:
        kept, cut = undo_coding("gzip", gzip.compress(b"a") * 50_000, LIMIT)
        assert kept == b"a" * 16
        assert cut is False or cut is True

    @given(
        block=st.binary(max_size=300),
        coding=st.sampled_from(["gzip", "deflate", "br", "zstd", "x", "gzip, br"]),
        chunks=st.booleans(),
    )
    @examples(200)
    def test_any_body_is_read_or_damage(self, block: bytes, coding: str, chunks: bool) -> None:
        head = [f"Content-Encoding: {coding}"]
        if chunks:
            head.append("Transfer-Encoding: chunked")
        found = parsed(*head, body=block)
        assert isinstance(found, (HttpResponse, HttpDamage))
