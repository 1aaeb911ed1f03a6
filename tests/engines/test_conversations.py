"""Runs on conversations: what arrives in each form of the product is what was written."""

import io
import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import zstandard

from curate import api
from curate.inspection.verify import verify
from curate.protocol.chat import render
from curate.recipe.recipe import parse_recipe
from curate.storage.store import open_store
from curate.tokens.encode import encoder
from tests.engines.test_formats import read_mds

RECIPE = """
name = "chat"
[sources.talks]
format = "chat"
path = "{path}"
{stages}
[limits]
quarantined_records = 9
[output]
formats = {formats}
chat = "{chat}"
"""
DEDUP = "".join(f'[[stages]]\nuse = "{use}"\n' for use in ("exact_dedup", "fuzzy_dedup", "count"))
ALL = ("jsonl", "ds", "megatron", "mds")


def run(folder, records, formats=ALL, chat="messages", stages=DEDUP):
    path = folder / "input.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    text = RECIPE.format(path=path, formats=json.dumps(list(formats)), chat=chat, stages=stages)
    output = folder / f"out-{chat}"
    result = api.run(parse_recipe(text, "chat"), output=output, engine="in-process")
    assert result.exit_code == 0, result.complaints
    assert verify(open_store(result.output)) == []
    return result


def lines(result):
    found = []
    for path in sorted(Path(result.output, "jsonl").rglob("*.jsonl.zst")):
        with path.open("rb") as packed:
            text = io.TextIOWrapper(zstandard.ZstdDecompressor().stream_reader(packed), "utf-8")
            found += map(json.loads, text)
    return sorted(found, key=lambda row: int(row["id"].partition("#")[2]))


def rows(result):
    return pq.read_table(Path(result.output, "mixture")).to_pylist()


def tokens(result, format):
    """Return the texts that a format's tokens stand for, in one string."""
    suffix, kind = {"ds": (".ds", "<u4"), "megatron": (".bin", "<i4")}[format]
    (path,) = Path(result.output, format).rglob(f"*{suffix}")
    ids = np.fromfile(path, kind).tolist()
    tekken = encoder(None, None)
    return tekken.encoding.decode([i - tekken.offset for i in ids if i >= tekken.offset])


QUESTION = (
    "Please look up the weather in the city that is stored in my profile and tell me what to wear"
    " when I go out tonight"
)


def calling(city):
    call = {
        "id": "c1",
        "type": "function",
        "function": {"name": "get_weather", "arguments": json.dumps({"city": city})},
    }
    answer = {"role": "assistant", "content": "", "tool_calls": [call]}
    return {"id": city.lower(), "messages": [{"role": "user", "content": QUESTION}, answer]}


def test_calls_that_differ(tmp_path):
    result = run(tmp_path, [calling("Almaty"), calling("Oslo"), calling("Oslo")])
    assert result.manifest["totals"]["curated"] == 2
    found = {
        json.loads(json.loads(row["messages"][1]["tool_calls"])[0]["function"]["arguments"])["city"]
        for row in rows(result)
    }
    assert found == {"Almaty", "Oslo"}
    bare = encoder(None, None).encode([f"user: {QUESTION}\n\nassistant: "])[0]
    assert all(row["n_tokens"] > len(bare) + 10 for row in rows(result))
    for format in ("ds", "megatron"):
        text = tokens(result, format)
        assert "Almaty" in text and "Oslo" in text
    texts = [text for _, text in read_mds(Path(result.output, "mds", "main"))]
    assert sorted(texts) == sorted(row["text"] for row in rows(result))
    assert sum("Almaty" in text for text in texts) == sum("Oslo" in text for text in texts) == 1


def pair(rejected):
    ask = "Name one large lake in Kazakhstan and say where it lies, please, in one sentence"
    chosen = "Lake Balkhash lies in the south-east of Kazakhstan, fed by the Ili."
    asked = [{"role": "user", "content": ask}]
    return {"messages": asked, "chosen": chosen, "rejected": rejected}


def test_worse_answers_that_differ(tmp_path):
    worse = ["Lake Garda.", "There are no lakes.", "No.", "No."]
    result = run(tmp_path, map(pair, worse))
    found = [row["rejected"][-1]["content"] for row in lines(result)]
    assert found == worse[:3]
    (tally,) = (s["tally"] for n, s in result.manifest["ledger"]["stages"].items() if n == "mix")
    held = {name: count for name, count in tally.items() if name.startswith("not_held")}
    assert held == {f"not_held:{format}:rejected": 3 for format in ("ds", "megatron", "mds")}
    assert "not_held:megatron:rejected" in Path(result.output, "report.md").read_text()


TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "w",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
        },
    }
]
ASK_BOTH = {"role": "user", "content": "Weather in Almaty and Oslo?"}
CALL_BOTH = {
    "role": "assistant",
    "content": None,
    "tool_calls": [
        {"id": id_, "type": "function",
         "function": {"name": "w", "arguments": json.dumps({"city": city})}}
        for id_, city in (("call_1", "Almaty"), ("call_2", "Oslo"))
    ],
}  # fmt: skip


def test_which_call_is_answered(tmp_path):
    answers = [
        {"role": "tool", "tool_call_id": "call_2", "content": "5C"},
        {"role": "tool", "tool_call_id": "call_1", "content": "20C"},
        {"role": "assistant", "content": "Almaty 20C, Oslo 5C"},
    ]
    record = {"tools": TOOLS, "messages": [ASK_BOTH, CALL_BOTH, *answers]}
    result = run(tmp_path, [record])
    (line,), (row,) = lines(result), rows(result)
    ids = [None, None, "call_2", "call_1", None]
    assert [turn.get("tool_call_id") for turn in line["messages"]] == ids
    assert [turn["tool_call_id"] for turn in row["messages"]] == ids
    assert line["tools"] == TOOLS == json.loads(row["tools"])
    assert line["messages"][1]["tool_calls"] == CALL_BOTH["tool_calls"]
    assert row["meta"] is None
    assert '"properties": {"city"' in tokens(result, "ds")
    assert "tool tool_call_id=call_2: 5C" in tokens(result, "megatron")


SHAPES = [
    {
        "conversations": [
            {"from": "human", "value": "Weather in Oslo?"},
            {"from": "function_call", "value": '{"name": "w", "arguments": {"city": "Oslo"}}'},
            {"from": "observation", "value": "5C"},
            {"from": "gpt", "value": "It is 5C"},
        ]
    },
    {"messages": [ASK_BOTH, CALL_BOTH]},
    {
        "messages": [
            {"role": "user", "content": "w?"},
            {
                "role": "assistant",
                "tool_calls": [
                    {"type": "function", "function": {"name": "w", "arguments": {"city": "Oslo"}}}
                ],
            },
            {"role": "tool", "name": "w", "content": "5C"},
            {"role": "assistant", "content": "5C"},
        ]
    },
    {
        "tools": json.dumps([TOOLS[0]["function"]]),
        "messages": [
            {"role": "user", "content": "now?"},
            {"role": "assistant", "content": "Hm.", "function_call": {"name": "now"}},
            {"role": "function", "name": "now", "content": "noon"},
        ],
    },
]


def test_calls_have_one_shape_in_messages(tmp_path):
    found = [
        turn["tool_calls"]
        for row in lines(run(tmp_path, SHAPES, ("jsonl",), stages=""))
        for turn in row["messages"]
        if "tool_calls" in turn
    ]
    assert len(found) == 4
    for called in found:
        for call in called:
            assert set(call) - {"id"} == {"type", "function"} and call["type"] == "function"
            assert isinstance(call["function"]["arguments"], str)
    functions = [[call["function"]["name"] for call in called] for called in found]
    assert functions == [["w"], ["w", "w"], ["w"], ["now"]]
    assert [json.loads(called[0]["function"]["arguments"]) for called in found] == [
        {"city": "Oslo"},
        {"city": "Almaty"},
        {"city": "Oslo"},
        {},
    ]


def test_calls_have_one_shape_in_sharegpt(tmp_path):
    written = lines(run(tmp_path, SHAPES, ("jsonl",), "sharegpt", stages=""))
    found = [
        json.loads(turn["value"])
        for row in written
        for turn in row["conversations"]
        if turn["from"] == "function_call"
    ]
    oslo, almaty = ({"name": "w", "arguments": {"city": city}} for city in ("Oslo", "Almaty"))
    assert found == [oslo, [almaty, oslo], oslo, {"name": "now", "arguments": {}}]
    assert written[2]["conversations"][2] == {"from": "observation", "value": "5C", "name": "w"}
    assert [turn["value"] for turn in written[3]["conversations"][:2]][1] == "Hm."
    assert json.loads(written[3]["tools"]) == [TOOLS[0]["function"]]


def test_turns_of_weight_zero_are_masked(tmp_path):
    turns = [
        {"role": "user", "content": "Сәлем?"},
        {"role": "assistant", "content": "Қате жауап.", "weight": 0},
        {"role": "user", "content": "Тағы?"},
        {"role": "assistant", "content": "Дұрыс жауап.", "weight": 1},
    ]
    plain = [{"role": "user", "content": "A"}, {"role": "assistant", "content": "B"}]
    records = [{"messages": turns}, {"messages": plain}]
    result = run(tmp_path, records, ("jsonl", "ds"))
    assert [turn.get("weight") for turn in lines(result)[0]["messages"]] == [None, 0, None, 1]
    (path,) = Path(result.output, "ds").rglob("*.ds")
    ids = np.fromfile(path, "<u4")
    mask = np.fromfile(path.with_name(path.name + ".loss"), np.bool_)
    assert len(ids) == len(mask)
    tekken = encoder(None, None)
    hidden = tekken.encoding.decode((ids[~mask] - tekken.offset).tolist())
    assert hidden == "assistant: Қате жауап.\n\n"
    assert mask[ids == tekken.end].all()
    total = sum(row["n_tokens"] + 1 for row in rows(result))
    assert len(ids) == total

    strict = tmp_path / "strict"
    strict.mkdir()
    result = run(strict, records, ("jsonl", "ds", "megatron"))
    (file,) = result.manifest["ledger"]["files"].values()
    assert file["quarantined"] == {"masked_turn": 1}
    assert [len(row["messages"]) for row in rows(result)] == [2]


def test_reasoning_arrives_in_every_form(tmp_path):
    answer = {"role": "assistant", "content": "Five.", "reasoning": "Two and three."}
    record = {"messages": [{"role": "user", "content": "2 + 3?"}, answer]}
    result = run(tmp_path, [record], stages='[[stages]]\nuse = "repair"\n' + DEDUP)
    (line,), (row,) = lines(result), rows(result)
    assert line["messages"][1]["reasoning_content"] == "Two and three."
    assert row["text"] == render(row["messages"])
    for text in (tokens(result, "ds"), tokens(result, "megatron")):
        assert "<think>\nTwo and three.\n</think>\n\nFive." in text


def test_media_are_quarantined_by_name(tmp_path):
    image = {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}
    shown = {"role": "user", "content": [{"type": "text", "text": "What is it?"}, image]}
    plain = {"messages": [{"role": "user", "content": "A"}, {"role": "assistant", "content": "B"}]}
    result = run(tmp_path, [{"messages": [shown]}, plain], ("jsonl",))
    (file,) = result.manifest["ledger"]["files"].values()
    assert file["quarantined"] == {"image_part": 1}


@pytest.mark.parametrize("chat", ["messages", "sharegpt"])
def test_what_was_written_is_read_back(tmp_path, chat):
    records = [*SHAPES, pair("No."), {"messages": [ASK_BOTH, CALL_BOTH], "tools": TOOLS}]
    first = run(tmp_path, records, ("jsonl",), chat, stages="")
    again = tmp_path / "again"
    again.mkdir()
    second = run(again, lines(first), ("jsonl",), chat, stages="")

    def content(result):
        names = ("messages", "conversations", "chosen", "rejected", "tools")
        return [{name: row.get(name) for name in names} for row in lines(result)]

    assert content(second) == content(first)
