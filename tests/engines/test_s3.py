"""A run whose input and output are in an object store: an S3 server on loopback."""

import json
import signal
from collections import Counter

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curate import api
from curate.api import diagnose
from curate.engine.reading import read_shard
from curate.errors import ResourceError
from curate.inspection.verify import verify
from curate.plan.build import build
from curate.recipe.recipe import parse_recipe
from curate.sources.base import Located, Piece
from curate.sources.web.commoncrawl import CommonCrawl
from curate.storage.dedup_store import listing
from curate.storage.store import ObjectStore, open_store
from tests.runs import curate, write_corpus, write_recipe
from tests.unit.sources.web.crawl_mirror import SNAPSHOT, warc_name, write_index, write_mirror

server = pytest.importorskip("moto.server", reason="needs moto[server]")
pytest.importorskip("s3fs", reason="needs s3fs")
s3_backends = pytest.importorskip("moto.s3.models").s3_backends


@pytest.fixture(scope="module")
def bucket(tmp_path_factory):
    started = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    started.start()
    host, port = started.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        files = fsspec.filesystem("s3", skip_instance_cache=False)
        files.mkdir("corpus")
        folder = tmp_path_factory.mktemp("s3")
        write_corpus(folder / "in", documents=40, files=2)
        for path in (folder / "in").iterdir():
            files.put(str(path), f"corpus/in/{path.name}")
        yield folder
    started.stop()
    fsspec.get_filesystem_class("s3").clear_instance_cache()


def recipe(folder, source):
    name = "local.toml" if str(source) != "s3://corpus/in" else "s3.toml"
    return write_recipe(folder / name, source, input_bytes=100_000, partition_bytes=100_000)


def test_of_two_that_create_an_object_one_wins(bucket):
    store = ObjectStore("s3://corpus/create")
    assert store.create("commits/a.json", b"first")
    assert not ObjectStore("s3://corpus/create").create("commits/a.json", b"second")
    assert store.read("commits/a.json") == b"first"
    assert store.size("commits/b.json") is None


def test_an_incomplete_file_is_not_listed(bucket):
    store = open_store("s3://corpus/torn")
    with pytest.raises(ValueError, match="dies"), store.writing("work/a") as sink:
        sink.write(b"x" * 100)
        raise ValueError("the writer dies")
    assert store.names("work") == []


def rows(store, manifest, folder):
    found = {}
    for entry in manifest["files"]:
        if entry["path"].startswith(folder):
            with store.open(entry["path"]) as handle:
                found[entry["path"]] = pq.read_table(handle).to_pylist()
    return found


def test_a_killed_run_resumes_and_equals_that_of_a_local_disk(bucket):
    local = api.run(recipe(bucket, bucket / "in"), output=bucket / "out", engine="in-process")
    remote = recipe(bucket, "s3://corpus/in")
    arguments = ("run", str(remote), "--output", "s3://corpus/run", "--engine", "in-process")
    killed = curate(*arguments, CURATE_FAILPOINT="publish.manifest:kill:1")
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    store = open_store("s3://corpus/run")
    assert store.size("manifest.json") is None
    commits = len(store.names("commits"))
    assert commits > 10
    result = api.run(remote, output="s3://corpus/run", engine="in-process")
    assert result.exit_code == local.exit_code == 0
    assert verify(store) == []
    assert result.manifest["totals"] == local.manifest["totals"]
    disk = open_store(str(bucket / "out"))
    for folder in ("mixture", "rejected"):
        assert rows(store, result.manifest, folder) == rows(disk, local.manifest, folder)
    assert not [
        name for name in store.names("") if name.startswith(("work", "commits", ".publish"))
    ]
    assert b"<html" in store.read("report.html")
    assert (
        json.loads(store.read("report.json"))["documents"]["taken"]
        == local.manifest["totals"]["taken"]
    )
    assert api.run(remote, output="s3://corpus/run", engine="in-process").reused


def test_what_is_changed_before_it_is_published_is_made_again(bucket):
    remote = recipe(bucket, "s3://corpus/in")
    arguments = ("run", str(remote), "--output", "s3://corpus/flipped", "--engine", "in-process")
    killed = curate(*arguments, CURATE_FAILPOINT="publish.started:kill:1")
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    store = open_store("s3://corpus/flipped")
    assert store.top() == ["commits", "work"] or "mixture" not in store.top()
    for kind in ("mixture-", "rejected-"):
        (name, *_) = [name for name in store.names("work") if f"/{kind}" in name]
        body = bytearray(store.read(name))
        body[len(body) // 2] ^= 4
        store.replace(name, bytes(body))
    result = api.run(remote, output="s3://corpus/flipped", engine="in-process")
    assert result.exit_code == 0
    assert sum(result.manifest["repairs"].values()) == 2
    assert verify(store) == []


def test_a_product_stays_until_the_next_is_published_and_parts_never_have_a_manifest(bucket):
    remote = recipe(bucket, "s3://corpus/in")
    output = "s3://corpus/again"
    arguments = ("run", str(remote), "--output", output, "--engine", "in-process", "--fresh")
    assert curate(*arguments).returncode == 0
    store = open_store(output)
    assert curate(*arguments, CURATE_FAILPOINT="step.done:kill:2").returncode == -signal.SIGKILL
    assert verify(store) == []
    assert diagnose(output)["state"] == "unfinished"
    killed = curate(*arguments[:-1], CURATE_FAILPOINT="publish.linked:kill:1")
    assert killed.returncode == -signal.SIGKILL
    assert store.size("manifest.json") is None
    assert api.run(remote, output=output, engine="in-process").exit_code == 0
    assert verify(store) == []
    assert diagnose(output)["state"] == "finished"


def test_a_dedup_store_is_kept_there(bucket, tmp_path):
    store = "s3://corpus/seen"
    for day, source in enumerate(("one", "two")):
        (path,) = (bucket / "in").glob("*0*")
        text = path.read_text() if not day else path.read_text() + '{"text": "new to the store"}\n'
        (tmp_path / f"{source}.jsonl").write_text(text)
    results = [
        api.dedup_paths(
            [f"{source}={tmp_path}/{source}.jsonl"],
            output=tmp_path / f"out-{source}",
            store=store,
            engine="in-process",
        )
        for source in ("one", "two")
    ]
    first, second = (result.manifest["totals"] for result in results)
    assert first["curated"] > 5
    assert second["curated"] == 1
    assert verify(open_store(str(tmp_path / "out-two"))) == []
    assert [row["counting"] for row in listing(store)["generations"]] == [first["curated"], 1]


@pytest.mark.parametrize("path", ["s3://corpus/mixed", "s3://corpus/mixed/*/*"])
def test_a_bucket_of_two_formats_with_a_run_inside_it(bucket, path):
    files = fsspec.filesystem("s3")
    table = pa.table({"text": ["one two three four five six", "other words are here"], "n": [1, 2]})
    pq.write_table(table, bucket / "b.parquet")
    files.put(str(bucket / "b.parquet"), "corpus/mixed/year=2024/b.parquet")
    files.pipe("corpus/mixed/x/a.jsonl", b'{"text": "one two three four five six", "n": 3}\n')
    files.pipe("corpus/mixed/x/README.md", b"no data")
    for output in ("out", "out2"):
        address = f"s3://corpus/mixed/{output}"
        result = api.dedup_paths([path], output=address, engine="in-process")
        totals = result.manifest["totals"]
        assert (totals["documents"], totals["curated"], totals["quarantined"]) == (3, 2, 0)
        assert set(result.manifest["inputs"]) == {
            "jsonl/x/a.jsonl", "parquet/year=2024/b.parquet",
        }  # fmt: skip
        files.invalidate_cache()
    with open_store("s3://corpus/mixed/out2").open("mixture/main/part-00000.parquet") as handle:
        rows = [(row["n"], row["year"], row["meta"]) for row in pq.read_table(handle).to_pylist()]
    assert sorted(rows, key=str) == [(2, "2024", None), (3, None, None)]
    files.rm("corpus/mixed", recursive=True)


def test_common_crawl_is_read_by_ranges(bucket, tmp_path):
    rows = write_mirror(tmp_path)
    rows[0]["warc_record_offset"] = 10**6  # beyond the file: 416
    rows[1]["warc_filename"] = warc_name(99)
    write_index(tmp_path, rows)
    fsspec.filesystem("s3").put(f"{tmp_path}/", "corpus/crawl/", recursive=True)
    found = [
        list(reader.read(file, Piece(0, 99)))
        for base in ("s3://corpus/crawl/", str(tmp_path))
        for reader in [CommonCrawl(snapshots=(SNAPSHOT,), languages=("kaz", "rus"), base=base)]
        for file in reader.inputs()
    ]
    outcomes = Counter(type(each.record).__name__ for each in found[0] if isinstance(each, Located))
    assert outcomes == {"Document": 6, "Damage": 2}
    reasons = [[e.record[:3] for e in each if "Damage" in repr(e)] for each in found]
    assert reasons[0] == reasons[1]
    documents = [[e for e in each if "Document(" in repr(e)] for each in found]
    assert documents[0] == documents[1]


@pytest.fixture
def requests(monkeypatch):
    """The methods that are called on the server, counted."""
    import s3fs

    counted = Counter()
    call = s3fs.S3FileSystem._call_s3

    async def counting(files, method, *arguments, **named):
        counted[method] += 1
        return await call(files, method, *arguments, **named)

    monkeypatch.setattr(s3fs.S3FileSystem, "_call_s3", counting)
    return counted


def test_a_plan_makes_one_request_per_thousand_files(bucket, requests):
    store = s3_backends["123456789012"]["aws"]
    for number in range(2500):  # through the server it would take a minute
        body = b'{"text": "a"}\n' * (1 if number % 100 else 5)
        store.put_object("corpus", f"many/{number % 3}/{number:04d}.jsonl", body)
    text = 'name = "t"\n[sources.a]\nformat = "jsonl"\npath = "s3://corpus/many"\n'
    plan = build(parse_recipe(text, "t.toml"))
    assert requests == {"list_objects_v2": 3}
    assert len(plan.input_files) == 2500
    assert [len(shard.pieces) for shard in plan.shards] == [2500]
    assert len(set(plan.input_files.values())) == 2  # by the etag, which is that of the bytes

    requests.clear()
    plan = build(parse_recipe(text + "[shards]\ninput_bytes = 60\n", "t.toml"))
    assert len({p.file.name for shard in plan.shards for p in shard.pieces if p.piece.start}) == 25
    assert requests["get_object"] == 25  # the heads of those that are larger than a shard


def test_a_remote_file_that_changes_after_the_plan_ends_the_run(bucket):
    files = fsspec.filesystem("s3")
    files.pipe("corpus/changing/a.jsonl", b'{"text": "a"}\n')
    text = 'name = "t"\n[sources.a]\nformat = "jsonl"\npath = "s3://corpus/changing"\n'
    plan = build(parse_recipe(text, "t.toml"))
    files.pipe("corpus/changing/a.jsonl", b'{"text": "b"}\n')
    with pytest.raises(ResourceError, match="changed while the run was reading it"):
        list(read_shard(plan.sources["a"], plan.shards[0], 1 << 20))


def test_a_takedown_in_an_object_store_is_seen_at_once(bucket, monkeypatch):
    """Objects get new names, the manifest names them, then the older ones go."""
    from curate.engine import takedown

    rows = [
        {"text": f"one two three {n} four five six", "url": f"https://{host}.example/{n}"}
        for n, host in enumerate(["gone", "kept"] * 6)
    ]
    files = fsspec.filesystem("s3")
    files.pipe("corpus/rights/a.jsonl", "".join(json.dumps(row) + "\n" for row in rows).encode())
    address = "s3://corpus/rights-out"
    api.dedup_paths(["s3://corpus/rights/a.jsonl"], url="url", output=address, engine="in-process")
    store = open_store(address)

    def urls(path):
        return pq.read_table(store.open(path))["url"].to_pylist()

    before = store.names("mixture")

    def killed(point):
        if point == "takedown.checked":
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(takedown, "reach", killed)
        with pytest.raises(KeyboardInterrupt):
            api.take_down(address, domains=["gone.example"])
    named = {entry["path"] for entry in json.loads(store.read("manifest.json")[:-1])["files"]}
    assert set(before) <= named  # the older product is whole
    done = api.take_down(address, domains=["gone.example"])
    assert done["matched"] == 6
    assert verify(store) == []
    (path,) = store.names("mixture")
    assert path != before[0]
    assert len(urls(path)) == 6
    assert all("kept" in url for url in urls(path))
    assert b"Since the run, 6 documents" in store.read("report.md")
    assert not api.take_down(address, domains=["gone.example"])["changed"]


def test_a_run_in_a_bucket_is_a_source(bucket, tmp_path):
    api.run(recipe(bucket, "s3://corpus/in"), output="s3://corpus/month", engine="in-process")
    again = parse_recipe(
        'name = "again"\n[sources.m]\nformat = "run"\npath = "s3://corpus/month"\n', "recipe"
    )
    result = api.run(again, output=tmp_path / "again", engine="in-process")
    curated = json.loads(open_store("s3://corpus/month").read("manifest.json"))["totals"]["curated"]
    assert result.manifest["totals"]["documents"] == result.manifest["totals"]["rows"] == curated
