"""The scores of words against a loop over words, and the reranking of close languages."""

import re
import tomllib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.kernels.arrow import buffers
from curate.langid import lexicon, scripts
from curate.langid.alphabets import ALPHABETS
from curate.langid.identify import _large_strings, identify
from tests.examples import examples

LISTS = tomllib.loads(Path(lexicon.__file__).with_name("lexicon.toml").read_text("utf-8"))
LATIN = np.array([scripts.NAMES.index("Latn")])


def slowly(text: str, label: str) -> int:
    """Add up points as the module's docstring defines, for words of plain Latin letters."""
    lists = LISTS[label]
    words, endings, pairs = (set(lists.get(k, "").split()) for k in ("words", "endings", "pairs"))
    every = {e for other in LISTS.values() for e in other.get("endings", "").split() if len(e) > 1}
    known = {w for other in LISTS.values() for w in other.get("words", "").split()}
    points = 0
    for word in re.findall(r"[a-z]+(?:'[a-z]+)*", text.lower()):
        if word in words:
            points += {1: 80, 2: 180, 3: 250}.get(len(word), 300)
        else:
            points -= 35
        ends = [word[-n:] for n in range(2, 8) if len(word) >= n + 2 and word[-n:] in every]
        if word not in known and ends and ends[-1] in endings:
            points += {2: 15, 3: 50}.get(len(ends[-1]), 100)
        points += 40 * sum(word[k : k + 2] in pairs for k in range(len(word) - 1))
    return points


WORDS = ["the", "of", "bilan", "o'zbek", "guests", "mehmonlar", "a", "kelgan", "Wedding", "va", "x"]


@examples(60)
@given(st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join))
def test_points_are_those_of_a_loop_over_words(text: str) -> None:
    points = lexicon.score_words(*buffers(_large_strings([text])), np.array([0]), LATIN)
    for label in ("eng_Latn", "uzn_Latn", "som_Latn"):
        assert points[0, lexicon.table().labels.index(label)] == slowly(text, label)


def test_apostrophes_are_one_letter_and_quotation_marks_none() -> None:
    texts = ["o'zbek bo'ldi", "oʻzbek boʻldi", "o‘zbek bo‘ldi", "'o’zbek' bo`ldi"]
    data, offsets = buffers(_large_strings(texts))
    points = lexicon.score_words(data, offsets, np.arange(4), np.repeat(LATIN, 4))
    assert (points == points[0]).all()
    assert points[0, lexicon.table().labels.index("uzn_Latn")] == 2 * 300 + 2 * 40


def test_words_of_another_script_score_nothing() -> None:
    data, offsets = buffers(_large_strings(["және the of and бұл"]))
    cyrillic = np.array([scripts.NAMES.index("Cyrl")])
    points = lexicon.score_words(data, offsets, np.array([0]), cyrillic)
    assert points[0, lexicon.table().labels.index("kaz_Cyrl")] == 300 + 250


def test_foreign_and_missing_letters_cost() -> None:
    data, offsets = buffers(_large_strings(["ў" * 3 + "а" * 97, "а" * 100]))
    counted = scripts.count_letters(data, offsets, lexicon.required_letter_sets())
    points = lexicon.score_letters(counted, np.arange(2))
    kazakh, karakalpak = (lexicon.table().labels.index(k) for k in ("kaz_Cyrl", "kaa_Cyrl"))
    assert points[0, kazakh] == -3 * 250 - 100 * 10 // 4 - 100 * 25 // 4
    assert points[1, kazakh] == -100 * 10 // 4 - 100 * 25 // 4
    assert points[0, karakalpak] == -100 * 10 // 4 - 100 * 10 // 4


def test_every_list_is_written_in_its_own_letters() -> None:
    for label, lists in LISTS.items():
        alphabet = lexicon.table().letters[lexicon.table().labels.index(label)]
        strange = {
            c for c in lists.get("words", "") + lists.get("endings", "")
            if c.isalpha() and c not in alphabet and label in ALPHABETS
        }  # fmt: skip
        assert not strange, (label, strange)
        assert set(lists) <= {"words", "endings", "pairs", "extra"}


@pytest.mark.parametrize(
    ("text", "lang"),
    [
        # Our own sentences; the model takes most of them for a bigger neighbour.
        ("Bugun qishloqda to'y bo'ldi va mehmonlar ko'p keldi.", "uzn_Latn"),
        ("Bugun maktabda dars bolmaydi, chunki kecha kop qor yogdi", "uzn_Latn"),
        ("Bu gün kənddə toy oldu, qonaqlar çox gəldi.", "azj_Latn"),
        ("Bu gün obada toý boldy, myhmanlar köp geldi we ählisi çaý içdi.", "tuk_Latn"),
        ("Bugün köyde toy oldı, musafirler çoq keldi ve episi çay içti.", "crh_Latn"),
        ("Бүгін ауылда той болды", "kaz_Cyrl"),
        ("Бүгүн айылда той болду, конок көп келди", "kir_Cyrl"),
        ("Бүген авылда туй булды, кунаклар күп килде", "tat_Cyrl"),
        ("Бөгөн ауылда туй булды, ҡунаҡтар күп килде", "bak_Cyrl"),
        ("Бүгин аўылда той болды, мийманлар көп келди", "kaa_Cyrl"),
        ("Бугун қишлоқда тўй бўлди, меҳмонлар кўп келди", "uzn_Cyrl"),
        ("Имрӯз дар деҳа тӯй шуд ва меҳмонони зиёд омаданд", "tgk_Cyrl"),
        ("Бүгүн дэриэбинэҕэ уруу буолла, ыалдьыттар элбэхтэр этэ", "sah_Cyrl"),
        ("Өнөөдөр тосгонд хурим болж, олон зочин ирсэн байна", "khk_Cyrl"),
        ("Сьогодні в селі було весілля, і прийшло багато гостей", "ukr_Cyrl"),
        ("Сёння ў вёсцы было вяселле, і прыйшло шмат гасцей", "bel_Cyrl"),
        ("Днес в селото имаше сватба и дойдоха много гости", "bul_Cyrl"),
        ("Денес во селото имаше свадба и дојдоа многу гости", "mkd_Cyrl"),
        ("Данас је у селу била свадба и дошло је много гостију", "srp_Cyrl"),
        ("امروز در روستا عروسی بود و مهمان‌های زیادی آمدند", "pes_Arab"),
        ("آج گاؤں میں شادی تھی اور بہت سے مہمان آئے", "urd_Arab"),
        ("بۈگۈن يېزىدا توي بولدى، مېھمانلار كۆپ كەلدى", "uig_Arab"),
        ("今日條村有人擺酒，嚟咗好多人，阿嫲斟茶畀佢哋飲。", "yue_Hant"),
        ("今天村裡辦喜事，來了很多客人，奶奶給大家倒茶。", "cmn_Hant"),
        ("Maanta waxaa tuulada ka dhacay aroos, dad badan ayaa yimid", "som_Latn"),
        (
            "Ang mga bata nagdula sa gawas kay nindot ang panahon, ug ang inahan nagluto.",
            "ceb_Latn",
        ),
        (
            "An mga bata nagmumulay ha gawas kay maupay an panahon, ngan nagluluto an nanay.",
            "war_Latn",
        ),
        ("Agay-ayam dagiti ubbing iti ruar ti balay ta nasayaat ti tiempo ita.", "ilo_Latn"),
        # Their older spellings: ñ and ÿ of 1993, and letters of the first Cyrillic fonts.
        ("Bu gün obada toÿ boldy, myhmanlar köp geldi, soñra öÿe gaÿtdylar.", "tuk_Latn"),
        ("Њамаи љавонони тољик дар донишгоњ тањсил мекунанд", "tgk_Cyrl"),
    ],
)
def test_close_languages(text: str, lang: str) -> None:
    assert identify([text])["lang"].to_pylist() == [lang]


def test_a_language_without_lists_keeps_the_models_label() -> None:
    # Spanish and Dutch have lists and share most words; the model's score is above all others'.
    asturian = (
        "Asturies ye una comunidá autónoma asitiada nel norte d'España. La so capital ye Uviéu y "
        "la ciudá más poblada ye Xixón. L'asturianu ye la llingua tradicional, que falen munches "
        "persones."
    )
    frisian = (
        "De bern boartsje bûten omdat it moai waar is. Harren mem makket it iten klear foar "
        "elkenien en heit is nei de merk gien om fisk te keapjen."
    )
    assert identify([asturian, frisian])["lang"].to_pylist() == ["ast_Latn", "fry_Latn"]


def test_words_overrule_a_keyboard_that_lacks_letters() -> None:
    # Tajik typed with the Uzbek ў for ӯ, Kazakh with the Latin i for і.
    tajik = "Имрўз дар деҳа тўй шуд ва меҳмонони зиёд омаданд, барои ҳама чой буд ва ин хуб аст. "
    kazakh = "Бүгiн ауылда той болды, бiрақ бiз ол жерге бара алмадық, өйткенi жол жабық едi. "
    assert identify([tajik * 4, kazakh * 4])["lang"].to_pylist() == ["tgk_Cyrl", "kaz_Cyrl"]
