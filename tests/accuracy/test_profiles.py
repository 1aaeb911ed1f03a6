"""The shipped profiles on clean text: the most that they may drop; and what they must drop.

A higher budget needs a reason in the commit: with it a language loses good documents.
"""

import gzip
import json
import lzma
import os
import re
import textwrap
from collections import defaultdict
from functools import cache
from pathlib import Path

import pyarrow as pa
import pytest

from curate import api
from curate.recipe.locate import profile_names, profile_text
from curate.recipe.profile import Profile, Profiles, load_profile
from curate.signals import card, measure
from curate.signals.verdict import check_profile, lists_of, signals_of, verdicts
from curate.text.words import words

DATA = os.environ.get("CURATE_SHARED_DATA")
LANGUAGES = {
    "eng_Latn": ("en-*", 0.004),
    "kaz_Cyrl": ("kk-*", 0.017),
    "rus_Cyrl": ("ru-*", 0.010),
    "tur_Latn": ("tr-*", 0.015),
    "arb_Arab": ("ar-*", 0.014),
    "kor_Hang": ("ko-*", 0.007),
    "jpn_Jpan": ("ja-*", 0.004),
    "cmn_Hans": ("zh-*", 0.010),
    "tha_Thai": ("th-*", 0.020),
    "deu_Latn": ("de-*", 0.009),
    "ell_Grek": ("el-*", 0.009),
    "spa_Latn": ("es-*", 0.0),
    "hin_Deva": ("hi-*", 0.009),
    "ron_Latn": ("ro-*", 0.0),
    "vie_Latn": ("vi-*", 0.009),
}
#: The largest share that a single file may lose.
ONE_FILE = 0.018

#: The root profile, on languages as if they had none of their own.
OTHERS = {"de-*": 0.01, "el-*": 0.01, "es-*": 0.01, "hi-*": 0.01, "ro-*": 0.01, "vi-*": 0.01}

KINDS = ("chat", "line", "sentence", "code", "asr", "ocr")
#: ``_fixes`` has no rules: what other profiles extend.
ALL = tuple(name for name in profile_names() if name != "_fixes")


@cache
def profile(name: str) -> Profile:
    return load_profile(name, profile_text)


def documents(pattern: str, language: str) -> list[str]:
    """Return the documents of at least 50 words, or 200 characters in scripts without spaces."""
    return [text for texts in files(pattern, language).values() for text in texts]


@cache
def files(pattern: str, language: str) -> dict[str, list[str]]:
    found = {}
    for path in sorted(Path(DATA or "").glob(f"text/{pattern}.jsonl.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            found[path.name] = _long([json.loads(line)["text"] for line in lines], language)
    return found


def _long(texts: list[str], language: str) -> list[str]:
    if language in ("kor_Hang", "jpn_Jpan", "cmn_Hans", "tha_Thai"):
        return [text for text in texts if len(text) >= 200]
    return [text for text in texts if len(text.split()) >= 50]


@pytest.mark.skipif(not DATA, reason="needs $CURATE_SHARED_DATA")
@pytest.mark.real_data
@pytest.mark.parametrize("language", LANGUAGES)
def test_clean_documents_pass(language: str) -> None:
    pattern, budget = LANGUAGES[language]
    texts = documents(pattern, language)
    assert len(texts) > 100
    dropped = check_profile(profile(language), texts)
    assert dropped["any"] <= budget, {rule: share for rule, share in dropped.items() if share}
    for name, of_file in files(pattern, language).items():
        assert check_profile(profile(language), of_file)["any"] <= ONE_FILE, name


#: Orthographies of UDHR translations that the profiles do not cover: polytonic Greek, Chu nom.
OTHER_SPELLING = ("udhr:ell_polytonic", "udhr:vie")
SPOKEN = [
    name
    for name in ALL
    if re.search('extends = "_(words|judged)"', profile_text(name)) and not name.startswith("_")
]


@cache
def gold_sentences() -> dict[str, dict[str, list[str]]]:
    """Return clean documents of gold sentences, 60 words and more, by language and source."""
    by_lang: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for file in ("lid_gold_dev.tsv.gz", "lid_turkic_xwmt_dev.tsv.gz"):
        with gzip.open(Path(str(DATA), "lid", file), "rt", encoding="utf-8", newline="\n") as lines:
            next(lines)
            pending: dict[tuple[str, str], list[str]] = defaultdict(list)
            for line in lines:
                _, lang, source, _, text = line.rstrip("\n").split("\t")
                if source.startswith(OTHER_SPELLING):
                    continue
                kind = source.partition(":")[0]
                parts = pending[lang, kind]
                parts.append(text)
                if sum(len(part.split()) for part in parts) >= 60:
                    by_lang[lang][kind].append(" ".join(parts))
                    parts.clear()
    return by_lang


@pytest.mark.skipif(not DATA, reason="needs $CURATE_SHARED_DATA")
@pytest.mark.real_data
def test_clean_sentences_of_every_listed_language_pass() -> None:
    rejected, total = 0, 0
    for name in SPOKEN:
        texts = [text for source in gold_sentences()[name].values() for text in source]
        assert texts, name
        # Some are written with Latin letters in Cyrillic words, which this step mends in a run.
        texts = api.standardize({"text": texts}, profile=name).column("text").to_pylist()
        share = check_profile(profile(name), texts)["any"]
        # Where there are 50 documents or fewer, one of them is more than 2 percent.
        assert share <= max(0.041, 1.01 / len(texts)), name
        rejected += round(share * len(texts))
        total += len(texts)
    assert rejected / total <= 0.013


@pytest.mark.skipif(not DATA, reason="needs $CURATE_SHARED_DATA")
@pytest.mark.real_data
@pytest.mark.parametrize("pattern", OTHERS)
def test_clean_documents_of_other_languages_pass_the_default(pattern: str) -> None:
    dropped = check_profile(profile("_default"), documents(pattern, "und"))
    assert dropped["any"] <= OTHERS[pattern], dropped


@pytest.mark.parametrize("name", ALL)
def test_profiles_load_and_explain_themselves(name: str) -> None:
    loaded = profile(name)
    assert loaded.describes
    assert loaded.rules
    for rule_name, rule in loaded.rules.items():
        assert card(rule.signal).what
        assert rule.why, rule_name
        assert rule.source, rule_name
    signals_of(Profiles({name: loaded}))
    measure(pa.array(["x"], pa.large_string()), ["n_words"], lists_of(loaded))


@pytest.mark.parametrize("name", ALL)
def test_function_words_are_words_and_written_once(name: str) -> None:
    listed = profile(name).lists.get("stop_words", ())
    assert [word for word in listed if words(word) != [word]] == []
    assert len(set(listed)) == len(listed)


def first_rule(name: str, text: str) -> str | None:
    loaded = profile(name)
    names = signals_of(Profiles({name: loaded}))
    table = pa.table(measure(pa.array([text], pa.large_string()), names, lists_of(loaded)))
    rule: str | None = verdicts(table, loaded)[0][0].as_py()
    return rule


@cache
def garbage() -> tuple[str, ...]:
    """Return the bytes of a PDF and its pictures decoded as text: whole, and cut into documents."""
    path = Path(DATA or "") / "quality/ungoliant-garbage-pdf-as-text.txt.xz"
    with lzma.open(path, "rt", encoding="utf-8", errors="replace") as handle:
        whole = handle.read()
    return (whole, *(whole[i : i + 20_000] for i in range(0, len(whole), 20_000)))


@pytest.mark.skipif(not DATA, reason="needs $CURATE_SHARED_DATA")
@pytest.mark.real_data
@pytest.mark.parametrize(
    "name", [name for name in ALL if re.fullmatch("[a-z]{3}_[A-Z][a-z]{3}", name)]
)
def test_bytes_read_as_text_are_dropped_by_every_language(name: str) -> None:
    assert check_profile(profile(name), garbage())["any"] == 1.0


@pytest.mark.skipif(not DATA, reason="needs $CURATE_SHARED_DATA")
@pytest.mark.real_data
def test_bytes_read_as_text_are_dropped_in_any_language_they_are_identified_as() -> None:
    assert all(dropped_as_what_it_is_taken_for())


def dropped_as_what_it_is_taken_for() -> list[str | None]:
    """Return the rule that drops each piece of garbage in its language's profile."""
    labels = api.identify(garbage())["lang"].to_pylist()
    return [
        first_rule(label if label in ALL else "_default", text)
        for label, text in zip(labels, garbage())
    ]


@pytest.mark.skipif(not DATA, reason="needs $CURATE_SHARED_DATA")
@pytest.mark.real_data
@pytest.mark.parametrize("language", ["eng_Latn", "kaz_Cyrl", "rus_Cyrl", "tur_Latn", "arb_Arab"])
def test_clean_text_passes_as_a_transcript_and_as_a_recognized_page(language: str) -> None:
    pattern = LANGUAGES[language][0] if language != "rus_Cyrl" else "ru-xquad*"
    texts = documents(pattern, language)  # without Russian government texts, which are repetitive
    spoken = [re.sub(r"[^\w\s]", "", text).lower() for text in texts]
    assert check_profile(profile("asr"), spoken)["any"] <= 0.01
    printed = ["\n".join(textwrap.wrap(text, 50)) for text in texts]
    assert check_profile(profile("ocr"), printed)["any"] <= 0.02


@pytest.mark.skipif(not DATA, reason="needs $CURATE_SHARED_DATA")
@pytest.mark.real_data
@pytest.mark.parametrize(
    ("name", "label", "budget"),
    [
        ("eng_Latn", "eng_Latn", 0.07),
        ("rus_Cyrl", "rus_Cyrl", 0.035),
        ("tur_Latn", "tur_Latn", 0.08),
        ("arb_Arab", "ara_Arab", 0.08),
        ("cmn_Hans", "zho_Hans", 0.04),
    ],
)
def test_web_pages_that_people_found_natural_pass_more_often(
    name: str, label: str, budget: float
) -> None:
    path = Path(DATA or "") / "quality/hplt_human_labels_dev.jsonl.xz"
    texts: dict[int, list[str]] = {0: [], 1: []}
    with lzma.open(path, "rt", encoding="utf-8") as lines:
        for row in map(json.loads, lines):
            if row["lang_predicted"] == label and row["lang_correct"] and not row["porn"]:
                texts[row["unnatural"]].append(row["text"].replace("\n..........\n", " "))
    natural, unnatural = (check_profile(profile(name), texts[i])["any"] for i in (0, 1))
    assert natural <= budget
    assert unnatural > 2 * natural


KAZAKH = (
    "Ауылдың шетіндегі ескі диірменді балалар көптен бері қарап жүр еді. Бүгін олар атасымен бірге "
    "сол жаққа барды, бірақ есігі жабық болып шықты. Атасы күлді де, кілтті қалтасынан алып берді. "
    "Ішінде шаң басқан тастар мен ұн иісі бар екен. Балалар ұзақ отырып, бұрынғы заман туралы "
    "әңгіме тыңдады, содан кейін үйге кешкі ас кезінде қайтты."
)


#: The keywords of a page written for search engines.
KEYWORDS = (
    "Sapatos baratos, botas femininas, ténis masculinos, sandálias crianças, malas couro, "
    "carteiras viagem, relógios pulso, óculos sol, vestidos festa, camisas algodão, calças ganga, "
    "casacos inverno, meias lã, chapéus praia, luvas pele, cintos clássicos, gravatas seda, "
    "pijamas quentes, toalhas banho, lençóis cama, almofadas sala, tapetes modernos, cortinas "
    "blackout, candeeiros mesa, cadeiras jardim, mesas jantar, sofás cama, estantes livros. Envio "
    "grátis, descontos exclusivos, compre agora!"
)


@pytest.mark.parametrize(
    ("name", "text", "rule"),
    [
        ("kaz_Cyrl", KAZAKH, None),
        ("kaz_Cyrl", "", "too_few_words"),
        ("kaz_Cyrl", "Басты бет Байланыс Кіру", "too_few_words"),
        ("kaz_Cyrl", "арзан пәтер сатып алу " * 40, "repeated_2grams"),
        ("kaz_Cyrl", KAZAKH.replace("а", "\ufffd"), "unreadable_characters"),
        ("eng_Latn", KAZAKH, "wrong_script"),
        ("chat", "Иә", None),
        ("chat", "", "empty"),
        ("line", "= 12 = 13 =", "too_few_letters"),
        ("line", "Good morning", None),
        ("sentence", "Бір сөйлем.", None),
        ("sentence", "сөз " * 600, "too_long"),
        ("code", "def f(x):\n    return x + 1\n", None),
        ("code", "x=" + "1," * 700, "line_too_long"),
        ("code", "+-*/" * 20 + "\n", "too_few_letters_and_digits"),
        ("asr", "so we went down to the river and then we waited for him", None),
        ("asr", "thank you for watching " * 30, "repeated_2grams"),
        ("asr", "okay", "too_few_words"),
        ("ocr", "\n".join(KAZAKH.split()), None),
        ("ocr", "| _ . ~ : ' " * 20, "too_few_words"),
        ("ocr", "a.b|c ~d:e' f_ {}[] ;;:: --- " * 12, "too_few_letters"),
        (
            "deu_Latn",
            "Hotel Ulm günstig buchen, Hotel Bonn günstig buchen. " * 9,
            "repeated_2grams",
        ),
        ("por_Latn", KEYWORDS, "too_few_function_words"),
    ],
)
def test_what_passes_and_what_does_not(name: str, text: str, rule: str | None) -> None:
    assert first_rule(name, text) == rule
