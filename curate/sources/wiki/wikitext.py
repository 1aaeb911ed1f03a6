"""Wikitext to plain text: one scan, one stack, linear time on every input, no word of any language.

What a reader of the article sees as prose is kept: paragraphs, headings, list items, the labels of
links. What templates and extensions would render is dropped with them: infoboxes, tables, notes,
formulas, galleries, files, categories. mwparserfromhell is not used because its time grows with the
square of nested brackets; here a bracket that is never closed costs no more than a closed one.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from typing import NamedTuple

#: Canonical namespace names that work in every wiki (with File's old name), to their numbers.
_CANONICAL = {"media": -2, "special": -1, "file": 6, "image": 6, "category": 14}
#: Links into these namespaces show no text: media, files, categories.
_WITHOUT_TEXT = (-2, 6, 14)


def _words(names: str) -> frozenset[str]:
    return frozenset(names.split())


#: Elements whose content is not prose of the page, up to their closing tag.
_OPAQUE = _words(
    "ref references math chem ce gallery imagemap timeline score hiero graph templatedata "
    "mapframe maplink syntaxhighlight source templatestyles inputbox includeonly indicator "
    "categorytree"
)
#: Elements whose tags are dropped and whose content is kept. Other words between < and > are text.
_TAGS = _words(
    "abbr b bdi bdo big blockquote br caption center cite code col colgroup data dd del dfn "
    "div dl dt em font h1 h2 h3 h4 h5 h6 hr i ins kbd li link mark meta noinclude nowiki ol "
    "onlyinclude p poem pre q rb rp rt rtc ruby s samp section small span strike strong sub "
    "sup tbody td tfoot th thead time tr translate tt u ul var wbr"
)
_BREAKS = _words(
    "blockquote br caption center dd div dl dt h1 h2 h3 h4 h5 h6 hr li ol p poem pre td th tr ul"
)

_PROTOCOL = r"(?:(?:https?|ftps?|ircs?|news|gopher|sftp|git)://|//|mailto:)"
# A class of first characters, then what makes each markup: searching the class alone is fast.
_TOKEN = re.compile(
    r"[{}\[\]'<_|\-](?:"
    r"(?<=\{)(?:(?P<braces>\{+)|(?P<open>\|))"
    r"|(?<=\})(?:(?P<ends>\}+)|(?P<unvariant>-))"
    rf"|(?<=\[)(?:(?P<url>\[?){_PROTOCOL}[^\s\]\[<>{{}}\"]*|(?P<link>\[))"
    r"|(?<=\])(?P<unlink>\]*)"
    r"|(?<=')(?P<quotes>'+)"
    r"|(?<=<)(?:(?P<comment>!--)|(?P<slash>/?)(?P<tag>[A-Za-z][A-Za-z0-9]{0,20})(?P<rest>[^<>]*)>)"
    r"|(?<=\|)(?P<close>\})(?!\})"
    r"|(?<=-)(?P<variant>\{)(?!\{)"
    r"|(?<=_)_[^\W\d_]{2,40}(?:_[^\W\d_]{1,40}){0,6}__"
    r")"
)
_CLOSING = {
    name: re.compile(rf"</{name}\s{{0,64}}>", re.IGNORECASE) for name in (*_OPAQUE, "nowiki")
}
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_LANGUAGE = re.compile(
    r"(?:[a-z]{2,3}|simple|be-x-old|roa-rup|[a-z]{2,3}-[a-z]{2,10}(?:-[a-z]{2,6})?)\Z"
)
_MEDIA = re.compile(
    r"\.(?:jpe?g|png|svg|gif|tiff?|webp|xcf|djvu|pdf|og[gva]|webm|mp[34]|wav|flac|midi?)\Z",
    re.IGNORECASE,
)
#: Prefixes of two or three letters of links to other sites, which show their label.
_NOT_LANGUAGES = frozenset(("mw", "doi", "rfc", "bug", "wmf"))

# Traces of a dropped template: "Astana ( ; Russian )", "Astana , the capital".
_SEPARATORS = ",;،、；，"
_EMPTY_BRACKETS = re.compile(
    rf"[ \t]\([\s{_SEPARATORS}]{{0,16}}\)"
    rf"|\(\s{{0,8}}[{_SEPARATORS}][\s{_SEPARATORS}]{{0,16}}\)"
    rf"|（[\s{_SEPARATORS}]{{0,16}}）"
)
_AFTER_BRACKET = re.compile(rf"([(（])[ \t]{{0,8}}[{_SEPARATORS}][ \t{_SEPARATORS}]{{0,16}}")
_BEFORE_MARK = re.compile(r"(?<=\S) (?=[,.،。、](?:\s|\Z))")
_SPACES = re.compile(r"[ \t]{2,}")

#: Links within links within links: files have captions with links; deeper nesting is an attack.
_MAX_LINKS = 8
#: How many brackets of all kinds may be open; a page of nothing else would fill the memory.
_MAX_OPEN = 10_000

_INLINE = ("link", "url", "variant")


class _Frame(NamedTuple):
    kind: str  #: template, table, link, url or variant
    at: int  #: the number of parts of the output when it opened
    width: int  #: how many brackets opened it


def namespaces(names: Mapping[str, int]) -> dict[str, int]:
    """Return a wiki's namespace names with the canonical English ones, normalised for look-up.

    >>> namespaces({"Файл": 6, "Санат": 14})["санат"], namespaces({})["image"]
    (14, 6)
    """
    return _CANONICAL | {
        name.strip().replace("_", " ").casefold(): n for name, n in names.items() if name
    }


_ENGLISH = namespaces({})


def plain_text(wikitext: str, known: Mapping[str, int] = _ENGLISH) -> str:
    """Return the prose of a page's wikitext; "" for a page without prose.

    ``known`` maps lower-case namespace names to numbers, see :func:`namespaces`. A heading has its
    own line and is left out if its section is empty; a list item begins with ``- ``. Brackets that
    are never closed are dropped and their content is kept. Limitations: words that only a template
    would write (numbers with units, names in another script) are missing from sentences, and prose
    that an article keeps in tables is lost.

    >>> plain_text("'''Алматы''' — [[Қазақстан]]ның [[қала|ірі қаласы]].{{дереккөз}}<ref>x</ref>")
    'Алматы — Қазақстанның ірі қаласы.'
    """
    return _tidy(_Scan(wikitext, known).run())


class _Scan:
    """The state of one scan: the output so far and the brackets that are open."""

    def __init__(self, text: str, known: Mapping[str, int]) -> None:
        self.text, self.known = text, known
        self.out: list[str] = []
        self.frames: list[_Frame] = []
        self.templates = self.links = 0
        self.unclosed: set[str] = set()  #: elements that are not closed in the rest of the page

    def run(self) -> str:
        at, end = 0, len(self.text)
        while token := _TOKEN.search(self.text, at):
            if token.start() > at:
                self.out.append(self.text[at : token.start()])
            at = self._step(token)
            if at >= end:
                break
        self.out.append(self.text[at:])
        return "".join(self.out)

    def _step(self, token: re.Match[str]) -> int:
        """Process one token; return the place where the scan continues."""
        start, end = token.span()
        kind = token.lastgroup
        if kind == "quotes":
            run = end - start
            self.out.append("'" * (1 if run == 4 else max(0, run - 5)))
        elif kind == "link":
            self._push_inline("link", 2)
        elif kind == "unlink":
            self._close_links(end - start)
        elif kind == "braces":
            self._open_templates(end - start)
        elif kind == "ends":
            self._close_templates(end - start)
        elif kind == "url":
            self._push_inline("url", 1 + len(token["url"]))
        elif kind == "open":
            if not self._begins_line(start):
                self.out.append("{|")
            else:
                self._push("table", 2)
        elif kind == "close":
            if self._begins_line(start):
                self._close_table()
            else:
                self.out.append("|")
                return start + 1
        elif kind == "comment":
            close = self.text.find("-->", end)
            return len(self.text) if close < 0 else close + 3
        elif kind == "rest":
            return self._tag(token)
        elif kind == "variant":
            self._push_inline("variant", 2)
        elif kind == "unvariant":
            self._close_variant()
        elif token.group() != token.group().upper():  # magic words have no lower-case letters
            self.out.append(token.group())
        return end

    def _begins_line(self, at: int) -> bool:
        before = self.text[max(0, at - 32) : at].rstrip(" \t:*#;")
        return before.endswith("\n") or (not before and at <= 32)

    def _push(self, kind: str, width: int) -> None:
        if len(self.frames) >= _MAX_OPEN:
            return
        self.frames.append(_Frame(kind, len(self.out), width))
        self.templates += kind == "template"
        self.links += kind in _INLINE

    def _pop(self) -> _Frame:
        frame = self.frames.pop()
        self.templates -= frame.kind == "template"
        self.links -= frame.kind in _INLINE
        return frame

    def _pop_inline(self) -> None:
        while self.frames and self.frames[-1].kind in _INLINE:
            self._pop()

    def _push_inline(self, kind: str, width: int) -> None:
        if self.links >= _MAX_LINKS:
            self._pop_inline()
        self._push(kind, width)

    def _open_templates(self, braces: int) -> None:
        while braces >= 2:
            width = 3 if braces == 3 else 2
            self._push("template", width)
            braces -= width

    def _close_templates(self, braces: int) -> None:
        while braces >= 2 and self.templates:
            frame = self._pop()
            while frame.kind != "template":
                frame = self._pop()
            del self.out[frame.at :]
            braces -= min(frame.width, braces)
        if braces == 1:
            self.out.append("}")

    def _close_table(self) -> None:
        self._pop_inline()
        if self.frames and self.frames[-1].kind == "table":
            del self.out[self._pop().at :]

    def _close_links(self, brackets: int) -> None:
        while brackets:
            kind = self.frames[-1].kind if self.frames else ""
            if kind == "url":
                frame = self._pop()
                content = self._written_since(frame)
                if "\n" in content:
                    self.out.append(content)  # an address ends with its line: this is none
                else:
                    self.out.append(content.strip())
                    brackets -= min(frame.width, brackets)
            elif kind == "link" and brackets >= 2:
                self.out.append(self._label(self._written_since(self._pop())))
                brackets -= 2
            else:
                self.out.append("]" * brackets)
                return

    def _close_variant(self) -> None:
        if self.frames and self.frames[-1].kind == "variant":
            self.out.append(_variant(self._written_since(self._pop())))
        else:
            self.out.append("}-")

    def _written_since(self, frame: _Frame) -> str:
        content = "".join(self.out[frame.at :])
        del self.out[frame.at :]
        return content

    def _label(self, content: str) -> str:
        """Return what a link shows: its label, its target, or nothing."""
        target, pipe, label = content.partition("|")
        if "\n" in target:
            return content
        target = target.strip()
        prefix, colon, _ = target.partition(":")
        prefix = prefix.strip()
        if colon and prefix:  # a leading colon shows what would be hidden
            if _MEDIA.search(target[-6:]):  # older names of the file namespace are not in the dump
                return ""
            number = self.known.get(prefix.replace("_", " ").casefold())
            if number in _WITHOUT_TEXT:
                return ""
            if number is None and _LANGUAGE.match(prefix) and prefix not in _NOT_LANGUAGES:
                return ""
        return label.strip() or target.lstrip(":#").strip() if pipe else target.lstrip(":#").strip()

    def _tag(self, token: re.Match[str]) -> int:
        end, name = token.end(), token["tag"].lower()
        if name == "table":
            if token["slash"]:
                self._close_table()
            else:
                self._push("table", 0)
        elif name in _CLOSING:
            if token["slash"] or token["rest"].endswith("/") or name in self.unclosed:
                return end
            close = _CLOSING[name].search(self.text, end)
            if close is None:
                self.unclosed.add(name)  # searched once, or many of them would take square time
                return end
            if name == "nowiki":
                self.out.append(self.text[end : close.start()])
            return close.end()
        elif name in _BREAKS:
            self.out.append("\n")
        elif name not in _TAGS:
            self.out.append("<")
            return token.start() + 1
        return end


def _variant(content: str) -> str:
    """Return the first text of a language converter: 软件 of ``-{zh-hans:软件; zh-hant:軟體}-``."""
    flags, pipe, rest = content.partition("|")
    if pipe and flags.strip().isascii() and len(flags) <= 16:
        if flags.strip() in ("H", "T", "-"):  # rules for the rest of the page show no text
            return ""
        content = rest
    first = content.split(";", 1)[0]
    code, colon, text = first.partition(":")
    return text.strip() if colon and _LANGUAGE.match(code.strip()) else content


def _tidy(text: str) -> str:
    """Decode entities, remove traces of dropped markup, and format headings, lists, blank lines."""
    text = _ENTITY.sub(lambda entity: html.unescape(entity.group()), text)
    text = _SPACES.sub(" ", text)
    text = _EMPTY_BRACKETS.sub("", text)
    text = _AFTER_BRACKET.sub(r"\1", text)
    text = _BEFORE_MARK.sub("", text)
    lines: list[str] = []
    headings: list[tuple[int, str]] = []  # written only before the first line below them
    for line in text.split("\n"):
        line = line.strip()
        if len(line) > 2 and line[0] == line[-1] == "=":
            title = line.strip("=").strip()
            level = min(len(line) - len(line.lstrip("=")), len(line) - len(line.rstrip("=")))
            while headings and headings[-1][0] >= level:
                headings.pop()
            if title:
                headings.append((level, title))
            continue
        line = _body(line)
        if not line:
            if lines and lines[-1]:
                lines.append("")
            continue
        for _, title in headings:
            if lines and lines[-1]:
                lines.append("")
            lines.append(title)
        headings.clear()
        lines.append(line)
    return "\n".join(lines).strip()


def _body(line: str) -> str:
    """Return a line without its leading marks; an item of a list begins with ``- ``."""
    if line.startswith("|"):  # a row of a table or template that was never closed
        return ""
    if line.startswith("----"):
        return line.lstrip("-").strip()
    body = line.lstrip("*#:; ")
    marks = line[: len(line) - len(body)].rstrip()
    return f"- {body}" if body and marks[-1:] in ("*", "#") else body
