"""Floors of language identification on gold sentences. A lower one needs a reason in the commit.

Measured with lid.176, as ``curate.identify`` calls it: with the thresholds of the shipped profiles,
so that an abstention is an error. A label is right when its language is; Chinese is one language
here. The word lists and weights were written from grammars; not from rows of these files.
"""

import gzip
import json
import lzma
import os
import unicodedata
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import pytest

import curate
from curate.kernels.arrow import buffers
from curate.langid import labels
from curate.langid.fasttext import model
from curate.langid.identify import _large_strings

DATA = os.environ.get("CURATE_SHARED_DATA")

pytestmark = [
    pytest.mark.real_data,
    pytest.mark.skipif(not DATA, reason="needs $CURATE_SHARED_DATA"),
]

SENTENCES, TURKIC = "lid_gold_dev.tsv.gz", "lid_turkic_xwmt_dev.tsv.gz"

SILVER = "hplt_web_silver_dev.jsonl.xz"

#: Codes in the gold files of languages that have another code in curate.
SAME = {"ekk": "est", "zlm": "zsm", "pbu": "pbt", "prs": "pes", "zho": "cmn", "ara": "arb"}

#: The languages of the five close groups, and those beside them that have a profile. Karakalpak and
#: Bashkir have rows only in the Turkic file. With UDHR articles or without.
CLOSE = {
    "kaz", "kir", "kaa", "tat", "bak", "uzn", "tur", "azj", "tuk", "crh", "khk", "tgk", "sah",
    "rus", "ukr", "bul", "mkd", "srp", "bel", "arb", "pes", "urd", "uig", "cmn", "yue", "jpn",
    "kor", "eng", "deu", "fra", "spa", "ita", "por", "hin", "ben", "ind", "swh", "tha", "vie",
}  # fmt: skip


@cache
def gold(file: str, articles: bool = False) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the gold languages and texts of CLOSE, with ``articles`` those of the UDHR too."""
    rows = []
    with gzip.open(Path(str(DATA), "lid", file), "rt", encoding="utf-8", newline="\n") as lines:
        next(lines)
        for line in lines:
            _, lang, source, _, text = line.rstrip("\n").split("\t")
            code = SAME.get(lang[:3], lang[:3])
            if code in CLOSE and (articles or not source.startswith("udhr")):
                rows.append((code, text))
    return tuple(lang for lang, _ in rows), tuple(text for _, text in rows)


@cache
def ours(file: str, articles: bool = False) -> tuple[str, ...]:
    return tuple(lang[:3] for lang in curate.identify(gold(file, articles)[1])["lang"].to_pylist())


@cache
def model_alone(file: str, articles: bool = False) -> tuple[str, ...]:
    return model_codes(gold(file, articles)[1])


def model_codes(texts: tuple[str, ...]) -> tuple[str, ...]:
    loaded = model.load()
    numbers, _ = loaded.predict(*buffers(_large_strings(texts)))
    return tuple(labels.scripts_of(loaded.labels[n])[0] for n in numbers[:, 0].tolist())


def accuracy(truth: tuple[str, ...], found: tuple[str, ...]) -> float:
    return sum(t == f for t, f in zip(truth, found)) / len(truth)


def precision_recall(truth: tuple[str, ...], found: tuple[str, ...], lang: str) -> list[float]:
    right = sum(t == f == lang for t, f in zip(truth, found))
    return [right / max(1, found.count(lang)), right / max(1, truth.count(lang))]


def f1(truth: tuple[str, ...], found: tuple[str, ...], lang: str) -> float:
    precision, recall = precision_recall(truth, found, lang)
    return 2 * precision * recall / max(precision + recall, 1e-9)


def macro_f1(truth: tuple[str, ...], found: tuple[str, ...]) -> float:
    languages = sorted(set(truth))
    return sum(f1(truth, found, lang) for lang in languages) / len(languages)


@pytest.mark.parametrize(
    ("file", "articles", "floor_accuracy", "floor_f1"),
    [
        (SENTENCES, False, 0.975, 0.98),  # the model alone: 0.962, 0.964
        (SENTENCES, True, 0.975, 0.98),  # the model alone: 0.953, 0.937
        (TURKIC, False, 0.97, 0.98),  # the model alone: 0.862, 0.812
    ],
)
def test_floors(file: str, articles: bool, floor_accuracy: float, floor_f1: float) -> None:
    truth, _ = gold(file, articles)
    found = ours(file, articles)
    assert accuracy(truth, found) >= floor_accuracy
    assert macro_f1(truth, found) >= floor_f1
    assert macro_f1(truth, model_alone(file, articles)) < floor_f1


@pytest.mark.parametrize(
    ("file", "lang", "precision", "recall"),
    [
        (TURKIC, "kaz", 0.98, 0.99),  # the model alone has a precision of 0.67
        (SENTENCES, "kaz", 0.99, 0.98),
        (TURKIC, "kaa", 0.99, 0.86),  # the model has no label for it
        (TURKIC, "uzn", 0.98, 0.88),  # the model alone has a recall of 0.52
        (TURKIC, "bak", 0.99, 0.97),
        (TURKIC, "kir", 0.98, 0.97),
        (TURKIC, "rus", 0.99, 0.99),
        (SENTENCES, "sah", 0.99, 0.93),
        (SENTENCES, "tur", 0.96, 0.96),
        (SENTENCES, "rus", 0.95, 0.99),
        (SENTENCES, "ukr", 0.97, 0.98),
        (SENTENCES, "urd", 0.99, 0.97),
        (SENTENCES, "jpn", 0.99, 0.99),
        (SENTENCES, "cmn", 0.99, 0.99),
        (SENTENCES, "kor", 0.99, 0.99),
        (SENTENCES, "arb", 0.99, 0.99),
        (SENTENCES, "eng", 0.97, 0.99),
    ],
)
def test_languages(file: str, lang: str, precision: float, recall: float) -> None:
    truth, _ = gold(file)
    found = precision_recall(truth, ours(file), lang)
    assert found[0] >= precision
    assert found[1] >= recall


def test_every_language_has_its_floor() -> None:
    for file, floor in ((SENTENCES, 0.92), (TURKIC, 0.91)):
        truth, _ = gold(file)
        low = {lang: round(f1(truth, ours(file), lang), 3) for lang in set(truth)}
        assert {lang: score for lang, score in low.items() if score < floor} == {}


#: The 23 languages with 200 web pages or more, by HPLT's names; the others have 50.
_MANY = 200

#: Pages that HPLT labels wrongly: its identifier has no label for Azerbaijani and Uzbek in
#: Cyrillic. Found by letters alone: label -> (letters of the pages' language that the label's has
#: not, letters of the label's language alone, the language of these pages). All were read once.
_MISLABELLED = {"tat": ("ҹҝ", "җң", "azj"), "tgk": ("ў", "ӣӯҷ", "uzn")}


@cache
def web_pages() -> dict[str, tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]]:
    """Return by HPLT's language the texts of its pages, curate's codes and the model's."""
    pages: dict[str, list[str]] = {}
    with lzma.open(Path(str(DATA), "lid", SILVER), "rt", encoding="utf-8") as lines:
        for line in lines:
            page = json.loads(line)
            code = page["lang_predicted"][:3]
            pages.setdefault(SAME.get(code, code), []).append(page["text"])
    return {
        lang: (
            tuple(texts),
            tuple(label[:3] for label in curate.identify(texts)["lang"].to_pylist()),
            model_codes(tuple(texts)),
        )
        for lang, texts in pages.items()
    }


def agreement(lang: str, rows: Iterable[int]) -> tuple[int, int]:
    """Count how often curate, and how often the model, agrees with HPLT; an abstention does not."""
    _, curates, models = web_pages()[lang]
    at = list(rows)
    return sum(curates[k] == lang for k in at), sum(models[k] == lang for k in at)


def mislabelled(lang: str) -> list[int]:
    foreign, own, _ = _MISLABELLED[lang]
    small = [text.lower() for text in web_pages()[lang][0]]
    return [
        k for k, text in enumerate(small)
        if sum(map(text.count, foreign)) > 1 and not any(map(text.count, own))
    ]  # fmt: skip


def test_web_pages_agree_with_hplt_at_least_as_often_as_the_model_does() -> None:
    many = [lang for lang, (texts, _, _) in web_pages().items() if len(texts) >= _MANY]
    assert len(many) == 22  # simplified and traditional Chinese are one here
    lost = {}
    for lang in many:
        curates, models = agreement(lang, range(len(web_pages()[lang][0])))
        if curates < models:
            lost[lang] = curates, models
    # Every page counts. Measured in these two: 213 against 220, 115 against 133; the model gets
    # credit for pages that are in neither language, see below; Uyghur has its own test.
    assert set(lost) <= {*_MISLABELLED, "uig"}


@pytest.mark.parametrize(
    ("lang", "pages", "credit", "floor"), [("tat", 11, 11, 213), ("tgk", 128, 25, 115)]
)
def test_web_pages_that_hplt_has_no_label_for(
    lang: str, pages: int, credit: int, floor: int
) -> None:
    wrong = mislabelled(lang)
    texts, curates, models = web_pages()[lang]
    assert len(wrong) == pages
    assert sum(models[k] == lang for k in wrong) == credit
    named = sum(curates[k] == _MISLABELLED[lang][2] for k in wrong)
    assert named >= 0.98 * pages
    agreeing, models_agreeing = agreement(lang, sorted(set(range(len(texts))) - set(wrong)))
    assert agreeing >= max(floor, models_agreeing)


def test_web_pages_in_kazakh_that_hplt_calls_uyghur() -> None:
    """HPLT and the model know no other Turkic language in Arabic letters; ع ٴ ء are Kazakh."""
    texts, _, models = web_pages()["uig"]
    labels = curate.identify(texts)["lang"].to_pylist()
    kazakh = [sum(map(text.count, "عٴءۅ")) > 1 and not any(map(text.count, "ئې")) for text in texts]
    assert (len(texts), sum(kazakh)) == (250, 33)
    of_kazakh = [label for label, is_kazakh in zip(labels, kazakh) if is_kazakh]
    others = [label for label, is_kazakh in zip(labels, kazakh) if not is_kazakh]
    assert of_kazakh.count("kaz_Arab") >= 32 and "uig_Arab" not in of_kazakh
    # The other six: three Kyrgyz, two Persian, one in a font of its own.
    assert others.count("uig_Arab") >= 211 and "kaz_Arab" not in others
    assert models.count("uig") >= 245


def test_no_language_of_the_model_is_lost() -> None:
    # Many have no word lists; once a neighbour's words replaced whole languages.
    lost = {}
    for lang, (texts, _, _) in web_pages().items():
        curates, models = agreement(lang, range(len(texts)))
        if lang not in _MISLABELLED and curates < models - 0.1 * len(texts):
            lost[lang] = curates, models
    assert set(lost) <= {"lmo", "uig"}
    everywhere = [agreement(lang, range(len(page[0]))) for lang, page in web_pages().items()]
    curates, models = map(sum, zip(*everywhere))
    assert curates >= 1.03 * models


#: Sentences of each language that are tried in capitals and decomposed.
_TRIED = 60


@pytest.mark.parametrize(
    "lang",
    [
        "kaz",
        "kir",
        "tat",
        "tur",
        "azj",
        "uzn",
        "rus",
        "ukr",
        "eng",
        "deu",
        "fra",
        "spa",
        "ita",
        "por",
        "ind",
        "swh",
        "vie",
        "kor",
    ],
)
def test_capitals_and_decomposed_letters_cost_nothing(lang: str) -> None:
    """Wikipedia, on which the model was trained, has few texts in capitals."""
    truth, texts = gold(SENTENCES)
    plain = [text for code, text in zip(truth, texts) if code == lang][:_TRIED]

    def right(shown: list[str]) -> int:
        return sum(label[:3] == lang for label in curate.identify(shown)["lang"].to_pylist())

    floor = right(plain) - 1
    assert right([text.upper() for text in plain]) >= floor
    if lang in ("tur", "azj"):
        assert right([text.replace("i", "İ").upper() for text in plain]) >= floor
    assert right([unicodedata.normalize("NFD", text) for text in plain]) >= floor


def test_uyghur_stays_uyghur_beside_kazakh_in_arabic_letters() -> None:
    truth, texts = gold(SENTENCES, articles=True)
    uyghur = [text for code, text in zip(truth, texts) if code == "uig"]
    labels = curate.identify(uyghur)["lang"].to_pylist()
    assert labels.count("uig_Arab") >= 0.99 * sum("ئ" in text for text in uyghur)
    assert "kaz_Arab" not in labels and "kir_Arab" not in labels
