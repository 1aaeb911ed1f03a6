"""A takedown leaves nothing of a document in a run or its store, and the counts balance."""

import json
import random
import shutil
from collections import Counter

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curate import api
from curate.errors import RecipeError, RefusedError
from curate.inspection.doctor import diagnose
from curate.inspection.verify import verify
from curate.storage.store import open_store
from tests.runs import ledger
from tests.unit.cli.commands import curate

RECIPE = """
name = "rights"
seed = 3
[shards]
input_bytes = 9000
output_bytes = 9000
partition_bytes = 20000
[limits]
quarantined_records = 1
[sources.a]
format = "jsonl"
path = "{folder}/a*.jsonl"
url = "url"
id = "key"
[sources.b]
format = "jsonl"
path = "{folder}/b*.jsonl"
url = "url"
[[stages]]
use = "exact_dedup"
[[stages]]
use = "fuzzy_dedup"
store = "{store}"
[[stages]]
use = "count"
tokenizer = "bytes"
[mixture]
unit = "tokens"
ratio = "1:1"
shortage = "repeat"
max_epochs = 3
validation = {{ share = 0.1 }}
[mixture.groups.a]
sources = ["a"]
[mixture.groups.b]
sources = ["b"]
[output]
formats = ["parquet", "jsonl", "ds", "megatron", "mds", "packed"]
tokenizer = "tekken"
"""

#: The same without a mixture.
DEDUP = RECIPE.partition("[mixture]")[0]

DRAW = random.Random(5)
WORDS = ["".join(DRAW.choices("abcdefghijklmno", k=7)) for _ in range(3000)]


def text(secret=None):
    words = DRAW.choices(WORDS, k=80)
    for at in range(10, 80, 20):
        words[at] = secret or words[at]
    return " ".join(words)


def write(folder):
    """Write two sources; documents of gone.example, and their copies elsewhere, have a secret word.

    Return the secret of each group: ``kept`` documents, ``copied`` elsewhere (exact), ``edited``
    elsewhere (near), and the ``first`` elsewhere, of which gone.example has the copy.
    """
    folder.mkdir(parents=True)
    rows = []

    def add(body, url, source=None):
        # Longer texts are kept, so a note at the end decides which of two near copies is.
        rows.append((source or DRAW.choice("ab"), {"text": body, "url": url}))

    for number in range(120):
        add(text(), f"https://s{number % 9}.example/{number}")
    for number in range(8):
        host = "gone.example" if number % 2 else "news.gone.example:8080"
        add(text("keptsecret"), f"https://{host}/k{number}")
    for number in range(3):
        body = text("copiedsecret")
        add(body, f"http://GONE.example/c{number}")
        add(body, f"https://mirror.example/c{number}")
        body = text("editedsecret")
        add(body + " and a note", f"https://gone.example/e{number}")
        add(body, f"https://mirror.example/e{number}")
        body = text("firstsecret")
        add(body, f"https://www.gone.example/f{number}")
        add(body + " and a note", f"https://mirror.example/f{number}")
    for number in range(4):
        add(text(), f"https://notgone.example/{number}")
    DRAW.shuffle(rows)
    for source in "ab":
        lines = [json.dumps(row | {"key": f"{row['url']}"}) for own, row in rows if own == source]
        lines.insert(5, '{"text": "broken keptsecret", "url": "https://gone.example/broken')
        (folder / f"{source}.jsonl").write_text("\n".join(lines) + "\n")
    return rows


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("takedown")
    rows = write(folder / "in")
    (folder / "rights.toml").write_text(RECIPE.format(folder=folder / "in", store=folder / "store"))
    api.run(folder / "rights.toml", output=folder / "out", engine="in-process", keep_work=True)
    return folder, rows


@pytest.fixture
def folder(made, tmp_path):
    """Return a copy of the run and its store; the run names the store by its address."""
    for name in ("out", "store"):
        shutil.copytree(made[0] / name, tmp_path / name)
    for path in (tmp_path / "out" / "manifest.json",):
        body = path.read_bytes().replace(str(made[0]).encode(), str(tmp_path).encode())
        fields = json.loads(body)
        del fields["digest"]
        from curate.storage.entries import sealed

        path.write_bytes(sealed(fields, indent=1) + b"\n")
    return tmp_path


def values(path):
    """All texts and bytes in a file: of Parquet, every value; of others, what they hold."""
    if path.suffix == ".parquet":
        for column in pq.read_table(path).columns:
            yield repr(column.to_pylist()).encode()
    elif path.name.endswith(".zst"):
        import zstandard

        yield zstandard.ZstdDecompressor().stream_reader(path.read_bytes()).read()
    else:
        yield path.read_bytes()


def traces(folder, *needles):
    """Return which files below a folder hold one of the needles."""
    return {
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and any(n.encode() in v for v in values(path) for n in needles)
    }


def rows_of(out):
    return [
        row
        for kind in ("mixture", "rejected")
        for path in sorted((out / kind).rglob("*.parquet"))
        for row in pq.read_table(path).to_pylist()
    ]


SECRETS = ("keptsecret", "copiedsecret", "editedsecret", "firstsecret")


def test_nothing_is_left_anywhere(folder):
    out, store = folder / "out", folder / "store"
    before = json.loads((out / "manifest.json").read_text())
    assert traces(out, *SECRETS) >= {"manifest.json", "clusters.parquet"} - {"clusters.parquet"}
    assert (out / "work").is_dir()
    tokens_before = {row["group"]: row["tokens"] for row in before["mixture"]}
    dry = api.take_down(str(out), domains=["gone.example"], dry_run=True)
    done = api.take_down(str(out), domains=["gone.example"])
    assert done == dry | {"changed": True}
    assert done["matched"] == 8 + 9
    assert sum(done["documents"].values()) == 8 + 9 + 9  # with the copies elsewhere
    assert traces(out, *SECRETS, "//gone.example", "mirror.example") == set()
    assert traces(out, "gone.example") - {"takedowns/00000.txt"} <= traces(out, "notgone.example")
    assert (out / "takedowns" / "00000.txt").read_text() == "gone.example\n"
    assert traces(store, *SECRETS, "//gone.example", "www.gone.example", "mirror.example") == set()
    assert not (out / "work").exists()
    assert verify(open_store(str(out))) == []
    assert diagnose(open_store(str(out))).state == "finished"
    after = json.loads((out / "manifest.json").read_text())
    assert after["totals"]["documents"] == before["totals"]["documents"]
    counts = Counter()
    for file in after["ledger"]["files"].values():
        for verdict, count in file["dropped"].items():
            counts[verdict.endswith(":taken_down")] += count
    assert counts[True] == 26
    # Every other rule has as many rows as it says.
    by_rule = Counter(row["dropped_by"] for row in rows_of(out) if row.get("dropped_by"))
    told = Counter()
    for file in after["ledger"]["files"].values():
        told.update({k: v for k, v in file["dropped"].items() if not k.endswith(":taken_down")})
    assert told == Counter({k: v for k, v in by_rule.items() if not k.startswith("mix:")})
    # The mixture's table is that of the rows that are left.
    rows = [row for row in rows_of(out) if "phase" in row]
    for line in after["mixture"]:
        mine = [r for r in rows if (r["phase"], r["source"]) == (line["phase"], line["group"])]
        assert line["documents"] == len(mine)
        assert line["tokens"] == line["amount"] == sum(row["n_tokens"] for row in mine)
    assert {row["group"]: row["tokens"] for row in after["mixture"]} != tokens_before
    for phase in {line["phase"] for line in after["mixture"]}:
        lines = [line for line in after["mixture"] if line["phase"] == phase]
        assert sum(line["share"] for line in lines) == pytest.approx(1)


def test_the_forms_hold_the_rows_that_are_left(folder):
    out = folder / "out"
    api.take_down(str(out), domains=["gone.example"])
    import zstandard

    for path in (out / "mixture").rglob("*.parquet"):
        of = path.relative_to(out / "mixture").with_suffix("")
        ids = pq.read_table(path, columns=["id"])["id"].to_pylist()
        packed = (out / "jsonl" / of).with_suffix(".jsonl.zst").read_bytes()
        lines = zstandard.ZstdDecompressor().stream_reader(packed).read().splitlines()
        assert [json.loads(line)["id"] for line in lines] == ids
        entries = {
            entry["path"]: entry["rows"]
            for entry in json.loads((out / "manifest.json").read_text())["files"]
        }
        for form, suffix in (("ds", ".ds"), ("megatron", ".bin"), ("mds", ".00000.mds")):
            assert entries[f"{form}/{of}{suffix}"] == len(ids)
    # What packing counted is what the packed parts hold.
    counted = json.loads((out / "report.json").read_text())["packed"]
    for phase in counted:
        rows = [
            row
            for path in sorted((out / "packed" / phase["phase"]).rglob("*.parquet"))
            for row in pq.read_table(path).to_pylist()
        ]
        assert phase["sequences"] == len(rows)
        assert phase["documents"] == len(
            {(at, i) for at, row in enumerate(rows) for i in range(len(row["document_ids"]))}
        ) - (phase["pieces"] - phase["split"])
    for index in (out / "mds").rglob("index.json"):
        shards = json.loads(index.read_text())["shards"]
        named = {shard["raw_data"]["basename"]: shard["raw_data"]["bytes"] for shard in shards}
        assert named == {p.name: p.stat().st_size for p in index.parent.glob("*.mds")}


def test_again_changes_nothing(folder):
    out = folder / "out"
    api.take_down(str(out), domains=["gone.example"])
    files = {p: p.read_bytes() for p in out.rglob("*") if p.is_file() and p.name != ".lock"}
    again = api.take_down(str(out), domains=["gone.example"])
    assert (again["changed"], sum(again["documents"].values())) == (False, 0)
    assert {p: p.read_bytes() for p in out.rglob("*") if p.is_file() and p.name != ".lock"} == files


def test_by_address_and_by_id_one_after_the_other(folder):
    out = folder / "out"
    urls = ["http://gone.example/k1#part", "https://mirror.example/c0"]
    done = api.take_down(str(out), urls=urls)
    assert (done["matched"], sum(done["documents"].values())) == (2, 3)
    ids = [row["id"] for row in rows_of(out) if row["url"] == "https://gone.example/k3"]
    done = api.take_down(str(out), ids=ids)
    assert done["matched"] == 1
    assert traces(out, "gone.example/k1", "gone.example/k3") <= {
        "takedowns/00000.txt",
        "takedowns/00001.txt",
    }
    assert verify(open_store(str(out))) == []
    records = json.loads((out / "manifest.json").read_text())["takedowns"]
    assert [(one["kind"], one["asked"]) for one in records] == [("url", 2), ("id", 1)]
    assert "2 documents" not in (out / "report.md").read_text()
    assert "4 documents" in (out / "report.md").read_text()
    assert ledger(out)["stages"]["takedown"]["dropped"]


def test_copies_may_stay_and_are_counted(folder):
    out = folder / "out"
    done = api.take_down(str(out), domains=["gone.example"], copies=False)
    assert sum(done["documents"].values()) == done["matched"] == 17
    assert done["copies_left"] == 9
    assert traces(out, "keptsecret") == set()
    assert traces(out, "firstsecret")
    assert verify(open_store(str(out))) == []
    assert (
        "9 documents that dedup found to be copies of them stay" in (out / "README.md").read_text()
    )


def test_a_later_run_against_the_store_does_not_bring_it_back(folder, made):
    api.take_down(str(folder / "out"), domains=["gone.example"])
    (folder / "month2").mkdir()
    rows = [row for _, row in made[1] if "gone.example" in row["url"].lower()]
    rows += [
        {"text": row["text"], "url": row["url"]} for _, row in made[1] if "mirror" in row["url"]
    ]
    rows += [{"text": text(), "url": f"https://new.example/{n}"} for n in range(30)]
    (folder / "month2" / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    recipe = folder / "month2.toml"
    (folder / "month2" / "b.jsonl").write_text(json.dumps({"text": text()}) + "\n")
    recipe.write_text(DEDUP.format(folder=folder / "month2", store=folder / "store"))
    out = folder / "second"
    api.run(recipe, output=out, engine="in-process")
    assert traces(out, *SECRETS) == set()
    counts = Counter()
    for file in ledger(out)["files"].values():
        counts.update(file["dropped"])
    # notgone.example is another domain.
    gone = [
        row for row in rows if "//notgone" not in row["url"] and "new.example" not in row["url"]
    ]
    assert counts["known_takedowns:taken_down"] == len(gone) == 26
    assert verify(open_store(str(out))) == []
    # The first run is still the run that its recipe makes, and verified against the store.
    assert verify(open_store(str(folder / "out"))) == []


def test_other_runs_against_the_store_stay_sound(folder, made):
    """A witness that was taken out of the store is known to be gone."""
    (folder / "day2").mkdir()
    rows = [row for _, row in made[1] if "keptsecret" in row["text"]]
    copies = [
        {"text": row["text"], "url": f"https://elsewhere.example/{n}"} for n, row in enumerate(rows)
    ]
    (folder / "day2" / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in copies))
    (folder / "day2" / "b.jsonl").write_text(json.dumps({"text": text()}) + "\n")
    recipe = folder / "day2.toml"
    recipe.write_text(DEDUP.format(folder=folder / "day2", store=folder / "store"))
    api.run(recipe, output=folder / "second", engine="in-process")
    removed = [r for r in rows_of(folder / "second") if r.get("duplicate_of")]
    assert len(removed) == 8
    api.take_down(str(folder / "out"), domains=["gone.example"])
    assert verify(open_store(str(folder / "second"))) == []


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({}, "one list is taken down at a time"),
        ({"urls": ["a.example"], "ids": ["x"]}, "one list is taken down at a time"),
        ({"domains": ["kz"]}, "'kz' is no domain but a top-level one"),
        ({"domains": ["a.example/page"]}, "1 of 1 lines are no domain"),
        ({"domains": ["# nothing"]}, "the list is empty"),
        ({"domains": "none.txt"}, "cannot read the list"),
    ],
)
def test_a_request_that_cannot_be_meant_is_refused(options, says, folder):
    with pytest.raises(RecipeError, match=says):
        api.take_down(str(folder / "out"), **options)


def test_what_is_no_finished_run_is_refused(folder):
    with pytest.raises(RefusedError, match="no finished run"):
        api.take_down(str(folder / "store" / "none"), domains=["a.example"])
    shutil.rmtree(folder / "store")
    with pytest.raises(RefusedError, match="the dedup store that the run used is not there"):
        api.take_down(str(folder / "out"), domains=["gone.example"])
    done = api.take_down(str(folder / "out"), domains=["gone.example"], stores=False)
    assert done["matched"] == 17


def test_columns_of_the_input_keep_their_types(tmp_path):
    table = pa.table(
        {
            "text": [f"one two three {n} four five" for n in range(4)],
            "url": ["https://gone.example/", *["https://a.example/"] * 3],
            "when": pa.array([1, 2, None, 4], pa.timestamp("ms", "UTC")),
            "tags": pa.array([["a"], [], None, ["b"]], pa.list_(pa.string())),
            "kind": pa.array(["x", "y", "x", None]).dictionary_encode(),
        }
    )
    pq.write_table(table, tmp_path / "a.parquet")
    out = tmp_path / "out"
    done = curate(
        "dedup", str(tmp_path / "a.parquet"), "--output", str(out), "--engine", "in-process"
    )
    assert done.code == 0, done.err
    (path,) = (out / "mixture").rglob("*.parquet")
    before = pq.read_table(path)
    (tmp_path / "list.txt").write_text("gone.example\n")
    answer = curate("takedown", str(out), "--domains", str(tmp_path / "list.txt"))
    assert answer.code == 0, answer.err
    assert "taken down: 1 documents (1 on the list, 0 copies of their texts)" in answer.out
    after = pq.read_table(path)
    assert after.schema.equals(before.schema, check_metadata=True)
    assert after.equals(
        before.filter(pa.compute.not_equal(before["input_url"], "https://gone.example/"))
    )
