"""Extension tags and the language converter: what a reader sees stays, the rest goes."""

import pytest

from curate.sources.wiki.names import of_wiki
from curate.sources.wiki.wikitext import prose


@pytest.mark.parametrize(
    ("markup", "expected"),
    [
        ("A <math>x^2 = {{y}}</math> b.", "A x^2 = {{y}} b."),
        ("A <chem>H2O</chem> <ce>H2</ce> b.", "A H2O H2 b."),
        ("A <math>a'\n\\over b|c</math> b.", "A a' \\over b|c b."),
        ("{{nowrap|<math>a=b|c</math>}} b.", "a=b|c b."),
        ("A <phonos file=x.ogg>word</phonos><phonos ipa=x /> b.", "A word b."),
        ("<languages />\nA.<section begin=x />", "A."),
        ("<translate><!--T:1-->\nA <tvar name=1>b</tvar> c.</translate>", "A b c."),
        ("<translate>A <tvar|x>b</> c.</translate>", "A b c."),
        ("<tabber>One=A is.|-|Two=B is [[x|y]].</tabber>", "One\nA is.\n\nTwo\nB is y."),
        ("A.\n<tabbernav>\nX|Y\n</tabbernav>", "A."),
        ("A.\n<poem>\nOne\nTwo\n</poem>", "A.\n\nOne\nTwo"),
        ("A.\n<score>\\relative c' { c }</score>\nB.", "A.\n\nB."),
        ("A.\n<pages index=x from=1 to=2 />\nB.", "A.\n\nB."),
        ("A.\n<hiero>A1</hiero>", "A."),
        ("A <hiero>A1</hiero> b.", ""),
        ("A <syntaxhighlight lang=c inline>f(x);</syntaxhighlight> b.", "A f(x); b."),
        ("A.\n<source lang=c>\nint x;\nint y;\n</source>", "A."),
        ("A.\n<gallery>\nFile:a.jpg|''x\n</gallery><imagemap>\nx\n</imagemap>", "A."),
        ("A.\n<timeline>\nx\n</timeline><graph>{}</graph><mapframe>{}</mapframe>", "A."),
        ('A <maplink text="the place" zoom=9>{}</maplink> b.', "A the place b."),
        ("A <maplink zoom=9 /> b.", ""),
        ("A<templatestyles src=x /><indicator name=y>z</indicator>.", "A."),
        (
            "A.\n<inputbox>\ntype=search\n</inputbox>\n<DynamicPageList>\ncategory=x\n"
            "</DynamicPageList><categorytree>x</categorytree>",
            "A.",
        ),
        ("A<ref>b\n{{c}}</ref> d<ref name=x/>.<references><ref>x</ref></references>", "A d."),
        (
            "<noinclude>A</noinclude><includeonly>b</includeonly><onlyinclude> c.</onlyinclude>",
            "A c.",
        ),
        ("<pre>''x'' {{y}}</pre>", "''x'' {{y}}"),
        ("10<sup>6</sup>, 10<sup>&minus;19</sup>, m<SUP> 2 </SUP>.", "10⁶, 10⁻¹⁹, m²."),
        (
            "1<sup>er</sup>, H<sub>2</sub>O, log<sub>2</sub>8, x<sup>''n''</sup>.",
            "1er, H2O, log₂8, xn.",
        ),
        ("<nowiki>{{a}} '''b''' [[c]]</nowiki> d.", "{{a}} '''b''' [[c]] d."),
        ("<ruby>表示<rp>(</rp><rt>ひょうじ</rt><rp>)</rp></ruby>する。", "表示する。"),
        ("<ruby>表示<rt>ひょうじ</ruby>する。", "表示する。"),
        ("<ruby>表<rp>(<rt>ひょう<rp>)<rb>示<rt>じ</ruby>する。", "表示する。"),
        ("A <unknown>b</unknown>.", "A <unknown>b</unknown>."),
        ("A <gallery>b.", "A b."),
        ("__notoc__ __NoEditSection__ A __init__ b.", "A __init__ b."),
        ("__विषय_सूची_हीन__ __ไม่มีสารบัญ__ A __—__ b.", "A __—__ b."),
    ],
)
def test_an_element(markup, expected):
    assert prose(markup).text == expected


@pytest.mark.parametrize(
    ("markup", "expected"),
    [
        ("软件是-{zh;zh-hans;zh-hant|简体}-写的", "软件是简体写的"),
        ("-{zh-hans;zh-cn;zh-sg;zh-my;zh-hant;zh-tw|a}-b", "ab"),
        ("-{zh-hans:计算机;zh-hant:電腦}-快", "计算机快"),
        ("-{H|zh-hans:计算机;zh-hant:電腦}-快", "快"),
        ("-{A|zh-hans:计算机;zh-hant:電腦}-快", "计算机快"),
        ("-{T|zh-hans:a;zh-hant:b}-快", "快"),
        ("-{R|原文}-快", "原文快"),
        ("-{|zh-hans:a;zh-hant:b}-快", "a快"),
        ("-{A|蓝牙=>zh-tw:藍芽;}-x", "藍芽x"),
        ("-{zh-hans:a&nbsp;b;zh-hant:c}-快", "a\xa0b快"),
        ("-{sr-ec:Београд; sr-el:Beograd}- је", "Београд је"),
        ("-{zh-hans:内-{R|x}-层; zh-hant:y}-快", "内x层快"),
        ("-{[[a|b]]}-快", "b快"),
        ("-{a|b}-快", "a|b快"),
        ("x -{ y", "x y"),
    ],
)
def test_the_language_converter(markup, expected):
    assert prose(markup).text == expected


@pytest.mark.parametrize(
    ("language", "markup", "expected"),
    [
        ("zh", "-{zh-tw:軟體;zh-cn:软件}-", "软件"),
        ("zh", "-{zh-hk:a;zh-tw:b;zh-hans:c}-", "c"),
        ("sr", "-{sr-el:Beograd;sr-ec:Београд}-", "Београд"),
        ("kk", "-{kk-arab:قالا;kk-cyrl:қала;kk-latn:qala}-", "қала"),
        ("zh", "-{xx:a;zh-mo:b}-", "a"),
    ],
)
def test_the_variant_of_a_reader_who_chose_none(language, markup, expected):
    assert prose(markup, of_wiki(language)).text == expected


FLOOD = 200_000


@pytest.mark.parametrize(
    "unit",
    [
        "l'''a'' ", "'''''", "{{x}} ", "({{x}} ", "({{x}}) ", "{{x}}", "x. {{x}} ", "「",
        "({{x}}「」",
        "<tabber>", "<tabber>a|-|", "<math>", "{{nowrap|", "{{#if:", "-{a;", "<tvar|x>", "{{!}}",
        "<pages />", "{{{1|", "「{{x}}）",
    ],
)  # fmt: skip
def test_a_flood_is_linear(unit):
    found = prose("Кіріспе.\n\n" + unit * (FLOOD // len(unit)))
    assert found.text.startswith("Кіріспе.")
    assert len(found.text) <= FLOOD + 10


def test_templates_within_templates_keep_their_words_to_a_limit():
    depth = 2000
    assert prose("{{nowrap|" * depth + "word" + "}}" * depth + " stays.").text == "word stays."
    long = "word " * 2000
    assert prose("{{nowrap|" + long + "}} stays.") == ("", 1, 0)
