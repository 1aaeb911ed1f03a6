"""Jobs that people want alone, as recipes made on the spot: dedup, mix, identify, a recipe cut short."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from glob import iglob
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa

from curate.api.ratio import groups_of
from curate.api.runs import RunResult, run
from curate.api.tables import identify
from curate.engine.driver import Progress
from curate.errors import RecipeError, nearest
from curate.plan.model import PlannedPiece, Shard, SourcePlan
from curate.recipe import locate
from curate.recipe.recipe import Recipe


def until(recipe: Recipe, stage: str) -> Recipe:
    """Cut a recipe after a stage; what is left is mixed without a ratio, so everything is kept."""
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
    options: Mapping[str, Any] | None = None,
    engine: str = "ray",
    workers: int | None = None,
    resume: bool = False,
    fresh: bool = False,
    progress: Progress | None = None,
) -> RunResult:
    """Remove exact and near duplicates from JSONL or Parquet files; ``options`` are fuzzy_dedup's.

    A path may be ``NAME=PATH``: the name is then the source of its documents, for
    ``source_priority`` and for removing it from a store. For ``keep = "best:SIGNAL"`` languages
    are identified and signals measured first.
    """
    chosen = dict(options or {})
    sources = _sources(paths, text)
    for name in chosen.get("source_priority", ()):
        if name not in sources:
            raise RecipeError(
                f"no source '{name}' for source_priority",
                hint=f"{nearest(name, sources)} (paths are NAME=PATH)",
            )
    measured = [{"use": "identify"}, {"use": "measure"}]
    recipe = Recipe.model_validate(
        {
            "name": "dedup",
            "sources": sources,
            "stages": [
                *(measured if str(chosen.get("keep", "")).startswith("best:") else ()),
                {
                    "use": "exact_dedup",
                    **{k: chosen[k] for k in ("keep", "source_priority") if k in chosen},
                },
                {"use": "fuzzy_dedup", **chosen},
            ],
        }
    )
    return run(
        recipe,
        output=output,
        engine=engine,
        workers=workers,
        resume=resume,
        fresh=fresh,
        progress=progress,
    )


def mix_recipe(
    paths: Sequence[str],
    *,
    ratio: str,
    text: str = "text",
    seed: int = 0,
    options: Mapping[str, Any] | None = None,
) -> Recipe:
    """Make the recipe of ``curate mix``: identify, count where tokens are the unit, mix.

    ``ratio`` is ``kaz_Cyrl=3,rus_Cyrl+tur_Latn=1``: groups of languages, with their weights.
    """
    asked = {key: value for key, value in (options or {}).items() if value is not None}
    counted = [{"use": "count"}] if asked.get("unit", "tokens") == "tokens" else []
    return Recipe.model_validate(
        {
            "name": "mix",
            "seed": seed,
            "sources": _sources(paths, text),
            "stages": [{"use": "identify"}, *counted],
            "mixture": {**asked, "groups": groups_of(ratio)},
        }
    )


def _sources(paths: Sequence[str], text: str) -> dict[str, Any]:
    """Tell Parquet from JSONL by name; what has no known ending is taken to be JSONL.

    ``NAME=PATH`` names the source; else it is called by its format. A path that is there as it is
    written is no name, for folders may be called date=2024-01-01.
    """
    sources: dict[str, Any] = {}
    for given in paths:
        name, equals, path = given.partition("=")
        if (
            not equals
            or not _NAME.fullmatch(name)
            or any(chain.from_iterable(map(iglob, (given,))))
        ):
            name, path = "", given
        format = "parquet" if format_of(path) == "parquet" else "jsonl"
        source = sources.setdefault(name or format, {"format": format, "path": [], "text": text})
        if source["format"] != format:
            raise RecipeError(f"source '{name}' has files of two formats", hint="name them apart")
        source["path"].append(path)
    return sources


#: The names that a recipe takes.
_NAME = re.compile(r"[A-Za-z0-9_-]+")


def identify_paths(
    paths: Sequence[str],
    *,
    format: str | None = None,
    text: str = "text",
    lines: bool = False,
    model: str | None = None,
    damaged: Counter[str] | None = None,
) -> Iterator[dict[str, Any]]:
    """Give id, lang, lang_score, lang2 and lang2_score of each document of files of any format.

    ``damaged`` counts, by reason, the records that could not be read.
    """
    for table in batches_of(paths, format=format, text=text, lines=lines, damaged=damaged):
        found = identify(table.column("text"), model=model)
        yield from found.add_column(0, "id", table.column("id")).to_pylist()


def batches_of(
    paths: Sequence[str],
    *,
    format: str | None = None,
    text: str = "text",
    lines: bool = False,
    damaged: Counter[str] | None = None,
) -> Iterator[pa.Table]:
    """Give the documents of files of any format, as Document tables of a few megabytes."""
    from curate.engine.reading import read_shard
    from curate.plan import registry
    from curate.sources.files import expand

    for path in paths:
        kind = format or format_of(path)
        options: dict[str, Any] = {"text": text} if kind in ("jsonl", "parquet") else {}
        if lines and kind == "text":
            options["split_on"] = "line"
        reader = registry.build("source", kind, options)
        files = expand([locate.data_path(path)], reader.suffixes)
        source = SourcePlan(kind, reader, "native", None)
        for file in files:
            pieces = tuple(PlannedPiece(file, piece, "") for piece in reader.split(file, 1 << 40))
            shard = Shard(kind, pieces)
            for batch in read_shard(source, shard, 8 << 20):
                yield batch.documents
                if damaged is not None:
                    damaged.update(batch.quarantined.column("reason").to_pylist())


_ENDINGS = {
    "wet": (".wet", ".wet.gz"),
    "warc": (".warc", ".warc.gz", ".arc", ".arc.gz"),
    "wikipedia": (".xml", ".xml.bz2", ".xml.gz"),
    "parquet": (".parquet", ".pq"),
    "text": (".txt", ".txt.gz"),
    "jsonl": (".jsonl", ".jsonl.gz", ".jsonl.zst"),
}


def format_of(path: str) -> str:
    """Guess a format from a name's ending; of a folder or pattern, from the first name that tells.

    Chat is never guessed: its files end as JSONL does. What tells nothing is JSONL.

    >>> format_of("a.warc.wet.gz"), format_of("dump.xml.bz2"), format_of("x")
    ('wet', 'wikipedia', 'jsonl')
    """
    found = locate.data_path(path)
    names: Iterator[str] = iter(())
    if "://" not in found:
        # Two levels are enough to tell, and a folder may hold millions.
        patterns = (found, f"{found}/*", f"{found}/*/*")
        names = chain.from_iterable(map(iglob, patterns))
    for name in chain([path], names):
        for format, endings in _ENDINGS.items():
            if name.endswith(endings):
                return format
    return "jsonl"
