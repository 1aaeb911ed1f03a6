"""Signals of the user's files, whose content is in the task's key."""

import math
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate import schema
from curate.errors import RecipeError
from curate.plan.fingerprint import parameters
from curate.recipe.profile import Profile, Profiles, load_profile
from curate.signals import measure
from curate.stages.measure import Measure
from curate.text.unigrams import load as load_counts
from curate.text.words import words
from tests.examples import examples

COUNTS = Path(__file__).with_name("word_counts.tsv")
SCORED = "signal_unigram_log_probability"


def scores(texts: list[str | None], path: Path = COUNTS) -> list[float | None]:
    bound = {"word_frequencies": [str(path)]}
    column = pa.array(texts, pa.large_string())
    measured = measure(column, ["unigram_log_probability"], bound)[SCORED]
    numbers: list[float | None] = measured.to_pylist()
    return numbers


@examples(100)
@given(
    st.lists(st.sampled_from(["the", "THE", "of", "End", "x", "12", ",", "漢", "эль"]), max_size=30)
)
def test_mean_log_probability_is_that_of_the_slow_twin(spelled: list[str]) -> None:
    text = " ".join(spelled)
    counts = Counter({"the": 65, "of": 30, "end": 5})
    logs = [
        round(math.log((counts[w.lower()] + 1) / 104) * 1e6)
        for w in words(text)
        if any(c.isalpha() for c in w)
    ]
    assert scores([text]) == [sum(logs) / 1e6 / len(logs) if logs else None]


def test_file_of_counts_is_read_line_by_line(tmp_path: Path) -> None:
    path = tmp_path / "counts.txt"
    path.write_text("да 3\n\n  нет\t1  \n", encoding="utf-8")
    assert scores(["Да", "НЕТ", "x", None], path)[:3] == [
        round(math.log(n / 7), 6) for n in (4, 2, 1)
    ]
    path = tmp_path / "bad.txt"
    path.write_text("да 3\nнет много\n", encoding="utf-8")
    with pytest.raises(RecipeError, match="line 2 is no word and its count: 'нет много'"):
        load_counts(str(path))
    with pytest.raises(RecipeError, match="cannot read the word frequencies"):
        load_counts(str(tmp_path / "absent"))


def test_a_profile_binds_files_and_their_content_is_in_the_key(tmp_path: Path) -> None:
    path = tmp_path / "counts.tsv"
    path.write_bytes(COUNTS.read_bytes())
    text = f"""
        word_frequencies = "{path}"
        [classifiers.english]
        model = "lid.176.ftz"
        label = "en"
        [rules.odd_words]
        signal = "unigram_log_probability"
        min = -3
        [rules.bad]
        signal = "english"
        min = 0.2
    """
    stage = Measure(
        Profiles({"_default": load_profile("_default", {"_default": text}.__getitem__)})
    )
    rows = [{"id": "0", "source": "web", "text": "the end of the end"}]
    measured = stage.apply(schema.documents(rows), Counter())
    assert measured.column(SCORED)[0].as_py() > -3
    assert measured.column("signal_english")[0].as_py() > 0.2
    key = parameters(stage)
    assert parameters(stage) == key
    path.write_text("the 1\n", encoding="utf-8")
    assert parameters(stage) != key


def test_without_files_there_is_no_digest() -> None:
    stage = Measure(Profiles({"_default": Profile(name="_default")}))
    assert stage.model_digest is None
    assert "model_digest" not in parameters(stage)
