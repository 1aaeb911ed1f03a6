"""What the language model is shown in place of capitals, shaped and decomposed letters."""

import re
import unicodedata
from functools import reduce
from operator import or_

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.kernels.arrow import buffers
from curate.langid import as_trained
from curate.langid.identify import identify
from tests.examples import examples

UZBEK = "Baliqchilar tong otguncha to‘rlarini yig‘ib oldi, bola esa qirg‘oqda turardi."
KAZAKH = "Бүгін ауылда той болды. Қонақтар көп келді, әжем бауырсақ пісіріп берді."
TURKISH = "Sabah köyde düğün vardı, misafirler kapıda bekledi ve çocuklar ışıkları izledi."
VIETNAMESE = "Hôm nay trong làng có đám cưới, nhiều khách đến và trẻ em được ăn bánh."
ENGLISH = "There was a wedding in the village today and many guests came."
ARABIC = "ذهب الأولاد إلى المدرسة في الصباح وعادوا إلى البيت قبل الغروب"


def langs(*texts):
    return identify(list(texts))["lang"].to_pylist()


def wide(text):
    return "".join(chr(ord(c) + 0xFEE0) if c.isascii() and c.isalnum() else c for c in text)


def bold(text):
    return "".join(chr(0x1D41A + ord(c) - ord("a")) if "a" <= c <= "z" else c for c in text)


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("한국어를 배웁니다", "kor_Hang"),
        (unicodedata.normalize("NFD", "한국어를 배웁니다"), "kor_Hang"),
        (unicodedata.normalize("NFD", VIETNAMESE), "vie_Latn"),
        (unicodedata.normalize("NFD", KAZAKH), "kaz_Cyrl"),
        (unicodedata.normalize("NFD", "今日は村でお祭りがあり、ピザを食べました。"), "jpn_Jpan"),
        (re.sub("(?<=....)(.{1,7})", "\xad\\1", UZBEK), "uzn_Latn"),
        (KAZAKH.upper(), "kaz_Cyrl"),
        (TURKISH.upper(), "tur_Latn"),
        (TURKISH.replace("i", "İ").upper(), "tur_Latn"),
        (VIETNAMESE.upper(), "vie_Latn"),
        ("БУГУН ҚИШЛОҚДА ТЎЙ БЎЛДИ. МЕҲМОНЛАР КЎП КЕЛДИ.", "uzn_Cyrl"),
        ("ბავშვები სკოლაში მიდიან".upper(), "kat_Geor"),
        (wide(ENGLISH), "eng_Latn"),
        (wide(ENGLISH.upper()), "eng_Latn"),
        (bold(ENGLISH.lower()), "eng_Latn"),
        ("The oﬃce ﬁles are ﬂat and the ﬁrst ﬁsh was ﬁne in the ﬁeld.", "eng_Latn"),
        ("ｷｮｳﾊ ﾑﾗﾃﾞ ｵﾏﾂﾘｶﾞ ｱﾘﾏｼﾀ", "jpn_Jpan"),
    ],
)
def test_the_form_of_the_letters_does_not_change_the_language(text, label):
    assert langs(text) == [label]


def test_a_text_in_another_form_has_the_answer_of_its_usual_form():
    plain = [KAZAKH.lower(), TURKISH.lower(), VIETNAMESE, ENGLISH, ARABIC]
    shown = [
        KAZAKH.upper(),
        TURKISH.replace("i", "İ").upper(),
        unicodedata.normalize("NFD", VIETNAMESE),
        wide(ENGLISH),
        ARABIC.replace("ل", "\ufedf").replace("ا", "\ufe8e"),
    ]
    assert identify(shown).to_pylist() == identify(plain).to_pylist()


def test_which_texts_are_shown_otherwise():
    texts = ["Kazakh and NASA", "NASA and IBM", "ÖZ", "12:30", "", "日本 NHK", "ԤԤ ｱ"]
    texts += ["e\u0301", "é"]
    done, lowered = as_trained.reshape(pa.array(texts, pa.large_string()))
    assert done.to_pylist() == [
        "Kazakh and NASA", "nasa and ibm", "öz", "12:30", "", "日本 nhk", "ԥԥ ア", "é", "é",
    ]  # fmt: skip
    assert lowered.tolist() == [1, 2, 5, 6]


def test_lower_case_of_the_two_i():
    assert as_trained.lower("ISTANBUL İL ÇOĞU") == "istanbul il çoğu"
    assert as_trained.lower("ISPARTA İLİ", dotless=True) == "ısparta ili"
    assert as_trained.lower("ΟΔΟΣ STRASSE") == "οδος strasse".replace("οδος", "οδος"[:3] + "ς")


PIECES = st.text(
    st.one_of(
        st.sampled_from("aZzAIiIİı12 .éÉжЖҚქᲥ漢ｱＡﬁ𝐚한각\u0301\u1161@[`{"),
        st.characters(exclude_categories=["Cs"]),
    ),
    max_size=40,
)


@examples(300)
@given(st.lists(PIECES, max_size=4))
def test_the_scan_counts_as_one_letter_after_another_does(texts):
    array = pa.array(["x", *texts, "Ω"], pa.large_string()).slice(1, len(texts))
    kinds = as_trained._kinds()
    expected = []
    for text in texts:
        found = [int(kinds[ord(char)]) for char in text]
        capitals = 2 * sum(kind >> 1 & 1 for kind in found) > sum(kind & 1 for kind in found)
        bits = reduce(or_, found, 0) & ~3
        expected.append(bits | (as_trained.LOWER if capitals else 0))
    assert as_trained.needs(*buffers(array)).tolist() == expected


@examples(200)
@given(PIECES)
def test_shown_once_is_shown_for_good(text):
    once, _ = as_trained.reshape(pa.array([text], pa.large_string()))
    assert unicodedata.is_normalized("NFC", once[0].as_py()) or not _composes(text)
    twice, _ = as_trained.reshape(once)
    assert twice.to_pylist() == once.to_pylist()


def _composes(text):
    return any(as_trained._kinds()[ord(char)] >= as_trained.RESHAPE for char in text)
