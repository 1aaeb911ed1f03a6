"""The Python interface on plain Arrow tables."""

from importlib import import_module

import pyarrow as pa
import pytest

import curate
from curate.errors import RecipeError

KAZAKH = (
    "Таң ата ауыл үсті тыныш еді. Балалар мектепке асығып бара жатты, ал үлкендер шаруасына"
    " кірісті. Өзен жағасындағы ескі көпірдің астынан су ағып жатыр. Бүгін күн ашық болады деп"
    " айтты. Кешке қарай ауыл адамдары жиналып, алдағы мереке туралы әңгімелесті. Бұл жылы мереке"
    " бұрынғыдан да үлкен болмақ."
)


def test_identify_is_a_table_per_text():
    found = curate.identify([KAZAKH, "12:30", "The children walked home along the river."])
    assert found["lang"].to_pylist() == ["kaz_Cyrl", "und", "eng_Latn"]
    assert found.column_names == ["lang", "lang_score", "lang2", "lang2_score"]


def test_dedup_can_be_called_before_and_after_its_package_is_imported():
    table = pa.table({"id": ["a", "b", "c"], "text": [KAZAKH, KAZAKH + " Сол күні.", "басқа сөз"]})
    first = curate.deduplicate(table, threshold=0.8)
    import_module("curate.dedup.fuzzy.lsh")
    second = curate.deduplicate(table, threshold=0.8)
    assert first.equals(second)
    assert first["dropped_by"].to_pylist() == ["fuzzy_dedup:near_duplicate", None, None]
    assert first["duplicate_of"].to_pylist() == ["b", None, None]
    assert first["jaccard"][0].as_py() >= 0.8


def test_judge_measures_and_names_the_rule():
    table = pa.table({"text": [KAZAKH, "тым қысқа"]})
    judged = curate.judge(table, profile="kaz_Cyrl")
    assert judged["dropped_by"].to_pylist() == [None, "judge:too_few_words"]
    assert judged["dropped_value"].to_pylist() == [None, 2.0]
    assert judged["signal_n_words"][1].as_py() == 2
    with pytest.raises(RecipeError, match="kaz_Cyrl"):
        curate.judge(table, profile="kaz_Cyr")


def test_standardize_repairs_and_fixes():
    table = pa.table({"text": ["қaлa \u200bкітапхана", "Ã©tÃ©"], "lang": ["kaz_Cyrl", "fra_Latn"]})
    assert curate.standardize(table)["text"].to_pylist() == ["қала кітапхана", "été"]


def test_mix_takes_documents_at_a_ratio():
    rows = 60
    table = pa.table(
        {
            "id": [f"t#{n}" for n in range(rows)],
            "text": ["x"] * rows,
            "lang": ["kaz_Cyrl"] * 30 + ["eng_Latn"] * 30,
            "n_tokens": pa.array([10] * rows, pa.int64()),
        }
    )
    mixed = curate.mix(table, ratio="kaz_Cyrl=3,eng_Latn=1")
    langs = mixed["lang"].to_pylist()
    assert (langs.count("kaz_Cyrl"), langs.count("eng_Latn")) == (30, 10)
    assert set(mixed["epoch"].to_pylist()) == {1}
    table = table.set_column(1, "text", pa.array([f"text {n}" for n in range(rows)]))
    mixed = curate.mix(table, ratio="kaz_Cyrl=1", validation={"share": 0.3})
    sides = {phase: set() for phase in ("main", "validation")}
    for id, phase in zip(mixed["id"].to_pylist(), mixed["phase"].to_pylist(), strict=True):
        sides[phase].add(id)
    assert len(sides["main"] | sides["validation"]) == len(mixed) == 30
    with pytest.raises(RecipeError, match="reads a column 'lang'"):
        curate.mix(table.drop_columns(["lang"]), ratio="kaz_Cyrl=1")
