"""Queries of a run: its state, its report built again, the outcome of a document."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from curate.engine.progress import STATUS
from curate.errors import CurateError, RecipeError
from curate.inspection.doctor import diagnose as inspect_folder
from curate.inspection.explain import (
    find_in_stores,
    find_outcomes,
    replay,
    replay_text,
    text_of,
)
from curate.inspection.finished_rows import FinishedRun
from curate.inspection.verify import manifest_of, taken_down
from curate.logging_setup import LOGGER
from curate.paths import local_path
from curate.plan import build as planning
from curate.plan.finished_runs import profile_reader
from curate.plan.model import Plan
from curate.recipe.recipe import Recipe, load_recipe
from curate.report import render
from curate.report.diff import compare
from curate.storage.store import Store, as_resource_error, open_store


def rebuild_report(output: str, *, slides: bool = False) -> dict[str, bytes]:
    """Rebuild a finished run's report and write it.

    Parameters
    ----------
    output : str
        Folder or address of a finished run.
    slides : bool
        Whether to write three pictures for a talk, too: what was left after each stage, the
        mixture asked and got, the rules that dropped most.

    Returns
    -------
    dict of str to bytes
        The report's files by name: ``report.json``, ``report.md``, ``report.html``, ``README.md``
        and ``timings.jsonl``; with ``slides`` also ``slide-funnel.svg``, ``slide-mixture.svg``
        and ``slide-rules.svg``, those that the run has something for.

    Raises
    ------
    RefusedError
        If there is no finished run.
    ResourceError
        If the folder cannot be written. Each file of the report is the old or the new one, whole.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from curate.api import dedup_paths
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "a.jsonl")
    ...     _ = file.write_text('{"text": "one two three"}')
    ...     _ = dedup_paths([str(file)], output=f"{folder}/out", engine="in-process")
    ...     sorted(rebuild_report(f"{folder}/out"))
    ['README.md', 'report.html', 'report.json', 'report.md', 'timings.jsonl']
    """
    store = open_store(output)
    manifest = manifest_of(store)
    try:
        timings = [json.loads(line) for line in store.read("timings.jsonl").splitlines()]
        files = render(manifest, timings, slides=slides)
    except FileNotFoundError:
        files = render(manifest, [], slides=slides)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        LOGGER.warning("timings.jsonl is damaged, so the report has no times: %s", error)
        files = render(manifest, [], slides=slides)
    try:
        for name, body in files.items():
            store.replace(name, body)
    except OSError as error:
        raise as_resource_error(error, output) from error
    return files


def diagnose(output: str) -> dict[str, Any]:
    """Say in which state a run's folder is, and what can safely be done next; touch nothing.

    In an object store it takes up to a minute to see whether a run is at work.

    Parameters
    ----------
    output : str
        Folder or address of a run, finished or not.

    Returns
    -------
    dict
        ``state`` (finished, damaged, empty, running, foreign, older version, unfinished), ``what``
        (a sentence), ``next`` (the next safe command), ``holder`` (the process that writes here, or
        was the last to do so), ``tasks`` (committed, by step), ``damaged`` (files with the reason)
        and ``exit_code`` (of ``curate doctor``).

    Raises
    ------
    ResourceError
        If the folder cannot be read.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     diagnose(folder)["state"]
    'empty'
    """
    try:
        found = inspect_folder(open_store(output))
    except OSError as error:
        raise as_resource_error(error, output) from error
    return vars(found) | {"damaged": list(found.damaged), "exit_code": found.exit_code}


def status(output: str) -> dict[str, Any] | None:
    """Return how far a run is that works now: what it wrote last to ``work/status.json``.

    Parameters
    ----------
    output : str
        Folder or address of a run.

    Returns
    -------
    dict or None
        ``step`` with its ``tasks`` and how many are ``done``; the ``share`` of the whole run (0 to
        1) that is done and the ``seconds_left``, None while the pace is unknown;
        ``tasks_of_run``, ``peak_bytes`` of a task, and the times (seconds since 1970) when the run
        ``began`` and when it had ``written`` this. ``step`` is None before anything was written.
        None where no run is at work; `diagnose` says what there is.

    Raises
    ------
    ResourceError
        If the folder cannot be read.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     status(folder) is None
    True
    """
    try:
        store = open_store(output)
        if inspect_folder(store, patient=False).state != "running":
            return None
        try:
            written: dict[str, Any] = json.loads(store.read(STATUS))
        except (FileNotFoundError, ValueError):
            return {"step": None}
        return written
    except OSError as error:
        raise as_resource_error(error, output) from error


def compare_runs(before: str, after: str) -> dict[str, Any]:
    """Return what changed from one finished run to another.

    Documents are joined by id, in bounded memory: rows without texts are divided in a temporary
    folder (TMPDIR), which takes about 100 bytes per document.

    Parameters
    ----------
    before, after : str
        Folders or addresses of finished runs.

    Returns
    -------
    dict
        ``totals`` (name: [before, after]), ``rules`` (documents dropped by ``stage:rule``: [before,
        after]), ``sources`` and ``languages`` (taken: [documents before, after, tokens before,
        after]; tokens are 0 without the stage count) and ``changed``: a table for each change of
        outcome with ``before`` and ``after`` (``kept``, a rule, or ``absent``), ``documents`` and
        up to three ``examples`` (``id``, the measured ``values`` and the beginning of ``text``).

    Raises
    ------
    RefusedError
        If one of them is no finished run.
    ResourceError
        If a file cannot be read.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from curate.api import dedup_paths
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "a.jsonl")
    ...     _ = file.write_text('{"text": "one two three"}')
    ...     _ = dedup_paths([str(file)], output=f"{folder}/out", engine="in-process")
    ...     compare_runs(f"{folder}/out", f"{folder}/out")["changed"]
    []
    """
    from curate.inspection.compare_runs import compare_runs as compared

    try:
        return compared(open_store(before), open_store(after))
    except OSError as error:
        raise as_resource_error(error, after) from error


def explain(output: str, document: str) -> list[dict[str, Any]]:
    """Explain the outcome of a document: where it is, or which rule dropped it with which value.

    Parameters
    ----------
    output : str
        Folder or address of a finished run.
    document : str
        An id, a URL, or ``<source>/<file>#<offset>`` of a damaged record.

    Returns
    -------
    list of dict
        One entry per row found: ``outcome`` (kept, dropped, over_budget, no_group, quarantined),
        ``where`` (the file) and the columns that explain it. ``replay`` has what every stage did,
        or ``no_replay`` why the input cannot be read. A duplicate has ``witness`` (the outcome of
        the document it repeats) and ``difference`` (both texts in parts: same, kept or removed),
        a curated document that was not taken has ``groups`` (the rows
        of the mixture's table that were full).

    Raises
    ------
    RecipeError
        If the run has no such document.
    RefusedError
        If there is no finished run.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from curate.api import dedup_paths
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "a.jsonl")
    ...     _ = file.write_text('{"text": "one two three", "id": "x"}')
    ...     _ = dedup_paths([f"web={file}"], output=f"{folder}/out", engine="in-process")
    ...     [row["outcome"] for row in explain(f"{folder}/out", "web/a.jsonl#0")]
    ['kept']
    """
    store = open_store(output)
    outcomes = find_outcomes(store, document)
    if not outcomes:
        raise RecipeError(
            f"no document or damaged record '{document}' in this run",
            where=output,
            hint="give an id (column `id` of mixture/ and rejected/), a url, or SOURCE/FILE#OFFSET"
            " of quarantine/; skipped records are only counted"
            + (
                ", and what was taken down has left no row"
                if taken_down(manifest_of(store))
                else ""
            ),
        )
    recipe = FinishedRun(store).recipe
    profile_of_run = profile_reader(store)
    for outcome in outcomes:
        if outcome["outcome"] == "quarantined":
            continue
        if outcome.get("duplicate_of"):
            witnesses = _witnesses(store, outcome)
            outcome["witness"] = [
                {key: one[key] for key in ("outcome", "dropped_by", "url", "where") if key in one}
                for one in witnesses
            ]
            outcome["difference"] = _difference(store, outcome, witnesses)
        if outcome["outcome"] == "over_budget":
            outcome["groups"] = _rows_of_group(manifest_of(store).mixture, recipe, outcome)
        try:
            outcome["replay"] = list(
                replay(
                    _plan_of(recipe, outcome["source"], profile_of_run),
                    outcome["id"],
                    outcome.get("dropped_by"),
                    outcome.get("cuts", ()),
                    outcome["signals"],
                )
            )
        except CurateError as error:
            outcome["no_replay"] = error.what
    return outcomes


def _witnesses(store: Store, outcome: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Find a duplicate's witness in the run, else in the dedup stores that it was compared with."""
    # Ids are unique within a run only: a stored witness may have the id of its duplicate.
    own = (
        []
        if outcome["duplicate_of"] == outcome["id"]
        else find_outcomes(store, outcome["duplicate_of"])
    )
    if own:
        return own
    try:
        return find_in_stores(store, outcome["duplicate_of"])
    except CurateError as error:
        return [{"outcome": "unknown", "where": error.what}]


def _difference(
    store: Store, outcome: Mapping[str, Any], witnesses: list[dict[str, Any]]
) -> list[tuple[str, str]]:
    """Compare a duplicate's text with the kept one's; nothing where the run has not both."""
    own = [one["where"] for one in witnesses if one.get("id") == outcome["duplicate_of"]]
    own = [path for path in own if path.startswith(("mixture/", "rejected/"))]
    if not own:
        return []
    kept = text_of(store, own[0], outcome["duplicate_of"])
    removed = text_of(store, outcome["where"], outcome["id"])
    return list(compare(kept, removed))


def explain_text(
    recipe: str | Recipe, text: str, *, source: str | None = None
) -> list[dict[str, Any]]:
    """Return what each stage of a recipe that sees a document alone would do to a text.

    Parameters
    ----------
    recipe : str or Recipe
        A recipe, its name or file; or the folder of a finished run, whose recipe is meant.
    text : str
        The text.
    source : str, optional
        The source that it is taken for; the first of the recipe by default.

    Returns
    -------
    list of dict
        Of each stage: ``stage``, ``did`` (what it counted), ``changed``, ``characters`` and
        ``text`` behind it, ``dropped_by`` and ``dropped_value``; ``lang`` of the stage that
        identifies; ``rules`` of the stage that judges, each with ``value``, ``min``, ``max``,
        whether it ``holds``, and where it does not with ``places``: the parts of the text that
        explain it (``spans`` in characters, and the value ``without`` them). The stage that drops
        the text is the last one.

    Raises
    ------
    RecipeError
        If there is no such recipe or source.

    Examples
    --------
    >>> explain_text("demo", "Too short.")[-1]["dropped_by"]
    'judge:too_few_words'
    """
    if isinstance(recipe, str):
        store = open_store(recipe)
        is_file = "://" not in recipe and local_path(recipe).is_file()
        finished = not is_file and store.size("manifest.json") is not None
        recipe = FinishedRun(store).recipe if finished else load_recipe(recipe)
    return replay_text(recipe, text, source)


def _plan_of(recipe: Recipe, source: str, read_profile: Callable[[str], str]) -> Plan:
    """Plan one source alone: a replay does not need the inputs of the others."""
    spec = recipe.sources.get(source)
    of_runs = [each for each in recipe.sources.values() if each.format == "run"]
    runs = [path for each in of_runs for path in each.path or ()]
    if runs and (spec is None or not spec.is_read):
        raise RecipeError(f"it came from a run: curate explain {runs[0]} says what was done there")
    if spec is None:
        raise RecipeError(f"the recipe has no source '{source}'")
    unread = {"path": (), "path_list": None}
    one = {
        name: each if name == source else each.model_copy(update=unread)
        for name, each in recipe.sources.items()
    }
    alone = recipe.model_copy(update={"sources": one, "mixture": None})
    return planning.build(alone, read_profile=read_profile, stores=False)


def _rows_of_group(
    mixture: list[dict[str, Any]], recipe: Recipe, outcome: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Return the mixture's rows (one per phase) of the groups that a document may belong to.

    It is one group where none before it has conditions on other columns.
    """
    groups = []
    for name, group in recipe.seeded_mixture.groups.items():
        if group.holds(outcome["source"], outcome.get("lang"), outcome.get("origin")):
            groups.append(name)
            if not group.where:
                break
    return [row for row in mixture if row["group"] in groups]
