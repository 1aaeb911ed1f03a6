"""What recipes, mixtures and profiles share: a checked table of TOML, and its errors.

The text below a field is the field's documentation: ``docs/generate.py`` makes the pages of all
keys and the JSON Schemas for editors from it. The sentence after ``Example:`` is shown as an
example.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import get_args

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from curate.errors import nearest

#: A table of TOML as it is read, before a model checks it.
TomlTable = dict[str, JsonValue]


class Section(BaseModel):
    """A table whose keys are known: another key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def explain(
    error: ValidationError,
    model: type[BaseModel],
    *,
    root: str | None = None,
    hints: Mapping[str, str] | None = None,
) -> str:
    """Return all problems that a model found, each with its path; a hint for each unknown key."""
    lines = []
    for problem in error.errors():
        path = ".".join(str(part) for part in (root, *problem["loc"]) if part is not None)
        if problem["type"] == "extra_forbidden":
            *place, key = map(str, problem["loc"])
            hint = (hints or {}).get(key) or nearest(key, _section_at(model, place).model_fields)
            lines.append(f"unknown key '{path}': {hint}")
        else:
            lines.append(f"{path}: {problem['msg']}")
    return "; ".join(lines)


def _section_at(model: type[BaseModel], place: Sequence[str]) -> type[BaseModel]:
    """Follow a path of keys down to the innermost model; names of entries are not fields."""
    for part in place:
        field = model.model_fields.get(part)
        model = (field and _model_in(field.annotation)) or model
    return model


def _model_in(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_model_in, get_args(annotation))), None)
