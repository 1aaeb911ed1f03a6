"""The rules of llm-jp-corpus: by hand, and against hojichar's filters where they are installed."""

import zlib

import pyarrow as pa
import pytest

from curate.signals import column, measure

LISTS = {"ads": ["送料", "①"], "adult": ["エロ"], "discrimination": ["バカ"], "violence": ["殺す"]}


def measured(texts: list[str | None], name: str) -> list[float | None]:
    numbers: list[float | None] = measure(pa.array(texts, pa.large_string()), [name], LISTS)[
        column(name)
    ].to_pylist()
    return numbers


def test_kana_in_the_first_50_characters() -> None:
    texts = ["", "中文没有假名。", "字" * 49 + "あいう", "字" * 50 + "あ", "カタカナとかな", "ｶﾞー"]
    assert measured([*texts, None], "kana_in_first_50") == [0, 0, 1, 0, 7, 0, None]


def test_kuten_at_the_limits_of_the_recipe() -> None:
    texts = [
        "。" + "あ" * 249,
        "。" + "あ" * 250,
        "。" + "あ" * 79,
        "。" * 3 + "あ" * 747,
        "はい！",
    ]
    shares = measured([*texts, "", None], "kuten_per_char")
    assert [share is not None and share >= 1 / 250 for share in shares] == [
        *(True, False, True, True, False, False, False)
    ]
    assert shares[2] == 1 / 80
    assert shares[5:] == [None, None]


def test_zlib_is_that_of_the_standard_library() -> None:
    texts = ["あ" * 1000, "吾輩は猫である。名前はまだ無い。", "x"]
    sliced = pa.array(["before", *texts, None, ""], pa.large_string()).slice(1)
    ratios = measure(sliced, ["zlib_ratio"])["signal_zlib_ratio"].to_pylist()
    sizes = [text.encode() for text in texts]
    assert ratios == [*(len(zlib.compress(s, 9)) / len(s) for s in sizes), None, None]


def test_each_list_has_its_own_count() -> None:
    texts = ["送料は①、エロとエロス。バカ、殺す、殺す。", "何もない", None]
    assert measured(texts, "n_ads") == [2, 0, None]
    assert measured(texts, "n_adult_words") == [1, 0, None]
    assert measured(texts, "n_discriminating_words") == [1, 0, None]
    assert measured(texts, "n_violent_words") == [2, 0, None]


@pytest.mark.parametrize("name", ["AcceptJapanese", "DiscardRareKuten"])
def test_hojichar_gives_the_same_verdicts(name: str) -> None:
    hojichar = pytest.importorskip("hojichar")
    filters = pytest.importorskip("hojichar.filters.document_filters")
    filter_ = (
        filters.AcceptJapanese(50) if name == "AcceptJapanese" else filters.DiscardRareKuten(250)
    )
    texts = [
        "字" * n + kana + "。" * k
        for n in (3, 49, 50, 250, 499)
        for k in (0, 1, 2)
        for kana in "あンヽ"
    ]
    expected = [not filter_.apply(hojichar.Document(text)).is_rejected for text in texts]
    signal = "kana_in_first_50" if name == "AcceptJapanese" else "kuten_per_char"
    least = 1 if name == "AcceptJapanese" else 1 / 250
    ours = [value is not None and value >= least for value in measured(list(texts), signal)]
    assert ours == expected
    assert len(set(ours)) == 2
