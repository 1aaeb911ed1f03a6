"""Conversations are copies only if calls, tools and worse answers are the same."""

from collections import Counter

import numpy as np
import pyarrow as pa
import pytest

from curate import schema
from curate.dedup.compared import compared_texts, with_exact_parts
from curate.protocol.chat import render
from curate.stages.decontaminate import Decontaminate
from curate.stages.exact_dedup import ExactDedup
from curate.stages.fuzzy_dedup import FuzzyDedup
from tests.conversations import calls, message
from tests.unit.dedup.test_exact import run, verdicts

WORDS = "Please look up the weather in the city of my profile and say what I should wear tonight"
ASK = message("user", WORDS)
ALMATY, OSLO = (calls(("w", f'{{"city": "{city}"}}', "c1")) for city in ("Almaty", "Oslo"))
CALL, OTHER = (message("assistant", "", tool_calls=made) for made in (ALMATY, OSLO))
ANSWER = message("assistant", "Take a coat, for it is five degrees and a cold wind from the north.")
TOOLS = '[{"type":"function","function":{"name":"w","description":"%s"}}]'


def rows(*conversations):
    return schema.documents(
        {"id": f"s/f#{n}", "source": "s", "messages": messages, "text": render(messages, tools)}
        | {"rejected": rejected and [ASK, rejected], "tools": tools}
        for n, (messages, rejected, tools) in enumerate(conversations)
    )


def dropped(stage, *conversations):
    return list(verdicts(run(stage, rows(*conversations), shards=2)[0]).values())


def worse(words):
    return message("assistant", words)


DIFFERENT = {
    "arguments": (([ASK, CALL], None, None), ([ASK, OTHER], None, None)),
    "case of an argument": (
        ([ASK, CALL], None, None),
        ([ASK, CALL | {"tool_calls": ALMATY.replace("Almaty", "almaty")}], None, None),
    ),
    "a call more": (
        ([ASK, CALL, ANSWER], None, None),
        ([ASK, CALL | {"tool_calls": calls(("w", "{}"), ("w", "{}"))}, ANSWER], None, None),
    ),
    "which call is answered": tuple(
        (
            [
                ASK,
                CALL | {"tool_calls": calls(("w", "{}", "a"), ("w", "{}", "b"))},
                message("tool", "5C", tool_call_id=first),
                message("tool", "20C", tool_call_id=second),
            ],
            None,
            None,
        )
        for first, second in ("ab", "ba")
    ),
    "tools": (([ASK, ANSWER], None, TOOLS % "now"), ([ASK, ANSWER], None, TOOLS % "then")),
    "tools or none": (([ASK, ANSWER], None, TOOLS % "now"), ([ASK, ANSWER], None, None)),
    "worse answers": (([ASK, ANSWER], worse("No."), None), ([ASK, ANSWER], worse("Yes."), None)),
    "a worse answer or none": (([ASK, ANSWER], worse("No."), None), ([ASK, ANSWER], None, None)),
    "calls of worse answers": (([ASK, ANSWER], CALL, None), ([ASK, ANSWER], OTHER, None)),
    "masked turns": (
        ([ASK, ANSWER], None, None),
        ([ASK, ANSWER | {"weight": 0.0}], None, None),
    ),
}


@pytest.mark.parametrize("pair", DIFFERENT.values(), ids=DIFFERENT)
@pytest.mark.parametrize("stage", [ExactDedup(), FuzzyDedup(), FuzzyDedup(shingle="char")])
def test_what_differs_in_more_than_words_is_kept(stage, pair):
    assert dropped(stage, *pair) == [None, None]


@pytest.mark.parametrize("pair", DIFFERENT.values(), ids=DIFFERENT)
def test_what_is_equal_in_all_goes(pair):
    for one in pair:
        assert dropped(ExactDedup(), one, one) == [None, "exact_dedup:duplicate_text"]
        assert dropped(FuzzyDedup(), one, one) == [None, "fuzzy_dedup:near_duplicate"]


def test_notation_of_arguments_makes_no_difference():
    same = CALL | {"tool_calls": calls(("w", '{ "city":"Almaty" }', "c1"))}
    assert dropped(ExactDedup(), ([ASK, CALL], None, None), ([ASK, same], None, None))[1]


def test_words_still_make_near_duplicates_of_conversations_with_equal_calls():
    near = message("user", WORDS + " please")
    found = dropped(
        FuzzyDedup(), ([ASK, CALL, ANSWER], None, None), ([near, CALL, ANSWER], None, None)
    )
    assert sorted(found, key=str) == [None, "fuzzy_dedup:near_duplicate_words"]


def test_shared_tools_make_no_near_duplicates():
    tools = TOOLS % " ".join(f"word{n}" for n in range(500)).translate(
        {48 + n: 97 + n for n in range(10)}
    )
    questions = ("Which way to the old bridge?", "How late is it in Astana when it is noon here?")
    pair = [([message("user", words), ANSWER], None, tools) for words in questions]
    assert dropped(FuzzyDedup(), *pair) == [None, None]


def test_only_conversations_with_more_than_words_are_touched():
    plain = pa.table({"id": ["a"], "text": pa.array(["x"], pa.large_string())})
    texts = compared_texts(plain, "text")
    assert with_exact_parts(plain, "text", texts) is texts
    table = rows(([ASK, ANSWER], None, None), ([ASK, CALL], None, None), ([ASK], None, None))
    table = pa.concat_tables([table, schema.documents([{"id": "d", "text": "d"}])]).slice(1)
    texts = compared_texts(table, "text")
    changed = with_exact_parts(table, "text", texts)
    differ = np.array(texts.to_pylist()) != np.array(changed.to_pylist())
    assert differ.tolist() == [True, False, False]


def test_evaluation_sets_are_searched_in_calls_and_worse_answers(tmp_path):
    secret = (
        "seventeen goats cross the old bridge in spring while nine of them stay behind at the mill"
    )
    (tmp_path / "x.jsonl").write_text(f'{{"q": "{secret}"}}')
    stage = Decontaminate({"goats": str(tmp_path / "x.jsonl")})
    argument = CALL | {"tool_calls": calls(("w", f'{{"city": "{secret}"}}'))}
    table = rows(
        ([ASK, ANSWER], worse(secret), None),
        ([ASK, argument], None, None),
        ([ASK, ANSWER], None, TOOLS % secret),
        ([ASK, ANSWER | {"reasoning_content": secret}], None, None),
        ([ASK, ANSWER], worse("No."), None),
    )
    found = stage.apply(table, Counter())
    assert list(verdicts(found).values()) == [*["decontaminate:goats"] * 4, None]
