"""Shingles and signatures against plain Python (curate.dedup.reference) and datasketch."""

from __future__ import annotations

import itertools
import unicodedata

import datasketch
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from curate.dedup import reference
from curate.dedup import shingles as shingle_module
from curate.dedup.fuzzy.minhash import EMPTY, min_equal_values, permutations, sign_sets, sign_texts
from curate.dedup.options import FOLD, FOLDS, Shingling
from curate.dedup.shingles import jaccard, shingle_sets
from curate.dedup.word_hashes import fold
from curate.errors import RecipeError
from curate.kernels import unicode
from curate.kernels.arrow import buffers
from curate.kernels.folding import BLOCK, mark_orders, word_table
from tests.examples import examples
from tests.unit.dedup.dedup_corpora import NEIGHBOURS, PLAIN, word

#: Letters with and without marks, digits, punctuation, white space, invisible ones, and unspaced
#: scripts.
ALPHABET = (
    "aAéİıIiIß ñ7٣۳一カぁ่กำ가й̆́ै\u200b\u00ad\n\t.,!-''\U0001f600𠀋क+-<*=’ʼ—−ـﾞｶＡﬁﻻςΣẞю́²Ⅳ각"
    "\u0323\u0307\u0651\u064eёΆ₂½،"
)
hostile = st.lists(
    st.one_of(st.text(st.sampled_from(ALPHABET), max_size=60), st.text(max_size=20)), max_size=6
)


def sets_of(texts: list[str], shingling: Shingling) -> list[np.ndarray]:
    values, offsets = shingle_sets(pa.array(texts, pa.large_string()), shingling)
    return [values[a:b] for a, b in itertools.pairwise(offsets)]


@pytest.mark.parametrize("kind", ["word", "char"])
@pytest.mark.parametrize(
    ("ngram", "fold"),
    [(1, FOLD), (3, FOLD), (3, FOLDS), (2, ("case", "width", "numbers")), (5, ()), (5, FOLD)],
)
@examples(60)
@given(texts=hostile)
@example(texts=["x" + "\u0315\u0300" * 40 + "b", "\u00e9" + "\u0301" * 29, "e" + "\u0301" * 40])
@example(texts=["a\u0301", "a", "\u0301a", "กำ ก่", "7 77 777 7777 77777 8", ""])
@example(texts=["\uff21\u0324\u0301", "\u00e1\u0324", "\uff41\u0323\u0301b", "\u1ea1\u0301B"])
@example(
    texts=["7\u00df\u0301", "7s\u015b", "\u1e9e\u0323\u0301a", "\u00df\u0316 \u00df", "SS\u0301"]
)
@example(
    texts=[
        "Işık ISI",
        "ışık ısı",
        "Kırım i",
        "ISI ısı \u0130",
        "\u011f \uff29 I",
        "\u015f i\u0307 I",
    ]
)
def test_sets_are_those_of_the_reference(kind, ngram, fold, texts):
    shingling = Shingling(kind, ngram, fold)
    make = reference.word_shingles if kind == "word" else reference.char_shingles
    expected = [make(text, ngram, shingling.fold) for text in texts]
    ours = sets_of(texts, shingling)
    assert [len(values) for values in ours] == [len(shingles) for shingles in expected]
    for i in range(len(texts)):
        for j in range(i):
            both = len(np.intersect1d(ours[i], ours[j]))
            assert both == len(expected[i] & expected[j])


@pytest.mark.parametrize(
    ("fold_names", "signs"),
    [
        (FOLD, False),
        (FOLD, True),
        (FOLDS, False),
        (("punctuation", "numbers"), False),
        (("diacritics", "punctuation"), False),
    ],
)
@pytest.mark.parametrize("lead", ["é", PLAIN[:30], PLAIN[:31]])
def test_plain_text_is_folded_as_the_table_says(fold_names, signs, lead):
    texts = [
        lead + before + chr(c) + after + PLAIN
        for c in range(128)
        for before in NEIGHBOURS
        for after in NEIGHBOURS
    ]
    data, offsets = buffers(pa.array(texts, pa.large_string()))
    tables, rules = shingle_module._word_tables(fold_names)
    for values in (0, 1):
        table, rule = tables[2 * signs + values], rules[2 * signs + values]
        entries, out = np.empty(BLOCK, np.uint32), np.empty(2000, np.uint16)
        for text, start, stop in zip(texts, offsets[:-1], offsets[1:], strict=True):
            size, rewrite = fold(data, start, stop, table, mark_orders(), rule, entries, out)
            if rewrite:
                assert "\u0301" in text
                continue
            units = out[:size].tobytes().decode("utf-16-le")
            ours = [piece for piece in units.split("\0") if piece]
            expected = [word[values] for word in reference.words(text, fold_names, signs=signs)]
            assert ours == expected, repr(text)
            assert not out[size : size + 16].any()


def test_a_sign_counts_wherever_a_block_ends():
    texts = ["ә" * (n // 2) + "x" * (n % 2) + " 1%-ін 2 -5 !ә" for n in range(300)]
    data, offsets = buffers(pa.array(texts, pa.large_string()))
    tables, rules = shingle_module._word_tables(FOLD)
    entries, out = np.empty(BLOCK, np.uint32), np.empty(4000, np.uint16)
    for text, start, stop in zip(texts, offsets[:-1], offsets[1:], strict=True):
        size, _ = fold(data, start, stop, tables[0], mark_orders(), rules[0], entries, out)
        units = out[:size].tobytes().decode("utf-16-le")
        expected = [word for word, _ in reference.words(text, FOLD)]
        assert [piece for piece in units.split("\0") if piece] == expected


def test_digits_of_every_script_are_kept_by_value_where_numbers_are_folded():
    table = word_table(FOLDS, values=True)
    for c in np.flatnonzero((unicode.CLASS & unicode.DIGIT) != 0).tolist():
        value = unicodedata.decimal(chr(c), None)
        if value is not None:  # this Python may know fewer than our tables
            assert chr(table[0, c] & 0x1FFFFF) == str(value)


@examples(100)
@given(
    kinds=st.lists(st.sampled_from(["spread", "crowded", "few"]), max_size=5),
    size=st.integers(0, 3000),
    seed=st.integers(0, 1 << 30),
)
def test_sets_are_sorted_however_their_values_lie(kinds, size, seed):
    random = np.random.default_rng(seed)
    ways = {
        "spread": lambda: random.integers(0, 1 << 64, size, dtype=np.uint64),
        "crowded": lambda: random.integers(0, 1 << 40, size, dtype=np.uint64),
        "few": lambda: random.integers(0, 1 << 64, 3, dtype=np.uint64)[random.integers(0, 3, size)],
    }
    texts = [ways[kind]() for kind in kinds]
    values = np.concatenate([np.empty(0, np.uint64), *texts])
    offsets = np.cumsum([0, *map(len, texts)])
    kept = shingle_module._unique(values, offsets)
    expected = [np.unique(text) for text in texts]
    assert values[:kept].tolist() == [value for text in expected for value in text.tolist()]
    assert np.diff(offsets).tolist() == [len(text) for text in expected]


@pytest.mark.parametrize("ngram", [1, 2, 5, 13])
@pytest.mark.parametrize("block", [1, 7, 1000])
def test_a_window_has_the_hash_of_its_words_joined(ngram, block):
    hashes = np.random.default_rng(ngram).integers(0, 1 << 64, 100, dtype=np.uint64)
    count = len(hashes) - ngram + 1
    expected = [shingle_module.joined(hashes, start, ngram) for start in range(count)]
    ahead = np.empty(block + ngram, np.uint64)
    assert shingle_module._windows(hashes, len(hashes), ngram, ahead) == count
    assert hashes[:count].tolist() == [int(value) for value in expected]


@pytest.mark.parametrize("kind", ["word", "char"])
def test_a_long_text_is_read_in_blocks_as_if_in_one(kind):
    text = " ".join(f"{word(number)} слово{word(number)}一" for number in range(BLOCK))
    shingling = Shingling(kind, 5)
    make = reference.word_shingles if kind == "word" else reference.char_shingles
    (ours,) = sets_of([text], shingling)
    assert len(ours) == len(make(text, 5))
    # The same shingles, whatever precedes them and however it falls into blocks.
    for lead in range(1, 40, 13):
        (shifted,) = sets_of(["一 " * lead + text], shingling)
        assert len(np.setdiff1d(ours, shifted)) <= 1


@pytest.mark.parametrize("kind", ["word", "char"])
def test_signatures_are_datasketchs_bit_for_bit(kind):
    texts = ["the quick brown fox jumps over the lazy dog", "short", "Қазақстан " * 9, ""]
    texts.append(" ".join(f"сөз{word(number)}" for number in range(BLOCK)))
    array, shingling = pa.array(texts, pa.large_string()), Shingling(kind, 5)
    signatures, counts = sign_texts(array, shingling, 130)
    for signature, count, values in zip(signatures, counts, sets_of(texts, shingling), strict=True):
        expected = datasketch.MinHash(130, seed=1, hashfunc=lambda shingle: shingle)
        expected.update_batch([int(value) >> 32 for value in values])
        assert np.array_equal(expected.hashvalues, signature)
        assert (count == 0) == (len(values) == 0)
    assert (signatures[3] == EMPTY).all()
    rows = datasketch.MinHash(hashvalues=signatures[0], scheme="affine32")
    assert rows.jaccard(rows) == 1.0


@pytest.mark.parametrize("count", [1, 7, 128, 160])
@pytest.mark.parametrize("seed", [1, 42])
def test_permutations_are_datasketchs(count, seed):
    expected = datasketch.MinHash(count, seed=seed).permutations
    assert np.array_equal(expected, np.array(permutations(count, seed)))


@examples(40)
@given(texts=hostile)
def test_sets_and_texts_give_the_same_signatures(texts):
    array = pa.array(texts, pa.large_string())
    values, offsets = shingle_sets(array, Shingling())
    assert np.array_equal(sign_sets(values, offsets, 16), sign_texts(array, Shingling(), 16)[0])


def test_slices_and_nulls_read_the_right_texts():
    whole = pa.array(["x y z a b c", None, "p q r s t u", "one"], pa.large_string())
    signatures, counts = sign_texts(whole, Shingling(), 8)
    assert counts.tolist() == [2, 0, 2, 1]
    part, _ = sign_texts(whole.slice(2, 1), Shingling(), 8)
    assert np.array_equal(part, signatures[2:3])
    empty, _ = sign_texts(whole.slice(0, 0), Shingling(), 8)
    assert empty.shape == (0, 8)


def test_a_text_that_is_cut_inside_a_character_is_read_to_the_cut():
    for tail in (b"\xd0", b"\xe4\xb8", b"\xf0\x9f\x98"):
        bad = pa.array([b"one two three" + tail], pa.large_binary()).view(pa.large_string())
        (ours,) = sets_of(["one two three"], Shingling())
        values, _ = shingle_sets(bad, Shingling())
        assert np.array_equal(values, ours)


@pytest.mark.parametrize("numbers", [3, 4, 5, 6, 30, 3 * BLOCK])
def test_runs_of_numbers_keep_their_digits_across_blocks(numbers):
    lead = " ".join(word(number) for number in range(700))
    text = " ".join([lead, *(str(number % 1000) for number in range(numbers)), "end", lead, "9 8"])
    (ours,) = sets_of([text], Shingling())
    assert len(ours) == len(reference.word_shingles(text, 5))


LONG = " this sentence has words enough for two shingles of five"
#: What does not count by default: the story, and two texts that are one.
SAME = [
    ("case", "Алматы Қаласы", "АЛМАТЫ қаласы"),
    ("final sigma", "οι δρόμοι της πόλης", "ΟΙ ΔΡΌΜΟΙ ΤΗΣ ΠΌΛΗΣ"),
    ("sharp s", "die weiße Straße", "DIE WEISSE STRASSE"),
    ("capital sharp s", "WEIẞ", "weiß"),
    ("Armenian ligature", "և", "ԵՒ"),
    ("Cherokee", "ᏣᎳᎩ", "ꮳꮃꭹ"),
    ("Georgian capitals", "ᲗᲑᲘᲚᲘᲡᲘ", "თბილისი"),
    ("Turkish capitals", "DİYARBAKIR ILIK", "diyarbakır ılık"),
    ("a dot that lower() makes of İ", "İZMİR", "i\u0307zmi\u0307r"),
    ("decomposed Latin", "cafe\u0301 bar", "café bar"),
    ("decomposed Vietnamese", "Tiê\u0301ng Viê\u0323t", "Tiếng Việt"),
    ("decomposed Hangul", unicodedata.normalize("NFD", "한국어 각"), "한국어 각"),
    ("decomposed kana", unicodedata.normalize("NFD", "ガラス"), "ガラス"),
    ("decomposed hamza", unicodedata.normalize("NFD", "سؤال"), "سؤال"),
    ("nukta", "क\u093cलम", "\u0958लम"),
    ("order of Arabic marks", "محم\u0651\u064eد", "محم\u064e\u0651د"),
    ("a singleton", "5 \u2126", "5 Ω"),
    ("full width", "ＡＢＣ１２３！", "ABC123!"),
    ("half width", "ｶﾞﾗｽ", "ガラス"),
    ("Latin ligature", "ﬁnal", "final"),
    ("Arabic presentation forms", "ﺳﻼﻡ", "سلام"),
    ("tatweel", "مـحمـد", "محمد"),
    ("apostrophes", "Oʻzbek o‘g‘il", "O'zbek o'g'il"),
    ("quotes and dashes", "«ja» – nein", '"ja" - nein'),
    ("minus signs", "−40", "-40"),
    ("soft hyphen and joiner", "co\u00adoperate می\u200cخواهم", "cooperate میخواهم"),
    ("zero width space", "ze\u200bro", "zero"),
    ("variation selector", "❤\ufe0f", "❤"),
    ("white space", "a  b\n\nc", " a b c "),
    ("punctuation of a longer text", "Yes," + LONG, "Yes" + LONG + "!"),
]
#: What counts: the story, and two texts without a common shingle.
OTHER = [
    ("й is no и", "мой край", "мои краи"),
    ("ё is no е", "все", "всё"),
    ("kana keep their marks", "かき", "がき"),
    ("hamza forms", "أكل", "اكل"),
    ("short vowels", "كَتَبَ", "كُتِبَ"),
    ("Hebrew points", "סֵפֶר", "סַפָּר"),
    ("Greek tonos", "πότε", "ποτέ"),
    ("Vietnamese tones", "ma má mà", "ma ma ma"),
    ("accents", "Über façade", "uber facade"),
    ("Indic vowel signs", "कि", "का"),
    ("Thai vowel signs", "กิน", "กัน"),
    ("dotless i", "ılık ısı", "ilik isi"),
    ("Serbian letters", "ђак", "ћак"),
    ("numbers alone", "12 + 5 = 17", "30 + 4 = 34"),
    ("numbers of a short text", "room 12", "room 13"),
    ("a price list", "10 20 30 40 50 60 70", "11 21 31 41 51 61 71"),
    ("genes", "BRCA1", "BRCA2"),
    ("versions", "v1.2.3", "v1.23"),
    ("results", "2:1", "1:2"),
    ("formulas", "H2O", "H2O2"),
    ("superscripts", "x²", "x2"),
    ("a lost superscript", "x²", "x"),
    ("Roman numbers", "Ⅳ", "Ⅵ"),
    ("digits of two scripts", "۳", "3"),
    ("emoji", "👍", "👎"),
    ("texts of signs", ":)", ":("),
    ("operators", "5 > 3", "5 < 3"),
    ("a comma", "Let's eat, grandma", "Let's eat grandma"),
    ("currencies", "$5", "€5"),
    ("negation", "if !ready: stop", "if ready: stop"),
    ("decimals", "3.5", "35"),
    ("addresses", "a@b.org", "a@b.com"),
]


@pytest.mark.parametrize(("story", "a", "b"), SAME, ids=[story for story, *_ in SAME])
def test_same_shingles(story, a, b):
    ours = sets_of([a, b], Shingling())
    assert len(ours[0])
    assert np.array_equal(*ours)


@pytest.mark.parametrize(("story", "a", "b"), OTHER, ids=[story for story, *_ in OTHER])
def test_other_shingles(story, a, b):
    a_set, b_set = sets_of([a, b], Shingling())
    assert len(a_set)
    assert len(b_set)
    assert jaccard(a_set, b_set) == 0.0


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("It was -40 degrees", "It was 40 degrees"),
        ("We write in C++", "We write in C#"),
        ("We write in C++", "We write in C"),
        ("value = -x", "value = x"),
        ("when !done", "when done"),
        ("a * b", "a ** b"),
        ("so nice 👍", "so nice 👎"),
        ("x² here", "x2 here"),
        ("about 5%", "about 5€"),
    ],
)
def test_symbols_count_in_longer_texts_too(a, b):
    assert jaccard(*sets_of([a + LONG, b + LONG], Shingling())) < 0.8


@pytest.mark.parametrize(
    ("fold_names", "a", "b"),
    [
        (("case", "punctuation", "numbers"), "on day 17 of May" + LONG, "on day 4 of May" + LONG),
        (("case", "punctuation", "numbers"), "at ۳" + LONG, "at 12" + LONG),
        (("case", "diacritics"), "Über façade ёлка ılık", "uber facade елка ilik"),
        (("diacritics",), "كَتَبَ סֵפֶר", "كتب ספר"),
        (FOLDS, "Good morning, world!", "good morning - world"),
        (FOLDS, "What is C++?", "what is c"),
    ],
)
def test_what_is_folded_on_demand(fold_names, a, b):
    assert np.array_equal(*sets_of([a, b], Shingling(fold=fold_names)))
    assert not np.array_equal(*sets_of([a, b], Shingling(fold=())))


@pytest.mark.parametrize(
    ("fold_names", "a", "b"),
    [
        (("width", "punctuation"), "Polish" + LONG, "polish" + LONG),
        (("case", "punctuation"), "ＡＢ" + LONG, "AB" + LONG),
        (("case", "width"), "Yes, f(x)" + LONG, "Yes, f[x]" + LONG),
    ],
)
def test_what_is_not_folded_counts(fold_names, a, b):
    assert jaccard(*sets_of([a, b], Shingling(fold=fold_names))) < 1
    assert np.array_equal(*sets_of([a, b], Shingling()))


def test_foldings_have_one_order_and_names_that_exist():
    assert Shingling(fold=("numbers", "case", "case")) == Shingling(fold=("case", "numbers"))
    with pytest.raises(RecipeError, match="did you mean 'numbers'"):
        Shingling(fold=("number",))


def test_min_equal_values_is_four_sigmas_below():
    assert min_equal_values(0.8, 160) == 108
    assert min_equal_values(1.0, 128) == 128
    assert min_equal_values(0.1, 16) == 0


def test_shinglings_that_do_not_exist_are_refused():
    with pytest.raises(RecipeError, match="did you mean 'word'"):
        Shingling("words")
    with pytest.raises(RecipeError, match="1 to 64"):
        Shingling("word", 0)
