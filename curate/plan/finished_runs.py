"""Finished runs as sources: their files, and which stages have nothing left to do on their rows."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from curate import schema
from curate.errors import CurateError, RecipeError, RefusedError, without_secrets
from curate.logging_setup import LOGGER
from curate.plan.fingerprint import parameters
from curate.plan.model import SourcePlan
from curate.protocol.stage import Barrier, MapStage, Stage
from curate.recipe import locate
from curate.recipe.profile import Profiles
from curate.recipe.recipe import Recipe, SourceSpec, parse_recipe
from curate.sources.base import InputFile
from curate.sources.finished_run import PRODUCT, CuratedRun, brought_columns, stored_schema
from curate.storage.entries import Manifest, check_format, unsealed
from curate.storage.store import Store, open_store

#: Columns that stages set to say that a row is dropped; no stage takes them from a source.
_VERDICT = frozenset(schema.VERDICT_COLUMNS)


def profile_reader(store: Store) -> Callable[[str], str]:
    """Return what reads a profile's text as it was during the run; it may have changed since."""

    def read(name: str) -> str:
        try:
            return store.read(f"filters/{Path(name).stem}.toml").decode()
        except FileNotFoundError:
            return locate.profile_text(name)

    return read


@dataclass(frozen=True)
class RunInput:
    """A finished run that is a source."""

    store: Store
    manifest: Manifest
    recipe: Recipe
    files: list[InputFile]  #: of the product, and of what exceeded the mixture's budget
    columns: pa.Schema  #: of ours, that its stages wrote

    @property
    def sources(self) -> tuple[str, ...]:
        """The sources of its rows."""
        stages = self.manifest.ledger.stages.values()
        return tuple(sorted({source for counts in stages for source, _ in counts.input}))

    @property
    def has_chat(self) -> bool:
        """Whether rows may be conversations: those of a chat source, or of another run."""
        formats = {spec.format for spec in self.recipe.sources.values() if spec.is_read}
        return not formats.isdisjoint(("chat", "run"))


def open_run(spec: SourceSpec, where: str) -> RunInput:
    """Open the run of a source; refuse a folder that holds no finished run, and several."""
    if spec.profile is not None:
        raise RecipeError(
            "the rows of a run keep their sources, so a profile of the run has no rows",
            where=f"{where}.profile",
            hint="give it to the sources of the rows; one that is not read now has path = []",
        )
    if spec.path is None or len(spec.path) != 1:
        raise RecipeError(
            "a source of format 'run' reads one run",
            where=where,
            hint="make each run a source of its own",
        )
    store = open_store(locate.data_path(spec.path[0]))
    try:
        fields = unsealed(store.read("manifest.json"))
        check_format(fields, store.address)
        manifest = Manifest.from_json(fields)
        recipe = parse_recipe(store.read("recipe.toml").decode(), f"{store.address}/recipe.toml")
    except FileNotFoundError:
        raise RecipeError(
            "no finished run here",
            where=store.address,
            hint=f"curate doctor {store.address} says in which state the folder is",
        ) from None
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise RefusedError(
            f"the run's manifest is damaged: {error}",
            where=store.address,
            hint=f"curate doctor {store.address} says the next safe command",
        ) from None
    root = store.address.rstrip("/")
    left_out = f"rejected/{manifest.stages[-1]}/"
    files = [
        InputFile(f"{root}/{entry.path}", entry.path, entry.bytes)
        for entry in manifest.files
        if entry.path.startswith((f"{PRODUCT}/", left_out))
    ]
    for file in files:
        if store.size(file.name) != file.size:
            raise RefusedError(
                f"{file.name} is gone or cut",
                where=store.address,
                hint=f"curate verify {store.address} lists all that is wrong",
            )
    # The files of a folder have the same columns.
    folders = {file.name.rpartition("/")[0]: file for file in reversed(files)}
    columns = brought_columns(stored_schema(folders[name]) for name in sorted(folders))
    return RunInput(store, manifest, recipe, sorted(files, key=lambda file: file.name), columns)


def reader_of(
    reader: CuratedRun,
    run: RunInput,
    stages: Iterable[Stage],
    earlier: Sequence[Stage],
    *,
    sources: Collection[str],
    profiles: Profiles,
    where: str,
) -> CuratedRun:
    """Return a run's reader with the stages that are done, and the columns that still hold.

    ``stages`` and ``profiles`` are the recipe's, ``earlier`` the stages of the run, ``sources`` the
    names that the recipe defines.
    """
    needless = _needless(profiles, run.sources)
    done: list[str] = []
    kept_by: set[str] = set()  # columns of the stages that are done
    changed: set[str] = set()  # columns that are not what the run's stages read and wrote
    position = 0
    undeclared = _own_profiles(earlier).keys() - set(sources)
    for stage in stages:
        if isinstance(stage, MapStage):
            touches = {*stage.reads, *stage.adds, *stage.rewrites} - _VERDICT
            found = next(
                (
                    number
                    for number in range(position, len(earlier))
                    if _agrees(stage, earlier[number], sources)
                ),
                None,
            )
            there = {*run.columns.names, *needless} >= set(stage.adds)
            if found is not None and there and not touches & changed:
                done.append(stage.name)
                kept_by |= set(stage.adds)
                position = found + 1
                continue
            if undeclared and stage.profiles_read:
                name = min(undeclared)
                raise RecipeError(
                    f"stage '{stage.name}' is other than it was in the run, and the recipe does"
                    f" not say which profile the run's source '{name}' has",
                    where=where,
                    hint=f'[sources.{name}] with its format, path = [] and profile = "..."',
                )
        if not isinstance(stage, Barrier) or stage.removes_text:
            changed |= {*stage.adds, *stage.rewrites} - _VERDICT
        if stage.removes_text:
            changed.add("text")
    measured = {name for name in run.columns.names if name.startswith("signal_")}
    measured |= set(schema.MEASURED_COLUMNS)
    lost = measured - kept_by if "text" in changed else set()
    brought = pa.schema([one for one in run.columns if one.name not in lost])
    phases = {file.name.split("/")[1] for file in run.files if file.name.startswith(PRODUCT)}
    several = [file for file in run.files if file.name.startswith(PRODUCT) and len(phases) > 1]
    return dataclasses.replace(
        reader,
        brought=brought.serialize().to_pybytes(),
        done=tuple(done),
        sources=run.sources,
        phases=tuple((file.name, file.size) for file in several),
        counted_with=tuple(sorted((run.manifest.counted_with or {}).items())),
    )


def _needless(profiles: Profiles, sources: Collection[str]) -> set[str]:
    """Return the columns of signals that no rule asks for in rows of these sources."""
    own = {name for source, name in profiles.by_source.items() if source in sources}
    elsewhere = set(profiles.by_source.values()) - own - set(locate.language_profiles())
    needed: set[str] = set()
    others: set[str] = set()
    for name, profile in profiles.by_name.items():
        rules = [rule.signal for rule in profile.rules.values()]
        named = {f"signal_{signal}" for signal in (*rules, *profile.classifiers)}
        (others if name in elsewhere else needed).update(named)
    return others - needed


def _own_profiles(stages: Iterable[Stage]) -> dict[str, str]:
    """Return the profiles of sources that have one of their own."""
    found: dict[str, str] = {}
    for stage in stages:
        found |= stage.profiles_read.by_source if stage.profiles_read else {}
    return found


def _agrees(stage: Any, earlier: Any, sources: Collection[str]) -> bool:
    """Return whether an earlier run's stage left on its rows what this stage would leave."""
    if type(stage) is not type(earlier) or not stage.holds_what(earlier):
        return False
    for field in dataclasses.fields(stage):
        own, theirs = vars(stage)[field.name], vars(earlier)[field.name]
        if field.name == "name" or field.metadata.get("planned"):
            continue
        if isinstance(own, Profiles):
            if not _same_profiles(own, theirs, sources):
                return False
        elif parameters(own) != parameters(theirs):
            return False
    return bool(stage.model_digest == earlier.model_digest)


def _same_profiles(own: Profiles, theirs: Profiles, sources: Collection[str]) -> bool:
    """Return whether the rows of a run have the same rules as they had.

    A profile that only a source has on one side concerns no row that is on both.
    """
    both = own.by_name.keys() & theirs.by_name.keys()
    alone = own.by_name.keys() - both - set(own.by_source.values())
    alone |= theirs.by_name.keys() - both - set(theirs.by_source.values())
    of_sources = all(
        own.by_source.get(name) == profile
        for name, profile in theirs.by_source.items()
        if name in sources
    )
    same = all(own.by_name[name] == theirs.by_name[name] for name in both)
    return same and of_sources and not alone and own.always == theirs.always


def earlier_stages(
    run: RunInput,
    load: Callable[[Recipe, Callable[[str], str]], Profiles],
    build: Callable[[Recipe, Profiles], Iterable[Stage]],
    name: str,
) -> Sequence[Stage]:
    """Return the stages of a run as they were; none, and a warning, where they are not known.

    ``load`` returns the profiles of a recipe, ``build`` its stages.
    """
    why = ""
    if run.manifest.contract != schema.CONTRACT_VERSION:
        why = f"contract {run.manifest.contract}, this version has {schema.CONTRACT_VERSION}"
    else:
        try:
            return list(build(run.recipe, load(run.recipe, profile_reader(run.store))))
        except CurateError as error:
            why = str(error).partition("\n")[0]
    LOGGER.warning("all stages run again on the rows of '%s': %s", name, why)
    return ()


def brought_by_all(sources: Iterable[SourcePlan]) -> set[str]:
    """Return the columns of stages that every source brings: runs alone have any."""
    return set.intersection(*(set(source.brought.names) for source in sources))


def check_counters(sources: Mapping[str, SourcePlan], stages: Iterable[Stage], where: str) -> None:
    """Raise RecipeError where the token counts of several runs are of several tokenizers."""
    if any("n_tokens" in stage.adds for stage in stages):
        return  # those of another tokenizer are counted again
    found = {
        name: dict(source.run.counted_with).get("tokenizer", "no tokenizer")
        for name, source in sources.items()
        if source.run and "n_tokens" in source.brought.names
    }
    if len(set(found.values())) > 1:
        each = ", ".join(f"'{name}' with {tokenizer}" for name, tokenizer in found.items())
        raise RecipeError(
            f"the runs counted tokens with several tokenizers: {each}",
            where=where,
            hint="add the stage count, which counts all with one",
        )


def check_stores(runs: Mapping[str, RunInput], barriers: Iterable[Barrier]) -> None:
    """Raise RecipeError where a dedup store holds what a run that is read here added to it.

    All of its documents would be removed as copies of themselves.
    """
    views = [(barrier.name, barrier.known) for barrier in barriers if barrier.known is not None]
    for name, run in runs.items():
        for use in run.manifest.stores:
            for stage, view in views:
                known = {number for number, _ in view.read}
                if use.added_to == without_secrets(view.address) and use.generation in known:
                    raise RecipeError(
                        f"the documents of the run '{name}' are in the dedup store of stage"
                        f" '{stage}': all of them would be removed as copies of themselves",
                        where=f"sources.{name}",
                        hint="leave the store out, because the run brings what it kept,"
                        " or leave the run out",
                    )


def check_ids(runs: Mapping[str, RunInput], files: Mapping[str, Collection[str]]) -> None:
    """Raise RecipeError where two sources have records of a file of one name: ids would repeat.

    ``files`` are the input files of the other sources, as ids name them.
    """
    seen: dict[str, str] = {file: name for name, each in files.items() for file in each}
    for name, run in runs.items():
        for file, counts in run.manifest.ledger.files.items():
            if not counts.documents:
                continue
            other = seen.setdefault(file, name)
            if other != name:
                raise RecipeError(
                    f"'{file}' is a file of '{other}' and of the run '{name}', so ids would repeat",
                    where=f"sources.{name}",
                    hint="leave the input out that the run has read, or name that source otherwise",
                )
