"""HTML dumps are read record by record; damage costs the record or the file that it is in."""

import bz2
import gzip
import json
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.api.inputs import by_format
from curate.sources.base import Damage, Document, InputFile, Note, Piece, Skip
from curate.sources.wiki.wikipedia import Wikipedia
from curate.sources.wiki.wikipedia_html import WikipediaHtml
from tests.examples import examples
from tests.unit.sources.wiki.enterprise import (
    SENTENCES,
    article,
    lines,
    math,
    page,
    record,
    tar,
    tar_gz,
)

DUMPS = WikipediaHtml()
NAME = "kkwiki-NS0-20260101-ENTERPRISE-HTML.json.tar.gz"


@pytest.fixture
def read(tmp_path):
    def read(data, source=DUMPS, name=NAME, piece=None):
        path = tmp_path / name
        path.write_bytes(data)
        file = InputFile(str(path), name, len(data))
        return list(source.read(file, piece or Piece(0, len(data))))

    return read


def ids(records):
    return [each.locator for each in records if isinstance(each, Document)]


def damages(records):
    return [each.reason for each in records if isinstance(each, Damage)]


def test_a_record_has_the_columns_of_the_xml_source(read):
    (found,) = read(tar_gz(lines(record(7))))
    xml = (
        '<mediawiki xml:lang="kk"><siteinfo><dbname>kkwiki</dbname>'
        "<base>https://kk.wikipedia.org/wiki/%D0%91</base></siteinfo>"
        "<page><title>Бас бет</title><ns>0</ns><id>7</id><revision><id>700</id>"
        "<timestamp>2026-01-02T03:04:05Z</timestamp><text>Мәтін.</text></revision></page></mediawiki>"
    )
    (same,) = read(xml.encode(), Wikipedia(), "kkwiki.xml")
    assert found == same._replace(license="CC-BY-SA-4.0")
    assert found.text == "Мәтін."
    assert json.loads(found.meta) == {
        "title": "Бас бет", "revision": "700", "wiki": "kkwiki", "language": "kk",
    }  # fmt: skip


@pytest.mark.parametrize("language", SENTENCES)
def test_sentences_that_wikitext_loses_are_there(read, language):
    sentence, first, second = SENTENCES[language]
    (found, *_) = read(tar_gz(lines(record(html=article(language)))))
    assert found.text.startswith(sentence.format(first, second))
    wikitext = sentence.format("{{халық саны|KZ-75}}", "{{аудан|KZ-75}}")
    xml = f"<page><title>T</title><id>7</id><revision><text>{wikitext}</text></revision></page>"
    assert read(xml.encode(), Wikipedia(), "w.xml")[0] == Skip("no_whole_sentence")


@pytest.mark.parametrize(
    ("name", "data"),
    [
        (NAME, tar_gz),
        ("a.tar", tar),
        ("a.tgz", tar_gz),
        ("a.tar.bz2", lambda *files: bz2.compress(tar(*files))),
        ("a.tar", lambda *files: tar(*files, form=tarfile.GNU_FORMAT)),
        ("a.ndjson", lambda *files: b"".join(files)),
        ("a.ndjson.gz", lambda *files: gzip.compress(b"".join(files))),
    ],
)
def test_every_packing_holds_the_same(read, name, data):
    files = [lines(record(1), record(2)), lines(record(3))]
    found = read(data(*files), name=name)
    assert ids(found) == ["1", "2", "3"]
    assert len(found) == 3


@pytest.mark.parametrize(
    ("more", "outcome"),
    [
        ({"namespace": {"identifier": 14}}, Skip("namespace_14")),
        ({"html": page('<link rel="mw:PageProp/redirect" href="./X"/>')}, Skip("redirect")),
        (
            {"html": page("<p>x</p>", '<meta property="mw:PageProp/disambiguation"/>')},
            Skip("disambiguation"),
        ),
        ({"html": ""}, Skip("no_text")),
        ({"namespace": {"identifier": "0"}}, "bad_namespace"),
        ({"namespace": {"identifier": True}}, "bad_namespace"),
        ({"identifier": None}, "no_page_id"),
        ({"identifier": -7}, "no_page_id"),
        ({"identifier": [7]}, "no_page_id"),
        ({"identifier": "7#x"}, "no_page_id"),
        ({"article_body": None}, "missing_html"),
        ({"article_body": "x"}, "missing_html"),
        ({"article_body": {"wikitext": "x"}}, "missing_html"),
        ({"article_body": {"html": None}}, "missing_html"),
        ({"article_body": {"html": ["x"]}}, "html_not_string"),
        ({"article_body": {"html": 5}}, "html_not_string"),
        ({"html": "<" * 2_000_001}, "too_many_tags"),
    ],
)
def test_a_record_that_is_no_document_has_a_reason(read, more, outcome):
    first, middle, last = record(1), record(**more), record(3)
    found = read(tar_gz(lines(first, middle, last)))
    assert ids(found) == ["1", "3"]
    if isinstance(outcome, Skip):
        assert outcome in found
    else:
        (damage,) = (each for each in found if isinstance(each, Damage))
        assert damage.reason == outcome
        size = len(lines(middle)) - 1
        assert (damage.length, damage.head) == (size, lines(middle)[:size][:4096])


@pytest.mark.parametrize(
    "more",
    [
        dict.fromkeys(
            ("name", "url", "date_modified", "version", "license", "in_language", "namespace")
        ),
        {key: [5] for key in ("name", "url", "date_modified", "version", "license", "in_language")},
        {
            "url": "http://[::1",
            "license": [None, {"identifier": 5}],
            "version": {"identifier": True},
        },
        {"url": "javascript:x", "license": "x", "namespace": {}, "unknown": {"deep": [{}]}},
    ],
)
def test_other_fields_may_be_missing_or_of_any_type(read, more):
    (found,) = read(tar_gz(lines(record(7, **more))))
    assert (found.locator, found.text) == ("7", "Мәтін.")
    assert found.url is None or found.url.startswith("https://")
    assert found.license in (None, "CC-BY-SA-4.0")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"{", "bad_json"),
        (b"[1]", "not_an_object"),
        (b"\xff\xfe{}", "bad_json"),
        (lines(record(2)).strip().replace("Мәтін".encode(), b"\xff"), "invalid_utf8"),
        (lines(record(2)).strip().replace("Мәтін".encode(), rb"\ud800"), "lone_surrogate"),
        (b'{"identifier":' + b"[" * 100_000, "too_deep"),
    ],
)
def test_a_broken_line_costs_itself(read, line, reason):
    found = read(tar_gz(lines(record(1), line, record(3))))
    assert ids(found) == ["1", "3"]
    assert damages(found) == [reason]


def test_a_line_that_is_too_long_costs_itself(read):
    long = record(2, html="x" * 5000)
    found = read(tar_gz(lines(record(1), long, record(3))), WikipediaHtml(max_record_bytes=3000))
    assert (ids(found), damages(found)) == (["1", "3"], ["too_large"])


def test_a_damaged_header_costs_its_file(read):
    files = [lines(record(n), record(n + 1)) for n in (1, 3, 5)]
    data = bytearray(tar(*files))
    at = data.index(b"_1.ndjson", data.index(b'"identifier": 2'))
    data[at] ^= 0xFF
    found = read(bytes(data), name="a.tar")
    assert set(ids(found)) >= {"1", "2", "5", "6"}
    data = bytearray(tar(*files, form=tarfile.GNU_FORMAT))
    second = data.index(b"ustar", data.rindex(b'"identifier": 2')) - 257
    data[second + 148 : second + 156] = b"badcheck"
    found = read(bytes(data), name="a.tar")
    assert set(ids(found)) >= {"1", "2", "5", "6"}
    assert damages(found)[0] == "bad_tar_header"


def test_an_archive_that_breaks_off_keeps_what_is_before(read):
    plain = tar(lines(record(1), record(2)), lines(record(3)))
    cut = plain[: plain.index(b'"identifier": 3')]
    found = read(cut, name="a.tar")
    assert ids(found) == ["1", "2"]
    assert damages(found) == ["bad_json", "truncated"]
    no_end = plain[: plain.index(b'"identifier": 3') // 512 * 512 + 2048].rstrip(b"\0")
    no_end += b"\0" * (-len(no_end) % 512)
    found = read(no_end, name="a.tar")
    assert (ids(found), damages(found)) == (["1", "2", "3"], ["truncated"])
    many = [record(n, html=page(f"<p>{n * 7919} {'ab' * n}</p>")) for n in range(2000)]
    packed = tar_gz(lines(*many))
    found = read(packed[: len(packed) // 2])
    assert damages(found) == ["truncated"]
    assert ids(found) == [str(n) for n in range(len(ids(found)))]
    assert len(ids(found)) > 500


def test_a_page_that_occurs_again_has_a_locator_of_its_own(read):
    found = read(tar_gz(lines(record(7), record(7)), lines(record(7))))
    assert ids(found) == ["7", "7:1", "7:2"]


def test_a_file_of_lines_is_not_cut_for_pages_may_occur_again(tmp_path):
    (tmp_path / "a.ndjson").write_bytes(lines(*[record(7)] * 9))
    file = InputFile(str(tmp_path / "a.ndjson"), "a.ndjson", 9 * len(lines(record(7))))
    (piece,) = DUMPS.split(file, 100)
    assert ids(DUMPS.read(file, piece)) == ["7", *(f"7:{n}" for n in range(1, 9))]


def test_what_is_left_out_is_counted_and_in_meta(read):
    html = page(
        f"<p>One {math('x')} more. Two words.</p><table><tr><td>t</td></tr></table>{article('en')}"
    )
    source = WikipediaHtml(tables="drop", formulas="drop")
    document, *notes = read(tar_gz(lines(record(html=html))), source)
    assert document.text.startswith("Two words.")
    meta = json.loads(document.meta)
    assert meta["tables_left_out"] == 2
    assert (meta["formulas_left_out"], meta["sentences_cut"], meta["infoboxes_left_out"]) == (
        1,
        1,
        1,
    )
    assert {note.what: note.count for note in notes} == {
        "formulas_left_out": 1, "hatnotes_left_out": 1, "infoboxes_left_out": 1,
        "navigation_left_out": 1, "references_left_out": 1, "sentences_cut": 1,
        "tables_left_out": 2,
    }  # fmt: skip
    assert all(isinstance(note, Note) for note in notes)


@given(st.binary(max_size=3), st.integers(0, 10**9), st.booleans())
@examples(200)
def test_no_bytes_raise(tmp_path_factory, noise, at, packed):
    data = tar(lines(record(1)), lines(record(2)))
    at %= len(data)
    data = data[:at] + noise + data[at + len(noise) :]
    path = tmp_path_factory.mktemp("noise") / "a.tar"
    path.write_bytes(gzip.compress(data) if packed else data)
    file = InputFile(str(path), path.name, path.stat().st_size)
    found = list(DUMPS.read(file, Piece(0, file.size)))
    assert len(found) >= 1


@pytest.mark.parametrize("name", [NAME, "enwiki_namespace_0.tar.gz", "a.ndjson.tar", "b.tgz"])
def test_the_format_is_found_by_ending_or_content(tmp_path, name):
    packed = tar_gz if name.endswith("gz") else tar
    (tmp_path / name).write_bytes(packed(lines(record(1))))
    (tmp_path / "other.tar.gz").write_bytes(tar_gz(b"x\n"))
    path = str(Path(tmp_path) / name)
    assert by_format(path) == {"wikipedia_html": [path]}
    assert list(by_format(str(tmp_path))) == ["wikipedia_html"]
