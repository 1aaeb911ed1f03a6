"""Classifiers from labelled texts: the files of `curate train`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from curate.api.profiles import read_reference
from curate.errors import RecipeError, nearest
from curate.paths import local_path

_GOOD = {1, "1", "good", "y", "yes", "true", "keep"}
_BAD = {0, "0", "bad", "n", "no", "false", "drop"}


def train(
    name: str,
    *,
    positive: Sequence[str] = (),
    negative: Sequence[str] = (),
    labels: Sequence[str] = (),
    kind: str = "stacked",
    lang: str = "",
    output: Path | None = None,
    text: str = "text",
    seed: int = 0,
    about: dict[str, str] | None = None,
) -> dict[str, Any]:
    """Train a classifier that scores texts between bad (0) and good (1).

    Parameters
    ----------
    name : str
        The classifier's name.
    positive, negative : sequence of str
        Files of good and of bad texts; each file is a source of labels.
    labels : sequence of str
        JSON lines with ``text``, ``label`` (good or bad, y or n, true or false) and, where known,
        ``lang`` and ``source``. Lines without a label are left out.
    kind : {'stacked', 'signals', 'fasttext'}
        Trees on signals and character n-grams, or on signals alone; or a fastText model on words
        and subwords, whose label is ``__label__good``.
    lang : str
        Label of the language of texts that name none; its profile gives the word lists.
    output : Path, optional
        The model's file; default: the name and ``.npz``, for fastText ``.bin`` with the card beside
        it in ``.json``.
    text : str, default 'text'
        Field with the text, for ``positive`` and ``negative``.
    seed : int
        Seed of folds and of the training.
    about : dict of str to str, optional
        What the card should say besides: licence, command.

    Returns
    -------
    dict
        The card, and under ``file`` the path of the model.

    Raises
    ------
    RecipeError
        If the kind is unknown, a label is none, or there are too few texts.

    Examples
    --------
    >>> try:
    ...     train("mine", labels=["sample_data/labels.jsonl"], kind="svm")
    ... except RecipeError as error:
    ...     print(error.what)
    no kind of classifier 'svm'
    """
    from curate.tuning.train import KINDS, Labelled
    from curate.tuning.train import train as run_training

    if kind not in KINDS:
        raise RecipeError(f"no kind of classifier '{kind}'", hint=nearest(kind, KINDS))
    rows: list[tuple[str, bool, str, str]] = [
        (body, good, lang, source)
        for paths, good in ((positive, True), (negative, False))
        for source, bodies in (read_reference(paths, text=text) if paths else {}).items()
        for body in bodies
    ]
    rows += chain.from_iterable(_labelled(path, lang) for path in labels)
    unique = list({row[0]: row for row in rows}.values())
    file = output or Path(name + (".bin" if kind == "fasttext" else ".npz"))
    labelled = Labelled(
        [row[0] for row in unique],
        np.array([row[1] for row in unique], np.bool_),
        [row[2] for row in unique],
        [row[3] for row in unique],
    )
    card = run_training(
        labelled,
        file,
        name=name,
        kind=kind,  # type: ignore[arg-type]
        lists={each: _lists(each) for each in sorted(set(labelled.langs))},
        seed=seed,
        about=about,
    )
    return {**card, "file": str(file), "repeated": len(rows) - len(unique)}


def _lists(lang: str) -> dict[str, tuple[str, ...]]:
    from curate.recipe import locate
    from curate.recipe.profile import load_profile
    from curate.signals.verdict import lists_of

    if not lang:
        return {}
    known = locate.profile_names()
    return lists_of(load_profile(lang if lang in known else "_default"))


def _labelled(address: str, lang: str) -> list[tuple[str, bool, str, str]]:
    rows = []
    try:
        lines = local_path(address).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(
            f"cannot read the labels: {error}", where=address, hint="JSON lines with text and label"
        ) from None
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            body, label = row["text"], row.get("label")
            str(body).encode()  # not half of a surrogate pair
        except (ValueError, KeyError, TypeError, AttributeError):
            raise RecipeError(
                f"line {number} is no JSON object with a text",
                where=address,
                hint='{"text": "…", "label": "good"}',
            ) from None
        label = label.lower() if isinstance(label, str) else label
        if label is None or label == "" or label == "skip" or not body:
            continue
        if not isinstance(label, bool | int | str) or label not in _GOOD | _BAD:
            raise RecipeError(
                f"line {number}: '{label}' is no label", where=address, hint="label: good or bad"
            )
        source = str(row.get("source") or address)
        rows.append((str(body), label in _GOOD, str(row.get("lang") or lang), source))
    return rows
