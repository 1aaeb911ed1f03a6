"""The chat recipes: each planted row of sample_data/instructions has its outcome."""

import io
import json
import os
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from curate import api
from curate.inspection.verify import verify
from curate.recipe.recipe import parse_recipe
from curate.storage.store import open_store
from curate.tokens.encode import encoder

DATA = os.environ.get("CURATE_SHARED_DATA")
SAMPLES = Path(__file__).resolve().parents[2] / "sample_data" / "instructions"
REAL = pytest.mark.skipif(not DATA, reason="needs $CURATE_SHARED_DATA")


def run(tmp_path, name, **options):
    result = api.run(name, output=tmp_path / "out", engine="in-process", **options)
    assert result.exit_code == 0, result.complaints
    assert verify(open_store(result.output)) == []
    return result


def rows(result, folder):
    paths = sorted(Path(result.output, folder).rglob("*.parquet"))
    return [row for path in paths for row in pq.read_table(path).to_pylist()]


def lines(result):
    for path in sorted(Path(result.output, "jsonl").rglob("*.jsonl.zst")):
        with path.open("rb") as packed:
            text = io.TextIOWrapper(zstandard.ZstdDecompressor().stream_reader(packed), "utf-8")
            yield from map(json.loads, text)


def outcomes(result):
    """Count the outcomes of each file's records: skipped, quarantined, dropped, curated."""
    found = {}
    for name, file in result.manifest["ledger"]["files"].items():
        counts = Counter({"curated": file["curated"]})
        for kind in ("skipped", "quarantined", "dropped"):
            counts.update(file[kind])
        assert sum(counts.values()) == file["records"], name
        found[name.split("/")[0]] = {outcome: count for outcome, count in counts.items() if count}
    return found


def planted(result):
    """Return the rules that dropped the rows with a defect, by the name of the defect."""
    verdicts = [(r["meta"], r["dropped_by"]) for r in rows(result, "rejected")]
    verdicts += [(r["meta"], None) for r in rows(result, "mixture")]
    found = {}
    for meta, rule in verdicts:
        defect = json.loads(meta or "{}").get("planted")
        if defect:
            found.setdefault(defect, set()).add(rule)
    return found


def test_suzume(tmp_path):
    result = run(tmp_path, "suzume")
    assert outcomes(result) == {
        "tagengo": {"curated": 9, "only:response.1": 2, "judge:null_turn": 1},
        "instruction_ja": {"curated": 3},
        "openchat": {"curated": 3, "judge:null_turn": 1},
    }
    written = list(lines(result))
    assert len(written) == len(rows(result, "mixture")) == 15
    # Each conversation equals its source, turn by turn, and none is another's.
    expected = Counter()
    for row in map(json.loads, (SAMPLES / "tagengo.jsonl").open(encoding="utf-8")):
        if row["response"] != [None, "stop"] and row["response"][1] == "stop":
            expected[json.dumps(row["conversations"], ensure_ascii=False)] += 1
    for row in map(json.loads, (SAMPLES / "instruction_ja.jsonl").open(encoding="utf-8")):
        roles = {"user": "human", "agent": "gpt"}
        turns = [{"from": roles[t["name"]], "value": t["text"]} for t in row["utterances"]]
        expected[json.dumps(turns, ensure_ascii=False)] += 1
    for row in json.loads((SAMPLES / "openchat.json").read_text(encoding="utf-8")):
        if all(turn["value"] is not None for turn in row["items"]):
            expected[json.dumps(row["items"], ensure_ascii=False)] += 1
    assert Counter(json.dumps(r["conversations"], ensure_ascii=False) for r in written) == expected
    assert {r["origin"] for r in written} == {"llm", "mt"}
    (sequence,) = rows(result, "packed")
    assert len(sequence["input_ids"]) == 8192
    assert sorted(sequence["document_ids"]) == sorted(row["id"] for row in written)
    answers = [turn for row in written for turn in row["conversations"] if turn["from"] == "gpt"]
    expected = encoder(None, None).encode([turn["value"].rstrip(" ") for turn in answers])
    assert sum(sequence["loss_mask"]) == sum(len(ids) + 1 for ids in expected)


def test_suzume_names_the_counts_of_its_card():
    text = Path(__file__).resolve().parents[2].joinpath("pipelines/suzume.toml").read_text()
    assert "76,338 + 669 + 6,206 = 83,213" in text
    assert 76_338 + 669 + 6_206 == 83_213


def test_tagengo(tmp_path):
    result = run(tmp_path, "tagengo")
    assert outcomes(result) == {
        "lmsys": {
            "curated": 13,
            "without:openai_moderation.0.categories.*": 1,
            "without:language": 2,
            "judge:listed_word": 3,
            "judge:too_short": 1,
            "judge:unsure_language": 1,
            "count:too_many_tokens": 1,
            "embed_dedup:near_vector": 2,
        }
    }
    rules = planted(result)
    assert rules["words"] == {"judge:listed_word"}
    assert rules["short"] == {"judge:too_short"}
    assert rules["unsure"] == {"judge:unsure_language"}
    assert rules["long"] == {"count:too_many_tokens"}
    # Of two similar prompts the first in the order of the hash is kept, planted or not.
    alike = [r for r in rows(result, "rejected") if r["dropped_by"] == "embed_dedup:near_vector"]
    kept = {r["id"] for r in rows(result, "mixture")}
    assert len(alike) == 2 and all(r["duplicate_of"] in kept for r in alike)
    assert all(r["dropped_value"] > 0.8 for r in alike)
    # Only the first exchange was read: the word in the second question is ignored.
    assert all(len(r["conversations"]) == 2 for r in lines(result))
    assert "no embedding model" in result.manifest["models"]["embed_dedup"]


def test_tagengo_caps_each_language(tmp_path):
    result = run(tmp_path, "tagengo", settings=["stages.cap.documents=3"])
    languages = Counter(row["lang"] for row in rows(result, "mixture"))
    assert max(languages.values()) == 3
    assert outcomes(result)["lmsys"]["cap:over_cap"] >= 4


def test_sherkala_chat(tmp_path):
    result = run(tmp_path, "sherkala_chat")
    assert outcomes(result) == {
        "kazakh": {
            "curated": 24,
            "judge:refusal": 1,
            "judge:languages_differ": 1,
            "exact_dedup:duplicate_prompt": 1,
        },
        "english": {"curated": 13, "judge:control_tokens": 1, "judge:no_answer_last": 1},
        "russian": {"curated": 3, "judge:boilerplate": 1, "unknown_role": 1},
        "safety": {"curated": 4},
        "preferences": {"curated": 5, "exact_dedup:duplicate_prompt": 1, "null_turn": 1},
    }
    table = {row["group"]: row for row in result.manifest["mixture"]}
    weights = {"kazakh": 5.9, "english": 2.7, "russian": 0.263}
    total = sum(table[group]["amount"] for group in weights)
    for group, weight in weights.items():
        assert abs(table[group]["amount"] - total * weight / 8.863) <= 1
    for group in ("safety", "preferences"):
        assert table[group]["amount"] == table[group]["available"] == table[group]["documents"]
    rules = planted(result)
    assert rules["refusal"] == {"judge:refusal"}
    assert rules["control_tokens"] == {"judge:control_tokens"}
    written = list(lines(result))
    better = [row for row in written if row["source"] == "preferences"]
    assert len(better) == 5
    for row in better:
        assert row["messages"][:-1] == row["rejected"][:-1]
        assert row["messages"][-1] != row["rejected"][-1]
    # A wanted refusal is kept.
    assert any("can't help" in row["messages"][-1]["content"] for row in written)


MIXED = """
name = "mixed"
seed = 2
[sources.books]
format = "parquet"
path = "sample_data/books.parquet"
[sources.kazakh]
format = "chat"
path = "sample_data/instructions/kazakh.jsonl"
profile = "chat"
[[stages]]
use = "identify"
[[stages]]
use = "trim"
[[stages]]
use = "measure"
[[stages]]
use = "judge"
[[stages]]
use = "fuzzy_dedup"
[[stages]]
use = "fuzzy_dedup"
name = "prompts"
on = "prompt"
[[stages]]
use = "count"
[mixture]
unit = "tokens"
ratio = "1:1"
[mixture.groups.talk]
sources = ["kazakh"]
[mixture.groups.prose]
sources = ["books"]
[output]
formats = ["jsonl"]
chat = "sharegpt"
"""


def test_chat_and_text_are_in_one_mixture(tmp_path):
    result = run(tmp_path, parse_recipe(MIXED, "mixed"))
    table = {row["group"]: row for row in result.manifest["mixture"]}
    assert abs(table["talk"]["amount"] - table["prose"]["amount"]) <= table["prose"]["largest"]
    kinds = Counter()
    for row in lines(result):
        kinds[row["source"], "conversations" in row, "text" in row] += 1
    assert set(kinds) == {("kazakh", True, False), ("books", False, True)}
    for row in rows(result, "mixture"):
        assert (row["messages"] is None) == (row["source"] == "books")
    dropped = Counter((r["source"], r["dropped_by"]) for r in rows(result, "rejected"))
    assert dropped["kazakh", "prompts:near_duplicate"] == 1
    assert ("books", "prompts:empty") not in dropped


#: Records of a file by outcome. Which short texts are in two languages depends on the identifier:
#: of 1,000 Chinese answers about 16 are in English, and about 5 are identified as Japanese.
FUNNEL = {
    "instruction_ja.dev.jsonl.gz": {"curated": 335},
    "alpaca_zh_demo.json.gz": {
        "curated": 970,
        "judge:boilerplate": 18,
        "judge:refusal": 3,
        "exact_dedup:duplicate_prompt": 8,
        "fuzzy_dedup:near_duplicate_words": 1,
    },
    "ru-alpaca_seed_tasks.jsonl.gz": {"curated": 137},
    "sharegpt-axolotl-conversation.jsonl.gz": {"curated": 1},
    "dialogstudio-sharegpt-converted.json.gz": {"missing_messages": 1},
}


@REAL
@pytest.mark.real_data
def test_the_funnel_of_real_conversations(tmp_path):
    sources = "".join(
        f'[sources.s{number}]\nformat = "chat"\npath = "{DATA}/chat/{name}"\nprofile = "chat"\n'
        for number, name in enumerate(FUNNEL)
    )
    stages = "".join(
        f'[[stages]]\nuse = "{use}"\n{on}\n'
        for use, on in (
            *((use, "") for use in ("repair", "identify", "standardize", "measure", "judge")),
            ("exact_dedup", 'on = "prompt"'),
            ("fuzzy_dedup", 'on = "prompt"'),
        )
    )
    text = f'name = "real"\nseed = 1\n[limits]\nquarantined_records = 1\n{sources}{stages}'
    result = run(tmp_path, parse_recipe(text, "real"))
    found = outcomes(result)
    differ = [counts.pop("judge:languages_differ", 0) for counts in found.values()]
    assert 10 <= differ[1] <= 30 and 1 <= differ[2] <= 3 and sum(differ) == differ[1] + differ[2]
    for counts, count in zip(found.values(), differ, strict=True):
        counts["curated"] = counts.get("curated", 0) + count
    expected = {f"s{number}": Counter(counts) for number, counts in enumerate(FUNNEL.values())}
    assert {name: Counter(counts) for name, counts in found.items()} == expected


@REAL
@pytest.mark.real_data
def test_suzume_on_the_real_instruction_ja(tmp_path):
    path = f"{DATA}/chat/instruction_ja.dev.jsonl.gz"
    result = run(tmp_path, "suzume", inputs={"instruction_ja": path})
    assert outcomes(result) == {"instruction_ja": {"curated": 335}}
    assert all(
        [turn["from"] for turn in row["conversations"]] == ["human", "gpt"] for row in lines(result)
    )
    schema = pq.read_schema(next(Path(result.output, "mixture").rglob("*.parquet")))
    assert pa.types.is_list(schema.field("messages").type)
