"""What a reader sees of a template, where that is known without the wiki's own templates.

Some templates mean the same in most wikis (``templates.toml``), and MediaWiki's own functions in
all. The others have words that the dump does not show: they leave a hole.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

from curate.sources.wiki.holes import BLOCK, GAP, HOLE
from curate.sources.wiki.names import Names, key

#: A bar that ends no value of a template, since a template wrote it.
BAR = "\x04"
#: Longer calls are not looked into: many of them within each other would take square time.
_LONGEST = 5000
_LONGEST_NAME = 100

_Arguments = Mapping[str, str]
_NUMBER = re.compile(r"[+−-]?[\d.,  ]*\d(?:/\d+)?\Z")
_CODE = re.compile(r"[a-z]{2,3}(?:-[a-z]{2,8}){0,2}\Z")
_FUNCTION = re.compile(r"(#?[^\s:|#][^:|\n]{0,60}):")
_LANGUAGE_NAMES = re.compile(r"lang-[a-z]{2,3}(?:-[a-z]{2,8}|2)?\Z")
_ICON = re.compile(r"(?:[a-z]{2,3} icon|icon-[a-z]{2,3})\Z")
#: Templates of French wikis whose name is what they show.
_FRENCH_ORDINAL = re.compile(
    r"(?:[IVXLC]+|\d+)(?:er|re|e)(?: siècle(?: av\. J\.-C\.)?)?\Z|(?:av|apr)\. J\.-C\.\Z"
)
#: Named values of forms that nothing of what is shown depends on.
_SILENT = {"catIdx", "catidx", "key", "sort"}
#: Of texts that consist of these a template's values are numbers or styles.
_IDLE = " \u00a0\u2009\u200a–—·•\u200b\u200c\u200d\u00ad"
#: Names of signs that are put between the template's values.
_JOINTS = ("shy", "wbr", "zwsp", "zwj", "zwnj")
_LINK_TO = re.compile(r"(?:link-|internal link helper/)[a-z]{2,3}\Z")
#: Units of {{convert}} as its readers see them in abbreviated form.
_SHOWN_UNITS = """
m km cm mm nm km2 m2 cm2 mm2 km3 m3 cm3 km² m² ha a g kg mg t L l mL ml cL dL hL kW MW GW W V kV A
Hz kHz MHz GHz K Pa kPa MPa hPa bar J kJ MJ kWh N kN s h d min km/h m/s ft in mi yd lb oz mph acre
acres kn nmi ac hp psi °C °F C=°C F=°F µm μm um=μm sqkm=km2 sqm=m2 kmh=km/h kph=km/h ms=m/s ft/s
kg/m3 g/cm3 /km2 /sqkm=/km2 m3/s miles=mi mile=mi metre=m foot=ft inch=in
"""
_UNITS = {unit.partition("=")[0]: unit.rpartition("=")[2] for unit in _SHOWN_UNITS.split()}
_UNITS |= {"sqmi": "sq mi", "sqft": "sq ft", "mi2": "sq mi", "ft2": "sq ft"}
_MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July", "August"),
    *("September", "October", "November", "December"),
)
_RANGES = {
    "-": "–",
    "–": "–",
    "to": " to ",
    "and": " and ",
    "or": " or ",
    "x": " × ",
    "×": " × ",
    "by": " × ",
    "to(-)": "–",
    "&": " & ",
    "and(-)": "–",
    "+/-": " ± ",
    "±": " ± ",
}


class _Known(NamedTuple):
    texts: Mapping[str, str]  #: of calls without values; what they are by name
    words: Mapping[str, Mapping[str, str]]  #: the same by language
    shown: Mapping[str, str]  #: which of the values are shown
    forms: Mapping[str, Mapping[str, list[str]]]  #: what is shown by number of values, by language


@cache
def _known() -> _Known:
    table = tomllib.loads(Path(__file__).with_name("templates.toml").read_text(encoding="utf-8"))
    shown = {name: which for which, names in table["shown"].items() for name in names}
    shown |= {name: "hidden" for names in table["hidden"].values() for name in names}
    texts = {name: protected(text) for name, text in table["text"].items()}
    return _Known(texts, table["words"], shown, table["languages"])


def protected(text: str) -> str:
    """Return a text as entities where it would be markup: bars, equals signs, apostrophes."""
    if "\n" in text:
        text = " ".join(text.split())
    return text.replace("|", "&#124;").replace("=", "&#61;").replace("'", "&#39;")


def shown(content: str, names: Names, title: str) -> str:
    """Return what a reader sees of ``{{content}}``, or the sign of what is missing.

    Templates and links in ``content`` are already text. HOLE: words that are not known. BLOCK: the
    same, in several lines. GAP: nothing is missing.
    """
    missing = BLOCK if "\n" in content else HOLE
    name = key(content[: _LONGEST_NAME + 50].partition("|")[0])
    if not name or len(name) > _LONGEST_NAME:
        return missing
    if function := _FUNCTION.match(name):
        prefix = function[1].strip()
        if names.namespace(prefix) == 10 or prefix in ("subst", "safesubst", "msgnw", "msg"):
            name = name[function.end() :].strip()
        elif len(content) > _LONGEST:
            return missing
        else:
            return _function(content, names, missing)
    texts, words, which, languages = _known()
    if "|" not in content:
        text = words.get(names.language, {}).get(name, texts.get(name))
        if text is not None:
            return text
    elif name in _JOINTS and len(content) <= _LONGEST:
        return texts[name].join(_unnamed(_arguments(content)).values())
    elif name in texts and not texts[name].strip(_IDLE):
        return texts[name]
    if (forms := languages.get(names.language, {}).get(name)) and len(content) <= _LONGEST:
        return _form(forms, _arguments(content)) or missing
    if names.language == "fr" and _FRENCH_ORDINAL.match(content):
        return content
    how = which.get(name) or _named(name)
    if _ICON.match(name) or (how is None and which.get(name.partition("/")[0]) == "hidden"):
        how = "hidden"
    if name == "as of" and names.language == "en":
        how = _as_of
    if how == "hidden":
        return GAP
    if how is None:
        word = names.words.get(content.strip().replace("_", " "))
        return protected(title) if word == "pagename" and title else missing
    if len(content) > _LONGEST:
        return missing
    text = how(_arguments(content)) if callable(how) else _value(how, _arguments(content))
    return missing if text is None else text


def _arguments(content: str) -> dict[str, str]:
    """Return the values of a call by name, those without a name by their number from "1"."""
    arguments: dict[str, str] = {}
    number = 0
    for part in content.split("|")[1:]:
        name, equals, value = part.partition("=")
        if equals:
            arguments[name.strip()] = value.strip()
        else:
            number += 1
            arguments[str(number)] = part.strip()
    return arguments


def _value(how: str, arguments: _Arguments) -> str | None:
    if how == "first":
        return arguments.get("1", arguments.get("text"))
    if how == "marked":
        return arguments.get("1", arguments.get("text", GAP))
    if how == "marked_words":
        return words if re.search(r"[^\W\d_]", words := arguments.get("1", "")) else GAP
    if how == "second":
        return arguments.get("2", arguments.get("text", arguments.get("texte")))
    if how == "last":
        numbers = [name for name in arguments if name.isdecimal()]
        return arguments[max(numbers, key=int)] if numbers else None
    text = arguments.get("text", arguments.get("quote", arguments.get("1")))
    return f"\n{text}\n" if text is not None else None  # block


def _unnamed(arguments: _Arguments) -> dict[str, str]:
    return {name: value for name, value in arguments.items() if name.isdecimal()}


def _form(forms: list[str], arguments: _Arguments) -> str | None:
    """Return the form for this number of values, filled in."""
    values = {f"{{{name}}}": value for name, value in _unnamed(arguments).items()}
    if not 0 < len(values) <= len(forms) or not arguments.keys() - _unnamed(arguments) <= _SILENT:
        return None
    return re.sub(r"\{\d\}", lambda place: values.get(place.group(), ""), forms[len(values) - 1])


def _named(name: str) -> Callable[[_Arguments], str | None] | None:
    if _LANGUAGE_NAMES.match(name):
        return lambda arguments: arguments.get("1", arguments.get("text"))
    if _LINK_TO.match(name):
        return lambda arguments: arguments.get("3") or arguments.get("1")
    return _SPECIAL.get(name)


def _convert(arguments: _Arguments) -> str | None:
    """Return the quantity as it was written, with its unit: 682 km2, 5–10 km, 5 ft 6 in."""
    pieces: list[str] = []
    position = 1
    while _NUMBER.match(number := arguments.get(str(position), "")):
        after = arguments.get(str(position + 1), "")
        if after in _RANGES:
            pieces.append(number + _RANGES[after])
        elif after in _UNITS:
            space = "" if _UNITS[after].startswith("/") else " "
            pieces.append(f"{number}{space}{_UNITS[after]}")
            following = arguments.get(str(position + 2), "")
            if not (_NUMBER.match(following) and arguments.get(str(position + 3)) in _UNITS):
                return "".join(pieces)
            pieces.append(" ")
        else:
            return None
        position += 2
    return None


def _as_of(arguments: _Arguments) -> str | None:
    if not set(arguments) <= {"1", "2", "3", "lc", "since", "df", "url", "bare"}:
        return None
    year, month, day = (arguments.get(n, "") for n in "123")
    if not year.isdecimal() or "since" in arguments or "bare" in arguments:
        return None
    if month.isdecimal() and 1 <= int(month) <= 12:
        month = _MONTHS[int(month) - 1]
    start = "as of" if arguments.get("lc") else "As of"
    return " ".join(filter(None, (start, day, month, year)))


def _val(arguments: _Arguments) -> str | None:
    if not set(arguments) <= {"1", "2", "u", "ul", "fmt"} or "1" not in arguments:
        return None
    unit = arguments.get("u") or arguments.get("ul")
    text = arguments["1"] + ("±" + arguments["2"] if arguments.get("2") else "")
    return f"{text} {unit}" if unit else text


def _fraction(arguments: _Arguments) -> str | None:
    match [arguments[n] for n in "123" if n in arguments]:
        case [below]:
            return f"1/{below}"
        case [above, below]:
            return f"{above}/{below}"
        case [whole, above, below]:
            return f"{whole} {above}/{below}"
    return None


def _nihongo(arguments: _Arguments) -> str | None:
    if not arguments.get("1"):
        return None
    more = ", ".join(filter(None, (arguments.get(n) for n in "234")))
    return f"{arguments['1']} ({more})" if more else arguments["1"]


def _furigana(arguments: _Arguments) -> str | None:
    if "1" not in arguments or "2" not in arguments:
        return None
    return f"{arguments['1']}（{arguments['2']}）"


def _link(arguments: _Arguments) -> str | None:
    """Return the label of a link to another language's article; old calls begin with its code."""
    first = arguments.get("1", "")
    label = arguments.get("lt") or arguments.get("label") or arguments.get("text")
    return label or (arguments.get("2") if _CODE.match(first) else first) or None


def _link_ru(arguments: _Arguments) -> str | None:
    found = map(arguments.get, ("текст", "2", "надо", "треба", "1"))
    return next(filter(None, found), None)


def _link_fr(arguments: _Arguments) -> str | None:
    return next(filter(None, map(arguments.get, ("texte", "fr", "1", "trad"))), None)


def _country(arguments: _Arguments) -> str | None:
    """Return a country's name; a code stands for one that the call does not have."""
    name = arguments.get("1", "")
    return None if len(name) < 4 and name.isupper() else name or None


_SPECIAL: dict[str, Callable[[_Arguments], str | None]] = {
    "convert": _convert,
    "cvt": _convert,
    "val": _val,
    **dict.fromkeys(("frac", "fraction", "sfrac"), _fraction),
    **dict.fromkeys(("nihongo", "nihongo krt"), _nihongo),
    **dict.fromkeys(("読み仮名", "ふりがな", "読み仮名 ruby不使用"), _furigana),
    **dict.fromkeys(("ill", "interlanguage link", "link-interwiki", "仮リンク"), _link),
    **dict.fromkeys(("нп", "нп2", "нп3", "нп4", "нп5", "iw", "не переведено"), _link_ru),
    **dict.fromkeys(("не переведено 2", "не переведено 3", "не переведено 4"), _link_ru),
    **dict.fromkeys(("не переведено 5", "не перекладено"), _link_ru),
    "tsl": lambda arguments: arguments.get("4") or arguments.get("3") or arguments.get("2"),
    **dict.fromkeys(("flag", "flagu", "flagcountry"), _country),
    "lien": _link_fr,
    "url": lambda arguments: arguments.get("2") or arguments.get("1"),
    "isbn": lambda arguments: f"ISBN {arguments['1']}" if "1" in arguments else None,
    "chem": lambda arguments: "".join(v for n, v in arguments.items() if n.isdecimal()) or None,
}


def _function(content: str, names: Names, missing: str) -> str:
    """Return what a parser function of MediaWiki shows: those that are certain."""
    name, _, rest = content.partition(":")
    name = name.strip().replace("_", " ")
    word = names.words.get(name) or names.words.get(name.lower()) or name.lower()
    values = [value.strip() for value in rest.split("|")]
    first = values[0]
    if word in _CASES:
        return missing if "&" in first else _CASES[word](first)
    if word == "formatnum":
        return first
    if word in ("#if", "#ifeq"):
        conditions = values[: 1 if word == "#if" else 2]
        if HOLE in rest or BLOCK in rest:
            return missing
        holds = bool(first) if word == "#if" else len(set(conditions)) == 1
        branches = [*values[len(conditions) :], "", ""]
        return branches[0 if holds else 1]
    if word == "#tag":
        return GAP if first.lower() in ("ref", "references") else missing
    # Settings of the page are written in capitals: {{DEFAULTSORT:...}}, in the wiki's language.
    is_setting = name.isupper() and name[0] != "#" and not name.startswith(("CURRENT", "NUMBER"))
    return GAP if is_setting else missing


_CASES: dict[str, Callable[[str], str]] = {
    "lc": str.lower,
    "uc": str.upper,
    "lcfirst": lambda text: text[:1].lower() + text[1:],
    "ucfirst": lambda text: text[:1].upper() + text[1:],
}
