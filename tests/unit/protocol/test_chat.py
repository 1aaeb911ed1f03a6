"""Conversations in the forms that trainers read; no part of a conversation is lost."""

import json

from hypothesis import example, given
from hypothesis import strategies as st

from curate.protocol.chat import openai, sharegpt
from curate.sources.chat.layouts import LayoutOptions, read

WORDS = st.text(max_size=8)
TURN = st.one_of(
    st.builds(
        lambda role, content: {"role": role, "content": content, "name": None, "tool_calls": None},
        st.sampled_from(["system", "user", "assistant", "tool"]),
        WORDS,
    ),
    st.just({"role": "assistant", "content": "", "name": None, "tool_calls": '[{"name":"f"}]'}),
)


def turn(role, content, calls=None):
    return {"role": role, "content": content, "name": None, "tool_calls": calls}


@given(st.lists(TURN, min_size=1, max_size=6))
def test_a_conversation_written_as_sharegpt_is_read_back(messages):
    (back,) = read(sharegpt(messages), LayoutOptions())
    assert back.messages == messages


@given(st.lists(TURN, max_size=4), *[st.lists(TURN, min_size=1, max_size=3)] * 2)
@example([], [turn("user", "")], [turn("user", "")])
def test_preferences_written_as_sharegpt_are_read_back(before, good, bad):
    chosen, rejected = [*before, *good], [*before, *bad]
    (back,) = read(sharegpt(chosen, rejected), LayoutOptions())
    assert (back.messages, back.rejected) == (chosen, rejected)


@given(st.lists(TURN, min_size=1, max_size=6))
def test_a_conversation_written_as_openai_messages_is_read_back(messages):
    (back,) = read({"messages": openai(messages)}, LayoutOptions())
    assert back.messages == messages


def test_content_with_a_tool_call_is_a_turn_before_it():
    messages = [turn("assistant", "One moment.", '{"name":"f"}')]
    assert sharegpt(messages)["conversations"] == [
        {"from": "gpt", "value": "One moment."},
        {"from": "function_call", "value": '{"name":"f"}'},
    ]


def test_answers_of_several_turns_are_lists():
    question = turn("user", "?")
    found = sharegpt(
        [question, turn("assistant", "A"), turn("user", "more"), turn("assistant", "B")],
        [question, turn("assistant", "C")],
    )
    assert found["conversations"] == [{"from": "human", "value": "?"}]
    assert [each["value"] for each in found["chosen"]] == ["?", "A", "more", "B"]
    assert [each["value"] for each in found["rejected"]] == ["?", "C"]


def test_a_tool_call_that_is_no_json_stays_text():
    assert openai([turn("assistant", "", "f(1)")])[0]["tool_calls"] == "f(1)"
    named = turn("user", "x") | {"name": "ann"}
    assert json.dumps(openai([named])) == '[{"role": "user", "content": "x", "name": "ann"}]'
