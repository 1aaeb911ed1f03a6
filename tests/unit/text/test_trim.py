from collections import Counter

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate import schema
from curate.errors import RecipeError
from curate.recipe.profile import Profile, Profiles, TrimSection
from curate.stages.trim import Trim
from curate.text import trim as module
from curate.text import trim_scan
from curate.text.trim import RULES, trim
from tests.examples import examples

REMOVED = {
    "pipe_lines": ["Home | News | About", "a|b|c", "首页｜新闻｜关于"],
    "javascript_lines": ["Please enable JavaScript", "JAVASCRIPT is off"],
    "cookie_policy_lines": ["This site uses cookies.", "Privacy Policy",
         "Политика конфиденциальности", "Çerez Politikası"],
    "citation_marks": ["[edit]", "[1][2]", "[]", "[citation needed]"],
    "navigation_lines": ["Home > Blog > 2024", "Басты бет / Жаңалықтар / Спорт", "« Previous",
         "Next →", "A » B » C »", "A • B • C", "| a | b |"],
    "terminal_punctuation_lines": ["Read more", "Басты бет", "and so on...", "見出し", "Price: 5"],
    "few_words_lines": ["Read more", "one two three four", "東京都は", "x"],
}  # fmt: skip
KEPT = {
    "pipe_lines": ["either | or", "plain", "P(A|B) is not P(B|A), " + "and so on " * 9],
    "javascript_lines": ["Java and scripts", "ява"],
    "cookie_policy_lines": ["Bake cookies at 180 °C.", "policy"],
    "citation_marks": ["a list [of things]", "x[i]", "[2a]"],
    "navigation_lines": ["A river / a road", "He said »no« / and / left", "«Қазақстан» газеті",
         "5 > 3 > 1.", "a - b - c", "Go -> there", "km/h and m/s / x",
         "He runs and runs and runs through all of the town » and / then / sleeps."],
    "terminal_punctuation_lines": ["It rained.", "«Келді!»", "なぜ？」", "چرا؟", "क्यों।",
         "He said \"no\"", "(Yes.)", "Then …", "end.  "],
    "few_words_lines": ["one two three four five", "東京都は広い", "ประเทศไทย"],
}  # fmt: skip
EVERY = pytest.mark.parametrize("rule", RULES)


def arrow(*texts):
    return pa.array(texts, pa.large_string())


@EVERY
def test_removes_and_keeps(rule):
    for line in REMOVED[rule]:
        assert RULES[rule](arrow(line)).to_pylist() == [None], line
    for line in KEPT[rule]:
        assert RULES[rule](arrow(line)).to_pylist() == [line], line


def test_citation_marks_are_cut_within_lines():
    lines = arrow("Rice is grown.[2] It is eaten [citation needed].", "Ends here. [13]")
    assert module.citation_marks(lines).to_pylist() == [
        "Rice is grown. It is eaten .",
        "Ends here.",
    ]


def test_options():
    assert module.few_words_lines(arrow("two words"), min_words=2).to_pylist() == ["two words"]
    assert module.pipe_lines(arrow("a | b"), min_pipes=1).to_pylist() == [None]
    assert module.cookie_policy_lines(
        arrow("use cookies", "a.b", "axb"), phrases=["a.b"]
    ).to_pylist() == ["use cookies", None, "axb"]
    assert module.cookie_policy_lines(arrow("use cookies"), phrases=[]).to_pylist() == [
        "use cookies"
    ]
    colons = module.terminal_punctuation_lines(arrow("a.", "b:"), marks=":")
    assert colons.to_pylist() == [None, "b:"]
    long = "a " * 30 + "> b > c"
    assert module.navigation_lines(arrow(long)).to_pylist() == [long]
    assert module.navigation_lines(arrow(long), max_item_chars=100).to_pylist() == [None]


def test_counts_lines_and_bytes_and_joins_what_is_left():
    page = (
        "Home | News | Қала\n\n\nThe river rose.[1]\n\n"
        "a | b | c\n\n\n\nIt fell again.\nHome | News | About\n"
    )
    wanted = TrimSection(rules=("pipe_lines", "citation_marks"))
    done, tally = trim(arrow(page, None, "untouched\n", ""), wanted)
    assert done.to_pylist() == ["The river rose.\n\n\nIt fell again.", None, "untouched\n", ""]
    assert tally == {
        "lines:pipe_lines": 3,
        "bytes:pipe_lines": len("Home | News | Қалаa | b | cHome | News | About".encode()),
        "lines:citation_marks": 1,
        "bytes:citation_marks": 3,
    }


def test_an_earlier_rule_counts_the_line_and_options_reach_their_rule():
    wanted = TrimSection(
        rules=("pipe_lines", "few_words_lines"), options={"few_words_lines": {"min_words": 2}}
    )
    done, tally = trim(arrow("a | b | c\none\ntwo words"), wanted)
    assert done.to_pylist() == ["two words"]
    assert tally["lines:pipe_lines"] == 1 and tally["lines:few_words_lines"] == 1


def test_a_cut_that_brings_out_a_menu_settles():
    wanted = TrimSection(rules=("navigation_lines", "citation_marks"))
    done, tally = trim(arrow("Text stays here.\nNext [1]»\n[[1]2]"), wanted)
    assert done.to_pylist() == ["Text stays here."]
    assert trim(done, wanted)[0].to_pylist() == done.to_pylist()
    assert tally["lines:navigation_lines"] == 1


def test_clean_arrays_come_back_as_they_are():
    clean = arrow("It rained.\n\nIt stopped.", "")
    done, tally = trim(
        clean, TrimSection(rules=tuple(RULES), options={"few_words_lines": {"min_words": 1}})
    )
    assert done is clean and not tally


LINES = st.sampled_from(
    ["", " ", "a", "It rained all day.", "Home | News | About", "[1]", "x[[1]2]", "« Back",
     "Next »", "use cookies", "javascript", "漢字。",
     "[edit]|[edit]|", "a [1]/ b [2]/ c", "...", "a... [1]"]
)  # fmt: skip


@examples(150)
@given(
    st.lists(
        st.one_of(st.none(), st.lists(LINES, max_size=6).map("\n".join), st.text(max_size=30)),
        max_size=4,
    ),
    st.permutations(list(RULES)),
    st.integers(1, 7),
)
def test_twice_is_once_and_only_lines_go(texts, rules, number):
    wanted = TrimSection(rules=tuple(rules[:number]))
    done, tally = trim(arrow(*texts), wanted)
    again, second = trim(done, wanted)
    assert again.to_pylist() == done.to_pylist() and not second
    for before, after in zip(texts, done.to_pylist(), strict=True):
        assert (before is None) == (after is None)
        if before is not None and "citation_marks" not in wanted.rules:
            left = iter(before.split("\n"))
            assert all(line in left for line in after.split("\n") if line)
    assert all(count >= 0 for count in tally.values())


def test_unknown_rules_and_options_are_refused():
    for section, hint in (
        ({"rules": ("pipe_line",)}, "pipe_lines"),
        ({"rules": (), "options": {"few_words_lines": {"min_word": 3}}}, "min_words"),
        ({"rules": (), "options": {"javascript_lines": {"x": 3}}}, "it has none"),
    ):
        with pytest.raises(RecipeError, match=hint):
            Trim(Profiles({"_default": Profile(name="_default", trim=section)}))


def test_stage_drops_what_has_nothing_left_and_leaves_chat():
    profiles = Profiles({"_default": Profile(name="_default", trim={"rules": ("pipe_lines",)})})
    turns = [{"role": "user", "content": "a | b | c"}]
    rows = [
        {"id": "w#0", "source": "w", "text": "a | b | c\nd | e | f"},
        {"id": "w#1", "source": "w", "text": "a | b | c\nIt rained."},
        {"id": "w#2", "source": "w", "text": "user: a | b | c", "messages": turns},
        {"id": "w#3", "source": "w", "text": ""},
        {"id": "w#4", "source": "w", "text": None},
        {"id": "w#5", "source": "w", "text": "a | b | c", "dropped_by": "earlier:rule"},
    ]
    tally = Counter()
    stage = Trim(profiles)
    done = stage.apply(schema.documents(rows), tally)
    assert done.column("text").to_pylist() == [
        "",
        "It rained.",
        "user: a | b | c",
        "",
        None,
        "a | b | c",
    ]
    assert done.column("dropped_by").to_pylist() == [
        "trim:nothing_left",
        None,
        None,
        None,
        None,
        "earlier:rule",
    ]
    assert tally["lines:pipe_lines"] == 3
    assert stage.refuses_chat


PIECES = [
    *"|｜›»>/•·→«‹←[] \u3000aЖ。.12",
    "edit",
    "javaScript",
    "cookie policy",
    " | ",
    " » ",
    "\t",
]
MENUS = st.tuples(st.sampled_from("|｜›»>/•·→«‹←"), st.sampled_from(["{0} a", "a {0} b {0} c"]))
LINES = st.lists(st.sampled_from(PIECES), max_size=14).map("".join)
LINES |= MENUS.map(lambda menu: menu[1].format(menu[0]))


@examples(300)
@given(LINES, LINES, LINES)
def test_a_hint_matches_every_line_and_text_that_its_rule_could_change(first, line, last):
    for rule, hint in module.HINTS.items():
        column = pa.array([line], pa.large_string())
        if RULES[rule](column).equals(column):
            continue
        hinted = pc.match_substring_regex(pa.array([line, f"{first}\n{line}\n{last}"]), hint)
        assert hinted.to_pylist() == [True, True], rule


SIGNS = st.lists(
    st.sampled_from(
        [*module.POLICY_PHRASES, *(phrase.upper() for phrase in module.POLICY_PHRASES),
         "COOKIE POLICY".replace("K", "\u212a"),
         "terms of u\u017fe", "javascript", "JAVA\u017fcript", "|", "｜",
         "›", "»", ">", "/",
         "•", "·", "→", "«", "‹", "←", "[1]", "[edit]", "[citation needed]", "[", "]", " ", "\n",
         "\t", "\r", "\v", "a", "é", "ж", "本", "😀"]
    ),
    max_size=8,
).map("".join)  # fmt: skip


@examples(300)
@given(texts=st.lists(SIGNS, max_size=6))
def test_the_scan_misses_no_line_that_a_hint_matches(texts):
    column = pa.array([*texts, None, *module.POLICY_PHRASES], pa.large_string())
    found = trim_scan.scan(column)
    assert trim_scan.RULES.keys() == module.HINTS.keys()
    for rule, hint in module.HINTS.items():
        matched = pc.fill_null(pc.match_substring_regex(column, hint), False).to_numpy(False)
        assert not (matched & ~(found & trim_scan.RULES[rule] > 0)).any()


def test_the_scan_sees_little_more_than_the_hints_match():
    plain = ["The cook's policy of unity (a/b, «c») cost 5 > 3.", "Ол «Абай» деп 1/2 жазды."]
    assert trim_scan.scan(pa.array([*plain, ""], pa.large_string())).tolist() == [16, 0, 0]
