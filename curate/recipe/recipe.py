"""A recipe: sources, stages, a mixture. Read from TOML, unknown keys refused, nothing executed."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from curate import schema
from curate.errors import RecipeError, nearest
from curate.recipe import locate


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SourceSpec(BaseModel):
    """Where documents come from; what is left in ``options`` belongs to the format's reader."""

    model_config = ConfigDict(extra="allow", frozen=True)

    format: str
    path: tuple[str, ...]  #: none: the source is there only if --input names it
    origin: str = "native"
    license: str | None = None
    profile: str | None = None  #: stronger than the language's own profile

    @field_validator("path", mode="before")
    @classmethod
    def _one_or_many(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value

    @field_validator("origin")
    @classmethod
    def _known_origin(cls, value: str) -> str:
        if value not in schema.ORIGINS:
            raise ValueError(nearest(value, schema.ORIGINS))
        return value

    @property
    def options(self) -> dict[str, Any]:
        """The options of the format's reader."""
        return dict(self.model_extra or {})


class StageSpec(BaseModel):
    """One use of a registered stage; ``name`` tells two uses apart."""

    model_config = ConfigDict(extra="allow", frozen=True)

    use: str
    name: str | None = Field(None, pattern=r"^[a-z][a-z0-9_-]*$")  #: becomes a folder

    @model_validator(mode="before")
    @classmethod
    def _datatrove(cls, said: Any) -> Any:
        """``datatrove = "GopherQualityFilter"`` names a block; the other keys are its parameters."""
        if not isinstance(said, dict) or "datatrove" not in said or "use" in said:
            return said
        block = str(said["datatrove"])
        words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", block).lower()
        parameters = {k: v for k, v in said.items() if k not in ("datatrove", "name")}
        name = said.get("name", words)
        return {"use": "datatrove", "name": name, "block": block, "parameters": parameters}

    @property
    def label(self) -> str:
        """The name in ``dropped_by`` and in the report."""
        return self.name or self.use

    @property
    def options(self) -> dict[str, Any]:
        """The stage's own options."""
        return dict(self.model_extra or {})


class Limits(_Section):
    """When a run that finished is not a success: exit code 3."""

    quarantined_share: float = Field(0.001, ge=0, le=1)  #: of all records read
    quarantined_records: int = Field(0, ge=0)  #: allowed whatever their share
    max_dedup_loss: float = Field(1.0, ge=0, le=1)  #: of a source's or language's documents
    on_dedup_loss: Literal["warn", "stop"] = "warn"  #: publish and complain, or publish nothing


class Shards(_Section):
    """How work and product are cut. Part of the recipe: files are a function of it, never of workers."""

    input_bytes: int = Field(128 << 20, gt=0)  #: stored bytes of input per shard
    output_bytes: int = Field(
        256 << 20, gt=0
    )  #: text bytes, and 200 a row, per file of the product
    batch_bytes: int = Field(8 << 20, gt=0)  #: text bytes per table in flight
    partition_bytes: int = Field(64 << 20, gt=0)  #: bytes of sketches per partition of a barrier


class Output(_Section):
    """The forms of the product beside Parquet, which is always written (``curate/formats``).

    ``tokenizer`` and ``end``, the token that ends a document, are for formats that hold tokens; the
    tokenizer is that of the stage ``count`` where none is named.
    """

    formats: tuple[Literal["parquet", "jsonl", "ds", "megatron", "mds"], ...] = ("parquet",)
    compression: Literal["zst", "gz"] = "zst"  #: of JSON lines
    chat: Literal["messages", "sharegpt"] = "messages"  #: conversations in JSON lines
    tokenizer: str | None = None
    end: str | None = None


class Compare(_Section):
    """A figure that the report sets beside ours: an outcome of somebody else's, never a target."""

    kept_of_raw: float = Field(ge=0, le=1)
    source: str


class Recipe(_Section):
    """A whole recipe, checked for shape; ``plan`` checks that it can be run."""

    name: str = Field(pattern=r"^[a-z0-9_-]+$")
    describes: str = ""
    seed: int = 0
    sources: dict[str, SourceSpec] = Field(min_length=1)
    stages: tuple[StageSpec, ...] = ()
    mixture: dict[str, Any] | None = None
    limits: Limits = Limits()
    shards: Shards = Shards()
    output: Output = Output()
    compare: Compare | None = None

    @field_validator("sources")
    @classmethod
    def _plain_names(cls, value: dict[str, SourceSpec]) -> dict[str, SourceSpec]:
        for name in value:
            if not name.replace("_", "").replace("-", "").isalnum() or not name.isascii():
                raise ValueError(
                    f"source name '{name}' has characters other than a-z, 0-9, _ and -"
                )
        return value


def load_recipe(
    name: str,
    *,
    inputs: dict[str, str | Sequence[str]] | None = None,
    settings: Sequence[str] = (),
) -> Recipe:
    """Load a recipe by name or path, with inputs and single keys replaced.

    ``inputs`` replaces (or, for new sources, cannot add) the paths of sources. ``settings`` are
    ``key.path=value`` strings, the value in TOML syntax, a bare word taken as a string.
    """
    path = locate.recipe_file(name)
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise RecipeError(f"a recipe is UTF-8 text: {error.reason}", where=str(path)) from None
    return parse_recipe(text, str(path), inputs=inputs, settings=settings)


def parse_recipe(
    text: str,
    where: str,
    *,
    inputs: dict[str, str | Sequence[str]] | None = None,
    settings: Sequence[str] = (),
) -> Recipe:
    """Read a recipe from TOML text; see :func:`load`."""
    try:
        said = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"not valid TOML: {error}", where=where) from None
    for setting in settings:
        _set(said, setting)
    given = dict(inputs or {})
    sources = said.get("sources", {})
    for source, replacement in given.items():
        if source not in sources:
            raise RecipeError(
                f"the recipe has no source '{source}'",
                where=where,
                hint=nearest(source, sources) + "  (--input SOURCE=PATH)",
            )
        sources[source]["path"] = (
            [replacement] if isinstance(replacement, str) else list(replacement)
        )
    if given:
        # Naming inputs means: these and no others, so that no sample slips into a real mixture. The
        # others stay in the recipe without a path, for groups of the mixture may name them.
        said["sources"] = {
            source: spec if source in given or not isinstance(spec, dict) else spec | {"path": []}
            for source, spec in sources.items()
        }
    try:
        return Recipe.model_validate(said)
    except ValidationError as error:
        raise RecipeError(_explain(error), where=where) from None


def _set(said: dict[str, Any], setting: str) -> None:
    key, equals, value = setting.partition("=")
    if not equals:
        raise RecipeError(f"--set needs key=value, not '{setting}'")
    try:
        parsed = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        parsed = value
    at: Any = said
    parts = key.strip().split(".")
    for part in parts[:-1]:
        if isinstance(at, list):
            at = _named_stage(at, part, key)
        elif isinstance(at, dict):
            at = at.setdefault(part, {})
        else:
            break
    if not isinstance(at, dict):
        raise RecipeError(f"'{key}' does not name a key of the recipe")
    at[parts[-1]] = parsed


def _named_stage(stages: list[Any], name: str, key: str) -> Any:
    for stage in stages:
        if isinstance(stage, dict) and name in (stage.get("name"), stage.get("use")):
            return stage
    known = [str(stage.get("name") or stage.get("use")) for stage in stages]
    raise RecipeError(f"no stage '{name}' in '{key}'", hint=nearest(name, known))


def _explain(error: ValidationError) -> str:
    lines = []
    for problem in error.errors():
        path = ".".join(str(part) for part in problem["loc"])
        if problem["type"] == "extra_forbidden":
            sections: dict[str, type[BaseModel]] = {
                "limits": Limits,
                "shards": Shards,
                "output": Output,
            }
            section = sections.get(str(problem["loc"][0]), Recipe)
            key = str(problem["loc"][-1])
            lines.append(f"unknown key '{path}': {nearest(key, section.model_fields)}")
        else:
            lines.append(f"{path}: {problem['msg']}")
    return "; ".join(lines)
