"""The web crawl: pages in many charsets, odd records, one damaged and one cut off."""

from __future__ import annotations

import random
from dataclasses import replace

from builder import containers as make
from builder import pages
from builder.plan import (
    CRAWL,
    FOREIGN_TEXTS,
    PARTS,
    SITES,
    TRUNCATED,
    Doc,
    Plan,
    dropped,
    junk,
    quarantined,
    skipped,
)

#: Where a page states its charset: in the HTTP header, in the page only, or nowhere.
CHARSETS = {
    "rus_Cyrl": [("windows-1251", "header"), ("windows-1251", "page"), ("koi8-r", "header")],
    "tur_Latn": [("windows-1254", "header"), ("windows-1254", "page")],
    "arb_Arab": [("windows-1256", "header"), ("windows-1256", "page")],
    "kor_Hang": [("euc-kr", "header"), ("euc-kr", "page")],
    "jpn_Jpan": [("shift_jis", "header"), ("euc-jp", "page"), ("shift_jis", "page")],
    "cmn_Hans": [("gb18030", "header"), ("gb18030", "page")],
}


def web(plan: Plan) -> None:
    """Build the two crawl files of web pages."""
    docs: list[tuple[Doc, bytes, str]] = []  # document, body as sent, content type
    for lang, site in SITES.items():
        slugs = plan.dealt(lang, 0, 5, 0)
        titles = [text.partition("\n\n")[0] for text in plan.texts[lang].values()]
        charsets = CHARSETS.get(lang, [])
        for i, slug in enumerate(slugs):
            text, url = plan.texts[lang][slug], f"https://{site['host']}/2026/{slug}.html"
            charset, where = charsets[i - 1] if 0 < i <= len(charsets) else ("utf-8", "both")
            style = pages.old_article if i % 3 == 1 else pages.article
            in_page = None if where == "header" else charset
            page = style(site, text, f"2026-03-{10 + i}", titles[i + 1 : i + 4], in_page)
            kind = "charset" if where != "both" else "base"
            note = f"{charset}, declared in the {where}" if kind == "charset" else ""
            content_type = "text/html" + ("" if where == "page" else f"; charset={charset}")
            doc = Doc(CRAWL, url, lang, kind, text, f"{lang}/{slug}", note=note)
            docs.append((doc, page.encode(charset, "xmlcharrefreplace"), content_type))
        docs += _page_variants(plan, lang, site, slugs, titles)
    docs += _foreign_pages(plan) + _junk_pages()
    random.Random(1).shuffle(docs)
    _crawl(plan, docs)
    _truncated(plan)


def _page_variants(
    plan: Plan, lang: str, site: pages.Site, slugs: list[str], titles: list[str]
) -> list[tuple[Doc, bytes, str]]:
    """Return an article under a second address, one with an added sentence, and teasers."""
    host, out = site["host"], []
    utf8 = "text/html; charset=UTF-8"

    def add(url: str, kind: str, text: str, slug: str, day: str, related: list[str]) -> None:
        doc = Doc(CRAWL, url, lang, kind, text, f"{lang}/{slug}")
        out.append((doc, pages.article(site, text, day, related, "utf-8").encode(), utf8))

    first, third = plan.texts[lang][slugs[0]], plan.texts[lang][slugs[3]]
    url = f"https://{host}/2026/{slugs[0]}.html?print=1"
    add(url, "html_copy", first, slugs[0], "2026-03-10", titles[1:4])
    url, longer = f"https://{host}/amp/{slugs[3]}.html", f"{third}\n\n{site['added']}"
    add(url, "near_added_sentence", longer, slugs[3], "2026-03-13", titles[4:7])
    for slug, text in plan.teasers(lang, 4):
        url = f"https://{host}/preview/{slug}.html"
        add(url, "shared_frame", text, slug, "2026-03-20", titles[:3])
    return out


def _foreign_pages(plan: Plan) -> list[tuple[Doc, bytes, str]]:
    """Return pages in another language than their site's."""
    site, host = SITES["kaz_Cyrl"], SITES["kaz_Cyrl"]["host"]
    out: list[tuple[Doc, bytes, str]] = []

    def add(url: str, lang: str, text: str, base: str | None, note: str, day: str) -> None:
        is_certain = base is not None
        expect = {"fate": "other_language", "lang": lang, "not": "kaz_Cyrl", "certain": is_certain}
        doc = Doc(CRAWL, url, lang, "wrong_language", text, base, expect=expect, note=note)
        page = pages.article(site, text, day, [], "utf-8")
        out.append((doc, page.encode(), "text/html; charset=utf-8"))

    for name in ("kir_Cyrl", "tat_Cyrl"):
        text = (PARTS / "foreign" / f"{name}.txt").read_text("utf-8").strip()
        note = "a Turkic neighbour on a Kazakh site; its lang attribute says kk"
        add(f"https://{host}/guests/{name}.html", name, text, None, note, "2026-03-21")
    for slug in FOREIGN_TEXTS:
        text, base = plan.texts["rus_Cyrl"][slug], f"rus_Cyrl/{slug}"
        note = "a Russian page on a Kazakh site; its lang attribute says kk"
        add(f"https://{host}/ru/{slug}.html", "rus_Cyrl", text, base, note, "2026-03-22")
    return out


def _junk_pages() -> list[tuple[Doc, bytes, str]]:
    out = []
    names = ("javascript", "lorem", "keywords-en", "keywords-ru", "repeated-kk", "repeated-tr",
             "cookie-wall", "login", "not-found", "shouting")  # fmt: skip
    for name in names:
        host = f"pages-{len(out)}.example"
        expect = dropped("trim", "judge", "identify", certain=name != "lorem")
        doc = Doc(CRAWL, f"https://{host}/{name}", "und", "low_quality", junk(name), expect=expect)
        out.append((doc, pages.bare(junk(name), "en").encode(), "text/html; charset=utf-8"))
    url, page = "https://pages-empty.example/", b"<!DOCTYPE html>\n<html><body></body></html>\n"
    empty = Doc(CRAWL, url, "und", "empty", "", expect=skipped("no_text"))
    return [*out, (empty, page, "text/html; charset=utf-8")]


def _response(kind: str, body: bytes, content_type: str) -> bytes:
    if kind == "chunked":
        return make.http("200 OK", content_type, make.chunked(body), Transfer_Encoding="chunked")
    if kind == "compressed":
        packed = make.gzip_member(body)
        return make.http("200 OK", content_type, packed, Content_Encoding="gzip")
    return make.http("200 OK", content_type, body)


def _crawl(plan: Plan, docs: list[tuple[Doc, bytes, str]]) -> None:
    members: list[bytes] = []
    requests = 0

    def write(kind: str, url: str | None, content_type: str, block: bytes, **more: str) -> None:
        record = make.warc_record(kind, len(members), url, content_type, block, **more)
        members.append(make.gzip_member(record))

    def request(url: str) -> None:
        nonlocal requests
        _, _, host, path = url.split("/", 3)
        block = f"GET /{path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: sample\r\n\r\n".encode()
        write("request", url, "application/http; msgtype=request", block)
        requests += 1

    answer = "application/http; msgtype=response"
    write("warcinfo", None, "application/warc-fields", make.INFO)
    others = _other_responses()
    # One page with each transfer coding; in every other way both are base texts.
    codings = dict(zip(_plain(docs), ("chunked", "compressed")))
    damaged_at = next(i for i in _plain(docs) if i > len(docs) // 2)
    for i, (doc, body, content_type) in enumerate(docs):
        kind = codings.get(i, doc.kind)
        request(doc.handle)
        write("response", doc.handle, answer, _response(kind, body, content_type))
        if i == damaged_at:
            members[-1], reason = make.damage_member(members[-1])
            note = "bytes in the middle of this gzip member are overwritten; the next are whole"
            doc = replace(doc, text="", expect=quarantined(reason), note=note)
            kind = "damaged_record"
        plan.docs.append(replace(doc, kind=kind))
        if i % 12 == 5 and others:
            kind, reason, url, block, more = others.pop()
            request(url)
            write("revisit" if more else "response", url, answer, block, **more)
            plan.docs.append(Doc(CRAWL, url, "und", kind, "", expect=skipped(reason)))
    if others:
        raise AssertionError("too few pages to stand between the other responses")
    plan.files[CRAWL] = b"".join(members)
    plan.unlisted[CRAWL] = {"request": requests, "warcinfo": 1}


def _plain(docs: list[tuple[Doc, bytes, str]]) -> list[int]:
    """Return the positions of pages that are base texts in UTF-8 and of no group of duplicates."""
    bases = [doc.base for doc, _, _ in docs]
    is_plain = [doc.kind == "base" and bases.count(doc.base) == 1 for doc, _, _ in docs]
    return [i for i, plain in enumerate(is_plain) if plain]


def _other_responses() -> list[tuple[str, str, str, bytes, dict[str, str]]]:
    host = SITES["kaz_Cyrl"]["host"]
    html = "text/html; charset=utf-8"
    page = pages.bare("404 Not Found\nThe page that you asked for is not here.", "en").encode()
    missing = make.http("404 Not Found", html, page)
    moved = make.http("301 Moved Permanently", html, b"", Location=f"https://{host}/")
    picture = make.http("200 OK", "image/gif", make.GIF)
    same = make.http("304 Not Modified", html, b"")
    profile = "http://netpreserve.org/warc/1.0/revisit/identical-payload-digest"
    return [
        *[("not_found", "http_404", f"https://{host}/old/{i}.html", missing, {}) for i in range(3)],
        *[("moved", "http_301", f"http://{host}/moved/{i}", moved, {}) for i in range(2)],
        ("image", "not_html:image", f"https://{host}/dot.gif", picture, {}),
        ("revisit", "revisit", f"https://{host}/index.html", same, {"WARC_Profile": profile}),
    ]


def _truncated(plan: Plan) -> None:
    members = []
    for lang in ("eng_Latn", "kaz_Cyrl", "tur_Latn", "rus_Cyrl"):
        site = SITES[lang]
        base, text = plan.slot(lang, 9)
        url = f"https://{site['host']}/last/{base.partition('/')[2]}.html"
        page = pages.article(site, text, "2026-03-30", [], "utf-8").encode()
        block = make.http("200 OK", "text/html; charset=utf-8", page)
        number = 900 + len(members)
        answer = "application/http; msgtype=response"
        members.append(make.gzip_member(make.warc_record("response", number, url, answer, block)))
        plan.docs.append(Doc(TRUNCATED, url, lang, "base", text, base))
    members[-1] = members[-1][: len(members[-1]) // 2]
    expect, note = quarantined("truncated"), "the file ends in the middle of this record"
    last = replace(plan.docs[-1], kind="truncated_record", text="", expect=expect, note=note)
    plan.docs[-1] = last
    plan.files[TRUNCATED] = b"".join(members)
