"""A recipe: sources, stages, a mixture. Read from TOML, unknown keys refused, nothing executed."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, cast

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    PrivateAttr,
    ValidationInfo,
    field_serializer,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from curate import schema
from curate.errors import RecipeError, nearest
from curate.logging_setup import LOGGER
from curate.recipe import groups, locate
from curate.recipe.mixture import Mixture, parse_mixture
from curate.recipe.profile import Classifiers
from curate.recipe.section import Section, TomlTable, parse_toml, read_section
from curate.recipe.sidecar import Sidecar


class _WithOptions(BaseModel):
    """A table whose other keys are options, which the registry checks."""

    model_config = ConfigDict(extra="allow", frozen=True)

    @property
    def options(self) -> TomlTable:
        """The options of the format's reader or of the stage."""
        return dict(self.model_extra or {})


#: Formats whose readers know their files themselves.
LISTED_FORMATS = ("commoncrawl",)


class SourceSpec(_WithOptions):
    """Where documents come from. The other keys are options of the format's reader."""

    format: str
    """The format of the files. Example: "warc"."""
    path: tuple[str, ...] | None = None
    """Files, folders, patterns or addresses; with none the source is read only if ``--input`` names
    it. Example: "crawl/*.warc.gz"."""
    path_list: tuple[str, ...] | None = None
    """Files that list such paths, one per line, packed or not, here or at an address; what begins
    with ``/`` or a protocol stands for itself, and the rest is below the list's own folder.
    Example: "wet.paths.gz"."""
    origin: str = "native"
    """How the texts came to be: native, mt, asr, ocr or llm. Example: "mt"."""
    license: str | None = None
    """License of all documents of the source that state none. Example: "CC0-1.0"."""
    license_field: str | None = None
    """The field of each record's own license, in formats of records. Example: "meta.license"."""
    profile: str | None = None
    """A profile for all rows of the source, stronger than the language's own. Example: "chat"."""

    @field_validator("path", "path_list", mode="before")
    @classmethod
    def _one_or_many(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value

    @field_validator("path", "path_list")
    @classmethod
    def _no_empty_path(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        # A variable that is not set would read the current folder.
        if any(not path.strip() for path in value or ()):
            hint = 'is a variable not set? The current folder is named "."'
            raise RecipeError("a path is empty", where="path of a source", hint=hint)
        return value

    @model_validator(mode="after")
    def _names_inputs(self) -> SourceSpec:
        if self.format not in LISTED_FORMATS:
            if self.path is None and self.path_list is None:
                what = 'no files are named: add path = "..." or path_list = "..."'
                raise PydanticCustomError("inputs", what)
        elif self.path or self.path_list:
            what = "format '{name}' finds its files itself and takes no path (base names a mirror)"
            raise PydanticCustomError("inputs", what, {"name": self.format})
        return self

    @property
    def is_read(self) -> bool:
        """Whether the source has inputs; one of which ``--input`` took them has none."""
        if self.format in LISTED_FORMATS:
            return self.path is None
        return bool(self.path or self.path_list)

    @field_validator("origin")
    @classmethod
    def _known_origin(cls, value: str) -> str:
        if value not in schema.ORIGINS:
            raise ValueError(nearest(value, schema.ORIGINS))
        return value


class StageSpec(_WithOptions):
    """One use of a registered stage. The other keys are options of the stage.

    ``datatrove = "GopherQualityFilter"`` in the place of ``use`` names a block of datatrove; the
    other keys are then the block's parameters.
    """

    use: str
    """The stage. Example: "fuzzy_dedup"."""
    name: str | None = Field(None, pattern=r"^[a-z][a-z0-9_-]*$")
    """Label in ``dropped_by``, in the report and in the run's folder; needed where a stage is used
    twice. Example: "second_dedup"."""

    @model_validator(mode="before")
    @classmethod
    def _datatrove(cls, table: object) -> object:
        if not isinstance(table, dict) or "datatrove" not in table or "use" in table:
            return table
        block = str(table["datatrove"])
        words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", block).lower()
        parameters = {k: v for k, v in table.items() if k not in ("datatrove", "name")}
        name = table.get("name", words)
        return {"use": "datatrove", "name": name, "block": block, "parameters": parameters}

    @property
    def label(self) -> str:
        """The name in ``dropped_by`` and in the report."""
        return self.name or self.use


class Limits(Section):
    """When a run that finished is not a success: exit code 3."""

    quarantined_share: float = Field(0.001, ge=0, le=1)
    """Share of all records read that may be quarantined; with 1 also all of them."""
    quarantined_records: int = Field(0, ge=0)
    """Records that may be quarantined, whatever their share. Example: 40."""
    max_dedup_loss: float = Field(1.0, ge=0, le=1)
    """Share of a source's or language's documents that dedup may remove. Example: 0.6."""
    on_dedup_loss: Literal["warn", "stop"] = "warn"
    """Whether a run above ``max_dedup_loss`` publishes with a warning, or publishes nothing."""


class Shards(Section):
    """How work and product are cut: files are a function of the recipe, never of workers."""

    input_bytes: int = Field(128 << 20, gt=0)
    """Stored bytes of input per shard; a source has at most 1,000,000 shards."""
    output_bytes: int = Field(256 << 20, gt=0)
    """Bytes of text, plus 200 for each row, per file of the product at most, and 500,000 rows.
    Files are smaller where that makes 16 of them, of 32 MiB or more: workers share them."""
    batch_bytes: int = Field(8 << 20, gt=0)
    """Bytes of text per table in flight."""
    partition_bytes: int = Field(64 << 20, gt=0)
    """Bytes of sketches per partition of a barrier."""

    def product_files(self, size: int) -> int:
        """Return the number of files for so many bytes of a product.

        >>> [Shards().product_files(n << 20) for n in (0, 20, 100, 1000, 100_000)]
        [1, 1, 4, 16, 391]
        """
        return max(1, -(-size // min(self.output_bytes, max(32 << 20, -(-size // 16)))))


class Output(Section):
    """The forms of the product besides Parquet, which is always written."""

    formats: tuple[Literal["parquet", "jsonl", "ds", "megatron", "mds", "packed"], ...] = (
        "parquet",
    )
    """The forms to write. Example: ["parquet", "jsonl"]."""
    compression: Literal["zst", "gz"] = "zst"
    """Compression of JSON lines."""
    chat: Literal["messages", "sharegpt"] = "messages"
    """How conversations are written in JSON lines."""
    tokenizer: str | None = None
    """Tokenizer of the formats that hold tokens; without it that of the stage ``count``.
    Example: "tiktoken:o200k_base"."""
    end: str | None = None
    """The token that ends a document, in formats that hold tokens; without it the tokenizer's own.
    Example: "</s>"."""
    length: int = Field(8192, ge=16, le=1 << 20)
    """Tokens of a packed sequence."""
    template: str | None = None
    """Chat template of packed conversations: llama-3, chatml, mistral, or tokenizer for the
    tokenizer's own. Example: "llama-3"."""
    loss: Literal["assistant", "all"] = "assistant"
    """What the loss mask of packed conversations covers: the assistant's turns, or all tokens."""


class Compare(Section):
    """A figure that the report sets beside ours: the outcome of another work, never a target."""

    kept_of_raw: float = Field(ge=0, le=1)
    """Share of the raw data that the other work kept. Example: 0.411."""
    source: str
    """Where the figure was published. Example: "arXiv:2406.17557"."""


class Recipe(Section):
    """A whole recipe, checked for shape; ``plan`` checks that it can be run."""

    name: str = Field(pattern=r"^[a-z0-9_-]+$")
    """The recipe's name, in the report and the manifest. Example: "demo"."""
    describes: str = ""
    """One sentence on what the recipe makes."""
    seed: int = Field(0, ge=0, lt=1 << 64)
    """Seed of every random choice. Example: 20."""
    sources: dict[str, SourceSpec] = Field(min_length=1, max_length=1000)
    """Sources by name, at most 1,000; a name has a-z, 0-9, _ and -, and becomes part of each
    document's id."""
    sidecars: dict[str, Sidecar] = Field({}, max_length=100)
    """Files with more columns for the documents, by name."""
    stages: tuple[StageSpec, ...] = Field((), max_length=1000)
    """Stages in order, at most 1,000; ``mix`` is added where it is not named."""
    classifiers: Classifiers = {}
    """Classifiers by name for all languages, as in profiles; those of a profile go before."""
    mixture: Mixture | None = None
    """Groups and their ratio; without it all rows are taken once."""
    limits: Limits = Limits()
    """When a run that finished is not a success."""
    shards: Shards = Shards()
    """How work and product are cut."""
    output: Output = Output()
    """The forms of the product besides Parquet."""
    compare: Compare | None = None
    """A figure of another work for the report."""
    _folder: Path | None = PrivateAttr(None)

    @property
    def folder(self) -> Path | None:
        """The folder of the recipe's file, where profiles are searched for first."""
        return self._folder

    @field_validator("sources", "sidecars")
    @classmethod
    def _plain_names(cls, value: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        for name in value:
            if not name.replace("_", "").replace("-", "").isalnum() or not name.isascii():
                kind = (info.field_name or "").removesuffix("s")
                raise ValueError(
                    f"{kind} name '{name}' has characters other than a-z, 0-9, _ and -"
                )
        return value

    @field_validator("mixture", mode="before")
    @classmethod
    def _own_errors(cls, value: object, info: ValidationInfo) -> object:
        """Let the mixture explain what is wrong with it; an empty table takes everything."""
        if not isinstance(value, dict):
            return value
        if not value:
            return Mixture.everything()
        return parse_mixture(value, where=info.context or "[mixture]")

    @field_serializer("mixture")
    def _as_written(self, mixture: Mixture | None) -> dict[str, JsonValue] | None:
        """Write the keys that the recipe has: some may not be written together."""
        return None if mixture is None else mixture.model_dump(mode="json", exclude_unset=True)

    @property
    def seeded_mixture(self) -> Mixture:
        """The mixture, with the recipe's seed where it has none of its own."""
        if self.mixture is None:
            return Mixture.everything().model_copy(update={"seed": self.seed})
        return parse_mixture({"seed": self.seed} | self.mixture.model_dump(exclude_unset=True))


def load_recipe(
    name: str,
    *,
    inputs: Mapping[str, str | Sequence[str]] | None = None,
    settings: Sequence[str] = (),
    without: Sequence[str] = (),
) -> Recipe:
    """Load a recipe by name or path, with inputs and single keys replaced.

    ``inputs`` replaces the paths of sources, and cannot add sources. ``settings`` are
    ``key.path=value`` strings, the value in TOML syntax; a bare word is taken as a string.
    ``without`` names groups of the mixture that are left out.
    """
    path = locate.recipe_file(name)
    text = locate.toml_text(path, "recipe")
    recipe = parse_recipe(text, str(path), inputs=inputs, settings=settings, without=without)
    recipe._folder = path.parent
    return recipe


def parse_recipe(
    text: str,
    where: str,
    *,
    inputs: Mapping[str, str | Sequence[str]] | None = None,
    settings: Sequence[str] = (),
    without: Sequence[str] = (),
) -> Recipe:
    """Read a recipe from TOML text; see :func:`load_recipe`."""
    table = parse_toml(text, where)
    for setting in settings:
        _set(table, setting)
    _check_shape(table, where)
    sources = cast("dict[str, TomlTable]", table.get("sources", {}))
    for source, replacement in (inputs or {}).items():
        if source not in sources:
            raise RecipeError(
                f"the recipe has no source '{source}'",
                where=where,
                hint=nearest(source, sources) + "  (--input SOURCE=PATH)",
            )
        sources[source]["path"] = (
            [replacement] if isinstance(replacement, str) else list(replacement)
        )
        sources[source].pop("path_list", None)
    if inputs:
        # Naming inputs means these and no others, so that no sample gets into a real mixture. The
        # others stay in the recipe without a path, because groups of the mixture may name them.
        table["sources"] = {
            source: spec
            if source in inputs or not isinstance(spec, dict)
            else spec | {"path": [], "path_list": []}
            for source, spec in sources.items()
        }
    groups.without(table, without, where)
    if inputs and (lost := groups.lost(table)):
        groups.without(table, lost, where)
        named = ", ".join(f"'{name}'" for name in lost)
        LOGGER.warning("left out, because no --input names a source of theirs: group %s", named)
    by_option = f"{where}, with --set {', '.join(settings)[:200]}" if settings else where
    return read_section(Recipe, table, where=by_option, hints=_HINTS)


#: Where to set what is no key of a recipe.
_HINTS = dict.fromkeys(
    ("filters", "profile", "profiles", "rules"),
    "rules are in the files of profiles: copy one of filters/, edit it, and name it in"
    ' profile = "PATH" of a source (`curate check PATH` tries it)',
)


def _check_shape(table: TomlTable, where: str) -> None:
    """Raise RecipeError for slips that validation would tell in words of its own."""
    if "sources" not in table and ("rules" in table or "extends" in table):
        raise RecipeError("this is a profile and no recipe", where=where, hint=_HINTS["profile"])
    mixture = table.get("mixture")
    ratio = mixture.get("ratio") if isinstance(mixture, dict) else None
    if isinstance(ratio, list | dict | int | float) and not isinstance(ratio, bool):
        values = list(ratio.values()) if isinstance(ratio, dict) else ratio
        parts = values if isinstance(values, list) else [values]
        written = ":".join(map(str, parts[:20]))[:100]
        raise RecipeError(
            "mixture.ratio is a text of numbers with colons between",
            where=where,
            hint=f'ratio = "{written}", one part per group in their order',
        )
    if isinstance(table.get("stages"), dict):
        raise RecipeError(
            "stages is one table, not a list", where=where, hint="write [[stages]] for each"
        )
    sources = table.get("sources")
    for name, spec in sources.items() if isinstance(sources, dict) else ():
        if isinstance(spec, dict) and "format" not in spec:
            near = difflib.get_close_matches("format", spec, n=1)
            raise RecipeError(
                f"source '{name}' has no format",
                where=where,
                hint=f"is '{near[0]}' meant to be format?" if near else 'add format = "jsonl"',
            )


def _set(table: TomlTable, setting: str) -> None:
    key, equals, value = setting.partition("=")
    if not equals:
        raise RecipeError(f"--set needs key=value, not '{setting}'")
    try:
        tomllib.loads(f"value = {value}")
    except tomllib.TOMLDecodeError:
        parsed: JsonValue = value
    except (RecursionError, ValueError) as error:
        raise RecipeError(f"{key}: {error}", where="--set") from None
    else:
        parsed = parse_toml(f"value = {value}", f"--set {key}")["value"]
    at: JsonValue = table
    parts = key.strip().split(".")
    for before, part in zip(("", *parts), parts[:-1]):
        if isinstance(at, list):
            at = _named_stage(at, part, key)
        elif isinstance(at, dict):
            if before in ("groups", "sources") and at and part not in at:
                # A name misspelt would be one more group or source.
                raise RecipeError(f"no {before[:-1]} '{part}' in '{key}'", hint=nearest(part, at))
            at = at.setdefault(part, {})
        else:
            break
    if not isinstance(at, dict):
        raise RecipeError(f"'{key}' does not name a key of the recipe")
    at[parts[-1]] = parsed


def _named_stage(stages: list[JsonValue], name: str, key: str) -> TomlTable:
    tables = [stage for stage in stages if isinstance(stage, dict)]
    for stage in tables:
        if name in (stage.get("name"), stage.get("use")):
            return stage
    known = [str(stage.get("name") or stage.get("use")) for stage in tables]
    raise RecipeError(f"no stage '{name}' in '{key}'", hint=nearest(name, known))
