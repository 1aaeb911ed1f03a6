"""The comparison of signals with rules that judge, check, calibrate, sweep and report share."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from curate import schema
from curate.errors import InternalError, nearest
from curate.logging_setup import LOGGER
from curate.recipe.profile import Profile, Profiles, Rule, place_of
from curate.signals import BUCKET, SIGNALS, check_names, classifiers, column, measure, perplexity

Booleans = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


def signals_of(profiles: Profiles) -> tuple[str, ...]:
    """Return the signals that any rule of any profile uses, in the order of the registry."""
    used = set()
    for profile in profiles.by_name.values():
        names = [rule.signal for rule in profile.rules.values()]
        measured = [n.removesuffix(BUCKET) for n in names if n not in profiles.own]
        others = (*schema.NUMBERS, *profile.classifiers, *profiles.own)
        check_names(measured, where=place_of(profile.name), others=others)
        used |= set(names)
    return tuple(name for name in SIGNALS if name in used)


def measured_by(profiles: Profiles) -> tuple[str, ...]:
    """Return the signals to measure: those of all rules, and those of models that are named."""
    named = {s for profile in profiles.by_name.values() for s in perplexity.of_profile(profile)}
    used = named | set(signals_of(profiles))
    return tuple(name for name in SIGNALS if name in used)


def profiles_with(profiles: Profiles, signal: str) -> tuple[str, ...]:
    """Return the names of the profiles that have a rule on a signal."""
    return tuple(
        name
        for name, profile in sorted(profiles.by_name.items())
        if any(rule.signal == signal for rule in profile.rules.values())
    )


def columns_of(profiles: Profiles) -> tuple[str, ...]:
    """Return the columns that the rules read: signals, what stages write, the input's own."""
    rules = (rule for profile in profiles.by_name.values() for rule in profile.rules.values())
    used, signals = {rule.signal for rule in rules}, signals_of(profiles)
    others = sorted(used - set(signals))
    return (*map(column, signals), *(n if n in profiles.own else column(n) for n in others))


def lists_of(profile: Profile) -> dict[str, tuple[str, ...]]:
    """Return what signals may need: a profile's word lists, scripts, alphabet and files."""
    from curate.text.code_pages import written_letters  # imports numba

    alphabet = written_letters(profile.name)
    bound = {**profile.lists, "scripts": profile.identify.scripts, "alphabet": alphabet}
    bound["language"] = (profile.name,)
    if profile.word_frequencies:
        bound["word_frequencies"] = (profile.word_frequencies,)
    return bound | perplexity.lists_of(profile)


def measured(texts: pa.LargeStringArray, profile: Profile) -> dict[str, pa.Array]:
    """Measure texts: the signals that the rules of a profile use, and its classifiers.

    Raise RecipeError where a classifier cannot be used.
    """
    lists, profiles = lists_of(profile), Profiles({profile.name: profile})
    columns = measure(texts, signals_of(profiles), lists)
    if profile.classifiers:
        classifiers.kinds(profiles)
        columns |= classifiers.scores(texts, profile.classifiers, lists, measure)
    return columns


def files_digest(profiles: Profiles) -> str | None:
    """Return a digest of the contents of the files that the profiles name; None without any."""
    digests = perplexity.digests(profiles)
    models: dict[tuple[str, str], str] = {}
    for _, profile in sorted(profiles.by_name.items()):
        if profile.word_frequencies:
            from curate.text import unigrams

            digests.append(unigrams.digest(profile.word_frequencies))
        for _, one in sorted(profile.classifiers.items()):
            if one.model and (one.model, one.embedding) not in models:
                models[one.model, one.embedding] = classifiers.digest(one)
    digests += models.values()
    if not digests:
        return None
    return hashlib.blake2b(" ".join(digests).encode(), digest_size=16).hexdigest()


def failures(table: pa.Table, profile: Profile) -> dict[str, Booleans]:
    """Return for every rule, in the profile's order, which rows fail it; undefined ones separately.

    A rule is a closed interval: a value equal to a limit passes. The key ``<rule>_undefined`` holds
    the rows whose signal is undefined, if the rule drops those.

    >>> from curate.recipe.profile import Profile, Rule
    >>> profile = Profile(name="x", rules={"too_few_words": Rule(signal="n_words", min=3)})
    >>> table = pa.table({"signal_n_words": pa.array([2, 3, None], pa.int64())})
    >>> {rule: rows.tolist() for rule, rows in failures(table, profile).items()}
    {'too_few_words': [True, False, False], 'too_few_words_undefined': [False, False, True]}
    """
    failed: dict[str, Booleans] = {}
    for name, rule in profile.rules.items():
        if rule.is_of_categories:
            failed |= _of_categories(table, name, rule)
            continue
        values = numbers_of(table, rule.signal)
        below = values < (-np.inf if rule.min is None else rule.min)
        failed[name] = below if rule.max is None else below | (values > rule.max)
        if rule.undefined == "drop":
            failed[f"{name}_undefined"] = np.isnan(values)
    return failed


def verdicts(table: pa.Table, profile: Profile) -> tuple[pa.StringArray, pa.DoubleArray]:
    """Return the first rule that each row fails and the measured number, or nulls."""
    failed = failures(table, profile)
    rules = np.full(table.num_rows, -1, np.int16)
    values = np.full(table.num_rows, np.nan)
    # Backwards, so that the first rule overwrites the others.
    for at, (name, hit) in reversed([*enumerate(failed.items())]):
        if hit.any():
            defined = name in profile.rules
            numeric = defined and not profile.rules[name].is_of_categories
            measured = numbers_of(table, profile.rules[name].signal) if numeric else np.nan
            rules = np.where(hit, np.int16(at), rules)
            values = np.where(hit, measured, values)
    names = pa.array([*failed], pa.string())
    return names.take(pa.array(rules, mask=rules < 0)), pa.array(values, mask=np.isnan(values))


def of_texts(profile: Profile) -> Profile:
    """Return a profile with the rules that judge texts alone.

    Those on numbers that other stages write do not; nor do those on columns of the input, of which
    nothing is known here: they are named in a warning.
    """
    rules = {}
    ranked = [name for name, one in profile.classifiers.items() if one.mean_rank]
    for name, rule in profile.rules.items():
        written = rule.signal.endswith(BUCKET) and rule.signal not in SIGNALS
        if rule.signal in schema.NUMBERS or rule.signal in ranked or written:
            continue
        if rule.signal in SIGNALS or rule.signal in profile.classifiers:
            rules[name] = rule
        else:
            what = "rule '%s' is left out: '%s' is no signal; in a run, a column of the input (%s)"
            near = nearest(rule.signal, (*SIGNALS, *profile.classifiers))[:100]
            LOGGER.warning(what, name, rule.signal, near)
    return profile.model_copy(update={"rules": rules})


def check_profile(profile: Profile, texts: Sequence[str]) -> dict[str, float]:
    """Measure clean texts and return, rule by rule, the share that the profile would drop.

    The key ``any`` holds the share that at least one rule drops: the false rejection, if the texts
    are known to be good. No texts: every share is 0.
    """
    profile = of_texts(profile)
    if not profile.rules:
        return {"any": 0.0}
    table = pa.table(measured(pa.array(texts, pa.large_string()), profile))
    failed = failures(table, profile)
    count = max(len(texts), 1)
    shares = {rule: int(rows.sum()) / count for rule, rows in failed.items()}
    together = np.logical_or.reduce(list(failed.values())) if failed else np.zeros(0, np.bool_)
    return shares | {"any": int(together.sum()) / count}


def _of_categories(table: pa.Table, name: str, rule: Rule) -> dict[str, Booleans]:
    """Return which rows a rule on the values of a category fails, as `failures` does."""
    values = schema.whole(column_of(table, rule.signal)).cast(pa.string())
    kept = pc.is_in(values, value_set=pa.array(rule.allowed, pa.string()))
    dropped = pc.is_in(values, value_set=pa.array(rule.refused, pa.string()))
    outside = pc.or_(dropped, pc.invert(kept)) if rule.allowed else dropped
    failed = {name: np.asarray(pc.and_(pc.is_valid(values), outside))}
    if rule.undefined == "drop":
        failed[f"{name}_undefined"] = np.asarray(pc.is_null(values))
    return failed


def column_of(table: pa.Table, signal: str) -> pa.ChunkedArray:
    """Return the column that a rule reads; InternalError where the table has none."""
    # table.column(name) would compare all names: slower than the rules.
    for name in (column(signal), signal):
        at = table.schema.get_field_index(name)
        if at >= 0:
            return table.column(at)
    raise InternalError(
        f"no column '{column(signal)}': a rule asks for a signal that was not measured",
        hint="measure before judging, with the same profiles",
    )


def numbers_of(table: pa.Table, signal: str) -> Floats:
    """Return the values that a rule on a signal compares; NaN where it is undefined."""
    values = column_of(table, signal)
    if values.type not in (pa.float64(), pa.int64()):
        return schema.floats(values)
    measured: Floats = np.asarray(values.to_numpy(), np.float64)
    return measured
