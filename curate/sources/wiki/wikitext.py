"""Wikitext to plain text: one scan, one stack, linear time on every input.

What a reader of the article sees as prose is kept: paragraphs, headings, list items, the labels of
links, formulas as their TeX, and what a few templates show. What other templates and extensions
would render is dropped with them: infoboxes, tables, notes, galleries, files, categories; where
such a template stood in a sentence, the sentence goes (:mod:`curate.sources.wiki.holes`).
mwparserfromhell is not used because its time grows with the square of nested brackets; here a
bracket that is never closed costs no more than a closed one.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from typing import NamedTuple

from curate.sources.raised import NUMBER, lowered, raised
from curate.sources.wiki import names as wiki_names
from curate.sources.wiki import templates
from curate.sources.wiki.holes import BLOCK, GAP, HOLE, without_holes, without_notices
from curate.sources.wiki.names import Names
from curate.sources.wiki.quotes import without_quotes
from curate.sources.wiki.templates import BAR, protected

#: Links into these namespaces show no text: media, files, categories.
_WITHOUT_TEXT = (-2, 6, 14)


def _words(names: str) -> frozenset[str]:
    return frozenset(names.split())


#: Elements that show nothing in their sentence, or something beside the text, to their closing tag.
_HIDDEN = _words(
    "ref references gallery imagemap templatedata templatestyles inputbox includeonly indicator "
    "tabbernav categorytree rp rt rtc seo embedvideo youtube"
)
#: Elements that show what no text can: alone they cost nothing, in a sentence they leave a hole.
_NOT_TEXT = _words(
    "score timeline hiero graph chart mapframe maplink pages dynamicpagelist dpl abc quiz rss"
)
#: Elements whose content is shown as it is, without markup; a formula as its TeX.
_LITERAL = _words("nowiki pre math chem ce")
#: Code: a block of it is no prose, a word of it in a sentence is.
_CODE = _words("syntaxhighlight source")
#: Elements whose content is more wikitext in parts.
_PARTS = _words("tabber")
_OPAQUE = _HIDDEN | _NOT_TEXT | _LITERAL | _CODE | _PARTS
#: Elements whose tags are dropped and whose content is kept. Other words between < and > are text.
_TAGS = _words(
    "abbr b bdi bdo big blockquote br caption center cite code col colgroup data dd del dfn "
    "div dl dt em font h1 h2 h3 h4 h5 h6 hr i ins kbd langconvert languages li link mark meta "
    "noinclude ol onlyinclude p phonos poem q rb ruby s samp section small span strike strong "
    "sub sup tab tabs tbody td tfoot th thead time tr translate tt tvar u ul var wbr"
)
_BREAKS = _words(
    "blockquote br caption center dd div dl dt h1 h2 h3 h4 h5 h6 hr li ol p poem pre tab table td "
    "th tr ul"
)
_LEVELS = {
    name: re.compile(rf"[ \n]?((?:&minus;|&ndash;)?(?:{NUMBER}))[ \n]?</{name}>", re.I)
    for name in ("sup", "sub")
}
_ATTRIBUTE = re.compile(r"""\btext\s{0,4}=\s{0,4}(?:"([^"]{1,200})"|'([^']{1,200})')""")

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
    # Letters, and the marks of scripts that write vowels as marks.
    r"|(?<=_)_[^\W\d_][^\x00-@\[-`{-\xbf\u2000-\u206f\s]{1,39}"
    r"(?:_[^\x00-@\[-`{-\xbf\u2000-\u206f\s]{1,40}){0,6}__"
    r")"
)
#: The rest of a link without other markup than emphasis.
_SIMPLE_LINK = re.compile(r"([^\[\]{}<>\n]*)\]\]")
_CLOSING = {name: re.compile(rf"</{name}\s{{0,64}}>", re.IGNORECASE) for name in _OPAQUE}
#: Readings may have no closing tag.
_CLOSING |= {
    name: re.compile(rf"</{name}\s{{0,64}}>|(?=<(?:r[bpt]|rtc|/ruby)\b)", re.IGNORECASE)
    for name in ("rt", "rp")
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
_NOT_LANGUAGES = frozenset(("mw", "doi", "rfc", "bug", "wmf", "voy", "rev"))
#: Magic words in English, which count in any case; others have no lower-case letters.
_SWITCHES = _words(
    "notoc forcetoc toc noeditsection newsectionlink nonewsectionlink nogallery hiddencat index "
    "noindex expectunusedcategory staticredirect disambig nocontentconvert nocc notitleconvert notc"
)

#: Flags of the language converter, besides codes of variants: what they show is nothing, all
#: variants at once or the name of one, or the text.
_HIDING, _NAMING, _SHOWING = frozenset("HT-"), frozenset("DN"), frozenset("SAR")
_RULES = re.compile(r";\s{0,8}(?=[a-z]{2,3}(?:-[a-z]{2,8})?\s{0,8}:|[^;:]{1,80}=>|\Z)")

# Traces of a dropped template: "Astana ( ; Russian )", "Astana , the capital".
_SEPARATORS = ",;،؛、；，"
_EMPTY_BRACKETS = re.compile(
    rf"\((?:(?<=[ \t]\()[\s{_SEPARATORS}]{{0,16}}"
    rf"|\s{{0,8}}[{_SEPARATORS}][\s{_SEPARATORS}]{{0,16}})\)"
)
_EMPTY_WIDE_BRACKETS = re.compile(rf"（[\s{_SEPARATORS}]{{0,16}}）")
_AFTER_BRACKET = re.compile(rf"([(（])[ \t]{{0,8}}[{_SEPARATORS}][ \t{_SEPARATORS}]{{0,16}}")
_BEFORE_BRACKET = re.compile(
    rf"[ \t]?[{_SEPARATORS}][ \t{_SEPARATORS}]{{1,16}}(?=[)）])|[、，；]{{1,16}}(?=）)"
)
#: One of these is in a text that the expression changes: to search for it takes much longer.
_TRACES = [f"{mark} )" for mark in _SEPARATORS] + [f"{mark}）" for mark in f"{_SEPARATORS} "]
_MARKS = ",.،。、"
_BEFORE_MARK = re.compile(rf"(?<=\S) (?=[{_MARKS}](?:\s|\Z))")

#: An item of a list whose beginning was a citation: ", ISBN 0-8078-4108-0 (pbk.)".
_REMNANT = re.compile(rf"[*#:;]+[ \t]*{GAP}[{GAP} \t]*[,;.:)]")

#: Links within links within links: files have captions with links; deeper nesting is an attack.
_MAX_LINKS = 8
#: Characters of a parameter's default beyond which it is dropped: they can be within each other.
_LONGEST_DEFAULT = 5000
#: How many brackets of all kinds may be open; a page of nothing else would fill the memory.
_MAX_OPEN = 10_000

_INLINE = ("link", "url", "variant")


class _Frame(NamedTuple):
    kind: str  #: template, table, link, url or variant
    at: int  #: the number of parts of the output when it opened
    width: int  #: how many brackets opened it


class Prose(NamedTuple):
    """The prose of a page, and what was cut because words were missing in it."""

    text: str  #: "" for a page without prose
    sentences: int
    parentheses: int


def prose(wikitext: str, names: Names | None = None, title: str = "") -> Prose:
    """Return the prose of a page's wikitext.

    ``names`` are those that its wiki knows, by default the English ones. A heading has its own line
    and is left out if its section is empty; a list item begins with ``- ``. Brackets that are never
    closed are dropped and their content is kept. Where a template had words that only the wiki
    knows, the parenthesis or the sentence around it is cut and counted. Limitation: prose that an
    article keeps in tables is lost.

    >>> prose("'''Алматы''' — [[қала|ірі қала]].{{дереккөз}} Халқы {{саны|x}}. Тау ({{t|x}}).")
    Prose(text='Алматы — ірі қала. Тау.', sentences=1, parentheses=1)
    """
    names = names or wiki_names.english()
    return _tidy(_Scan(wikitext, names, title).run())


class _Scan:
    """The state of one scan: the output so far and the brackets that are open."""

    def __init__(self, text: str, names: Names, title: str) -> None:
        self.text, self.names, self.title = text, names, title
        self.out: list[str] = []
        self.frames: list[_Frame] = []
        self.templates = self.links = 0
        self.old_variables = False  #: whether </> closes an element of translated pages
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
        written = "".join(self.out)
        return written.replace("</>", "") if self.old_variables else written

    def _step(self, token: re.Match[str]) -> int:
        """Process one token; return the place where the scan continues."""
        start, end = token.span()
        kind = token.lastgroup
        if kind == "quotes":
            self.out.append(token.group())  # resolved with its line
        elif kind == "link":
            if simple := _SIMPLE_LINK.match(self.text, end):
                self.out.append(self._label(simple[1]))
                return simple.end()
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
            self.out.append(GAP)
            return len(self.text) if close < 0 else close + 3
        elif kind == "rest":
            return self._tag(token)
        elif kind == "variant":
            self._push_inline("variant", 2)
        elif kind == "unvariant":
            self._close_variant()
        elif not _is_switch(token.group()):
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
            content = self._written_since(frame)
            width = min(frame.width, braces)
            if width == 3:  # a template's parameter: outside of templates it is its default
                _, bar, default = content.partition("|")
                self.out.append(default if bar and len(default) < _LONGEST_DEFAULT else HOLE)
            elif content == "!":
                self.out.append(BAR)
            else:
                self.out.append(templates.shown(content, self.names, self.title))
            braces -= width
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
            content = self._written_since(self._pop())
            self.out.append(_variant(content, self.names.variants))
        else:
            self.out.append("}-")

    def _written_since(self, frame: _Frame) -> str:
        content = "".join(self.out[frame.at :])
        del self.out[frame.at :]
        return content

    def _label(self, content: str) -> str:
        """Return what a link shows: its label, its target, or nothing."""
        if BAR in content:
            content = content.replace(BAR, "|")
        target, _, label = content.partition("|")
        if "\n" in target:
            return content
        target = target.strip()
        prefix, colon, _ = target.partition(":")
        prefix = prefix.strip()
        if colon and prefix:  # a leading colon shows what would be hidden
            if _MEDIA.search(target[-6:]):  # older names of the file namespace are not in the dump
                return GAP
            number = self.names.namespace(prefix)
            if number in _WITHOUT_TEXT:
                return GAP
            if number is None and _LANGUAGE.match(prefix) and prefix not in _NOT_LANGUAGES:
                return GAP
        label = label.strip() or target.lstrip(":#").strip()
        if "'" in label:  # emphasis in a label is resolved in it, apart from that around the link
            label = without_quotes(label).replace("'", "&#39;")
        return label.replace("|", BAR) if "|" in label else label

    def _tag(self, token: re.Match[str]) -> int:
        end, name = token.end(), token["tag"].lower()
        if name == "table":
            if token["slash"]:
                self._close_table()
            else:
                self._push("table", 0)
        elif name in _CLOSING:
            if token["slash"] or name in self.unclosed:
                return end
            if token["rest"].endswith("/"):
                self.out.append(HOLE if name in _NOT_TEXT else GAP)
                return end
            close = _CLOSING[name].search(self.text, end)
            if close is None:
                self.unclosed.add(name)  # searched once, or many of them would take square time
                return end
            self._element(name, token["rest"], self.text[end : close.start()])
            return close.end()
        elif name in _BREAKS:
            self.out.append("\n")
        elif name in _LEVELS and not token["slash"] and (of := _LEVELS[name].match(self.text, end)):
            number, behind = html.unescape(of[1]), self.text[of.end() : of.end() + 1]
            before = self.text[max(0, token.start() - 1) : token.start()]
            self.out.append(raised(number) if name == "sup" else lowered(number, before, behind))
            return of.end()
        elif name in _TAGS:
            self.out.append(GAP)
            if name == "tvar" and self.text.find("</>", end, end + 2000) >= 0:
                self.old_variables = True
        else:
            self.out.append("<")
            return token.start() + 1
        return end

    def _element(self, name: str, attributes: str, content: str) -> None:
        """Write what an element shows whose content is not part of this scan."""
        if name in _LITERAL:
            if name == "pre":
                self.out.append("\n" + content.replace("'", "&#39;") + "\n")
            elif name == "nowiki":
                self.out.append(protected(content) if "\n" not in content else content)
            else:
                self.out.append(protected(content.strip()))
        elif name in _CODE:
            inline = "\n" not in content.strip() and "inline" in attributes
            self.out.append(protected(content.strip()) if inline else GAP)
        elif name in _PARTS:
            for part in content.split("|-|"):
                label, _, text = part.strip().partition("=")
                inner = _Scan(text, self.names, self.title).run()
                self.out.append(f"\n{label.strip()}\n{inner}\n")
        elif name == "maplink" and (shown := _ATTRIBUTE.search(attributes)):
            self.out.append(protected(shown[1] or shown[2]))
        else:
            self.out.append(HOLE if name in _NOT_TEXT else GAP)


def _is_switch(word: str) -> bool:
    """Return whether a word between double underscores is one of MediaWiki's, such as __NOTOC__."""
    return word == word.upper() or word.strip("_").lower() in _SWITCHES


def _variant(content: str, variants: Sequence[str]) -> str:
    """Return what the language converter shows to a reader who chose no variant.

    Of ``-{zh-hans:软件; zh-hant:軟體}-`` that is the text of the first code in ``variants``, else
    the first text.
    """
    flags, bar, rest = content.partition("|")
    if bar:
        found = {flag.strip() for flag in flags.split(";")} - {""}
        if all(flag in _HIDING | _NAMING | _SHOWING or _LANGUAGE.match(flag) for flag in found):
            if found & _HIDING:  # rules for the rest of the page
                return GAP
            if found & _NAMING:
                return HOLE
            if found - _SHOWING:  # codes of variants: the text is for them, and shown to all
                return rest
            content = rest
    texts: dict[str, str] = {}
    for rule in _RULES.split(content):
        code, colon, text = rule.partition(":")
        code = code.rpartition("=>")[2].strip()
        if colon and _LANGUAGE.match(code):
            texts.setdefault(code, text.strip())
    if not texts:
        return content
    return next((texts[code] for code in variants if code in texts), next(iter(texts.values())))


def _tidy(text: str) -> Prose:
    """Decode entities, remove traces of dropped markup, and format headings, lists, blank lines."""
    text = "\n".join(
        _line(line) if "''" in line or HOLE in line or BLOCK in line or GAP in line else line
        for line in text.split("\n")
    )
    text = text.replace(GAP, "").replace(BAR, "|").replace("\t", " ")
    text = _ENTITY.sub(lambda entity: html.unescape(entity.group()), text)
    text = without_remains(text)
    lines: list[str] = []
    headings: list[tuple[int, str]] = []  # written only before the first line below them
    sentences = parentheses = 0
    for line in text.split("\n"):
        line = line.strip()
        if len(line) > 2 and line[0] == line[-1] == "=":
            title = line.strip("=").strip()
            level = min(len(line) - len(line.lstrip("=")), len(line) - len(line.rstrip("=")))
            while headings and headings[-1][0] >= level:
                headings.pop()
            if title and _has_hole(title):
                sentences += 1
            elif title:
                headings.append((level, title))
            continue
        mark, line = _body(line)
        if _has_hole(line):
            line, cut, asides = without_holes(line, is_item=bool(mark))
            sentences, parentheses = sentences + cut, parentheses + asides
        if not line:
            if lines and lines[-1]:
                lines.append("")
            continue
        for _, title in headings:
            if lines and lines[-1]:
                lines.append("")
            lines.append(title)
        headings.clear()
        lines.append(mark + line)
    return Prose("\n".join(lines).strip(), sentences, parentheses)


def without_remains(text: str) -> str:
    """Return a text without brackets that are empty, and spaces, where something was left out.

    >>> without_remains("Almaty (; Алматы; ) lies ( ) there .")
    'Almaty (Алматы) lies there.'
    """
    text = _EMPTY_BRACKETS.sub("", text)
    if "（" in text:
        text = _EMPTY_WIDE_BRACKETS.sub("", text)
    text = _AFTER_BRACKET.sub(r"\1", text)
    if (" )" in text or "）" in text) and any(trace in text for trace in _TRACES):
        text = _BEFORE_BRACKET.sub("", text)
    while "  " in text:
        text = text.replace("  ", " ")
    if any(f" {mark}" in text for mark in _MARKS):
        text = _BEFORE_MARK.sub("", text)
    return text


def _line(line: str) -> str:
    """Return a line without emphasis, and without templates that stood alone in it."""
    if _REMNANT.match(line):
        line = line.replace(GAP, HOLE, 1)
    if HOLE in line or BLOCK in line:
        line = without_notices(line)
    return without_quotes(line) if "''" in line else line


def _has_hole(line: str) -> bool:
    return HOLE in line or BLOCK in line


def _body(line: str) -> tuple[str, str]:
    """Return a line's mark, ``- `` for an item of a list, and the line without leading marks."""
    if line.startswith("|"):  # a row of a table or template that was never closed
        return "", ""
    if line.startswith("----"):
        return "", line.lstrip("-").strip()
    body = line.lstrip("*#:; ")
    marks = line[: len(line) - len(body)].rstrip()
    return ("- " if body and marks[-1:] in ("*", "#") else ""), body
