"""The demo run is compared with the planted documents (sample_data/planted.json)."""

import json
import tomllib
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curate import api
from curate.inspection.verify import verify
from curate.recipe import locate
from curate.storage.store import open_store
from tests.runs import curate

SAMPLES = Path(__file__).resolve().parents[2] / "sample_data"
PLANTED = json.loads((SAMPLES / "planted.json").read_text(encoding="utf-8"))


def rows(run, folder):
    columns = ["id", "url", "lang", "text", "meta", "dropped_by", "duplicate_of", "jaccard"]
    tables = []
    for path in sorted(Path(run.output, folder).rglob("*.parquet")):
        file = pq.ParquetFile(path)
        present = [name for name in columns if name in file.schema_arrow.names]
        tables.append(file.read(columns=present))
    return pa.concat_tables(tables, promote_options="default").to_pylist()


@pytest.fixture(scope="module")
def documents(demo):
    """Return every document of the run by (container, handle): its row, with ``outcome``."""
    found = {}
    for folder in ("mixture", "rejected"):
        for row in rows(demo, folder):
            rule = row.get("dropped_by")
            row["outcome"] = "kept" if rule in (None, "mix:over_budget") else "dropped"
            for handle in handles(row):
                found[container(row["id"]), handle] = row
    return found


def container(id):
    source, _, rest = id.partition("/")
    file = rest.rpartition("#")[0]
    prefix = {"web": "web/", "wet": "web/", "wiki": "wiki/", "chat": "chat/"}.get(source, "")
    return "notes" if source == "notes" else prefix + file


def handles(row):
    meta = json.loads(row["meta"] or "{}")
    yield row["url"]
    yield meta.get("title")
    yield row["id"].rpartition("#")[0].rpartition("/")[2]
    for key in ("id", "conversation_id"):
        if key in meta:
            yield meta[key]


def test_every_container_is_accounted_for(demo):
    files = demo.manifest["ledger"]["files"]
    seen = Counter()
    for name, counts in files.items():
        place = container(name + "#")
        seen[place, "records"] += counts["records"]
        seen[place, "documents"] += counts["documents"]
        for kind in ("skipped", "quarantined"):
            for reason, count in counts[kind].items():
                seen[place, kind, reason] += count
    for place, expected in PLANTED["containers"].items():
        for kind in ("records", "documents"):
            if kind in expected:
                assert seen[place, kind] == expected[kind], (place, kind)
        for kind in ("skipped", "quarantined"):
            for reason, count in expected.get(kind, {}).items():
                assert seen[place, kind, reason] == count, (place, kind, reason)


def test_planted_documents_have_their_outcome(documents):
    grouped = {
        (member[0], member[1])
        for group in [*PLANTED["groups"], *PLANTED["drifts"]]
        for member in group["members"]
    }
    originals = {d["expect"]["copy_of"] for d in PLANTED["documents"] if "copy_of" in d["expect"]}
    wrong = []
    for document in PLANTED["documents"]:
        expect, key = document["expect"], (document["container"], document["handle"])
        row = documents.get(key)
        if not expect["certain"] or key in grouped or document["handle"] in originals:
            continue
        if expect["fate"] in ("kept", "dropped"):
            if row is None or row["outcome"] != expect["fate"]:
                wrong.append((key, document["kind"], expect["fate"], row and row["dropped_by"]))
            elif "by" in expect and row["dropped_by"].partition(":")[0] not in [
                *expect["by"],
                "mix",
            ]:
                wrong.append((key, document["kind"], expect["by"], row["dropped_by"]))
        elif expect["fate"] == "other_language" and (row is None or row["lang"] != expect["lang"]):
            wrong.append((key, document["kind"], expect["lang"], row and row["lang"]))
    assert not wrong


@pytest.mark.parametrize("group", PLANTED["groups"], ids=lambda g: g["name"])
def test_one_of_each_group_survives(group, documents):
    members = [
        documents[member[0], member[1]]
        for member in group["members"]
        if (member[0], member[1]) in documents
    ]
    kept = [row["id"] for row in members if row["outcome"] == "kept"]
    assert len(kept) == group["survivors"], [(row["id"], row["dropped_by"]) for row in members]


@pytest.mark.parametrize("group", PLANTED["kept_apart"], ids=lambda g: g["name"])
def test_dedup_leaves_distinct_documents_alone(group, documents):
    for member in group["members"]:
        row = documents.get((member[0], member[1]))
        if row is not None and row.get("dropped_by"):
            assert "dedup" not in row["dropped_by"], row


def test_every_removed_duplicate_is_verified(demo):
    removed = [
        row
        for row in rows(demo, "rejected")
        if row["dropped_by"].startswith("fuzzy_dedup:near_duplicate")
    ]
    assert len(removed) > 20
    assert all(row["jaccard"] >= 0.8 for row in removed)
    assert verify(open_store(demo.output)) == []


def test_the_mixture_keeps_its_ratio_to_one_document(demo):
    total = sum(row["amount"] for row in demo.manifest["mixture"])
    for row in demo.manifest["mixture"]:
        assert abs(row["amount"] - row["asked_share"] * total) <= row["largest"]


def test_the_mixture_loads_with_datasets(demo, tmp_path):
    import datasets

    loaded = datasets.load_dataset(
        "parquet",
        data_files=f"{demo.output}/mixture/*/*.parquet",
        split="train",
        cache_dir=str(tmp_path),
    )
    assert loaded.num_rows == demo.manifest["totals"]["rows"]
    assert {"id", "text", "lang", "n_tokens", "phase", "epoch"} <= set(loaded.column_names)


def test_the_run_can_be_run_again_from_what_it_wrote(demo, tmp_path):
    written = tomllib.loads(Path(demo.output, "recipe.toml").read_text())
    assert written["name"] == "demo"
    again = api.run(
        Path(demo.output, "recipe.toml"), output=tmp_path / "again", engine="in-process"
    )
    assert again.manifest["files"] == demo.manifest["files"]


def test_undeclared_defects_end_with_exit_code_3(tmp_path):
    text = (
        locate.recipe_file("demo")
        .read_text()
        .replace("quarantined_records = 40", "quarantined_records = 0")
    )
    (tmp_path / "strict.toml").write_text(text)
    done = curate(
        "run",
        str(tmp_path / "strict.toml"),
        "--output",
        str(tmp_path / "out"),
        "--engine",
        "in-process",
    )
    assert done.returncode == 3
    assert "could not be read" in done.stderr
    assert (tmp_path / "out" / "manifest.json").exists()
