"""ZIM files are read page by page; what is damaged costs its pages and nothing else."""

import lzma
import struct

import pytest
import zstandard

from curate.api.inputs import by_format
from curate.sources import streams
from curate.sources.base import Damage, Document, InputFile, Piece, Skip
from curate.sources.wiki.wikipedia_html import WikipediaHtml

TYPES = b"text/html; charset=utf-8\0text/css\0text/plain\0\0"
HTML, CSS, PLAIN, REDIRECT = 0, 1, 2, 0xFFFF
PACKED = {
    1: lambda data: data,
    4: lambda data: lzma.compress(data),
    5: zstandard.ZstdCompressor().compress,
}
FACTS = {"Language": "kaz", "Source": "kk.wikipedia.org", "Name": "wikipedia_kk", "License": "X"}


def cluster(blobs, packing=5, wide=False):
    width, at = (8, "<Q") if wide else (4, "<I")
    places = [width * (len(blobs) + 1)]
    for blob in blobs:
        places.append(places[-1] + len(blob))
    plain = b"".join(struct.pack(at, place) for place in places) + b"".join(blobs)
    return bytes([packing | 0x10 * wide]) + PACKED[packing](plain)


def entry(kind, namespace, path, title, place):
    head = struct.pack("<HBcI", kind, 0, namespace, 0)
    return head + struct.pack("<II", *place) + path.encode() + b"\0" + title.encode() + b"\0"


def zim(clusters, entries, version=(6, 1)):
    """Write a ZIM file of clusters and entries as they are given."""
    at = 80 + len(TYPES)
    pointers = at + 8 * (len(entries) + len(clusters))
    body, entry_places, cluster_places = bytearray(), [], []
    for places, parts in ((entry_places, entries), (cluster_places, clusters)):
        for part in parts:
            places.append(pointers + len(body))
            body += part
    header = struct.pack(
        "<4sHH16sIIQQQQIIQ", b"ZIM\x04", *version, bytes(16), len(entries), len(clusters),
        at, at, at + 8 * len(entries), 80, 0, 0, pointers + len(body),
    )  # fmt: skip
    lists = struct.pack(f"<{len(entry_places + cluster_places)}Q", *entry_places, *cluster_places)
    return header + TYPES + lists + bytes(body)


def page(n):
    return f"<html><body><p>Бұл {n} туралы мақала, онда сөйлем бар.</p></body></html>".encode()


def text(n):
    return f"Бұл {n} туралы мақала, онда сөйлем бар."


def sample(packing=5, wide=False, version=(6, 1), articles=b"C"):
    """Write six pages in two clusters, a style, a redirect, and facts about the file."""
    facts = cluster([value.encode() for value in FACTS.values()], packing, wide)
    parts = [facts, cluster([page(n) for n in range(3)], packing, wide),
             cluster([b"p{}", *(page(n) for n in range(3, 6))], packing, wide)]  # fmt: skip
    entries = [entry(PLAIN, b"M", name, "", (0, n)) for n, name in enumerate(FACTS)]
    entries += [entry(HTML, articles, f"Бет_{n}", f"Бет {n}", (1, n)) for n in range(3)]
    entries += [entry(HTML, articles, f"Бет_{n}", "", (2, n - 2)) for n in range(3, 6)]
    entries += [
        entry(CSS, articles, "s.css", "", (2, 0)),
        entry(REDIRECT, articles, "Б", "", (4, 0)),
    ]
    return parts, entries


@pytest.fixture
def read(tmp_path):
    def read(data, pieces=None, **options):
        path = tmp_path / "kk.zim"
        path.write_bytes(data)
        file = InputFile(str(path), "kk.zim", len(data))
        source = WikipediaHtml(**options)
        cut = source.split(file, pieces) if pieces else [Piece(0, len(data))]
        return [record for piece in cut for record in source.read(file, piece)]

    return read


def documents(records):
    return {each.locator: each.text for each in records if isinstance(each, Document)}


def damages(records):
    return [each.reason for each in records if isinstance(each, Damage)]


ALL = {f"Бет_{n}": text(n) for n in range(6)}


@pytest.mark.parametrize("packing", PACKED)
@pytest.mark.parametrize("wide, version, articles", [(False, (6, 1), b"C"), (True, (5, 0), b"A")])
def test_pages_come_with_what_the_file_states(read, packing, wide, version, articles):
    found = read(zim(*sample(packing, wide, version, articles), version=version))
    assert documents(found) == ALL and damages(found) == []
    # The style and four facts; what leads elsewhere.
    assert [each for each in found if isinstance(each, Skip)] == [
        Skip("redirect", 1), Skip("not_an_article", 5),
    ]  # fmt: skip
    first = next(each for each in found if isinstance(each, Document))
    assert first.url == "https://kk.wikipedia.org/wiki/%D0%91%D0%B5%D1%82_0"
    assert (first.license, first.date) == ("X", None)
    assert first.meta == '{"language":"kaz","title":"Бет 0","wiki":"wikipedia_kk"}'


def test_any_cut_gives_the_same_records(read):
    data = zim(*sample())
    whole = read(data)
    for size in (60, 200, 1000):
        assert read(data, pieces=size) == whole


def test_a_page_that_stands_in_the_directory_twice_has_a_locator_of_its_own(read):
    parts, entries = sample()
    entries.insert(8, entries[6])  # Бет_2 is behind it
    data = zim(parts, entries)
    whole = read(data)
    assert documents(whole) == ALL | {"Бет_2:8": text(2)}
    for size in (60, 200, 1000):
        assert read(data, pieces=size) == whole


def test_a_file_that_is_none_is_one_damage(read):
    data = b"ZIM\x04" + b"\xff" * 400
    assert damages(read(data, pieces=50)) == ["bad_zim"]


def test_a_damaged_cluster_costs_its_pages(read):
    parts, entries = sample()
    parts[1] = parts[1][:12] + b"\xff" * (len(parts[1]) - 12)
    found = read(zim(parts, entries))
    assert documents(found) == {f"Бет_{n}": text(n) for n in range(3, 6)}
    assert damages(found) == ["corrupt"] * 3


@pytest.mark.parametrize(
    "broken",
    [
        b"\x02BZh91AY&SY",  # a compression that is no longer written
        b"\x05no zstd at all",
        b"",
        b"\x01" + struct.pack("<II", 8, 4),  # it ends before it begins
        b"\x01" + struct.pack("<I", 3),
        b"\x01" + struct.pack("<I", 0xFFFFFFFC),
        b"\x01" + struct.pack("<IIII", 16, 99, 100, 5000),  # it ends behind the file
        b"\x11" + struct.pack("<QQQQ", 32, 40, 1 << 63, 1 << 63),
    ],
)
def test_clusters_that_cannot_be_are_damage(read, broken):
    parts, entries = sample()
    found = read(zim([*parts[:2], broken], entries))
    assert documents(found) == {f"Бет_{n}": text(n) for n in range(3)}
    assert len(damages(found)) == 3


def test_entries_that_cannot_be_are_damage(read):
    parts, entries = sample()
    entries[4] = entry(HTML, b"C", "Бет_0", "", (99, 0))
    entries[5] = entry(HTML, b"C", "Бет_1", "", (1, 99))
    found = read(zim(parts, [*entries, struct.pack("<HBcI", HTML, 0, b"C", 0) + b"x" * 20]))
    assert documents(found) == {f"Бет_{n}": text(n) for n in (2, 3, 4, 5)}
    assert sorted(damages(found)) == ["bad_zim", "bad_zim_entry", "bad_zim_entry"]


@pytest.mark.parametrize(
    "data",
    [
        zim(*sample())[:50],
        zim(*sample())[:200],  # the first part of a file that was cut for a small disk
        zim(*sample(), version=(7, 0)),
        zim(*sample())[:24] + b"\xff" * 8 + zim(*sample())[32:],
    ],
)
def test_what_is_no_whole_file_is_damage(read, data):
    assert damages(read(data)) == ["bad_zim"]


def test_a_page_may_be_too_large_and_a_content_have_two_names(read):
    long = b"<p>" + b"x" * 5000 + b"</p>"
    entries = [entry(HTML, b"C", name, "", (0, blob)) for name, blob in
               (("a", 0), ("b", 1), ("c", 2), ("d", 2))]  # fmt: skip
    found = read(zim([cluster([page(1), long, page(2)])], entries), max_record_bytes=4000)
    assert documents(found) == {"a": text(1), "c": text(2), "d": text(2)}
    assert damages(found) == ["too_large"]


def test_the_ending_chooses_the_format(tmp_path):
    (tmp_path / "kk.zim").write_bytes(zim(*sample()))
    assert list(by_format(str(tmp_path))) == ["wikipedia_html"]
    assert list(by_format(str(tmp_path / "kk.zim"))) == ["wikipedia_html"]


def test_what_the_library_for_the_format_writes_is_read(read, tmp_path):
    writer = pytest.importorskip("libzim.writer")

    class Item(writer.Item):
        def __init__(self, path, body):
            super().__init__()
            self.path, self.body = path, body

        def get_path(self):
            return self.path

        def get_title(self):
            return self.path

        def get_mimetype(self):
            return "text/html"

        def get_contentprovider(self):
            return writer.StringProvider(self.body)

        def get_hints(self):
            return {writer.Hint.FRONT_ARTICLE: True}

    with writer.Creator(tmp_path / "w.zim").config_clustersize(1024) as creator:
        creator.set_mainpath("Бет_0")
        for n in range(50):
            creator.add_item(Item(f"Бет_{n}", page(n).decode()))
        creator.add_redirection("Б", "Б", "Бет_0", {})
        for name, value in FACTS.items():
            creator.add_metadata(name, value)
    found = read((tmp_path / "w.zim").read_bytes(), pieces=1000)
    assert documents(found) == {f"Бет_{n}": text(n) for n in range(50)}
    assert Skip("redirect", 1) in found


@pytest.mark.parametrize("place", [1 << 62, (1 << 64) - 1])
def test_places_that_no_file_has_are_damage_at_its_end(read, place):
    parts, entries = sample()
    data = bytearray(zim(parts, entries))
    places = 80 + len(TYPES)
    cluster = places + 8 * (len(entries) + 1)
    struct.pack_into("<Q", data, places + 8 * 4, place)  # of the first page
    struct.pack_into("<Q", data, cluster, place)  # of the cluster with it and two others
    found = read(bytes(data))
    assert documents(found) == {path: each for path, each in ALL.items() if path >= "Бет_3"}
    assert damages(found) == ["bad_zim_entry", "bad_zim", "bad_zim"]
    assert {each.offset for each in found if isinstance(each, Damage)} == {len(data)}


def test_a_content_that_many_entries_name_is_given_until_it_is_a_bomb(read):
    long = page(1).replace("сөйлем".encode(), "сөйлем ".encode() * 80_000)
    entries = [entry(HTML, b"C", f"P{n}", "", (0, n % 2)) for n in range(200)]
    found = read(zim([cluster([long, page(2)])], entries))
    kept = documents(found)
    assert damages(found) == ["bomb"] * (200 - len(kept))
    assert 50 < sum(len(text.encode()) for text in kept.values()) / 1e6 < 80


def test_clusters_of_the_same_bytes_are_unpacked_until_they_are_a_bomb(read):
    one = cluster([b" " * 4_000_000, page(1)])
    data = zim([one] * 40, [entry(HTML, b"C", f"P{n}", "", (n, 1)) for n in range(40)])
    first = data.index(one)
    at = struct.unpack_from("<Q", data, 48)[0]
    same = data[:at] + struct.pack("<Q", first) * 40 + data[at + 320 :]
    found = read(same)
    assert damages(found) == ["bomb"] * (40 - len(documents(found)))
    assert len(documents(found)) == streams.FREE // 4_000_000
