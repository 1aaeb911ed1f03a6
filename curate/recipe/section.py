"""What recipes, mixtures and profiles share: a checked table of TOML, and its errors.

The text below a field is the field's documentation: ``docs/generate.py`` makes the pages of all
keys and the JSON Schemas for editors from it. The sentence after ``Example:`` is shown as an
example.
"""

from __future__ import annotations

import json
import math
import re
import tomllib
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from curate.errors import RecipeError, nearest

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

AnySection = TypeVar("AnySection", bound=BaseModel)

#: A table of TOML as it is read, before a model checks it.
TomlTable = dict[str, JsonValue]


class Section(BaseModel):
    """A table whose keys are known: another key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


#: What no recipe or profile reaches; a table beyond these bounds is refused before it is checked.
MAX_BYTES, MAX_DEPTH, MAX_VALUES, MAX_TEXT = 4 << 20, 32, 200_000, 100_000


def as_categories(values: object) -> object:
    """Return values that a list names as the texts that a column of them has.

    >>> as_categories(["news", 3, True]), as_categories({"min": 3})
    (['news', '3', 'true'], {'min': 3})
    """
    if not isinstance(values, list | tuple):
        return values
    return [str(value).lower() if isinstance(value, bool | int) else value for value in values]


def parse_toml(text: str, where: str) -> TomlTable:
    """Parse a recipe or profile from TOML, and refuse what no key can hold.

    These are dates, numbers that are not finite or need more than 64 bits, strings with a NUL, and
    tables beyond the bounds above. Raises RecipeError with the path of the value.
    """
    if len(text) > MAX_BYTES:
        raise RecipeError(f"the file has more than {MAX_BYTES:,} characters", where=where)
    try:
        table: TomlTable = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        twice = re.match(r"Cannot declare \((.*)\) twice (.*)", str(error))
        if twice:
            table_name = ".".join(re.findall(r"'([^']*)'", twice[1]))
            what = f"the table [{table_name}] is there twice {twice[2]}"
            raise RecipeError(what, where=where, hint="change the first one") from None
        raise _no_toml(text, str(error), where) from None
    except RecursionError:
        raise RecipeError("tables or arrays are nested too deep", where=where) from None
    except ValueError as error:  # an integer of thousands of digits
        raise RecipeError(f"not valid TOML: {error}", where=where) from None
    for count, (path, problem) in enumerate(_problems(table, "", 0)):
        if problem:
            raise RecipeError(f"{path}: {problem}", where=where)
        if count == MAX_VALUES:
            raise RecipeError(f"the file has more than {MAX_VALUES:,} values", where=where)
    return table


#: Slips of people who write TOML for the first time: words of the parser's message, what the line
#: has from the place that it names (or before it), and what to do.
_SLIPS = (
    ("Unescaped|hex", "", "write / in paths, or put the text between single quotes"),
    ("Invalid value", "(?i)(true|false)", "true and false are in small letters"),
    ("Invalid value", "", "a text is in quotes, a boolean is true or false, and nothing is null"),
    ("newline or end", r",\d", "write a decimal with a point"),
    ("", "//", "a comment begins with #"),
    ("Expected '='", r"\s*:", "write key = value; a recipe is TOML and no YAML"),
    ("Cannot overwrite", "", "the key is there twice: remove one"),
    ("Unterminated|at end of document", "", "a quote or a bracket is not closed"),
)


def _no_toml(text: str, message: str, where: str) -> RecipeError:
    """Return the error for a text that the parser refused, with the line and what may be meant."""
    at = re.search(r"at line (\d+), column (\d+)", message)
    line = text.split("\n")[int(at[1]) - 1] if at else ""  # as the parser counts them
    rest = line[int(at[2]) - 1 :] if at else ""
    if text.lstrip().startswith("{"):
        hint: str | None = "a recipe is TOML and no JSON: write key = value, each on its own line"
    elif rest and not (rest[0].isascii() and rest[0].isprintable()):
        name = unicodedata.name(rest[0], "a control character")
        hint = f"outside of quotes and comments TOML is ASCII; here is U+{ord(rest[0]):04X}, {name}"
    else:
        slips = (
            s for words, start, s in _SLIPS if re.search(words, message) and re.match(start, rest)
        )
        hint = next(slips, None)
    shown = f": {line.strip()[:60]}" if line.strip() else ""
    return RecipeError(f"not valid TOML: {message}{shown}", where=where, hint=hint)


#: A key that needs no quotes in TOML.
_PLAIN_KEY = re.compile(r"[\w-]+", re.ASCII)


def _problems(value: object, path: str, depth: int) -> Iterator[tuple[str, str]]:
    """Yield the path of each value, with what is wrong with it."""
    if depth > MAX_DEPTH:
        yield path, f"nested deeper than {MAX_DEPTH}"
    elif isinstance(value, dict):
        for key, each in value.items():
            yield path, "a key has a NUL character" if "\0" in key else ""
            step = key if _PLAIN_KEY.fullmatch(key) else repr(key)
            yield from _problems(each, f"{path}.{step}" if path else step, depth + 1)
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from _problems(each, f"{path}.{number}", depth + 1)
    elif isinstance(value, float):
        yield path, "" if math.isfinite(value) else f"{value} is no number that can be used"
    elif isinstance(value, int):
        yield path, "" if -(1 << 63) <= value < 1 << 64 else "an integer has at most 64 bits"
    elif isinstance(value, str):
        long = f"longer than {MAX_TEXT:,} characters" if len(value) > MAX_TEXT else ""
        yield path, "a text has no NUL character" if "\0" in value else long
    else:
        yield path, "no key takes a date or a time; write it as a string"


#: Problems that one error names; what is behind them is counted.
_MOST_PROBLEMS = 3


def read_section(
    model: type[AnySection],
    table: Mapping[str, object],
    *,
    where: str,
    root: str | None = None,
    hints: Mapping[str, str] | None = None,
) -> AnySection:
    """Read a table as a model; raise RecipeError with all problems, each with its path.

    ``root`` is the path of the table in its file, ``hints`` are for keys that are often looked for
    there. The model library reads ``"120"`` as a number; a number in quotes is refused here,
    because the same slip in another key would make a text of it.
    """
    try:
        section = model.model_validate(table, context=where)
    except ValidationError as error:
        lines = [_sentence(problem, model, root, hints or {}) for problem in error.errors()]
    else:
        lines = [*quoted(root, table, section)]
    if len(lines) > _MOST_PROBLEMS:
        lines[_MOST_PROBLEMS:] = [f"and {len(lines) - _MOST_PROBLEMS} more"]
    if lines:
        raise RecipeError("; ".join(lines), where=where)
    return section


def _sentence(
    problem: ErrorDetails, model: type[BaseModel], root: str | None, hints: Mapping[str, str]
) -> str:
    path = ".".join(str(part) for part in (root, *problem["loc"]) if part is not None)
    if problem["type"] == "extra_forbidden":
        *place, key = map(str, problem["loc"])
        hint = hints.get(key) or nearest(key, _section_at(model, place).model_fields)
        return f"unknown key '{path}': {hint}"
    return wrong_value(path, problem)


#: What a key wants, by the first word of the model library's types of errors.
_WANTED = {
    "bool": "true or false, without quotes",
    "int": "a whole number, without quotes",
    "float": "a number, without quotes",
    "string": "a text in quotes",
    "tuple": "a list in brackets",
    "list": "a list in brackets",
    "dict": "a table",
    "model": "a table",
}


def wrong_value(path: str, problem: ErrorDetails) -> str:
    """Return a problem of the model library with one value as a sentence."""
    kind, _, which = problem["type"].partition("_")
    given, key = problem["input"], path.rpartition(".")[2]
    if kind in _WANTED and which in ("type", "parsing", "from_float"):
        shown = _as_toml(given)
        place, _, last = path.rpartition(".")
        if kind == "string" and isinstance(given, int | float):
            shown += f": write {key} = {_as_toml(shown)}"
        elif kind in ("int", "float") and isinstance(given, str) and (meant := _number(given)):
            shown += f": write {key} = {meant}"
        elif kind in ("tuple", "list") and isinstance(given, str | int | float):
            shown += f": write {key} = [{shown}]"
        elif kind in ("tuple", "list") and isinstance(given, dict):
            shown += f": write [[{path}]] for each"
        elif kind in ("dict", "model"):
            shown += f": write {f'[[{place}]]' if last.isdecimal() else f'[{path}]'}"
            shown += f" or [{path}.NAME]" if kind == "dict" else ""
        return f"{path} is {_WANTED[kind]}, not {shown}"
    if problem["type"] == "string_pattern_mismatch":
        return _wrong_name(path, str(given), problem)
    if problem["type"] == "missing":
        return f"{path} is missing"
    message = problem["msg"].removeprefix("Value error, ")
    return f"{path}: {message.replace('Input should', 'the value should')}"


def _wrong_name(path: str, given: str, problem: ErrorDetails) -> str:
    """Return what a name, or a name in a table, may be made of, and one like it."""
    pattern = problem["ctx"]["pattern"]
    signs = re.findall(r"\[([^\]]*)\]", pattern)[-1]
    gap = "-" if signs.endswith("-") else "_"
    meant = re.sub(rf"[^{signs}]+", gap, given if "A" in signs else given.lower()).strip("-_")[:40]
    if problem["loc"][-1] == "[key]":
        path = f"a name in {path.removesuffix('.[key]').removesuffix(f'.{given}')}"
        hint = f": write {meant}" if meant else ""
    else:
        hint = f": write {path.rpartition('.')[2]} = {_as_toml(meant)}" if meant else ""
    allowed = [sign for sign in ("A-Z", "a-z", "0-9", "_", "-") if sign in signs]
    begins = ", and begins with a letter" if pattern.startswith("^[a-z][") else ""
    return f"{path} has {', '.join(allowed[:-1])} and {allowed[-1]} alone{begins}{hint}"


#: What stands behind a number that people write in quotes, and the number that it multiplies by.
_UNITS = {"": 1, "%": 0.01, "k": 10**3, "m": 10**6, "g": 10**9, "b": 10**9, "t": 10**12}


def _number(given: str) -> str | None:
    """Return a number with a unit or a decimal comma as TOML has it; None where it is none.

    >>> [_number(given) for given in ("80%", "10B", "128 MB", "1 GiB", "0,8", "high")]
    ['0.8', '10_000_000_000', '128_000_000', '1_073_741_824', '0.8', None]
    """
    found = re.fullmatch(
        r"(\d{1,15}(?:[.,]\d{1,6})?)\s*(%|[kmgtb]?)(i?)(b?)", given.strip().lower()
    )
    if not found:
        return None
    times = 1024 ** "kmgt".index(found[2]) * 1024 if found[3] and found[2] in "kmgt" else 0
    number = round(float(found[1].replace(",", ".")) * (times or _UNITS[found[2]]), 8)
    return f"{int(number):_}" if number == int(number) else str(number)


def quoted(path: str | None, given: object, read: object) -> Iterator[str]:
    """Yield a sentence for each value that was read as a number or boolean, and is none."""
    if isinstance(given, dict):
        for key, value in given.items():
            found = read.get(key) if isinstance(read, dict) else getattr(read, key, None)
            yield from quoted(key if path is None else f"{path}.{key}", value, found)
    elif isinstance(given, list | tuple) and isinstance(read, list | tuple):
        for number, (value, found) in enumerate(zip(given, read, strict=False)):
            yield from quoted(f"{path}.{number}", value, found)
    elif isinstance(read, bool | int | float) and (
        isinstance(given, str) or isinstance(given, bool) != isinstance(read, bool)
    ):
        wanted = _WANTED["bool" if isinstance(read, bool) else "float"]
        key = str(path).rpartition(".")[2]
        hint = ""
        if not isinstance(given, bool):
            written = given.strip() if isinstance(given, str) and given.isascii() else read
            hint = f": write {key} = {_as_toml(read) if isinstance(read, bool) else written}"
        yield f"{path} is {wanted}, not {_as_toml(given)}{hint}"


def _as_toml(value: object) -> str:
    """Return a value of TOML as it is written, cut where it is long."""
    if isinstance(value, dict):
        return "a table"
    shown = json.dumps(value, ensure_ascii=False, default=str)
    return shown if len(shown) <= 60 else shown[:60] + "…"


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
