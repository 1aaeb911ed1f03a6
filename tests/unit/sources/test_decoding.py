"""Bytes to text: labels, their order, replacement, and the files of two charset collections."""

from __future__ import annotations

import csv
import os
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.sources.decoding import codec_of, declared_charset, decode, is_text
from tests.examples import examples

DATA = os.environ.get("CURATE_SHARED_DATA")

RUSSIAN = "В начале было слово, и слово это надо было ещё правильно раскодировать. " * 4
JAPANESE = "文字コードの判別は難しい問題です。ひらがな、カタカナ、漢字が混ざります。" * 4
KOREAN = "한국어 문서는 여러 가지 인코딩으로 저장되어 있습니다. " * 4
TURKISH = "Şu çalışkan öğrencinin iğneli ışığı görülmüş. " * 4


class TestLabels:
    @pytest.mark.parametrize(
        ("label", "codec"),
        [
            ("utf8", "utf_8"),
            (" 'UTF-8' ", "utf_8"),
            ("latin1", "cp1252"),
            ("us-ascii", "cp1252"),
            ("GB2312", "gb18030"),
            ("gbk", "gb18030"),
            ("shift_jis", "cp932"),
            ("ks_c_5601-1987", "cp949"),
            ("big5", "big5hkscs"),
            ("tis-620", "cp874"),
            ("iso-8859-9", "cp1254"),
            ("windows-1251", "cp1251"),
            ("x-mac-cyrillic", "mac_cyrillic"),
            ("utf-16", "utf_16_le"),
        ],
    )
    def test_as_browsers_read_them(self, label: str, codec: str) -> None:
        assert codec_of(label) == codec

    @pytest.mark.parametrize(
        "label", ["", "klingon", "base64", "rot13", "idna", "utf-7", "hex", "\0", "unicode_escape"]
    )
    def test_what_is_no_charset(self, label: str) -> None:
        assert codec_of(label) is None

    @pytest.mark.parametrize(
        ("head", "label"),
        [
            (b'<meta charset="koi8-r">', "koi8-r"),
            (b"<META CHARSET=EUC-KR>", "EUC-KR"),
            (b'<meta http-equiv="Content-Type" content="text/html; charset = big5">', "big5"),
            (b"<?xml version='1.0' encoding='windows-1251'?>", "windows-1251"),
            (b"<p>charset=utf-8", None),
            (b"<meta charset=>", None),
            (b"", None),
            (b" " * 20_000 + b"<meta charset=koi8-r>", None),
        ],
    )
    def test_declared(self, head: bytes, label: str | None) -> None:
        assert declared_charset(head) == label


class TestOrder:
    def test_a_byte_order_mark_comes_first(self) -> None:
        for codec in ("utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"):
            found = decode(("\ufeff" + RUSSIAN).encode(codec), "windows-1251")
            assert found is not None
            assert (found.text, found.by) == (RUSSIAN, "bom")

    def test_utf_8_that_proves_itself_beats_every_label(self) -> None:
        page = f"<meta charset=gb2312>{RUSSIAN}"
        found = decode(page.encode(), "iso-8859-1")
        assert found is not None
        assert (found.text, found.by) == (page, "utf-8")

    def test_the_transport_beats_the_document(self) -> None:
        page = f"<meta charset=koi8-r>{RUSSIAN}"
        found = decode(page.encode("cp1251"), "windows-1251")
        assert found is not None
        assert (found.text, found.by) == (page, "transport")

    def test_the_document_beats_the_detector(self) -> None:
        page = f"<meta charset=iso-8859-9>{TURKISH}"
        found = decode(page.encode("cp1254"))
        assert found is not None
        assert (found.text, found.encoding, found.by) == (page, "cp1254", "document")

    def test_a_label_that_does_not_fit_is_ignored(self) -> None:
        page = f"<meta charset=euc-jp>{JAPANESE}"
        found = decode(page.encode("cp932"), "utf-8")
        assert found is not None
        assert (found.text, found.by) == (page, "detector")

    def test_a_declaration_of_utf_16_that_one_can_read_is_none(self) -> None:
        found = decode(b"<meta charset=utf-16><p>plain words")
        assert found is not None
        assert (found.text, found.encoding) == ("<meta charset=utf-16><p>plain words", "utf-8")

    @pytest.mark.parametrize(
        ("text", "codec"),
        [
            (RUSSIAN, "cp1251"),
            (RUSSIAN, "koi8_r"),
            (RUSSIAN, "cp866"),
            (JAPANESE, "euc_jp"),
            (JAPANESE, "iso2022_jp"),
            (KOREAN, "euc_kr"),
            (RUSSIAN, "utf-16-le"),
            (JAPANESE + " ascii words here " * 9, "utf-16-be"),
        ],
    )
    def test_detected(self, text: str, codec: str) -> None:
        found = decode(text.encode(codec))
        assert found is not None
        assert (found.text, found.by) == (text, "detector")

    def test_unrecognised_bytes_are_western(self) -> None:
        found = decode("Ça été réglé".encode("cp1252"))
        assert found is not None
        assert found.text == "Ça été réglé"

    def test_plain_text_has_no_declaration(self) -> None:
        text = f"write <meta charset=koi8-r> first. {TURKISH}"
        found = decode(text.encode("cp1254"), "windows-1254", markup=False)
        assert found is not None
        assert found.text == text


class TestDamage:
    def test_a_wrong_byte_is_replaced_and_counted(self) -> None:
        data = (RUSSIAN * 5).encode()
        hurt = data[:101] + b"\xff" + data[101:]
        found = decode(hurt, "utf-8")
        assert found is not None
        assert found.encoding == "utf-8"
        assert 1 <= found.replaced <= 3
        assert found.text.count("\ufffd") == found.replaced
        assert found.text.endswith(RUSSIAN[40:])

    @pytest.mark.parametrize("label", ["iso-8859-1", "windows-1251", "gb2312"])
    def test_a_wrong_byte_does_not_make_it_another_encoding(self, label: str) -> None:
        data = RUSSIAN.encode()
        found = decode(data[:40] + b"\xe9" + data[40:], label)
        assert found is not None
        assert (found.encoding, found.replaced) == ("utf-8", 1)

    def test_a_character_cut_at_the_end_is_dropped(self) -> None:
        found = decode(RUSSIAN.encode() + b"\xd0", "utf-8")
        assert found is not None
        assert (found.text, found.replaced) == (RUSSIAN, 0)

    @pytest.mark.parametrize(
        "data",
        [
            bytes(1000),
            bytes(range(256)) * 8,
            b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(90),
            b"PK\x03\x04\x14\x00\x00\x00\x08\x00" * 40,
        ],
    )
    def test_binary_is_none(self, data: bytes) -> None:
        assert decode(data, "utf-8") is None

    def test_empty(self) -> None:
        found = decode(b"")
        assert found is not None
        assert found.text == ""

    @given(
        data=st.binary(max_size=400), label=st.sampled_from(["", "utf-8", "big5", "x", "utf-16"])
    )
    @examples(150)
    def test_any_bytes_give_storable_text_or_none(self, data: bytes, label: str) -> None:
        found = decode(data, label or None)
        if found is not None:
            assert is_text(found.text)
            found.text.encode("utf-8")  # no lone surrogates

    @given(text=st.text(alphabet=st.characters(blacklist_categories=["Cs", "Cc"]), min_size=1))
    @examples(100)
    def test_utf_8_comes_back(self, text: str) -> None:
        found = decode(text.encode(), "utf-8", markup=False)
        assert found is not None
        assert found.text == text.removeprefix("\ufeff")


@pytest.mark.real_data
@pytest.mark.skipif(not DATA, reason="needs $CURATE_SHARED_DATA")
def test_charset_collections() -> None:
    """Texts equal to a strict decode under the collection's label, or its WHATWG superset."""
    folder = Path(str(DATA)) / "encoding"
    rows = list(csv.DictReader((folder / "charset-files.dev.tsv").open(), delimiter="\t"))
    supersets = {"shift_jis": "cp932", "gb2312": "gb18030", "tis_620": "cp874"}
    right = wrong = binary = 0
    with tarfile.open(folder / "charset-files.dev.tar.gz") as archive:
        for row in rows:
            member = archive.extractfile(row["path_in_tar"])
            assert member is not None
            data = member.read()
            label = row["encoding_label"]
            found = decode(data)
            if label == "none(binary)":
                binary += found is None
                continue
            if label == "EUC-TW":
                assert found is None, "no codec: better no text than a wrong one"
            expected = set()
            for codec in {label, supersets.get(label, label)}:
                try:
                    expected.add(data.decode(codec).removeprefix("\ufeff"))
                except (LookupError, UnicodeError):
                    continue
            if expected:
                right += found is not None and found.text in expected
                wrong += found is None or found.text not in expected
    assert right + wrong == 253
    assert right >= 248
    assert binary == 6
