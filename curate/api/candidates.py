"""Candidate mixtures for proxy runs: a table, and a recipe of each."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa

from curate.api.new_folder import new_folder
from curate.api.ratio import groups_of
from curate.errors import RecipeError
from curate.inspection.finished_rows import FinishedRun
from curate.inspection.mix_candidates import Around, draw, recipe_over
from curate.inspection.verify import manifest_of
from curate.paths import local_path
from curate.recipe.recipe import Recipe, load_recipe
from curate.storage.store import open_store


def mix_candidates(
    run: str,
    n: int,
    *,
    seed: int = 0,
    budget: float | None = None,
    around: Around = "ratio",
    ratio: str | None = None,
    output: str | None = None,
) -> list[dict[str, Any]]:
    """Draw candidate mixtures of what a finished run kept, for proxy runs.

    The weights of the groups are drawn from a Dirichlet distribution; every candidate has the same
    budget, and enough of every group for it. The same seed draws the same candidates.

    Parameters
    ----------
    run : str
        Folder or address of a finished run, whose mixture is meant; or a recipe (``.toml``) that
        has it as its only source, and no stages.
    n : int
        Number of candidates.
    seed : int, default 0
        Another seed draws others.
    budget : float, optional
        Amount of each in the mixture's unit; default: that of the mixture, all phases together.
    around : {'ratio', 'natural'}, default 'ratio'
        The mean of the weights: those of the mixture, or what is available of each group.
    ratio : str, optional
        Other groups than those of the run: ``kaz_Cyrl=3,rus_Cyrl+tur_Latn=1``.
    output : str, optional
        A new folder for ``candidates.parquet`` and ``candidate-01.toml`` and so on, recipes for
        ``curate run`` and ``curate mix``.

    Returns
    -------
    list of dict
        For each candidate and group: ``candidate`` (from 1), ``group``, ``weight``, ``unit``,
        ``amount`` (in the unit; a run comes within one document of it), ``tokens``,
        ``documents``, ``available``, ``epochs``.

    Raises
    ------
    RecipeError
        If there is no budget, fewer than two groups have a weight, or no draw has enough for it.
    RefusedError
        If there is no such run, or the output exists.

    Examples
    --------
    >>> import tempfile
    >>> from curate.api import mix_recipe, run
    >>> books = mix_recipe(["sample_data/books.parquet"], ratio="kk=1,en=1", unit="documents")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = run(books, output=f"{folder}/run", engine="in-process")
    ...     rows = mix_candidates(f"{folder}/run", 2, seed=1, budget=8)
    >>> [(row["candidate"], row["group"], row["amount"]) for row in rows]
    [(1, 'kk', 3), (1, 'en', 5), (2, 'kk', 6), (2, 'en', 2)]
    """
    if n < 1:
        raise RecipeError(f"{n} candidates", hint="1 or more")
    folder = None if output is None else new_folder(output, "candidates are")
    recipes, table = draw(_recipe(run, ratio), n, seed=seed, budget=budget, around=around)
    if folder is not None:
        _write(folder, recipes, table)
    rows: list[dict[str, Any]] = table.to_pylist()
    return rows


def _recipe(run: str, ratio: str | None) -> Recipe:
    if run.endswith(".toml"):
        if ratio is not None:
            raise RecipeError("a recipe has groups of its own, and --ratio names others", where=run)
        return load_recipe(run)
    store = open_store(run if "://" in run else str(local_path(run).absolute()))
    manifest_of(store)  # an error says what else the folder is
    mixture = None if ratio is None else {"groups": groups_of(ratio)}
    return Recipe.model_validate(recipe_over(FinishedRun(store), mixture))


def _write(folder: Path, recipes: list[dict[str, Any]], table: pa.Table) -> None:
    """Write all files into a folder that appears as a whole."""
    import pyarrow.parquet as pq
    import tomli_w

    folder.parent.mkdir(parents=True, exist_ok=True)
    staged = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        for recipe in recipes:
            text = tomli_w.dumps(recipe)
            (staged / f"{recipe['name']}.toml").write_text(text, encoding="utf-8")
        pq.write_table(table, staged / "candidates.parquet")
        staged.chmod(0o755)
        staged.rename(folder)
    finally:
        shutil.rmtree(staged, ignore_errors=True)
