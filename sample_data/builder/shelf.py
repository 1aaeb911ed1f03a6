"""Books, encyclopedias, notes and conversations."""

from __future__ import annotations

import json
import random
from typing import Any

from builder import containers as make
from builder import pages, variants
from builder.plan import (
    BOOKS,
    KEPT,
    LANGUAGES,
    MESSAGES,
    NOTES,
    PARTS,
    SHAREGPT,
    SITES,
    WIKI,
    WIKI_TEXTS,
    Doc,
    Plan,
    dropped,
    quarantined,
    skipped,
)

#: A short note is dropped where a recipe has length rules; a profile for lines keeps it.
SHORT = {"fate": "either", "certain": False}
#: Languages with a text that changes from edition to edition until it is another text.
DRIFTING = ("kaz_Cyrl", "eng_Latn")


def books(plan: Plan) -> None:
    """Build the Parquet file: texts with licence and origin, anthologies, copies, nulls."""
    rows: list[tuple[Doc, str, str]] = []
    for lang in LANGUAGES:

        def add(
            path: str,
            kind: str,
            text: str,
            base: str | None,
            origin: str,
            lang: str = lang,
            **more: Any,
        ) -> None:
            doc = Doc(BOOKS, f"https://books.example/{lang}/{path}", lang, kind, text, base, **more)
            rows.append((doc, "CC0-1.0" if len(rows) % 3 else "CC-BY-4.0", origin))

        slugs = plan.dealt(lang, 9, 10, 3)
        without_first = {"eng_Latn", "kaz_Cyrl", "tur_Latn", "rus_Cyrl"}
        for slug in slugs[1:] if lang in without_first else slugs:
            add(slug, "base", plan.texts[lang][slug], f"{lang}/{slug}", "native")
        base, text = plan.slot(lang, 7)
        add(f"mt/{base[9:]}", "exact_copy", text, base, "mt", note="marked as machine translation")
        joined = "\n\n".join(plan.slot(lang, n)[1] for n in (1, 6, 8))
        note = (
            "three texts that also stand alone elsewhere: contained, yet no near duplicate of any"
        )
        add("anthology", "anthology", joined, None, "native", note=note)
        for slug, teaser in plan.teasers(lang, 2):
            add(f"sample/{slug}", "shared_frame", teaser, f"{lang}/{slug}", "native")
        if lang in DRIFTING:
            base, edited = plan.slot(lang, 10)
            for i in range(1, 4):
                edited = variants.drop_words(edited, 0.87, random.Random(f"drift {lang} {i}"))
                add(f"edition-{i}/{base[9:]}", "drift", edited, base, "native")
    root, expect = "https://books.example/und", dropped("repair", "identify", "judge")
    empty = Doc(BOOKS, f"{root}/empty", "und", "empty", "", expect=expect)
    null = Doc(BOOKS, f"{root}/null", "und", "null_text", "", expect=skipped("null_text"))
    rows += [(empty, "CC0-1.0", "native"), (null, "CC0-1.0", "native")]
    random.Random(4).shuffle(rows)
    plan.docs += [doc for doc, _, _ in rows]
    columns = {
        "title": [doc.text.partition("\n\n")[0] for doc, _, _ in rows],
        "text": [None if doc.kind == "null_text" else doc.text for doc, _, _ in rows],
        "license": [terms for _, terms, _ in rows],
        "origin": [origin for _, _, origin in rows],
        "url": [doc.handle for doc, _, _ in rows],
    }
    plan.files[BOOKS] = make.parquet(columns)


def wiki(plan: Plan) -> None:
    """Build the two encyclopedia dumps."""
    for lang, container in WIKI.items():
        short = SITES[lang]["lang"]
        words = pages.WIKI_WORDS[short]
        texts = {slug: plan.texts[lang][slug] for slug in WIKI_TEXTS[lang]}
        titles = [text.partition("\n\n")[0] for text in texts.values()]
        dump: list[dict[str, Any]] = []
        skips: list[tuple[str, str]] = []

        def page(
            title: str, text: str, ns: int = 0, dump: list[dict[str, Any]] = dump, **more: str
        ) -> None:
            dump.append({"id": 101 + len(dump), "title": title, "ns": ns, "text": text, **more})

        for i, (slug, text) in enumerate(texts.items()):
            title = titles[i]
            see = [other for other in titles if other != title][:3]
            page(title, pages.wikitext(text, short, see))
            note = "templates, notes, links, a table, lists and categories around the text"
            plan.docs.append(
                Doc(container, title, lang, "wiki_markup", text, f"{lang}/{slug}", note=note)
            )
            if i < 3:
                name = f"{title} (2)"
                page(name, f"{words['redirect']} [[{title}]]", redirect=title)
                skips.append((name, "redirect"))
        page(f"{words['talk']}:{titles[0]}", "== ? ==\nIs the date right? ~~~~", ns=1)
        box = '<includeonly>{| class="infobox"\n| {{{name}}}\n|}</includeonly>'
        page(f"{words['template']}:{words['box']}", box, ns=10)
        page(f"{words['category']}:{titles[0]}", f"[[{words['category']}:{titles[1]}]]", ns=14)
        skips += [(p["title"], f"namespace_{p['ns']}") for p in dump if p["ns"]]
        for name, reason in skips:
            plan.docs.append(Doc(container, name, "und", "wiki_page", "", expect=skipped(reason)))
        plan.files[container] = make.wiki_dump(short, words, dump)


def notes(plan: Plan) -> None:
    """Build the folder of plain text files."""
    entries: list[tuple[Doc, bytes]] = []

    def add(
        name: str,
        lang: str,
        kind: str,
        text: str,
        base: str | None = None,
        data: bytes | None = None,
        **more: Any,
    ) -> None:
        doc = Doc(NOTES, name, lang, kind, text, base, **more)
        entries.append((doc, text.encode() + b"\n" if data is None else data))

    for lang in LANGUAGES:
        base, text = plan.slot(lang, 10)
        if lang == "tur_Latn":
            data = b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode()
            note = "byte order mark and CRLF"
            add(f"{base[9:]}.txt", lang, "bom_crlf", text, base, data, note=note)
        else:
            add(f"{base[9:]}.txt", lang, "base", text, base)
    for lang in ("kaz_Cyrl", "arb_Arab", "kor_Hang", "jpn_Jpan"):
        base, text = plan.slot(lang, 6)
        name, note = f"from-archive-{lang}.txt", "the same article without the lines around it"
        kind, expect = "exact_text_of_boilerplate_page", {"fate": "either", "certain": False}
        add(name, lang, kind, text, base, expect=expect, note=note)
    for script, short in json.loads((PARTS / "short.json").read_text("utf-8")).items():
        for kind, texts in (("same", [short["same"]] * 3), ("different", short["different"])):
            for i, text in enumerate(texts):
                name = f"short-{script}-{kind}-{i}.txt"
                add(name, short["lang"], f"short_{kind}", text, expect=SHORT)
    add("empty.txt", "und", "empty", "", data=b"", expect=skipped("empty_file"))
    add("blank.txt", "und", "empty", "", data=b" \n\n\t\n", expect=skipped("empty_file"))
    plan.docs += [doc for doc, _ in entries]
    for doc, data in entries:
        plan.files[f"{NOTES}/{doc.handle}"] = data


def chat(plan: Plan) -> None:
    """Build the two files of conversations."""
    conversations = json.loads((PARTS / "chat.json").read_text("utf-8"))

    def shared(talk: dict[str, Any]) -> dict[str, Any]:
        turns = [{"from": role, "value": content} for role, content in talk["turns"]]
        return {"id": talk["id"], "conversations": turns}

    def messages(talk: dict[str, Any]) -> dict[str, Any]:
        turns = [{"role": role, "content": content} for role, content in talk["turns"]]
        return {"id": talk["id"], "messages": turns}

    def odd(id_: str, lang: str, turns: list[list[str | None]]) -> dict[str, Any]:
        return {"id": id_, "turns": turns, "lang": lang}

    story = [["human", "Tell me a story."], ["narrator", "Once upon a time there was a well."]]
    null_value = [["human", "Are you there?"], ["gpt", None]]
    null_content = [["user", "Вы меня слышите?"], ["assistant", None]]
    proverb = next(t["turns"] for t in conversations["messages"] if t["id"] == "kk-proverb")
    null, unknown = quarantined("null_turn"), quarantined("unknown_role")
    repeated = {"fate": "one_of", "copy_of": "kk-proverb"}
    odd_shared = [
        (odd("unknown-role", "eng_Latn", story), "chat_unknown_role", unknown),
        (odd("null-value", "eng_Latn", null_value), "chat_null_value", null),
    ]
    odd_messages = [
        (odd("null-content", "rus_Cyrl", null_content), "chat_null_content", null),
        (odd("kk-proverb-again", "kaz_Cyrl", proverb), "chat_repeated", repeated),
    ]
    for container, name, write, others in (
        (SHAREGPT, "sharegpt", shared, odd_shared),
        (MESSAGES, "messages", messages, odd_messages),
    ):
        talks = [*((talk, "chat", dict(KEPT)) for talk in conversations[name]), *others]
        lines = [make.json_line(write(talk)) for talk, _, _ in talks]
        for talk, kind, expect in talks:
            text = "\n\n".join(content or "" for _, content in talk["turns"])
            plan.docs.append(Doc(container, talk["id"], talk["lang"], kind, text, expect=expect))
        plan.files[container] = b"".join(lines)
