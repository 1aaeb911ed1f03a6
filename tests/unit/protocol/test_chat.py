"""Conversations in the forms that trainers read; no part of a conversation is lost."""

import json
from itertools import takewhile

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from curate.protocol.chat import (
    content_offsets,
    exact_parts,
    loss_pieces,
    openai,
    render,
    sharegpt,
    without_tools,
)
from curate.sources.chat.layouts import LayoutOptions, read
from tests.conversations import calls, message

WORDS = st.text(max_size=8)
NAMES = st.none() | st.sampled_from(["ann", "w"])
WEIGHTS = st.none() | st.sampled_from([0.0, 1.0, 0.5])
ARGUMENTS = st.dictionaries(WORDS, st.none() | st.integers() | WORDS, max_size=3).map(json.dumps)
CALLS = st.lists(st.tuples(st.sampled_from("fg"), ARGUMENTS), min_size=1, max_size=3)
TURN = st.one_of(
    st.builds(
        lambda role, content, **more: message(role, content, **more),
        st.sampled_from(["system", "user", "tool"]),
        WORDS,
        name=NAMES,
        weight=WEIGHTS,
    ),
    st.builds(
        lambda content, **more: message("assistant", content, **more),
        WORDS,
        reasoning_content=st.none() | WORDS.filter(bool),
        weight=WEIGHTS,
    ),
    # Nothing else calls: ShareGPT joins what the assistant says before a call with the call.
    st.builds(
        lambda made, content, **more: [
            message("user", "?"),
            message("assistant", content, tool_calls=calls(*made), **more),
            message("tool", "1"),
        ],
        CALLS,
        WORDS,
        reasoning_content=st.none() | WORDS.filter(bool),
        weight=WEIGHTS,
    ),
)
CONVERSATION = st.lists(TURN, min_size=1, max_size=5).map(
    lambda drawn: [m for one in drawn for m in (one if isinstance(one, list) else [one])]
)


def plain(messages):
    """Return messages with calls as objects: the notation of arguments may differ."""
    return [
        m
        | {"tool_calls": [call | {"function": call["function"] | {"arguments": json.loads(
            call["function"]["arguments"])}} for call in json.loads(m["tool_calls"] or "[]")]}
        for m in messages
    ]  # fmt: skip


@given(CONVERSATION)
def test_a_conversation_written_as_sharegpt_is_read_back(messages):
    (back,) = read(json.loads(json.dumps(sharegpt(messages))), LayoutOptions())
    assert plain(back.messages) == plain(messages)
    assert render(back.messages) == render(messages)


@given(st.lists(TURN.filter(lambda t: isinstance(t, dict)), max_size=4), *[CONVERSATION] * 2)
@example([], [message("user", "")], [message("user", "")])
@example(
    [message("user", "?")],
    [message("assistant", "0", tool_calls=calls(("f", "{}"))), message("tool", "1")],
    [message("assistant", "0", tool_calls=calls(("f", "{}"), ("f", "{}"))), message("tool", "1")],
)
def test_preferences_written_as_sharegpt_are_read_back(before, good, bad):
    chosen, rejected = [*before, *good], [*before, *bad]
    # An answer that begins with the first turn is taken for a whole conversation, and turns that
    # end with the answer for the chosen one.
    shared = len(list(takewhile(lambda turns: turns[0] == turns[1], zip(chosen, rejected))))
    shared = min(shared, len(chosen) - 1, len(rejected) - 1)
    for answer in (chosen[shared:], rejected[shared:]):
        assume(not shared or (answer[0] != chosen[0] and answer != [chosen[shared - 1]]))
    (back,) = read(sharegpt(chosen, rejected), LayoutOptions())
    assert (plain(back.messages), plain(back.rejected)) == (plain(chosen), plain(rejected))


@given(CONVERSATION)
def test_a_conversation_written_as_openai_messages_is_read_back(messages):
    (back,) = read({"messages": json.loads(json.dumps(openai(messages)))}, LayoutOptions())
    assert back.messages == messages


@given(CONVERSATION, st.sampled_from([None, '[{"b": 1, "a": "ә"}]']))
def test_offsets_find_contents_and_reasonings_in_the_rendering(messages, tools):
    text = render(messages, tools).encode()
    for turn, (thought, content) in zip(messages, content_offsets(messages, tools), strict=True):
        assert text[content:].startswith(turn["content"].encode())
        assert text[thought:].startswith((turn["reasoning_content"] or "").encode())
    assert without_tools(text.decode(), tools) == render(messages)


@given(CONVERSATION)
def test_the_pieces_of_the_loss_mask_are_the_rendering(messages):
    pieces = loss_pieces(messages, "[]")
    assert (pieces is None) == all(m["weight"] != 0 for m in messages)
    if pieces is not None:
        assert "".join(text for text, _ in pieces) == render(messages, "[]")
        assert [trained for _, trained in pieces[1:]] == [m["weight"] != 0 for m in messages]


def test_content_with_a_tool_call_is_a_turn_before_it():
    made = calls(("f", '{"x":1}', "c1"))
    messages = [message("assistant", "One moment.", tool_calls=made)]
    assert sharegpt(messages)["conversations"] == [
        {"from": "gpt", "value": "One moment."},
        {
            "from": "function_call",
            "value": '{"name": "f", "arguments": {"x": 1}}',
            "tool_call_ids": ["c1"],
        },
    ]
    both = [message("assistant", "", tool_calls=calls(("f", "{}"), ("f", '{"x":1}')))]
    (turn,) = sharegpt(both)["conversations"]
    assert json.loads(turn["value"]) == [
        {"name": "f", "arguments": {}},
        {"name": "f", "arguments": {"x": 1}},
    ]


def test_answers_of_several_turns_are_lists():
    question = message("user", "?")
    found = sharegpt(
        [question, message("assistant", "A"), message("user", "more"), message("assistant", "B")],
        [question, message("assistant", "C")],
    )
    assert found["conversations"] == [{"from": "human", "value": "?"}]
    assert [each["value"] for each in found["chosen"]] == ["?", "A", "more", "B"]
    assert [each["value"] for each in found["rejected"]] == ["?", "C"]


def test_openai_messages_have_only_what_is_there():
    named = message("user", "x", name="ann", weight=0.0)
    assert openai([named]) == [{"role": "user", "content": "x", "name": "ann", "weight": 0}]
    assert str(openai([named])[0]["weight"]) == "0"


def test_the_rendering_holds_all_that_a_model_reads():
    messages = [
        message("assistant", "A", reasoning_content="R", tool_calls=calls(("f", "{}", "c1"))),
        message("tool", "1", tool_call_id="c1", name="f"),
    ]
    assert render(messages, '[{"b":1,"a":2}]') == (
        'tools: [{"a": 2, "b": 1}]\n\n'
        "assistant: <think>\nR\n</think>\n\nA\n"
        '<tool_call>\n{"name": "f", "arguments": {}, "id": "c1"}\n</tool_call>\n\n'
        "tool name=f tool_call_id=c1: 1"
    )
    # Half of a surrogate pair is no text: it stays escaped.
    half = [message("assistant", "", tool_calls=calls(("f", '{"x":"\\ud800"}')))]
    assert '"\\ud800"' in render(half) and render(half).encode()


CALLED = [
    message("user", "?"),
    message("assistant", "", tool_calls=calls(("f", '{"x": 1, "y": 2}', "a"), ("f", "{}", "b"))),
    message("tool", "1", tool_call_id="a"),
]


def changed(number, **fields):
    return [m | (fields if n == number else {}) for n, m in enumerate(CALLED)]


def called(*made):
    return changed(1, tool_calls=calls(*made))


@pytest.mark.parametrize(
    ("messages", "rejected", "tools"),
    [
        (called(("f", '{"x": 1, "y": 3}', "a"), ("f", "{}", "b")), None, None),
        (called(("f", '{"x": 1, "y": 2}', "a")), None, None),
        (called(("F", '{"x": 1, "y": 2}', "a"), ("f", "{}", "b")), None, None),
        (called(("f", "{}", "a"), ("f", '{"x": 1, "y": 2}', "b")), None, None),
        (changed(2, tool_call_id="b"), None, None),
        (changed(2, name="f"), None, None),
        (changed(2, weight=0.0), None, None),
        (CALLED, None, '[{"type":"function","function":{"name":"f"}}]'),
        (CALLED, [message("user", "?"), message("assistant", "no")], None),
    ],
)  # fmt: skip
def test_what_is_compared_exactly_differs(messages, rejected, tools):
    assert exact_parts(messages, rejected, tools) != exact_parts(CALLED, None, None)


def test_notation_makes_no_difference():
    same = calls(("f", '{ "y":2,"x":1 }', "a"), ("f", "{}", "b"))
    one, other = (exact_parts(m, None, None) for m in (CALLED, changed(1, tool_calls=same)))
    assert one == other is not None
    assert exact_parts(changed(2, weight=1.0), None, None) == one
    tools = ('[{"a":1,"b":[]}]', '[{"b": [], "a": 1}]')
    assert len({exact_parts(CALLED, None, each) for each in tools}) == 1
    sides = [[message("user", "?"), message("assistant", words)] for words in ("No way", "no  WAY")]
    assert len({exact_parts(CALLED, side, None) for side in sides}) == 1
    assert exact_parts([message("user", "?"), message("assistant", "!")], None, None) is None


def test_calls_in_tags_are_compared_exactly():
    def tagged(arguments):
        content = f'<tool_call>\n{{"name": "f", "arguments": {arguments}}}\n</tool_call>'
        return exact_parts([message("assistant", content)], None, None)

    # Open tags that nothing closes are not searched again and again.
    assert exact_parts([message("assistant", "<tool_call>" * 1_000_000)], None, None) is None
    assert tagged('{"x":1, "y":2}') == tagged('{"y": 2,"x": 1}') != tagged('{"x":1, "y":3}')
