"""Dumps are read page by page; damage costs the page it is in."""

import bz2
import gzip
import io
import json
import os
import re
from collections import Counter
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from curate.sources.base import Damage, Document, InputFile, Note, Piece, Skip
from curate.sources.streams import blocks
from curate.sources.wiki.dump_pages import next_stream
from curate.sources.wiki.repeats import Repeats
from curate.sources.wiki.wikipedia import Wikipedia

DATA = os.environ.get("CURATE_SHARED_DATA")
DUMPS = Wikipedia()

HEAD = """<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.11/" version="0.11" xml:lang="kk">
  <siteinfo>
    <sitename>Уикипедия</sitename>
    <dbname>kkwiki</dbname>
    <base>https://kk.wikipedia.org/wiki/%D0%91%D0%B0%D1%81</base>
    <namespaces>
      <namespace key="0" case="first-letter" />
      <namespace key="6" case="first-letter">Файл</namespace>
      <namespace key="14" case="first-letter">Санат</namespace>
    </namespaces>
  </siteinfo>
"""
TAIL = "</mediawiki>\n"


def page(number, text="Мәтін.", *, title=None, ns=0, more="", revision=None):
    revision = (
        f"<revision><id>{number}00</id><timestamp>2026-01-02T03:04:05Z</timestamp>"
        f"<contributor><id>5</id></contributor><model>wikitext</model><text>{text}</text></revision>"
        if revision is None
        else revision
    )
    return (
        f"  <page>\n<title>{title or f'Бет {number}'}</title><ns>{ns}</ns><id>{number}</id>"
        f"{more}{revision}</page>\n"
    )


def stored(folder, data, name="dump.xml"):
    data = data.encode() if isinstance(data, str) else data
    path = Path(folder) / name
    path.write_bytes(data)
    return InputFile(str(path), name, len(data))


def read(file, source=DUMPS):
    return list(source.read(file, Piece(0, file.size)))


def outcomes(records):
    return [r.locator if isinstance(r, Document) else r.reason for r in records]


def test_a_page_is_a_document_with_its_address_and_date(tmp_path):
    text = "'''Абай''' — [[ақын]].&lt;ref&gt;x&lt;/ref&gt; [[Файл:A.jpg|нобай]] [[Санат:Ақындар]]"
    found = read(stored(tmp_path, HEAD + page(7, text, title="Абай Құнанбайұлы") + TAIL))
    name = (
        "%D0%90%D0%B1%D0%B0%D0%B9_"
        "%D2%9A%D2%B1%D0%BD%D0%B0%D0%BD%D0%B1%D0%B0%D0%B9%D2%B1%D0%BB%D1%8B"
    )
    url = f"https://kk.wikipedia.org/wiki/{name}"
    meta = '{"language":"kk","revision":"700","title":"Абай Құнанбайұлы","wiki":"kkwiki"}'
    assert found == [Document("7", "Абай — ақын.", url, 1767323045000000, meta=meta)]


@pytest.mark.parametrize(
    "host, license",
    [
        ("kk.wikipedia.org", "CC-BY-SA-4.0"),
        ("zh-yue.wiktionary.org", "CC-BY-SA-4.0"),
        ("kk.wikisource.org", None),
        ("www.wikidata.org", None),
        ("kk.wikipedia.org.example", None),
    ],
)
def test_the_licence_is_that_of_the_project_if_asked_for(tmp_path, host, license):
    file = stored(tmp_path, (HEAD + page(1) + TAIL).replace("kk.wikipedia.org", host).encode())
    for source, stated in ((Wikipedia(project_license=True), license), (DUMPS, None)):
        assert [record.license for record in read(file, source)] == [stated]


def test_what_is_no_article_is_skipped_by_reason(tmp_path):
    revision = "<revision><id>1</id>{}</revision>"
    pages = [
        page(1, ns=14),
        page(2, more='<redirect title="Бет 3" />'),
        page(3, "{{бос}}"),
        page(4, revision=revision.format('<text deleted="deleted" />')),
        page(5, revision=revision.format("<model>json</model><text>{}</text>")),
        page(6, "#REDIRECT [[Бет 3]]"),
        page(7, ns=-1),
        page(8, revision=revision.format("<text />")),
    ]
    assert read(stored(tmp_path, HEAD + "".join(pages) + TAIL)) == [
        Skip("namespace_14"),
        Skip("redirect"),
        Skip("no_text"),
        Skip("deleted_text"),
        Skip("not_wikitext"),
        Skip("redirect"),
        Skip("namespace_-1"),
        Skip("no_text"),
    ]


def test_the_last_revision_is_used(tmp_path):
    first = "<revision><id>1</id><text>ескі</text></revision>"
    last = "<revision><id>2</id><text>жаңа</text></revision>"
    found = read(stored(tmp_path, HEAD + page(1, revision=first + last) + TAIL))
    assert found[0].text == "жаңа" and json.loads(found[0].meta)["revision"] == "2"


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (page(2, revision=""), "no_revision"),
        (page(2, revision="<revision><id>5</id></revision>"), "no_revision"),
        (page("x"), "no_page_id"),
        (page(2, "a & b"), "bad_xml"),
        (page(2, "&undefined;"), "bad_xml"),
        (page(2, "<b>"), "bad_xml"),
        (page(2, "\x01"), "bad_xml"),
        (page(2).replace("</page>", ""), "unclosed_page"),
        (page(2).replace("<page>", "<pbge>"), "outside_page"),
        (page(2, "x" * 60_000), "too_large"),
        (page(2, "x").encode().replace(b"<text>x", b"<text>\xff"), "bad_xml"),
    ],
)
def test_a_bad_page_is_one_damage_and_its_neighbours_are_read(tmp_path, bad, reason):
    bad = bad if isinstance(bad, bytes) else bad.encode()
    before = (HEAD + page(1)).encode()
    file = stored(tmp_path, before + bad + (page(3) + TAIL).encode())
    first, damage, last = read(file, Wikipedia(max_page_bytes=50_000))
    assert (first.locator, last.locator) == ("1", "3")
    assert damage.reason == reason
    assert len(before) - 1 <= damage.offset <= len(before) + 2
    assert abs(damage.length - len(bad)) <= 3
    assert bad.strip().startswith(damage.head.strip()[:4000])


def test_every_cut_keeps_the_pages_before_it_and_is_reported(tmp_path):
    whole = (HEAD + page(1) + page(2, "екінші") + TAIL).encode()
    ends = [match.end() for match in re.finditer(rb"</page>", whole)]
    for cut in range(1, len(whole) - 1):
        file = stored(tmp_path, whole[:cut])
        *before, damage = read(file)
        assert isinstance(damage, Damage), cut
        good = [r.locator for r in before if isinstance(r, Document)]
        assert good == ["1", "2"][: sum(end <= cut for end in ends)], cut
        assert damage.offset + damage.length <= cut


@pytest.mark.parametrize("pack", [bz2.compress, gzip.compress])
def test_a_cut_in_the_compressed_file_keeps_the_streams_before_it(tmp_path, pack):
    streams = [pack(part.encode()) for part in (HEAD, page(1) + page(2), page(3) + page(4) + TAIL)]
    stored_whole = b"".join(streams)
    assert outcomes(read(stored(tmp_path, stored_whole))) == ["1", "2", "3", "4"]
    for cut in (len(stored_whole) - 3, len(stored_whole) - len(streams[2]) + 20):
        found = outcomes(read(stored(tmp_path, stored_whole[:cut])))
        assert found[:2] == ["1", "2"] and found[-1] == "truncated"
    at_a_border = stored(tmp_path, stored_whole[: -len(streams[2])])
    assert outcomes(read(at_a_border)) == ["1", "2", "truncated"]


def dump(count):
    return HEAD, [
        page(n, f"мәтін {n} " * (n % 5 * 20 + 1), ns=n % 4 == 3) for n in range(1, count + 1)
    ]


def in_streams(how, head, pages):
    """Return a dump that is plain, has a stream for each few pages, or streams cut anywhere."""
    if how == "plain":
        return (head + "".join(pages) + TAIL).encode()
    if how == "aligned":
        groups = ["".join(pages[i : i + 3]) for i in range(0, len(pages), 3)]
        return b"".join(bz2.compress(part.encode()) for part in (head, *groups, TAIL))
    whole = (head + "".join(pages) + TAIL).encode()
    step = {"small": 37, "large": 700}[how]
    return b"".join(bz2.compress(whole[i : i + step]) for i in range(0, len(whole), step))


def test_a_dump_with_a_long_window_is_read_as_far_as_the_option_allows(tmp_path):
    head, pages = HEAD, [page(n, f"мәтін {n} " * 4000) for n in range(30)]
    packer = zstandard.ZstdCompressor().compressobj()  # it does not know the size
    frame = bytearray(packer.compress(in_streams("plain", head, pages)) + packer.flush())
    frame[5] = 28 - 10 << 3  # 256 MiB
    file = stored(tmp_path, bytes(frame), "dump.xml.zst")
    assert len(outcomes(read(file))) == 30
    damage = read(file, Wikipedia(max_window_bytes=1 << 20))[-1]
    assert damage.reason == "window_too_large" and "max_window_bytes" in damage.error


@pytest.mark.parametrize("how", ["plain", "aligned", "small", "large"])
@pytest.mark.parametrize("target", [1, 100, 777, 5000])
def test_pieces_together_give_what_the_whole_gives(tmp_path, how, target):
    head, pages = dump(20)
    file = stored(tmp_path, in_streams(how, head, pages))
    pieces = DUMPS.split(file, max(target, file.size // 300))
    assert len(pieces) > 1 or target >= file.size
    found = [record for piece in pieces for record in DUMPS.read(file, piece)]
    assert found == read(file)
    assert len(found) == 20 and not any(isinstance(r, Damage) for r in found)


@pytest.mark.parametrize("target", [40, 500, 10**6])
def test_pieces_report_each_damage_once(tmp_path, target):
    head, pages = dump(12)
    pages[4] = pages[4].replace("</page>", "")
    pages[7] = "junk" + pages[7].replace("мәтін", "&")
    file = stored(tmp_path, head + "".join(pages))
    found = [record for piece in DUMPS.split(file, target) for record in DUMPS.read(file, piece)]
    assert found == read(file)
    reasons = [r.reason for r in found if isinstance(r, Damage)]
    assert reasons == ["unclosed_page", "outside_page", "bad_xml", "truncated"]


@pytest.mark.parametrize("target", [300, 10**6])
def test_a_broken_stream_of_many_costs_itself(tmp_path, target):
    head, pages = dump(12)
    streams = [bz2.compress(part.encode()) for part in (head, *pages, TAIL)]
    start = sum(map(len, streams[:6]))
    data = bytearray(b"".join(streams))
    data[start + 40] ^= 0xFF
    file = stored(tmp_path, bytes(data))
    found = [record for piece in DUMPS.split(file, target) for record in DUMPS.read(file, piece)]
    damage = [r for r in found if isinstance(r, Damage)]
    assert [(d.reason, d.offset, d.length) for d in damage] == [("corrupt", start, len(streams[6]))]
    assert len(found) == 12  # eleven good pages and one damage


def test_a_stream_whose_first_bytes_are_wrong_is_reported_wherever_the_dump_is_cut(tmp_path):
    head, pages = dump(6)
    streams = [bz2.compress(part.encode()) for part in (head, *pages, TAIL)]
    start = sum(map(len, streams[:3]))
    data = bytearray(b"".join(streams))
    data[start] ^= 0xFF
    file = stored(tmp_path, bytes(data))
    whole = read(file)
    assert [r[:3] for r in whole if isinstance(r, Damage)] == [
        ("trailing_data", start, len(streams[3]))
    ]
    for cut in range(1, len(data)):
        halves = Piece(0, cut), Piece(cut, len(data))
        assert [record for half in halves for record in DUMPS.read(file, half)] == whole, cut


def test_a_dump_that_is_no_bzip2_as_its_name_says_is_one_damage(tmp_path):
    file = stored(tmp_path, b"\0" * 40 + page(1).encode() * 9, "dump.xml.bz2")
    pieces = DUMPS.split(file, 100)
    assert outcomes(r for piece in pieces for r in DUMPS.read(file, piece)) == ["bad_magic"]
    assert outcomes(read(file)) == ["bad_magic"]


@given(st.lists(st.integers(0, 5) | st.integers(4090, 4100), max_size=40))
def test_repeated_pages_are_numbered(pages):
    repeats = Repeats()
    found = [repeats.named(Document(str(n), "x")).locator for n in pages]
    before = [pages[:at].count(n) for at, n in enumerate(pages)]
    assert found == [f"{n}:{k}" if k else str(n) for n, k in zip(pages, before, strict=True)]


@pytest.mark.parametrize(
    "declared",
    [
        '<!DOCTYPE a [<!ENTITY b "bbb">]>',
        "<?xml version='1.0'?>\n<!DOCTYPE x SYSTEM 'file:///etc/passwd'>",
    ],
)
def test_a_document_type_is_refused(tmp_path, declared):
    file = stored(tmp_path, declared + HEAD + page(1, "&b;") + TAIL)
    assert [(r.reason, r.length) for r in read(file)] == [("doctype", file.size)]


def test_bare_pages_are_read_with_the_english_names(tmp_path):
    text = "[[File:a.svg|x]]Text.[[Category:B]]"
    found = read(stored(tmp_path, page(1, text) + page(2, text)))
    facts = [(r.locator, r.text, r.url) for r in found]
    assert facts == [("1", "Text.", None), ("2", "Text.", None)]


def test_a_broken_head_costs_the_facts_in_it(tmp_path):
    file = stored(tmp_path, HEAD.replace("</siteinfo>", "") + page(1) + TAIL)
    damage, document = read(file)
    assert damage.reason == "bad_siteinfo"
    assert (document.text, document.url) == ("Мәтін.", None)


CASES = [
    (
        "fr",
        "La pièce L'''Aiglon'' fut jouée; le nom vient d'''Arvernus'' et de l'''Énéide''.",
        "La pièce L'Aiglon fut jouée; le nom vient d'Arvernus et de l'Énéide.",
    ),
    (
        "fr",
        "The ''Eagle'''s upper stage and the ''Britannica'''s article.",
        "The Eagle's upper stage and the Britannica's article.",
    ),
    (
        "fr",
        "'''Almaty''' (formerly {{lang|ru|Верный}}) is {{convert|682|km2}} in area, with"
        " {{formatnum:2000000}} people. It was {{nowrap|the capital}} until 1997.",
        "Almaty (formerly Верный) is 682 km2 in area, with 2000000 people. It was the capital until"
        " 1997.",
    ),
    (
        "fr",
        "The {{nihongo|'''Nade League'''|なで}} is a semi-professional league.",
        "The Nade League (なで) is a semi-professional league.",
    ),
    (
        "zh",
        "'''软件'''是-{zh;zh-hans;zh-hant|简体}-写的，-{zh-hans:计算机;zh-hant:電腦}-很快。",
        "软件是简体写的，计算机很快。",
    ),
    (
        "zh",
        "'''软件'''是计算机的程序。\n\n[[Category:软件]]\n[[分类:计算机]]\n[[分類:電腦]]",
        "软件是计算机的程序。",
    ),
    ("zh", "Алматы — қала.\n\n[[Категория:Қазақстан қалалары]]", "Алматы — қала."),
]


@pytest.mark.parametrize(("language", "markup", "text"), CASES)
def test_an_article_keeps_what_was_written(tmp_path, language, markup, text):
    head = HEAD.replace('xml:lang="kk"', f'xml:lang="{language}"')
    assert read(stored(tmp_path, head + page(1, markup) + TAIL))[0].text == text


def test_what_is_cut_is_counted_in_the_row_and_in_the_ledger(tmp_path):
    pages = [
        page(1, "Бір. Екі {{x}} сөз. Үш ({{y}}) сөз."),
        page(2, "Екі {{x}} сөз."),
        page(3, "Бүтін мәтін."),
    ]
    file = stored(tmp_path, HEAD + "".join(pages) + TAIL)
    first, second, third, *notes = read(file)
    assert first.text == "Бір. Үш сөз."
    counted = {k: v for k, v in json.loads(first.meta).items() if k.endswith("_cut")}
    assert counted == {"sentences_cut": 1, "parentheses_cut": 1}
    assert second == Skip("no_whole_sentence")
    assert "_cut" not in third.meta
    assert notes == [Note("sentences_cut", 2), Note("parentheses_cut", 1)]


def test_a_title_with_an_alias_is_no_article_in_dumps_without_numbers(tmp_path):
    titles = ["Санат:Қала", "Категория:Қала", "سۋرەت:A.jpg", "Қатысушы:A", "Үлгі:A", "Star: A"]
    pages = [page(n, title=title, ns="") for n, title in enumerate(titles, 1)]
    found = outcomes(read(stored(tmp_path, HEAD + "".join(pages) + TAIL)))
    assert found == ["namespace_14", *(f"namespace_{n}" for n in (14, 6, 2, 10)), "6"]


def test_a_redirect_in_the_words_of_the_wiki_is_none_of_the_articles(tmp_path):
    pages = [page(1, "#АЙДАУ [[Бет 2]]"), page(2, "#айдау[[A]]"), page(3, "# айдау")]
    assert outcomes(read(stored(tmp_path, HEAD + "".join(pages) + TAIL))) == [
        "redirect",
        "redirect",
        "3",
    ]


@pytest.mark.parametrize("data", ["", " \n"])
def test_an_empty_file_has_no_pages(tmp_path, data):
    assert read(stored(tmp_path, data)) == []


def test_a_file_that_is_no_dump_is_damage(tmp_path):
    assert outcomes(read(stored(tmp_path, "not XML at all"))) == ["outside_page"]
    assert outcomes(read(stored(tmp_path, "<html><body>Log in</body></html>"))) == ["outside_page"]


def test_an_address_that_is_none_of_the_web_gives_no_url(tmp_path):
    head = HEAD.replace("https://kk", "javascript://kk")
    assert read(stored(tmp_path, head + page(1) + TAIL))[0].url is None


def counted(path):
    """Count pages and redirects without the reader."""
    with path.open("rb") as handle:
        data = b"".join(block.data for block in blocks(handle, path.name))
    return data.count(b"<page>"), data.count(b"<redirect")


@pytest.mark.skipif(not DATA, reason="needs $CURATE_SHARED_DATA")
@pytest.mark.real_data
def test_real_dumps_give_a_record_for_each_page():
    total = Counter()
    for path in sorted((Path(DATA) / "wiki").rglob("*.xml*")):
        file = InputFile(str(path), path.name, path.stat().st_size)
        if path.stat().st_size > 200_000 and "mini" in str(path):
            continue
        found = [record for record in read(file) if not isinstance(record, Note)]
        pages, redirects = counted(path)
        assert len(found) == pages, path.name
        kinds = Counter("document" if isinstance(r, Document) else r.reason for r in found)
        elsewhere = sum(n for kind, n in kinds.items() if kind.startswith("namespace_"))
        assert redirects <= kinds["redirect"] + elsewhere, path.name
        total += kinds
    assert total["unclosed_page"] == 1  # the one that is meant to be broken
    assert total["document"] > 200


@pytest.mark.skipif(not DATA, reason="needs $CURATE_SHARED_DATA")
@pytest.mark.real_data
@pytest.mark.parametrize("code", ["kk", "uk", "ar", "ja", "zh", "tr", "de", "fa", "hy", "tt"])
def test_articles_of_many_languages_keep_no_markup(code):
    path = Path(DATA) / "wiki" / "dbpedia-minidump" / f"{code}wiki.xml.bz2"
    for record in read(InputFile(str(path), path.name, path.stat().st_size)):
        if isinstance(record, Document):
            for sign in ("{{", "}}", "[[", "]]", "'''", "<ref", "{|", "|}", "==", "&nbsp;"):
                assert sign not in record.text, (record.meta, sign)
            assert len(record.text) > 200


@pytest.mark.parametrize("before", [0, 1, 2**20 - 12, 2**20 - 10, 2**20 - 5, 2**20, 2**20 + 1])
def test_a_stream_is_found_wherever_it_begins(before):
    handle = io.BytesIO(bytes(before) + bz2.compress(b"x") + bytes(50))
    assert next_stream(handle, 0, before + 1) == before
    assert next_stream(handle, before, before + 1) == before
    assert next_stream(handle, 0, before) is None
    assert next_stream(handle, before + 1, before + 10**6) is None


def test_a_dump_without_pages_is_whole_or_cut(tmp_path):
    assert read(stored(tmp_path, HEAD + TAIL)) == []
    assert outcomes(read(stored(tmp_path, HEAD))) == ["truncated"]
