"""Eight languages through a whole recipe: sherkala, as shipped, on clean documents of real sources.

A document that a rule drops is a mistake, because the texts are clean. Duplicates are no loss.
"""

import itertools
import json
import os
from collections import Counter
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow.parquet as pq
import pytest

from curate import api
from tests.accuracy.test_profiles import LANGUAGES, files

DATA = os.environ.get("CURATE_SHARED_DATA")

pytestmark = [
    pytest.mark.real_data,
    pytest.mark.skipif(not DATA, reason="needs $CURATE_SHARED_DATA"),
]

EIGHT = (
    "kaz_Cyrl", "rus_Cyrl", "tur_Latn", "eng_Latn", "arb_Arab", "kor_Hang", "jpn_Jpan", "cmn_Hans",
)  # fmt: skip
#: The largest share of a language's documents that rules drop, and that get another label.
MOST_LOST, MOST_RELABELLED = 0.02, 0.002


@cache
def through(recipe: str) -> dict[str, dict[str, Counter[str]]]:
    """Run a recipe on the files of the eight; count outcomes by language and file.

    An outcome is the rule that dropped a document, ``kept``, or ``taken for <label>``.
    """
    with TemporaryDirectory() as folder:
        inputs = Path(folder)
        for language in EIGHT:
            for name, texts in files(LANGUAGES[language][0], language).items():
                path = inputs / language / name.removesuffix(".gz")
                path.parent.mkdir(exist_ok=True)
                lines = (json.dumps({"text": text}, ensure_ascii=False) for text in texts)
                path.write_text("\n".join(lines), encoding="utf-8")
        result = api.run(
            recipe,
            output=str(inputs / "out"),
            inputs={"text": str(inputs / "*_*/*.jsonl")},
            engine="in-process",
        )
        assert result.exit_code == 0
        outcomes: dict[str, dict[str, Counter[str]]] = {language: {} for language in EIGHT}
        parts = [inputs.glob(f"out/{dataset}/**/*.parquet") for dataset in ("mixture", "rejected")]
        for part in itertools.chain(*parts):
            table = pq.read_table(part, partitioning=None)
            names = [name for name in ("id", "lang", "dropped_by") if name in table.column_names]
            for row in table.select(names).to_pylist():
                language, name = row["id"].partition("#")[0].split("/")[-2:]
                outcome = _outcome(language, row["lang"], row.get("dropped_by", "mix"))
                outcomes[language].setdefault(name, Counter())[outcome] += 1
        return outcomes


def _outcome(language: str, label: str | None, dropped_by: str) -> str:
    if dropped_by.partition(":")[0] in ("exact_dedup", "fuzzy_dedup"):
        return "duplicate"
    if label is not None and label[:3] != language[:3]:
        return f"taken for {label}"
    return "kept" if dropped_by.partition(":")[0] == "mix" else dropped_by


@pytest.mark.parametrize("language", EIGHT)
def test_clean_documents_come_through_the_recipe(language: str) -> None:
    counts = sum(through("sherkala")[language].values(), Counter())
    assert counts["kept"] + counts["duplicate"] > 100
    assert counts.total() == sum(map(len, files(LANGUAGES[language][0], language).values()))
    taken = sum(n for outcome, n in counts.items() if outcome.startswith("taken for"))
    assert taken <= MOST_RELABELLED * counts.total(), counts
    lost = counts.total() - counts["kept"] - counts["duplicate"] - taken
    assert lost <= MOST_LOST * counts.total(), counts
