"""Files for single recipes: translations, code, rows of lines and sentences, a Japanese crawl."""

from __future__ import annotations

import re

from builder import containers as make
from builder import pages
from builder.plan import LANGUAGES, PARTS, WIKI_TEXTS, Plan

#: Japanese texts that are in the encyclopedia.
WIKI_PAGES = ("ino-tadataka", "furoshiki", "hotaru", "niji-no-shikumi", "romen-densha")

#: A sentence with the mark that ends it, and closing quotes and brackets.
_SENTENCE = re.compile(r"[^.!?؟。！？\n]+[.!?؟。！？]+[»”」’)\"]*")


def recipes(plan: Plan) -> None:
    """Build the files of ``recipes/``; the demo does not read them."""
    plan.files |= {
        "recipes/translated.jsonl": _translated(),
        "recipes/code.jsonl": _code(),
        "recipes/lines-ja.jsonl": _lines(plan),
        "recipes/sentences.jsonl": _sentences(plan),
        "recipes/text-en.jsonl": _english(plan),
        "recipes/crawl-ja.jsonl": _crawl(plan),
        "recipes/jawiki-sample-pages-articles.xml.bz2": _wiki(plan),
    }


def _translated() -> bytes:
    """Return English texts in Arabic and Kazakh, as in machine translation."""
    rows = []
    for path in sorted((PARTS / "translated").glob("*.txt")):
        lang, _, slug = path.stem.partition("-")
        text, source = path.read_text("utf-8").strip(), f"eng_Latn/{slug}"
        rows.append({"text": text, "lang": lang, "translated_from": source})
    return b"".join(map(make.json_line, rows))


def _code() -> bytes:
    """Return source files, and two that are data more than code."""
    paths = sorted((PARTS / "code").glob("*.*"))
    rows = [{"path": path.name, "content": path.read_text("utf-8")} for path in paths]
    packed = ";".join(f"var v{i}=function(a,b){{return a*{i}+b}}" for i in range(40))
    dotted = "\n".join("." * 20 + "#" * 20 + "|" + "-" * 20 for _ in range(12))
    rows += [
        {"path": "bundle.min.js", "content": packed},
        {"path": "picture.txt", "content": dotted},
    ]
    return b"".join(map(make.json_line, rows))


def _lines(plan: Plan) -> bytes:
    """Return Japanese texts with one paragraph a row, as in cc100; titles are rows as well."""
    texts = plan.texts["jpn_Jpan"].values()
    lines = [line for text in texts for line in text.split("\n") if line]
    return b"".join(make.json_line({"text": line}) for line in [*lines, "― ― ― ― ― ― ― ―"])


def _sentences(plan: Plan) -> bytes:
    """Return a sentence a row in every language, as in Glot500."""
    rows = []
    for lang in LANGUAGES:
        for slug, text in plan.texts[lang].items():
            sentences = _SENTENCE.findall(text.partition("\n\n")[2])
            some = sentences[: 3 if lang != "jpn_Jpan" else 2]
            rows += [{"text": each.strip(), "lang": lang, "from": slug} for each in some]
    return b"".join(map(make.json_line, rows))


def _english(plan: Plan) -> bytes:
    """Return every other English text that is in no encyclopedia, and an empty one."""
    in_wiki = WIKI_TEXTS["eng_Latn"]
    texts = [text for slug, text in plan.texts["eng_Latn"].items() if slug not in in_wiki]
    return b"".join(make.json_line({"text": text}) for text in [*texts[::2], " \n"])


def _crawl(plan: Plan) -> bytes:
    """Return Japanese web pages as in mC4, and pages for each rule of llm-jp-corpus."""
    texts = plan.texts["jpn_Jpan"]
    body = {slug: text.partition("\n\n")[2] for slug, text in texts.items()}
    hosts = (
        "kurashi.example.jp",
        "www.tabi-nikki.example.com",
        "machi.example.net",
        "yomimono.example.tokyo",
    )
    elsewhere = (*WIKI_PAGES, "kata-kori", "ekiden-taikai", "shimanami-tabi")
    plain = [slug for slug in texts if slug not in elsewhere]
    rows = [(f"https://{hosts[i % 4]}/{slug}", texts[slug]) for i, slug in enumerate(plain)]
    first = body["tamagoyaki"]
    site = "https://sample.example.jp"
    advert = "お問い合わせください。営業時間は九時から。送料は無料、よくある質問もどうぞ。\n" * 3
    kanji = "東京都庁舎第一本庁舎展望室案内。"
    short = "昨日の夕方から降り出した雨は朝になってもやまず、川の水かさは橋のすぐ下まで増えていた"
    english = "The following page of this site is written in the Japanese language.\n"
    few_stops = "、".join(body["ekiden-taikai"].replace("\n", "").split("。")[:6]) + "。"
    mixed = (
        f"目次\n{body['shimanami-tabi']}\n{'x = 1; ' * 20}です。\n"
        f"参照先はhttps://a.example/b?c=d です。{short}。\n会社概要"
    )
    rows += [
        ("https://ja.wikipedia.org/wiki/sample", body["furoshiki"]),
        ("https://sample.example/elsewhere", body["furoshiki"]),
        ("no address", body["furoshiki"]),
        (f"{site}/blank", " \n\u3000\n"),
        (f"{site}/late", english + first),
        (f"{site}/advert", advert),
        (f"{site}/adult", first + "\n" + "<TEST_STRING_OF_ADULT_KEYWORD>\n" * 4),
        (f"{site}/discrimination", first + "\n" + "<TEST_STRING_OF_DISCRIMINATION_KEYWORD>\n" * 4),
        (f"{site}/violence", first + "\n" + "<TEST_STRING_OF_VIOLENCE_KEYWORD>\n" * 4),
        (f"{site}/three", body["kata-kori"] + "\n" + "<TEST_STRING_OF_VIOLENCE_KEYWORD>\n" * 3),
        (f"{site}/no-stops", body["kissaten-nikki"].replace("。", "　")),
        (f"{site}/few-stops", few_stops),
        (f"{site}/again", "同じ文が何度も続く。" * 60),
        (f"{site}/tiny", "はい。"),
        (f"{site}/address-only", "https://a.example/あいうえお\n" + kanji * 4),
        (f"{site}/mixed", mixed),
    ]
    return b"".join(
        make.json_line({"text": text, "timestamp": f"2019-0{i % 9 + 1}-11T05:00:00Z", "url": url})
        for i, (url, text) in enumerate(rows)
    )


def _wiki(plan: Plan) -> bytes:
    """Return a Japanese encyclopedia of five pages, with the sections that end an article."""
    words = pages.WIKI_WORDS["ja"]
    texts = [plan.texts["jpn_Jpan"][slug] for slug in WIKI_PAGES]
    titles = [text.partition("\n\n")[0] for text in texts]
    articles = []
    for i, (title, text) in enumerate(zip(titles, texts)):
        see = [other for other in titles if other != title][:3]
        markup = pages.wikitext(text, "ja", see)
        articles.append({"id": 101 + i, "title": title, "ns": 0, "text": markup})
    return make.wiki_dump("ja", words, articles)
