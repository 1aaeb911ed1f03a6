"""What a plan consists of: sources, shards, and segments of map stages and barriers. Pure data."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import pyarrow as pa

from curate import schema
from curate.errors import without_secrets
from curate.plan.fingerprint import code_digest, digest
from curate.protocol.stage import Barrier, MapStage, ProductBarrier, Stage
from curate.recipe.profile import Profiles
from curate.recipe.recipe import Output as OutputSection
from curate.recipe.recipe import Recipe
from curate.schema import KNOWN_TAKEDOWNS
from curate.sources.base import InputFile, Piece, Source
from curate.sources.columns import Columns
from curate.sources.finished_run import CuratedRun
from curate.storage.formats import Output


class SourcePlan(NamedTuple):
    """A source with its reader and the values that its rows are stamped with."""

    name: str
    reader: Source
    origin: str
    license: str | None
    columns: Columns | None = None  #: of all sources, where any column passes through

    @property
    def run(self) -> CuratedRun | None:
        """The reader of a finished run, if the source is one."""
        return self.reader if isinstance(self.reader, CuratedRun) else None

    @property
    def brought(self) -> pa.Schema:
        """The columns of stages that the rows bring along: those of a finished run."""
        return self.run.brought_schema if self.run else pa.schema([])

    @property
    def of_rows(self) -> tuple[str, ...]:
        """The values that ``source`` has in the rows."""
        return self.run.sources if self.run else (self.name,)


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

    @property
    def label(self) -> str:
        """What the progress calls the work on the segment: reading, or its stages."""
        names = [stage.name for stage in self.stages]
        if self.number:
            return ", ".join(names) or "applying"
        return f"reading to {names[-1]}" if names and not self.barriers else "reading"


@dataclass(frozen=True)
class Plan:
    """Everything that a run does, before it does it."""

    recipe: Recipe
    profiles: Profiles
    sources: Mapping[str, SourcePlan]
    shards: tuple[Shard, ...]
    segments: tuple[Segment, ...]

    @property
    def stages(self) -> list[Stage]:
        """All stages and barriers in the order in which a document meets them."""
        return [s for segment in self.segments for s in (*segment.stages, *segment.barriers)]

    @property
    def barriers(self) -> list[Barrier]:
        """All barriers, in the order in which a document meets them."""
        return [barrier for segment in self.segments for barrier in segment.barriers]

    @property
    def mix(self) -> ProductBarrier:
        """The last barrier: it makes the product."""
        return cast(ProductBarrier, self.segments[-1].barriers[-1])

    @property
    def columns(self) -> Columns | None:
        """The columns of the input that pass through, if any."""
        return next(iter(self.sources.values())).columns

    @property
    def brought(self) -> pa.Schema:
        """The columns of stages that the rows of any source bring along."""
        fields: dict[str, pa.Field] = {}
        for source in self.sources.values():
            fields = {field.name: field for field in source.brought} | fields
        return pa.schema(list(fields.values()))

    @property
    def output(self) -> Output:
        """The forms of the product besides Parquet."""
        counters = [
            s.token_counter for each in self.segments for s in each.stages if "n_tokens" in s.adds
        ]
        return output_forms(self.recipe.output, counters[-1] if counters else None)

    @property
    def stage_names(self) -> list[str]:
        """The names of all stages, in that order."""
        return [stage.name for stage in self.stages]

    @property
    def inputs(self) -> dict[str, str]:
        """The identity of every input: files by ``<source>/<file>``, dedup stores by address."""
        views = [barrier.known for barrier in self.barriers]
        stores = {
            f"dedup store {without_secrets(view.address)}": digest(view)
            for view in views
            if view is not None
        }
        beside = [pair for barrier in self.barriers for pair in barrier.input_files.items()]
        return self.input_files | stores | dict(beside)

    @property
    def input_files(self) -> dict[str, str]:
        """The identity of every input file, by ``<source>/<file>``."""
        return {
            schema.file_key(shard.source, planned.file.name): planned.identity
            for shard in self.shards
            for planned in shard.pieces
        }

    @property
    def content_key(self) -> str:
        """A digest of the content of the input files, independent of names of files and sources."""
        return digest(sorted(self.input_files.values()))

    @property
    def run_key(self) -> str:
        """The name of this run in the stores that it adds to: the same recipe on the same files."""
        return digest(self.fingerprint, self.input_files)

    @property
    def fingerprint(self) -> str:
        """A digest of all that the answer depends on except the inputs."""
        recipe = self.recipe.model_dump(mode="json", exclude={"describes", "limits", "sources"})
        return digest(recipe, self.parts)

    @property
    def parts(self) -> dict[str, str]:
        """Digests by name of the parts of a plan that a change of recipe or profiles changes.

        What was taken down from a dedup store meanwhile is none: a finished run stays that run, and
        the keys of its tasks have it, so that an unfinished one begins anew.
        """
        rest = {"describes", "limits", "sources", "stages", "mixture"}
        return {
            "curate": code_digest(),
            "recipe": digest(self.recipe.model_dump(mode="json", exclude=rest)),
            **{f"source {name}": digest(source) for name, source in self.sources.items()},
            **{
                f"stage {stage.name}": digest(
                    with_view(stage, None)
                    if isinstance(stage, Barrier) and stage.known is not None
                    else stage
                )
                for stage in self.stages
                if stage.name != KNOWN_TAKEDOWNS
            },
        }


def output_forms(output: OutputSection, counted_with: str | None) -> Output:
    """Return the forms that a recipe asks for; ``counted_with`` is the tokenizer of its counts."""
    return Output(
        formats=tuple(sorted(set(output.formats) - {"parquet"})),
        compression=output.compression,
        chat=output.chat,
        tokenizer=output.tokenizer or counted_with,
        end=output.end,
        length=output.length,
        template=output.template,
        loss=output.loss,
    )


def with_view(barrier: Any, view: Any) -> Barrier:
    """Return a dedup that compares its documents with a view of a dedup store."""
    compared: Barrier = dataclasses.replace(barrier, known=view)
    return compared
