"""Floors of language identification on gold sentences. Lower one only on purpose, and say why.

Measured with lid.176, as ``curate.identify`` calls it: with the thresholds of the shipped profiles, so
that an abstention is an error. A label is right when its language is; Chinese is one language here.
The word lists and weights were written from grammars; no row of these files was looked up for them.
"""

import gzip
import json
import lzma
import os
from functools import cache
from pathlib import Path

import pytest

import curate
from curate.langid import labels, model
from curate.langid.identify import _buffers, _large_strings

DATA = os.environ.get("CURATE_SHARED_DATA")

pytestmark = [
    pytest.mark.real_data,
    pytest.mark.skipif(not DATA, reason="needs $CURATE_SHARED_DATA"),
]

SENTENCES, TURKIC = "lid_gold_dev.tsv.gz", "lid_turkic_xwmt_dev.tsv.gz"

SILVER = "hplt_web_silver_dev.jsonl.xz"

#: Names in the gold files for a language that we name otherwise.
SAME = {"ekk": "est", "zlm": "zsm", "pbu": "pbt", "prs": "pes", "zho": "cmn", "ara": "arb"}

#: The languages of the five close groups, and those beside them that have a profile. Karakalpak and
#: Bashkir have rows only in the Turkic file. With UDHR articles or without.
CLOSE = {
    "kaz", "kir", "kaa", "tat", "bak", "uzn", "tur", "azj", "tuk", "crh", "khk", "tgk", "sah",
    "rus", "ukr", "bul", "mkd", "srp", "bel", "arb", "pes", "urd", "uig", "cmn", "yue", "jpn", "kor",
    "eng", "deu", "fra", "spa", "ita", "por", "hin", "ben", "ind", "swh", "tha", "vie",
}  # fmt: skip


@cache
def gold(file: str, articles: bool = False) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Give the gold languages and texts of CLOSE; ``articles``: of the UDHR, too."""
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
    return heard(gold(file, articles)[1])


def heard(texts: tuple[str, ...]) -> tuple[str, ...]:
    loaded = model.load()
    numbers, _ = loaded.predict(*_buffers(_large_strings(texts)))
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


#: Languages of the web pages with 200 pages each or more, by the names of HPLT.
_MANY = 200

#: HPLT's identifier has no label for these: it called such pages Tatar and Tajik. Their letters and
#: words are another language's beyond doubt (test_close_languages), so they are set aside.
_NOT_IN_HPLT = {"azj_Cyrl", "uzn_Cyrl", "tuk_Cyrl"}


def test_web_pages_agree_with_hplt_at_least_as_often_as_the_model_does() -> None:
    pages: dict[str, list[str]] = {}
    with lzma.open(Path(str(DATA), "lid", SILVER), "rt", encoding="utf-8") as lines:
        for line in lines:
            page = json.loads(line)
            code = page["lang_predicted"][:3]
            pages.setdefault(SAME.get(code, code), []).append(page["text"])
    lost = {}
    for lang, texts in pages.items():
        if len(texts) < _MANY:
            continue
        found = curate.identify(texts)["lang"].to_pylist()
        pairs = [
            (label[:3] == lang, said == lang)
            for label, said in zip(found, heard(tuple(texts)))
            if label not in _NOT_IN_HPLT
        ]
        mine, model_says = (sum(side) for side in zip(*pairs))
        if mine < model_says:
            lost[lang] = (mine, model_says, len(texts))
    assert lost == {}
