"""Measure language ID and profiles: the figures behind the floors of tests/accuracy.

Usage: python -m tests.benchmarks.text_accuracy   ($CURATE_SHARED_DATA must be set)

Prints gold sentences (accuracy, macro-F1, precision and recall of Kazakh) and web pages (how many
get HPLT's label, language by language) beside lid.176 alone; then, by language, the share of clean
documents that the profile drops and its busiest rules; how many binary files read as text pass;
and the outcomes of clean documents of eight languages in the recipe sherkala.
"""

from __future__ import annotations

from collections import Counter

from curate.signals.verdict import check_profile
from tests.accuracy import test_langid as langid
from tests.accuracy import test_profiles as profiles
from tests.accuracy import test_recipe as recipe


def gold() -> None:
    print("gold sentences               accuracy  macro-F1   kk precision   kk recall")
    for file in (langid.SENTENCES, langid.TURKIC):
        for articles in (False, True) if file == langid.SENTENCES else (False,):
            truth, _ = langid.gold(file, articles)
            for who, found in (
                ("curate", langid.ours(file, articles)),
                ("lid.176", langid.model_alone(file, articles)),
            ):
                precision, recall = langid.precision_recall(truth, found, "kaz")
                name = file.removesuffix("_dev.tsv.gz") + (" +UDHR" if articles else "")
                print(
                    f"{name:20} {who:7} {langid.accuracy(truth, found):8.3f}"
                    f" {langid.macro_f1(truth, found):9.3f} {precision:14.3f} {recall:11.3f}"
                )


def silver() -> None:
    print("web pages: number, and how many curate and lid.176 label as HPLT does")
    for lang, (texts, _, _) in sorted(langid.web_pages().items()):
        if len(texts) >= 200:
            ours, model = langid.agreement(lang, range(len(texts)))
            print(f"{lang} {len(texts)} {ours} {model}{'  below' if ours < model else ''}")


def clean() -> None:
    print("clean documents that the profile drops")
    for language, (pattern, _) in profiles.LANGUAGES.items():
        texts = profiles.documents(pattern, language)
        dropped = check_profile(profiles.profile(language), texts)
        share = dropped.pop("any")
        busiest = ", ".join(
            f"{rule} {hit:.2%}" for rule, hit in Counter(dropped).most_common(3) if hit
        )
        print(f"{language} {len(texts):5} documents {share:6.2%}   {busiest}")
    rules = profiles.dropped_as_what_it_is_taken_for()
    print(f"bytes read as text: {len(rules)} pieces, {rules.count(None)} pass")


def whole() -> None:
    print("clean documents in the recipe sherkala")
    for language, outcomes in recipe.through("sherkala").items():
        counts = sum(outcomes.values(), Counter()).most_common()
        print(language, ", ".join(f"{n} {outcome}" for outcome, n in counts))


if __name__ == "__main__":
    gold()
    silver()
    clean()
    whole()
