"""Extracted text and JSON lines: copies, near copies, look-alikes, damaged text, broken lines."""

from __future__ import annotations

import random
import re
import unicodedata
from typing import Any

from builder import containers as make
from builder import variants
from builder.plan import (
    DAMAGED_TEXTS,
    NEWS,
    SITES,
    WET,
    Doc,
    Plan,
    dropped,
    junk,
    quarantined,
    skipped,
)


def wet(plan: Plan) -> None:
    """Build the file of extracted plain text, another crawl than the WARC's."""
    docs: list[Doc] = []
    for lang, site in SITES.items():
        rng, host = random.Random(f"wet {lang}"), site["host"]

        def add(
            path: str,
            kind: str,
            text: str,
            base: str | None,
            host: str = host,
            lang: str = lang,
            **more: Any,
        ) -> None:
            docs.append(Doc(WET, f"https://{host}/{path}", lang, kind, text, base, **more))

        for i, slug in enumerate(plan.dealt(lang, 5, 7, 1)):
            text = plan.texts[lang][slug]
            if i == 1:
                menu = "\n".join([site["name"], *site["menu"], site["cookie"], site["accept"]])
                rights = f"© 2026 {site['name']}. {site['rights']}"
                text = "\n".join([menu, text, site["share"], site["comments"], rights])
                note = "menu, cookie notice and footer stand around the article as lines"
                expect, base = {"fate": "kept", "certain": False}, f"{lang}/{slug}"
                add(f"archive/{slug}", "boilerplate_lines", text, base, expect=expect, note=note)
            else:
                add(f"archive/{slug}", "base", text, f"{lang}/{slug}")
        base, text = plan.slot(lang, 5)
        edited = variants.drop_words(text, 0.92, rng)
        add(f"mirror/{base[9:]}", "near_word_edits", edited, base)
        base, text = plan.slot(lang, 7)
        add(f"syndicated/{base[9:]}", "exact_copy", text, base)
        base, text = plan.slot(lang, 12)
        edited = variants.drop_words(text, 0.66, rng)
        note = "too far from its original to be a near duplicate at 0.8"
        add(f"rewritten/{base[9:]}", "rewritten", edited, base, note=note)
        for slug, teaser in plan.teasers(lang, 3):
            add(f"teaser/{slug}", "shared_frame", teaser, f"{lang}/{slug}")
    for name in ("symbols", "digits", "ellipsis", "bullets", "code", "links"):
        url, expect = f"https://lists.example/{name}", dropped("trim", "judge", "identify")
        docs.append(Doc(WET, url, "und", "low_quality", junk(name), expect=expect))
    url = "https://lists.example/nothing"
    docs.append(Doc(WET, url, "und", "empty", "", expect=skipped("no_text")))
    random.Random(2).shuffle(docs)
    info = b"software: sample\r\n"
    records = [make.warc_record("warcinfo", 0, None, "application/warc-fields", info)]
    for i, doc in enumerate(docs, 1):
        block = doc.text.replace("\n\n", "\n").encode() + b"\n" if doc.text else b""
        records.append(make.warc_record("conversion", i, doc.handle, "text/plain", block))
    plan.docs += docs
    plan.files[WET] = b"".join(map(make.gzip_member, records))
    plan.unlisted[WET] = {"warcinfo": 1}


def damaged_form(lang: str, text: str) -> tuple[str, str, str]:
    """Return the language's typical damage: its name, the text, the stage that undoes it."""
    match lang:
        case "kaz_Cyrl":
            return "homoglyphs", variants.homoglyphs(text), "standardize"
        case "rus_Cyrl":
            return "mojibake_cp1251", variants.mojibake(text, "cp1251"), "repair"
        case "tur_Latn" | "cmn_Hans":
            return "mojibake_cp1252", variants.mojibake(text, "cp1252"), "repair"
        case "eng_Latn":
            return "soft_hyphens", variants.litter(text, "\u00ad"), "repair"
        case "arb_Arab":
            return "presentation_forms", variants.presentation_forms(text), "standardize"
        case "kor_Hang":
            return "nfd", unicodedata.normalize("NFD", text), "repair"
        case _:
            return "half_width_katakana", variants.half_width(text), "standardize"


def damaged_copy(lang: str, text: str) -> tuple[str, str, str]:
    """Return a second damage, for a copy of a text that occurs undamaged elsewhere."""
    match lang:
        case "kaz_Cyrl":
            return "mojibake_cp1251", variants.mojibake(text, "cp1251"), "repair"
        case "arb_Arab":
            return "tatweel", variants.tatweel(text), "standardize"
        case "jpn_Jpan":
            return "mojibake_cp1252", variants.mojibake(text, "cp1252"), "repair"
        case "tur_Latn":
            return "nfd", unicodedata.normalize("NFD", text), "repair"
        case _:
            return "zero_width", variants.litter(text, "\u200b"), "repair"


def news(plan: Plan) -> None:
    """Build the JSON lines, among them lines that cannot be read."""
    docs: list[Doc] = []
    for lang, site in SITES.items():
        root = f"https://news.{site['host']}"

        def add(
            path: str,
            kind: str,
            text: str,
            base: str | None,
            root: str = root,
            lang: str = lang,
            **more: Any,
        ) -> None:
            docs.append(Doc(NEWS, f"{root}/{path}", lang, kind, text, base, **more))

        for slug in plan.dealt(lang, 7, 9, 2):
            add(slug, "base", plan.texts[lang][slug], f"{lang}/{slug}")
        base, text = plan.slot(lang, 5)
        add(f"agency/{base[9:]}", "exact_copy", text, base)
        base, text = plan.slot(lang, 8)
        title, _, body = text.partition("\n\n")
        dated = f"{title}\n\n{site['published']}: 14.03.2026 09:30\n\n{body}"
        add(f"update/{base[9:]}", "near_date_line", dated, base)
        slug = DAMAGED_TEXTS[lang]
        kind, text, stage = damaged_form(lang, plan.texts[lang][slug])
        expect = {"fate": "kept", "equals": f"{lang}/{slug}", "after": stage}
        add(slug, kind, text, f"{lang}/{slug}", expect=expect, note="stands nowhere else")
        base, text = plan.slot(lang, 7)
        kind, text, stage = damaged_copy(lang, text)
        expect = {"fate": "kept", "equals": base, "after": stage}
        note = f"{kind}: an exact copy once {stage} has run"
        add(f"scan/{base[9:]}", "repaired_copy", text, base, expect=expect, note=note)
        for slug, teaser in plan.teasers(lang, 5):
            add(f"brief/{slug}", "shared_frame", teaser, f"{lang}/{slug}")
    docs += _odd_news(plan)
    random.Random(3).shuffle(docs)
    lines = [_news_line(i, doc) for i, doc in enumerate(docs)]
    half = lines[3][: len(lines[3]) // 2].rstrip() + b"\n"
    quotes = b"{'url': 'https://news.example/quotes', 'content': None}\n"
    other_bytes = _plain_line("bytes", {"body": "@"}).replace(b"@", b"\xd2\xff\xfe" * 30)
    odd = [
        (20, "half a line", half, quarantined("bad_json")),
        (40, "single quotes", quotes, quarantined("bad_json")),
        (50, "null", _plain_line("null", {"body": None}), skipped("null_text")),
        (60, "bytes", other_bytes, quarantined("invalid_utf8")),
        (70, "blank line", b"\n", skipped("blank_line")),
        (80, "no body", _plain_line("no-body", {"title": "-"}), quarantined("missing_text")),
        (100, "number", _plain_line("number", {"body": 42}), quarantined("text_not_string")),
    ]
    for at, name, line, expect in odd:
        lines.insert(at, line)
        docs.append(Doc(NEWS, name, "und", "odd_line", "", expect=expect, note=f"line {at + 1}"))
    plan.docs += docs
    plan.files[NEWS] = make.zst(b"".join(lines))


def _plain_line(name: str, content: dict[str, Any]) -> bytes:
    return make.json_line({"url": f"https://news.example/{name}", "content": content})


def _odd_news(plan: Plan) -> list[Doc]:
    """Return documents with addresses in them, two languages in one, or without text."""
    out = []
    root = "https://news.example"
    contacts = {
        "kaz_Cyrl": "Сұрақтарыңызды redaktsia@aul.internal немесе kenes@example.com мекенжайына"
        " жазыңыз. Сервер мекенжайы 193.0.14.129, ал ішкі желіде 192.168.0.1.",
        "rus_Cyrl": "Пишите по адресу redaktor@gazeta.internal или info@example.org. Запрос пришёл"
        " с адреса 199.7.83.42, тестовый узел 192.0.2.17.",
        "eng_Latn": "Write to the.desk+news@gazette.internal or to editor@example.com. The request"
        " came from 198.41.0.4, and the test host is 203.0.113.9.",
        "tur_Latn": "Sorularınız için yazi@posta.internal veya destek@example.net adresine yazın."
        " İstek 202.12.27.33 adresinden geldi, deneme sunucusu 198.51.100.23.",
    }
    note = (
        "e-mail and IP addresses; .internal is never delegated, the public IPs are root name"
        " servers"
    )
    for lang, line in contacts.items():
        slug, lead = next(plan.leads[lang])
        title = plan.texts[lang][slug].partition("\n\n")[0]
        other = variants.longest_paragraph(plan.slot(lang, 10)[1])
        body = "\n\n".join([title, lead, line, other])
        places = [word.strip(".,") for word in line.split() if re.search(r"@|\d\.\d", word)]
        # By its form the first of each pair is somebody's address; the other is reserved.
        expect: dict[str, Any] = {"fate": "kept", "without": places[::2], "with": places[1::2]}
        expect["after"], url = "standardize", f"{root}/contact/{lang}"
        out.append(Doc(NEWS, url, lang, "addresses", body, expect=expect, note=note))
    for a, b in (("kaz_Cyrl", "rus_Cyrl"), ("kaz_Cyrl", "eng_Latn")):
        text = "\n\n".join(variants.longest_paragraph(plan.slot(lang, 3)[1]) for lang in (a, b))
        expect = {"fate": "either", "langs": [a, b, "und"], "certain": False}
        out.append(Doc(NEWS, f"{root}/mixed/{b}", a, "mixed_languages", text, expect=expect))
    for i, text in enumerate(("", " \n\t\n ")):
        expect = dropped("repair", "identify", "judge")
        out.append(Doc(NEWS, f"{root}/empty/{i}", "und", "empty", text, expect=expect))
    return out


def _news_line(i: int, doc: Doc) -> bytes:
    title, _, _ = doc.text.partition("\n\n")
    dates: list[Any] = [
        f"2026-03-{i % 28 + 1:02d}T06:15:00Z",
        f"2026-03-{i % 28 + 1:02d}",
        1772000000 + 3600 * i,
        "last Tuesday",
    ]
    return make.json_line(
        {
            "url": doc.handle,
            "date": dates[(0, 0, 0, 1, 2)[i % 5] if i != 7 else 3],
            "content": {"title": title, "body": doc.text},
            "meta": {"desk": i % 4, "license": "CC0-1.0"},
        }
    )
