"""Labels of people: read from JSON lines with fields of any name, and judged as good or bad."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from curate.errors import RecipeError, nearest, without_secrets
from curate.recipe import locate
from curate.recipe.languages import SAME, label_of
from curate.sources import fields
from curate.sources.base import Damage, Piece, Skip
from curate.sources.files import list_files
from curate.sources.json_objects import objects

#: What a label may be called; a skipped or open row has null.
GOOD = (True, 1, "1", "good", "keep", "yes", "y", "true")
BAD = (False, 0, "0", "bad", "drop", "no", "n", "false")


@dataclass(frozen=True)
class Fields:
    """The names of the fields of a label file; a dot reaches into an object."""

    text: str = "text"
    label: str = "label"
    bad: tuple[str, ...] = ()  #: fields that mean bad if one of them is true, instead of ``label``
    lang: str = "lang"
    source: str = "source"
    id: str = "id"


@dataclass(frozen=True)
class Labelled:
    """One labelled text."""

    text: str
    good: bool
    lang: str | None
    source: str | None
    id: str | None
    population: str | None  #: what part of a run it is a sample of; None: not by `curate sample`
    signals: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class LabelFile:
    """The labelled rows of a file, and how many rows it holds besides."""

    rows: list[Labelled] = field(default_factory=list)
    unlabelled: int = 0
    empty: int = 0  #: labelled rows without a text


def read_labels(path: str, names: Fields) -> LabelFile:
    """Read a label file: JSON lines, also compressed.

    RecipeError for a row that is no object, fields that no row has, a label of another kind, and a
    file in which not both good and bad rows are.
    """
    where = without_secrets(path)
    found, seen = LabelFile(), _Names()
    profiles = locate.profile_names()
    known: dict[str, str] = {}
    for number, record in enumerate(_records(path, where), 1):
        seen.look(record)
        good = _is_good(record, names, f"{where}, record {number}")
        if good is None:
            found.unlabelled += 1
            continue
        text = fields.at(record, names.text)
        if not isinstance(text, str) or not text.strip():
            found.empty += 1
            continue
        lang, signals = _text(record, names.lang), record.get("signals")
        if lang is not None and lang not in known:
            known[lang] = _profile_label(label_of(lang, profiles), profiles)
        sampled = record.get("sampled")
        found.rows.append(
            Labelled(
                text,
                good,
                lang and known[lang],
                _text(record, names.source),
                _text(record, names.id),
                _population(sampled) if isinstance(sampled, dict) else None,
                signals if isinstance(signals, dict) else {},
            )
        )
    _check(found, names, seen, where)
    return found


def _profile_label(label: str, profiles: Sequence[str]) -> str:
    """Return the label that profiles have for a macrolanguage, such as arb_Arab for ara_Arab."""
    code, _, script = label.partition("_")
    own = f"{SAME.get(code, code)}_{script}"
    return own if label not in profiles and own in profiles else label


def _population(sampled: Mapping[str, Any]) -> str:
    return str(sampled.get("population")) + (" by source" if sampled.get("by_source") else "")


class _Names:
    """The fields that the records of a file have, at most a few hundred."""

    def __init__(self) -> None:
        self.all: dict[str, None] = {}
        self.records = 0

    def look(self, record: Mapping[str, Any]) -> None:
        self.records += 1
        if len(self.all) < 200:
            self.all |= dict.fromkeys(list(record)[:50])


def _records(path: str, where: str) -> Iterator[dict[str, Any]]:
    listing = list_files(locate.data_path(path))
    if listing.kind != "file":
        raise RecipeError(
            "labels are one file of JSON lines", where=where, hint="curate sample RUN --out FILE"
        )
    for item in objects(listing.files[0], Piece(0, listing.files[0].size)):
        if isinstance(item, Damage):
            raise RecipeError(
                f"labels are JSON lines, and this is none: {item.reason} at byte {item.offset}",
                where=where,
                hint="one object per line, with the fields `text` and `label` (good or bad)",
            )
        if not isinstance(item, Skip):
            yield item.record


def _text(record: Mapping[str, Any], name: str) -> str | None:
    value = fields.at(record, name)
    return str(value)[:200] if isinstance(value, str | int) and value != "" else None


def _is_good(record: Mapping[str, Any], names: Fields, where: str) -> bool | None:
    """Return what a record's label means; None where it has none."""
    if names.bad:
        answers = [_meaning(fields.at(record, name), where) for name in names.bad]
        stated = [answer for answer in answers if answer is not None]
        return not any(stated) if stated else None
    return _meaning(fields.at(record, names.label), where)


def _meaning(value: object, where: str) -> bool | None:
    if value is None or value is fields.MISSING or value == "":
        return None
    plain: Any = value.strip().lower() if isinstance(value, str) else value
    if isinstance(plain, str | int | float) and plain in (*GOOD, *BAD):
        return plain in GOOD
    raise RecipeError(
        f"the label {str(value)[:60]!r} is neither good nor bad",
        where=where,
        hint="labels are good and bad, or 1 and 0; --label-field FIELD names another field,"
        " --bad-field FIELD one that is 1 where the text is bad",
    )


def _check(found: LabelFile, names: Fields, seen: _Names, where: str) -> None:
    if not seen.records:
        raise RecipeError(
            "the file of labels is empty", where=where, hint="curate sample RUN --out"
        )
    have = ", ".join(map(fields.shown, list(seen.all)[:20]))
    labels = names.bad or (names.label,)
    if not found.rows and found.unlabelled == seen.records:
        missing = [name for name in labels if name not in seen.all]
        if missing and "." not in missing[0]:
            raise RecipeError(
                f"no record has the field '{missing[0]}'",
                where=where,
                hint=f"{nearest(missing[0], seen.all)}; the records have {have}:"
                " name the label with --label-field or --bad-field",
            )
        raise RecipeError(
            f"none of the {seen.records} rows has a label",
            where=where,
            hint=f"curate label {where}",
        )
    if not found.rows:
        raise RecipeError(
            f"no labelled record has a text in the field '{names.text}'",
            where=where,
            hint=f"the records have {have}: name the text with --text-field",
        )
    classes = {row.good for row in found.rows}
    if len(classes) == 1:
        only, other = ("good", "bad") if classes == {True} else ("bad", "good")
        raise RecipeError(
            f"all {len(found.rows)} labels are {only}: rules can be compared only with both kinds",
            where=where,
            hint=f"label {other} ones, too: curate sample RUN --out MORE.jsonl, curate label",
        )


def populations(rows: Sequence[Labelled]) -> dict[str, int]:
    """Return how many rows are samples of which part of a run, the most first."""
    counts: dict[str, int] = {}
    for row in rows:
        if row.population is not None:
            counts[row.population] = counts.get(row.population, 0) + 1
    return dict(sorted(counts.items(), key=lambda one: (-one[1], one[0])))
