"""Gopher quality and repetition, FineWeb and C4 rules: our chain against datatrove's, in one thread.

Usage: python tests/benchmarks/signals.py [FOLDER] [LANGUAGE...]
(default: $CURATE_SHARED_DATA/text and en ru kk)

The folder holds <language>-*.jsonl.gz files with a field "text". Both sides get the same texts, ready to
read, and give one verdict per document and filter; datatrove's filters all run on each document, as ours
do. datatrove runs twice: as shipped, where its tokenizer of the language is installed, and with our
words in place of its tokenizer's, which is then all that the two have in common. CPU seconds, the best of
three rounds (of one for datatrove as shipped). Prints MB/s and the ratios as JSON, a line per language.
"""

from __future__ import annotations

import gzip
import json
import os
import sys
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

from curate.profile import Profiles, load
from curate.recipe.locate import profile_text
from curate.signals import measure
from curate.signals.verdict import lists_of, signals_of, verdicts
from curate.text.view import words

PROFILES = {
    "en": "eng_Latn",
    "ru": "rus_Cyrl",
    "kk": "kaz_Cyrl",
    "tr": "tur_Latn",
    "ar": "arb_Arab",
}
DATATROVE = {"en": "eng", "ru": "rus", "kk": "kaz", "tr": "tur", "ar": "arb"}
MODULES = ("gopher_quality_filter", "gopher_repetition_filter", "fineweb_quality_filter")
EXTRA = (
    *("dup_paragraph_share", "dup_paragraph_char_share", "dup_line_char_share"),
    *("terminal_line_share", "short_line_share", "n_curly_brackets", "n_lorem_ipsum"),
)


def read(folder: Path, language: str, most: int) -> list[str]:
    texts: list[str] = []
    for path in sorted(folder.glob(f"{language}-*.jsonl.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            texts += [json.loads(line)["text"] for line in lines]
    texts = [text for text in texts if len(text) > 200]
    size, kept = 0, []
    for text in texts[:: max(1, len(texts) // 2000)]:
        if size < most:
            kept.append(text)
            size += len(text.encode())
    return kept


def best(work: Callable[[], object], rounds: int) -> float:
    taken = []
    for _ in range(rounds):
        started = time.process_time()
        work()
        taken.append(time.process_time() - started)
    return min(taken)


def ours(column: pa.LargeStringArray, language: str) -> None:
    profile = load(PROFILES[language], profile_text)
    names = (*signals_of(Profiles({profile.name: profile})), *EXTRA)
    verdicts(pa.table(measure(column, tuple(dict.fromkeys(names)), lists_of(profile))), profile)


def theirs(texts: list[str], language: str) -> None:
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
        GopherQualityFilter(
            language=code,
            stop_words=list(load(PROFILES[language], profile_text).lists["stop_words"]),
        ),
        GopherRepetitionFilter(language=code),
        FineWebQualityFilter(language=code),
        c4,
    ]
    for i, text in enumerate(texts):
        for each in chain:
            each.filter(Document(text=text, id=str(i)))


def main() -> None:
    folder, *languages = sys.argv[1:] or [
        str(Path(os.environ.get("CURATE_SHARED_DATA", "."), "text"))
    ]
    for language in languages or ["en", "ru", "kk"]:
        texts = read(Path(folder), language, 1_000_000)
        if not texts:
            raise SystemExit(f"no {language}-*.jsonl.gz with texts in {folder}")
        size = sum(len(text.encode()) for text in texts) / 1e6
        many = pa.array(texts * 8, pa.large_string())
        ours(many[:2], language)  # compiles
        speed = {"ours": 8 * size / best(lambda: ours(many, language), 3)}  # noqa: B023
        with ExitStack() as patches:
            for module in MODULES:
                name = f"datatrove.pipeline.filters.{module}.split_into_words"
                patches.enter_context(mock.patch(name, lambda text, language=None: words(text)))
            speed["datatrove_with_our_words"] = size / best(lambda: theirs(texts, language), 3)  # noqa: B023
        few = read(Path(folder), language, 200_000)
        try:
            theirs(few[:1], language)
            taken = best(lambda: theirs(few, language), 1)  # noqa: B023
            speed["datatrove"] = sum(len(text.encode()) for text in few) / 1e6 / taken
        except ImportError as error:
            print(f"{language}: datatrove as shipped does not run here: {error}", file=sys.stderr)
        ratios = {
            f"ratio_to_{name}": round(speed["ours"] / value, 1)
            for name, value in speed.items()
            if name != "ours"
        }
        rounded = {name: round(value, 3) for name, value in speed.items()}
        print(
            json.dumps(
                {"language": language, "documents": len(texts), "megabytes": round(size, 2)}
                | {"megabytes_per_second": rounded}
                | ratios
            )
        )


if __name__ == "__main__":
    main()
