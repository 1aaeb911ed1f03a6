"""Text files: by file, by line, by paragraph, in the encodings that they have."""

import gzip
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.errors import RecipeError
from curate.sources.base import Damage, Document, InputFile, Piece, Skip
from curate.sources.plain_text import PlainText

DATA = os.environ.get("CURATE_SHARED_DATA")
RUSSIAN = "Широкая электрификация южных губерний даст мощный толчок подъёму сельского хозяйства. "


def stored(folder, data, name="x.txt"):
    path = Path(folder) / name
    path.write_bytes(data)
    return InputFile(str(path), name, len(data))


def read(file, piece=None, **options):
    return list(PlainText(**options).read(file, piece or Piece(0, file.size)))


def test_a_file_is_a_document_without_a_locator(tmp_path):
    assert read(stored(tmp_path, "бір\n\nекі\n".encode())) == [Document("", "бір\n\nекі\n")]


@pytest.mark.parametrize("data", [b"", b" \n\t\n", b"\xef\xbb\xbf"])
def test_an_empty_file_is_a_skip(tmp_path, data):
    assert read(stored(tmp_path, data)) == [Skip("empty_file")]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_a_byte_order_mark_decides(tmp_path, encoding):
    assert read(stored(tmp_path, "мәтін".encode(encoding))) == [Document("", "мәтін")]
    assert read(stored(tmp_path, "мәтін".encode(encoding)), encoding="utf-8")[0].text == "мәтін"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
def test_lines_and_paragraphs_of_wide_encodings_have_offsets_of_utf_8(tmp_path, encoding):
    file = stored(tmp_path, "бір\nекі\n\nүш\n".encode(encoding))
    assert PlainText(split_on="line").split(file, 4) == [Piece(0, file.size)]
    for declared in ("auto", "windows-1251"):
        assert read(file, split_on="line", encoding=declared) == [
            Document("0", "бір"),
            Document("7", "екі"),
            Skip("blank_line"),
            Document("15", "үш"),
        ]
    assert read(file, split_on="blank_line") == [Document("0", "бір\nекі"), Document("15", "үш")]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "iso2022_jp"])
def test_encodings_whose_bytes_are_utf_8_too_are_seen_by_their_zeros_and_escapes(
    tmp_path, encoding
):
    text = "The net, the boat. " if encoding.startswith("utf") else "網と舟は静かだった。 "
    data = (text * 5).encode(encoding)
    assert data.decode() != text * 5
    assert read(stored(tmp_path, data)) == [Document("", text * 5)]
    assert read(stored(tmp_path, b"a\0b is what a crash left")) == [
        Document("", "a\0b is what a crash left")
    ]


def test_each_of_joined_files_may_begin_with_a_mark(tmp_path):
    file = stored(tmp_path, "\ufeffa\n\ufeffb\n\ufeff\nc\ufeffd\n".encode())
    assert [r.text for r in read(file, split_on="line") if isinstance(r, Document)] == [
        "a",
        "b",
        "c\ufeffd",
    ]
    assert [r.text for r in read(file, split_on="blank_line")] == ["a\n\ufeffb", "c\ufeffd"]


def test_lines_of_an_old_macintosh(tmp_path):
    file = stored(tmp_path, b"one\rtwo\r\rthree\r")
    assert PlainText(split_on="line").split(file, 4) == [Piece(0, file.size)]
    assert [r.locator for r in read(file, split_on="line") if isinstance(r, Document)] == [
        "0",
        "4",
        "9",
    ]
    assert [r.text for r in read(file, split_on="blank_line")] == ["one\ntwo", "three"]


def test_an_encoding_is_set_or_detected_or_the_file_is_damage(tmp_path):
    file = stored(tmp_path, (RUSSIAN * 5).encode("cp1251"))
    assert read(file, encoding="cp1251")[0].text == RUSSIAN * 5
    assert read(file)[0].text == RUSSIAN * 5
    damage = read(file, encoding="utf-8")[0]
    assert (damage.reason, damage.offset, damage.length) == ("invalid_text", 0, file.size)
    assert damage.head == (RUSSIAN * 5).encode("cp1251")


def test_a_picture_is_no_text(tmp_path):
    picture = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20
    assert read(stored(tmp_path, picture))[0].reason == "invalid_text"


def test_lines_carry_their_offset_and_blank_ones_are_skips(tmp_path):
    file = stored(tmp_path, "бір\r\n\r\nекі\n\xff\n".encode() + b"\xff\nlast")
    error = "'utf-8' codec can't decode byte 0xff in position 0: invalid start byte"
    assert read(file, split_on="line") == [
        Document("0", "бір"),
        Skip("blank_line"),
        Document("10", "екі"),
        Document("17", "ÿ"),
        Damage("invalid_text", 20, 1, error, b"\xff"),
        Document("22", "last"),
    ]


def test_paragraphs_are_what_blank_lines_separate(tmp_path):
    file = stored(tmp_path, b"\n\none\ntwo\n \n\n\nthree\n")
    assert read(file, split_on="blank_line") == [Document("2", "one\ntwo"), Document("14", "three")]
    packed = stored(tmp_path, gzip.compress(b"one\ntwo\n\nthree"), "x.txt.gz")
    documents = [Document("0", "one\ntwo"), Document("9", "three")]
    assert read(packed, split_on="blank_line") == documents


@pytest.mark.parametrize("split_on", ["file", "line", "blank_line"])
def test_what_is_over_the_cap_is_reported_and_not_read(tmp_path, split_on):
    file = stored(tmp_path, b"a" * 300_000 + b"\n\nnext")
    damage, *rest = read(file, split_on=split_on, max_document_bytes=1000)
    assert (damage.reason, damage.offset) == ("too_large", 0)
    texts = [r.text for r in rest if isinstance(r, Document)]
    assert texts == ([] if split_on == "file" else ["next"])


def test_a_paragraph_of_many_lines_over_the_cap_is_reported(tmp_path):
    file = stored(tmp_path, b"line\n" * 1000 + b"\nnext")
    damage, last = read(file, split_on="blank_line", max_document_bytes=1000)
    assert (damage.reason, damage.offset, damage.length) == ("too_large", 0, 4999)
    assert last.text == "next"


@pytest.mark.parametrize("split_on", ["file", "line", "blank_line"])
def test_a_cut_file_is_damage_and_its_whole_lines_are_read(tmp_path, split_on):
    packed = gzip.compress(b"".join(b"%d\n\n" % n for n in range(5000)), mtime=0)
    found = read(stored(tmp_path, packed[: len(packed) // 2], "x.txt.gz"), split_on=split_on)
    assert found[-1].reason == "truncated"
    documents = [r.text for r in found if isinstance(r, Document)]
    assert documents == [str(n) for n in range(len(documents))]
    assert bool(documents) == (split_on != "file")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"split_on": "lines"}, "did you mean 'line'"),
        ({"encoding": "utf-99"}, "not known"),
        ({"encoding": "utf-16", "split_on": "line"}, "cannot be cut at newlines"),
    ],
)
def test_options_that_cannot_work_are_errors(options, message):
    with pytest.raises(RecipeError, match=message):
        PlainText(**options)


@given(st.lists(st.text("аb \r", max_size=6), max_size=20), st.integers(1, 30))
def test_pieces_together_give_what_the_whole_gives(tmp_path_factory, lines, target):
    file = stored(tmp_path_factory.mktemp("text"), "\n".join(lines).encode())
    source = PlainText(split_on="line")
    found = [r for piece in source.split(file, target) for r in source.read(file, piece)]
    assert found == list(source.read(file, Piece(0, file.size)))


@given(st.binary(max_size=100), st.sampled_from(["file", "line", "blank_line"]))
def test_no_bytes_raise(tmp_path_factory, data, split_on):
    for record in read(stored(tmp_path_factory.mktemp("any"), data), split_on=split_on):
        assert isinstance(record, Document | Skip | Damage)
