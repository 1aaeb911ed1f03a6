"""Rules beside what people said: precision, recall and false rejection, with intervals."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curate.errors import RecipeError
from curate.recipe.profile import Profile, Profiles
from curate.signals import column
from curate.signals.intervals import wilson
from curate.signals.verdict import failures, measured, of_texts, signals_of
from curate.tuning.labels import LabelFile, Labelled, populations

Booleans = npt.NDArray[np.bool_]
#: Returns the language of each text.
Identify = Callable[[Sequence[str]], list[str | None]]


@dataclass
class Judged:
    """Labelled rows with what each rule says of them, True where it would drop the row."""

    rows: list[Labelled]
    langs: list[str]
    failed: dict[str, Booleans] = field(default_factory=dict)
    profiles: dict[str, str] = field(default_factory=dict)  #: of each language


def judge(rows: Sequence[Labelled], profiles: Profiles, identify: Identify) -> Judged:
    """Measure and judge labelled texts by the profiles of their sources and languages.

    What a text gives is measured, so that changed word lists count; other signals (turns of
    conversations) are those that the row carries.
    """
    langs = [row.lang for row in rows]
    unknown = [at for at, lang in enumerate(langs) if lang is None]
    if unknown:
        for at, lang in zip(unknown, identify([rows[at].text for at in unknown])):
            langs[at] = lang
    judged = Judged(list(rows), [lang or "und" for lang in langs])
    keys = pa.table(
        {
            "source": pa.array([row.source for row in rows], pa.string()),
            "lang": pa.array(langs, pa.string()),
        }
    )
    for whole, numbers in profiles.groups(keys):
        profile = of_texts(whole)
        part = [rows[i] for i in numbers.tolist()]
        judged.profiles |= {judged.langs[i]: profile.name for i in numbers.tolist()}
        for rule, hits in failures(_measured(part, profile), profile).items():
            judged.failed.setdefault(rule, np.zeros(len(rows), np.bool_))[numbers] = hits
    if not judged.failed:
        names = ", ".join(sorted(set(judged.profiles.values())))
        raise RecipeError(
            f"no rule to evaluate: the profiles of these labels ({names}) have none",
            hint="name one with --profile; `curate languages` lists those that have rules",
        )
    return judged


def _measured(rows: Sequence[Labelled], profile: Profile) -> pa.Table:
    texts = pa.array([row.text for row in rows], pa.large_string())
    columns = measured(texts, profile)
    for name in signals_of(Profiles({profile.name: profile})):
        values = columns[column(name)]
        if values.null_count:
            carried = [_number(row.signals.get(name)) for row in rows]
            filled = [c if v is None else v for v, c in zip(values.to_pylist(), carried)]
            columns[column(name)] = pa.array(filled, pa.float64())
    return pa.table(columns) if columns else pa.table({"text": texts})


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def evaluate(labels: LabelFile, profiles: Profiles, identify: Identify) -> dict[str, Any]:
    """Judge labelled texts and return counts and shares: of all rules together, and of each.

    ``flagged`` are the rows that a rule would drop. Precision is the share of them that people call
    bad, recall the share of the bad rows that are flagged, false rejection that of the good ones.
    ``alone_good`` counts good rows that no other rule flags. Each is given of all rows, per
    language and per source.
    """
    judged = judge(labels.rows, profiles, identify)
    together = np.sum([*judged.failed.values()], axis=0)
    groups = _groups(judged)
    bad = np.array([not row.good for row in judged.rows])

    def scores(hits: Booleans) -> dict[str, Any]:
        alone = hits & (together == 1)
        return {
            by: {name: _score(hits[rows], alone[rows], bad[rows]) for name, rows in named.items()}
            for by, named in groups.items()
        }

    rules = {rule: scores(hits) for rule, hits in judged.failed.items()}
    alone = {rule: found["all"]["all"]["alone_good"] for rule, found in rules.items()}
    worst = max(alone, key=lambda rule: alone[rule], default=None)
    return {
        "labels": {
            "rows": len(judged.rows),
            "good": int((~bad).sum()),
            "bad": int(bad.sum()),
            "unlabelled": labels.unlabelled,
            "empty": labels.empty,
            "populations": populations(labels.rows),
        },
        "profiles": dict(sorted(judged.profiles.items())),
        "profile": scores(together > 0),
        "rules": dict(
            sorted(rules.items(), key=lambda one: (-one[1]["all"]["all"]["flagged"], one[0]))
        ),
        "worst_alone": {"rule": worst, "good": alone[worst]} if worst and alone[worst] else None,
    }


def _groups(judged: Judged) -> dict[str, dict[str, np.ndarray]]:
    """Return the row numbers of all rows, of each language and of each source."""
    groups: dict[str, dict[str, list[int]]] = {"all": {"all": []}, "lang": {}, "source": {}}
    for at, (row, lang) in enumerate(zip(judged.rows, judged.langs)):
        groups["all"]["all"].append(at)
        groups["lang"].setdefault(lang, []).append(at)
        if row.source is not None:
            groups["source"].setdefault(row.source, []).append(at)
    return {
        by: {name: np.array(rows) for name, rows in sorted(named.items())}
        for by, named in groups.items()
    }


def _score(hits: Booleans, alone: Booleans, bad: Booleans) -> Mapping[str, Any]:
    flagged, right = int(hits.sum()), int((hits & bad).sum())
    n_bad = int(bad.sum())
    n_good = len(bad) - n_bad
    return {
        "rows": len(bad),
        "good": n_good,
        "bad": n_bad,
        "flagged": flagged,
        "precision": wilson(right, flagged).to_json(),
        "recall": wilson(right, n_bad).to_json(),
        "false_rejection": wilson(flagged - right, n_good).to_json(),
        "f1": 2 * right / (flagged + n_bad) if flagged + n_bad else None,
        "alone_good": int((alone & ~bad).sum()),
        "alone_bad": int((alone & bad).sum()),
    }
