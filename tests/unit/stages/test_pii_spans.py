"""Where personal data was masked: told by standardize, kept true by every stage after it."""

from collections import Counter

import pyarrow as pa

import curate
from curate import schema
from curate.protocol.chat import render
from curate.recipe.profile import Profile, Profiles
from curate.stages.repair import Repair
from curate.stages.standardize import Standardize
from curate.stages.trim import Trim
from tests.conversations import calls, message

MASKING = Profile(
    name="_default",
    standardize={"fixes": ("soft_hyphens",), "mask": ("email", "public_ip")},
    trim={"rules": ("navigation_lines", "citation_marks", "pipe_lines")},
)
PROFILES = Profiles({"_default": MASKING, "code": Profile(name="code")}, {"code": "code"})


def masks_of(table):
    """Return, per row, the masks of its spans: (bytes of the text, kind)."""
    rows = zip(table.column("text").to_pylist(), table.column("pii_spans").to_pylist())
    return [
        None if spans is None
        else [(text.encode()[s["start"] : s["end"]].decode(), s["kind"]) for s in spans]
        for text, spans in rows
    ]  # fmt: skip


def standardized(*rows, profiles=PROFILES):
    made = [{"id": f"w#{n}", "source": "w"} | row for n, row in enumerate(rows)]
    tally = Counter()
    return Standardize(profiles).apply(schema.documents(made), tally), tally


def test_spans_are_bytes_of_the_new_text():
    table, tally = standardized(
        {"text": "Жа\u00adз: 81.169.145.72, ann.lee@curate.dev немесе bo@curate.dev."},
        {"text": "Таза мәтін"},
        {"text": None},
        {"text": "a@b.cc", "source": "code"},
        {"text": "a@b.cc", "dropped_by": "earlier:rule"},
    )
    mail = ("email@example.com", "email")
    assert masks_of(table) == [[("192.0.2.1", "public_ip"), mail, mail], [], None, None, None]
    assert table.column("pii_spans")[0].as_py()[0] == {"start": 8, "end": 17, "kind": "public_ip"}
    assert tally == {"fix:soft_hyphens": 1, "mask:email": 2, "mask:public_ip": 1}


def test_spans_of_a_conversation_are_bytes_of_its_rendering():
    turns = [
        {"role": "system", "content": None},
        {"role": "user", "content": "Хат: a@b.cc және c@d.ee"},
        {"role": "assistant", "content": "жоқ"},
        {"role": "user", "content": "a@b.cc"},
    ]
    table, tally = standardized(
        {"text": "x a@b.cc"},
        {"text": "stale", "messages": turns, "rejected": [{"role": "user", "content": "no@no.no"}]},
        {"text": "stale", "messages": []},
        {"text": "stale", "messages": turns[3:]},
    )
    mail = ("email@example.com", "email")
    assert masks_of(table) == [[mail], [mail] * 3, [], [mail]]
    assert table.column("text")[3].as_py() == "user: email@example.com"
    assert tally == {"mask:email": 6}


def test_reasoning_is_masked_and_calls_and_tools_are_not():
    call = calls(("send", '{"to": "a@b.cc"}'))
    turns = [
        message("user", "Хат: a@b.cc"),
        message("assistant", "Иә: c@d.ee.", reasoning_content="Оған: e@f.gg", tool_calls=call),
        message("assistant", "жоқ", reasoning_content="g@h.kz және i@j.de"),
    ]
    tools = '[{"type":"function","function":{"name":"send","description":"a@b.cc"}}]'
    table, tally = standardized(
        {"text": "stale", "messages": turns[:1]},
        {"text": "stale", "messages": turns, "tools": tools},
    )
    mail = ("email@example.com", "email")
    assert masks_of(table) == [[mail], [mail] * 5]
    assert tally == {"mask:email": 6}
    after = table.column("messages")[1].as_py()
    assert after[1]["reasoning_content"] == "Оған: email@example.com"
    assert (after[1]["tool_calls"], table.column("tools")[1].as_py()) == (call, tools)
    assert table.column("text")[1].as_py() == render(after, tools)


def test_a_profile_without_masks_adds_no_column():
    profiles = Profiles({"_default": Profile(name="_default")})
    assert "pii_spans" not in standardized({"text": "a"}, profiles=profiles)[0].column_names
    assert Standardize(profiles).adds == () and Standardize(PROFILES).adds == ("pii_spans",)


def test_a_second_stage_tells_of_both():
    first = Profiles({"_default": Profile(name="_default", standardize={"mask": ("public_ip",)})})
    table, _ = standardized(
        {"text": "a@b.cc\n81.169.145.72\nq"}, {"text": "a@b.cc 81.169.145.72"}, profiles=first
    )
    again = Standardize(PROFILES).apply(table, Counter())
    mail, address = ("email@example.com", "email"), ("192.0.2.1", "public_ip")
    assert masks_of(again) == [[mail, address], None]  # the second line was changed within
    assert Standardize(PROFILES).apply(again, Counter()).equals(again)


def test_spans_follow_the_lines_that_trim_keeps():
    table, _ = standardized(
        {"text": "Home | News | About\nМекенжай: a@b.cc немесе c@d.ee\nRiver"},
        {"text": "Reply to a@b.cc\nThe river rose.[1]"},
        {"text": "Reply to a@b.cc [1]"},
        {"text": "Home | News | a@b.cc\nThe river rose."},
        {"text": "Home | News | About\nThe river rose."},
    )
    mail = ("email@example.com", "email")
    trimmed = Trim(PROFILES).apply(table, Counter())
    assert trimmed.column("text")[0].as_py() == (
        "Мекенжай: email@example.com немесе email@example.com\nRiver"
    )
    assert masks_of(trimmed) == [[mail, mail], [mail], None, [], []]


def test_repair_after_it_leaves_untouched_rows_alone():
    table, _ = standardized({"text": "a@b.cc"}, {"text": "a@b.cc \n x"})
    langs = [{"start": 0, "end": 17, "lang": "und"}]
    table = table.append_column("lang_spans", pa.array([langs] * 2, pa.list_(schema.LANG_SPAN)))
    done = Repair().apply(table, Counter())
    assert masks_of(done) == [[("email@example.com", "email")], None]
    assert done.column("lang_spans").to_pylist() == [langs, None]


def test_the_column_comes_out_of_the_api():
    table = curate.standardize(
        pa.table({"text": ["Write to ann@curate.dev."], "lang": ["eng_Latn"]})
    )
    assert table.column("pii_spans").to_pylist() == [[{"start": 9, "end": 26, "kind": "email"}]]
