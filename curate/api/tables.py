"""Stages on tables in memory: from any Arrow-compatible table to an Arrow table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curate import schema
from curate.api.ratio import groups_of
from curate.api.tabular import TableLike, as_given, as_table, documents_of, text_of
from curate.errors import RecipeError, nearest
from curate.recipe import locate
from curate.recipe.profile import Profile, Profiles
from curate.sources import fields


def identify(
    texts: TableLike,
    *,
    model: str | None = None,
    segments: bool = False,
) -> pa.Table:
    """Identify the language of each text.

    The fastText model's label is accepted where the text's script, letters and function words allow
    it; :func:`curate.langid.identify.identify` has the whole definition. The default model is
    lid.176.ftz (Joulin et al. 2016, https://fasttext.cc/docs/en/language-identification.html);
    GlotLID and OpenLID can be read, too.

    Parameters
    ----------
    texts : table-like
        Texts, or a table with a column ``text``; null is treated as empty.
    model : str, optional
        Path or ``hf://`` name of a fastText model; default: lid.176.ftz.
    segments : bool, default False
        Add ``lang_spans``: which bytes of each text are in which language.

    Returns
    -------
    pyarrow.Table
        One row per text: ``lang`` (ISO 639-3 and script, or ``und``), ``lang_score`` (0 to 1),
        ``lang2``, ``lang2_score`` and, with ``segments``, ``lang_spans``.

    Raises
    ------
    CurateError
        If the model cannot be loaded.

    Examples
    --------
    >>> identify(["Бүгін ауа райы жақсы, далада балалар ойнап жүр.", "12:30"])["lang"].to_pylist()
    ['kaz_Cyrl', 'und']
    """
    from curate.langid.identify import identify as identify_texts

    column = text_of(as_table(texts))
    return identify_texts(column, model=model, profiles=all_profiles(), segments=segments)


def standardize(table: TableLike, *, profile: str | None = None) -> pa.Table:
    """Repair texts, then apply the fixes and masks of each row's profile.

    Repair is ftfy's (https://github.com/rspeer/python-ftfy), Unicode NFC, and the removal of
    control characters and spare whitespace.

    Parameters
    ----------
    table : table-like
        A table with a column ``text``; ``lang`` selects the profile of each row.
    profile : str, optional
        Name or path of the profile for all rows; default: that of the row's ``lang``.

    Returns
    -------
    pyarrow.Table
        The table with all source columns, repaired ``text`` and ``pii_spans`` (what was masked).

    Raises
    ------
    RecipeError
        If the table has no column ``text``, its ``id`` is not unique, or the profile is unknown.

    Examples
    --------
    >>> standardize({"text": ["Ã©tÃ©"], "lang": ["fra_Latn"]})["text"].to_pylist()
    ['été']
    """
    return _through(table, ("repair", "standardize"), profile)


def judge(table: TableLike, *, profile: str | Profile | None = None) -> pa.Table:
    """Measure the signals of each document and apply the rules of its profile.

    ``curate signals NAME`` prints the definition and source of each signal.

    Parameters
    ----------
    table : table-like
        A table with a column ``text``; ``lang`` selects the profile of each row.
    profile : str or Profile, optional
        Name, path or value of the profile for all rows; default: that of the row's ``lang``.

    Returns
    -------
    pyarrow.Table
        All rows, with ``signal_*`` columns, ``dropped_by`` (``judge:RULE``, null where kept) and
        ``dropped_value`` (the value of the signal that broke the rule).

    Raises
    ------
    RecipeError
        If the table has no column ``text``, its ``id`` is not unique, or the profile is unknown.

    Examples
    --------
    >>> judge({"text": ["тым қысқа"]}, profile="kaz_Cyrl")["dropped_by"].to_pylist()
    ['judge:too_few_words']
    """
    return _through(table, ("measure", "judge"), profile)


def measure(table: TableLike, *, profile: str | Profile | None = None) -> pa.Table:
    """Measure the signals that the rules of the profiles name, without judging.

    Parameters
    ----------
    table : table-like
        A table with a column ``text``; ``lang`` selects the profile of each row.
    profile : str or Profile, optional
        Name, path or value of the profile for all rows; default: that of the row's ``lang``.

    Returns
    -------
    pyarrow.Table
        All rows, with ``signal_*`` columns (int64 or float64; null where a signal is undefined).

    Raises
    ------
    RecipeError
        If the table has no column ``text``, its ``id`` is not unique, or the profile is unknown.

    Examples
    --------
    >>> measure(["бір екі үш"], profile="kk")["signal_n_words"].to_pylist()
    [3]
    """
    return _through(table, ("measure",), profile)


def count_tokens(table: TableLike, *, tokenizer: str | None = None) -> pa.Table:
    """Count the tokens of each text.

    Parameters
    ----------
    table : table-like
        Texts, or a table with a column ``text``.
    tokenizer : str, optional
        What ``curate tokenizers`` lists; default: tekken.

    Returns
    -------
    pyarrow.Table
        The table with ``n_tokens`` (int64), without special tokens.

    Raises
    ------
    RecipeError
        If the table has no column ``text``, or there is no such tokenizer.

    Examples
    --------
    >>> count_tokens(["бір екі үш", ""], tokenizer="words")["n_tokens"].to_pylist()
    [3, 0]
    """
    from curate.stages.count import Count

    _, documents = documents_of(table)
    return Count(tokenizer).apply(documents, Counter())


def deduplicate(
    table: TableLike,
    *,
    threshold: float = 0.8,
    recall: float = 0.97,
    bands: int | None = None,
    rows: int | None = None,
    shingle: Literal["word", "char"] = "word",
    ngram: int = 5,
    fold: Sequence[str] = ("case", "width", "punctuation"),
    on: Literal["text", "prompt"] = "text",
    similarity: Literal["jaccard", "containment"] = "jaccard",
    length_ratio: float = 2.0,
    keep: str = "longest",
    source_priority: Sequence[str] = (),
    max_witnesses: int = 64,
    component_bytes: int = 256 << 20,
    seed: int = 1,
) -> pa.Table:
    """Find exact and near duplicates; all in memory, no row is removed.

    Exact copies of the normalised text are found first, then near duplicates by MinHash
    (Broder 1997) and LSH bands, each verified on exact shingle sets against a kept document.
    ``curate/dedup/PRIMER.md`` explains the method.

    Parameters
    ----------
    table : table-like
        A table with a column ``text`` and the columns that ``keep`` and ``on`` read.
    threshold : float, default 0.8
        Similarity from which two documents are duplicates; above 0, at most 1.
    recall : float, default 0.97
        Probability that a pair exactly at the threshold is compared; it determines ``bands`` and
        ``rows`` unless both are given.
    bands : int, optional
        Number of LSH bands; requires ``rows``.
    rows : int, optional
        MinHash values per band; requires ``bands``.
    shingle : {'word', 'char'}, default 'word'
        What a shingle consists of.
    ngram : int, default 5
        Words or characters per shingle, 1 to 64.
    fold : sequence of str, default ('case', 'width', 'punctuation')
        What does not count when texts are compared; also symbols, numbers, diacritics.
    on : {'text', 'prompt'}, default 'text'
        Compare whole texts, or what the users of conversations write.
    similarity : {'jaccard', 'containment'}, default 'jaccard'
        Jaccard of both sets of shingles, or the share of the removed document's shingles that
        are in the kept one.
    length_ratio : float, default 2.0
        How many times longer a containing document may be; for containment.
    keep : str, default 'longest'
        Which duplicate is kept: longest, newest, oldest, source_priority or ``best:SIGNAL``.
    source_priority : sequence of str, default ()
        Sources in the order of preference, for ``keep="source_priority"``.
    max_witnesses : int, default 64
        Maximum kept documents per LSH bucket to compare with.
    component_bytes : int, default 268435456
        Memory for one connected component; a larger one is processed in several passes.
    seed : int, default 1
        Seed of the MinHash permutations.

    Returns
    -------
    pyarrow.Table
        All rows, with ``dropped_by`` (null where kept), ``duplicate_of`` (id of the kept witness),
        ``jaccard``, ``cluster`` (id of its first kept document) and ``cluster_size``.
        Columns with names of the Document table have its types, all others are as they were.

    Raises
    ------
    RecipeError
        If an option is out of range, or the table has no column ``text`` or duplicate ids.

    Examples
    --------
    >>> table = {"id": ["a", "b", "c"], "text": ["“one” two three", '"One" two three', "other"]}
    >>> deduplicate(table).select(["id", "duplicate_of"]).to_pylist()[1]
    {'id': 'b', 'duplicate_of': 'a'}
    """
    from curate.dedup.witness_chain import reassign_within
    from curate.plan import registry
    from curate.protocol import in_memory

    order: dict[str, Any] = {"keep": keep, "source_priority": source_priority}
    exact = registry.build("stage", "exact_dedup", order)
    options: dict[str, Any] = {
        "threshold": threshold,
        "recall": recall,
        "bands": bands,
        "rows": rows,
        "shingle": shingle,
        "ngram": ngram,
        "fold": fold,
        "on": on,
        "similarity": similarity,
        "length_ratio": length_ratio,
        "max_witnesses": max_witnesses,
        "component_bytes": component_bytes,
        **order,
    }
    near = registry.build("stage", "fuzzy_dedup", options, given={"seed": seed})
    given, documents = documents_of(table)
    _check_order(documents, exact.keep, exact.source_priority)
    found = reassign_within(in_memory.apply(near, in_memory.apply(exact, documents)))
    return as_given(found, given)


def _check_order(documents: pa.Table, keep: str, priority: tuple[str, ...]) -> None:
    """Raise RecipeError where an order finds no value in any row."""
    if not documents.num_rows or keep == "longest":
        return
    from curate.dedup.keeper import keeper_column

    name = keeper_column(keep)
    if name not in documents.column_names:
        near = nearest(name, documents.column_names)
        raise RecipeError(f"keep = '{keep}' needs the column '{name}'", hint=near)
    column = documents.column(name)
    if keep == "source_priority":
        if not pc.any(pc.is_in(column, value_set=pa.array(priority, pa.string()))).as_py():
            known = ", ".join(sorted(filter(None, column.unique().to_pylist()))[:10]) or "none"
            raise RecipeError(
                "keep = 'source_priority', but no row is of a source that is listed",
                hint=f"the sources of the table: {known}",
            )
        return
    try:
        numbers = schema.floats(column.cast(pa.int64()) if name == "date" else column)
    except pa.ArrowException:
        kind = str(column.type)[:200]
        raise RecipeError(
            f"keep = '{keep}' compares numbers, and the column '{name}' is {kind}",
            hint="convert it, or choose another order",
        ) from None
    if np.isnan(numbers).all():
        raise RecipeError(
            f"keep = '{keep}', but no row has a value in the column '{name}'",
            hint="fill it, or choose another order",
        )


def mix(
    table: TableLike,
    *,
    ratio: str | Mapping[str, float],
    unit: Literal["tokens", "bytes", "documents"] = "tokens",
    budget: float | None = None,
    scale: float = 1.0,
    shortage: Literal["shrink", "repeat", "fail"] = "shrink",
    max_epochs: float = 1.0,
    max_share: float = 1.0,
    alpha: float = 1.0,
    caps: Sequence[Mapping[str, object]] = (),
    phases: Sequence[Mapping[str, object]] = (),
    upsample: Mapping[str, object] | None = None,
    validation: Mapping[str, float] | None = None,
    seed: int = 0,
) -> pa.Table:
    """Sample the rows of a table at a ratio of languages.

    Parameters
    ----------
    table : table-like
        A table with the columns ``text`` and ``lang``, and ``n_tokens`` if the unit is tokens.
    ratio : str or Mapping[str, float]
        Groups of languages with their weights: ``kaz_Cyrl=3,rus_Cyrl+tur_Latn=1``.
    unit : {'tokens', 'bytes', 'documents'}, default 'tokens'
        Unit of all amounts; bytes are UTF-8 bytes of text.
    budget : float, optional
        Total amount, in ``unit``; default: as much as the ratio allows.
    scale : float, default 1.0
        Factor of every budget.
    shortage : {'shrink', 'repeat', 'fail'}, default 'shrink'
        If a group has too little: shrink the mixture, repeat up to ``max_epochs``, or fail.
    max_epochs : float, default 1.0
        Maximum passes over a document; above 1 only with ``shortage`` repeat or fail.
    max_share : float, default 1.0
        Largest share of its group that one language of one source may have.
    alpha : float, default 1.0
        Weight each language of a group by its amount to this power; 0 is UniMax
        (Chung et al. 2023, arXiv:2304.09151) where ``max_epochs`` is above 1.
    caps : sequence of mapping, default ()
        Limits of leaves: the tables of ``[[mixture.caps]]`` in a recipe.
    phases : sequence of mapping, default ()
        Stretches of training in order: the tables of ``[[mixture.phases]]`` in a recipe.
    upsample : mapping, optional
        Copies of a document by a column's value: ``[mixture.upsample]`` in a recipe.
    validation : mapping, optional
        What is held out of all phases, such as ``{"share": 0.005}``.
    seed : int, default 0
        Seed of the sample.

    Returns
    -------
    pyarrow.Table
        The rows sampled, with ``phase`` and ``epoch``; a row that is repeated occurs repeatedly.
        Columns with names of the Document table have its types, all others are as they were.

    Raises
    ------
    RecipeError
        If an option is out of range, the mixture is impossible, or the table lacks a column that
        the mixture reads.

    Examples
    --------
    >>> table = {"text": ["a", "b", "c"], "lang": ["kaz_Cyrl", "kaz_Cyrl", "eng_Latn"]}
    >>> mix(table, ratio="kaz_Cyrl=1,eng_Latn=1", unit="documents")["lang"].to_pylist()
    ['kaz_Cyrl', 'eng_Latn']
    """
    from curate.protocol import in_memory
    from curate.recipe.mixture import parse_mixture
    from curate.stages.mix import Mix

    groups = groups_of(ratio)
    mixture = parse_mixture(
        {
            "groups": groups,
            "unit": unit,
            "budget": budget,
            "scale": scale,
            "shortage": shortage,
            "max_epochs": max_epochs,
            "max_share": max_share,
            "alpha": alpha,
            "caps": caps,
            "phases": phases,
            "upsample": upsample,
            "validation": validation,
            "seed": seed,
        }
    )
    given, documents = documents_of(table)
    stage = Mix(mixture, clustered="cluster" in documents.column_names)
    for column in stage.reads:
        if column not in documents.column_names:
            known = nearest(column, documents.column_names)
            raise RecipeError(f"the mixture reads a column '{column}': {known}", where="curate.mix")
    if mixture.unit == "tokens" and (pc.min(documents.column("n_tokens")).as_py() or 0) < 0:
        raise RecipeError("the column 'n_tokens' has numbers below 0", where="curate.mix")
    labels = sorted(filter(None, documents.column("lang").unique().to_pylist()))
    for name, term in mixture.groups.items():
        if term.weight and not set(term.languages) & set(labels):
            have = ", ".join(map(fields.shown, labels[:20])) or "none"
            raise RecipeError(
                f"group '{name}' has nothing to give: no row is of these languages",
                where="curate.mix",
                hint=f"the labels of the table: {have}",
            )
    placed = stage.placements(documents, in_memory.resolve(stage, documents)["decisions"])
    taken = as_given(documents.take(placed.column("row")), given, placed.column("row"))
    # Those of an earlier mixture.
    taken = taken.drop_columns([name for name in placed.column_names if name in taken.column_names])
    return taken.append_column("phase", placed.column("phase")).append_column(
        "epoch", placed.column("epoch")
    )


def _through(table: TableLike, stages: tuple[str, ...], profile: str | Profile | None) -> pa.Table:
    from curate.plan import registry

    if isinstance(profile, str):
        profile = locate.profile_name(profile)
    given, documents = documents_of(table)
    for name in stages:
        parts = {"profiles": all_profiles(profile), "name": name}
        documents = registry.build("stage", name, {}, given=parts).apply(documents, Counter())
    return as_given(documents, given)


def all_profiles(chosen: str | Profile | None = None) -> Profiles:
    """Return the profiles of all languages; ``chosen`` applies to all rows."""
    from curate.recipe import profile

    loaded = {n: profile.load_profile(n) for n in locate.language_profiles()}
    name = chosen.name if isinstance(chosen, Profile) else chosen
    if isinstance(chosen, Profile):
        loaded[chosen.name] = chosen
    elif name is not None and name not in loaded:
        loaded[name] = profile.load_profile(name)
    return Profiles(loaded, always=name)
