"""Profiles: the facts about a language or a kind of source, as data that a linguist can read.

A profile is a TOML file under ``filters/``. It may extend another; ``_fixes`` is the root.
Unknown keys are errors with the nearest valid name. Judge, check and calibrate read the same rules.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Annotated, TypeVar

import numpy as np
import pyarrow as pa
from pydantic import Field, field_validator, model_validator

from curate.errors import RecipeError, nearest
from curate.paths import local_path
from curate.recipe import locate
from curate.recipe.languages import LABEL
from curate.recipe.section import Section, TomlTable, as_categories, parse_toml, read_section
from curate.schema import TAKEN_DOWN, whole

DEFAULT = "_default"
Group = TypeVar("Group")


class IdentifySection(Section):
    """How certain language identification has to be, and which letters the language uses."""

    min_score: float = Field(0.0, ge=0, le=1)
    """Score below which a text is labelled ``und``. Example: 0.25."""
    scripts: tuple[str, ...] = ()
    """ISO 15924 names; a text mostly in others is not this language. Example: ["Cyrl"]."""
    letters: str = ""
    """Letters that distinguish the language from its neighbours. Example: "әғқңөұүһі"."""
    foreign_letters: str = ""
    """Letters that the language never uses. Example: "ыэъ"."""
    min_letter_share: float = Field(0.0, ge=0, le=1)
    """Smallest share of ``letters`` among all letters of a text. Example: 0.02."""


class StandardizeSection(Section):
    """Fixes of ``curate.text.fixes`` and masks for personal data, for the stage ``standardize``."""

    fixes: tuple[str, ...] = ()
    """Names of fixes, in order. Example: ["nonbreaking_spaces", "zero_width"]."""
    mask: tuple[str, ...] = ()
    """Kinds of personal data to mask. Example: ["email", "public_ip"]."""
    lang: str = ""
    """The label of the language whose letters the fixes know; a profile that is named by a label
    has it already. Without one each document's own label counts. Example: "pes_Arab"."""


class TrimSection(Section):
    """Line rules of ``curate.text.trim``, for the stage ``trim``."""

    rules: tuple[str, ...] = ()
    """Names of line rules, in order. Example: ["javascript_lines", "navigation_lines"]."""
    options: dict[str, dict[str, float | int | str | list[str]]] = {}
    """Options by rule. Example: { few_words_lines = { min_words = 5 } }."""


#: The name of a block list, which becomes part of a rule's.
ListName = Annotated[str, Field(pattern=r"^[a-z0-9_-]+$")]


class BlockList(Section):
    """Lists of addresses that documents may not have, each list by the kind of its entries.

    A list is the path of a UTF-8 file (.gz, .bz2, .xz or .zst, too) with one entry per line, where
    lines that begin with # are remarks; ``package://<installed package>/<path in it>``; or
    ``datatrove``, for the list of that kind that comes with it.
    """

    domains: tuple[str, ...] = ()
    """Domains, with all hosts below them. Lists for browsers and hosts files are understood.
    Example: ["datatrove", "lists/own.txt.gz"]."""
    hosts: tuple[str, ...] = ()
    """Hosts, without those below them. Example: ["lists/hosts.txt"]."""
    urls: tuple[str, ...] = ()
    """Pages: scheme, user, usual port and fragment do not count. Example: ["datatrove"]."""
    words: tuple[str, ...] = ()
    """Whole words of addresses, between characters that are no letters or digits. Example:
    ["datatrove"]."""
    parts: tuple[str, ...] = ()
    """Parts of addresses, wherever they stand, signs aside; 10,000 at most. Example:
    ["datatrove"]."""

    @model_validator(mode="before")
    @classmethod
    def _knows_its_kinds(cls, value: object) -> object:
        for key in value if isinstance(value, dict) else ():
            if key not in cls.model_fields:
                raise ValueError(f"no kind of list '{key}': {nearest(str(key), cls.model_fields)}")
        return value

    def lists(self) -> Iterator[tuple[str, str]]:
        """Yield the kind and the address of each list, kinds in the order of the fields."""
        for kind, addresses in self:
            for address in addresses:
                yield kind.removesuffix("s"), address


class UrlSection(Section):
    """Which addresses documents may have, for the stage ``url_filter``. Empty: any, or none."""

    refused: tuple[str, ...] = ()
    """Beginnings of addresses to drop. Example: ["https://ja.wikipedia.org/"]."""
    top_level_domains: tuple[str, ...] = ()
    """The only top-level domains to keep, in lower case. Example: ["jp", "com"]."""
    block_lists: dict[ListName, BlockList] = {}
    """Block lists by name: the rule that drops is ``<name>_<kind>``. Example: { adult = { domains =
    ["datatrove"] } }."""


class RewriteSection(Section):
    """Rewrites of ``curate.text.rewrites``, once each, for the stage ``rewrite``."""

    steps: tuple[str, ...] = ()
    """Names of rewrites, in order. Example: ["japanese_lines"]."""
    options: dict[str, dict[str, str | list[str]]] = {}
    """Options by rewrite. Example: { japanese_lines = { join = " " } }."""


class Rule(Section):
    """A closed interval on a signal, or values of a category; for the stage ``judge``."""

    signal: str
    """The signal (``curate signals`` lists them), a number that an earlier stage writes
    (``lang_score``, ``lang2_score``, ``n_tokens``, ``cluster_size`` or ``n_cluster_sources``), or a
    column of the input or of a sidecar. Example: "n_words"."""
    min: float | None = None
    """Smallest value that is kept. Example: 50."""
    max: float | None = None
    """Largest value that is kept. Example: 100000."""
    allowed: tuple[str, ...] = ()
    """The only values that are kept, of a category. Example: ["news", "books"]."""
    refused: tuple[str, ...] = ()
    """Values that are dropped, of a category. Example: ["spam"]."""
    undefined: str = "drop"
    """What an undefined signal means: "drop" (under its own name) or "keep". Example: "keep"."""
    why: str = ""
    """What the rule removes. Example: "Captions, menus and error pages"."""
    source: str = ""
    """Where the limit is from. Example: "Gopher (arXiv:2112.11446, table A1)"."""

    @field_validator("allowed", "refused", mode="before")
    @classmethod
    def _as_text(cls, values: object) -> object:
        return as_categories(values)

    @property
    def is_of_categories(self) -> bool:
        """Whether the rule names values instead of limits."""
        return bool(self.allowed or self.refused)

    @model_validator(mode="after")
    def _has_a_limit(self) -> Rule:
        if self.min is None and self.max is None and not self.is_of_categories:
            raise ValueError("a rule needs min, max or both; of a category, allowed or refused")
        if self.is_of_categories and (self.min, self.max) != (None, None):
            raise ValueError("a rule has limits (min, max) or values (allowed, refused), not both")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min is above max: {self.min:g} > {self.max:g}; nothing would pass")
        if self.undefined not in ("drop", "keep"):
            raise ValueError("undefined is 'drop' or 'keep'")
        return self


class ClassifierSection(Section):
    """A classifier of the user's. Its signal has its name, and is measured without a rule, too.

    It is a model, or an ensemble of the profile's other classifiers. Example: in
    ``[classifiers.edu]``, ``model = "models/edu.bin"`` and ``label = "__label__edu"`` make the
    column ``signal_edu``, for rules with ``signal = "edu"``.
    """

    model: str = ""
    """A file of `curate train`, or a fastText .bin or .ftz file: a path,
    hf://owner/repository/file or an fsspec address. Example: "models/edu.bin"."""
    label: str = ""
    """The label of a model whose probability is the signal; without one the signal is the
    best label itself, a category. Example: "__label__edu"."""
    embedding: str = ""
    """What turns a text into a vector, where the model is a linear head on vectors (an .npz file
    with ``weight``, ``bias`` and, for several outputs, ``labels``): a folder or Hugging Face name
    for sentence-transformers, which the extra ``embed`` installs, or "characters" for counts of
    n-grams. Example: "Snowflake/snowflake-arctic-embed-m"."""
    max_tokens: int = Field(512, ge=1)
    """Tokens of a text that the embedding reads."""
    max: tuple[str, ...] = ()
    """Instead of a model: the classifiers whose highest score it is. Example: ["edu", "dclm"]."""
    mean_rank: tuple[str, ...] = ()
    """Instead of a model: the classifiers whose ranks within the language are averaged, by the
    stage ``rank``. Example: ["edu", "dclm"]."""

    @model_validator(mode="after")
    def _is_one_thing(self) -> ClassifierSection:
        if sum(map(bool, (self.model, self.max, self.mean_rank))) != 1:
            raise ValueError("a classifier has one of model, max and mean_rank")
        if (self.label or self.embedding) and not self.model:
            raise ValueError("label and embedding are those of a model")
        return self


#: The name of a classifier, which becomes that of a signal.
ClassifierName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=100)]
Classifiers = dict[ClassifierName, ClassifierSection]


#: The buckets of perplexity, from clean text on, as CCNet names them.
BUCKETS = ("head", "middle", "tail")


class PerplexitySection(Section):
    """The n-gram model of clean text of the language, made by `curate calibrate --perplexity`.

    Where a model is named, ``perplexity`` is measured without a rule, too, and with cut points
    ``perplexity_bucket``.
    """

    model: str = ""
    """A path, hf://owner/repository/file or an fsspec address. Example: "models/kaz_Cyrl.npz"."""
    head: float | None = Field(None, gt=0, allow_inf_nan=False)
    """Perplexity up to which a text is in the bucket ``head``. Example: 4.2."""
    middle: float | None = Field(None, gt=0, allow_inf_nan=False)
    """Perplexity up to which other texts are in the bucket ``middle``; beyond it is ``tail``.
    Example: 5.5."""

    @model_validator(mode="after")
    def _has_cut_points_in_order(self) -> PerplexitySection:
        if (self.head is None) != (self.middle is None):
            raise ValueError("the buckets need both cut points, head and middle")
        if self.head is not None and not self.model:
            raise ValueError("cut points need the model that they belong to")
        if self.head is not None and self.middle is not None and self.head > self.middle:
            raise ValueError(f"head is above middle: {self.head:g} > {self.middle:g}")
        return self


class Profile(Section):
    """One file of ``filters/``, with the profiles that it extends merged in."""

    name: str
    """The file's name without its ending."""
    describes: str = ""
    """One sentence on what the profile is for."""
    identify: IdentifySection = IdentifySection()
    """Language identification."""
    url: UrlSection = UrlSection()
    """Addresses of documents."""
    standardize: StandardizeSection = StandardizeSection()
    """Fixes and masks."""
    trim: TrimSection = TrimSection()
    """Line rules."""
    rewrite: RewriteSection = RewriteSection()
    """Rewrites."""
    lists: dict[str, tuple[str, ...]] = {}
    """Lists of phrases by name; instead of a list a path, or ``package://<installed package>/<path
    in it>``, of a UTF-8 file with one phrase on each line. Example: { stop_words = ["және", "бұл"]
    }."""
    word_frequencies: str = ""
    """Path of a file of word counts, for the signal unigram_log_probability. Example: "kk.tsv"."""
    classifiers: Classifiers = {}
    """Classifiers by name, each a signal. Those of the recipe are every profile's; a profile's own
    goes before one of that name."""
    perplexity: PerplexitySection = PerplexitySection()
    """The n-gram model of the signals perplexity and perplexity_bucket."""
    rules: dict[str, Rule] = {}
    """Rules by name, in the order of judgement; a document is dropped by the first that it
    fails."""

    @field_validator("rules")
    @classmethod
    def _keeps_names_apart(cls, value: dict[str, Rule]) -> dict[str, Rule]:
        if TAKEN_DOWN in value:
            raise ValueError(f"'{TAKEN_DOWN}' is the rule of takedowns: choose another name")
        return value

    @model_validator(mode="after")
    def _measures_what_it_judges(self) -> Profile:
        named = self.perplexity
        absent = {} if named.model else {"perplexity": "model"}
        absent |= {} if named.head is not None else {"perplexity_bucket": "head and middle"}
        for name, rule in self.rules.items():
            wrong = [one for one in (*rule.allowed, *rule.refused) if one not in BUCKETS]
            if rule.signal == "perplexity_bucket" and (wrong or not rule.is_of_categories):
                raise ValueError(
                    f"the rule '{name}' needs values of perplexity_bucket:"
                    ' allowed = ["head", "middle"], or refused = ["tail"]'
                )
            if rule.signal in absent and rule.undefined == "drop":
                raise ValueError(
                    f"the rule '{name}' would drop all documents: [perplexity] has no"
                    f" {absent[rule.signal]}; `curate calibrate --perplexity` writes that section"
                )
        return self

    def only(self, parts: Collection[str]) -> Profile:
        """Return the profile with these parts alone; to read another one is an AttributeError.

        >>> profile = Profile(name="x", word_frequencies="kk.tsv").only({"word_frequencies"})
        >>> profile.word_frequencies, hasattr(profile, "rules")
        ('kk.tsv', False)
        """
        narrow = self.model_copy()
        for part in type(self).model_fields.keys() - {"name", *parts}:
            vars(narrow).pop(part, None)
        return narrow


def place_of(name: str) -> str:
    """Return where a profile stands, for messages: its path, or its file by its name.

    >>> place_of("kaz_Cyrl"), place_of("mine/kk.toml")
    ('filters/kaz_Cyrl.toml', 'mine/kk.toml')
    """
    return name if name.endswith(".toml") else f"filters/{name}.toml"


def load_profile(name: str, read: Callable[[str], str] = locate.profile_text) -> Profile:
    """Load a profile and all that it extends; ``read`` returns the TOML text of a profile by name.

    A child's table replaces the parent's value key by key; a rule that the parent has keeps the
    parent's place, a new one comes last, and ``rules.<name> = false`` removes it. The phrases of a
    list that names a file become part of the profile, and so of its digest.
    """
    table = _merged(name, read, ())
    if LABEL.fullmatch(name):
        table = _overlay({"standardize": {"lang": name}}, table)
    lists = table.get("lists")
    if isinstance(lists, dict):
        where = f"{place_of(name)}: lists."
        table["lists"] = {
            key: [*_phrases(value, where + key)] if isinstance(value, str) else value
            for key, value in lists.items()
        }
    return read_section(Profile, {"name": name, **table}, where=place_of(name))


def _phrases(address: str, where: str) -> tuple[str, ...]:
    """Read a list of phrases. Blank lines and spaces around phrases do not count."""
    scheme, _, rest = address.rpartition("://")
    if scheme not in ("", "package"):
        raise RecipeError(
            f"'{address}' is no file of phrases",
            where=where,
            hint="a path, or package://<installed package>/<path in it>",
        )
    path, package = local_path(rest, where=where), ""
    if scheme:
        package, _, inside = rest.partition("/")
        spec = importlib.util.find_spec(package) if package.isidentifier() else None
        if spec is None or not spec.submodule_search_locations:
            raise RecipeError(
                f"the package {package}, whose phrases this list is, is not installed",
                where=where,
                hint=f"pip install {package}, or name a file of your own in lists",
            )
        path = Path(spec.submodule_search_locations[0]) / inside
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(
            f"cannot read the list: {error}", where=where, hint="one phrase on each line, in UTF-8"
        ) from None
    return tuple(line.strip() for line in lines if line.strip())


def _merged(name: str, read: Callable[[str], str], seen: tuple[str, ...]) -> TomlTable:
    if name in seen:
        raise RecipeError(
            "profiles extend each other in a circle: " + " -> ".join((*seen, name)),
            where=place_of(name),
        )
    own = dict(_parsed(read(name), place_of(name)))
    if "sources" in own or "stages" in own:
        hint = "a profile has rules; `curate run` takes a recipe"
        raise RecipeError("this is a recipe and no profile", where=place_of(name), hint=hint)
    parent = own.pop("extends", None)
    if parent is not None and not isinstance(parent, str):
        raise RecipeError("extends: the name of one profile", where=place_of(name))
    base = _merged(parent, read, (*seen, name)) if parent else {}
    _check_rules(own.get("rules"), base.get("rules"), place_of(name))
    return _overlay(base, own)


def _check_rules(own: object, inherited: object, where: str) -> None:
    """Raise where a rule that is to be changed or removed is not there: its name is misspelt."""
    if not isinstance(own, dict) or not isinstance(inherited, dict):
        return
    for name, rule in own.items():
        new = isinstance(rule, dict) and "signal" in rule
        if name not in inherited and not new:
            raise RecipeError(
                f"there is no rule '{name[:100]}' to change, and a new one names a signal",
                where=where,
                hint=nearest(name, inherited),
            )


@lru_cache(maxsize=256)
def _parsed(text: str, where: str) -> TomlTable:
    """Parse TOML once, because all profiles extend the same few; the result is never changed."""
    return parse_toml(text, where)


def _overlay(base: TomlTable, own: TomlTable) -> TomlTable:
    merged = dict(base)
    for key, value in own.items():
        inherited = merged.get(key)
        if value is False and isinstance(inherited, dict):
            del merged[key]
        elif isinstance(value, dict) and isinstance(inherited, dict):
            merged[key] = _overlay(inherited, value)
        else:
            merged[key] = value
    return merged


@dataclass(frozen=True)
class Profiles:
    """The profiles of a run, and which of them a row belongs to.

    A source's own profile is the stronger one, then the language's, then ``_default``.
    """

    by_name: Mapping[str, Profile]
    by_source: Mapping[str, str] = field(default_factory=dict)
    always: str | None = None  #: one profile for all rows, whatever their source and language
    own: tuple[str, ...] = ()  #: columns of the input that rules may name

    def choose(self, source: str | None, lang: str | None) -> Profile:
        """Return the profile for one row."""
        name = self.always or self.by_source.get(source or "")
        if name is None and lang in self.by_name:
            name = lang
        return self.by_name[name or DEFAULT]

    def groups(self, table: pa.Table) -> Iterator[tuple[Profile, np.ndarray]]:
        """Yield each profile of a table's rows with its row numbers, in order."""
        names = {profile: i for i, profile in enumerate(sorted(self.by_name))}
        sources = whole(table.column("source")).dictionary_encode()
        has_lang = "lang" in table.column_names
        langs = whole(table.column("lang")) if has_lang else pa.nulls(len(table), pa.string())
        langs = langs.dictionary_encode()
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
        by_number = list(names)
        for number in np.unique(which).tolist():
            yield self.by_name[by_number[number]], np.flatnonzero(which == number)

    def map(self, table: pa.Table, work: Callable[[Profile, pa.Table], pa.Table]) -> pa.Table:
        """Run ``work`` on the rows of each profile and put them back in their order."""
        return map_groups(table, self.groups(table), work)

    def only(self, parts: Collection[str]) -> Profiles:
        """Return the profiles with these parts alone."""
        narrow = {name: profile.only(parts) for name, profile in self.by_name.items()}
        return Profiles(narrow, self.by_source, self.always, self.own)

    @cached_property
    def digest(self) -> str:
        """A digest of the content of all profiles; part of the keys of the tasks that use them."""
        import hashlib
        import json

        content = {
            "profiles": {n: p.model_dump(mode="json") for n, p in sorted(self.by_name.items())},
            "by_source": dict(sorted(self.by_source.items())),
            "always": self.always,
        }
        return hashlib.blake2b(
            json.dumps(content, sort_keys=True, ensure_ascii=False).encode(), digest_size=16
        ).hexdigest()


def map_groups(
    table: pa.Table,
    groups: Iterable[tuple[Group, np.ndarray]],
    work: Callable[[Group, pa.Table], pa.Table],
) -> pa.Table:
    """Run ``work`` on the rows of each group, given by their numbers; return them in order."""
    parts: list[pa.Table] = []
    places: list[np.ndarray] = []
    for group, rows in groups:
        part = table if len(rows) == table.num_rows else table.take(pa.array(rows))
        parts.append(work(group, part))
        places.append(rows)
    if len(parts) < 2:
        return parts[0] if parts else table
    return pa.concat_tables(parts).take(pa.array(np.argsort(np.concatenate(places))))
