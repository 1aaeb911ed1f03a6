"""Namespaces, redirects and functions are known by the names that MediaWiki accepts."""

import pytest

from curate.sources.wiki.names import _table, chain, of_wiki
from curate.sources.wiki.wikitext import prose

LARGE = """
ar arz az ba be bg bn bs ca ce cs cv cy da de el eo es et eu fa fi fr ga gl gu he hi hr hu hy id
is it ja jv ka kk kn ko ku ky la lt lv mg mk ml mr ms my nds ne nl nn no oc pa pl ps pt ro ru
sah si sk sl sq sr su sv sw ta te tg th tl tr tt ug uk ur uz vi war yi yo zh
"""


@pytest.mark.parametrize(
    ("language", "name", "number"),
    [
        ("kk", "Сурет", 6),
        ("kk", "سۋرەت", 6),
        ("kk", "Sanat", 14),
        ("kk-arab", "Санат", 14),
        ("ru", "изображение", 6),
        ("ru", "Участница", 2),
        ("tr", "Resim", 6),
        ("ar", "صورة", 6),
        ("fa", "رده", 14),
        ("ja", "画像", 6),
        ("ja", "カテゴリ", 14),
        ("ko", "그림", 6),
        ("zh", "圖像", 6),
        ("zh", "分類", 14),
        ("zh-yue", "分類", 14),
        ("de", "Bild", 6),
        ("de", "Benutzerin", 2),
        ("fr", "Utilisatrice", 2),
        ("pl", "Użytkowniczka", 2),
        ("tt", "Рәсем", 6),
        ("tt", "Файл", 6),  # of Russian, to which Tatar falls back
        ("ky", "Файл", 6),
        ("be-x-old", "Файл", 6),
        ("simple", "Image", 6),
        ("xx", "user_talk", 3),
        ("en", "  File ", 6),
        ("en", "Imagine", None),  # Romanian for File: in other wikis a title
        ("en", "Star Trek", None),
        ("en", "Class", None),
        ("rw", "Ikiciro", 14),
        ("tr", "KATEGORİ", 14),
        ("vi", "The\u0302\u0309 loa\u0323i", 14),
        ("en", "Κατηγορία", 14),
    ],
)
def test_a_namespace_has_many_names(language, name, number):
    assert of_wiki(language).namespace(name) == number


def test_names_that_the_dump_states_win():
    assert of_wiki("kk", {"Файл": 6, "Сурет": 100}).namespace("сурет") == 100


def test_the_table_holds_the_languages_of_the_large_wikis():
    large = LARGE.split()
    lacking = [code for code in large if of_wiki(code).namespace("category") != 14]
    named = [code for code in large if any("category" in _table().get(c, {}) for c in chain(code))]
    assert not lacking and len(named) >= 75


@pytest.mark.parametrize(
    ("language", "beginning"),
    [
        ("kk", "#АЙДАУ [[A]]"),
        ("ru", "#перенаправление [[A]]"),
        ("zh", "#重定向 [[A]]"),
        ("ar", "#تحويل [[A]]"),
        ("tr", "#YÖNLENDİRME [[A]]"),
        ("de", "#redirect [[A]]"),
    ],
)
def test_redirects_of_old_dumps(language, beginning):
    assert beginning.casefold().startswith(of_wiki(language).redirects)


@pytest.mark.parametrize(
    ("language", "line"),
    [
        ("zh", "[[Category:软件]]"),
        ("zh", "[[分类:计算机]]"),
        ("zh", "[[分類:電腦]]"),
        ("kk", "[[Категория:Қала]]"),
        ("kk", "[[سانات:قالا]]"),
        ("en", "[[Catégorie:Ville]]"),
        ("ja", "[[カテゴリ:都市|*]]"),
        ("uz", "[[turkum: Shaharlar]]"),
        ("fr", "[[ catégorie :Ville]]"),
        ("az", "[[Şəkil:Baku|thumb|Bakı]]"),
        ("he", "[[קובץ:a|ממוזער]]"),
        ("vi", "[[Tập_tin:a|nhỏ|x]]"),
        ("en", "[[de:Stadt]]"),
        ("en", "[[zh-min-nan:Siâⁿ]]"),
        ("en", "[[be-x-old:Горад]]"),
    ],
)
def test_links_that_show_nothing(language, line):
    assert prose(f"Text.\n\n{line}", of_wiki(language)).text == "Text."


@pytest.mark.parametrize(
    ("markup", "shown"),
    [
        ("[[:Category:A|cats]]", "cats"),
        ("[[:Файл:A.jpg|picture]]", "picture"),
        ("[[User:Ann|Ann]]", "Ann"),
        ("[[Imagine: John Lennon]]", "Imagine: John Lennon"),
        ("[[wikt:word|word]]", "word"),
        ("[[mw:Help|help]]", "help"),
    ],
)
def test_links_that_show_text(markup, shown):
    assert prose(f"See {markup} here.").text == f"See {shown} here."
