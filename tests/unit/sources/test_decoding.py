"""Bytes to text: labels, their order, replacement, and the files of two charset collections."""

from __future__ import annotations

import codecs
import csv
import os
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.sources.decoding import _is_text_of, codec_of, declared_charset, decode, is_text
from curate.text.code_pages import PAGES
from tests.examples import examples

DATA = os.environ.get("CURATE_SHARED_DATA")

RUSSIAN = "В начале было слово, и слово это надо было ещё правильно раскодировать. " * 4
JAPANESE = "文字コードの判別は難しい問題です。ひらがな、カタカナ、漢字が混ざります。" * 4
KOREAN = "한국어 문서는 여러 가지 인코딩으로 저장되어 있습니다. " * 4
TURKISH = "Şu çalışkan öğrencinin iğneli ışığı görülmüş. " * 4


SEVERAL_BYTES = [
    ("风在下午停了，孩子们把渔网拿到山坡上晒干，老人坐在墙边讲故事。", "gb18030"),
    ("風在下午停了，孩子們把漁網拿到山坡上曬乾，老人坐在牆邊講故事。", "big5hkscs"),
    ("午後に風が止み、子供たちは網を丘の上に運んで干した。老人は壁のそばで話をした。", "cp932"),
    ("午後に風が止み、子供たちは網を丘の上に運んで干した。老人は壁のそばで話をした。", "euc_jp"),
    ("오후에 바람이 멎자 아이들은 그물을 언덕 위로 옮겨 말렸고 노인들은 이야기를 했다.", "cp949"),
]


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
            ("ISO-8859-2", "iso8859_2"),
            ("iso-8859-13", "iso8859_13"),
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
        assert (found.text, found.by) == (page, "letters")

    def test_a_declaration_of_utf_16_that_one_can_read_is_none(self) -> None:
        found = decode(b"<meta charset=utf-16><p>plain words")
        assert found is not None
        assert (found.text, found.encoding) == ("<meta charset=utf-16><p>plain words", "utf-8")

    @pytest.mark.parametrize(
        ("text", "codec", "by"),
        [
            (RUSSIAN, "cp1251", "letters"),
            (RUSSIAN, "koi8_r", "letters"),
            (RUSSIAN, "cp866", "letters"),
            (JAPANESE, "euc_jp", "letters"),
            (JAPANESE, "iso2022_jp", "detector"),
            (KOREAN, "euc_kr", "letters"),
            (RUSSIAN, "utf-16-le", "detector"),
            (JAPANESE + " ascii words here " * 9, "utf-16-be", "detector"),
        ],
    )
    def test_detected(self, text: str, codec: str, by: str) -> None:
        found = decode(text.encode(codec))
        assert found is not None
        assert (found.text, found.by) == (text, by)

    def test_unrecognised_bytes_are_western(self) -> None:
        found = decode("Ça été réglé".encode("cp1252"))
        assert found is not None
        assert found.text == "Ça été réglé"

    def test_plain_text_has_no_declaration(self) -> None:
        text = f"write <meta charset=koi8-r> first. {TURKISH}"
        found = decode(text.encode("cp1254"), "windows-1254", markup=False)
        assert found is not None
        assert found.text == text


#: Sentences of our own, and the code pages in which each was usual.
BY_LETTERS = {
    "Балықшылар таң ата ауларын жинап алды, ал бала жағалауда тұрып кемеге қарады. Түстен кейін"
    " жел күшейіп, қаланың шамдары бірінен соң бірі жанды.": ("kz1048", "ptcp154"),
    "Көзге яфраклар җилдә очты, әби исә тәрәзә янында утырып, оныгына хат язды.": ("ptcp154",),
    "Жээнтаев күзүндө көлдүн жээгине барып, өзүнүн досторун эстеди.": ("ptcp154",),
    "Öğleden sonra rüzgâr güçlendi ve kasabanın ışıkları birer birer söndü; yaşlı balıkçı"
    " ağlarını topladı.": ("cp1254", "cp857"),
    "Восени вітер їхав полем, а ворона сиділа на даху й дивилася, як гаснуть її вогні.": (
        "cp1251", "koi8_u", "iso8859_5", "mac_cyrillic",
    ),
    "Осенью ветер усилился, и огни города гасли один за другим; старик собрал сети.": (
        "cp1251", "koi8_r", "iso8859_5", "cp866", "mac_cyrillic",
    ),
    "هبت الريح بعد الظهر وأضاءت المدينة مصابيحها واحدا تلو الآخر، وجمع الصياد شباكه.": (
        "cp1256", "iso8859_6",
    ),
    "Po południu wiatr się wzmógł, a światła miasteczka gasły jedno po drugim; żeglarz milczał.": (
        "cp1250", "iso8859_2", "cp852",
    ),
    "Το απόγευμα ο άνεμος δυνάμωσε και τα φώτα της πόλης έσβησαν ένα ένα.": (
        "cp1253", "iso8859_7",
    ),
    "אחר הצהריים התחזקה הרוח ואורות העיירה כבו אחד אחרי השני.": ("cp1255", "iso8859_8"),
    "ตอนบ่ายลมแรงขึ้นและไฟในเมืองก็ดับลงทีละดวง": ("cp874",),
    "Eftir hádegi jókst vindurinn og ljósin í bænum slokknuðu eitt af öðru, það þótti honum"
    " dýrðlegt.": ("cp1252",),
    "A la cel·la del col·legi, què és això? L'estació «nova» és tancada.": ("cp1252",),
    "Po pietų vėjas sustiprėjo, o miestelio žiburiai užgeso vienas po kito; žvejai grįžo.": (
        "cp1257",
    ),
}  # fmt: skip
READINGS = [(text, page) for text, pages in BY_LETTERS.items() for page in pages]


class TestLetters:
    """Code pages decode each other; the letters tell them apart."""

    @pytest.mark.parametrize(("text", "page"), READINGS)
    def test_without_a_label(self, text: str, page: str) -> None:
        found = decode(text.encode(page), markup=False)
        assert found is not None
        assert (found.text, found.by) == (text, "letters")

    @pytest.mark.parametrize(("text", "page"), READINGS)
    @pytest.mark.parametrize(
        "label", ["windows-1251", "iso-8859-1", "windows-1254", "iso-8859-2", "iso-8859-5"]
    )
    def test_under_a_wrong_label(self, text: str, page: str, label: str) -> None:
        found = decode(text.encode(page), label, markup=False)
        assert found is not None
        assert found.text == text

    @pytest.mark.parametrize(
        ("text", "page"), [("žena", "cp1257"), ("Ça va", "cp1252"), ("№ 5 да", "cp1251")]
    )
    def test_a_label_is_believed_where_letters_say_little(self, text: str, page: str) -> None:
        found = decode(text.encode(page), page, markup=False)
        assert found is not None
        assert (found.text, found.by) == (text, "transport")

    @pytest.mark.parametrize("label", ["iso-8859-2", "windows-1250"])
    def test_every_stated_page_of_single_bytes_is_looked_at(self, label: str) -> None:
        text = "Źródło było znane, ale ślady prowadziły dalej, bo ścieżka wiodła przez łąkę."
        for page in ("cp1250", "iso8859_2"):
            found = decode(text.encode(page), label, markup=False)
            assert found is not None
            assert (found.text, codecs.lookup(page).name) == (text, found.encoding)

    def test_markup_is_no_text(self) -> None:
        kazakh = next(iter(BY_LETTERS))
        page = '<p class="naïve déjà">' * 40 + kazakh + "<br title='é'>" * 40
        expected = page.encode("kz1048", "replace").decode("kz1048")
        found = decode(page.encode("kz1048", "replace"), "windows-1251")
        assert found is not None
        assert found.text == expected

    @pytest.mark.parametrize(
        ("text", "page"),
        [("文字列の判別は難しい問題です。", "cp932"), ("我们在学校里学习中文。", "gb18030")],
    )
    def test_two_bytes_a_character_under_a_western_label(self, text: str, page: str) -> None:
        found = decode((text * 3).encode(page), "iso-8859-1", markup=False)
        assert found is not None
        assert (found.text, found.encoding) == (text * 3, page)

    @pytest.mark.parametrize("label", ["gb2312", "big5", "shift_jis", "euc-jp", "euc-kr"])
    @pytest.mark.parametrize(("text", "codec"), SEVERAL_BYTES)
    def test_a_wrong_label_of_several_bytes(self, text: str, codec: str, label: str) -> None:
        found = decode(text.encode(codec), label, markup=False)
        assert found is not None
        assert found.text == text

    @pytest.mark.parametrize("label", ["gb2312", "big5", "shift_jis", "utf-16", "unicode"])
    @pytest.mark.parametrize(("text", "page"), READINGS)
    def test_single_bytes_under_a_label_of_several(self, text: str, page: str, label: str) -> None:
        found = decode(text.encode(page), label, markup=False)
        assert found is not None
        assert found.text == text

    @pytest.mark.parametrize(
        "text",
        [
            "The price is “five”, he said — “and so be it”… Then he left the market. " * 3,
            "┌──┬──┐│→←↑↓○●◎★☆■□△▲▽▼※〒" * 3,
            "ＡＢＣ　ｄｅｆ　１２３　ＸＹＺ" * 3,
            RUSSIAN.replace("ё", "е"),
            "Flour (龘靐齉齾龗) is sold in the market of the old town, Müller said. ",
        ],
    )
    @pytest.mark.parametrize("codec", ["gb18030", "big5hkscs", "cp932", "euc_jp", "cp949"])
    def test_other_signs_than_ideographs_speak_for_no_encoding(self, text: str, codec: str) -> None:
        data = text.encode(codec, "ignore")
        found = decode(data, codec, markup=False)
        assert found is not None
        assert (found.text, found.by) == (data.decode(codec), "transport")

    def test_characters_of_four_bytes_are_gb_18030(self) -> None:
        text = "𠮷野家 の 牛丼 é ü ᠮᠣᠩᠭᠣᠯ " * 4
        found = decode(text.encode("gb18030"), "gb18030", markup=False)
        assert found is not None
        assert found.text == text

    def test_ascii_under_a_label_of_wide_characters(self) -> None:
        text = "Plain words in a row, and nothing else."
        for label in ("utf-16", "ucs-2", "utf-16be", "utf-32"):
            found = decode(text.encode(), label, markup=False)
            assert found is not None
            assert (found.text, found.encoding) == (text, "utf-8")
        found = decode(text.encode("utf-16-le"), "utf-16", markup=False)
        assert found is not None
        assert (found.text, found.by) == (text, "transport")

    @pytest.mark.parametrize("label", [None, "utf-8", "iso-8859-1", "shift_jis", "iso-2022-jp"])
    def test_shifts_to_japanese_are_read_under_any_label(self, label: str | None) -> None:
        text = f"<p>{JAPANESE[:140]}</p>"
        found = decode(text.encode("iso2022_jp"), label)
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

    @pytest.mark.parametrize(
        ("text", "page", "wrong"),
        [
            (
                "Το απόγευμα ο άνεμος σταμάτησε και τα παιδιά πήγαν στο λόφο. ",
                "cp1253",
                b"\xaa\xff",
            ),
            ("אחר הצהריים הרוח פסקה והילדים לקחו את הרשתות אל הגבעה. ", "cp1255", b"\xd9"),
            ("Pēcpusdienā vējš pierima, un bērni aiznesa tīklus uz kalnu. ", "cp1257", b"\xa1"),
        ],
    )
    def test_a_byte_that_the_stated_page_lacks_is_replaced(
        self, text: str, page: str, wrong: bytes
    ) -> None:
        found = decode((text * 3).encode(page) + wrong, page, markup=False)
        assert found is not None
        assert found == (text * 3 + "\ufffd" * len(wrong), page, "transport", len(wrong))

    def test_a_page_that_has_the_byte_may_be_the_right_one(self) -> None:
        text = "Штурман видел и лучшие, и худшие из дней. Школа была закрыта, пока шли дожди."
        found = decode(text.encode("mac_cyrillic"), "windows-1251", markup=False)
        assert found is not None
        assert (found.text, found.replaced) == (text, 0)

    def test_a_byte_order_mark_before_another_encoding(self) -> None:
        for text, codec in SEVERAL_BYTES:
            found = decode(b"\xef\xbb\xbf" + text.encode(codec), codec, markup=False)
            assert found is not None
            assert found.text == text
        found = decode(b"\xef\xbb\xbf" + RUSSIAN.encode("cp1251"), None, markup=False)
        assert found is not None
        assert found.text == RUSSIAN

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


@pytest.mark.parametrize("page", PAGES)
def test_controls_are_counted_in_bytes_as_in_the_text(page):
    plain = bytes(range(0x20, 0x7F)) * 8
    for number in range(12):
        for control in (0, 8, 9, 10, 11, 12, 13, 14, 31, 127):
            data = plain + bytes([control]) * number
            assert _is_text_of(data) == is_text(data.decode(page))
