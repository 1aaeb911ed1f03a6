"""Write ``curate/sources/wiki/namespaces.toml``: what MediaWiki calls namespaces and magic words.

The names are facts of MediaWiki's ``languages/messages/Messages*.php`` (Debian's package
``mediawiki`` has them): names, aliases, the forms of User by gender, fallback languages, and the
words of a few parser functions. Run:
``python -m tests.generate.wiki_namespaces /usr/share/mediawiki/languages/messages 1.39.17``
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from curate.sources.wiki import names

#: MediaWiki's constants, to the keys of the table.
_NAMESPACES = {f"NS_{name.upper()}": name for name in names.NUMBERS} | {"NS_IMAGE": "file"}
_WORDS = names.WORDS
_COMMENT = re.compile(r"^\s*(?:#|//)[^\n]*|/\*.*?\*/", re.MULTILINE | re.DOTALL)
_STRING = r"""(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)")"""
_HEAD = """\
# What MediaWiki calls namespaces, and the words of a few parser functions, by language: its own
# names, then aliases and forms by gender. Facts of languages/messages/Messages*.php of MediaWiki
# {version}. Written by `python -m tests.generate.wiki_namespaces`; do not edit.
"""


def _block(source: str, variable: str) -> str:
    found = re.search(rf"^\${variable}\s*=\s*(?:\[|array\()(.*?)^\s*[\])];", source, re.M | re.S)
    return _COMMENT.sub("", found[1]) if found else ""


def _clean(groups: tuple[str, ...]) -> str:
    text = next(filter(None, groups), "").replace("\\'", "'")
    text = re.sub(r"\\u\{([0-9A-Fa-f]+)\}", lambda m: chr(int(m[1], 16)), text)
    return text.replace("_", " ").strip()


def language(source: str) -> dict[str, list[str]]:
    """Return the facts of one file: fallback languages, and names by key of the table."""
    source = source.replace("\r", "")
    facts: dict[str, list[str]] = {}
    if found := re.search(r"^\$fallback\s*=\s*'([^']*)'", source, re.MULTILINE):
        facts["fallback"] = [code.strip() for code in found[1].split(",")]
    pairs = re.findall(rf"\b(NS_\w+)\s*=>\s*{_STRING}", _block(source, "namespaceNames"))
    aliases = re.findall(rf"{_STRING}\s*=>\s*(NS_\w+)", _block(source, "namespaceAliases"))
    found_names = [(constant, _clean(text)) for constant, *text in pairs]
    found_names += [(constant, _clean(tuple(text))) for *text, constant in aliases]
    genders = _block(source, "namespaceGenderAliases")
    for constant, forms in re.findall(r"(NS_\w+)\s*=>\s*(?:\[|array\()([^\])]*)", genders):
        found_names += [(constant, _clean(text)) for text in re.findall(rf"=>\s*{_STRING}", forms)]
    for constant, name in found_names:
        if (key := _NAMESPACES.get(constant)) and name:
            facts.setdefault(key, []).append(name)
    words = _block(source, "magicWords")
    for key in _WORDS:
        if found := re.search(rf"'{key}'\s*=>\s*(?:\[|array\()\s*(.*?)[\])],", words, re.DOTALL):
            texts = [_clean(text).rstrip(":") for text in re.findall(_STRING, found[1])]
            facts.setdefault(key, []).extend(text for text in texts if text and text not in "01")
    return {key: list(dict.fromkeys(values)) for key, values in facts.items()}


def main(folder: Path, version: str) -> str:
    """Return the table's text."""
    lines = [_HEAD.format(version=version)]
    for path in sorted(folder.glob("Messages*.php")):
        code = path.stem.removeprefix("Messages").lower().replace("_", "-")
        facts = language(path.read_text())
        if facts and code != "en":
            lines.append(f"[{code}]")
            for key, values in facts.items():
                quoted = ", ".join(
                    '"' + v.replace("\\", r"\\").replace('"', r"\"") + '"' for v in values
                )
                lines.append(f"{key} = [{quoted}]")
            lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    table = main(Path(sys.argv[1]), sys.argv[2])
    Path(names.__file__).with_name("namespaces.toml").write_text(table)
