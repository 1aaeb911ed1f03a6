"""Markup around the texts: web pages in two styles, wiki pages."""

from __future__ import annotations

import re
from html import escape
from typing import Any

Site = dict[str, Any]


def article(site: Site, text: str, day: str, related: list[str], charset: str | None) -> str:
    """Return a page with menu, cookie notice, article, share links, related titles and footer."""
    title, _, body = text.partition("\n\n")
    right = ' dir="rtl"' if site["lang"] == "ar" else ""
    meta = f'<meta charset="{charset}">\n' if charset else ""
    menu = "".join(f'<li><a href="/{i}/">{escape(m)}</a></li>' for i, m in enumerate(site["menu"]))
    links = "".join(
        f'<li><a href="/related/{i}">{escape(r)}</a></li>' for i, r in enumerate(related)
    )
    paragraphs = "\n".join(f"<p>{escape(p, quote=False)}</p>" for p in body.split("\n\n"))
    body_style = "body { font-family: serif; margin: 0 auto; max-width: 60em }"
    track = "window.dataLayer = window.dataLayer || []; function track(e) { dataLayer.push(e); }"
    cookies = f"<p>{escape(site['cookie'])}</p><button>{escape(site['accept'])}</button>"
    return f"""<!DOCTYPE html>
<html lang="{site["lang"]}"{right}>
<head>
{meta}<title>{escape(title)} | {escape(site["name"])}</title>
<meta name="viewport" content="width=device-width">
<style>{body_style} nav li {{ display: inline }}</style>
<script>{track}</script>
</head>
<body>
<div id="cookie-banner" class="cookie-notice" role="dialog">{cookies}</div>
<header><a href="/">{escape(site["name"])}</a>
<nav class="main-menu"><ul>{menu}</ul></nav></header>
<main>
<article>
<h1>{escape(title)}</h1>
<p class="date"><time datetime="{day}">{escape(site["published"])}: {day}</time></p>
{paragraphs}
</article>
<div class="share-buttons"><a href="#">{escape(site["share"])}</a></div>
</main>
<aside class="related sidebar"><h2>{escape(site["related"])}</h2><ul>{links}</ul></aside>
<div class="comments">{escape(site["comments"])}</div>
<footer class="footer"><p>&copy; 2026 {escape(site["name"])}. {escape(site["rights"])}</p></footer>
</body>
</html>
"""


def old_article(site: Site, text: str, day: str, related: list[str], charset: str | None) -> str:
    """Return the same page in the style before HTML 5: tables, upper-case tags, no landmarks."""
    title, _, body = text.partition("\n\n")
    right = ' DIR="RTL"' if site["lang"] == "ar" else ""
    meta = f'<META HTTP-EQUIV="Content-Type" CONTENT="text/html; charset={charset}">\n'
    footer = f"&copy; 2026 {escape(site['name'])}. {escape(site['rights'])}"
    menu = " | ".join(f'<A HREF="/{i}.html">{escape(m)}</A>' for i, m in enumerate(site["menu"]))
    links = "<BR>\n".join(f'<A HREF="/r{i}.html">{escape(r)}</A>' for i, r in enumerate(related))
    paragraphs = "\n".join(f"<P>{escape(p, quote=False)}</P>" for p in body.split("\n\n"))
    return f"""<HTML{right}><HEAD>
{meta if charset else ""}<TITLE>{escape(title)}</TITLE>
</HEAD>
<BODY BGCOLOR="#FFFFFF">
<TABLE WIDTH="100%"><TR><TD COLSPAN="2">{menu}</TD></TR>
<TR><TD VALIGN="TOP" WIDTH="20%"><B>{escape(site["related"])}</B><BR>
{links}</TD>
<TD VALIGN="TOP"><H1>{escape(title)}</H1>
<I>{escape(site["published"])}: {day}</I>
{paragraphs}
</TD></TR>
<TR><TD COLSPAN="2"><SMALL>{footer}</SMALL></TD></TR></TABLE>
</BODY></HTML>
"""


def bare(text: str, lang: str) -> str:
    """Return a page of nothing but lines: cookie walls, keyword lists, script warnings."""
    title, _, body = text.partition("\n")
    lines = "\n".join(f"<p>{escape(line, quote=False)}</p>" for line in body.splitlines() if line)
    return (
        f'<!DOCTYPE html>\n<html lang="{lang}"><head><meta charset="utf-8"><title>{escape(title)}'
        f"</title></head>\n<body>\n<h1>{escape(title)}</h1>\n{lines}\n</body></html>\n"
    )


WIKI_WORDS = {
    "kk": {
        "box": "Карточка", "note": "Дерекнама", "table": "Кестедегі мәліметтер",
        "see": "Тағы қараңыз", "refs": "Дереккөздер", "links": "Сыртқы сілтемелер",
        "category": "Санат", "file": "Сурет", "redirect": "#АЙДАУ", "talk": "Талқылау",
        "template": "Үлгі", "part": "Бөлім", "count": "Саны", "caption": "Суреттің түсіндірмесі",
        "other": "ru",
    },
    "en": {
        "box": "Infobox", "note": "Note", "table": "Figures in the table", "see": "See also",
        "refs": "References", "links": "External links", "category": "Category", "file": "File",
        "redirect": "#REDIRECT", "talk": "Talk", "template": "Template", "part": "Part",
        "count": "Count", "caption": "Caption of the picture", "other": "de",
    },
    "ja": {
        "box": "基礎情報", "note": "注釈", "table": "数値の一覧", "see": "関連項目", "refs": "脚注",
        "links": "外部リンク", "category": "カテゴリ", "file": "ファイル", "redirect": "#転送",
        "talk": "ノート", "template": "テンプレート", "part": "第", "count": "数",
        "caption": "写真の説明", "other": "en",
    },
}  # fmt: skip


def wikitext(text: str, lang: str, see_also: list[str]) -> str:
    """Return a wiki article: infobox, picture, links, notes, headings, table, lists, categories."""
    words = WIKI_WORDS[lang]
    title, *paragraphs = text.split("\n\n")
    marked = [_linked(p) for p in paragraphs]
    first, rest = marked[0], marked[1:]
    note = f'<ref name="a">{{{{cite book |title={words["note"]} |year=2024 |page=12}}}}</ref>'
    sections = "\n\n".join(
        f"== {words['part']} {i} ==\n{p}<ref>{words['note']} {i}.</ref>"
        for i, p in enumerate(rest, 1)
    )
    see = "\n".join(f"* [[{s}]]" for s in see_also)
    return f"""{{{{{words["box"]}
 | name = {title}
 | image = sample.jpg
 | {words["count"]} = {{{{formatnum:1200}}}}
}}}}
<!-- {words["note"]} -->
[[{words["file"]}:sample.jpg|thumb|200px|{words["caption"]}, ''[[{see_also[0]}]]'']]
{first}{note}

{sections}

=== {words["table"]} ===
{{| class="wikitable"
! {words["part"]} !! {words["count"]}
|-
| 1 || 34
|-
| 2 || 28<ref name="a" />
|}}

== {words["see"]} ==
{see}

== {words["refs"]} ==
{{{{reflist|2}}}}

== {words["links"]} ==
* [https://archive.example/{lang} {words["note"]}]

[[{words["category"]}:{title}]]
[[{words["other"]}:Sample]]
__NOTOC__"""


def _linked(paragraph: str) -> str:
    """Mark every ninth long word: in turn a link, a link with a label, italic or bold."""
    count = 0

    def link(match: re.Match[str]) -> str:
        nonlocal count
        word = match.group()
        count += 1
        if count % 9:
            return word
        labelled = f"[[{word.capitalize()} (1)|{word}]]"
        return (f"[[{word}]]", labelled, f"''{word}''", f"'''{word}'''")[(count // 9) % 4]

    return re.sub(r"\w{5,}", link, paragraph)
