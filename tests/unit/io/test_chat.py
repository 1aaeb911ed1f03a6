"""Conversations of all formats become one; what cannot be mapped is told and not guessed."""

import gzip
import json
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate import schema
from curate.errors import RecipeError
from curate.io.chat_source import ROLES, Chat
from curate.io.records import Damage, Document, InputFile, Piece, Skip
from curate.text.chat import render

DATA = os.environ.get("CURATE_SHARED_DATA")
ANY = Chat()


def stored(folder, data, name="x.jsonl"):
    path = Path(folder) / name
    path.write_bytes(data)
    return InputFile(str(path), name, len(data))


def read(file, source=ANY):
    return list(source.read(file, Piece(0, file.size)))


def one(folder, record, source=ANY):
    (found,) = read(stored(folder, json.dumps(record).encode()), source)
    return found


def said(messages):
    return [(turn["role"], turn["content"]) for turn in messages]


HELLO = [("user", "Сәлем"), ("assistant", "Сәлем!")]


@pytest.mark.parametrize(
    "record",
    [
        {
            "conversations": [
                {"from": "human", "value": "Сәлем"},
                {"from": "gpt", "value": "Сәлем!"},
            ]
        },
        {"items": [{"from": "user", "value": "Сәлем"}, {"from": "chatgpt", "value": "Сәлем!"}]},
        {
            "messages": [
                {"role": "user", "content": "Сәлем"},
                {"role": "assistant", "content": "Сәлем!"},
            ]
        },
        {
            "conversation": [
                {"role": "user", "content": "Сәлем"},
                {"role": "assistant", "content": "Сәлем!"},
            ]
        },
        {
            "conversations": [
                {"role": "user", "content": "Сәлем"},
                {"role": "assistant", "content": "Сәлем!"},
            ]
        },
        {"utterances": [{"name": "user", "text": "Сәлем"}, {"name": "agent", "text": "Сәлем!"}]},
        {
            "messages": [
                {"role": "user", "content": [{"type": "text", "text": "Сәлем"}]},
                {"role": "assistant", "content": [{"type": "text", "value": "Сәлем!"}]},
            ]
        },
    ],
)
def test_every_format_gives_the_same_conversation(tmp_path, record):
    found = one(tmp_path, record)
    assert said(found.messages) == HELLO
    assert found.text == render(found.messages) == "user: Сәлем\n\nassistant: Сәлем!"
    assert found.rejected is None and found.meta is None
    row = {"id": "x", "source": "s", "text": found.text, "messages": found.messages}
    assert schema.documents([row])["messages"].to_pylist() == [found.messages]


def test_a_format_may_be_named_and_the_field_too(tmp_path):
    record = {
        "dialog": [{"from": "human", "value": "a"}],
        "conversations": [{"from": "gpt", "value": "b"}],
    }
    assert said(one(tmp_path, record, Chat(format="sharegpt", field="dialog")).messages) == [
        ("user", "a")
    ]
    assert said(one(tmp_path, record, Chat(field="dialog")).messages) == [("user", "a")]
    with pytest.raises(RecipeError, match="did you mean 'sharegpt'"):
        Chat(format="share_gpt")


@pytest.mark.parametrize(("name", "role"), ROLES.items())
def test_every_known_role_is_mapped(tmp_path, name, role):
    found = one(tmp_path, {"conversations": [{"from": name, "value": "x"}]})
    assert found.messages[0]["role"] == role


@pytest.mark.parametrize(
    ("record", "reason", "error"),
    [
        ({"conversations": [{"from": "narrator", "value": "x"}]}, "unknown_role", "'narrator'"),
        ({"conversations": [{"from": None, "value": "x"}]}, "unknown_role", "'None'"),
        ({"conversations": [{"from": "gpt", "value": None}]}, "null_turn", "no content"),
        ({"conversations": [{"from": "gpt"}]}, "null_turn", "no content"),
        ({"conversations": [{"from": "gpt", "value": 5}]}, "turn_not_string", "int"),
        ({"conversations": ["hello"]}, "bad_turn", "str instead of an object"),
        ({"conversations": [{"value": "x"}]}, "bad_turn", "names no speaker"),
        ({"conversations": "hello"}, "bad_turn", "str instead of a list"),
        ({"conversation_": []}, "missing_messages", "no field 'messages'"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": "x"}]}]},
            "unknown_content_part",
            "'image_url'",
        ),
    ],
)
def test_what_cannot_be_mapped_is_damage_with_its_cause(tmp_path, record, reason, error):
    found = one(tmp_path, record)
    assert (found.reason, found.offset) == (reason, 0)
    assert error in found.error and found.head == json.dumps(record).encode()


def test_empty_turns_are_kept_and_conversations_without_turns_skipped(tmp_path):
    assert said(one(tmp_path, {"messages": [{"role": "user", "content": ""}]}).messages) == [
        ("user", "")
    ]
    assert one(tmp_path, {"messages": []}) == Skip("no_turns")


def test_tool_calls_are_kept_beside_an_empty_content(tmp_path):
    calls = [{"id": "1", "function": {"name": "f", "arguments": "{}"}}]
    record = {
        "messages": [
            {"role": "user", "content": "?", "name": "ann"},
            {"role": "assistant", "content": None, "tool_calls": calls},
            {"role": "tool", "content": "42", "tool_call_id": "1"},
        ]
    }
    found = one(tmp_path, record)
    assert said(found.messages) == [("user", "?"), ("assistant", ""), ("tool", "42")]
    assert json.loads(found.messages[1]["tool_calls"]) == calls
    assert found.messages[0]["name"] == "ann"
    assert json.loads(found.meta) == {"turns": [{}, {}, {"tool_call_id": "1"}]}


def test_a_function_call_of_sharegpt_is_a_tool_call(tmp_path):
    record = {
        "conversations": [
            {"from": "function_call", "value": '{"name":"f"}'},
            {"from": "observation", "value": "1"},
        ]
    }
    found = one(tmp_path, record)
    assert found.messages == [
        {"role": "assistant", "content": "", "name": None, "tool_calls": '{"name":"f"}'},
        {"role": "tool", "content": "1", "name": None, "tool_calls": None},
    ]


def test_a_system_string_becomes_the_first_turn_unless_there_is_one(tmp_path):
    record = {"system": "Be kind.", "conversations": [{"from": "human", "value": "a"}]}
    assert said(one(tmp_path, record).messages) == [("system", "Be kind."), ("user", "a")]
    record["conversations"].insert(0, {"from": "system", "value": "Be short."})
    found = one(tmp_path, record)
    assert said(found.messages) == [("system", "Be short."), ("user", "a")]
    assert found.meta == '{"system":"Be kind."}'


A, B, Q = ({"role": "assistant", "content": c} for c in "ABQ")
ASK = {"role": "user", "content": "Q"}


@pytest.mark.parametrize(
    "record",
    [
        {"chosen": [ASK, A], "rejected": [ASK, B]},
        {"prompt": "Q", "chosen": "A", "rejected": "B"},
        {"prompt": [ASK], "chosen": [A], "rejected": [B]},
        {"prompt": "Q", "chosen": [ASK, A], "rejected": [ASK, B]},
        {"messages": [ASK], "chosen": A, "rejected": B},
        {
            "conversations": [{"from": "human", "value": "Q"}],
            "chosen": {"from": "gpt", "value": "A"},
            "rejected": {"from": "gpt", "value": "B"},
        },
    ],
)
def test_preferences_give_the_chosen_and_the_rejected_conversation(tmp_path, record):
    found = one(tmp_path, record)
    assert said(found.messages) == [("user", "Q"), ("assistant", "A")]
    assert said(found.rejected) == [("user", "Q"), ("assistant", "B")]
    assert found.text == "user: Q\n\nassistant: A"
    assert found.meta is None


def test_a_preference_with_one_side_missing_is_damage(tmp_path):
    assert one(tmp_path, {"prompt": "Q", "chosen": "A", "rejected": None}).reason == "null_turn"


def test_columns_and_meta(tmp_path):
    record = {"messages": [ASK], "link": "http://a", "day": "2026-01-02", "lang": "kk"}
    found = one(tmp_path, record, Chat(url="link", date="day"))
    assert (found.url, found.date, found.meta) == ("http://a", 1767312000000000, '{"lang":"kk"}')


def test_arrays_and_compressed_files_are_read(tmp_path):
    data = json.dumps([{"messages": [ASK]}, {"messages": 5}, {"messages": [A]}], indent=2).encode()
    found = read(stored(tmp_path, gzip.compress(data), "x.json.gz"))
    assert [getattr(r, "text", None) or r.reason for r in found] == [
        "user: Q",
        "bad_turn",
        "assistant: A",
    ]


def test_parquet_tables_are_read(tmp_path):
    rows = [
        {"messages": [ASK, A], "lang": "kk"},
        {"messages": None, "lang": "kk"},
        {"messages": [{"role": "ghost", "content": "x"}], "lang": None},
        {"messages": [ASK, B], "lang": None},
    ]
    path = tmp_path / "x.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=2)
    file = InputFile(str(path), "x.parquet", path.stat().st_size)
    found = [r for piece in ANY.split(file, 1) for r in ANY.read(file, piece)]
    assert len(ANY.split(file, 1)) == 2
    assert [r.locator if isinstance(r, Document) else r.reason for r in found] == [
        "0:0",
        "missing_messages",
        "unknown_role",
        "1:1",
    ]
    assert (found[0].meta, found[3].meta) == ('{"lang":"kk"}', None)
    assert said(found[3].messages) == [("user", "Q"), ("assistant", "B")]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["user", "gpt", "text", ""]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "messages",
                    "conversations",
                    "role",
                    "from",
                    "content",
                    "value",
                    "chosen",
                    "rejected",
                    "prompt",
                    "system",
                    "type",
                    "text",
                    "name",
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@given(
    st.dictionaries(
        st.sampled_from(["messages", "conversations", "chosen", "rejected", "prompt", "system"]),
        json_values,
    )
)
def test_no_record_raises(tmp_path_factory, record):
    for found in read(stored(tmp_path_factory.mktemp("chat"), json.dumps(record).encode() + b"\n")):
        assert isinstance(found, Document | Skip | Damage)
        if isinstance(found, Document):
            assert (
                schema.documents(
                    [{"id": "x", "messages": found.messages, "rejected": found.rejected}]
                ).num_rows
                == 1
            )


@pytest.mark.skipif(not DATA, reason="needs $CURATE_SHARED_DATA")
@pytest.mark.real_data
@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("sharegpt-fastchat-dummy_conversation.json.gz", 500),
        ("sharegpt-glaive_toolcall_en_demo.json.gz", 300),
        ("openai-messages-v1_sft_demo.jsonl.gz", 500),
        ("instruction_ja.dev.jsonl.gz", 335),
        ("sharegpt-axolotl-conversation.jsonl.gz", 1),
    ],
)
def test_real_conversations_are_read_whole(name, count):
    path = Path(DATA) / "chat" / name
    found = read(InputFile(str(path), name, path.stat().st_size))
    assert len(found) == count
    for record in found:
        assert isinstance(record, Document), record
        assert {turn["role"] for turn in record.messages} <= {"system", "user", "assistant", "tool"}
