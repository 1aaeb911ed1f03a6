"""Conversations of all layouts become one; what cannot be mapped is reported, not guessed."""

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
from curate.protocol.chat import render
from curate.sources.base import Damage, Document, InputFile, Note, Piece, Skip
from curate.sources.chat.conversations import Chat
from curate.sources.chat.turns import ROLES

DATA = os.environ.get("CURATE_SHARED_DATA")
ANY = Chat()


def stored(folder, data, name="x.jsonl"):
    path = Path(folder) / name
    path.write_bytes(data)
    return InputFile(str(path), name, len(data))


def read(file, source=ANY):
    """Return the records; what is noted of them has a test of its own."""
    found = source.read(file, Piece(0, file.size))
    return [record for record in found if not isinstance(record, Note)]


def one(folder, record, source=ANY):
    (found,) = read(stored(folder, json.dumps(record).encode()), source)
    return found


def turns_of(messages):
    return [(turn["role"], turn["content"]) for turn in messages]


HELLO = [("user", "Сәлем"), ("assistant", "Сәлем!")]


OPENAI = [{"role": "user", "content": "Сәлем"}, {"role": "assistant", "content": "Сәлем!"}]
SHAREGPT = [{"from": "human", "value": "Сәлем"}, {"from": "gpt", "value": "Сәлем!"}]
PARTS = [
    {"role": "user", "content": [{"type": "text", "text": "Сәлем"}]},
    {"role": "assistant", "content": [{"type": "text", "value": "Сәлем!"}]},
]


@pytest.mark.parametrize(
    "record",
    [
        {"conversations": SHAREGPT},
        {"items": [{"from": "user", "value": "Сәлем"}, {"from": "chatgpt", "value": "Сәлем!"}]},
        {"messages": OPENAI},
        {"conversation": OPENAI},
        {"conversations": OPENAI},
        {"utterances": [{"name": "user", "text": "Сәлем"}, {"name": "agent", "text": "Сәлем!"}]},
        {"messages": PARTS},
        {"messages": [{"role": "User ", "content": "Сәлем"}, {"role": "AI", "content": "Сәлем!"}]},
        {"messages": [{"type": "human", "content": "Сәлем"}, {"type": "ai", "content": "Сәлем!"}]},
        {
            "conversations": [
                {"from": "human", "content": "Сәлем"},
                {"from": "bot", "content": "Сәлем!"},
            ]
        },
        {
            "conversations": [
                {"role": "user", "value": "Сәлем"},
                {"role": "Chatbot", "value": "Сәлем!"},
            ]
        },
        {"prompt": "Сәлем", "response": "Сәлем!"},
        {"question": "Сәлем", "answer": "Сәлем!"},
        {"query": "Сәлем", "response": "Сәлем!", "history": []},
        {"inputs": "Сәлем", "targets": "Сәлем!"},
        {"input": "Сәлем", "output": "Сәлем!"},
        {"instruction": "Сәлем", "answer": "Сәлем!"},
    ],
)
def test_every_layout_gives_the_same_conversation(tmp_path, record):
    found = one(tmp_path, record)
    assert turns_of(found.messages) == HELLO
    assert found.text == render(found.messages) == "user: Сәлем\n\nassistant: Сәлем!"
    assert found.rejected is None and found.meta is None
    row = {"id": "x", "source": "s", "text": found.text, "messages": found.messages}
    assert schema.documents([row])["messages"].to_pylist() == [found.messages]


def test_a_layout_may_be_named_and_the_field_too(tmp_path):
    dialog, other = [{"from": "human", "value": "a"}], [{"from": "gpt", "value": "b"}]
    record = {"dialog": dialog, "conversations": other}
    for source in (Chat(layout="sharegpt", field="dialog"), Chat(field="dialog")):
        assert turns_of(one(tmp_path, record, source).messages) == [("user", "a")]
    with pytest.raises(RecipeError, match="did you mean 'sharegpt'"):
        Chat(layout="share_gpt")


@pytest.mark.parametrize(("name", "role"), ROLES.items())
def test_every_known_role_is_mapped(tmp_path, name, role):
    value = '{"name": "f"}' if role == "function_call" else "x"
    found = one(tmp_path, {"conversations": [{"from": name, "value": value}]})
    assert found.messages[0]["role"] == ("assistant" if role == "function_call" else role)


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
            {"question": "Which?", "choices": ["x", "y"], "answer": "x"},
            "missing_messages",
            "no field 'messages'",
        ),
        ({"messages": OPENAI, "kto_tag": False}, "unwanted_answer", "kto_tag"),
        (
            {"contents": [{"role": "model", "parts": [{"functionCall": {"name": "f"}}]}]},
            "turn_not_string",
            "has no text, but: functionCall",
        ),
        (
            {"conversations": [{"from": "human", "value": "<image>\n?"}], "image": "a.jpg"},
            "image_part",
            "field 'image' or 'images'",
        ),
        (
            {"messages": [{"role": "user", "content": "<audio>"}], "audios": ["a.wav"]},
            "audio_part",
            "field 'audio' or 'audios'",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": "x"}]}]},
            "image_part",
            "'image_url'",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "hologram", "text": "x"}]}]},
            "unknown_content_part",
            "'hologram'",
        ),
    ],
)
def test_what_cannot_be_mapped_is_damage_with_its_cause(tmp_path, record, reason, error):
    found = one(tmp_path, record)
    assert (found.reason, found.offset) == (reason, 0)
    assert error in found.error and found.head == json.dumps(record).encode()


def test_empty_turns_are_kept_and_conversations_without_turns_skipped(tmp_path):
    found = one(tmp_path, {"messages": [{"role": "user", "content": ""}]})
    assert turns_of(found.messages) == [("user", "")]
    assert one(tmp_path, {"messages": []}) == Skip("no_turns")


def test_a_system_string_becomes_the_first_turn_unless_there_is_one(tmp_path):
    record = {"system": "Be kind.", "conversations": [{"from": "human", "value": "a"}]}
    assert turns_of(one(tmp_path, record).messages) == [("system", "Be kind."), ("user", "a")]
    record["conversations"].insert(0, {"from": "system", "value": "Be short."})
    found = one(tmp_path, record)
    assert turns_of(found.messages) == [("system", "Be short."), ("user", "a")]
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
            "chosen": "\n\nHuman: Q\n\nAssistant: A",
            "rejected": "\n\nHuman: Q\n\nAssistant: B",
        },
        {"prompt": "\n\nHuman: Q\n\nAssistant:", "chosen": "A", "rejected": "B"},
        {
            "conversations": [{"from": "human", "value": "Q"}],
            "chosen": {"from": "gpt", "value": "A"},
            "rejected": {"from": "gpt", "value": "B"},
        },
    ],
)
def test_preferences_give_the_chosen_and_the_rejected_conversation(tmp_path, record):
    found = one(tmp_path, record)
    assert turns_of(found.messages) == [("user", "Q"), ("assistant", "A")]
    assert turns_of(found.rejected) == [("user", "Q"), ("assistant", "B")]
    assert found.text == "user: Q\n\nassistant: A"
    assert found.meta is None


def test_turns_beside_two_whole_conversations_are_not_read_twice(tmp_path):
    good, bad = OPENAI, [OPENAI[0], {"role": "assistant", "content": "Жоқ"}]
    for before in (good, bad, OPENAI[:1], [], None):
        record = {"prompt": "Сәлем", "messages": before, "chosen": good, "rejected": bad}
        found = one(tmp_path, {name: each for name, each in record.items() if each is not None})
        assert turns_of(found.messages) == HELLO
        assert turns_of(found.rejected) == [HELLO[0], ("assistant", "Жоқ")]
    found = one(tmp_path, {"messages": good, "chosen": "Сәлем!", "rejected": "Жоқ"})
    assert turns_of(found.messages) == HELLO
    assert turns_of(found.rejected) == [HELLO[0], ("assistant", "Жоқ")]
    again = [*OPENAI, OPENAI[0]]  # the same question once more
    found = one(tmp_path, {"messages": again, "chosen": "Сәлем!", "rejected": "Жоқ"})
    assert turns_of(found.messages) == [*HELLO, *HELLO]


def test_a_preference_with_one_side_missing_is_damage(tmp_path):
    assert one(tmp_path, {"prompt": "Q", "chosen": "A", "rejected": None}).reason == "null_turn"


def test_a_transcript_in_one_string_is_its_turns(tmp_path):
    said = "\n\nHuman: a\n\nAssistant: b\n\nc\n\nHuman: d\n\nAssistant:"
    record = {"prompt": said, "completion": " e"}
    turns = [("user", "a"), ("assistant", "b\n\nc"), ("user", "d"), ("assistant", " e")]
    assert turns_of(one(tmp_path, record).messages) == turns
    record = {"prompt": "Quote:" + said, "completion": "e"}
    assert turns_of(one(tmp_path, record).messages)[0] == ("user", "Quote:" + said)


def test_a_system_prompt_in_parts_comes_first(tmp_path):
    parts = [{"type": "text", "text": "Be", "cache_control": {"type": "ephemeral"}}, "kind."]
    for system in ({"system": parts}, {"system_instruction": {"parts": [{"text": "Be\nkind."}]}}):
        found = one(tmp_path, {"messages": OPENAI, **system})
        assert turns_of(found.messages) == [("system", "Be\nkind."), *HELLO]
        assert found.meta is None
    odd = one(tmp_path, {"messages": OPENAI, "system": [{"image": "x"}]})
    assert turns_of(odd.messages) == HELLO
    assert odd.meta == '{"system":[{"image":"x"}]}'


def test_contents_of_gemini_are_turns_with_their_system_instruction(tmp_path):
    said = [("user", "Сәлем"), ("model", "Сәлем!")]
    record = {
        "systemInstruction": {"parts": [{"text": "Be"}, {"text": "kind."}]},
        "contents": [{"role": role, "parts": [{"text": text}]} for role, text in said],
    }
    found = one(tmp_path, record)
    assert turns_of(found.messages) == [("system", "Be\nkind."), *HELLO]
    assert found.meta is None
    record["contents"][1]["parts"] = [{"functionCall": {"name": "w", "args": {}}}]
    assert one(tmp_path, record).reason == "turn_not_string"


def test_alpaca_gives_a_question_and_its_answer(tmp_path):
    record = {"instruction": "Add", "input": "1 2", "output": "3", "id": 7}
    found = one(tmp_path, record)
    assert turns_of(found.messages) == [("user", "Add\n\n1 2"), ("assistant", "3")]
    assert found.meta == '{"id":7}'
    record = {"instruction": "Hi", "context": "", "response": "Hello"}
    found = one(tmp_path, {"system": "Be kind.", "history": [["a", "b"]], **record})
    before = [("system", "Be kind."), ("user", "a"), ("assistant", "b")]
    assert turns_of(found.messages) == [*before, ("user", "Hi"), ("assistant", "Hello")]
    assert found.meta is None


def test_alpaca_instances_are_documents_of_one_record(tmp_path):
    instances = [{"input": "1", "output": "one"}, {"input": "2", "output": "two", "note": "even"}]
    record = {"instruction": "Name", "instances": instances, "id": 1}
    found = read(stored(tmp_path, json.dumps(record).encode()))
    assert [r.locator for r in found] == ["0", "0:1"]
    assert [turns_of(r.messages)[1] for r in found] == [("assistant", "one"), ("assistant", "two")]
    metas = [json.loads(r.meta) for r in found]
    assert metas == [{"id": 1}, {"id": 1, "turns": [{"note": "even"}]}]


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({"instruction": "x", "output": None}, "null_turn"),
        ({"instruction": None, "output": "x"}, "null_turn"),
        ({"instruction": "x", "output": ["a"]}, "turn_not_string"),
        ({"instruction": "x", "instances": [{"input": ""}]}, "missing_messages"),
        ({"instruction": "x", "instances": ["y"]}, "bad_turn"),
        ({"instruction": "x", "instances": "y"}, "bad_turn"),
        ({"instruction": "x", "output": "y", "history": [["a"]]}, "bad_turn"),
        ({"output": "y"}, "missing_messages"),
    ],
)
def test_alpaca_that_cannot_be_mapped_is_damage(tmp_path, record, reason):
    assert one(tmp_path, record, Chat(layout="alpaca")).reason == reason


def node(role, text, *replies, **more):
    return {"role": role, "text": text, "message_id": text, "replies": list(replies)} | more


TREE = {
    "message_tree_id": "t",
    "prompt": node(
        "prompter",
        "?",
        node("assistant", "worse", node("prompter", "why", node("assistant", "so")), rank=1),
        node(
            "assistant",
            "best",
            node("prompter", "unanswered"),
            node("prompter", "and", node("assistant", "then")),
            node("prompter", "gone", node("assistant", "too"), deleted=True),
            rank=0,
        ),
        node("assistant", "unranked"),
    ),
}


def test_the_best_path_of_a_tree_is_one_conversation(tmp_path):
    found = one(tmp_path, TREE)
    best = [("user", "?"), ("assistant", "best"), ("user", "and"), ("assistant", "then")]
    assert turns_of(found.messages) == best
    meta = json.loads(found.meta)
    assert meta["message_tree_id"] == "t"
    assert [turn["message_id"] for turn in meta["turns"]] == ["?", "best", "and", "then"]


def test_all_paths_of_a_tree_that_end_with_an_answer(tmp_path):
    file = stored(tmp_path, json.dumps(TREE).encode())
    found = read(file, Chat(paths="all"))
    assert [[turn["content"] for turn in r.messages] for r in found] == [
        ["?", "best", "and", "then"],
        ["?", "worse", "why", "so"],
        ["?", "unranked"],
    ]
    assert [r.locator for r in found] == ["0", "0:1", "0:2"]


def test_a_tree_without_an_answer_is_skipped_and_an_unknown_role_is_damage(tmp_path):
    assert one(tmp_path, {"prompt": node("prompter", "?")}) == Skip("no_turns")
    strange = {"prompt": node("prompter", "?", node("oracle", "!"))}
    assert one(tmp_path, strange).reason == "unknown_role"
    deep = node("assistant", "x")
    for _ in range(250):
        deep = node("assistant", "x", deep)
    assert one(tmp_path, {"prompt": deep}).reason == "too_deep"


def test_records_are_chosen_by_their_fields(tmp_path):
    def row(reason, flags):
        return {"messages": [ASK, A], "response": ["A", reason], "flags": [{"hate": flags}]}

    rows = [row("stop", False), row("length", False), row("stop", True), {"messages": [ASK]}]
    data = b"".join(json.dumps(r).encode() + b"\n" for r in rows)
    source = Chat(only={"response.1": ("stop",)}, without={"flags.0.*": (True,)})
    found = read(stored(tmp_path, data), source)
    failed = ["only:response.1", "without:flags.0.*", "only:response.1"]
    assert [getattr(r, "reason", None) for r in found] == [None, *failed]
    assert json.loads(found[0].meta)["response"] == ["A", "stop"]


def test_a_number_is_not_true(tmp_path):
    record = {"messages": [ASK], "flagged": 1}
    assert isinstance(one(tmp_path, record, Chat(without={"flagged": (True,)})), Document)


def test_only_the_first_exchanges_are_read(tmp_path):
    record = {"system": "s", "messages": [ASK, A, {"role": "tool", "content": "t"}, ASK, B, ASK]}
    found = one(tmp_path, record, Chat(exchanges=1))
    assert [role for role, _ in turns_of(found.messages)] == ["system", "user", "assistant", "tool"]
    assert found.text == render(found.messages)
    assert len(one(tmp_path, record, Chat(exchanges=2)).messages) == 6
    with pytest.raises(RecipeError, match="exchanges = 0"):
        Chat(exchanges=0)


def test_null_turns_may_be_kept_for_a_rule(tmp_path):
    record = {"conversations": [{"from": "human", "value": "?"}, {"from": "gpt", "value": None}]}
    assert one(tmp_path, record).reason == "null_turn"
    found = one(tmp_path, record, Chat(nulls="keep"))
    assert turns_of(found.messages) == [("user", "?"), ("assistant", None)]
    assert found.text == "user: ?\n\nassistant: "


def test_columns_and_meta(tmp_path):
    record = {"messages": [ASK], "link": "http://a", "day": "2026-01-02", "lang": "kk"}
    found = one(tmp_path, record, Chat(url="link", date="day"))
    assert (found.url, found.date, found.meta) == ("http://a", 1767312000000000, '{"lang":"kk"}')


def test_arrays_and_compressed_files_are_read(tmp_path):
    data = json.dumps([{"messages": [ASK]}, {"messages": 5}, {"messages": [A]}], indent=2).encode()
    found = read(stored(tmp_path, gzip.compress(data), "x.json.gz"))
    kinds = [getattr(r, "text", None) or r.reason for r in found]
    assert kinds == ["user: Q", "bad_turn", "assistant: A"]


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
    kinds = [r.locator if isinstance(r, Document) else r.reason for r in found]
    assert kinds == ["0:0", "missing_messages", "unknown_role", "1:1"]
    assert (found[0].meta, found[3].meta) == ('{"lang":"kk"}', None)
    assert turns_of(found[3].messages) == [("user", "Q"), ("assistant", "B")]


FIELDS = [
    "messages",
    "conversations",
    "chosen",
    "rejected",
    "prompt",
    "system",
    "instruction",
    "output",
    "instances",
    "history",
    "role",
    "from",
    "content",
    "value",
    "type",
    "text",
    "name",
    "replies",
]
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["user", "gpt", "text", ""]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=5)
    ),
    max_leaves=20,
)


@given(st.dictionaries(st.sampled_from(FIELDS[:10]), json_values))
def test_no_record_raises(tmp_path_factory, record):
    for found in read(stored(tmp_path_factory.mktemp("chat"), json.dumps(record).encode() + b"\n")):
        assert isinstance(found, Document | Skip | Damage)
        if isinstance(found, Document):
            row = {"id": "x", "messages": found.messages, "rejected": found.rejected}
            assert schema.documents([row]).num_rows == 1


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
        ("alpaca_zh_demo.json.gz", 1000),
        ("identity.json.gz", 91),
        ("ru-alpaca_seed_tasks.jsonl.gz", 137),
        ("oasst-en_tree.dev.jsonl.gz", 50),
    ],
)
def test_real_conversations_are_read_whole(name, count):
    path = Path(DATA) / "chat" / name
    found = read(InputFile(str(path), name, path.stat().st_size))
    assert len(found) == count
    for record in found:
        assert isinstance(record, Document), record
        assert {turn["role"] for turn in record.messages} <= {"system", "user", "assistant", "tool"}


@pytest.mark.skipif(not DATA, reason="needs $CURATE_SHARED_DATA")
@pytest.mark.real_data
def test_all_paths_of_real_trees():
    path = Path(DATA) / "chat" / "oasst-en_tree.dev.jsonl.gz"
    file = InputFile(str(path), path.name, path.stat().st_size)
    best, every = read(file), read(file, Chat(paths="all"))
    assert {r.locator for r in best} <= {r.locator for r in every}
    assert len({r.text for r in every}) == len(every)
    assert all(r.messages[-1]["role"] == "assistant" for r in every)

    def last_answers(node):
        below = [last_answers(reply) for reply in node["replies"]]
        return sum(below) or int(node["role"] == "assistant")

    with gzip.open(path) as lines:
        assert sum(last_answers(json.loads(line)["prompt"]) for line in lines) == len(every)


def test_damage_outside_of_the_messages_costs_its_value(tmp_path):
    turns = b'"messages":[{"role":"user","content":"Why?%s"},{"role":"assistant","content":"So."}]'
    lines = [
        b'{"note":"\xff",' + turns % b"" + b"}",
        b'\xef\xbb\xbf{"n":' + b"9" * 5000 + b"," + turns % b"" + b"}",
        b'{"note":1,' + turns % b"\\ud83d" + b"}",
    ]
    file = stored(tmp_path, b"\n".join(lines))
    first, note, second, other, damage = ANY.read(file, Piece(0, file.size))
    assert first.messages[0]["content"] == second.messages[0]["content"] == "Why?"
    assert json.loads(first.meta) == {"note": "\ufffd"} and json.loads(second.meta) == {"n": None}
    assert note == other and note.what == "damaged_fields" and note.count == 1
    assert damage.reason == "lone_surrogate"


@pytest.mark.parametrize("broken", ["scores", "messages"])
def test_a_damaged_column_beside_the_turns_costs_only_itself(tmp_path, broken):
    texts = [f"an answer {n} " + "x" * 40 for n in range(300)]
    turns = [[{"role": "user", "content": "?"}, {"role": "assistant", "content": t}] for t in texts]
    path = tmp_path / "x.parquet"
    table = pa.table({"messages": turns, "scores": texts, "topic": ["a"] * 300})
    options = {"write_page_checksum": True, "use_dictionary": False, "compression": "zstd"}
    pq.write_table(table, path, row_group_size=300, data_page_size=2000, **options)
    group = pq.read_metadata(path).row_group(0)
    chunks = (group.column(n) for n in range(group.num_columns))
    chunk = [c for c in chunks if c.path_in_schema.startswith(broken)][-1]
    data = bytearray(path.read_bytes())
    data[chunk.data_page_offset + chunk.total_compressed_size - 9] ^= 0xFF
    path.write_bytes(data)
    file = InputFile(str(path), "x.parquet", path.stat().st_size)

    def read(**options):
        reader = Chat(**options)
        return [r for p in reader.split(file, 1 << 20) for r in reader.read(file, p)]

    every, few = read(), read(meta=("topic",))
    if broken == "messages":
        assert [r.reason for r in every if isinstance(r, Damage)] == ["corrupt"]
        assert [r.reason for r in few if isinstance(r, Damage)] == ["corrupt"]
        return
    assert all(isinstance(r, Document) for r in few) and len(few) == 300
    assert few[0].meta == '{"topic":"a"}'
    (note,) = (r for r in every if isinstance(r, Note))
    assert note.what == "damaged_column" and 0 < note.count <= 300
    documents = [r for r in every if isinstance(r, Document)]
    assert [r.messages[1]["content"] for r in documents] == texts
    assert documents[-1].meta == '{"topic":"a"}'


def test_columns_that_an_option_names_are_read(tmp_path):
    path = tmp_path / "x.parquet"
    turns = [[{"role": "user", "content": "?"}, {"role": "assistant", "content": "!"}]]
    table = {"dialog": turns, "link": ["http://a.org"], "s": [{"ok": True}], "z": [1]}
    pq.write_table(pa.table(table), path)
    file = InputFile(str(path), "x.parquet", path.stat().st_size)
    reader = Chat(field="dialog", url="link", only={"s.ok": (True,)}, meta=("s",))
    (document,) = reader.read(file, *reader.split(file, 1 << 20))
    assert (document.url, document.meta) == ("http://a.org", '{"s":{"ok":true}}')
    assert document.messages[1]["content"] == "!"


def test_a_small_record_does_not_become_a_large_product(tmp_path):
    """Of conversations that repeat turns, of turns in a string, and of JSON in a string."""
    history, answers = [["a", "b"]] * 400, [{"output": "c"}] * 200
    records = {
        "too_many_turns": [
            {"instruction": "a", "history": history, "instances": answers},
            {"chosen": "\n\nHuman: a\n\nAssistant: b" * 50_001, "rejected": "c"},
            {"messages": OPENAI * 50_001},
        ],
        "bomb": [
            {"instruction": "a", "instances": [{"output": "c"}] * 30, "x": "long " * 1_000_000},
            {"instruction": "long " * 1_000_000, "instances": [{"output": "c"}] * 30},
        ],
        "too_complex": [{"messages": "[" + "[]," * 2_000_000 + "[]]"}],
    }  # fmt: skip
    for reason, some in records.items():
        for record in some:
            assert one(tmp_path, record).reason == reason
    few = {"instruction": "a", "instances": [{"output": "c"}] * 30, "x": "long " * 1000}
    assert len(read(stored(tmp_path, json.dumps(few).encode()))) == 30


def test_all_paths_of_a_tree_cost_what_they_are(tmp_path):
    leaf = {"role": "assistant", "text": "end"}
    node = {"role": "assistant", "text": "a", "replies": [leaf] * 5000}
    for role in ["prompter", "assistant"] * 90:
        node = {"role": role, "text": role, "replies": [node]}
    source = Chat(paths="all")
    assert one(tmp_path, {"prompt": node}, source).reason == "too_many_turns"
    node["replies"] = [{**leaf, "rank": 1}, {**leaf, "text": "best", "rank": 0}]
    paths = read(stored(tmp_path, json.dumps({"prompt": node}).encode()), source)
    assert [path.messages[-1]["content"] for path in paths] == ["best", "end"]


def test_a_sign_for_an_image_is_text_where_the_record_has_none(tmp_path):
    for images in (None, []):
        record = {"messages": [{"role": "user", "content": "What is <image>?"}], "images": images}
        assert turns_of(one(tmp_path, record).messages) == [("user", "What is <image>?")]


def test_turns_before_a_query_and_the_context_of_a_question_are_read(tmp_path):
    found = one(tmp_path, {"query": "c", "response": "d", "history": [["a", "b"]], "system": "s"})
    assert [content for _, content in turns_of(found.messages)] == ["s", "a", "b", "c", "d"]
    asked = one(tmp_path, {"question": "Who?", "context": "Aida came.", "answer": "Aida"})
    assert turns_of(asked.messages) == [("user", "Who?\n\nAida came."), ("assistant", "Aida")]
    assert found.meta is None and asked.meta is None


def test_a_turn_of_harmonys_analysis_is_the_reasoning_of_the_answer_after_it(tmp_path):
    def turn(role, content, **more):
        return {"role": role, "content": content, **more}

    asked = turn("user", "2+2?")
    turns = [
        asked,
        turn("assistant", "Two and two.", channel="analysis"),
        turn("assistant", "Sum it.", channel="analysis"),
        turn("assistant", "4", channel="final"),
        asked,
        turn("assistant", "Again?", channel="analysis"),
        asked,
        turn("assistant", "I look.", channel="analysis", weight=0),
        turn("assistant", "4."),
    ]
    messages = one(tmp_path, {"messages": turns}).messages
    said = [(m["role"], m["content"], m["reasoning_content"]) for m in messages]
    user = ("user", "2+2?", None)
    assert said == [
        user,
        ("assistant", "4", "Two and two.\n\nSum it."),
        user,
        ("assistant", "", "Again?"),
        user,
        ("assistant", "", "I look."),
        ("assistant", "4.", None),
    ]


def test_a_turn_of_analysis_without_words_is_damage_as_any_other(tmp_path):
    turns = [{"role": "user", "content": "2+2?"}, {"role": "assistant", "channel": "analysis"}]
    damage = one(tmp_path, {"messages": turns})
    assert isinstance(damage, Damage)
    assert damage.reason == "null_turn"
