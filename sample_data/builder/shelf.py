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

#: A short note goes where a recipe has length rules; a profile for lines keeps it.
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

        held = plan.dealt(lang, 9, 10, 3)
        picked = {"eng_Latn", "kaz_Cyrl", "tur_Latn", "rus_Cyrl"}
        for slug in held[1:] if lang in picked else held:
            add(slug, "base", plan.texts[lang][slug], f"{lang}/{slug}", "native")
        base, text = plan.slot(lang, 7)
        add(f"mt/{base[9:]}", "exact_copy", text, base, "mt", note="marked as machine translation")
        joined = [plan.slot(lang, n)[1] for n in (1, 6, 8)]
        add(
            "anthology",
            "anthology",
            "\n\n".join(joined),
            None,
            "native",
            note="three texts that also stand alone elsewhere: contained, yet no near duplicate of any",
        )
        for slug, teaser in plan.teasers(lang, 2):
            add(f"sample/{slug}", "shared_frame", teaser, f"{lang}/{slug}", "native")
        if lang in DRIFTING:
            base, edited = plan.slot(lang, 10)
            for i in range(1, 4):
                edited = variants.drop_words(edited, 0.87, random.Random(f"drift {lang} {i}"))
                add(f"edition-{i}/{base[9:]}", "drift", edited, base, "native")
    empty = Doc(
        BOOKS,
        "https://books.example/und/empty",
        "und",
        "empty",
        "",
        expect=dropped("repair", "identify", "judge"),
    )
    null = Doc(
        BOOKS, "https://books.example/und/null", "und", "null_text", "", expect=skipped("null_text")
    )
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
        found: list[dict[str, Any]] = []
        passed: list[tuple[str, str]] = []

        def page(
            title: str, text: str, ns: int = 0, found: list[dict[str, Any]] = found, **more: str
        ) -> None:
            found.append({"id": 101 + len(found), "title": title, "ns": ns, "text": text, **more})

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
                passed.append((name, "redirect"))
        page(f"{words['talk']}:{titles[0]}", "== ? ==\nIs the date right? ~~~~", ns=1)
        page(
            f"{words['template']}:{words['box']}",
            '<includeonly>{| class="infobox"\n| {{{name}}}\n|}</includeonly>',
            ns=10,
        )
        page(f"{words['category']}:{titles[0]}", f"[[{words['category']}:{titles[1]}]]", ns=14)
        passed += [(p["title"], f"namespace_{p['ns']}") for p in found if p["ns"]]
        for name, reason in passed:
            plan.docs.append(Doc(container, name, "und", "wiki_page", "", expect=skipped(reason)))
        plan.files[container] = make.wiki_dump(short, words, found)


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
            add(
                f"{base[9:]}.txt",
                lang,
                "bom_crlf",
                text,
                base,
                data,
                note="byte order mark and CRLF",
            )
        else:
            add(f"{base[9:]}.txt", lang, "base", text, base)
    for lang in ("kaz_Cyrl", "arb_Arab", "kor_Hang", "jpn_Jpan"):
        base, text = plan.slot(lang, 6)
        add(
            f"from-archive-{lang}.txt",
            lang,
            "exact_text_of_boilerplate_page",
            text,
            base,
            expect={"fate": "either", "certain": False},
            note="the same article without the lines around it",
        )
    for script, short in json.loads((PARTS / "short.json").read_text("utf-8")).items():
        for i in range(3):
            add(
                f"short-{script}-same-{i}.txt",
                short["lang"],
                "short_same",
                short["same"],
                expect=SHORT,
            )
        for i, text in enumerate(short["different"]):
            add(
                f"short-{script}-different-{i}.txt",
                short["lang"],
                "short_different",
                text,
                expect=SHORT,
            )
    add("empty.txt", "und", "empty", "", data=b"", expect=skipped("empty_file"))
    add("blank.txt", "und", "empty", "", data=b" \n\n\t\n", expect=skipped("empty_file"))
    plan.docs += [doc for doc, _ in entries]
    for doc, data in entries:
        plan.files[f"{NOTES}/{doc.handle}"] = data


def chat(plan: Plan) -> None:
    """Build the two files of conversations."""
    conversations = json.loads((PARTS / "chat.json").read_text("utf-8"))

    def shared(talk: dict[str, Any]) -> dict[str, Any]:
        turns = [{"from": who, "value": said} for who, said in talk["turns"]]
        return {"id": talk["id"], "conversations": turns}

    def messages(talk: dict[str, Any]) -> dict[str, Any]:
        return {
            "id": talk["id"],
            "messages": [{"role": who, "content": said} for who, said in talk["turns"]],
        }

    odd = [
        (SHAREGPT, "unknown-role", "chat_unknown_role", "eng_Latn", [["human", "Tell me a story."], ["narrator", "Once upon a time there was a well."]], quarantined("unknown_role")),
        (SHAREGPT, "null-value", "chat_null_value", "eng_Latn", [["human", "Are you there?"], ["gpt", None]], quarantined("null_turn")),
        (MESSAGES, "null-content", "chat_null_content", "rus_Cyrl", [["user", "Вы меня слышите?"], ["assistant", None]], quarantined("null_turn")),
        (MESSAGES, "kk-proverb-again", "chat_repeated", "kaz_Cyrl", next(t["turns"] for t in conversations["messages"] if t["id"] == "kk-proverb"), {"fate": "one_of", "copy_of": "kk-proverb"}),
    ]  # fmt: skip
    for container, name, write in (
        (SHAREGPT, "sharegpt", shared),
        (MESSAGES, "messages", messages),
    ):
        talks = [(talk, "chat", dict(KEPT)) for talk in conversations[name]]
        talks += [
            ({"id": id_, "turns": turns, "lang": lang}, kind, expect)
            for where, id_, kind, lang, turns, expect in odd
            if where == container
        ]
        lines = [make.json_line(write(talk)) for talk, _, _ in talks]
        for talk, kind, expect in talks:
            text = "\n\n".join(said or "" for _, said in talk["turns"])
            plan.docs.append(Doc(container, talk["id"], talk["lang"], kind, text, expect=expect))
        plan.files[container] = b"".join(lines)
