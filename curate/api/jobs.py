"""Single jobs as generated recipes: dedup, mix, identify, a recipe cut after a stage."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from curate.api.inputs import by_format, files_by_format, sources_of
from curate.api.ratio import groups_of
from curate.api.runs import RunResult, run
from curate.api.tables import identify
from curate.engine.progress import Progress
from curate.errors import RecipeError, nearest
from curate.plan.model import PlannedPiece, Shard, SourcePlan
from curate.recipe import locate
from curate.recipe.recipe import Recipe
from curate.sources.base import Piece


def until(recipe: Recipe, stage: str) -> Recipe:
    """Cut a recipe after a stage.

    Parameters
    ----------
    recipe : Recipe
        The recipe.
    stage : str
        Name of the last stage that remains.

    Returns
    -------
    Recipe
        The recipe without later stages and without a ratio, so that every document is kept.

    Raises
    ------
    RecipeError
        If the recipe has no such stage.

    Examples
    --------
    >>> recipe = mix_recipe(["sample_data/books.parquet"], ratio="kaz_Cyrl=1")
    >>> [stage.use for stage in until(recipe, "identify").stages]
    ['identify']
    """
    names = [spec.label for spec in recipe.stages]
    if stage not in names:
        raise RecipeError(f"the recipe has no stage '{stage}'", hint=nearest(stage, names))
    stages = recipe.stages[: names.index(stage) + 1]
    return recipe.model_copy(update={"stages": stages, "mixture": None})


def dedup_paths(
    paths: Sequence[str],
    *,
    output: str | Path,
    text: str = "text",
    id: str | None = None,
    url: str | None = None,
    date: str | None = None,
    threshold: float = 0.8,
    recall: float = 0.97,
    bands: int | None = None,
    rows: int | None = None,
    similarity: str = "jaccard",
    length_ratio: float = 2.0,
    shingle: str = "word",
    ngram: int = 5,
    fold: Sequence[str] = ("case", "width", "punctuation"),
    keep: str = "longest",
    source_priority: Sequence[str] | None = None,
    against: str | None = None,
    store: str | None = None,
    on: str | None = None,
    max_witnesses: int | None = None,
    component_bytes: int | None = None,
    seed: int | None = None,
    engine: str = "auto",
    workers: int | None = None,
    address: str | None = None,
    resume: bool = False,
    fresh: bool = False,
    force: bool = False,
    progress: Progress | None = None,
) -> RunResult:
    r"""Remove exact and near duplicates from files.

    For ``keep="best:SIGNAL"`` languages are identified and signals measured first.

    Parameters
    ----------
    paths : sequence of str
        Files, folders, patterns or addresses, of any format. ``NAME=PATH`` names the source of the
        documents, which ``source_priority`` and the removal of a source from a store use.
    output : str or Path
        Folder or address of the result.
    text : str, default 'text'
        Field with the text.
    id, url, date : str, optional
        Fields with a record's own id (with which the ids of the result then end), address and
        date. The id joins a row with its input. All columns of Parquet files and fields of JSON but
        the text are in the result with their types (``input_<name>`` where a column of ours has
        the name); what has no one type is JSON in ``meta``.
    threshold, recall, bands, rows, similarity, length_ratio, shingle, ngram, fold, keep : object
        As for :func:`curate.deduplicate`, with the same defaults.
    source_priority : sequence of str, optional
        Names of sources, the one to keep first.
    against : str, optional
        Address of a dedup store whose documents nothing kept here may repeat.
    store : str, optional
        The same, and what is kept here is added to it.
    on, max_witnesses, component_bytes, seed : object, optional
        As for :func:`curate.deduplicate`; default: those of the stage ``fuzzy_dedup``.
    engine : {'auto', 'ray', 'in-process'}, default 'auto'
        Where the work is done; the result is the same.
    workers : int, optional
        CPUs to use on Ray; default: all.
    address : str, optional
        As for :func:`curate.run`.
    resume : bool, default False
        Continue although options or inputs changed.
    fresh : bool, default False
        Start over. A finished product stays until the new one replaces it.
    force : bool, default False
        Run although the estimate exceeds the disk or the memory of this machine.
    progress : Progress, optional
        Receives the progress of each step.

    Returns
    -------
    RunResult
        What the run left in ``output``.

    Raises
    ------
    CurateError
        As :func:`curate.run`.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "a.jsonl")
    ...     _ = file.write_text('{"text": "one two three"}\n' * 2)
    ...     result = dedup_paths([str(file)], output=f"{folder}/out", engine="in-process")
    >>> result.manifest["totals"]["documents"], result.manifest["totals"]["curated"]
    (2, 1)
    """
    sources = _sources(paths, text, id, url, date)
    for name in source_priority or ():
        if name not in sources:
            raise RecipeError(
                f"no source '{name}' for source_priority",
                hint=f"{nearest(name, sources)} (paths are NAME=PATH)",
            )
    order = _given(keep=keep, source_priority=source_priority)
    fuzzy = _given(
        threshold=threshold,
        recall=recall,
        bands=bands,
        rows=rows,
        similarity=similarity,
        length_ratio=length_ratio,
        shingle=shingle,
        ngram=ngram,
        fold=list(fold),
        **order,
        against=against,
        store=store,
        on=on,
        max_witnesses=max_witnesses,
        component_bytes=component_bytes,
        seed=seed,
    )
    measured = [{"use": "identify"}, {"use": "measure"}] if keep.startswith("best:") else []
    stages = [*measured, {"use": "exact_dedup", **order}, {"use": "fuzzy_dedup", **fuzzy}]
    return run(
        Recipe.model_validate({"name": "dedup", "sources": sources, "stages": stages}),
        output=output,
        engine=engine,
        workers=workers,
        address=address,
        resume=resume,
        fresh=fresh,
        force=force,
        progress=progress,
    )


def mix_recipe(
    paths: Sequence[str],
    *,
    ratio: str | Mapping[str, float],
    text: str = "text",
    id: str | None = None,
    url: str | None = None,
    date: str | None = None,
    unit: str = "tokens",
    budget: float | None = None,
    max_epochs: float = 1.0,
    shortage: str | None = None,
    alpha: float = 1.0,
    validation: float | None = None,
    seed: int = 0,
) -> Recipe:
    """Make the recipe of ``curate mix``: identify, count if the unit is tokens, mix.

    Parameters
    ----------
    paths : sequence of str
        Files, folders, patterns or addresses, of any format; ``NAME=PATH`` names the source.
    ratio : str or Mapping[str, float]
        Groups of languages with their weights: ``kaz_Cyrl=3,rus_Cyrl+tur_Latn=1``.
    text : str, default 'text'
        Field with the text.
    id, url, date : str, optional
        Fields with a record's own id (with which the ids of the result then end), address and
        date. The id joins a row with its input. All columns of Parquet files and fields of JSON but
        the text are in the result with their types (``input_<name>`` where a column of ours has
        the name); what has no one type is JSON in ``meta``.
    unit : {'tokens', 'bytes', 'documents'}, default 'tokens'
        What amounts count.
    budget : float, optional
        Amount in all, in ``unit``; default: as much as the ratio allows.
    max_epochs : float, default 1.0
        Passes over any document at most.
    shortage : {'shrink', 'repeat', 'fail'}, optional
        If a group has too little; default: repeat if ``max_epochs`` is above 1, else shrink.
    alpha : float, default 1.0
        Weight each language of a group by its amount to this power.
    validation : float, optional
        Share of the documents held out of the mixture, at most 0.5.
    seed : int, default 0
        Seed of the sample.

    Returns
    -------
    Recipe
        The recipe, for :func:`curate.run`.

    Raises
    ------
    RecipeError
        If the ratio or an option is not valid.

    Examples
    --------
    >>> books = ["sample_data/books.parquet"]
    >>> recipe = mix_recipe(books, ratio="kaz_Cyrl=3,eng_Latn=1", unit="bytes")
    >>> [stage.use for stage in recipe.stages], list(recipe.mixture.groups)
    (['identify'], ['kaz_Cyrl', 'eng_Latn'])
    """
    mixture = _given(
        unit=unit,
        budget=budget,
        max_epochs=max_epochs,
        shortage=shortage or ("repeat" if max_epochs > 1 else "shrink"),
        alpha=alpha,
        validation=None if validation is None else {"share": validation},
        groups=groups_of(ratio),
    )
    counted = [{"use": "count"}] if unit == "tokens" else []
    return Recipe.model_validate(
        {
            "name": "mix",
            "seed": seed,
            "sources": _sources(paths, text, id, url, date),
            "stages": [{"use": "identify"}, *counted],
            "mixture": mixture,
        }
    )


def _given(**options: object) -> dict[str, object]:
    return {name: value for name, value in options.items() if value is not None}


def _sources(
    paths: Sequence[str], text: str, id: str | None, url: str | None, date: str | None
) -> dict[str, Any]:
    """Sort paths into sources that keep every field of a record, of whatever format."""
    named = _given(text=text, id=id, url=url, date=date) | {"columns": ["*"]}
    return sources_of(paths, dict.fromkeys(("jsonl", "parquet", "csv"), named))


def identify_paths(
    paths: Sequence[str],
    *,
    format: str | None = None,
    text: str = "text",
    lines: bool = False,
    model: str | None = None,
    damaged: Counter[str] | None = None,
) -> Iterator[dict[str, Any]]:
    """Identify the language of each document of files of any format.

    Parameters
    ----------
    paths : sequence of str
        Files, folders, patterns or addresses.
    format : str, optional
        Name of the source format; default: that of :func:`format_of`.
    text : str, default 'text'
        Field with the text, for JSONL and Parquet.
    lines : bool, default False
        Make each line of a text file a document.
    model : str, optional
        Path or ``hf://`` name of a fastText model; default: lid.176.ftz.
    damaged : Counter of str, optional
        Counts, by reason, the records that could not be read.

    Yields
    ------
    dict
        ``id``, ``lang``, ``lang_score``, ``lang2`` and ``lang2_score`` of a document.

    Raises
    ------
    CurateError
        If a path, the format or the model cannot be used.

    Examples
    --------
    >>> next(identify_paths(["sample_data/books.parquet"]))["lang"]
    'kor_Hang'
    """
    for table in batches_of(paths, format=format, text=text, lines=lines, damaged=damaged):
        labels = identify(table.column("text"), model=model)
        yield from labels.add_column(0, "id", table.column("id")).to_pylist()


def batches_of(
    paths: Sequence[str],
    *,
    format: str | None = None,
    text: str = "text",
    lines: bool = False,
    damaged: Counter[str] | None = None,
    meta: str | None = None,
) -> Iterator[pa.Table]:
    """Yield the documents of files of any format, as Document tables of a few megabytes.

    ``meta`` names a field of JSON or Parquet, or a dotted path, to keep in the column ``meta``.
    """
    from curate.engine.reading import read_shard
    from curate.plan import registry
    from curate.sources.files import expand

    named = files_by_format(paths) if format is None else ((format, path) for path in paths)
    for kind, path in named:
        options: dict[str, Any] = {"text": text} if kind in ("jsonl", "parquet", "csv") else {}
        if options and meta is not None:
            options["meta"] = list(dict.fromkeys((meta, meta.partition(".")[0])))
        if lines and kind == "text":
            options["split_on"] = "line"
        reader = registry.build("source", kind, options)
        files = expand([locate.data_path(path)], reader.suffixes)
        source = SourcePlan(kind, reader, "native", None)
        for file in files:
            shard = Shard(kind, (PlannedPiece(file, Piece(0, file.size), ""),))
            for batch in read_shard(source, shard, 8 << 20):
                yield batch.documents
                if damaged is not None:
                    damaged.update(batch.quarantined.column("reason").to_pylist())


def format_of(path: str) -> str:
    """Return the source format of the files of a path.

    Parameters
    ----------
    path : str
        A file, folder, pattern or address. A file's ending decides, else its first bytes.

    Returns
    -------
    str
        Name of the format; of a path with files of several, the first by name. Never chat, whose
        files also end in ``.jsonl``.

    Raises
    ------
    RecipeError
        If the path names no file of a known format.

    Examples
    --------
    >>> format_of("sample_data/books.parquet"), format_of("sample_data/wiki")
    ('parquet', 'wikipedia')
    """
    return next(iter(by_format(path)))
