"""Clean text that the shipped profiles drop, and that calibrated ones drop of a source not seen.

Usage: python -m tests.benchmarks.clean_text [LANGUAGE ...]

For each language and each source of clean documents in $CURATE_SHARED_DATA/text: the documents of
at least 50 words (200 characters in scripts without spaces), how many its profile drops, the share,
and the upper bound of that share in text like it (Wilson, one-sided, 95 percent). Short lines of
one source are joined in the order of the file, twelve to a document.

The last column is a cross-validation over sources: the share that a profile drops which ``curate
calibrate`` derives from the other sources of the language.
"""

from __future__ import annotations

import argparse
import gzip
import json
import math
import os
from collections import defaultdict
from pathlib import Path

from curate.calibrate.derive import calibrate
from curate.calibrate.reference import Reference
from curate.errors import RecipeError
from curate.recipe.profile import load_profile
from curate.signals.verdict import check_profile

LANGUAGES = (
    *("kaz_Cyrl", "rus_Cyrl", "tur_Latn", "arb_Arab"),
    *("kor_Hang", "jpn_Jpan", "cmn_Hans", "eng_Latn"),
)
UNSPACED = ("kor_Hang", "jpn_Jpan", "cmn_Hans", "tha_Thai")
LINES = 12


def sources(language: str) -> dict[str, list[str]]:
    """Return the clean documents of a language by source."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in sorted(Path(os.environ["CURATE_SHARED_DATA"], "text").glob("*.dev.jsonl.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            rows = [json.loads(line) for line in lines]
        texts = [row["text"] for row in rows if row["lang"] == language]
        if "sentences" in path.name or "lines" in path.name:
            texts = ["\n".join(texts[i : i + LINES]) for i in range(0, len(texts), LINES)]
        long = [text for text in texts if is_long(text, language)]
        if long:
            found[path.name.partition(".")[0]] = long
    return found


def is_long(text: str, language: str) -> bool:
    """Return whether a text is what profiles call a document."""
    return len(text) >= 200 if language in UNSPACED else len(text.split()) >= 50


def upper_bound(rejected: int, documents: int, z: float = 1.645) -> float:
    """Return the upper end of Wilson's one-sided interval of a share."""
    share = rejected / documents
    middle = share + z * z / (2 * documents)
    spread = z * math.sqrt(share * (1 - share) / documents + z * z / (4 * documents**2))
    return (middle + spread) / (1 + z * z / documents)


def from_the_others(language: str, known: dict[str, list[str]], left_out: str) -> float | None:
    """Return what a profile calibrated on the other sources drops of one; None without others."""
    others = {name: texts for name, texts in known.items() if name != left_out}
    parents = {name: load_profile(name) for name in ("_default", "_words", "_unspaced")}
    try:
        derived = calibrate(language, Reference(others), parents=parents)
    except RecipeError:
        return None
    return check_profile(derived.profile, known[left_out])["any"]


def main() -> None:
    """Print a line for each source and the sum of each language."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("languages", nargs="*", default=LANGUAGES)
    print(
        f"{'language':9} {'source':42} {'documents':>9} {'dropped':>8} {'at most':>8} {'unseen':>7}"
    )
    for language in parser.parse_args().languages:
        profile, known = load_profile(language), sources(language)
        rejected = documents = 0
        for name, texts in known.items():
            lost = round(check_profile(profile, texts)["any"] * len(texts))
            rejected, documents = rejected + lost, documents + len(texts)
            unseen = from_the_others(language, known, name)
            shown = "-" if unseen is None else f"{unseen:.1%}"
            print_line(language, name, lost, len(texts), shown)
        print_line(language, "all", rejected, documents, "")


def print_line(language: str, name: str, lost: int, documents: int, unseen: str) -> None:
    """Print one line of the table."""
    share, bound = lost / documents, upper_bound(lost, documents)
    print(f"{language:9} {name[:42]:42} {documents:9,} {share:8.2%} {bound:8.2%} {unseen:>7}")


if __name__ == "__main__":
    main()
