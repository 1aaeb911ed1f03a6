"""The keys of recipes and profiles, from the models: pages for people, JSON Schemas for editors.

The description of a key is the text below its declaration; what follows ``Example:`` there is TOML.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import json
import re
import sys
import tomllib
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from itertools import pairwise
from typing import Any, NamedTuple, get_args, get_type_hints

from pydantic import BaseModel, TypeAdapter
from pydantic_core import PydanticUndefined

Schema = dict[str, Any]


_PHRASES: Schema = {"type": "array", "items": {"type": "string"}}

#: Keys that the file may write in more forms than the model keeps.
WRITTEN: dict[tuple[str, str], Schema] = {
    ("SourceSpec", "path"): {"anyOf": [{"type": "string"}, _PHRASES]},
    ("Sidecar", "path"): {"anyOf": [{"type": "string"}, _PHRASES]},
    ("SourceSpec", "path_list"): {"anyOf": [{"type": "string"}, _PHRASES]},
    ("Profile", "lists"): {
        "type": "object",
        "additionalProperties": {"anyOf": [_PHRASES, {"type": "string"}]},
    },
}


class Key(NamedTuple):
    """A key that a user may write."""

    name: str
    schema: Schema
    required: bool
    default: Any
    meaning: str
    example: str | None


@cache
def _classes(module: str) -> dict[str, ast.ClassDef]:
    tree = ast.parse(inspect.getsource(sys.modules[module]))
    return {node.name: node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}


def attribute_texts(of: type) -> dict[str, str]:
    """Return the text below each declaration of a class and of its base classes."""
    texts: dict[str, str] = {}
    for one in reversed(of.__mro__):
        node = _classes(one.__module__).get(one.__name__) if _is_ours(one) else None
        body = node.body if node else []
        for field, text in pairwise(body):
            if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr):
                assert isinstance(field.target, ast.Name) and isinstance(text.value, ast.Constant)
                texts[field.target.id] = " ".join(str(text.value.value).split())
    return texts


def _is_ours(one: type) -> bool:
    return one.__module__.startswith("curate.")


def summary(of: type) -> str:
    """Return the first paragraph of a class's docstring, in one line."""
    return " ".join((of.__doc__ or "").split("\n\n")[0].split())


def markdown(text: str) -> str:
    """Return text of a docstring as Markdown."""
    return re.sub(r"(?::\w+:`|``)(.+?)``?", r"`\1`", text)


def plain(schema: Any) -> Any:
    """Return a JSON Schema without titles and nulls, which TOML does not have."""
    if isinstance(schema, list):
        return [plain(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    schema = {key: plain(value) for key, value in schema.items() if key not in ("title", "default")}
    options = [one for one in schema.get("anyOf", ()) if one != {"type": "null"}]
    if len(options) == 1:
        del schema["anyOf"]
        return schema | options[0]
    return schema | ({"anyOf": options} if options else {})


def described(texts: Mapping[str, str], name: str, where: str) -> tuple[str, str | None]:
    """Return the meaning and the example of a key."""
    if name not in texts:
        raise SystemExit(f"{where}.{name} has no description below its declaration")
    meaning, _, example = texts[name].partition(" Example: ")
    return meaning, example.removesuffix(".") or None


def model_keys(model: type[BaseModel]) -> list[Key]:
    """Return the keys of a table."""
    properties = plain(model.model_json_schema(ref_template="#/$defs/{model}")["properties"])
    texts = attribute_texts(model)
    return [
        Key(
            name,
            WRITTEN.get((model.__name__, name), properties[name]),
            field.is_required(),
            None if field.default is PydanticUndefined else field.default,
            *described(texts, name, model.__name__),
        )
        for name, field in model.model_fields.items()
    ]


def option_keys(kind: str, name: str) -> list[Key]:
    """Return the options of a stage or source."""
    from curate.plan import registry
    from curate.recipe.recipe import SourceSpec

    entry = registry.entry(kind, name)
    hints, texts, keys = get_type_hints(entry), attribute_texts(entry), []
    for option, field in registry.options(kind, name).items():
        if kind == "source" and option in SourceSpec.model_fields:
            continue
        absent = field.default is field.default_factory is dataclasses.MISSING
        default = None if field.default is dataclasses.MISSING else field.default
        schema = plain(TypeAdapter(hints[option]).json_schema())
        meaning = described(texts, option, f"{kind} '{name}'")
        keys.append(Key(option, schema, absent, default, *meaning))
    return keys


# ---- pages


def toml(value: Any) -> str:
    """Return a default as TOML; a dash where there is none."""
    if value is None or isinstance(value, BaseModel) or value in ((), {}):
        return "-"
    return f"`{json.dumps(value, ensure_ascii=False)}`"


def type_words(schema: Schema) -> str:
    """Return the type of a key in words."""
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(map(type_words, schema["anyOf"])))
    if "enum" in schema or "const" in schema:
        return " or ".join(f'"{value}"' for value in schema.get("enum", [schema.get("const")]))
    if schema.get("type") == "array":
        items = schema.get("items") or {"anyOf": schema.get("prefixItems", [])}
        return f"list of {type_words(items)}"
    if "$ref" in schema:
        return "table"
    if schema.get("type") == "object":
        values = schema.get("additionalProperties")
        is_simple = isinstance(values, dict) and "$ref" not in values
        return f"table of {type_words(values)}" if is_simple and values else "tables"
    return str(schema.get("type", "any value"))


def cell(text: str) -> str:
    """Return text for a cell of a table."""
    return text.replace("|", r"\|")


def key_table(keys: Iterable[Key]) -> list[str]:
    """Return the table of keys."""
    lines = ["| key | type | default | meaning | example |", "| --- | --- | --- | --- | --- |"]
    for key in keys:
        default = "required" if key.required else toml(key.default)
        meaning = markdown(key.meaning)
        example = f"`{key.example}`" if key.example else ""
        cells = (f"`{key.name}`", type_words(key.schema), default, meaning, example)
        lines.append("| " + " | ".join(map(cell, cells)) + " |")
    return [*lines, ""]


def section(title: str, text: str, keys: Iterable[Key], level: int = 2) -> list[str]:
    """Return a heading, a sentence and the table of keys."""
    keys = list(keys)
    table = key_table(keys) if keys else ["No options.", ""]
    return [f"{'#' * level} {title}", "", markdown(text), "", *table]


NOTE = "<!-- generated by docs/generate.py from the models; change the text below a declaration -->"
EDITORS = """Editors with [taplo](https://taplo.tamasfe.dev) (Even Better TOML) complete and check
keys: begin a file with the line `#:schema PATH`, where PATH leads to `{0}`. It is part of the
installed package, in the folder that this prints:
`python -c "import curate.recipe as r; print(r.__path__[0])"`."""


def recipe_page() -> str:
    """Return docs/recipe.md."""
    from curate.plan import registry
    from curate.recipe import mixture, recipe, sidecar

    lines = [
        NOTE,
        "",
        "# The keys of a recipe",
        "",
        "A recipe is a TOML file: `pipelines/NAME.toml`, or any path. An unknown key is an error."
        " `--set KEY.PATH=VALUE` replaces a single key on the command line.",
        "",
        EDITORS.format("recipe.schema.json"),
        "",
        *section("Top level", summary(recipe.Recipe), model_keys(recipe.Recipe)),
        *section("`[sources.NAME]`", summary(recipe.SourceSpec), model_keys(recipe.SourceSpec)),
    ]
    for name in registry.SOURCE_FORMATS:
        text = inspect.getdoc(registry.entry("source", name)) or ""
        lines += section(f'`format = "{name}"`', text, option_keys("source", name), 3)
    lines += section(
        "`[[stages]]`", inspect.getdoc(recipe.StageSpec) or "", model_keys(recipe.StageSpec)
    )
    for name in registry.STAGES:
        text = inspect.getdoc(registry.entry("stage", name)) or ""
        lines += section(f'`use = "{name}"`', text, option_keys("stage", name), 3)
    tables: list[tuple[str, type[BaseModel]]] = [
        ("`[sidecars.NAME]`", sidecar.Sidecar),
        ("`[mixture]`", mixture.Mixture),
        ("`[mixture.groups.NAME]`", mixture.Group),
        ("`[[mixture.caps]]`", mixture.LeafCap),
        ("`[[mixture.phases]]`", mixture.Phase),
        ("`[mixture.upsample]`", mixture.Upsample),
        ("`[mixture.validation]`", mixture.Validation),
        ("`[limits]`", recipe.Limits),
        ("`[shards]`", recipe.Shards),
        ("`[output]`", recipe.Output),
        ("`[compare]`", recipe.Compare),
    ]
    for title, model in tables:
        lines += section(title, inspect.getdoc(model) or "", model_keys(model))
    return "\n".join(lines)


EXTENDS = Key(
    "extends",
    {"type": "string"},
    False,
    None,
    "The profile that this one changes; its tables are merged in key by key. `shipped:NAME` is the"
    " shipped one, for a profile of your own with the same name.",
    '"shipped:kaz_Cyrl"',
)


def profile_page() -> str:
    """Return docs/profile.md."""
    from curate.recipe import profile

    keys = [EXTENDS, *(key for key in model_keys(profile.Profile) if key.name != "name")]
    lines = [
        NOTE,
        "",
        "# The keys of a profile",
        "",
        "A profile is a TOML file, `filters/NAME.toml`: the facts about a language "
        "(`kaz_Cyrl.toml`) or a kind of source (`chat.toml`). An unknown key is an error.",
        "",
        "A profile that extends another replaces its values key by key. A rule that the parent has"
        " keeps the parent's place, a new one comes last; `NAME = false` in `[rules]` removes a"
        " rule, and a section that is `false` is removed as a whole.",
        "",
        EDITORS.format("profile.schema.json"),
        "",
        *section("Top level", summary(profile.Profile), keys),
    ]
    tables: list[tuple[str, type[BaseModel]]] = [
        ("`[identify]`", profile.IdentifySection),
        ("`[url]`", profile.UrlSection),
        ("`[standardize]`", profile.StandardizeSection),
        ("`[trim]`", profile.TrimSection),
        ("`[rewrite]`", profile.RewriteSection),
        ("`[classifiers.NAME]`", profile.ClassifierSection),
        ("`[rules.NAME]`", profile.Rule),
    ]
    for title, model in tables:
        lines += section(title, inspect.getdoc(model) or "", model_keys(model))
    return "\n".join(lines)


# ---- schemas


def property_schemas(keys: Iterable[Key]) -> Schema:
    """Return the properties of an object, with descriptions and examples."""
    properties = {}
    for key in keys:
        more: Schema = {"description": markdown(key.meaning)}
        if key.example:
            more["examples"] = [tomllib.loads(f"value = {key.example}")["value"]]
        if not isinstance(key.default, BaseModel) and key.default not in (None, (), {}):
            more["default"] = key.default
        properties[key.name] = key.schema | more
    return properties


def object_schema(keys: Iterable[Key], text: str, **fixed: str) -> Schema:
    """Return the schema of a table; ``fixed`` keys have one value."""
    keys = list(keys)
    properties = property_schemas(keys)
    for name, value in fixed.items():
        properties[name] = {"const": value, "description": text}
    return {
        "type": "object",
        "description": text,
        "properties": properties,
        "required": [key.name for key in keys if key.required],
        "additionalProperties": False,
    }


def definitions(annotation: Any) -> dict[str, Schema]:
    """Return the schemas of all tables inside a model or another annotation, by name."""
    found: dict[str, Schema] = {}

    def visit(annotation: Any) -> None:
        name = getattr(annotation, "__name__", "")
        is_model = isinstance(annotation, type) and issubclass(annotation, BaseModel)
        if is_model and name not in found:
            found[name] = object_schema(model_keys(annotation), summary(annotation))
            for field in annotation.model_fields.values():
                visit(field.annotation)
        for part in get_args(annotation):
            visit(part)

    visit(annotation)
    return found


def written(schema: Schema, title: str) -> str:
    """Return the text of a schema's file."""
    head = {"$schema": "http://json-schema.org/draft-07/schema#", "title": title}
    return json.dumps(head | schema, indent=1, ensure_ascii=False)


def recipe_schema() -> str:
    """Return curate/recipe/recipe.schema.json."""
    from curate.plan import registry
    from curate.recipe.recipe import Recipe, SourceSpec, StageSpec

    tables = definitions(Recipe)
    recipe = tables.pop("Recipe")
    del tables["SourceSpec"], tables["StageSpec"]
    sources, stages = model_keys(SourceSpec), model_keys(StageSpec)
    for kind, names in (("source", registry.SOURCE_FORMATS), ("stage", registry.STAGES)):
        for name in names:
            hints = get_type_hints(registry.entry(kind, name))
            for option in registry.options(kind, name):
                tables |= definitions(hints[option])
    for name in registry.SOURCE_FORMATS:
        keys = [*sources, *option_keys("source", name)]
        text = summary(registry.entry("source", name))
        tables[f"format_{name}"] = object_schema(keys, text, format=name)
    for name in registry.STAGES:
        keys = [*stages, *option_keys("stage", name)]
        text = summary(registry.entry("stage", name))
        tables[f"stage_{name}"] = object_schema(keys, text, use=name)
    block = {"type": "string", "description": "A filter or formatter of datatrove."}
    tables["block"] = {
        "type": "object",
        "description": "A block of datatrove; the other keys are its parameters.",
        "properties": {"datatrove": block, "name": tables["stage_repair"]["properties"]["name"]},
        "required": ["datatrove"],
        "not": {"required": ["use"]},
    }
    recipe["properties"]["sources"]["additionalProperties"] = {
        "oneOf": [{"$ref": f"#/$defs/format_{name}"} for name in registry.SOURCE_FORMATS]
    }
    recipe["properties"]["stages"]["items"] = {
        "oneOf": [
            {"$ref": f"#/$defs/{name}"}
            for name in (*(f"stage_{stage}" for stage in registry.STAGES), "block")
        ]
    }
    return written(referable(recipe | {"$defs": tables}), "A recipe of curate")


def profile_schema() -> str:
    """Return curate/recipe/profile.schema.json."""
    from curate.recipe.profile import Profile

    tables = definitions(Profile)
    profile = tables.pop("Profile")
    properties = profile["properties"]
    del properties["name"]
    profile["required"] = tables["Rule"]["required"] = []
    for name, one in properties.items():
        if "$ref" in one:
            off = {"const": False, "description": "Without what the extended profile has here."}
            properties[name] = {"anyOf": [one, off]}
    rule = properties["rules"]["additionalProperties"]
    off = {"const": False, "description": "Without this rule of the extended profile."}
    properties["rules"]["additionalProperties"] = {"anyOf": [rule, off]}
    profile["properties"] = property_schemas([EXTENDS]) | properties
    return written(referable(profile | {"$defs": tables}), "A profile of curate")


def referable(schema: Any) -> Any:
    """Put references into ``allOf``: draft 7 reads no other keyword beside ``$ref``."""
    if isinstance(schema, list):
        return [referable(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    schema = {key: referable(value) for key, value in schema.items()}
    if "$ref" in schema and len(schema) > 1:
        reference = {"$ref": schema.pop("$ref")}
        schema = {"allOf": [reference]} | schema
    return schema


PAGES: dict[str, Callable[[], str]] = {
    "docs/recipe.md": recipe_page,
    "docs/profile.md": profile_page,
    "curate/recipe/recipe.schema.json": recipe_schema,
    "curate/recipe/profile.schema.json": profile_schema,
}
