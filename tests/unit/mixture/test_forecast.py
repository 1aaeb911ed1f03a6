from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from curate import schema
from curate.mixture.forecast import available_in, expected
from curate.recipe.mixture import parse_mixture
from curate.stages.mix import Mix
from tests.unit.mixture.driver import report_of, resolve


def corpus(n: int = 3000) -> pa.Table:
    rng = np.random.default_rng(4)
    langs = rng.choice(["kaz_Cyrl", "rus_Cyrl", "eng_Latn"], n, p=[0.2, 0.5, 0.3])
    rows = [{"id": f"web/a#{i}", "source": "web", "text": f"text {i}"} for i in range(n)]
    table = schema.documents(rows).append_column("lang", pa.array(langs))
    return table.append_column("n_tokens", pa.array(rng.integers(1, 900, n)))


SAID = {
    "groups": {
        "kk": {"languages": ["kaz_Cyrl"]},
        "rest": {"languages": ["rus_Cyrl", "eng_Latn"], "alpha": 0.5},
    },
    "phases": [
        {"name": "a", "budget": 50_000},
        {"name": "b", "budget": 300_000, "weights": {"kk": 3, "rest": 2}, "reuse": True},
    ],
    "shortage": "repeat",
    "max_epochs": 2,
    "validation": {"share": 0.02},
}


def test_the_table_before_is_the_table_after() -> None:
    table, mixture = corpus(), parse_mixture(SAID)
    real = report_of(resolve(Mix(mixture), [table], 1))
    foreseen = expected(mixture, *available_in(Mix(mixture).sketch(table), 1.0)).to_pylist()
    assert [(row["phase"], row["group"]) for row in foreseen] == list(real)
    for row in foreseen:
        got = real[row["phase"], row["group"]]
        for key in ("asked", "asked_share", "available", "shortage", "scarcest", "unit"):
            assert row[key] == got[key], key
        for key in ("amount", "tokens", "reused"):
            assert row[key] == pytest.approx(got[key], abs=2 * 900)


def test_a_sample_is_scaled_up() -> None:
    table, mixture = corpus(), parse_mixture(SAID)
    third = table.filter(pa.array(np.arange(3000) % 3 == 0))
    whole = {
        r["group"]: r["available"]
        for r in expected(mixture, *available_in(Mix(mixture).sketch(table), 1)).to_pylist()
    }
    scaled = {
        r["group"]: r["available"]
        for r in expected(mixture, *available_in(Mix(mixture).sketch(third), 3)).to_pylist()
    }
    for group, amount in whole.items():
        assert scaled[group] == pytest.approx(amount, rel=0.25)
