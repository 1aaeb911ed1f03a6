"""Templates that mean the same everywhere keep their words; others leave a hole."""

import pytest

from curate.sources.wiki.names import of_wiki
from curate.sources.wiki.wikitext import prose


def shown(markup, language="en", title=""):
    """Return what a call shows in the middle of a sentence, None where the sentence goes."""
    found = prose(f"Before. A {markup} b end. After.", of_wiki(language), title)
    if found == ("Before. After.", 1, 0):
        return None
    assert found.sentences == found.parentheses == 0
    assert found.text.startswith("Before. A ") and found.text.endswith(" b end. After.")
    return found.text.removeprefix("Before. A ").removesuffix(" b end. After.")


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("{{lang|ru|Верный}}", "Верный"),
        ("{{Lang|fr|texte=l'eau}}", "l'eau"),
        ("{{langue|en|''word''}}", "word"),
        ("{{lang-ru|Верный|Vernyy}}", "Верный"),
        ("{{langx|kk|Алматы}}", "Алматы"),
        ("{{Template:nowrap|the capital}}", "the capital"),
        ("{{nowrap|{{lang|ru|a}} [[b|c]]}}", "a c"),
        ("{{nowrap|1=a = b}}", "a = b"),
        ("{{convert|682|km2}}", "682 km2"),
        ("{{convert|682|km2|sqmi|abbr=on|0}}", "682 km2"),
        ("{{cvt|5|to|10|km}}", "5 to 10 km"),
        ("{{convert|5|-|10|°C}}", "5–10 °C"),
        ("{{convert|6|ft|2|in|cm}}", "6 ft 2 in"),
        ("{{convert|1,900|fathom}}", None),
        ("{{convert|many|km}}", None),
        ("{{formatnum:2000000}}", "2000000"),
        ("{{formatnum:2000|R}}", "2000"),
        ("{{abbr|UN|United Nations}}", "UN"),
        ("{{small|x}}", "x"),
        ("{{transl|ru|ISO|Vernyj}}", "Vernyj"),
        ("{{frac|2|1|2}}", "2 1/2"),
        ("{{val|3.5|0.2|u=km}}", "3.5±0.2 km"),
        ("{{ill|Name|de|Name (Ort)}}", "Name"),
        ("{{ill|de|Name}}", "Name"),
        ("{{仮リンク|山田|en|Yamada}}", "山田"),
        ("{{нп5|Статья|слово|en|Article}}", "слово"),
        ("{{nihongo|Tower|塔|Tō}}", "Tower (塔, Tō)"),
        ("{{読み仮名|山|やま}}", "山（やま）"),
        ("{{as of|2020|6|lc=y}}", "as of June 2020"),
        ("x{{ndash}}y", "x–y"),
        ("5{{nbsp}}kg", "5\xa0kg"),
        ("x{{=}}y{{'}}s", "x=y's"),
        ("[[a{{!}}c]]", "c"),
        ("{{lc:ABC}}{{ucfirst:de}}", "abcDe"),
        ("{{#if:x|yes|no}} {{#if:|yes|no}} {{#ifeq:a|a|s|d}}", "yes no s"),
        ("{{#if:{{x}}|yes|no}}", None),
        ("{{{1|default}}}", "default"),
        ("{{{1}}}", None),
        ("{{#expr:1+1}}", None),
        ("{{CURRENTYEAR}}", None),
        ("{{unknown|words}}", None),
        ("{{lang|ru}}", None),
        ("{{circa|1880}}, {{HMS|Hood|51}}, {{€|5}}", "c.\xa01880, HMS\xa0Hood\xa0(51), €5"),
        ("{{euro}} {{inr}}500 5{{times}}6", "€ ₹500 5×6"),
        ("{{°|5}}", None),
        ("{{shy|under|stand}} {{wbr|a|b|c}}", "understand abc"),
        ("{{flag|France}}", "France"),
        ("{{flag|FRA}}", None),
        ("one{{br}}two", "one two"),
        ("{{lang-en2|word}}", "word"),
        ("{{fakt|many words|data=2010}}, {{feit|2010|5}}word", "many words, word"),
    ],
)
def test_what_a_template_shows(markup, text):
    assert shown(markup) == text


def test_functions_have_local_names():
    assert shown("{{САНПІШІМІ:12}}", "kk") == "12"
    assert shown("{{PAGENAME}} {{PAGENAME}}", title="Алматы") == "Алматы Алматы"
    assert shown("{{НАЗВАНИЕ_СТРАНИЦЫ}}", "ru", "Верный") == "Верный"
    assert shown("{{Үлгі:nowrap|сөз}}", "kk") == "сөз"


@pytest.mark.parametrize(
    ("language", "markup", "text"),
    [
        ("fr", "{{date|11|novembre|1866}}", "11 novembre 1866"),
        ("fr", "{{Date de naissance|11 novembre 1866}}", "11 novembre 1866"),
        ("fr", "{{s|XIX|e}} {{XXe siècle}} {{1re}}", "XIXe siècle XXe siècle 1re"),
        ("fr", "{{unité|682|km|2}}", "682\xa0km2"),
        ("fr", "{{unité|682|km||h|-1}}", None),
        ("fr", "{{citation|l'eau}}", "«\xa0l'eau\xa0»"),
        ("fr", "{{date|11|novembre|1866|âge=oui}}", None),
        ("fr", "{{référence nécessaire|les mots}}", "les mots"),
        ("fr", "XIX{{e}}, 1{{er}}, {{s-|V|e|av. J.-C.}}", "XIXe, 1er, Ve siècle av. J.-C."),
        ("es", "1.{{ª}} edición", "1.ª edición"),
        ("ar", "1400 {{هـ}}", "1400 هـ"),
        ("ja", "10月{{0}}5日", "10月5日"),
        ("zh", "王{{bd|1900年|1月|2000年|2月|catIdx=W}}", "王（1900年1月－2000年2月）"),
        ("zh", "{{tsl|en|Word|字}}{{Internal link helper/en|山|Hill}}", "字山"),
        ("ru", "{{не переведено|есть=:en:X|надо=Слово}}", "Слово"),
        ("ca", "{{segle|XX}}", "segle XX"),
        ("ca", "{{segle|XX|s}}", None),
        ("ru", "{{s|1 км}}", "1 км"),
        ("en", "{{s|1 km}}", None),
        ("de", '{{"|Wort}}', "„Wort“"),
        ("ja", "{{要出典範囲|言葉|date=2020}}", "言葉"),
    ],
)
def test_what_a_template_shows_in_wikis_of_one_language(language, markup, text):
    assert shown(markup, language) == text


@pytest.mark.parametrize(
    "note",
    [
        "{{cn}}", "{{citation needed|date=2020}}", "{{дереккөз}}", "{{нет АИ|1|2}}", "{{حقيقة}}",
        "{{要出典|date=2020}}", "{{来源请求}}", "{{Kaynak belirt}}", "{{sfn|A}}", "{{r|a}}{{rp|5}}",
        "{{unknown note}}", "<ref name=a/>", "{{#tag:ref|x}}", "{{flagicon|KAZ}}", "{{anchor|x}}",
        "{{DEFAULTSORT:x}}", "{{СОРТИРОВКА_ПО_УМОЛЧАНИЮ:x}}",
    ],
)  # fmt: skip
def test_notes_cost_nothing(note):
    text = f"The city{note} grew,{note} and fell.{note} It rose «again»{note}.{note}"
    assert prose(text) == ("The city grew, and fell. It rose «again».", 0, 0)


def test_what_is_left_of_an_item_that_was_a_citation_goes():
    assert prose("* {{cite book|title=x}}, ISBN 1.\n* {{cite web|x}} A text.") == (
        "- A text.",
        1,
        0,
    )
    assert prose("A is {{cite web|url=x}}. B is.{{Literatur|x}}") == ("A is. B is.", 0, 0)


@pytest.mark.parametrize(
    "sentence",
    [
        "Il est de l'{{x}} en France.", "De l’{{x}} en France.", "Jusqu'{{x}} ici.",
        "Nell'{{x}} era.", "En el n.{{x}} 5 es.", "La 1.{{x}} edición.", "היא עיר ב{{x}} גדולה.",
        "هي مدينة في ال{{x}} كبيرة.", "هنا و{{x}} كذا.", "قال لـ{{x}} ذلك.",
    ],
)  # fmt: skip
def test_what_belongs_to_the_word_behind_it_is_followed_by_no_note(sentence):
    assert prose(sentence) == ("", 1, 0)


def test_a_list_in_a_template_is_a_list():
    page = "A is.\n{{columns-list|colwidth=30em|\n* [[a]] is\n* b is\n}}\nB is."
    assert prose(page).text == "A is.\n\n- a is\n- b is\n\nB is."


def test_traces_of_hidden_templates_at_the_end_of_a_parenthesis():
    assert prose("A (b; {{coord|1}}) and (c؛{{coord|1}} , ) are.").text == "A (b) and (c) are."
    assert prose("東京（とうきょう、{{coord|1}}）は市。").text == "東京（とうきょう）は市。"
    assert prose("A (1,) and ;) are.").text == "A (1,) and ;) are."


@pytest.mark.parametrize(
    "page",
    [
        "{{Infobox city\n| name = A\n}}\n'''A''' is.",
        "{{Infobox city\n| name = A\n}}'''A''' is.",
        "{{Қала\n|аты={{x|y}}\n}} A is.",
        "{{hatnote|x}} {{notice}}\nA is.",
        "{{notice}} '''A''' is.",
        "A is.\n{{navbox}}{{other}}\n* {{item}}\n",
        "A is.\n\n:{{main article|x}}\n",
        "A is.\n{{quote box\n|x=y\n}}\n",
        "A is. <!-- {{x}} -->",
        "<div>{{x}}</div>\nA is.",
    ],
)
def test_templates_on_their_own_lines_cost_nothing(page):
    assert prose(page) == ("A is.", 0, 0)


@pytest.mark.parametrize(
    ("text", "left", "parentheses"),
    [
        ("Abai ({{IPA-kk|x}}) was.", "Abai was.", 1),
        ("Abai ({{x}}, born 1845) was.", "Abai (born 1845) was.", 1),
        ("Abai (Абай; {{x}}; 1845) was.", "Abai (Абай; 1845) was.", 1),
        ("Abai (born in {{x}}; 1845) was.", "Abai (1845) was.", 1),
        ("Abai (born {{x}}, in a village) was.", "Abai was.", 1),
        ("Abai ({{x}} – {{y}}), a poet, was.", "Abai, a poet, was.", 1),
        ("Abai (a (b {{x}}) c) was.", "Abai (a c) was.", 1),
        ("山（{{x}}）は高い。", "山は高い。", 1),
        ("山（やま、{{x}}）は高い。", "山（やま）は高い。", 1),
        ("النهر ({{x}}، ماء) طويل.", "النهر (ماء) طويل.", 1),
        ("'''서울'''({{x}}, Seoul)은 크다.", "서울(Seoul)은 크다.", 1),
        ("NHK（{{x}}）は古い。", "NHKは古い。", 1),
        ("'''תל אביב''' (ב{{x|Tel Aviv}}) היא עיר.", "תל אביב היא עיר.", 1),
        ("النهر (بال{{x}}؛ ماء) طويل.", "النهر (ماء) طويل.", 1),
        ("It is f({{x}}) here.", "", 0),
    ],
)
def test_a_parenthesis_goes_alone(text, left, parentheses):
    assert prose(text) == (left, 0 if left else 1, parentheses)


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("One is. Two {{x}} is. Three is.", "One is. Three is."),
        ("One is! Two {{x}} is? Three is.", "One is! Three is."),
        ("Г. Абай А. Б. {{x}} туды. Екінші.", "Екінші."),
        ("He met Dr. {{x}} in May. Then left.", "Then left."),
        ("Er kam am 5. {{x}} an. Dann ging er.", "Dann ging er."),
        ("In 1990. The {{x}} fell.", "In 1990."),
        ("In the U.S. {{x}} fell. Next.", "Next."),
        ("첫째이다. 둘째 {{x}} 이다. 셋째이다.", "첫째이다. 셋째이다."),
        ("一だ。二{{x}}だ。三だ。", "一だ。三だ。"),
        ("彼は「一。二{{x}}。」と言った。三だ。", "三だ。"),
        ("软件很快。它有{{x}}个！电脑？", "软件很快。电脑？"),
        ("أول جملة. ثانية {{x}} هنا؟ ثالثة.", "أول جملة. ثالثة."),
        ("پہلا ہے۔ دوسرا {{x}} ہے۔ تیسرا ہے۔", "پہلا ہے۔ تیسرا ہے۔"),
        ("पहला है। दूसरा {{x}} है। तीसरा है।", "पहला है। तीसरा है।"),
        ("ပထမ။ ဒုတိယ{{x}}ဖြစ်။ တတိယ။", "ပထမ။ တတိယ။"),
        ("ที่หนึ่ง ที่สอง{{x}}คือ ที่สาม", ""),
        ("አንድ ነው። ሁለት {{x}} ነው። ሦስት።", "አንድ ነው። ሦስት።"),
        ("Մեկ է։ Երկու {{x}} է։ Երեք։", "Մեկ է։ Երեք։"),
        ("One (see. {{x}}b) is. Two is.", "One is. Two is."),
        ("* One {{x}} is. Two.\n* Three.", "- Three."),
        ("== {{x}} and ==\nText.", "Text."),
    ],
)
def test_a_sentence_with_a_hole_goes_and_its_neighbours_stay(text, left):
    assert prose(text).text == left


def test_a_table_is_no_sentence():
    assert prose("A is.\n{|\n| {{x}} || y\n|}\nB is.") == ("A is.\n\nB is.", 0, 0)
