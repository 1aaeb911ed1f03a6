"""Tuning of rules: a sample of a run to label, rules beside labels, retention curves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from curate.errors import RecipeError, RefusedError, ResourceError
from curate.inspection.finished_rows import FinishedRun
from curate.paths import local_path
from curate.plan import build as planning
from curate.recipe import locate
from curate.recipe.profile import Profiles, load_profile
from curate.recipe.recipe import load_recipe
from curate.storage.store import open_store


def sample(
    run: str,
    n: int = 100,
    *,
    rule: str | None = None,
    kept: bool = False,
    edge: str | None = None,
    lang: str | None = None,
    by_source: bool = False,
    seed: int = 0,
    output: str | None = None,
) -> list[dict[str, Any]]:
    """Take a fair sample of a finished run's documents, kept and dropped.

    Chosen are the smallest hashes of seed and id, so that the same documents are chosen in each run
    over the same input.

    Parameters
    ----------
    run : str
        Folder or address of a finished run.
    n : int, default 100
        Number of documents.
    rule : str, optional
        Only documents that this rule dropped, with or without its stage.
    kept : bool, default False
        Only documents that passed every stage; the mix may have left them out.
    edge : str, optional
        A signal: the documents nearest to its limits, half on each side, among those that no other
        rule drops.
    lang : str, optional
        Only documents of a language: a label, code or name.
    by_source : bool, default False
        The same number of each source, as far as it has so many.
    seed : int, default 0
        Another seed gives another sample.
    output : str, optional
        A new file of JSON lines for ``curate label``.

    Returns
    -------
    list of dict
        ``id``, ``source``, ``lang``, ``url``, ``text``, ``outcome`` (kept or dropped),
        ``dropped_by``, ``dropped_value``, ``signals`` by name, ``sampled`` (the population and the
        seed) and ``label`` (None).

    Raises
    ------
    RecipeError
        If the run has no such rule, signal or language, or nothing is in the sample.
    RefusedError
        If there is no finished run, or the file exists.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from curate.api import dedup_paths
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "a.jsonl")
    ...     _ = file.write_text('{"text": "one two three"}')
    ...     _ = dedup_paths([f"web={file}"], output=f"{folder}/out", engine="in-process")
    ...     [(row["id"], row["outcome"]) for row in sample(f"{folder}/out", 5)]
    [('web/a.jsonl#0', 'kept')]
    """
    from curate.tuning.labelling import as_line, write_whole
    from curate.tuning.sample import sample as choose

    if sum((rule is not None, kept, edge is not None)) > 1:
        raise RecipeError(
            "a sample is of a rule, of what was kept, or of an edge: give one of them"
        )
    path = None if output is None else local_path(output)
    if path is not None and path.exists():
        raise RefusedError(
            "the file exists, and may hold labels", where=output, hint="choose another name"
        )
    rows = choose(
        FinishedRun(open_store(run)),
        n,
        rule=rule,
        kept=kept,
        edge=edge,
        lang=lang,
        by_source=by_source,
        seed=seed,
    )
    if path is not None:
        _write(path, b"".join(as_line(row) + b"\n" for row in rows), write_whole)
    return rows


def evaluate(
    labels: str,
    *,
    profile: str | None = None,
    recipe: str | None = None,
    text: str = "text",
    label: str = "label",
    bad: Sequence[str] = (),
    lang: str = "lang",
    source: str = "source",
) -> dict[str, Any]:
    """Compare rules with what people said of texts.

    Parameters
    ----------
    labels : str
        A file of JSON lines, also compressed; rows without a label are counted, not used.
    profile : str, optional
        The profile that judges; default: that of each row's language, which is identified where
        no row says it.
    recipe : str, optional
        A recipe whose sources may have profiles of their own.
    text : str, default 'text'
        Field with the text.
    label : str, default 'label'
        Field with the label: good or bad, 1 or 0, true or false.
    bad : sequence of str, optional
        Fields that are 1 where a text is bad, instead of ``label``.
    lang : str, default 'lang'
        Field with the language.
    source : str, default 'source'
        Field with the source.

    Returns
    -------
    dict
        ``labels`` (counts), ``profiles`` (by language), ``profile`` (all rules together), ``rules``
        (each, the most flagged first) and ``worst_alone`` (the rule that alone flags most good
        rows). Of all rules and of each there are counts, ``precision``,
        ``recall`` and ``false_rejection`` with 95 % intervals of Wilson, of ``all`` rows, by
        ``lang`` and by ``source``.

    Raises
    ------
    RecipeError
        If a field, profile or recipe does not exist, a label is neither good nor bad, all labels
        are the same, or the profiles have no rules.

    Examples
    --------
    >>> found = evaluate("sample_data/labels.jsonl")
    >>> found["labels"]["good"], found["labels"]["bad"]
    (24, 24)
    >>> precision = found["profile"]["all"]["all"]["precision"]
    >>> precision["hits"], precision["of"]
    (18, 22)
    """
    from curate.tuning.evaluate import evaluate as compare
    from curate.tuning.labels import Fields, read_labels

    if profile is not None and recipe is not None:
        raise RecipeError("a profile judges all rows, a recipe by source: give one of them")
    if profile is not None:
        name = locate.profile_name(profile)
        loaded = load_profile(name)
        profiles = Profiles({loaded.name: loaded}, always=loaded.name)
    elif recipe is not None:
        profiles = planning.profiles(load_recipe(recipe))
    else:
        names = locate.language_profiles()
        profiles = Profiles({name: load_profile(name) for name in names})
    found = read_labels(labels, Fields(text, label, tuple(bad), lang, source))

    def identify(texts: Sequence[str]) -> list[str | None]:
        from curate.langid.identify import identify as languages

        answers = languages(texts, profiles=None if profiles.always else profiles)
        return [str(one) for one in answers["lang"].to_pylist()]

    return compare(found, profiles, identify)


def sweep(
    run: str,
    signal: str,
    *,
    lang: str | None = None,
    at: Sequence[float] = (),
    html: str | None = None,
) -> dict[str, Any]:
    """Return what a finished run would keep at other limits of a signal.

    Parameters
    ----------
    run : str
        Folder or address of a finished run whose signals were measured.
    signal : str
        The signal.
    lang : str, optional
        Only documents of a language: a label, code or name.
    at : sequence of float, optional
        More limits to compute; the examples are those around the first.
    html : str, optional
        Write a page with the curves there.

    Returns
    -------
    dict
        ``documents`` (counts: those that no other rule drops are ``decided``), ``limits`` of the
        run's profiles, ``curves`` (by side, ``points`` with documents, bytes and tokens that are
        kept at a limit, before deduplication) and ``examples`` on both sides of the limits.

    Raises
    ------
    RecipeError
        If the run did not measure the signal, or has no such language.
    RefusedError
        If there is no finished run.
    ResourceError
        If the page cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     try:
    ...         sweep(folder, "n_words")
    ...     except RefusedError as error:
    ...         print(error.what)
    no finished run here: there is nothing here
    """
    from curate.report.sweep_page import sweep_page
    from curate.tuning.labelling import write_whole
    from curate.tuning.sweep import sweep as draw

    found = draw(FinishedRun(open_store(run)), signal, lang=lang, at=at)
    if html is not None:
        _write(local_path(html), sweep_page(found).encode("utf-8", "replace"), write_whole)
    return found


def _write(path: Any, data: bytes, write_whole: Any) -> None:
    try:
        write_whole(path, data)
    except OSError as error:
        raise ResourceError(
            f"the file cannot be written: {error.strerror}",
            where=str(path),
            hint="name a folder that exists and may be written",
        ) from error
