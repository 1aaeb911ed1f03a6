"""From a recipe to a plan: segments and barriers, columns checked end to end, shards, fingerprints.

Nothing is written. Of the inputs, files are listed, those larger than a shard are opened where
their format needs it to cut them, and local ones identified (by up to 8 MiB of their bytes);
profiles and the indexes of dedup stores are read, too.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import partial
from typing import Any

from pydantic import JsonValue

from curate.errors import RecipeError, ResourceError, without_secrets
from curate.paths.remote import in_order
from curate.plan import registry
from curate.plan.checks import (
    check_columns,
    check_conversations,
    check_groups,
    check_ranks,
    check_shares,
    types_added,
)
from curate.plan.finished_runs import (
    RunInput,
    brought_by_all,
    check_counters,
    check_ids,
    check_stores,
    earlier_stages,
    open_run,
    reader_of,
)
from curate.plan.model import Plan, PlannedPiece, Segment, Shard, SourcePlan, with_view
from curate.plan.own_columns import (
    check_chosen,
    check_types,
    own_names,
    usable_names,
    with_columns,
)
from curate.plan.sidecars import joining, planned_sidecars
from curate.protocol.stage import Barrier, MapStage
from curate.recipe import locate, profile
from curate.recipe.profile import Profiles
from curate.recipe.recipe import Recipe, SourceSpec, StageSpec
from curate.recipe.section import TomlTable
from curate.schema import KNOWN_TAKEDOWNS, SIDECARS, TAKEDOWN
from curate.sources.base import InputFile, ListedSource, Piece, Source
from curate.sources.files import LOOKED_AT, expand, identity
from curate.sources.path_list import paths_of
from curate.storage.formats import WITHOUT_MASK, check
from curate.storage.store import open_store
from curate.storage.store_takedown import tombstones
from curate.storage.survivors import TEXT_COLUMNS


def build(
    recipe: Recipe,
    *,
    where: str = "recipe",
    read_profile: Callable[[str], str] | None = None,
    stores: bool = True,
    judging_apart: bool = False,
) -> Plan:
    """Plan a recipe: find its inputs, build its stages, check that each has the columns it reads.

    ``read_profile`` returns the TOML text of a profile by name, instead of its file. Without
    ``stores`` dedup stores are not looked at, and the dedups cannot be run. ``judging_apart`` is
    that of `segments`.
    """
    sources: dict[str, SourcePlan] = {}
    listed: dict[str, list[InputFile]] = {}
    shards: list[Shard] = []
    runs: dict[str, RunInput] = {}
    for name, spec in recipe.sources.items():
        if not spec.is_read:
            continue
        at = f"{where}: sources.{name}"
        reader: Source = registry.build("source", spec.format, _options(spec, at), where=at)
        check_chosen(reader, at)
        if spec.format == "chat":
            reader = _masking(reader, recipe)
        license = spec.license and without_secrets(spec.license)
        sources[name] = SourcePlan(name, reader, spec.origin, license)
        if spec.format == "run":
            runs[name] = open_run(spec, at)
            files = runs[name].files
        else:
            files = _inputs(spec, reader)
        listed[name] = files
        shards += _shards(name, reader, files, recipe.shards.input_bytes)
    if not sources:
        raise RecipeError(
            "no source has a path", where=where, hint="name one with --input SOURCE=PATH"
        )
    sidecars, fields = planned_sidecars(recipe, where)
    sources = with_columns(recipe, sources, listed, fields, where)
    loaded = profiles(recipe, read_profile)
    loaded = dataclasses.replace(loaded, own=usable_names(sources.values()))
    stages = list(_stages(recipe, loaded, where))
    sources = _with_runs(sources, runs, stages, recipe, loaded, where)
    cut = _divided([*joining(sidecars), *stages], judging_apart)
    check_ranks(loaded, stages, where)
    check_columns(cut, where, {*brought_by_all(sources.values()), *loaded.own})
    plan = Plan(recipe, loaded, sources, tuple(shards), cut)
    passed = () if plan.columns is None else plan.columns.carried
    types = {field.name: field.type for field in (*plan.brought, *passed)}
    types |= types_added(plan.stages, where)
    check_types(plan, types, where)
    check_groups(plan.mix.mixture, recipe, where, types)
    chat = [name for name, run in runs.items() if run.has_chat]
    check_conversations(recipe, loaded, plan.segments, where, chat)
    others = {name: {f"{name}/{f.name}" for f in listed[name]} for name in sources.keys() - runs}
    check_ids(runs, others)
    check(plan.output)
    if not stores:
        return plan
    plan = dataclasses.replace(plan, segments=_with_views(plan, where))
    check_stores(runs, plan.barriers)
    return _with_takedowns(plan)


def _with_takedowns(plan: Plan) -> Plan:
    """Let documents that were taken down from a store of the plan be dropped before all else."""
    addresses = [a for b in plan.barriers for a in (b.against, b.store) if a]
    known = tuple(tombstones(open_store(address)) for address in dict.fromkeys(addresses))
    if not any(one.files for one in known):
        return plan
    first, *rest = plan.segments
    stages = (registry.load(registry.KNOWN_TAKEDOWNS)(known), *first.stages)
    return dataclasses.replace(plan, segments=(dataclasses.replace(first, stages=stages), *rest))


def _inputs(spec: SourceSpec, reader: Source) -> list[InputFile]:
    """Return the files of a source, sorted by name."""
    if isinstance(reader, ListedSource):
        return reader.inputs()
    paths = [
        *(spec.path or ()),
        *(path for name in spec.path_list or () for path in paths_of(locate.data_path(name))),
    ]
    return expand([locate.data_path(path) for path in paths], reader.suffixes)


def _with_runs(
    sources: dict[str, SourcePlan],
    runs: dict[str, RunInput],
    stages: Sequence[MapStage | Barrier],
    recipe: Recipe,
    loaded: Profiles,
    where: str,
) -> dict[str, SourcePlan]:
    """Find what of each finished run still holds under the recipe's stages."""
    planned = dict(sources)
    for name, run in runs.items():
        at = f"{where}: sources.{name}"
        earlier = earlier_stages(run, profiles, partial(_stages, where=at), name)
        reader: Any = sources[name].reader
        names = set(recipe.sources)
        reader = reader_of(reader, run, stages, earlier, sources=names, profiles=loaded, where=at)
        planned[name] = sources[name]._replace(reader=reader)
    check_counters(planned, stages, where)
    return planned


def _options(spec: SourceSpec, where: str) -> TomlTable:
    """Return the options of a source's reader, of which one calls the field `license`."""
    if spec.license_field is None:
        return spec.options
    if "license" not in registry.options("source", spec.format):
        raise RecipeError(
            f"records of the format '{spec.format}' have no fields, so there is no license_field",
            where=where,
            hint="license is that of all its documents",
        )
    return spec.options | {"license": spec.license_field}


def _masking(reader: Source, recipe: Recipe) -> Source:
    """Let a chat source quarantine masked turns where a form of the product would teach them."""
    if not set(recipe.output.formats) & set(WITHOUT_MASK):
        return reader
    chat: Any = reader
    return reader if chat.masked else dataclasses.replace(chat, masked="quarantine")


def _with_views(plan: Plan, where: str) -> tuple[Segment, ...]:
    """Open each dedup's store as a fixed snapshot, excluding what this run added."""
    from curate.storage.dedup_view import open_view

    stores = [barrier.store for barrier in plan.barriers if barrier.store]
    if len(set(stores)) < len(stores):
        raise RecipeError("two stages add to one dedup store", where=where)

    def viewing(barrier: Barrier) -> Barrier:
        address = barrier.against or barrier.store
        if not address:
            return barrier
        compared: dict[str, Any] = {
            "parameters": barrier.stored_parameters,
            "run": plan.run_key,
            "inputs": plan.content_key,
        }
        if barrier.store and barrier.store != address:
            # What is added must have been compared with everything in the store.
            target_view = open_view(barrier.store, **compared, appends=True, must_exist=False)
            if target_view.generations:
                raise RecipeError(
                    f"'{barrier.store}' holds documents that this run is not compared with",
                    where=f"{where}: stages.{barrier.name}",
                    hint="give that store alone, or add to a new one",
                )
        view = open_view(
            address,
            **compared,
            appends=barrier.store == address,
            must_exist=barrier.against is not None and barrier.against != barrier.store,
        )
        return with_view(barrier, view)

    return tuple(
        dataclasses.replace(segment, barriers=tuple(map(viewing, segment.barriers)))
        for segment in plan.segments
    )


def segments(
    recipe: Recipe, profiles: Profiles, *, where: str = "recipe", judging_apart: bool = False
) -> tuple[Segment, ...]:
    """Cut a recipe's stages into segments: a barrier ends one, its apply opens the next.

    With ``judging_apart`` a stage that decides on signals opens one, too: after a change of its
    rules, what was read and measured is still valid. That costs another pass over the documents.
    """
    cut = _divided(_stages(recipe, profiles, where), judging_apart)
    check_columns(cut, where, profiles.own)
    return cut


def _divided(stages: Iterable[MapStage | Barrier], judging_apart: bool) -> tuple[Segment, ...]:
    cut: list[Segment] = []
    maps: list[MapStage] = []
    barriers: list[Barrier] = []
    for stage in stages:
        judges = judging_apart and maps and _decides_on_signals(stage)
        if judges or (barriers and not _joins(stage, barriers)):
            cut.append(Segment(len(cut), tuple(maps), tuple(barriers)))
            maps, barriers = [], []
        if isinstance(stage, MapStage):
            maps.append(stage)
        else:
            barriers.append(stage)
    cut.append(Segment(len(cut), tuple(maps), tuple(barriers)))
    return tuple(cut)


def _decides_on_signals(stage: MapStage | Barrier) -> bool:
    """Return whether a map stage reads signals and no text, so that it runs beside the texts."""
    return (
        isinstance(stage, MapStage)
        and any(column.startswith("signal_") for column in stage.reads)
        and not set(stage.reads) & set(TEXT_COLUMNS)
    )


def _joins(stage: MapStage | Barrier, barriers: list[Barrier]) -> bool:
    """Return whether a stage can share the read of the barriers before it.

    A barrier can only if it looks at what they decided, and at no column that they add. The mixture
    gets a segment of its own, whose survivors are the curated rows; and no barrier may look at a
    text that another cuts.
    """
    return (
        isinstance(stage, Barrier)
        and not stage.makes_product
        and any("decided" in step.reads for step in stage.steps())
        and not any({*stage.reads} & {*barrier.adds} for barrier in barriers)
        and not any(barrier.removes_text or barrier.fills for barrier in barriers)
    )


def _stages(recipe: Recipe, profiles: Profiles, where: str) -> Iterator[MapStage | Barrier]:
    """Build the recipe's stages in order; ``mix`` is added where the recipe does not name it."""
    specs = list(recipe.stages)
    if not any(spec.use == "mix" for spec in specs):
        specs.append(StageSpec(use="mix"))
    mixture = recipe.seeded_mixture
    models = [spec.options.get("model") for spec in specs if spec.use == "identify"]
    labels: set[str] = set()
    clustered = counted = mixed = False
    for spec in specs:
        at = f"{where}: stages.{spec.label}"
        if spec.label in labels:
            raise RecipeError(
                f"stage '{spec.label}' stands twice",
                where=at,
                hint='give one of them a name = "..."',
            )
        if mixed:
            raise RecipeError(f"stage '{spec.label}' comes after mix, which is the last", where=at)
        if spec.label in (TAKEDOWN, KNOWN_TAKEDOWNS, SIDECARS):
            raise RecipeError(f"'{spec.label}' is the name of a step of curate's own", where=at)
        labels.add(spec.label)
        mixed = spec.use == "mix"
        given = {
            "profiles": profiles,
            "mixture": mixture,
            "seed": recipe.seed,
            "name": spec.label,
            "language_model": models[0] if models else None,
            "clustered": clustered,
            "own": _own_of(spec, profiles.own),
            "counted": counted,
        }
        stage = registry.build("stage", spec.use, spec.options, given=given, where=at)
        clustered = clustered or "cluster" in stage.adds
        counted = counted or "n_tokens" in stage.adds
        yield stage


def _own_of(spec: StageSpec, own: Collection[str]) -> tuple[str, ...]:
    """Return the columns of the input that a stage needs to know: all that a cap may name."""
    keep = str(spec.options.get("keep", "")).removeprefix("best:")
    return tuple(name for name in own if name == keep or "per" in spec.options)


def profiles(recipe: Recipe, read: Callable[[str], str] | None = None) -> Profiles:
    """Return the profiles of all languages and of a recipe's sources."""
    own = read is None  # profiles of a finished run have the names that they were stored under
    read = read or partial(locate.profile_text, beside=recipe.folder)
    # The rows of a run keep their sources, which need no path here.
    reads_runs = any(spec.format == "run" and spec.is_read for spec in recipe.sources.values())
    by_source = {
        name: locate.profile_name(spec.profile, recipe.folder) if own else spec.profile
        for name, spec in recipe.sources.items()
        if spec.profile is not None and (spec.is_read or reads_runs)
    }
    names = set(locate.language_profiles(recipe.folder)) | set(by_source.values())
    loaded = {}
    for name in sorted(names):
        own_profile = profile.load_profile(name, read)
        if own:
            check_shares(own_profile, profile.place_of(name))
        classifiers = {**recipe.classifiers, **own_profile.classifiers}
        loaded[name] = own_profile.model_copy(update={"classifiers": classifiers})
    return Profiles(loaded, by_source, own=own_names(recipe))


#: The most shards of a source: the driver keeps names and counts of each.
MOST_SHARDS = 1_000_000


def _shards(source: str, reader: Source, files: list[InputFile], target: int) -> list[Shard]:
    """Cut large files into pieces and pack small ones, in the order of their names."""
    stored = sum(file.size for file in files)
    if stored > target * MOST_SHARDS:
        raise RecipeError(
            f"source '{source}' would be over {MOST_SHARDS:,} shards of {target} bytes",
            where="shards.input_bytes",
            hint=f"{-(-stored // MOST_SHARDS)} or more",
        )
    shards: list[Shard] = []
    pieces: list[PlannedPiece] = []
    size = 0
    for file, file_identity, cut in _cut(reader, files, target):
        # Pieces are byte ranges, row groups, or another unit that the format counts in.
        whole = max(1, sum(piece.end - piece.start for piece in cut))
        for piece in cut:
            length = file.size * (piece.end - piece.start) // whole
            if pieces and size + length > target:
                shards.append(Shard(source, tuple(pieces)))
                pieces, size = [], 0
            pieces.append(PlannedPiece(file, piece, file_identity))
            size += length
    if pieces:
        shards.append(Shard(source, tuple(pieces)))
    return shards


def _cut(
    reader: Source, files: list[InputFile], target: int
) -> Iterator[tuple[InputFile, str, list[Piece]]]:
    """Yield each file with its identity and its pieces.

    What the listing tells needs no request: a remote file of at most ``target`` bytes has the
    version that was listed, and is one piece.
    """

    def look(file: InputFile) -> tuple[str, list[Piece]]:
        whole = [Piece(0, file.size)]
        try:
            return identity(file), whole if file.size <= target else reader.split(file, target)
        except OSError as error:
            raise ResourceError(
                f"an input file cannot be read: {error.strerror or error}", where=file.path
            ) from error

    def is_known(file: InputFile) -> bool:
        return bool(file.version) and file.size <= target

    remote = any(file.is_remote for file in files)
    unknown = (file for file in files if not is_known(file))
    looked_at = in_order(look, unknown, LOOKED_AT if remote else 1)
    for file in files:
        yield file, *(look(file) if is_known(file) else next(looked_at))


def redacted_recipe(recipe: Recipe) -> Recipe:
    """Return a recipe as it may be shown: input paths resolved, no passwords or signatures."""
    sources = {
        name: spec.model_copy(
            update={
                key: tuple(map(locate.data_path, paths))
                for key in ("path", "path_list")
                if (paths := getattr(spec, key)) is not None
            }
        )
        for name, spec in recipe.sources.items()
    }
    sidecars = {
        name: spec.model_copy(update={"path": tuple(map(locate.data_path, spec.path))})
        for name, spec in recipe.sidecars.items()
    }
    changed = {"sources": sources, **({"sidecars": sidecars} if sidecars else {})}
    shown = recipe.model_copy(update=changed).model_dump(mode="json", exclude_unset=True)
    return Recipe.model_validate(redacted(shown))


def redacted(value: JsonValue) -> JsonValue:
    """Return a value with no passwords and signatures in any of its texts."""
    # A profile has thousands of texts and seldom a secret: all are looked at as one, on lines.
    texts = "\n".join(_texts(value))
    return value if without_secrets(texts) == texts else _redacted(value)


def _redacted(value: JsonValue) -> JsonValue:
    if isinstance(value, dict):
        return {key: _redacted(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_redacted(each) for each in value]
    return without_secrets(value) if isinstance(value, str) else value


def _texts(value: JsonValue) -> Iterator[str]:
    if isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _texts(each)
    elif isinstance(value, str):
        yield value
