"""Profiles: what is known about a language or a kind of source, as data that a linguist can read.

A profile is a TOML file under ``filters/``. It may extend another; ``_default`` is the root. Unknown
keys are errors with the nearest valid name. Judge, check and calibrate read the same rules.
"""

from __future__ import annotations

import importlib.util
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from curate.errors import RecipeError, nearest
from curate.schema import whole

DEFAULT = "_default"


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Identify(_Section):
    """How sure the language identifier has to be, and which letters the language is written with."""

    min_score: float = Field(0.0, ge=0, le=1)
    scripts: tuple[str, ...] = ()  #: ISO 15924 names; a text mostly in others is not this language
    letters: str = ""  #: letters that tell the language from its neighbours
    foreign_letters: str = ""  #: letters that it never uses
    min_letter_share: float = Field(0.0, ge=0, le=1)  #: share of ``letters`` among all letters


class Standardize(_Section):
    """Named fixes of curate.text.fixes, in order, and the kinds of personal data to mask."""

    fixes: tuple[str, ...] = ()
    mask: tuple[str, ...] = ()


class Trim(_Section):
    """Named line rules of curate.text.trim, in order; options by rule name."""

    rules: tuple[str, ...] = ()
    options: dict[str, dict[str, float | int | str | list[str]]] = {}


class Url(_Section):
    """What the address of a document may be; see curate.stages.url_filter. Empty: anything, or none."""

    refused: tuple[str, ...] = ()  #: beginnings of addresses
    top_level_domains: tuple[str, ...] = ()  #: those that are wanted, in lower case: "jp"


class Rewrite(_Section):
    """Named rewrites of curate.text.rewrites, once each and in order; options by name."""

    steps: tuple[str, ...] = ()
    options: dict[str, dict[str, str | list[str]]] = {}


class Rule(_Section):
    """A closed interval on a signal, with the reason for it."""

    signal: str
    min: float | None = None
    max: float | None = None
    undefined: str = (
        "drop"  #: what an undefined signal means: "drop" (under its own name) or "keep"
    )
    why: str = ""
    source: str = ""

    @model_validator(mode="after")
    def _has_a_limit(self) -> Rule:
        if self.min is None and self.max is None:
            raise ValueError("a rule needs min, max or both")
        if self.undefined not in ("drop", "keep"):
            raise ValueError("undefined is 'drop' or 'keep'")
        return self


class Classifier(_Section):
    """A fastText classifier of the user's, and the label whose score is the signal."""

    model: str = ""  #: a path, hf://owner/repository/file or an fsspec address
    label: str = ""


class Profile(_Section):
    """One file of ``filters/``, with what it extends merged in. Rules are in the order of judgement."""

    name: str
    describes: str = ""
    identify: Identify = Identify()
    url: Url = Url()
    standardize: Standardize = Standardize()
    trim: Trim = Trim()
    rewrite: Rewrite = Rewrite()
    lists: dict[str, tuple[str, ...]] = {}  #: phrases, or in the file the address of a file of them
    word_frequencies: str = ""  #: the path of a file of word counts, for unigram_log_probability
    classifier: Classifier = Classifier()  #: for classifier_score
    rules: dict[str, Rule] = {}


def load_profile(name: str, read: Callable[[str], str]) -> Profile:
    """Load a profile and all that it extends. ``read`` gives the TOML text of a profile by name.

    A child's table replaces the parent's value key by key; a rule that the parent has keeps the
    parent's place, a new one comes last, and ``rules.<name> = false`` removes it. A list may be a path,
    or ``package://<installed package>/<path in it>``, of a UTF-8 file with one phrase on each line; what
    the file says becomes part of the profile, and so of its digest.
    """
    said = _merged(name, read, ())
    for key, value in said.get("lists", {}).items():
        if isinstance(value, str):
            said["lists"] = said["lists"] | {
                key: _phrases(value, f"filters/{name}.toml: lists.{key}")
            }
    try:
        return Profile.model_validate({"name": name} | said)
    except ValidationError as error:
        raise RecipeError(_explain(error), where=f"filters/{name}.toml") from None


def _phrases(address: str, where: str) -> tuple[str, ...]:
    """Read a list of phrases. Blank lines and spaces around phrases do not count."""
    scheme, _, rest = address.rpartition("://")
    if scheme not in ("", "package"):
        raise RecipeError(
            f"'{address}' is no file of phrases",
            where=where,
            hint="a path, or package://<installed package>/<path in it>",
        )
    path, package = Path(rest).expanduser(), ""
    if scheme:
        package, _, inside = rest.partition("/")
        found = importlib.util.find_spec(package) if package.isidentifier() else None
        if found is None or not found.submodule_search_locations:
            raise RecipeError(
                f"the package {package}, whose phrases this list is, is not installed",
                where=where,
                hint=f"pip install {package}, or name a file of your own in lists",
            )
        path = Path(found.submodule_search_locations[0]) / inside
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(
            f"cannot read the list: {error}", where=where, hint="one phrase on each line, in UTF-8"
        ) from None
    return tuple(line.strip() for line in lines if line.strip())


def _merged(name: str, read: Callable[[str], str], seen: tuple[str, ...]) -> dict[str, Any]:
    if name in seen:
        raise RecipeError(
            "profiles extend each other in a circle: " + " -> ".join((*seen, name)),
            where=f"filters/{name}.toml",
        )
    try:
        own = dict(_parsed(read(name)))
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"not valid TOML: {error}", where=f"filters/{name}.toml") from None
    parent = own.pop("extends", None)
    base = _merged(parent, read, (*seen, name)) if parent else {}
    return _overlay(base, own)


@lru_cache(maxsize=256)
def _parsed(text: str) -> dict[str, Any]:
    """Parse TOML once: all profiles extend the same few. Nobody changes what this gives."""
    return tomllib.loads(text)


def _overlay(base: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in own.items():
        if value is False and isinstance(merged.get(key), dict):
            del merged[key]
        elif isinstance(value, dict) and isinstance(merged.get(key), dict):
            merged[key] = _overlay(merged[key], value)
        else:
            merged[key] = value
    return merged


def _explain(error: ValidationError) -> str:
    lines = []
    for problem in error.errors():
        path = ".".join(str(part) for part in problem["loc"])
        if problem["type"] == "extra_forbidden":
            section: type[BaseModel] = Profile
            for part in problem["loc"][:-1]:
                annotation = section.model_fields.get(str(part))
                inner = annotation.annotation if annotation else Rule
                section = (
                    inner if isinstance(inner, type) and issubclass(inner, BaseModel) else Rule
                )
            key = str(problem["loc"][-1])
            lines.append(f"unknown key '{path}': {nearest(key, section.model_fields)}")
        else:
            lines.append(f"{path}: {problem['msg']}")
    return "; ".join(lines)


@dataclass(frozen=True)
class Profiles:
    """The profiles of a run, and which of them a row belongs to.

    A source's own profile is the stronger one, then the language's, then ``_default``.
    """

    by_name: Mapping[str, Profile]
    by_source: Mapping[str, str] = field(default_factory=dict)
    always: str | None = None  #: one profile for all rows, whatever their source and language

    def choose(self, source: str | None, lang: str | None) -> Profile:
        """Give the profile for one row."""
        name = self.always or self.by_source.get(source or "")
        if name is None and lang in self.by_name:
            name = lang
        return self.by_name[name or DEFAULT]

    def groups(self, table: pa.Table) -> Iterator[tuple[Profile, np.ndarray]]:
        """Split the rows of a table by profile: each profile with its row numbers, in order."""
        names = {profile: i for i, profile in enumerate(sorted(self.by_name))}
        sources = whole(table.column("source")).dictionary_encode()
        langs = (
            whole(table.column("lang")).dictionary_encode()
            if "lang" in table.column_names
            else pa.nulls(table.num_rows, pa.string()).dictionary_encode()
        )
        source_at = sources.indices.fill_null(len(sources.dictionary)).to_numpy()
        lang_at = langs.indices.fill_null(len(langs.dictionary)).to_numpy()
        chosen = np.array(
            [
                [names[self.choose(s, lang).name] for lang in [*langs.dictionary.to_pylist(), None]]
                for s in [*sources.dictionary.to_pylist(), None]
            ],
            np.int64,
        )
        which = chosen[source_at, lang_at]
        for profile, number in names.items():
            rows = np.flatnonzero(which == number)
            if len(rows):
                yield self.by_name[profile], rows

    @cached_property
    def digest(self) -> str:
        """A digest of everything that the profiles say; part of each task's key."""
        import hashlib
        import json

        said = {
            "profiles": {n: p.model_dump(mode="json") for n, p in sorted(self.by_name.items())},
            "by_source": dict(sorted(self.by_source.items())),
            "always": self.always,
        }
        return hashlib.blake2b(
            json.dumps(said, sort_keys=True, ensure_ascii=False).encode(), digest_size=16
        ).hexdigest()
