"""Train the classifier behind the signal page_quality: curate/signals/page_quality.npz.

Usage: python -m tests.generate.page_quality [ROWS]
(needs the extra train; default: $CURATE_SHARED_DATA/quality/hplt_human_labels_dev.jsonl.xz)

It writes the rows of tests/benchmarks/human_labels.py as `curate train` reads them, good where
people called the page natural, not porn and of the language predicted, and forty texts of each file
of clean text at $CURATE_SHARED_DATA/text, which are of kinds that the labelled pages hardly have
(short paragraphs, government documents, laws). Then it runs that command.
"""

from __future__ import annotations

import gzip
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from curate.cli import _main
from curate.signals.page_model import SHIPPED
from tests.benchmarks.human_labels import OURS, ROWS, read_rows

#: Clean texts: the beginnings of their files' names, and their languages.
CLEAN = {
    "ar": "arb_Arab", "de": "deu_Latn", "el": "ell_Grek", "en": "eng_Latn", "es": "spa_Latn",
    "hi": "hin_Deva", "ja": "jpn_Jpan", "kk": "kaz_Cyrl", "ko": "kor_Hang", "ru": "rus_Cyrl",
    "tr": "tur_Latn", "zh": "cmn_Hans",
}  # fmt: skip
EACH = 40

LICENCE = (
    "labels: MIT (hplt-project/release2_inspection); clean texts: mostly CC BY-SA 4.0; the numbers"
    " of this file: Apache-2.0"
)
WHAT = "2,346 web pages of 22 languages and clean texts of 12"
COMMAND = "curate train page_quality --labels rows.jsonl --seed 1"


def labelled(path: Path) -> Iterator[dict[str, str]]:
    """Yield the labelled pages, then the clean texts: text, label, lang and source."""
    for row in read_rows(path):
        lang = OURS.get(row["lang_predicted"], row["lang_predicted"])
        label = "bad" if row["bad"] else "good"
        yield {"text": row["text"], "label": label, "lang": lang, "source": "hplt"}
    yield from clean_texts(path.parents[1])


def clean_texts(shared: Path) -> Iterator[dict[str, str]]:
    """Yield EACH texts of each file of clean text, spread over it."""
    for file in sorted((shared / "text").glob("*.jsonl.gz")):
        lang = CLEAN.get(file.name.partition("-")[0], "")
        if not lang or "sentences" in file.name:
            continue
        with gzip.open(file, "rt", encoding="utf-8") as lines:
            texts = [json.loads(line)["text"] for line in lines]
        most = min(EACH, len(texts) // 2)
        step = (len(texts) - 1) / max(1, most - 1)
        for at in sorted({round(k * step) for k in range(most)}):
            source = file.name.removesuffix(".dev.jsonl.gz")
            yield {"text": texts[at], "label": "good", "lang": lang, "source": source}


def main() -> int:
    rows = Path(os.environ.get("CURATE_SHARED_DATA", "."), ROWS)
    if len(sys.argv) > 1:
        rows = Path(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder:
        labels = Path(folder, "rows.jsonl")
        with labels.open("w", encoding="utf-8") as file:
            file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in labelled(rows))
        return _main(
            [
                "train", "page_quality", "--labels", str(labels), "--seed", "1",
                "--output", str(SHIPPED), "--about", f"licence={LICENCE}",
                "--about", f"command={COMMAND}", "--about", f"rows={WHAT}",
            ]
        )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
