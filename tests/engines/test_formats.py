"""Every format of the product contains the rows of its Parquet part, in order, every time."""

import gzip
import json
import signal
import struct
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import zstandard

from curate import api
from curate.errors import RecipeError
from curate.inspection.verify import verify
from curate.plan import build as planning
from curate.protocol.chat import sharegpt
from curate.recipe.recipe import load_recipe
from curate.storage.formats import mds
from curate.storage.store import open_store
from curate.tokens import counter
from curate.tokens.encode import encoder
from tests.runs import curate, write_corpus, write_recipe

MORE = """
[mixture.upsample]
by = "cluster_size"
copies = [[1, 1], [2, 2], [3, 3]]
[mixture.validation]
share = 0.1
[output]
formats = ["parquet", "jsonl", "ds", "megatron", "mds", "packed"]
length = 512
"""


def run(folder, out, engine="in-process", **replaced):
    text = write_recipe(folder / "small.toml", folder / "in").read_text() + MORE
    for old, new in replaced.values():
        text = text.replace(old, new)
    (folder / "formats.toml").write_text(text)
    return api.run(str(folder / "formats.toml"), output=out, engine=engine)


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    folder = tmp_path_factory.mktemp("formats")
    write_corpus(folder / "in", documents=300)
    run(folder, folder / "out")
    return folder


def parts(out):
    return sorted(
        path.relative_to(out / "mixture").with_suffix("")
        for path in (out / "mixture").rglob("*.parquet")
    )


def published(out):
    return {
        entry["path"]: entry["sha256"]
        for entry in json.loads((out / "manifest.json").read_text())["files"]
    }


def test_the_folder_has_every_format_of_every_part(ran):
    assert verify(open_store(str(ran / "out"))) == []
    assert [str(part.parent) for part in parts(ran / "out")].count("validation") == 1
    for part in parts(ran / "out"):
        names = {path for path in published(ran / "out") if str(part) in path}
        suffixes = (
            ".jsonl.zst",
            ".ds",
            ".ds.index",
            ".ds.metadata",
            ".bin",
            ".idx",
            ".00000.mds",
            ".parquet",
        )
        assert {name.partition(part.name)[2] for name in names} == set(suffixes)


def test_copies_are_rows_with_epochs(ran):
    sizes, seen = {}, {}
    for part in parts(ran / "out"):
        for row in pq.read_table(ran / "out" / "mixture" / f"{part}.parquet").to_pylist():
            if row["phase"] == "main":
                sizes[row["id"]] = row["cluster_size"]
                seen.setdefault(row["id"], set()).add(row["epoch"])
    copies = {None: 1, 1: 1, 2: 2}
    for id, epochs in seen.items():
        assert epochs == set(range(1, copies.get(sizes[id], 3) + 1))
    manifest = json.loads((ran / "out" / "manifest.json").read_text())
    main = [row for row in manifest["mixture"] if row["phase"] == "main"]
    assert sum(row["documents"] for row in main) == sum(map(len, seen.values()))


def test_parquet_parts_have_statistics_and_name_the_tokenizer(ran):
    for part in parts(ran / "out"):
        file = pq.ParquetFile(ran / "out" / "mixture" / f"{part}.parquet")
        fields = json.loads(file.schema_arrow.metadata[b"curate"])
        assert (fields["contract"], fields["recipe"], fields["counted_with"]) == (2, "small", None)
        for group in range(file.num_row_groups):
            for at in range(file.metadata.num_columns):
                column = file.metadata.row_group(group).column(at)
                assert column.compression == "ZSTD"
                if column.path_in_schema in ("id", "source", "phase", "epoch"):
                    assert column.statistics.has_min_max, column.path_in_schema


def test_copies_need_a_stage_that_counts_clusters(ran, tmp_path):
    text = (ran / "formats.toml").read_text().replace('use = "exact_dedup"', 'use = "repair"')
    (tmp_path / "r.toml").write_text(text.replace('use = "fuzzy_dedup"', 'use = "identify"'))
    with pytest.raises(RecipeError, match="reads column 'cluster_size'") as caught:
        planning.build(load_recipe(str(tmp_path / "r.toml")))
    assert "put 'fuzzy_dedup' before it" in str(caught.value)


def shingles(text):
    words = text.split()
    return {tuple(words[at : at + 5]) for at in range(max(1, len(words) - 4))}


def test_no_document_of_validation_resembles_one_of_main(ran):
    """A third of the corpus are copies; dedup ran before the split, so none is on both sides."""
    texts = {
        phase: [
            shingles(t)
            for t in set(pq.read_table(ran / "out" / "mixture" / phase).column("text").to_pylist())
        ]
        for phase in ("main", "validation")
    }
    assert len(texts["validation"]) > 5
    worst = max(
        len(text & other) / len(text | other)
        for text in texts["validation"]
        for other in texts["main"]
    )
    assert worst < 0.8


def test_json_lines_are_the_rows(ran):
    for part in parts(ran / "out"):
        table = pq.read_table(ran / "out" / "mixture" / f"{part}.parquet")
        with (ran / "out" / "jsonl" / f"{part}.jsonl.zst").open("rb") as stored:
            lines = zstandard.ZstdDecompressor().stream_reader(stored).read().decode().splitlines()
        rows = [json.loads(line) for line in lines]
        for name in ("text", "id", "phase", "epoch", "source"):
            assert [row[name] for row in rows] == table.column(name).to_pylist()


def test_tokens_are_the_texts(ran):
    tokens = encoder(None, None)
    for part in parts(ran / "out"):
        texts = pq.read_table(ran / "out" / "mixture" / f"{part}.parquet").column("text")
        expected = [[*ids, 2] for ids in tokens.encode(texts.to_pylist())]
        assert [len(ids) - 1 for ids in expected] == counter().count(
            texts.combine_chunks()
        ).tolist()
        flat = [id for ids in expected for id in ids]
        stored = ran / "out" / "ds" / f"{part}.ds"
        assert np.fromfile(stored, "<u4").tolist() == flat
        ends = np.fromfile(stored.with_name(stored.name + ".index"), "<u8").tolist()
        assert ends == np.cumsum([len(ids) for ids in expected]).tolist()
        binary = ran / "out" / "megatron" / f"{part}.bin"
        assert np.fromfile(binary, "<i4").tolist() == flat
        head = binary.with_suffix(".idx").read_bytes()
        assert head[:9] == b"MMIDIDX\0\0"
        assert struct.unpack("<QBQQ", head[9:34]) == (1, 4, len(expected), len(expected) + 1)
        assert np.frombuffer(head[34:], "<i4", len(expected)).tolist() == [
            len(ids) for ids in expected
        ]


def read_mds(folder):
    """Yield the rows of an MDS folder, read as the format's description defines it."""
    for shard in json.loads((folder / "index.json").read_text())["shards"]:
        body = (folder / shard["raw_data"]["basename"]).read_bytes()
        assert len(body) == shard["raw_data"]["bytes"]
        (count,) = struct.unpack_from("<I", body)
        ends = struct.unpack_from(f"<{count + 1}I", body, 4)
        assert count == shard["samples"]
        assert ends[-1] == len(body)
        for start in ends[:-1]:
            id_size, text_size = struct.unpack_from("<II", body, start)
            at = start + 8
            yield (
                body[at : at + id_size].decode(),
                body[at + id_size : at + id_size + text_size].decode(),
            )


def test_mds_is_the_rows(ran):
    for phase in ("main", "validation"):
        table = pq.read_table(ran / "out" / "mixture" / phase)
        expected = zip(table.column("id").to_pylist(), table.column("text").to_pylist())
        assert list(read_mds(ran / "out" / "mds" / phase)) == list(expected)


def test_mds_is_what_the_package_writes(tmp_path):
    streaming = pytest.importorskip("streaming")
    samples = [{"id": f"a#{n}", "text": "мәтін " * (n * 7 % 50)} for n in range(200)]
    with streaming.MDSWriter(
        columns={"id": "str", "text": "str"}, out=str(tmp_path), size_limit=4096
    ) as writer:
        for sample in samples:
            writer.write(sample)
    encoded = [
        struct.pack("<II", len(s["id"].encode()), len(s["text"].encode()))
        + (s["id"] + s["text"]).encode()
        for s in samples
    ]
    ours = list(mds.shards(encoded, 4096))
    written_by_mosaic = sorted(tmp_path.glob("*.mds"))
    assert [body for _, body in ours] == [path.read_bytes() for path in written_by_mosaic]
    listed = json.loads((tmp_path / "index.json").read_text())
    index = json.loads(
        mds.index([(p.name, p.stat().st_size, n) for p, (n, _) in zip(written_by_mosaic, ours)])
    )
    assert index["version"] == listed["version"]
    for one, other in zip(index["shards"], listed["shards"], strict=True):
        assert one | {"size_limit": 4096} == other


def test_a_second_run_gives_the_same_bytes(ran):
    write_corpus(ran / "in", documents=300)
    run(ran, ran / "again")
    assert published(ran / "again") == published(ran / "out")


@pytest.mark.parametrize("point", ["commit.before:kill:17", "publish.renaming:kill:5"])
def test_a_killed_run_goes_on_to_the_same_bytes(ran, tmp_path, point):
    arguments = (
        "run",
        str(ran / "formats.toml"),
        "--output",
        str(tmp_path / "out"),
        "--engine",
        "in-process",
    )
    killed = curate(*arguments, CURATE_FAILPOINT=point)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert not (tmp_path / "out" / "manifest.json").exists()
    assert curate(*arguments).returncode == 0
    assert published(tmp_path / "out") == published(ran / "out")
    assert verify(open_store(str(tmp_path / "out"))) == []


def test_gzip_and_sharegpt(tmp_path):
    result = api.run(
        "demo",
        output=tmp_path / "out",
        engine="in-process",
        inputs={"chat": "sample_data/chat"},
        settings=[
            'mixture={unit="documents",groups={all={}}}',
            'output={formats=["jsonl"],compression="gz",chat="sharegpt"}',
        ],
    )
    (path,) = Path(result.output, "jsonl").rglob("*.gz")
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    table = pq.read_table(Path(result.output, "mixture")).to_pylist()
    assert len(rows) == len(table) > 0
    for row, stored in zip(rows, table, strict=True):
        assert row["conversations"] == sharegpt(stored["messages"])["conversations"]
        assert "text" not in row


def test_what_cannot_be_written_is_refused_by_the_plan(ran, tmp_path):
    text = (ran / "formats.toml").read_text()
    for option, message in (
        ('tokenizer = "bytes"', "'bytes' has no token numbers"),
        ('end = "</ss>"', "no token '</ss>'"),
    ):
        (tmp_path / "r.toml").write_text(f"{text}{option}\n")
        with pytest.raises(RecipeError, match=message):
            planning.build(load_recipe(str(tmp_path / "r.toml")))


def test_a_tokenizer_file_must_name_the_token_that_ends_a_document(tmp_path):
    from tokenizers import Tokenizer, models, pre_tokenizers

    vocabulary = {"<eos>": 0, "сөз": 1, "тағы": 2, "<unk>": 3}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.add_special_tokens(["<eos>"])
    path = tmp_path / "tokenizer.json"
    tokenizer.save(str(path))
    with pytest.raises(RecipeError, match="which token ends a document"):
        encoder(str(path), None)
    tokens = encoder(str(path), "<eos>")
    assert (tokens.end, tokens.width, tokens.encode(["сөз тағы"])) == (0, 2, [[1, 2]])
