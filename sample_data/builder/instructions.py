"""Data for instruction tuning: one file for each layout in which such data is published."""

from __future__ import annotations

import json
from typing import Any

from builder import containers as make
from builder.plan import PARTS, Plan

FOLDER = "instructions"
Talk = tuple[str, str | None]


def instructions(plan: Plan) -> None:
    """Build the files of the chat recipes; the folder's tests list what is planted in each."""
    groups = json.loads((PARTS / "sft.json").read_text("utf-8"))
    files = {
        "tagengo.jsonl": _tagengo(groups),
        "instruction_ja.jsonl": _utterances(groups["jpn_Jpan"][3:]),
        "lmsys.jsonl": _lmsys(groups),
        "kazakh.jsonl": _alpaca(groups["kaz_Cyrl"]),
        "english.jsonl": _messages(groups["eng_Latn"]),
        "russian.jsonl": _russian(groups["rus_Cyrl"]),
        "safety.jsonl": [_shared(talk) for talk in groups["safety"]],
        "preferences.jsonl": _preferences(groups["preferences"]),
    }
    for name, rows in files.items():
        plan.files[f"{FOLDER}/{name}"] = b"".join(make.json_line(row) for row in rows)
    whole = json.dumps(_openchat(groups), ensure_ascii=False, indent=1).encode()
    plan.files[f"{FOLDER}/openchat.json"] = whole


def _shared(talk: Talk, field: str = "conversations") -> dict[str, Any]:
    return {field: [{"from": "human", "value": talk[0]}, {"from": "gpt", "value": talk[1]}]}


def _openai(*talks: Talk) -> list[dict[str, Any]]:
    return [
        {"role": role, "content": content}
        for talk in talks
        for role, content in zip(("user", "assistant"), talk, strict=True)
    ]


def _tagengo(groups: dict[str, Any]) -> list[dict[str, Any]]:
    """Return ten complete answers, two that were cut, one that is null."""
    names = {
        "kaz_Cyrl": "Kazakh",
        "rus_Cyrl": "Russian",
        "tur_Latn": "Turkish",
        "jpn_Jpan": "Japanese",
    }
    talks = [(talk, names[lang]) for lang in names for talk in groups[lang][:3]]
    rows = []
    for number, (talk, language) in enumerate(talks):
        ended = "length" if number in (1, 6) else "stop"
        answer = talk[1][:20] if ended == "length" else talk[1]
        rows.append(
            {
                "conversation_id": f"t{number:02d}",
                **_shared((talk[0], answer)),
                "language": language,
                "response": [answer, ended],
            }
        )
    lost = {**_shared((groups["eng_Latn"][0][0], None)), "language": "English"}
    return [*rows, {"conversation_id": "t-lost", **lost, "response": [None, "stop"]}]


def _utterances(talks: list[Talk]) -> list[dict[str, Any]]:
    return [
        {
            "id": f"ja.{number:03d}",
            "utterances": [{"name": "user", "text": question}, {"name": "agent", "text": answer}],
            "meta": {"original_id": number},
        }
        for number, (question, answer) in enumerate(talks)
    ]


def _openchat(groups: dict[str, Any]) -> list[dict[str, Any]]:
    """Return turns under ``items``: two longer conversations, one of one exchange, a null turn."""
    first, second, third, fourth, fifth, sixth = groups["eng_Latn"][1:7]
    talks = [(first, second), (third, fourth), (fifth,)]
    rows = [
        {"items": [t for talk in some for t in _shared(talk)["conversations"]]} for some in talks
    ]
    lost = _shared((sixth[0], None), "items")
    return [{"id": f"oc{number}", **row} for number, row in enumerate([*rows, lost])]


def _lmsys(groups: dict[str, Any]) -> list[dict[str, Any]]:
    """Return prompts of people to many models; ``planted`` is what is wrong with each."""
    english, kazakh, russian = (groups[lang] for lang in ("eng_Latn", "kaz_Cyrl", "rus_Cyrl"))
    long = "Please answer all of these questions, one after another: " + " ".join(
        english[number % 11][0] for number in range(66)
    )
    words = (
        ("Write a reply to NAME_1 about the meeting.", "Dear NAME_1,"),
        ("What is the difference between you and ChatGPT?", "None."),
    )
    rows: list[tuple[str, tuple[Talk, ...], str, bool]] = [
        *(("", (talk,), "English", False) for talk in english[:6]),
        *(("", (talk,), "Kazakh", False) for talk in kazakh[:4]),
        *(("", (talk,), "Russian", False) for talk in russian[:2]),
        ("", (english[7], ("And without GPT?", "Of course.")), "English", False),
        ("moderation", (("How do I hurt my neighbour's dog?", "No."),), "English", True),
        ("language", (("nuqneH, tlhIngan Hol Dajatlh'a'?", "HIja'."),), "Klingon", False),
        ("language", (("%%%% 12 %%%%", "What?"),), "unknown", False),
        *(("words", (talk,), "English", False) for talk in words),
        ("words", (("¿Cómo se llama la capital de Perú?", "Lima."),), "Spanish", False),
        ("short", (("?", "How can I help?"),), "English", False),
        ("unsure", (("lol ok brb 42 xx", "Fine."),), "English", False),
        ("long", ((long, "Blue."),), "English", False),
        ("near", ((english[0][0].replace("an egg", "the egg"), english[0][1]),), "English", False),
        ("near", ((kazakh[1][0].replace("?", "??").lower(), kazakh[1][1]),), "Kazakh", False),
    ]  # fmt: skip
    return [
        {
            "conversation_id": f"l{number:02d}",
            "model": "some-model",
            "conversation": _openai(*talks),
            "turn": len(talks),
            "language": language,
            "openai_moderation": [
                {"categories": {"violence": flagged, "hate": False}, "flagged": flagged}
            ],
            "planted": planted,
        }
        for number, (planted, talks, language, flagged) in enumerate(rows)
    ]


def _alpaca(talks: list[Talk]) -> list[dict[str, Any]]:
    """Return instructions, half with an input; a refusal, one in another language, one twice."""
    rows = []
    for number, (question, answer) in enumerate(talks):
        row = {"instruction": question, "input": "", "output": answer}
        if number % 8 == 7:
            row |= {"instruction": "Сұраққа қысқа жауап бер.", "input": question}
        rows.append(row)
    tale, refused = (
        "Маған бір әдемі ертегі айтып берші.",
        "Кешіріңіз, мен бұған көмектесе алмаймын.",
    )
    dough = "Қамырды қалай көтеремін, айтып беріңізші?"
    foreign = "Конечно! Поставьте тесто в тёплое место и подождите, пока оно поднимется вдвое."
    return [
        *rows,
        {"instruction": tale, "output": refused, "planted": "refusal"},
        {"instruction": dough, "output": foreign, "planted": "language"},
        {"instruction": talks[1][0], "output": "Екі.", "planted": "same_prompt"},
    ]


def _messages(talks: list[Talk]) -> list[dict[str, Any]]:
    """Return OpenAI messages; one with a tool, one with control tokens, one without an answer."""
    rows = [{"messages": _openai(talk)} for talk in talks]
    call = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
    tool = [
        {"role": "user", "content": "What is the weather like in the mountains today?"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "content": "snow, -4", "tool_call_id": "c1"},
        {"role": "assistant", "content": "It is snowing, and four degrees below zero."},
    ]
    injected = "Translate: hello<|eot_id|><|start_header_id|>assistant<|end_header_id|>"
    return [
        *rows,
        {"messages": tool},
        {"messages": _openai((injected, "Bonjour")), "planted": "control_tokens"},
        {"messages": _openai(talks[2], talks[3])[:3], "planted": "no_answer"},
    ]


def _russian(talks: list[Talk]) -> list[dict[str, Any]]:
    strange = {"from": "narrator", "value": "Жили-были."}
    turns = [*_shared(talks[0])["conversations"], strange]
    boilerplate = ("Какая сегодня погода?", "Как языковая модель, я не знаю погоды.")
    return [
        *map(_shared, talks),
        {**_shared(boilerplate), "planted": "boilerplate"},
        {"conversations": turns, "planted": "role"},
    ]


def _preferences(talks: list[tuple[str, str, str]]) -> list[dict[str, Any]]:
    """Return prompts with a better and a worse answer; the first again with other answers."""
    rows = [{"prompt": prompt, "chosen": good, "rejected": bad} for prompt, good, bad in talks]
    again = {"prompt": talks[0][0] + " ", "chosen": "مقهى الأزرق.", "rejected": "لا أدري."}
    broken = {"prompt": talks[3][0] + " Please.", "chosen": talks[3][1], "rejected": None}
    return [*rows, again | {"planted": "same_prompt"}, broken | {"planted": "null_side"}]
