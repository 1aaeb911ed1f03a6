"""Calls, tools, reasoning, weights: of every notation one shape; what is not certain is refused."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curate.errors import RecipeError
from curate.sources.base import Document, InputFile, Note, Piece, Skip
from curate.sources.chat.conversations import Chat
from tests.unit.sources.chat.test_chat import one, turns_of

ASK = {"role": "user", "content": "Weather in Almaty?"}
FUNCTION = {"name": "w", "arguments": '{"city": "Almaty"}'}
NESTED = {"type": "function", "function": FUNCTION}
AS_OBJECT = {"name": "w", "arguments": {"city": "Almaty"}}


def made(folder, *turns, source=None, field="messages", **record):
    return one(folder, {field: list(turns)} | record, source or Chat())


def calls_of(message):
    return json.loads(message["tool_calls"])


def assistant(**fields):
    return {"role": "assistant", **fields}


@pytest.mark.parametrize(
    "turn",
    [
        assistant(content=None, tool_calls=[NESTED]),
        assistant(tool_calls=[{"type": "function", "function": AS_OBJECT}]),
        assistant(content="", tool_calls=NESTED),
        assistant(content="", tool_calls=json.dumps([NESTED])),
        assistant(content="", tool_calls=[{"id": None, "function": AS_OBJECT, "type": None}]),
        assistant(content="", tool_calls=[AS_OBJECT]),
        assistant(content=None, tool_calls=[{"name": "w", "args": {"city": "Almaty"}}]),
        assistant(content=None, function_call=FUNCTION),
        assistant(content=None, function_call=json.dumps(AS_OBJECT), tool_calls=[]),
        assistant(tool_calls=[{"name": "w", "parameters": {"city": "Almaty"}, "type": "function"}]),
        assistant(tool_calls=[{"function": "w", "parameters": {"city": "Almaty"}}]),
        assistant(content=[{"type": "tool_use", "name": "w", "input": {"city": "Almaty"}}]),
        {"role": "tool_call", "content": json.dumps(AS_OBJECT)},
        {"role": "function_call", "content": json.dumps([NESTED])},
    ],
)
def test_calls_of_every_notation_have_one_shape(tmp_path, turn):
    found = made(tmp_path, ASK, turn)
    assert turns_of(found.messages) == [("user", ASK["content"]), ("assistant", "")]
    assert calls_of(found.messages[1]) == [NESTED]
    assert found.meta is None


def test_calls_without_arguments_have_none(tmp_path):
    for arguments in ({}, "", None, "{}", " "):
        call = {"name": "now", "arguments": arguments}
        found = made(tmp_path, ASK, assistant(tool_calls=[{"function": call}]))
        assert calls_of(found.messages[1])[0]["function"] == {"name": "now", "arguments": "{}"}


def test_nulls_among_arguments_are_arguments(tmp_path):
    call = {"function": {"name": "w", "arguments": {"city": "Oslo", "unit": None}}}
    found = made(tmp_path, ASK, assistant(tool_calls=[call]))
    assert json.loads(calls_of(found.messages[1])[0]["function"]["arguments"]) == {
        "city": "Oslo",
        "unit": None,
    }


@pytest.mark.parametrize(
    ("turn", "error"),
    [
        (assistant(tool_calls="w(city)"), "a call: "),
        (assistant(tool_calls=["w"]), "a call is str"),
        (assistant(tool_calls=[{"function": {"arguments": "{}"}}]), "names no function"),
        (assistant(tool_calls=[{"name": "w", "arguments": "Almaty"}]), "arguments: "),
        (assistant(tool_calls=[{"name": "w", "arguments": '{"city": '}]), "arguments: "),
        (assistant(tool_calls=[{"name": "w", "arguments": '{"t": NaN}'}]), "NaN is no JSON"),
        (assistant(tool_calls=[{"name": "w", "arguments": ["Almaty"]}]), "list instead of an obj"),
        (assistant(tool_calls=[{"type": "custom", "custom": {"name": "w"}}]), "type 'custom'"),
        (assistant(tool_calls=[{"id": "1", **NESTED}, {"id": "1", **NESTED}]), "the same id"),
        ({"role": "user", "content": "", "tool_calls": [NESTED]}, "'user' calls tools"),
        ({"from": "function_call", "value": "let me look"}, "a call: "),
        ({"from": "function_call", "value": ""}, "has no call"),
        (
            assistant(content=[{"type": "tool_use", "name": "w", "input": {}}, {"text": "so"}]),
            "words after a call",
        ),
    ],
)
def test_a_call_that_is_not_certain_is_damage(tmp_path, turn, error):
    found = made(tmp_path, turn)
    assert found.reason == "bad_tool_call"
    assert error in found.error


def test_a_call_that_nests_too_deep_is_damage(tmp_path):
    arguments = '{"a":' * 100_000
    found = made(tmp_path, assistant(tool_calls=[{"name": "w", "arguments": arguments}]))
    assert found.reason == "too_deep"


def test_parallel_calls_keep_their_ids_and_answers_theirs(tmp_path):
    two = [{"id": f"call_{n}", **NESTED} for n in (1, 2)]
    found = made(
        tmp_path,
        ASK,
        assistant(content="Both.", tool_calls=two),
        {"role": "tool", "tool_call_id": "call_2", "content": "5C"},
        {"role": "tool", "tool_call_id": "call_1", "content": "20C", "name": "w"},
        assistant(content="20C, 5C"),
    )
    assert [call["id"] for call in calls_of(found.messages[1])] == ["call_1", "call_2"]
    assert [m["tool_call_id"] for m in found.messages] == [None, None, "call_2", "call_1", None]
    assert found.messages[3]["name"] == "w"
    assert found.text.split("\n\n")[2:4] == [
        "tool tool_call_id=call_2: 5C",
        "tool name=w tool_call_id=call_1: 20C",
    ]


@pytest.mark.parametrize(
    ("turns", "known"),
    [
        ([assistant(tool_calls=[{"id": "a", **NESTED}]), "b"], False),
        (["a", assistant(tool_calls=[{"id": "a", **NESTED}])], False),
        ([assistant(content="x"), "a"], False),
        ([assistant(tool_calls=[{"id": "a", **NESTED}]), "a", "a"], True),
        ([assistant(tool_calls=[NESTED]), "a"], True),
        ([assistant(tool_calls=[{"id": "a", **NESTED}]), None], True),
        ([assistant(tool_calls=[{"id": 7, **NESTED}]), 7], True),
    ],
)
def test_an_answer_to_a_call_that_nobody_made_is_damage(tmp_path, turns, known):
    listed = [
        turn if isinstance(turn, dict) else {"role": "tool", "content": "", "tool_call_id": turn}
        for turn in turns
    ]
    found = made(tmp_path, ASK, *listed)
    assert isinstance(found, Document) if known else found.reason == "unmatched_tool_call"


def test_turns_of_calls_continue_the_answer_before(tmp_path):
    say = {"from": "gpt", "value": "One moment."}
    call = {"from": "function_call", "value": json.dumps(AS_OBJECT)}
    other = {"from": "function_call", "value": json.dumps(AS_OBJECT | {"name": "v"})}
    seen = {"from": "observation", "value": "5C"}
    ask = {"from": "human", "value": "?"}
    found = made(tmp_path, ask, say, call, other, seen, call, field="conversations")
    assert turns_of(found.messages) == [
        ("user", "?"),
        ("assistant", "One moment."),
        ("tool", "5C"),
        ("assistant", ""),
    ]
    names = [call["function"]["name"] for call in calls_of(found.messages[1])]
    assert names == ["w", "v"] and len(calls_of(found.messages[3])) == 1


def test_a_flood_of_calls_is_one_message(tmp_path):
    call = {"from": "function_call", "value": '{"name": "w"}'}
    found = made(tmp_path, *[call] * 50_000, field="conversations")
    assert len(found.messages) == 1 and len(calls_of(found.messages[0])) == 50_000


def test_parts_of_anthropic_are_calls_answers_and_reasoning(tmp_path):
    found = made(
        tmp_path,
        ASK,
        assistant(
            content=[
                {"type": "thinking", "thinking": "Look.", "signature": "x"},
                {"type": "text", "text": "One moment."},
                {"type": "tool_use", "id": "t1", "name": "w", "input": {"city": "Almaty"}},
            ]
        ),
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "t1", "content": [{"text": "20C"}]},
                {"type": "text", "text": "And?", "cache_control": None},
            ],
        },
        assistant(content="20C"),
    )
    assert turns_of(found.messages) == [
        ("user", ASK["content"]),
        ("assistant", "One moment."),
        ("tool", "20C"),
        ("user", "And?"),
        ("assistant", "20C"),
    ]
    assert found.messages[1]["reasoning_content"] == "Look."
    assert calls_of(found.messages[1]) == [{"id": "t1", **NESTED}]
    assert found.messages[2]["tool_call_id"] == "t1"
    assert json.loads(found.meta)["turns"][1] == {"content": [{"signature": "x"}, {}, {}]}


@pytest.mark.parametrize("kind", ["image", "audio", "video", "file"])
def test_what_no_text_holds_is_damage_by_its_medium(tmp_path, kind):
    parts = [{"type": "text", "text": "What is it?"}, {"type": kind, kind: "data:,"}]
    assert made(tmp_path, {"role": "user", "content": parts}).reason == f"{kind}_part"
    result = [{"type": "tool_result", "content": [{"type": kind}]}]
    assert made(tmp_path, {"role": "user", "content": result}).reason == f"{kind}_part"


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning", "thinking"])
def test_reasoning_is_a_field_of_the_answer(tmp_path, name):
    found = made(tmp_path, ASK, assistant(content="20C", **{name: "Hm."}))
    assert found.messages[1]["reasoning_content"] == "Hm."
    assert found.text.endswith("assistant: <think>\nHm.\n</think>\n\n20C")
    assert found.meta is None
    other = made(tmp_path, ASK, assistant(content="20C", **{name: {"effort": "low"}}))
    assert other.messages[1]["reasoning_content"] is None
    assert json.loads(other.meta)["turns"][1] == {name: {"effort": "low"}}


def test_reasoning_in_tags_stays_in_the_content(tmp_path):
    found = made(tmp_path, ASK, assistant(content="<think>\nHm.\n</think>\n\n20C"))
    assert found.messages[1]["content"] == "<think>\nHm.\n</think>\n\n20C"
    assert found.messages[1]["reasoning_content"] is None


def test_weights_are_kept_and_bad_ones_damage(tmp_path):
    for weight, kept in ((0, 0.0), (1, 1.0), (False, 0.0), (0.5, 0.5), (None, None)):
        found = made(tmp_path, ASK, assistant(content="20C", weight=weight))
        assert found.messages[1]["weight"] == kept
    for weight in ("0", -1, [1]):
        found = made(tmp_path, ASK, assistant(content="20C", weight=weight))
        assert found.reason == "bad_weight"


@pytest.mark.parametrize("name", ["loss", "train", "training", "loss_weight", "loss_scale"])
def test_a_turn_may_say_otherwise_that_it_is_not_trained_on(tmp_path, name):
    masked, plain = (
        made(tmp_path, ASK, assistant(content="20C", **{name: value})) for value in (False, True)
    )
    assert (masked.messages[1]["weight"], plain.messages[1]["weight"]) == (0.0, 1.0)
    assert masked.meta is None
    words = made(tmp_path, ASK, assistant(content="20C", train="later"))
    assert words.meta == '{"turns":[{},{"train":"later"}]}'


def test_a_thought_of_gemini_is_reasoning(tmp_path):
    parts = [{"text": "Say it.", "thought": True}, {"text": "20C"}]
    asked = {"role": "user", "parts": [{"text": "?"}]}
    found = one(tmp_path, {"contents": [asked, {"role": "model", "parts": parts}]})
    assert found.messages[1]["reasoning_content"] == "Say it."
    assert turns_of(found.messages)[1] == ("assistant", "20C")
    assert found.meta is None


def test_masked_answers_are_damage_where_the_product_has_no_mask(tmp_path):
    strict = Chat(masked="quarantine")
    masked = assistant(content="x", weight=0)
    assert made(tmp_path, ASK, masked, source=strict).reason == "masked_turn"
    assert isinstance(made(tmp_path, ASK, masked), Document)
    asked = ASK | {"weight": 0}
    assert isinstance(made(tmp_path, asked, assistant(content="x"), source=strict), Document)


SCHEMA = {"name": "w", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}
TOOLS = [{"type": "function", "function": SCHEMA}]


@pytest.mark.parametrize(
    "record",
    [
        {"tools": TOOLS},
        {"tools": json.dumps(TOOLS)},
        {"tools": [json.dumps(TOOLS[0])]},
        {"tools": [SCHEMA]},
        {"tools": json.dumps([SCHEMA])},
        {"tools": [{"type": "function", **SCHEMA}]},
        {"functions": [SCHEMA]},
        {"tools": [{"name": "w", "input_schema": SCHEMA["parameters"]}]},
    ],
)
def test_tools_of_every_notation_have_one_shape(tmp_path, record):
    found = made(tmp_path, ASK, assistant(content="20C"), **record)
    assert json.loads(found.tools) == TOOLS
    assert found.text.startswith('tools: [{"function": {"name": "w"')
    assert found.meta is None


def test_tools_may_be_elsewhere_or_nowhere(tmp_path):
    for tools in ([], "", "[]", None):
        assert made(tmp_path, ASK, assistant(content="x"), tools=tools).tools is None
    for tools in (["search"], [{"type": "web_search"}], [{"type": "function"}], "search"):
        assert made(tmp_path, ASK, tools=tools).reason == "bad_tools"
    found = made(tmp_path, ASK, tools=["search"], source=Chat(tools=""))
    assert (found.tools, found.meta) == (None, '{"tools":["search"]}')
    found = made(tmp_path, ASK, api=TOOLS, source=Chat(tools="api"))
    assert json.loads(found.tools) == TOOLS


def test_nulls_that_a_table_filled_in_vanish(tmp_path):
    """Rows of a Parquet file have all fields of all rows; calls must not gain arguments by it."""
    rows = [
        {
            "messages": [
                ASK,
                assistant(content=None, tool_calls=[{"id": "1", "function": AS_OBJECT}]),
                {"role": "tool", "content": "20C", "tool_call_id": "1"},
            ],
            "tools": TOOLS,
        },
        {
            "messages": [
                ASK,
                assistant(
                    content=None,
                    tool_calls=[{"function": {"name": "v", "arguments": {"lat": 43.2}}}],
                    reasoning="Hm.",
                ),
            ],
            "tools": [{"function": {"name": "v", "parameters": {"type": "object"}}}],
        },
    ]
    path = tmp_path / "x.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path)
    file = InputFile(str(path), "x.parquet", path.stat().st_size)
    first, second = (r for piece in Chat().split(file, 1) for r in Chat().read(file, piece))
    assert calls_of(first.messages[1]) == [{"id": "1", **NESTED}]
    assert calls_of(second.messages[1]) == [
        {"type": "function", "function": {"name": "v", "arguments": '{"lat": 43.2}'}}
    ]
    assert second.messages[1]["reasoning_content"] == "Hm."
    assert json.loads(first.tools) == TOOLS
    assert json.loads(second.tools)[0]["function"] == rows[1]["tools"][0]["function"]
    assert first.meta is second.meta is None


def test_unknown_fields_of_turns_and_calls_are_kept_in_meta(tmp_path):
    call = {"id": "1", "index": 0, **NESTED}
    found = made(tmp_path, ASK | {"time": 5}, assistant(tool_calls=[call], logprobs=None))
    assert json.loads(found.meta) == {"turns": [{"time": 5}, {"tool_calls": [{"index": 0}]}]}


def test_messages_may_be_json_text(tmp_path):
    turns = [ASK, assistant(content="20C")]
    for field in ("messages", "conversations", "dialog"):
        source = Chat(field="dialog") if field == "dialog" else Chat()
        found = one(tmp_path, {field: json.dumps(turns)}, source)
        assert turns_of(found.messages) == [("user", ASK["content"]), ("assistant", "20C")]
    assert one(tmp_path, {"messages": "[1, "}).reason == "bad_turn"
    assert one(tmp_path, {"messages": "[" * 100_000}).reason == "too_deep"


def test_roles_are_named_by_the_recipe(tmp_path):
    source = Chat(roles={"teacher": "user", "pupil": "assistant", "bing": "tool"})
    turns = [{"role": role, "content": role} for role in ("teacher", "pupil", "human", "bing")]
    found = made(tmp_path, *turns, source=source)
    assert [role for role, _ in turns_of(found.messages)] == ["user", "assistant", "user", "tool"]
    assert made(tmp_path, *turns).reason == "unknown_role"
    with pytest.raises(RecipeError, match="gpt = 'asistant'") as caught:
        Chat(roles={"gpt": "asistant"})
    assert "did you mean 'assistant'" in str(caught.value)


def test_a_developer_is_the_system(tmp_path):
    found = made(tmp_path, {"role": "developer", "content": "Be kind."}, ASK, system="Be short.")
    assert turns_of(found.messages)[0] == ("system", "Be kind.")
    assert found.meta == '{"system":"Be short."}'


@pytest.mark.parametrize("name", ["system", "system_prompt"])
def test_a_system_prompt_comes_first_in_every_layout(tmp_path, name):
    rows = [
        {"messages": [ASK, assistant(content="20C")]},
        {"prompt": ASK["content"], "completion": "20C"},
        {"instruction": ASK["content"], "output": "20C"},
        {"prompt": ASK["content"], "chosen": "20C", "rejected": "5C"},
        {"question": ASK["content"], "chosen": "20C", "rejected": "5C"},
        {"prompt": ASK["content"], "chosen": [ASK, assistant(content="20C")],
         "rejected": [ASK, assistant(content="5C")]},
    ]  # fmt: skip
    for row in rows:
        found = one(tmp_path, {name: "Be kind."} | row)
        expected = [("system", "Be kind."), ("user", ASK["content"]), ("assistant", "20C")]
        assert turns_of(found.messages) == expected, row
        assert found.meta is None
        if "rejected" in row:
            assert turns_of(found.rejected) == [*expected[:2], ("assistant", "5C")]


def test_prompts_and_completions(tmp_path):
    expected = [("user", ASK["content"]), ("assistant", "20C")]
    for row in (
        {"prompt": ASK["content"], "completion": "20C"},
        {"prompt": [ASK], "completion": [assistant(content="20C")]},
        {"prompt": [ASK], "completion": "20C"},
    ):
        assert turns_of(one(tmp_path, row).messages) == expected
        assert turns_of(one(tmp_path, row, Chat(layout="prompt_completion")).messages) == expected
    assert one(tmp_path, {"prompt": "x", "completion": None}).reason == "null_turn"
    missing = one(tmp_path, {"prompt": "x"}, Chat(layout="prompt_completion"))
    assert missing.reason == "missing_messages"


def test_an_instruction_of_preference_data_has_its_input(tmp_path):
    record = {"instruction": "Add", "input": "1 2", "chosen": "3", "rejected": "12"}
    found = one(tmp_path, record)
    assert turns_of(found.messages) == [("user", "Add\n\n1 2"), ("assistant", "3")]
    assert turns_of(found.rejected)[-1] == ("assistant", "12")


def test_a_worse_answer_stands_beside_whole_messages(tmp_path):
    good, bad = assistant(content="20C"), assistant(content="5C")
    for rejected in ([ASK, bad], [bad], bad, "5C"):
        found = made(tmp_path, ASK, good, rejected=rejected, system="Be kind.")
        expected = [("system", "Be kind."), ("user", ASK["content"])]
        assert turns_of(found.messages) == [*expected, ("assistant", "20C")]
        assert turns_of(found.rejected) == [*expected, ("assistant", "5C")]
        assert found.meta is None
        for name in ("rejected_response", "rejected_messages"):
            again = made(tmp_path, ASK, good, **{name: rejected}, system="Be kind.")
            assert (again.rejected, again.meta) == (found.rejected, None)
    assert made(tmp_path, ASK, rejected="5C").meta == '{"rejected":"5C"}'


def test_preferences_of_openai_are_taken_apart(tmp_path):
    found = one(
        tmp_path,
        {
            "input": {"messages": [ASK], "tools": TOOLS, "parallel_tool_calls": True},
            "preferred_output": [assistant(tool_calls=[{"id": "1", **NESTED}])],
            "non_preferred_output": [assistant(content="5C")],
        },
    )
    assert calls_of(found.messages[1]) == [{"id": "1", **NESTED}]
    assert turns_of(found.rejected) == [("user", ASK["content"]), ("assistant", "5C")]
    assert (json.loads(found.tools), found.meta) == (TOOLS, '{"parallel_tool_calls":true}')
    lost = one(
        tmp_path, {"input": {"messages": [ASK]}, "preferred_output": [assistant(content="")]}
    )
    assert lost.reason == "null_turn"


def test_an_answer_that_is_labelled_as_bad_is_no_example(tmp_path):
    record = {"prompt": ASK["content"], "completion": "5C", "label": False}
    assert one(tmp_path, record).reason == "unwanted_answer"
    assert one(tmp_path, record, Chat(only={"label": (True,)})) == Skip("only:label")
    assert one(tmp_path, record | {"label": True}).meta == '{"label":true}'


def test_pairs_may_differ_in_calls_alone(tmp_path):
    sides = {
        side: [assistant(content=None, tool_calls=[{"name": "w", "arguments": {"city": city}}])]
        for side, city in (("chosen", "Almaty"), ("rejected", "Oslo"))
    }
    found = one(tmp_path, {"prompt": [ASK], "tools": TOOLS, **sides})
    assert calls_of(found.messages[1]) == [NESTED]
    assert json.loads(calls_of(found.rejected[1])[0]["function"]["arguments"]) == {"city": "Oslo"}


def test_exchanges_cut_between_questions(tmp_path):
    turns = [ASK, assistant(tool_calls=[{"id": "1", **NESTED}]), {"role": "tool", "content": "5C",
             "tool_call_id": "1"}, assistant(content="5C"), ASK]  # fmt: skip
    found = made(tmp_path, *turns, source=Chat(exchanges=1))
    assert [m["tool_call_id"] for m in found.messages] == [None, None, "1", None]


def test_conversations_with_other_fields_of_turns_are_counted(tmp_path):
    lines = [{"messages": [ASK | {"n": n}]} for n in range(2)]
    path = tmp_path / "x.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)))
    file = InputFile(str(path), "x.jsonl", path.stat().st_size)
    found = list(Chat().read(file, Piece(0, file.size)))
    assert found[::2] == [Note("other_fields_of_turns")] * 2
    assert [json.loads(r.meta)["turns"] for r in found[1::2]] == [[{"n": 0}], [{"n": 1}]]
