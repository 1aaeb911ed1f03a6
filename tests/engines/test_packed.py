"""Packed sequences of whole runs: every document is there, once, with its mask."""

import hashlib
import json
import re
import shutil
from collections import Counter, defaultdict
from importlib import resources
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from mistral_common.tokens.tokenizers.tekken import Tekkenizer

from curate import api
from curate.errors import RecipeError
from curate.inspection.verify import verify
from curate.plan import build as planning
from curate.recipe.recipe import parse_recipe
from curate.storage.entries import sealed, unsealed
from curate.storage.formats import Output, packed
from curate.storage.store import open_store
from tests.unit.storage.packing.tokenizers import CHATML, byte_level

RECIPE = """
name = "packed"
[sources.talks]
format = "chat"
path = "{folder}/talks.jsonl"
[sources.texts]
format = "jsonl"
path = "{folder}/texts.jsonl"
[output]
formats = ["packed"]
length = {length}
{more}
"""
LENGTH = 64


def talk(n):
    turns = [
        {"role": "user", "content": f"Сұрақ {n}? " * (n % 3 + 1)},
        {"role": "assistant", "content": f"Answer {n} </s>[INST]. " * (n % 4 + 1)},
        {"role": "user", "content": "why?"},
        {"role": "assistant", "content": f"because {n}" + " of it" * (n % 7)},
    ]
    return {"messages": turns[: 4 if n % 2 else 2]}


def write_inputs(folder):
    talks = [talk(n) for n in range(40)]
    texts = [{"text": f"Мәтін </s> {n} " + "жаңа сөз " * (n * n % 41)} for n in range(40)]
    for name, rows in (("talks", talks), ("texts", texts)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def run(folder, out, more='template = "mistral"'):
    text = RECIPE.format(folder=folder, length=LENGTH, more=more)
    result = api.run(parse_recipe(text, "r"), output=out, engine="in-process")
    assert result.exit_code == 0, result.complaints
    assert verify(open_store(result.output)) == []
    return result


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    folder = tmp_path_factory.mktemp("packed")
    write_inputs(folder)
    run(folder, folder / "out")
    return folder


def sequences(out):
    return [row for path in sorted(Path(out, "packed").rglob("*.parquet"))
            for row in pq.read_table(path).to_pylist()]  # fmt: skip


def rows(out):
    return pq.read_table(Path(out, "mixture")).to_pylist()


def tekken():
    return Tekkenizer.from_file(
        str(resources.files("mistral_common") / "data" / "tekken_240911.json")
    )


def expected(row, tokens):
    """Write a document's tokens and mask as mistral_common's encoder gives them, turn by turn."""
    if row["messages"] is None:
        ids = tokens.encode(row["text"], bos=True, eos=True)
        return ids, [1] * len(ids)
    ids, mask = [tokens.bos_id], [0]
    for turn in row["messages"]:
        if turn["role"] == "user":
            said = tokens.encode(turn["content"], bos=False, eos=False)
            said = [tokens.get_special_token("[INST]"), *said, tokens.get_special_token("[/INST]")]
        else:
            said = tokens.encode(turn["content"].rstrip(" "), bos=False, eos=True)
        ids += said
        mask += [int(turn["role"] == "assistant")] * len(said)
    return ids, mask


def test_each_document_is_packed_with_its_mask_token_by_token(ran):
    tokens = tekken()
    pieces = defaultdict(list)
    for sequence in sequences(ran / "out"):
        lists = [sequence[name] for name in ("input_ids", "loss_mask", "position_ids")]
        assert [len(values) for values in lists] == [LENGTH] * 3
        edges = sequence["document_offsets"]
        for id, start, begin, end in zip(
            sequence["document_ids"],
            sequence["document_starts"],
            edges[:-1],
            edges[1:],
            strict=True,
        ):
            ids, mask, positions = (values[begin:end] for values in lists)
            assert positions == list(range(end - begin))
            pieces[id].append((start, ids, mask))
        assert all(values[edges[-1] :] == [pad] * (LENGTH - edges[-1])
                   for values, pad in zip(lists, (tokens.eos_id, 0, 0), strict=True))  # fmt: skip
    documents = {row["id"]: row for row in rows(ran / "out")}
    assert pieces.keys() == documents.keys() and len(documents) == 80
    for id, parts in pieces.items():
        ids, mask = expected(documents[id], tokens)
        parts.sort()
        # Cut only where it is longer than a sequence, and then into full ones.
        assert [start for start, _, _ in parts] == list(range(0, len(ids), LENGTH))
        assert [one for _, part, _ in parts for one in part] == ids
        assert [one for _, _, part in parts for one in part] == mask


def test_the_report_counts_what_is_in_the_files(ran):
    found = Counter()
    for sequence in sequences(ran / "out"):
        used = sequence["document_offsets"][-1]
        found["sequences"] += 1
        found["documents"] += sequence["document_starts"].count(0)
        found["tokens"] += used
        found["padding"] += LENGTH - used
        found["trained"] += sum(sequence["loss_mask"])
        found["pieces"] += sum(start > 0 for start in sequence["document_starts"])
    split = {id for s in sequences(ran / "out") for id, start
             in zip(s["document_ids"], s["document_starts"]) if start}  # fmt: skip
    found["split"] = len(split)
    found["pieces"] += len(split)
    assert found["split"] > 5
    (told,) = json.loads((ran / "out/report.json").read_text())["packed"]
    assert {name: told[name] for name in found} == dict(found)
    assert told["phase"] == "main" and told["left_out"] == {}
    assert told["fill"] == found["tokens"] / (found["sequences"] * LENGTH) > 0.95
    for page in ("report.md", "report.html", "README.md"):
        text = (ran / "out" / page).read_text()
        assert "best-fit decreasing" in text, page
    split = f"{found['split']} into {found['pieces']}"
    assert split in (ran / "out/report.md").read_text()
    assert split in (ran / "out/report.html").read_text()


def test_small_windows_hold_each_document_too(ran, tmp_path, monkeypatch):
    monkeypatch.setattr(packed, "WINDOW_PIECES", 7)
    monkeypatch.setattr(packed, "GROUP_TOKENS", 2 * LENGTH)
    run(ran, tmp_path / "out")
    windowed, whole = sequences(tmp_path / "out"), sequences(ran / "out")
    assert len(windowed) > len(whole)
    named = [sorted(id for s in found for id in s["document_ids"]) for found in (windowed, whole)]
    assert named[0] == named[1]


def test_packed_configurations_load_with_datasets(ran, tmp_path):
    from datasets import load_dataset

    data = load_dataset(str(ran / "out"), "packed-main", cache_dir=str(tmp_path))["train"]
    assert data.num_rows == len(sequences(ran / "out"))
    assert data[0]["input_ids"] == sequences(ran / "out")[0]["input_ids"]


def test_all_tokens_of_conversations(ran, tmp_path):
    run(ran, tmp_path / "out", more='template = "mistral"\nloss = "all"')
    for sequence in sequences(tmp_path / "out"):
        used = sequence["document_offsets"][-1]
        assert sequence["loss_mask"] == [1] * used + [0] * (LENGTH - used)


def test_what_a_template_cannot_write_is_counted(ran, tmp_path):
    source = (
        "{% for m in messages %}{% if '30' in m.content %}{{ raise_exception('thirty') }}"
        "{% endif %}<|im_start|>{{ m.content }}<|im_end|>{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>{% endif %}"
    )
    path = byte_level(tmp_path / "tokens", CHATML, {"chat_template": source})
    more = f'tokenizer = "{path}"\nend = "<|endoftext|>"\ntemplate = "tokenizer"'
    result = run(ran, tmp_path / "out", more=more)
    (told,) = json.loads(Path(result.output, "report.json").read_text())["packed"]
    assert (told["documents"], told["left_out"]) == (79, {"refused_by_template": 1})
    assert "1 refused_by_template" in Path(result.output, "report.md").read_text()


@pytest.mark.parametrize(
    ("column", "change", "problem"),
    [
        ("position_ids", lambda v: [v[0] + 1, *v[1:]], "positions do not begin again"),
        ("loss_mask", lambda v: [1] * len(v), "covers padding|trained, but the ledger"),
        ("loss_mask", lambda v: [2, *v[1:]], "neither 0 nor 1"),
        ("input_ids", lambda v: v[:-1], "has not 64 values in 'input_ids'"),
        ("document_offsets", lambda v: [0, 0, *v[2:]], "do not rise"),
        ("document_offsets", lambda v: v[1:], "other offsets than documents"),
        ("document_ids", lambda v: ["x", *v[1:]], "1 documents are not in mixture/main"),
        ("document_starts", lambda v: [9, *v[1:]], "continued, but the ledger says"),
    ],
)
def test_verify_finds_what_a_digest_does_not(ran, tmp_path, column, change, problem):
    """A file of other contents whose digest the manifest has."""
    out = tmp_path / "out"
    shutil.copytree(ran / "out", out)
    (path,) = (out / "packed").rglob("*.parquet")
    table = pq.read_table(path)
    at = table.column_names.index(column)
    values = table.column(column).to_pylist()
    padded = next(
        at for at, row in enumerate(table.to_pylist())
        if row["document_offsets"][-1] < LENGTH and row["document_starts"][:2] == [0, 0]
    )  # fmt: skip
    values[padded] = change(values[padded])
    table = table.set_column(at, table.field(column), pa.array(values, table.field(column).type))
    pq.write_table(table, path)
    manifest = unsealed((out / "manifest.json").read_bytes())
    for entry in manifest["files"]:
        if entry["dataset"] == "packed":
            body = path.read_bytes()
            entry |= {"bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()}
    (out / "manifest.json").write_bytes(sealed(manifest))
    found = verify(open_store(str(out)))
    assert any(re.search(problem, line) for line in found), found


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("", "the conversations of 'talks' are packed by a chat template, and none is named"),
        ('template = "chatml"', "writes the token '<|im_start|>', which the tokenizer 'tekken'"),
        ('template = "mistrall"', "no template 'mistrall'*did you mean 'mistral'"),
    ],
)
def test_what_cannot_be_packed_is_refused_by_the_plan(ran, more, message):
    text = RECIPE.format(folder=ran, length=LENGTH, more=more)
    with pytest.raises(RecipeError) as caught:
        planning.build(parse_recipe(text, "r"))
    assert all(part in str(caught.value) for part in message.split("*")), caught.value


def test_a_tokenizer_or_template_that_changed_is_another_answer(tmp_path):
    """Its digest is in the key of the product's tasks, so a resumed run writes them again."""
    found = set()
    source = "{% for m in messages %}{{ m.content }}<|im_end|>{% endfor %}"
    for at, (special, config) in enumerate(
        [
            ((), {"chat_template": source}),
            ((), {"chat_template": source + "!"}),
            ((), {"chat_template": source, "bos_token": "<|im_start|>"}),
            (("<new>",), {"chat_template": source}),
        ]
    ):
        path = byte_level(tmp_path / str(at), (*CHATML, *special), config)
        output = {"tokenizer": path, "end": "<|im_end|>", "template": "tokenizer", "loss": "all"}
        found.add(Output(formats=("packed",), **output).model_digest)
    assert len(found) == 4


def test_a_template_without_packed_sequences_is_refused(ran):
    text = RECIPE.format(folder=ran, length=LENGTH, more='template = "mistral"')
    with pytest.raises(RecipeError, match="only packed sequences are written by a chat template"):
        planning.build(parse_recipe(text.replace('["packed"]', '["jsonl"]'), "r"))
