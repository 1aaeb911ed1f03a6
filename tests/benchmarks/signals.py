"""Compare Gopher quality and repetition, FineWeb and C4 rules with datatrove's and dolma's.

Usage: python -m tests.benchmarks.signals [--folder FOLDER] [--dolma PYTHON] [--page-quality]
       [LANGUAGE...]
(default: $CURATE_SHARED_DATA/text and en ru kk ja; PYTHON is that of an environment with dolma)

The folder contains <language>-*.jsonl.gz files with a field "text". All sides get the same texts,
ready to read, in one thread; each filter judges each document by the published limits;
datatrove's filters all run on each document, as ours do. datatrove runs twice: as shipped, where
its tokenizer of the language is installed, and with our words in place of its tokenizer's, where
every verdict must equal ours. dolma's tagger (gopher_v1) measures Gopher's quality rules and
repetition alone. CPU seconds; the sides take turns, the best of three rounds each (ours five times
in each; of one for datatrove as shipped and dolma). Prints MB/s, ratios and the share of documents
with the same verdict as JSON, a line per language.

``--page-quality`` measures what the shipped model costs instead: the signals of the language's
profile with and without ``page_quality``, in turns, the best of seven rounds each.
"""

from __future__ import annotations

import argparse
import gzip
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from unittest import mock

import pyarrow as pa
from datatrove.data import Document
from datatrove.pipeline.filters import (
    C4QualityFilter,
    FineWebQualityFilter,
    GopherQualityFilter,
    GopherRepetitionFilter,
)

from curate.recipe.locate import profile_text
from curate.recipe.profile import Profiles, load_profile
from curate.signals import measure
from curate.signals.verdict import lists_of, signals_of, verdicts
from curate.text.words import words
from tests.published_rules import C4, FINEWEB, QUALITY, REPETITION

PROFILES = {
    "en": "eng_Latn",
    "ru": "rus_Cyrl",
    "kk": "kaz_Cyrl",
    "tr": "tur_Latn",
    "ar": "arb_Arab",
    "ja": "jpn_Jpan",
}
DATATROVE = {"en": "eng", "ru": "rus", "kk": "kaz", "tr": "tur", "ar": "arb", "ja": "jpn"}
MODULES = ("gopher_quality_filter", "gopher_repetition_filter", "fineweb_quality_filter")
RULES = (QUALITY, REPETITION, FINEWEB, C4)
SIGNALS = tuple(rule.signal for rules in RULES for rule in rules.rules.values())

#: Megabytes of a stage's batch by the default of recipes; the texts are repeated up to this size.
BATCH = 8

#: Runs in dolma's environment: CPU seconds of its tagger over the texts of a JSON file.
DOLMA = """
import json, sys, time
from dolma.core.data_types import Document
from dolma.taggers.gopher import GopherTagger
texts = json.load(open(sys.argv[1], encoding="utf-8"))
tagger = GopherTagger()
tagger.predict(Document(id="0", source="", text=texts[0]))
started = time.process_time()
for text in texts:
    tagger.predict(Document(id="0", source="", text=text))
print(time.process_time() - started)
"""


def read(folder: Path, language: str, most: int) -> list[str]:
    texts: list[str] = []
    for path in sorted(folder.glob(f"{language}-*.jsonl.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            texts += [json.loads(line)["text"].strip("\n") for line in lines]
    texts = [text for text in texts if len(text) > 200]
    size, kept = 0, []
    for text in texts[:: max(1, len(texts) // 2000)]:
        if size < most:
            kept.append(text)
            size += len(text.encode())
    return kept


def taken(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def ours(column: pa.LargeStringArray, stop_words: list[str]) -> list[pa.BooleanArray]:
    """Return for each filter whether it keeps each text."""
    table = pa.table(measure(column, SIGNALS, {"stop_words": stop_words}))
    return [verdicts(table, rules)[0].is_null() for rules in RULES]


def by_datatrove(texts: list[str], language: str, stop_words: list[str]) -> list[list[bool]]:
    code = DATATROVE[language]
    c4 = C4QualityFilter(
        remove_citations=False,
        filter_no_terminal_punct=False,
        min_num_sentences=-1,
        min_words_per_line=-1,
        max_word_length=-1,
        filter_javascript=False,
        filter_policy=False,
        language=code,
    )
    chain = [
        GopherQualityFilter(language=code, stop_words=stop_words),
        GopherRepetitionFilter(language=code),
        FineWebQualityFilter(language=code),
        c4,
    ]
    # One document after the other, as in its pipelines: datatrove caches the words of the last
    # text.
    verdicts_of = [
        [each.filter(Document(text=text, id=str(i))) is True for each in chain]
        for i, text in enumerate(texts)
    ]
    return [list(kept) for kept in zip(*verdicts_of)]


def agreement(one: list[list[bool]], other: list[list[bool]]) -> dict[str, float]:
    """Return for each filter the share of documents with the same verdict."""
    names = ("gopher_quality", "gopher_repetition", "fineweb", "c4")
    return {
        name: round(sum(a == b for a, b in zip(x, y)) / len(x), 4)
        for name, x, y in zip(names, one, other)
    }


def dolma(python: str, texts: list[str]) -> float:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "texts.json")
        path.write_text(json.dumps(texts), encoding="utf-8")
        done = subprocess.run(
            [python, "-c", DOLMA, str(path)], capture_output=True, text=True, check=True
        )
    return float(done.stdout.split()[-1])


def compare(folder: Path, language: str, python: str | None) -> dict[str, object]:
    texts, few = read(folder, language, 1_000_000), read(folder, language, 200_000)
    if not texts:
        raise SystemExit(f"no {language}-*.jsonl.gz with texts in {folder}")
    size, small = (sum(len(text.encode()) for text in each) / 1e6 for each in (texts, few))
    stop_words = list(load_profile(PROFILES[language], profile_text).lists["stop_words"])
    times = math.ceil(BATCH / size)
    many = pa.array(texts * times, pa.large_string())
    # The first call compiles.
    our_verdicts = [
        kept.to_pylist() for kept in ours(pa.array(texts, pa.large_string()), stop_words)
    ]
    speed = {"ours": 0.0, "datatrove_with_our_words": 0.0}
    same = {}
    for _ in range(3):
        spent = min(taken(lambda: ours(many, stop_words)) for _ in range(5))
        speed["ours"] = max(speed["ours"], times * size / spent)
        with ExitStack() as patches:
            for module in MODULES:
                name = f"datatrove.pipeline.filters.{module}.split_into_words"
                patches.enter_context(mock.patch(name, lambda text, language=None: words(text)))
            spent = taken(lambda: same.update(words=by_datatrove(texts, language, stop_words)))
        speed["datatrove_with_our_words"] = max(speed["datatrove_with_our_words"], size / spent)
    agreed = {"with_our_words": agreement(our_verdicts, same["words"])}
    try:
        by_datatrove(few[:1], language, stop_words)
        spent = taken(lambda: same.update(shipped=by_datatrove(few, language, stop_words)))
        speed["datatrove"] = small / spent
        agreed["as_shipped"] = agreement(
            [each[: len(few)] for each in our_verdicts], same["shipped"]
        )
    except ImportError as error:
        print(f"{language}: datatrove as shipped does not run here: {error}", file=sys.stderr)
    if python:
        speed["dolma_gopher"] = small / dolma(python, few)
    ratios = {
        f"ratio_to_{name}": round(speed["ours"] / value, 1)
        for name, value in speed.items()
        if name != "ours"
    }
    rounded = {name: round(value, 3) for name, value in speed.items()}
    about = {"language": language, "documents": len(texts), "megabytes": round(size, 2)}
    return about | {"megabytes_per_second": rounded} | ratios | {"same_verdict": agreed}


def page_quality(folder: Path, language: str) -> dict[str, object]:
    """Return MB/s of a profile's signals with and without the shipped model, and its share."""
    texts = read(folder, language, 1_000_000)
    size = sum(len(text.encode()) for text in texts) / 1e6
    profile = load_profile(PROFILES[language], profile_text)
    names = signals_of(Profiles({profile.name: profile}))
    without = [name for name in names if name != "page_quality"]
    times = math.ceil(BATCH / size)
    column = pa.array(texts * times, pa.large_string())
    spent = {"without": math.inf, "with": math.inf}
    for _ in range(7):
        for key, chosen in (("without", without), ("with", [*without, "page_quality"])):
            work = taken(lambda chosen=chosen: measure(column, chosen, lists_of(profile)))
            spent[key] = min(spent[key], work)
    rates = {key: round(times * size / seconds, 1) for key, seconds in spent.items()}
    micros = (spent["with"] - spent["without"]) / len(column) * 1e6
    about = {"language": language, "documents": len(texts), "bytes": round(1e6 * size / len(texts))}
    return about | {"megabytes_per_second": rates, "microseconds_a_document": round(micros)}


def main() -> None:
    parser = argparse.ArgumentParser()
    shared = Path(os.environ.get("CURATE_SHARED_DATA", "."), "text")
    parser.add_argument("--folder", type=Path, default=shared)
    parser.add_argument("--dolma", help="the Python of an environment that has dolma")
    parser.add_argument("--page-quality", action="store_true", help="the cost of the model")
    parser.add_argument("languages", nargs="*", default=["en", "ru", "kk", "ja"])
    arguments = parser.parse_args()
    for language in arguments.languages:
        if arguments.page_quality:
            print(json.dumps(page_quality(arguments.folder, language)), flush=True)
            continue
        print(json.dumps(compare(arguments.folder, language, arguments.dolma)), flush=True)


if __name__ == "__main__":
    main()
