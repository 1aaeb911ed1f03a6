"""Web archives as a source: each record's outcome, and the fields of a document."""

from __future__ import annotations

import gzip
import json
import os
import pickle
from collections import Counter
from pathlib import Path

import pytest

from curate.errors import RecipeError
from curate.sources.base import Damage, Document, InputFile, Piece, Record, Skip
from curate.sources.web.sniffing import content_type, page_kind
from curate.sources.web.warc import Warc, archive_date
from curate.sources.web.wet import Wet
from tests.unit.sources.web.archives import html, members, record, response

DATA = os.environ.get("CURATE_SHARED_DATA")
needs_data = pytest.mark.skipif(not DATA, reason="needs $CURATE_SHARED_DATA")

TEXT = "Бұл сынақ беті, оның ішінде бірнеше сөйлем бар. Екінші сөйлем де осында тұр."


def stored(folder: Path, data: bytes, name: str = "a.warc.gz") -> InputFile:
    path = folder / name
    path.write_bytes(data)
    return InputFile(str(path), name, len(data))


def everything(source: Warc | Wet, file: InputFile) -> list[Record]:
    return list(source.read(file, Piece(0, file.size)))


def outcomes(found: list[Record]) -> Counter[str]:
    return Counter(
        "document" if isinstance(item, Document) else item.reason
        for item in found
        if isinstance(item, (Document, Skip, Damage))
    )


def real(name: str) -> InputFile:
    path = Path(str(DATA)) / "warc" / name
    return InputFile(str(path), path.name, path.stat().st_size)


def page(body: bytes, *head: str, **more: str) -> bytes:
    return response("http://x.example/", body, *head, **more)


def test_pages_that_refuse_their_use_are_skipped_where_the_recipe_says_so(tmp_path):
    kind = "Content-Type: text/html"
    meta = b'<meta name="robots" content="noai, noindex">'
    pages = [
        page(html(TEXT)),
        page(html(TEXT), kind, "X-Robots-Tag: nofollow", "X-Robots-Tag: noindex"),
        page(meta + html(TEXT)),
        page(html(TEXT), kind, "TDM-Reservation: 1"),
    ]
    file = stored(tmp_path, members(pages))
    assert outcomes(everything(Warc(), file)) == {"document": 4}
    refusing = Warc(refuse=("noai", "noindex", "tdm"))
    assert outcomes(everything(refusing, file)) == {
        "document": 1,
        "robots:noindex": 1,
        "robots:noai": 1,
        "robots:tdm": 1,
    }


class TestOutcomes:
    @pytest.mark.parametrize(
        ("stored_record", "outcome"),
        [
            (page(html(TEXT)), "document"),
            (page(TEXT.encode(), "Content-Type: text/plain; charset=utf-8"), "document"),
            (page(html(TEXT), "Content-Type: application/xhtml+xml"), "document"),
            (page(b"\n <!DOCTYPE HTML>" + html(TEXT), "X: y"), "document"),
            (record("warcinfo", b"x"), "warcinfo"),
            (record("request", b"GET / HTTP/1.1\r\n\r\n"), "request"),
            (record("metadata", b"x"), "metadata"),
            (record("revisit", b""), "revisit"),
            (record("resource", b"x"), "resource"),
            (record("invented", b"x"), "unknown_type"),
            (record("response", b"1.2.3.4", Content_Type="text/dns"), "not_http"),
            (record("response", b"junk", Content_Type="application/http"), "http_head"),
            (response("http://x/", html(TEXT), status="404 Not Found"), "http_404"),
            (response("http://x/", html(TEXT), status="what"), "http_no_status"),
            (page(b"\x89PNG", "Content-Type: image/png"), "not_html:image"),
            (page(b"{}", "Content-Type: application/json"), "not_html:application"),
            (page(b"p{}", "Content-Type: text/css"), "not_html:text"),
            (page(b"x", "Content-Type: ../../etc"), "not_html:other"),
            (page(b"\x00\x01", "X: y"), "not_html:other"),
            (page(b" \r\n"), "empty_body"),
            (page(b"<html><body></body></html>"), "no_text"),
            (page(bytes(400)), "binary"),
            (
                page(b"\x1f\x8b\x08\x00", "Content-Type: text/html", "Content-Encoding: gzip"),
                "content_encoding",
            ),
        ],
    )
    def test_one_record(self, tmp_path: Path, stored_record: bytes, outcome: str) -> None:
        for data, name in ((members([stored_record]), "a.warc.gz"), (stored_record, "a.warc")):
            assert outcomes(everything(Warc(), stored(tmp_path, data, name))) == {outcome: 1}

    def test_a_body_that_inflates_past_the_cap(self, tmp_path: Path) -> None:
        packed = gzip.compress(b"a" * 9_000_000)
        data = members([page(packed, "Content-Type: text/html", "Content-Encoding: gzip")])
        found = everything(Warc(max_record_bytes=1 << 20), stored(tmp_path, data))
        assert outcomes(found) == {"bomb": 1}

    def test_a_page_above_its_time_is_quarantined_with_its_place(self, tmp_path: Path) -> None:
        parts = [page(html(TEXT)), page(b"<p>a" * 1_400_000), page(html(TEXT))]
        file = stored(tmp_path, members(parts))
        first, lost, last = everything(Warc("resiliparse", page_seconds=0.5), file)
        assert isinstance(lost, Damage)
        assert (lost.reason, lost.offset) == ("extract_timeout", len(members(parts[:1])))
        assert lost.offset + lost.length == len(members(parts[:2]))
        assert isinstance(first, Document)
        assert isinstance(last, Document)
        assert first.text == last.text == TEXT


class TestDocument:
    def test_fields_and_meta(self, tmp_path: Path) -> None:
        body = f"<p>{TEXT}</p>".encode("cp1251", "xmlcharrefreplace")
        parts = [
            record("warcinfo", b"x"),
            page(body, "Content-Type: text/html; charset=windows-1251", WARC_Truncated="length"),
        ]
        _, found = everything(Warc(), stored(tmp_path, members(parts)))
        assert isinstance(found, Document)
        assert found.locator == str(len(members(parts[:1])))
        assert found.text == TEXT
        assert found.url == "http://x.example/"
        assert found.date == 1_715_997_490_000_000
        assert json.loads(str(found.meta)) == {
            "status": 200,
            "content_type": "text/html",
            "charset": "cp1251",
            "charset_by": "transport",
            "charset_declared": "windows-1251",
            "content": "main",
            "truncated": "length",
            "record_id": "<urn:uuid:response-http://x.example/>",
        }

    def test_batches_keep_the_order_of_the_file(self, tmp_path: Path) -> None:
        parts = []
        for number in range(120):
            parts.append(page(html(f"{number} {TEXT}")))
            parts.append(record("request", b"x"))
        found = everything(Warc(), stored(tmp_path, members(parts)))
        assert [type(item) for item in found] == [Document, Skip] * 120
        texts = [item.text for item in found if isinstance(item, Document)]
        assert texts == [f"{number} {TEXT}" for number in range(120)]

    def test_pieces_give_the_whole(self, tmp_path: Path) -> None:
        file = stored(tmp_path, members([page(html(f"{n} {TEXT}")) for n in range(50)]))
        source = Warc()
        pieces = source.split(file, 1000)
        assert len(pieces) > 3
        found = [item for piece in pieces for item in source.read(file, piece)]
        assert found == everything(source, file)

    def test_it_is_pickled_and_checks_its_options(self) -> None:
        assert pickle.loads(pickle.dumps(Warc(main_content=False))) == Warc(main_content=False)
        with pytest.raises(RecipeError, match="no extractor 'beautifulsoup'"):
            Warc(extract="beautifulsoup")


class TestHeaders:
    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            (b"", ("", "")),
            (b"text/html", ("text/html", "")),
            (b"TEXT/HTML ; x=y; Charset = 'UTF-8'", ("text/html", "utf-8")),
            (b"text/html;charset=a;charset=b", ("text/html", "a")),
            (b"\xff/\xfe", ("", "")),
        ],
    )
    def test_content_type(self, value: bytes, expected: tuple[str, str]) -> None:
        assert content_type(value) == expected

    def test_page_kind(self) -> None:
        assert page_kind("", b"\xef\xbb\xbf\n<HTML>") == ("html", "")
        assert page_kind("", b"hello") == ("", "other")
        assert page_kind("application/pdf", b"<html>") == ("", "application")

    @pytest.mark.parametrize(
        ("value", "micros"),
        [
            (b"1970-01-01T00:00:01Z", 1_000_000),
            (b"2024-05-18T01:58:10.250Z", 1_715_997_490_250_000),
            (b"2024-05-18", 1_715_990_400_000_000),
            (b"1969-12-31T23:59:59Z", -1_000_000),
            (b"20240518", 1_715_990_400_000_000),
            (b"", None),
            (b"\xff", None),
            (b"2024-13-45T99:99:99Z", None),
        ],
    )
    def test_dates(self, value: bytes, micros: int | None) -> None:
        assert archive_date(value) == micros


@pytest.mark.real_data
@needs_data
class TestRealFiles:
    OUTCOMES = {
        "valid/dolma-sample-0000.warc.gz": {
            "document": 22,
            "warcinfo": 1,
            "request": 22,
            "metadata": 1,
            "resource": 2,
        },
        "valid/cc-whirlwind-anwiki.warc": {
            "document": 1,
            "warcinfo": 1,
            "request": 1,
            "metadata": 1,
        },
        "valid/cc2008-copycat-1213893279526_0.arc.gz": {
            "document": 116,
            "warcinfo": 1,
            "not_html:application": 6,
            "no_text": 9,
            "http_404": 5,
            "http_302": 3,
            "http_406": 3,
            "http_301": 3,
        },
        "valid/pywb-iana.warc.gz": {
            "document": 16,
            "warcinfo": 1,
            "request": 171,
            "revisit": 123,
            "http_302": 4,
            "not_html:application": 17,
            "not_html:font": 4,
            "not_html:image": 5,
            "not_html:text": 2,
        },
        "valid/ukwa-transfer_compression_brotli.warc.gz": {
            "document": 1,
            "warcinfo": 1,
            "request": 1,
            "metadata": 1,
            "resource": 1,
        },
        "valid/warcio-example-iana.org-chunked.warc": {"document": 1, "warcinfo": 1, "request": 1},
        "rewrapped/hplt-cc100.rewrapped.warc.gz": {"document": 98, "warcinfo": 1, "no_text": 2},
        "malformed/gowarc-corrupted-mid-record.warc.gz": {"document": 12, "gzip_header": 1},
        "malformed/warcio-example-wrong-chunks.warc.gz": {"document": 1, "request": 1},
        "malformed/resiliparse-clipped.warc.gz": {"truncated": 1},
        "valid/resiliparse-warcfile.warc.lz4": {"packing": 1},
    }

    @pytest.mark.parametrize("name", OUTCOMES)
    def test_outcomes(self, name: str) -> None:
        assert outcomes(everything(Warc(), real(name))) == self.OUTCOMES[name]

    def test_stale_declarations_lose(self) -> None:
        """Six of these pages were transcoded to UTF-8 and still declare gb2312 and the like."""
        found = everything(Warc(), real("rewrapped/hplt-cc100.rewrapped.warc.gz"))
        facts = [json.loads(str(item.meta)) for item in found if isinstance(item, Document)]
        assert {fact["charset"] for fact in facts} == {"utf-8"}
        assert sum("replaced" in fact for fact in facts) <= 1

    @pytest.mark.parametrize(
        "name",
        sorted(
            f"{path.parent.name}/{path.name}"
            for path in (Path(str(DATA)) / "warc").glob("*/*")
            if "warc" in path.name or "arc" in path.name
        )
        if DATA
        else [],
    )
    def test_no_file_raises(self, name: str) -> None:
        source = Wet() if ".wet" in name else Warc()
        assert everything(source, real(name))


class TestWet:
    def conversion(self, text: bytes, **more: str) -> bytes:
        options = {"Content_Type": "text/plain"} | more
        return record("conversion", text, url="http://x.example/", **options)

    def test_a_document(self, tmp_path: Path) -> None:
        parts = [
            record("warcinfo", b"x"),
            self.conversion(TEXT.encode() + b"\n", WARC_Identified_Content_Language="kaz,rus"),
        ]
        skip, found = everything(Wet(), stored(tmp_path, members(parts), "a.warc.wet.gz"))
        assert skip == Skip("warcinfo")
        assert isinstance(found, Document)
        assert (found.text, found.url) == (TEXT, "http://x.example/")
        assert json.loads(str(found.meta)) == {
            "languages": "kaz,rus",
            "record_id": "<urn:uuid:conversion-http://x.example/>",
        }

    @pytest.mark.parametrize(
        ("text", "outcome"),
        [
            (b" \n", "no_text"),
            (b"\xff\xfe\xfd" * 9, "undecodable"),
            (b"ok " * 30 + b"\xff", "document"),
        ],
    )
    def test_outcomes(self, tmp_path: Path, text: bytes, outcome: str) -> None:
        file = stored(tmp_path, self.conversion(text), "a.warc.wet")
        assert outcomes(everything(Wet(), file)) == {outcome: 1}

    def test_other_media_types(self, tmp_path: Path) -> None:
        other = self.conversion(b"{}", Content_Type="application/json")
        assert outcomes(everything(Wet(), stored(tmp_path, other, "a.wet"))) == {"not_text": 1}

    @pytest.mark.real_data
    @needs_data
    def test_real_files(self) -> None:
        found = everything(Wet(), real("rewrapped/hplt-cc100.rewrapped.warc.wet.gz"))
        assert outcomes(found) == {"document": 98, "warcinfo": 1, "no_text": 2}
        (_, found_one) = everything(Wet(), real("valid/cc-whirlwind-anwiki.warc.wet.gz"))
        assert isinstance(found_one, Document)
        assert found_one.url == "https://an.wikipedia.org/wiki/Escopete"
        assert json.loads(str(found_one.meta))["languages"] == "spa"
