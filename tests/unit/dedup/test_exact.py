"""Exact duplicates and keeper order, and the two stages on Document tables."""

from __future__ import annotations

import itertools
import pickle
import random
import unicodedata
from collections import Counter

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate import schema
from curate.dedup.exact import squeezed, text_hashes, url_key
from curate.dedup.keeper import in_keeper_order, keeper_rank
from curate.errors import RecipeError
from curate.kernels import unicode
from curate.protocol.chat import render
from curate.protocol.in_memory import resolve_steps
from curate.stages.exact_dedup import ExactDedup
from curate.stages.fuzzy_dedup import FuzzyDedup
from tests.examples import examples
from tests.unit.dedup.dedup_corpora import NEIGHBOURS, PLAIN, corpus


def run(
    stage, table: pa.Table, *, shards: int = 1, partitions: int = 1
) -> tuple[pa.Table, Counter]:
    """Sketch, resolve and apply a stage, in shards, as the engine does."""
    cuts = [table.num_rows * number // shards for number in range(shards + 1)]
    pieces = [table.slice(a, b - a) for a, b in itertools.pairwise(cuts)]
    alive = [piece.filter(schema.alive(piece)) for piece in pieces]
    sketches = [{"sketch": stage.sketch(piece), "text": piece} for piece in alive]
    decided = resolve_steps(stage.steps(), sketches, partitions=partitions)["decisions"]
    tally: Counter[str] = Counter()
    applied = [
        stage.apply(
            piece,
            decided.filter(pa.compute.equal(decided["part"], number))
            if number < len(pieces)
            else decided,
            tally,
        )
        for number, piece in enumerate(pieces)
    ]
    return pa.concat_tables(applied), tally


def verdicts(table: pa.Table) -> dict[str, str | None]:
    return dict(zip(table["id"].to_pylist(), table["dropped_by"].to_pylist(), strict=True))


def rows(*texts: str | None, **columns: list[object]) -> pa.Table:
    return schema.documents(
        {"id": f"s/f#{i}", "source": "s", "text": text}
        | {name: values[i] for name, values in columns.items()}
        for i, text in enumerate(texts)
    )


def small(character: str) -> str:
    folded = unicodedata.normalize("NFC", character.casefold())
    folded = {"İ": "i", "ẞ": "ß"}.get(character, folded)
    return folded if len(folded) == 1 else character


def twin_of_squeezed(text: str) -> str:
    kept: list[str] = []
    pending = False
    text = unicodedata.normalize("NFC", text)
    if "ı" in text or "İ" in text:
        text = text.replace("I", "ı")
    text = text.replace("i\u0307", "i")
    for character in unicodedata.normalize("NFC", "".join(map(small, text))):
        classes = unicode.CLASS[ord(character)]
        if classes & unicode.SPACE:
            pending = bool(kept)
        elif classes & unicode.CONTROL and not (
            character in "\u200c\u200d" or 0xE0020 <= ord(character) < 0xE0080
        ):
            continue
        else:
            kept += [" "] * pending + [character]
            pending = False
    return "".join(kept)


def normalised(texts: list[str | None]) -> list[str]:
    found: list[str] = []
    for data, offsets in squeezed(pa.array(texts, pa.large_string())):
        block = data.tobytes()
        found += [block[a:b].decode() for a, b in itertools.pairwise(offsets.tolist())]
    return found


def test_squeezed_folds_case_and_squeezes_white_space():
    assert normalised(["  Алма\n\nАТА ", None]) == ["алма ата", ""]


@examples(150)
@given(
    st.lists(
        st.one_of(st.text(), st.text("aA \n\t\u200bİıIȺ\U0001f600éßẞΣς\u0301\u0323가")), max_size=5
    )
)
def test_squeezed_is_the_twin(texts):
    assert normalised(texts) == [twin_of_squeezed(text) for text in texts]


@pytest.mark.parametrize("lead", ["", "é", " ", PLAIN[:29], PLAIN[:30], PLAIN[:31], PLAIN[:32]])
def test_plain_text_is_squeezed_as_the_table_says(lead):
    texts = [
        lead + before + chr(c) + after + PLAIN + PLAIN
        for c in range(128)
        for before in NEIGHBOURS
        for after in NEIGHBOURS
    ]
    assert normalised(texts) == [twin_of_squeezed(text) for text in texts]


def test_every_code_point_survives_the_way_back_to_utf8():
    every = [chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000]
    assert normalised(every) == [twin_of_squeezed(character) for character in every]


def test_nothing_but_case_spacing_and_canonical_form_is_folded():
    same = [
        ("ΤΗΣ ΠΌΛΗΣ", "της πόλης"),
        ("cafe\u0301", "CAFÉ"),
        ("\u1112\u1161\u11ab", "한"),
        ("DİYARBAKIR ILIK", "diyarbakır ılık"),
        ("WEIẞ", "weiß"),
        ("a\u200b b", " A\n b"),
    ]
    other = [
        ("ılık", "ilik"),
        ("ısı", "isi"),
        ("Maße", "Masse"),
        ("ＡＢ", "AB"),
        ("مـحمد", "محمد"),
        ("O'zbek", "Oʻzbek"),
        ("C++", "C#"),
        ("всё", "все"),
        ("۳", "3"),
        ("x²", "x2"),
        ("\U0001f468\u200d\U0001f469", "\U0001f468\U0001f469"),
    ]
    for a, b in same:
        assert len(set(normalised([a, b]))) == 1, (a, b)
    for a, b in other:
        assert len(set(normalised([a, b]))) == 2, (a, b)


def test_copies_that_differ_in_trifles_are_one():
    table = rows("Сәлем,  әлем\n", "сәлем, ӘЛЕМ", "сәлем әлем", "", None, " \u200b")
    done, _ = run(ExactDedup(), table)
    assert verdicts(done) == {
        "s/f#0": None,
        "s/f#1": "exact_dedup:duplicate_text",
        "s/f#2": None,
        "s/f#3": "exact_dedup:empty",
        "s/f#4": "exact_dedup:empty",
        "s/f#5": "exact_dedup:empty",
    }
    first = done.slice(0, 2).select(["duplicate_of", "cluster", "cluster_size", "jaccard"])
    assert first.to_pylist() == [
        {"duplicate_of": None, "cluster": "s/f#0", "cluster_size": 2, "jaccard": None},
        {"duplicate_of": "s/f#0", "cluster": "s/f#0", "cluster_size": 2, "jaccard": 1.0},
    ]


def test_three_different_short_texts_stay_three():
    done, _ = run(ExactDedup(), rows("Алматы қаласы", "Good morning", "你好", "12 34", "12 35"))
    assert set(verdicts(done).values()) == {None}


def test_the_same_address_is_one_and_no_address_is_none():
    urls = ["http://a.kz/x", "https://A.kz/x#top", "https://a.kz/X", None, None]
    done, _ = run(ExactDedup(on="url"), rows("a", "bb", "c", "d", "", url=urls))
    assert verdicts(done) == {
        "s/f#0": "exact_dedup:duplicate_url",
        "s/f#1": None,
        "s/f#2": None,
        "s/f#3": None,
        "s/f#4": None,
    }


def talks(*prompts: str | None) -> pa.Table:
    """Conversations with these prompts and many answers; None is a plain document."""
    answers = ("Of course.", "No, that is not how it is done, and I shall say why.", "Perhaps so.")
    conversations = []
    for i, prompt in enumerate(prompts):
        turns = [("system", "Be kind."), ("user", prompt), ("assistant", answers[i % 3])]
        conversations.append(
            [{"role": r, "content": c} for r, c in turns] if prompt is not None else None
        )
    texts = [render(one) if one else "plain" for one in conversations]
    return rows(*texts, messages=conversations)


LONG = " ".join(f"{chr(97 + i % 26)}{chr(97 + i // 26)}" for i in range(60))


def test_the_same_prompt_is_one_whatever_the_answer():
    done, _ = run(ExactDedup(on="prompt"), talks("Why?", " WHY? ", "How?", None, None, ""))
    assert [verdict and verdict.partition(":")[2] for verdict in verdicts(done).values()] == [
        *("duplicate_prompt", None, None, None, None, None)
    ]
    assert done["duplicate_of"].to_pylist()[0] == "s/f#1"


@pytest.mark.parametrize(("shards", "partitions"), [(1, 1), (3, 2)])
def test_prompts_that_are_nearly_the_same_are_one(shards, partitions):
    table = talks(LONG, LONG + " end", None, None, "another question", " ")
    done, _ = run(FuzzyDedup(on="prompt"), table, shards=shards, partitions=partitions)
    assert done["dropped_by"].to_pylist() == [
        *("fuzzy_dedup:near_duplicate_words", None, None, None, None, "fuzzy_dedup:empty")
    ]
    assert done["jaccard"].to_pylist()[0] == 56 / 57
    whole, _ = run(FuzzyDedup(), talks("Why?", "How?", "Who?"))
    assert whole["dropped_by"].null_count == 3


def test_the_follow_up_is_part_of_the_prompt():
    opened = [{"role": "user", "content": LONG}, {"role": "assistant", "content": "Yes."}]
    more = LONG[::-1]
    conversations = [opened, [*opened, {"role": "user", "content": more}, opened[1]]]
    table = rows(*(render(one) for one in conversations), messages=conversations)
    done, _ = run(FuzzyDedup(on="prompt"), table)
    assert done["dropped_by"].null_count == 2


@pytest.mark.parametrize(
    ("url", "key"),
    [
        ("http://a.kz", "//a.kz"),
        ("https://a.kz:443/", "//a.kz"),
        ("http://a.kz:8080/", "//a.kz:8080"),
        ("http://a.kz/b/?q=1", "//a.kz/b/?q=1"),
        ("http://[::1", "http://[::1"),
        ("http://a.kz:99999999/x", "http://a.kz:99999999/x"),
        ("ftp://a.kz/x", "ftp://a.kz/x"),
        ("", ""),
    ],
)
def test_addresses(url, key):
    assert url_key(url) == key


@examples(20)
@given(seed=st.integers(0, 999), shards=st.integers(1, 6), partitions=st.integers(1, 7))
def test_exact_cuts_and_order_change_nothing(seed, shards, partitions):
    draw = random.Random(seed)
    table = rows(*[draw.choice(["x", "X ", "y", "", "z z", "Z\nz"]) for _ in range(30)])
    whole, _ = run(ExactDedup(), table)
    shuffled = table.take(pa.array(draw.sample(range(30), 30)))
    cut, _ = run(ExactDedup(), shuffled, shards=shards, partitions=partitions)
    assert cut.sort_by("id").equals(whole.sort_by("id"))


def test_null_and_empty_hash():
    hashes = text_hashes(pa.array(["a", None, "", "A"], pa.large_string())).to_pylist()
    assert hashes[0] == hashes[3]
    assert hashes[1:3] == [None, None]


ORDERS = [
    ("longest", (), [1, 0, 2, 3]),
    ("newest", (), [2, 0, 1, 3]),
    ("oldest", (), [0, 2, 1, 3]),
    ("source_priority", ("c", "a"), [2, 0, 3, 1]),
    ("best:quality", (), [3, 0, 1, 2]),
]


@pytest.mark.parametrize(("keep", "priority", "order"), ORDERS, ids=[keep for keep, *_ in ORDERS])
def test_keeper_orders(keep, priority, order):
    table = pa.table(
        {
            "id": ["d0", "d1", "d2", "d3"],
            "doc": [9, 8, 7, 6],
            "text": pa.array(["aa", "aaa", "aa", ""], pa.large_string()),
            "source": ["a", "b", "c", "a"],
            "date": pa.array([1, None, 5, None], pa.int64()).cast(pa.timestamp("us", tz="UTC")),
            "signal_quality": pa.array([0.5, None, float("nan"), 0.9]),
        }
    )
    ranked = table.append_column("rank", keeper_rank(table, keep, priority))
    assert in_keeper_order(ranked)["id"].to_pylist() == [f"d{i}" for i in order]


def test_an_order_without_its_column_is_refused():
    with pytest.raises(RecipeError, match="signal_quality"):
        keeper_rank(pa.table({"id": ["a"]}), "best:quality")
    with pytest.raises(RecipeError, match="did you mean 'newest'"):
        ExactDedup(keep="newst")
    with pytest.raises(RecipeError, match="did you mean 'prompt'"):
        FuzzyDedup(on="promt")
    assert "signal_quality" in FuzzyDedup(keep="best:quality").reads


@pytest.mark.parametrize(
    "stage", [ExactDedup(), FuzzyDedup(), ExactDedup(on="url"), FuzzyDedup(on="prompt")]
)
def test_stages_keep_the_laws(stage):
    table = rows(*corpus(4, originals=12), None, "", "gone")
    verdicts_before = pa.array([None] * (table.num_rows - 1) + ["judge:x"], pa.string())
    table = table.set_column(table.column_names.index("dropped_by"), "dropped_by", verdicts_before)
    done, _ = run(stage, table, shards=2, partitions=3)
    schema.check(done)
    assert (
        done.select(table.column_names)
        .drop_columns(["dropped_by", "dropped_value"])
        .equals(table.drop_columns(["dropped_by", "dropped_value"]))
    )
    assert done["dropped_by"].to_pylist()[-1] == "judge:x"
    again, _ = run(stage, done)
    assert verdicts(again) == verdicts(done)
    nothing, _ = run(stage, table.slice(0, 0))
    assert nothing.num_rows == 0
    assert nothing.schema == done.schema
    assert pickle.loads(pickle.dumps(stage)) == stage
    pickle.dumps(stage.steps())


def test_evidence_of_the_exact_pass_stays_where_the_fuzzy_one_is_silent():
    text = "a text of six words or so"
    done, _ = run(ExactDedup(), rows(text, text, "something else entirely"))
    done, tally = run(FuzzyDedup(), done)
    assert done["cluster_size"].to_pylist() == [2, 2, None]
    assert done["dropped_by"].to_pylist() == [None, "exact_dedup:duplicate_text", None]
    assert tally["met_max_witnesses"] == 0


def test_near_duplicates_carry_their_evidence():
    text = " ".join(f"{chr(97 + i % 26)}{chr(97 + i // 26)}" for i in range(100))
    done, _ = run(FuzzyDedup(), rows(text, text + " end", "other words of another text"))
    assert done["dropped_by"].to_pylist() == ["fuzzy_dedup:near_duplicate_words", None, None]
    assert done["dropped_value"].to_pylist()[0] == done["jaccard"].to_pylist()[0] == 96 / 97
    assert done["duplicate_of"].to_pylist() == ["s/f#1", None, None]
    assert done["cluster"].to_pylist() == ["s/f#1", "s/f#1", None]
    assert done["cluster_size"].to_pylist() == [2, 2, None]
