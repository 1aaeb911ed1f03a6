"""Signals of conversations against plain Python, and a conversation for each rule of chat."""

import re

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate import schema
from curate.langid.identify import identify
from curate.protocol.chat import render
from curate.recipe import profile
from curate.recipe.locate import profile_text
from curate.recipe.profile import Profiles
from curate.signals import SIGNALS, card, measure
from curate.signals.conversations import COUNTS, PHRASES, pattern
from curate.signals.verdict import lists_of, signals_of, verdicts
from tests.conversations import message

CHAT = profile.load_profile("chat", profile_text)
NAMES = [name for name in SIGNALS if card(name).counts[0] in COUNTS]


def turn(role, content, calls=None, reasoning=None):
    return message(role, content, tool_calls=calls, reasoning_content=reasoning)


def measured(conversations, names=tuple(NAMES), lists=None, identify=None):
    texts = pa.array([render(one) or "" for one in conversations], pa.large_string())
    messages = pa.array(conversations, pa.list_(schema.MESSAGE))
    lists = lists if lists is not None else {**lists_of(CHAT), "prompt_words": ("llama",)}
    found = measure(texts, names, lists, messages=messages, identify=identify)
    return pa.table(found).rename_columns([n.removeprefix("signal_") for n in found]).to_pylist()


def twin(messages, lists):
    """Return the same numbers, counted turn by turn."""
    if messages is None:
        return dict.fromkeys(NAMES)
    found = dict.fromkeys(NAMES, 0) | {"language_difference": None, "prompt_language_score": None}
    previous = None
    spoken = [m for m in messages if m["role"] != "system"]
    found["opens_with_user"] = int(bool(spoken) and spoken[0]["role"] == "user")
    found["closes_with_answer"] = int(bool(messages) and messages[-1]["role"] == "assistant")
    for this in messages:
        role, words, calls = this["role"], this["content"], bool(this["tool_calls"])
        found["n_turns"] += 1
        found["n_answers"] += role == "assistant"
        if not calls and words is None:
            found["n_null_turns"] += 1
        elif not calls and not words.strip() and role in ("user", "assistant"):
            found["n_empty_turns"] += 1
        size = len((words or "").strip())
        found["prompt_chars"] += size if role == "user" else 0
        more = len(this["tool_calls"] or "") + len((this["reasoning_content"] or "").strip())
        found["answer_chars"] += size + more if role == "assistant" else 0
        before = previous["role"] if previous else None
        called = bool(previous and previous["tool_calls"])
        wrong = {
            "user": before == "user",
            "assistant": before == "assistant" and not (calls and not called),
            "system": before not in (None, "system"),
            "tool": before != "tool" and not (before == "assistant" and called),
        }
        found["n_misplaced_turns"] += wrong[role]
        hits = {name: count(lists[listed], words or "") for name, listed in PHRASES.items()}
        besides = "\n".join((this["reasoning_content"] or "", this["tool_calls"] or ""))
        found["n_control_tokens"] += hits["control_token_hits"]
        found["n_control_tokens"] += count(lists["control_tokens"], besides)
        if role == "user":
            found["n_prompt_words"] += hits["prompt_word_hits"]
        if role == "assistant":
            found["n_boilerplate"] += hits["boilerplate_hits"]
            found["n_refusals"] += count(lists["refusals"], (words or "")[:200]) > 0
        previous = this
    return found


def count(phrases, text):
    return len(re.findall(pattern(phrases), text.replace("\u2019", "'"), re.ASCII))


LISTS = {
    "control_tokens": ("<|im_start|>", "</s>"),
    "refusals": ("i can't",),
    "boilerplate": ("as an ai",),
    "prompt_words": ("llama", "gpt"),
}
WORDS = st.lists(
    st.sampled_from(
        ["", " ", "\u3000", "llama", "GPT", "сөз", "<|im_start|>", "</S>", "I can’t", "as an\nAI",
         "x" * 198]
    ),
    max_size=4,
).map(" ".join)  # fmt: skip
TURNS = st.builds(
    turn,
    st.sampled_from(["system", "user", "assistant", "tool"]),
    st.none() | WORDS,
    st.sampled_from([None, None, "", "[{}]", '["</s>"]']),
    st.sampled_from([None, None, None, " </s> hm"]),
)


@given(st.lists(st.none() | st.lists(TURNS, max_size=6), max_size=5), st.integers(0, 5))
def test_every_signal_equals_its_twin(conversations, cut):
    assert measured(conversations, lists=LISTS) == [twin(one, LISTS) for one in conversations]
    # A slice of a table keeps its parent's buffers.
    messages = pa.array(conversations, pa.list_(schema.MESSAGE)).slice(cut)
    texts = pa.nulls(len(messages), pa.large_string())
    found = pa.table(measure(texts, NAMES, LISTS, messages=messages)).to_pylist()
    expected = [twin(one, LISTS) for one in conversations[cut:]]
    assert [list(row.values()) for row in found] == [list(row.values()) for row in expected]


def first_rule(messages):
    names = signals_of(Profiles({"chat": CHAT}))
    text = pa.array([render(messages)], pa.large_string())
    found = measure(
        text,
        names,
        lists_of(CHAT),
        messages=pa.array([messages], pa.list_(schema.MESSAGE)),
        identify=identify,
    )
    rule, value = verdicts(pa.table(found), CHAT)
    return rule[0].as_py(), value[0].as_py()


ASK = turn("user", "Why does the moon look larger near the horizon than high in the sky?")
ANSWER = turn(
    "assistant", "It does not. The eye compares it with houses and trees, and is deceived."
)


@pytest.mark.parametrize(
    ("messages", "rule", "value"),
    [
        ([ASK, ANSWER], None, None),
        ([turn("system", ""), ASK, ANSWER], None, None),
        ([ASK, turn("assistant", "Yes")], None, None),
        ([ASK, turn("assistant", None)], "null_turn", 1),
        ([ASK, turn("assistant", " \n")], "empty_turn", 1),
        ([ANSWER, ASK, ANSWER], "no_question_first", 0),
        ([ASK], "no_answer_last", 0),
        ([ASK, ANSWER, ANSWER], "turns_out_of_order", 1),
        ([ASK, ASK, ANSWER], "turns_out_of_order", 1),
        ([ASK, turn("system", "Be kind."), ANSWER], "turns_out_of_order", 1),
        ([ASK, turn("tool", "42"), ANSWER], "turns_out_of_order", 1),
        ([ASK, turn("assistant", "", "[{}]"), turn("tool", ""), ANSWER], None, None),
        (
            [ASK, turn("assistant", "Wait."), turn("assistant", "", "[{}]"), turn("tool", "1"),
             ANSWER], None, None,
        ),
        ([turn("user", "Hi<|eot_id|><|start_header_id|>assistant"), ANSWER], "control_tokens", 2),
        ([turn("user", "[inst] Hi"), ANSWER], "control_tokens", 1),
        ([ASK, turn("assistant", "As an AI  language model, I never saw it.")], "boilerplate", 1),
        ([ASK, turn("assistant", "Как языковая модель, я не вижу луну.")], "boilerplate", 1),
        ([ASK, turn("assistant", "I’m sorry, but I can’t help with that.")], "refusal", 1),
        ([ASK, turn("assistant", "申し訳ありませんが、お手伝いできません。")], "refusal", 1),
        ([ASK, turn("assistant", "An illusion. " * 16 + "I cannot provide more.")], None, None),
    ],
)  # fmt: skip
def test_what_chat_drops(messages, rule, value):
    assert first_rule(messages) == (rule, value)


KAZAKH = "Сіздің сұрағыңызға жауап беруге дайынмын, бүгін ауа райы өте жақсы болып тұр."
RUSSIAN = "Конечно, сегодня очень хорошая погода, и я с удовольствием отвечу на ваш вопрос."


def test_question_and_answer_in_two_languages():
    rule, value = first_rule([turn("user", KAZAKH), turn("assistant", RUSSIAN)])
    assert rule == "languages_differ" and 0.9 < value <= 1
    assert first_rule([turn("user", KAZAKH), turn("assistant", KAZAKH)]) == (None, None)
    assert first_rule([turn("user", RUSSIAN), turn("assistant", "42")]) == (None, None)
    program = "```python\nnumbers = [1, 2, 3]\nprint(sum(numbers) / len(numbers))\n```"
    assert first_rule([turn("user", RUSSIAN), turn("assistant", program)]) == (None, None)
    unfenced = turn("assistant", program.strip("`"))
    assert first_rule([turn("user", RUSSIAN), unfenced]) == (None, None)
    simplified = "这是一个关于汉语简体字的问题，请你用简体中文回答我的问题，谢谢。"
    traditional = "這是一個關於漢語繁體字的問題，請你用繁體中文回答我的問題，謝謝。"
    assert first_rule([turn("user", simplified), turn("assistant", traditional)]) == (None, None)


def test_a_short_line_of_han_is_no_other_language():
    assert identify(["解释这幅漫画。"])["lang"].to_pylist() == ["jpn_Jpan"]
    answer = "您好，我无法看到您提到的漫画，请您先描述一下画面，我再来解释它的意思。"
    messages = [turn("user", "解释这幅漫画。"), turn("assistant", answer)]
    assert measured([messages], identify=identify)[0]["language_difference"] == 0


def test_languages_are_undefined_where_a_turn_has_none():
    messages = [turn("user", "12 + 30"), turn("assistant", RUSSIAN)]
    rows = measured([messages, None], identify=identify)
    assert [row["prompt_language_score"] for row in rows] == [None, None]
    assert [row["language_difference"] for row in rows] == [None, None]


@pytest.mark.parametrize("listed", ["boilerplate", "refusals", "control_tokens"])
def test_phrases_are_listed_once_and_find_themselves(listed):
    phrases = CHAT.lists[listed]
    name = f"n_{listed}"
    assert len({phrase.casefold() for phrase in phrases}) == len(phrases)
    for phrase in phrases:
        messages = [turn("assistant", f"… {phrase} …")]
        assert measured([messages], (name,), lists_of(CHAT))[0][name] >= 1, phrase


def test_safety_data_may_refuse():
    safe = profile.load_profile("chat_safety", profile_text)
    assert set(CHAT.rules) - set(safe.rules) == {"refusal", "boilerplate"}
