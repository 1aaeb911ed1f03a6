"""The shipped schemas accept every shipped recipe and profile, and refuse misspelt keys."""

import json
import re
import tomllib
from pathlib import Path

import jsonschema
import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = {"recipe": "pipelines", "profile": "filters"}
SCHEMAS = {
    kind: json.loads((ROOT / f"curate/recipe/{kind}.schema.json").read_text(encoding="utf-8"))
    for kind in FOLDERS
}
SHIPPED = [
    pytest.param(kind, path, id=path.stem)
    for kind, folder in FOLDERS.items()
    for path in sorted((ROOT / folder).glob("*.toml"))
]


def errors(kind, table, schema=None):
    schema = schema or SCHEMAS[kind]
    whole = {"$defs": SCHEMAS[kind]["$defs"], **schema}
    return [error.message for error in jsonschema.Draft7Validator(whole).iter_errors(table)]


def read(path):
    return tomllib.loads(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("kind", SCHEMAS)
def test_a_schema_is_a_schema(kind):
    jsonschema.Draft7Validator.check_schema(SCHEMAS[kind])


@pytest.mark.parametrize(("kind", "path"), SHIPPED)
def test_what_is_shipped_validates_and_names_its_schema(kind, path):
    assert errors(kind, read(path)) == []
    first = path.read_text(encoding="utf-8").partition("\n")[0]
    assert (path.parent / first.removeprefix("#:schema ")).samefile(
        ROOT / f"curate/recipe/{kind}.schema.json"
    )


def change(table, path, value):
    *tables, key = path
    for part in tables:
        table = table[part] if isinstance(table, list) else table.setdefault(part, {})
    table[key] = value


@pytest.mark.parametrize(
    ("kind", "name", "path", "value"),
    [
        ("recipe", "demo", ("sed",), 1),
        ("recipe", "demo", ("sources", "web", "formt"), "warc"),
        ("recipe", "demo", ("sources", "news", "txt"), "body"),
        ("recipe", "demo", ("sources", "news", "format"), "josnl"),
        ("recipe", "demo", ("stages", 7, "treshold"), 0.8),
        ("recipe", "demo", ("stages", 7, "threshold"), "high"),
        ("recipe", "demo", ("stages", 0, "use"), "repare"),
        ("recipe", "demo", ("mixture", "rtio"), "1:1"),
        ("recipe", "demo", ("mixture", "groups", "kazakh", "langauges"), ["kaz_Cyrl"]),
        ("recipe", "demo", ("limits", "quarantine"), 1),
        ("profile", "kaz_Cyrl", ("identfy",), {}),
        ("profile", "kaz_Cyrl", ("identify", "min_scor"), 0.5),
        ("profile", "kaz_Cyrl", ("rules", "too_few_words"), {"mni": 3}),
        ("profile", "kaz_Cyrl", ("rules", "too_few_words"), True),
    ],
)
def test_a_misspelt_key_does_not(kind, name, path, value):
    table = read(ROOT / FOLDERS[kind] / f"{name}.toml")
    change(table, path, value)
    assert errors(kind, table)


@pytest.mark.parametrize(
    "stage",
    [{"datatrove": "GopherQualityFilter", "min_doc_words": 40}, {"use": "cap", "documents": 9}],
)
def test_a_stage_has_one_meaning(stage):
    table = read(ROOT / "pipelines/demo.toml") | {"stages": [stage]}
    assert errors("recipe", table) == []


@pytest.mark.parametrize("kind", SCHEMAS)
def test_examples_and_defaults_are_values_of_their_keys(kind):
    tables = [SCHEMAS[kind], *SCHEMAS[kind]["$defs"].values()]
    keys = [key for table in tables for key in table.get("properties", {}).items()]
    for name, schema in keys:
        for value in [
            *schema.get("examples", ()),
            *([schema["default"]] if "default" in schema else ()),
        ]:
            assert errors(kind, value, schema) == [], name


@pytest.mark.parametrize("kind", FOLDERS)
def test_every_reference_leads_to_a_table(kind):
    named = re.findall(r"#/\$defs/(\w+)", json.dumps(SCHEMAS[kind]))
    assert set(named) == set(SCHEMAS[kind]["$defs"])
