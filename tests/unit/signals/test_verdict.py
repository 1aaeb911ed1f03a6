"""Rules and verdicts, and the two stages that compute and use signals."""

import pickle
from collections import Counter

import pyarrow as pa
import pytest

from curate import schema
from curate.api.tabular import documents_of
from curate.errors import InternalError, RecipeError
from curate.recipe.profile import IdentifySection, Profile, Profiles, Rule
from curate.signals import column
from curate.signals.verdict import check_profile, columns_of, failures, signals_of, verdicts
from curate.stages.judge import Judge
from curate.stages.measure import Measure

FEW = Rule(signal="n_words", min=3)
LONG = Rule(signal="mean_word_length", max=4)
STOP = Rule(signal="distinct_stop_words", min=1)
PLAIN = Profile(name="_default", rules={"too_few_words": FEW, "long_words": LONG})
ENGLISH = Profile(
    name="eng_Latn",
    identify=IdentifySection(scripts=("Latn",)),
    lists={"stop_words": ("the", "of")},
    rules={"too_few_words": FEW, "no_function_words": STOP},
)
FREE = Profile(name="chat", rules={})
PROFILES = Profiles({p.name: p for p in (PLAIN, ENGLISH, FREE)}, {"talk": "chat"})

ROWS = [
    ("web", "eng_Latn", "the end of the day", None),
    ("web", "eng_Latn", "no such words here", None),
    ("web", "eng_Latn", "the end", None),
    ("web", "und", "no such words here", None),
    ("web", None, "internationalisation of everything everywhere", None),
    ("talk", "eng_Latn", "hi", None),
    ("web", "eng_Latn", None, None),
    ("web", "eng_Latn", "dropped", "exact_dedup:copy"),
]
EXPECTED = [
    (None, None),
    ("judge:no_function_words", 0.0),
    ("judge:too_few_words", 2.0),
    (None, None),
    ("judge:long_words", 42 / 4),
    (None, None),
    ("judge:too_few_words_undefined", None),
    ("exact_dedup:copy", None),
]


def table(rows: list[tuple[str | None, ...]] = ROWS) -> pa.Table:
    documents = schema.documents(
        {"id": f"{i}", "source": s, "text": t, "dropped_by": d}
        for i, (s, _, t, d) in enumerate(rows)
    )
    return documents.append_column("lang", pa.array([row[1] for row in rows], pa.string()))


def judged(rows: pa.Table) -> pa.Table:
    measured = Measure(PROFILES).apply(rows, Counter())
    return schema.check(Judge(PROFILES).apply(measured, Counter()))


def outcome(rows: pa.Table) -> list[tuple[str | None, float | None]]:
    return list(zip(rows["dropped_by"].to_pylist(), rows["dropped_value"].to_pylist()))


def test_first_failing_rule_of_the_own_profile_with_its_number() -> None:
    assert outcome(judged(table())) == EXPECTED


def test_columns_are_the_same_for_every_profile() -> None:
    stage = Measure(PROFILES)
    names = ("n_words", "mean_word_length", "distinct_stop_words")
    assert stage.adds == tuple(column(name) for name in names)
    measured = stage.apply(table(), Counter())
    assert measured.column_names == [*table().column_names, *stage.adds]
    assert measured["signal_distinct_stop_words"].to_pylist()[:3] == [2, 0, 1]
    assert measured["signal_distinct_stop_words"].to_pylist()[3:] == [None] * 5
    assert measured["signal_n_words"].to_pylist()[-2:] == [None, None]
    nothing = stage.apply(table().slice(0, 0), Counter())
    assert nothing.schema == measured.schema


def test_cutting_or_shuffling_changes_nothing_but_order() -> None:
    order = [7, 2, 0, 5, 1, 6, 4, 3]
    assert outcome(judged(table().take(order))) == [EXPECTED[i] for i in order]
    parts = [judged(table().slice(i, 3)) for i in range(0, len(ROWS), 3)]
    assert outcome(pa.concat_tables(parts)) == EXPECTED
    chunked = pa.concat_tables([table().slice(0, 3), table().slice(3)])
    assert outcome(judged(chunked)) == EXPECTED


def test_twice_is_once_and_stages_are_pickled() -> None:
    once = judged(table())
    assert judged(once).equals(once)
    for stage in (Measure(PROFILES), Judge(PROFILES)):
        assert pickle.loads(pickle.dumps(stage)) == stage


def test_measuring_again_leaves_dropped_rows_alone() -> None:
    once = judged(table())
    again = Measure(PROFILES).apply(once, Counter())
    assert again.equals(once)


def test_a_limit_is_inside() -> None:
    profile = Profile(name="x", rules={"odd": Rule(signal="n_words", min=2, max=3)})
    measured = pa.table({"signal_n_words": pa.array([1, 2, 3, 4], pa.int64())})
    assert failures(measured, profile)["odd"].tolist() == [True, False, False, True]
    tenth = Profile(name="x", rules={"odd": Rule(signal="hash_word_ratio", max=0.1)})
    measured = pa.table({"signal_hash_word_ratio": [1 / 10, 0.1 + 1e-16]})
    assert failures(measured, tenth)["odd"].tolist() == [False, True]


def test_undefined_may_be_kept() -> None:
    rules = {"odd": Rule(signal="n_words", min=2, undefined="keep")}
    measured = pa.table({"signal_n_words": pa.array([None, 1], pa.int64())})
    rules_, values = verdicts(measured, Profile(name="x", rules=rules))
    assert rules_.to_pylist() == [None, "odd"]
    assert values.to_pylist() == [None, 1.0]


def test_all_failing_rules_are_returned() -> None:
    measured = pa.table(
        {"signal_n_words": pa.array([2], pa.int64()), "signal_mean_word_length": [9.0]}
    )
    failed = failures(measured, PLAIN)
    assert [rule for rule, rows in failed.items() if rows[0]] == ["too_few_words", "long_words"]


def test_judging_what_was_not_measured_is_an_error() -> None:
    with pytest.raises(InternalError, match="signal_n_words"):
        Judge(PROFILES).apply(table(), Counter())


def test_a_rule_on_no_signal_names_the_file_and_the_nearest() -> None:
    wrong = Profile(name="tat_Cyrl", rules={"few": Rule(signal="n_word", min=3)})
    with pytest.raises(
        RecipeError, match=r"no signal 'n_word'\n.*filters/tat_Cyrl.toml\n.*n_words"
    ):
        signals_of(Profiles({"tat_Cyrl": wrong}))


def test_check_gives_the_share_that_each_rule_drops() -> None:
    shares = check_profile(ENGLISH, ["the end of it", "no such words", "hi", "of course not"])
    assert shares == {
        "too_few_words": 0.25,
        "too_few_words_undefined": 0.0,
        "no_function_words": 0.5,
        "no_function_words_undefined": 0.0,
        "any": 0.5,
    }
    assert check_profile(FREE, ["x"]) == {"any": 0.0}
    assert check_profile(ENGLISH, [])["any"] == 0.0


def test_reads_name_every_column_that_is_read() -> None:
    stage = Judge(PROFILES)
    assert set(stage.reads) == {"source", "lang", "dropped_by", "dropped_value"} | {
        column(name) for name in ("n_words", "mean_word_length", "distinct_stop_words")
    }


def test_a_rule_judges_by_a_number_that_another_stage_wrote():
    rule = Rule(signal="n_cluster_sources", min=2)
    profile = Profile(
        name="agreed", rules={"one_source": rule, "short": Rule(signal="n_words", min=1)}
    )
    profiles = Profiles({"agreed": profile})
    assert signals_of(profiles) == ("n_words",)
    wrong = Profile(name="x", rules={"r": Rule(signal="n_cluster_source", min=2)})
    with pytest.raises(RecipeError, match="no signal 'n_cluster_source'") as error:
        signals_of(Profiles({"x": wrong}))
    assert "n_cluster_sources" in str(error.value.hint)
    assert columns_of(profiles) == ("signal_n_words", "n_cluster_sources")
    table = pa.table(
        {
            "n_cluster_sources": pa.array([1, 2, None], pa.int32()),
            "signal_n_words": pa.array([5, 0, 5], pa.int64()),
        }
    )
    rules, values = verdicts(table, profile)
    assert rules.to_pylist() == ["one_source", "short", "one_source_undefined"]
    assert values.to_pylist() == [1.0, 0.0, None]
    assert check_profile(profile, ["a word", ""]) == {
        "short": 0.5,
        "short_undefined": 0.0,
        "any": 0.5,
    }


def test_page_quality_is_measured_where_a_profile_has_a_rule_on_it():
    rule = Rule(signal="page_quality", min=0.1)
    with_rule = Profile(name="rus_Cyrl", rules={"unnatural": rule})
    other = Profile(name="kaz_Cyrl", rules={"short": Rule(signal="n_words", min=1)})
    profiles = Profiles({p.name: p for p in (with_rule, other)} | {"_default": other})
    text = "Сегодня в городе открыли новую школу, и дети пришли туда с родителями."
    table = pa.table({"text": [text] * 2, "lang": ["rus_Cyrl", "kaz_Cyrl"]})
    measured = Measure(profiles).apply(documents_of(table)[1], Counter())
    russian, kazakh = measured["signal_page_quality"].to_pylist()
    assert 0 <= russian <= 1
    assert kazakh is None
    assert measured["signal_n_words"].to_pylist() == [12, 12]


def test_a_rule_on_a_category_keeps_or_drops_its_values_and_measures_nothing():
    rules = {
        "topic": Rule(signal="topic", allowed=["news", "books"], undefined="keep"),
        "bucket": Rule(signal="bucket", refused=[0, 7]),
        "flag": Rule(signal="flag", allowed=[True], undefined="keep"),
    }
    profile = Profile(name="x", rules=rules)
    table = pa.table(
        {
            "topic": pa.array(["news", "spam", None, "news", "news"]).dictionary_encode(),
            "bucket": pa.array([1, 1, None, 7, 2], pa.int8()),
            "flag": pa.array([True, True, None, None, False]),
        }
    )
    failed, measured = verdicts(table, profile)
    assert failed.to_pylist() == [None, "topic", "bucket_undefined", "bucket", "flag"]
    assert measured.null_count == 5


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({}, "needs min, max or both; of a category, allowed or refused"),
        ({"min": 1, "allowed": ["a"]}, "not both"),
    ],
)
def test_a_rule_has_limits_or_values(rule, message):
    with pytest.raises(ValueError, match=message):
        Rule(signal="x", **rule)


def test_numbers_of_any_type_are_measured_as_they_are():
    rule = Rule(signal="own", min=1, max=2)
    profile = Profile(name="x", rules={"r": rule})
    kinds = (pa.int8(), pa.uint64(), pa.float16(), pa.float32(), pa.decimal128(21, 2), pa.bool_())
    for kind in kinds:
        column = pa.array([0, 1, None], pa.int8()).cast(kind)
        failed, measured = verdicts(pa.table({"own": column}), profile)
        assert (failed.to_pylist(), measured.to_pylist()) == (
            ["r", None, "r_undefined"],
            [0.0, None, None],
        )


def test_check_leaves_rules_on_columns_of_the_input_out_and_says_so(caplog):
    rules = {"short": Rule(signal="n_words", min=3), "mine": Rule(signal="quality", min=3)}
    with caplog.at_level("WARNING", logger="curate"):
        shares = check_profile(Profile(name="x", rules=rules), ["a b", "a b c"])
    assert shares == {"short": 0.5, "short_undefined": 0.0, "any": 0.5}
    assert "rule 'mine' is left out: 'quality' is no signal" in caplog.text
