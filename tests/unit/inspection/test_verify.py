"""Every kind of damage to a published folder is named."""

import json
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curate import api
from curate.api.tokenizers import product_of
from curate.errors import RefusedError
from curate.inspection.finished_rows import FinishedRun
from curate.inspection.verify import verify
from curate.storage.entries import unsealed
from curate.storage.store import open_store
from tests.runs import write_corpus, write_recipe


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    folder = tmp_path_factory.mktemp("verify")
    write_corpus(folder / "in", documents=120)
    recipe = write_recipe(folder / "small.toml", folder / "in")
    api.run(recipe, output=folder / "out", engine="in-process")
    return folder / "out"


@pytest.fixture
def copy(sound, tmp_path):
    shutil.copytree(sound, tmp_path / "out")
    return tmp_path / "out"


def problems(run):
    return verify(open_store(str(run)))


def rewrite(run, path, change):
    """Change a Parquet file and its entry in the manifest, so that only the contents are wrong."""
    import hashlib

    pq.write_table(change(pq.read_table(path)), path)
    manifest = unsealed((run / "manifest.json").read_bytes())
    for entry in manifest["files"]:
        if entry["path"] == str(path.relative_to(run)):
            entry["bytes"] = path.stat().st_size
            entry["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    (run / "manifest.json").write_text(json.dumps(manifest))


def test_a_sound_run_has_no_problems(sound):
    assert problems(sound) == []


def test_no_run_at_all(tmp_path):
    with pytest.raises(RefusedError):
        problems(tmp_path)


def test_a_missing_file(copy):
    path = next((copy / "mixture").rglob("*.parquet"))
    path.unlink()
    assert f"{path.relative_to(copy)}: missing" in problems(copy)


def test_a_shortened_file(copy):
    path = next((copy / "rejected").rglob("*.parquet"))
    whole = path.read_bytes()
    path.write_bytes(whole[:-10])
    assert f"{path.relative_to(copy)}: {len(whole) - 10} bytes, not {len(whole)}" in problems(copy)


def test_a_flipped_bit(copy):
    path = next((copy / "quarantine").rglob("*.parquet"))
    body = bytearray(path.read_bytes())
    body[len(body) // 3] ^= 4
    path.write_bytes(bytes(body))
    assert f"{path.relative_to(copy)}: its bytes changed" in problems(copy)


@pytest.mark.parametrize("folder", ["mixture", "rejected", "quarantine"])
def test_a_damaged_footer_is_one_sentence(folder, copy):
    path = next((copy / folder).rglob("*.parquet"))
    body = path.read_bytes()
    at = body.rindex(b"ARROW:schema") + 20  # base64 in the footer, which no checksum covers
    path.write_bytes(body[:at] + b"\x01" + body[at + 1 :])
    found = problems(copy)
    assert f"{path.relative_to(copy)}: its bytes changed" in found
    assert "keys and witnesses were not checked: not all files are whole" in found
    with pytest.raises(RefusedError, match=f"{path.relative_to(copy)} is damaged"):
        api.explain(str(copy), "nowhere")


def test_what_is_gone_is_named_with_the_command_that_lists_it(copy):
    (copy / "recipe.toml").unlink()
    with pytest.raises(RefusedError, match=r"recipe\.toml is damaged(.|\n)*curate verify"):
        _ = FinishedRun(open_store(str(copy))).recipe
    part = next((copy / "mixture").rglob("*.parquet"))
    part.unlink()
    asked = (lambda: api.compare_runs(str(copy), str(copy)), lambda: [*product_of(str(copy), [])])
    for ask in asked:
        with pytest.raises(RefusedError, match=rf"{part.relative_to(copy)} is damaged"):
            ask()


def test_a_file_that_the_manifest_does_not_list(copy):
    stray = copy / "mixture" / "main" / "part-99999.parquet"
    shutil.copy(next((copy / "mixture").rglob("*.parquet")), stray)
    assert "mixture/main/part-99999.parquet: not in the manifest" in problems(copy)


def test_counts_that_do_not_add_up(copy):
    manifest = unsealed((copy / "manifest.json").read_bytes())
    manifest["totals"]["rows"] += 1
    (copy / "manifest.json").write_text(json.dumps(manifest))
    assert any(line.startswith("mixture: ") and "ledger says" in line for line in problems(copy))


def test_a_row_that_occurs_twice(copy):
    path = next((copy / "mixture").rglob("*.parquet"))
    rewrite(
        copy,
        path,
        lambda table: pa.concat_tables([table.slice(0, 1), table.slice(0, table.num_rows - 1)]),
    )
    assert any("have the key of another row" in line for line in problems(copy))


def test_a_duplicate_whose_witness_was_not_kept(copy):
    def change_witness(table):
        at = table.column_names.index("duplicate_of")
        ids, witnesses = table.column("id").to_pylist(), table.column("duplicate_of").to_pylist()
        removed = [id for id, of in zip(ids, witnesses) if of]
        swapped = [removed[0] if of else None for of in witnesses]
        return table.set_column(at, "duplicate_of", pa.array(swapped, table.column(at).type))

    path = next(
        path
        for path in sorted((copy / "rejected").rglob("*.parquet"))
        if "duplicate_of" in pq.read_schema(path).names
        and pq.read_table(path, columns=["duplicate_of"]).column(0).null_count
        < pq.read_metadata(path).num_rows
    )
    rewrite(copy, path, change_witness)
    assert any("which was not kept" in line for line in problems(copy))


def test_a_duplicate_whose_witness_is_nowhere(copy):
    def change_witness(table):
        at = table.column_names.index("duplicate_of")
        witnesses = [of and "web/nowhere.warc#7" for of in table.column("duplicate_of").to_pylist()]
        return table.set_column(at, "duplicate_of", pa.array(witnesses, table.column(at).type))

    for path in sorted((copy / "rejected").rglob("*.parquet")):
        if "duplicate_of" in pq.read_schema(path).names:
            rewrite(copy, path, change_witness)
    assert any("web/nowhere.warc#7, which is nowhere" in line for line in problems(copy))


@pytest.mark.parametrize(
    ("fields", "written"),
    [
        ({"manifest": 1, "curate": "0.0.9"}, "curate 0.0.9 in format 1"),
        ({"format": 99, "curate": "9.0"}, "curate 9.0 in format 99"),
    ],
)
def test_a_run_of_another_format_is_refused_in_one_sentence(sound, copy, fields, written):
    manifest = unsealed((copy / "manifest.json").read_bytes())
    del manifest["format"]
    (copy / "manifest.json").write_text(json.dumps(manifest | fields))
    run = str(copy)
    for use in (
        lambda: problems(run),
        lambda: api.rebuild_report(run),
        lambda: api.explain(run, "a/a0.jsonl#0"),
        lambda: api.push(run, "somebody/corpus", dry_run=True),
        lambda: api.fertility(["bytes"], on=[run]),
        lambda: api.run(sound.parent / "small.toml", output=run, engine="in-process"),
        lambda: api.run(sound.parent / "small.toml", output=run, engine="in-process", resume=True),
    ):
        with pytest.raises(RefusedError, match=f"was written by {written}, and curate") as refused:
            use()
        assert "--fresh" in refused.value.hint
