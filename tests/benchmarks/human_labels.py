"""Compare our profiles and FineWeb2's thresholds with human labels of web pages.

Usage: python -m tests.benchmarks.human_labels [--configs FOLDER] [--rows FILE] [--by-language]
       [--seed N] [--json]

The rows (default: $CURATE_SHARED_DATA/quality/hplt_human_labels_dev.jsonl.xz) are excerpts of web
pages that people labelled: ``unnatural`` (word lists, spam, mostly boilerplate), ``porn``,
``lang_correct``. A page is bad when it is one of the first two or of another language than
predicted. Rejecting a bad page is a hit.

Both sides judge by the profile or thresholds of the predicted language, first without and then with
language identification: a page that our identifier assigns to another language is then rejected,
on both sides by the same identifier (GlotLID, FineWeb2's own, needs a download). FineWeb2's
thresholds run in datatrove's own filters, in FineWeb2's order and with its settings. The excerpts
are two windows of 500 characters, so their lines end where the window ends: ``line_punct`` is
meaningless on them. FineWeb2 is shown with and without that rule; compare with the one without.

The shipped model behind ``page_quality`` was trained on these rows, so the line "our profiles"
shows what it remembers. The lines "folds" (with the extra ``train``) are of models that did not
see the row: trained on four fifths of the rows, five times. "page_quality, folds" is nested: each
fold is judged by the limit that rejects 4 % of the good pages of the other folds. "our rules
alone" are those of the profiles without ``page_quality``, with the limits that the parents have
where no model decides. "our profiles,
folds" has the limits of the profiles. ``--by-language`` also compares its F1 with FineWeb2's in
each language, with the 95 % interval of the difference (bootstrap over the language's pages).

``--configs`` is the folder ``configs`` of a clone of huggingface/fineweb-2; without it the numbers
come from fineweb2.toml beside this file and FineWeb2's rule on stop words is left out.
"""

from __future__ import annotations

import argparse
import json
import lzma
import os
import re
import sys
import tomllib
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from datatrove.data import Document
from datatrove.pipeline.filters import (
    FineWebQualityFilter,
    GopherQualityFilter,
    GopherRepetitionFilter,
)
from datatrove.utils.word_tokenizers import SpaCyTokenizer, load_word_tokenizer

from curate.errors import RecipeError
from curate.langid.identify import identify
from curate.recipe import locate
from curate.recipe.profile import DEFAULT, Profile, Profiles, load_profile
from curate.signals import measure
from curate.signals.verdict import lists_of, signals_of, verdicts
from curate.tuning.card import auc

ROWS = "quality/hplt_human_labels_dev.jsonl.xz"

#: HPLT's labels → ours, where they differ.
OURS = {"ara_Arab": "arb_Arab", "zho_Hans": "cmn_Hans"}
#: HPLT's labels → FineWeb2's, where they differ.
FINEWEB2 = {"ara_Arab": "arb_Arab", "zho_Hans": "cmn_Hani", "pes_Arab": "fas_Arab"}

#: A limit of a profile that counts on the model.
_LOOSER = re.compile(r'\[rules\.\w+\]\n(?:min|max) = \S+\nsource = "ours: the model decides.*"\n')

LINE_RULES = {"line_punct_ratio"}

#: The share of good pages that the nested limit of a fold rejects in the others.
FALSE_REJECTION = 0.04
RESAMPLES = 2000


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Read the rows; an excerpt's windows become lines."""
    with lzma.open(path, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    for row in rows:
        text = unicodedata.normalize("NFC", row["text"])  # as `repair` leaves it, before any rule
        row["text"] = re.sub(r"\s\.{10}\s", "\n", text)
        row["bad"] = bool(row["unnatural"] or row["porn"] or not row["lang_correct"])
    return rows


# --- ours ---


@cache
def profiles() -> Profiles:
    return Profiles(
        {name: load_profile(name, locate.profile_text) for name in locate.profile_names()}
    )


def profile_of(label: str) -> Profile:
    return profiles().by_name.get(OURS.get(label, label)) or profiles().by_name[DEFAULT]


@cache
def rules_alone(label: str) -> Profile:
    """Return a language's profile without the model, and without the limits that count on it."""

    def read(name: str) -> str:
        return _LOOSER.sub("", locate.profile_text(name))

    profile = load_profile(profile_of(label).name, read)
    rules = {name: rule for name, rule in profile.rules.items() if name != "page_quality"}
    return profile.model_copy(update={"rules": rules})


def our_rules(
    rows: Sequence[dict[str, Any]], profile_of: Callable[[str], Profile] = profile_of
) -> list[str | None]:
    """Return the first rule that each row fails, or None."""
    found: list[str | None] = [None] * len(rows)
    for label in sorted({row["lang_predicted"] for row in rows}):
        at = [i for i, row in enumerate(rows) if row["lang_predicted"] == label]
        profile = profile_of(label)
        texts = pa.array([rows[i]["text"] for i in at], pa.large_string())
        names = signals_of(Profiles({profile.name: profile}))
        table = pa.table(measure(texts, names, lists_of(profile)))
        for i, rule in zip(at, verdicts(table, profile)[0].to_pylist()):
            found[i] = rule
    return found


def page_quality(rows: Sequence[dict[str, Any]], seed: int) -> tuple[np.ndarray, np.ndarray] | None:
    """Return each row's score by a model that was trained without it, and its fold of five.

    The clean texts of the shipped model's training are part of each. None without scikit-learn.
    """
    from curate.tuning import forest
    from curate.tuning.train import Labelled, _Trees
    from tests.generate.page_quality import clean_texts

    try:
        forest.packages()
    except RecipeError:
        return None
    clean = list(clean_texts(Path(os.environ.get("CURATE_SHARED_DATA", "."))))
    texts = [row["text"] for row in rows] + [row["text"] for row in clean]
    langs = [OURS.get(row["lang_predicted"], row["lang_predicted"]) for row in rows]
    langs += [row["lang"] for row in clean]
    good = np.array([not row["bad"] for row in rows] + [True] * len(clean))
    lists = {lang: lists_of(profile_of(lang)) for lang in set(langs)}
    trees = _Trees(Labelled(texts, good, langs, [""] * len(texts)), lists, "stacked", seed)
    fold, scores = forest.folds(good, seed), np.empty(len(texts))
    for number in range(forest.FOLDS):
        scores[fold == number] = trees.scores(np.flatnonzero(fold != number))[fold == number]
    return np.nan_to_num(scores[: len(rows)]), fold[: len(rows)]


def cross_validated(
    rows: Sequence[dict[str, Any]], scores: np.ndarray, fold: np.ndarray
) -> dict[str, list[bool]]:
    """Return what the model rejects alone, and what our profiles do with it in place of theirs.

    The shipped model has seen these rows: only folds say what it does on others.
    """
    good = np.array([not row["bad"] for row in rows])
    alone, together = np.zeros(len(rows), bool), np.zeros(len(rows), bool)
    for number in np.unique(fold):
        limit = np.quantile(scores[good & (fold != number)], FALSE_REJECTION)
        alone[fold == number] = scores[fold == number] < limit
    for label in sorted({row["lang_predicted"] for row in rows}):
        at = [i for i, row in enumerate(rows) if row["lang_predicted"] == label]
        profile = profile_of(label)
        rule = profile.rules.get("page_quality")
        rules = {name: one for name, one in profile.rules.items() if name != "page_quality"}
        without = profile.model_copy(update={"rules": rules})
        texts = pa.array([rows[i]["text"] for i in at], pa.large_string())
        names = signals_of(Profiles({profile.name: without}))
        table = pa.table(measure(texts, names, lists_of(without)))
        failed = verdicts(table, without)[0].is_valid().to_numpy(zero_copy_only=False)
        together[at] = failed | (scores[at] < (rule.min or 0) if rule is not None else False)
    return {"page_quality, folds": alone.tolist(), "our profiles, folds": together.tolist()}


def other_language(rows: Sequence[dict[str, Any]]) -> list[bool]:
    """Return whether our identifier gives each row another label than the predicted one."""
    identified = identify([row["text"] for row in rows], profiles=profiles())["lang"].to_pylist()
    return [
        label != OURS.get(row["lang_predicted"], row["lang_predicted"])
        for label, row in zip(identified, rows)
    ]


# --- FineWeb2's ---


def thresholds(label: str, configs: Path | None) -> dict[str, Any]:
    name = FINEWEB2.get(label, label)
    if configs is not None and label != "eng_Latn":
        import yaml

        return dict(yaml.safe_load((configs / f"{name}.yml").read_text(encoding="utf-8")))
    with (Path(__file__).parent / "fineweb2.toml").open("rb") as file:
        return dict(tomllib.load(file)[name])


@cache
def words_of(label: str) -> Any:
    """Return datatrove's own tokenizer for a language, or spaCy's `xx` if it is not installed."""
    try:
        own = load_word_tokenizer(FINEWEB2.get(label, label))
        own.word_tokenize("a b")
    except Exception as error:  # each package has its own error for a missing download
        print(f"{label}: spaCy's xx in place of datatrove's words: {error!s:.80}", file=sys.stderr)
        return SpaCyTokenizer("xx")
    return own


def fineweb2_chain(label: str, configs: Path | None) -> list[Any]:
    """Build the filters of fineweb-2-pipeline.py; English has FineWeb's."""
    config, words = thresholds(label, configs), words_of(label)
    english = label == "eng_Latn"
    stop_words = None if english else config.get("stopwords", [])
    return [
        GopherRepetitionFilter(
            language=words,
            dup_para_frac=0,
            dup_line_char_frac=0,
            dup_para_char_frac=0,
            dup_line_frac=config["dup_line_frac"],
            top_n_grams=config["top_n_grams"],
            dup_n_grams=config["dup_n_grams"],
        ),
        FineWebQualityFilter(
            language=words,
            short_line_thr=0.67 if english else 999,
            char_duplicates_ratio=0.01 if english else 0.1,
            line_punct_thr=config["line_punct_thr"],
            new_line_ratio=config["new_line_ratio"],
        ),
        FineWebQualityFilter(
            language=words,
            short_line_thr=0.67 if english else 999,
            char_duplicates_ratio=0.01 if english else 0.1,
            line_punct_thr=0,
            new_line_ratio=config["new_line_ratio"],
        ),
        GopherQualityFilter(
            language=words,
            max_avg_word_length=config["max_avg_word_length"],
            min_avg_word_length=config["min_avg_word_length"],
            stop_words=stop_words,
            max_non_alpha_words_ratio=config["max_non_alpha_words_ratio"],
            min_stop_words=0 if stop_words == [] else 2,
        ),
    ]


def fineweb2_rules(rows: Sequence[dict[str, Any]], configs: Path | None) -> list[set[str]]:
    """Return the rules that each row fails, one per filter."""
    found: list[set[str]] = []
    chains = {
        label: fineweb2_chain(label, configs) for label in {r["lang_predicted"] for r in rows}
    }
    for i, row in enumerate(rows):
        failed = set()
        for each in chains[row["lang_predicted"]]:
            verdict = each.filter(Document(text=row["text"], id=str(i)))
            if verdict is not True:
                failed.add(verdict[1] if isinstance(verdict, tuple) else each.name)
        found.append(failed)
    return found


# --- the table ---


def score(rows: Sequence[dict[str, Any]], rejected: Sequence[bool]) -> dict[str, float]:
    """Return precision, recall, F1, the share of good pages rejected, recall per human label."""
    hits = sum(row["bad"] for row, is_rejected in zip(rows, rejected) if is_rejected)
    bad = sum(row["bad"] for row in rows)
    good = len(rows) - bad
    precision = hits / max(1, sum(rejected))
    recall = hits / max(1, bad)

    def part(label: str, value: int) -> float:
        of = [is_rejected for row, is_rejected in zip(rows, rejected) if row[label] == value]
        return sum(of) / max(1, len(of))

    return {
        "pages": len(rows),
        "bad": bad,
        "rejected": sum(rejected),
        "precision": precision,
        "recall": recall,
        "f1": 2 * precision * recall / max(1e-9, precision + recall),
        "false_rejection": (sum(rejected) - hits) / max(1, good),
        "unnatural": part("unnatural", 1),
        "porn": part("porn", 1),
        "wrong_language": part("lang_correct", 0),
    }


def f1_difference(bad: np.ndarray, ours: np.ndarray, theirs: np.ndarray) -> list[float]:
    """Return F1 of ours, of theirs, and the ends of the 95 % interval of the difference.

    Pages are drawn with replacement, good and bad ones apart; no page rejected and none found is 0.
    """
    random = np.random.default_rng(1)
    drawn = [
        random.choice(np.flatnonzero(bad == label), (RESAMPLES, int((bad == label).sum())))
        for label in (True, False)
    ]
    at = np.concatenate(drawn, axis=1)

    def f1(rejected: np.ndarray, places: np.ndarray) -> np.ndarray:
        hits = (rejected & bad)[places].sum(axis=1)
        return 2 * hits / np.maximum(1, rejected[places].sum(axis=1) + bad[places].sum(axis=1))

    whole = np.arange(len(bad))[None]
    low, high = np.percentile(f1(ours, at) - f1(theirs, at), [2.5, 97.5])
    return [float(f1(ours, whole)[0]), float(f1(theirs, whole)[0]), float(low), float(high)]


def compare(
    rows: Sequence[dict[str, Any]], configs: Path | None, seed: int = 1
) -> dict[str, list[bool]]:
    """Return for each contender which rows it rejects."""
    ours = [rule is not None for rule in our_rules(rows)]
    other = other_language(rows)
    found: dict[str, list[bool]] = {}
    if (judged := page_quality(rows, seed)) is not None:
        found = cross_validated(rows, *judged)
        area = auc(judged[0], np.array([not row["bad"] for row in rows]))
        print(f"page_quality, folds: AUC {area:.4f}", file=sys.stderr)
    alone = [rule is not None for rule in our_rules(rows, rules_alone)]
    found |= {
        "our rules alone": alone,
        "our profiles": ours,
        "our profiles + language": [a or b for a, b in zip(ours, other)],
        "language alone": other,
    }
    if find_spec("spacy") is None:
        print("spacy is not installed: FineWeb2's filters are left out", file=sys.stderr)
        return found
    failed_rules = fineweb2_rules(rows, configs)
    fair = [bool(failed - LINE_RULES) for failed in failed_rules]
    return found | {
        "FineWeb2": fair,
        "FineWeb2, line_punct too": [bool(failed) for failed in failed_rules],
        "FineWeb2 + language": [a or b for a, b in zip(fair, other)],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--configs", type=Path)
    parser.add_argument("--rows", type=Path)
    parser.add_argument("--by-language", action="store_true")
    parser.add_argument("--seed", type=int, default=1, help="of the folds and of their models")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    rows = read_rows(arguments.rows or Path(os.environ.get("CURATE_SHARED_DATA", "."), ROWS))
    rejected = compare(rows, arguments.configs, arguments.seed)

    places: dict[str, list[int]] = defaultdict(list)
    for i, row in enumerate(rows):
        if arguments.by_language:
            places[row["lang_predicted"]].append(i)
        places["all"].append(i)
    table = {
        label: {
            name: score([rows[i] for i in at], [verdicts_of[i] for i in at])
            for name, verdicts_of in rejected.items()
        }
        for label, at in sorted(places.items(), key=lambda pair: pair[0] == "all")
    }
    if arguments.json:
        print(json.dumps(table))
        return
    columns = ("rejected", "precision", "recall", "f1", "false_rejection")
    columns += ("unnatural", "porn", "wrong_language")
    for label, contenders in table.items():
        first = next(iter(contenders.values()))
        print(f"\n{label}: {first['pages']} pages, {first['bad']} bad")
        print(f"{'':26}" + "".join(f"{name:>16}" for name in columns))
        for name, found in contenders.items():
            print(
                f"{name:26}{found['rejected']:16}"
                + "".join(f"{found[c]:16.3f}" for c in columns[1:])
            )
    if arguments.by_language and {"our profiles, folds", "FineWeb2"} <= set(rejected):
        print_differences(rows, rejected, places)


def print_differences(
    rows: Sequence[dict[str, Any]], rejected: dict[str, list[bool]], places: dict[str, list[int]]
) -> None:
    ours, theirs = (np.array(rejected[name]) for name in ("our profiles, folds", "FineWeb2"))
    bad = np.array([row["bad"] for row in rows])
    counts = [0] * 4
    print("\nF1 of our profiles, folds, and of FineWeb2; 95 % interval of the difference")
    for label, at in sorted(places.items(), key=lambda pair: pair[0] == "all"):
        one, other, low, high = f1_difference(bad[at], ours[at], theirs[at])
        print(f"{label:12}{bad[at].sum():4} bad{one:8.3f}{other:8.3f}   {low:+.3f} to {high:+.3f}")
        if label != "all":
            flags = (one > other, low > 0, other > one, high < 0)
            counts = [count + int(flag) for count, flag in zip(counts, flags)]
    print("better in {} languages ({} beyond noise), worse in {} ({})".format(*counts))


if __name__ == "__main__":
    main()
