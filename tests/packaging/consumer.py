"""How a project that depends on ``curate`` uses it; test_types.py checks it, nothing runs it."""

from collections.abc import Callable
from typing import Any, assert_type

import pandas as pd
import polars as pl
import pyarrow as pa

import curate


def main() -> Callable[[pa.Table], pa.Table]:
    """Use every function once; assert_type says what a type checker must see."""
    texts = ["Бүгін ауа райы жақсы.", "It is a fine day."]
    documents = {"id": ["a", "b"], "text": texts, "quality": [0.1, 0.9]}

    # Whatever exports Arrow goes in, and Arrow comes out.
    assert_type(curate.identify(texts), pa.Table)
    assert_type(curate.identify(pa.array(texts), segments=True), pa.Table)
    assert_type(curate.standardize(pa.table(documents), profile="kk"), pa.Table)
    assert_type(curate.measure(pl.DataFrame(documents)), pa.Table)
    assert_type(curate.judge(pd.DataFrame(documents), profile="kaz_Cyrl"), pa.Table)
    assert_type(curate.count_tokens(documents, tokenizer="words"), pa.Table)
    assert_type(
        curate.deduplicate([{"id": "a", "text": "x"}], shingle="char", threshold=0.7), pa.Table
    )

    result = curate.run("demo", output="out", inputs={"web": ["a.warc.gz"]}, settings=["seed=7"])
    assert_type(result, curate.RunResult)
    assert_type(result.manifest, dict[str, Any])
    assert_type(result.exit_code, int)

    judge: Callable[[pa.Table], pa.Table] = curate.as_ray_data("judge", profile="kaz_Cyrl")

    # What is wrong is found before it runs: test_types.py counts these.
    curate.identify(1)  # wrong
    curate.run("demo")  # wrong
    curate.deduplicate(texts, shingle="line")  # wrong
    curate.identifies(texts)  # wrong
    return judge
