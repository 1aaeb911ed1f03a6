"""A tokenizer extended on a finished run and on files, as a user does it."""

from __future__ import annotations

import json
import os
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tokenizers import Tokenizer
from tokenizers.normalizers import NFC

import curate as package
from curate import api
from curate.api.extension import _Corpus, _held_out, extend_tokenizer
from curate.errors import RecipeError, RefusedError
from curate.tokens import pieces
from tests.conftest import SESSION
from tests.unit.cli.commands import curate, demo_run
from tests.unit.tokens.test_extend import llama, small

DATA = os.environ.get("CURATE_SHARED_DATA")
FILES = ("README.md", "card.json", "new_tokens.parquet", "tiktoken.json", "tokenizer.json",
         "tokenizer.model", "tokenizer_config.json")  # fmt: skip


@cache
def base() -> str:
    """Return a base that is loaded in a moment."""
    return small(Path(tempfile.mkdtemp(dir=os.environ[SESSION])))


def on_demo(folder: Path, base_name: str | None = None, **options: Any) -> dict[str, Any]:
    options = {"add": 200, "languages": ["kk"], **options}
    return extend_tokenizer(base_name or base(), [str(demo_run()[0])], output=folder, **options)


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("extended") / "kk"
    return folder, on_demo(folder, "tekken")


def test_the_card_has_all_languages_and_kazakh_needs_fewer_tokens(
    result: tuple[Path, dict[str, Any]],
) -> None:
    folder, card = result
    assert sorted(path.name for path in folder.iterdir()) == list(FILES)
    assert json.loads((folder / "card.json").read_text()) == card
    assert card["languages"] == ["kaz_Cyrl"]
    assert card["vocabulary"] == {
        "before": 131_072, "ordinary_before": 130_072, "added": 200, "after": 131_272,
        "first_new_id": 131_072,
    }  # fmt: skip
    rows = {row["language"]: row for row in card["fertility"]}
    assert set(rows) >= {"kaz_Cyrl", "eng_Latn", "jpn_Jpan", "rus_Cyrl", "arb_Arab"}
    assert rows["kaz_Cyrl"]["tokens_after"] < 0.9 * rows["kaz_Cyrl"]["tokens_before"]
    assert rows["kaz_Cyrl"]["tokens_per_word_after"] < rows["kaz_Cyrl"]["tokens_per_word_before"]
    assert rows["jpn_Jpan"]["tokens_per_word_after"] is None
    assert rows["eng_Latn"]["tokens_after"] == rows["eng_Latn"]["tokens_before"]
    page = (folder / "README.md").read_text()
    assert "# `tekken`, extended by 200 tokens" in page
    assert "ids from 131072 to 131271" in page
    assert "| `kaz_Cyrl` | " in page and "| +0.0 % |" in page


def test_the_same_bytes_twice(result: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    on_demo(tmp_path / "again", "tekken")
    for name in FILES:
        assert (tmp_path / "again" / name).read_bytes() == (result[0] / name).read_bytes(), name


def test_new_tokens_stand_in_the_table_and_are_what_their_text_is(
    result: tuple[Path, dict[str, Any]],
) -> None:
    folder, card = result
    table = pq.read_table(folder / "new_tokens.parquet").to_pylist()
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    assert [row["new_id"] for row in table] == list(range(131_072, 131_272))
    assert table[-1]["occurrences"] == card["last_count"] >= 2
    for row in table:
        if row["text"] is not None:
            assert tokenizer.encode(row["text"], add_special_tokens=False).ids == [row["new_id"]]
        spelled = [tokenizer.id_to_token(number) for number in row["old_ids"]]
        assert "".join(spelled) == tokenizer.id_to_token(row["new_id"])
        assert sorted(set(row["old_ids"])) == row["weight_ids"]
        assert sum(row["weights"]) == pytest.approx(1)


def test_fertility_takes_the_folder_and_both_forms(result: tuple[Path, dict[str, Any]]) -> None:
    folder = result[0]
    names = [str(folder), str(folder / "tokenizer.json"), str(folder / "tokenizer.model")]
    for language in api.fertility(names, ["sample_data/books.parquet"]):
        assert len({one.tokens for one in language}) == 1
    assert curate("fertility", "tekken", *names, "--on", "sample_data/books.parquet").code == 0


def test_transformers_loads_it(result: tuple[Path, dict[str, Any]]) -> None:
    transformers = pytest.importorskip("transformers")
    folder = result[0]
    tokenizer = transformers.AutoTokenizer.from_pretrained(str(folder))
    fast = transformers.PreTrainedTokenizerFast.from_pretrained(str(folder))
    assert len(tokenizer) == len(fast) == 131_272
    assert (tokenizer.bos_token_id, tokenizer.eos_token_id) == (1, 2)
    text = "Қазақстан  Республикасы </s>, it 's"
    ids = Tokenizer.from_file(str(folder / "tokenizer.json")).encode(text).ids
    assert ids[0] == 1 and 2 in ids
    assert tokenizer(text)["input_ids"] == fast(text)["input_ids"] == ids
    assert tokenizer.decode(ids[1:]) == text


def test_settings_of_the_base_are_kept_and_code_is_not(tmp_path: Path) -> None:
    path = Path(small(tmp_path / "base"))
    settings = {
        "tokenizer_class": "GPT2Tokenizer", "eos_token": "</s>", "chat_template": "{{ messages }}",
        "auto_map": {"AutoTokenizer": ["run.py", None]}, "model_max_length": 512,
    }  # fmt: skip
    path.with_name("tokenizer_config.json").write_text(json.dumps(settings))
    path.with_name("chat_template.jinja").write_text("{{ messages }}")
    on_demo(tmp_path / "out", str(path), add="25%")
    kept = json.loads((tmp_path / "out" / "tokenizer_config.json").read_text())
    assert kept == {
        "clean_up_tokenization_spaces": False, "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": "</s>", "chat_template": "{{ messages }}", "model_max_length": 512,
    }  # fmt: skip
    assert (tmp_path / "out" / "chat_template.jinja").read_text() == "{{ messages }}"


def test_without_one_pattern_there_is_no_form_for_tiktoken(tmp_path: Path) -> None:
    card = on_demo(tmp_path / "out", small(tmp_path / "base", normalizer=NFC()))
    assert card["tiktoken"] == {"written": False, "texts_that_differ": None}
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == set(FILES) - {"tokenizer.model", "tiktoken.json"}
    assert "There is no form for tiktoken" in (tmp_path / "out" / "README.md").read_text()
    after = Tokenizer.from_file(str(tmp_path / "out" / "tokenizer.json"))
    assert after.encode("и\u0306").ids == after.encode("й").ids


def test_an_extended_tokenizer_is_extended_again_in_either_form(
    result: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    folder = result[0]
    first = on_demo(tmp_path / "a", str(folder / "tokenizer.json"), add=20, languages=["ja"])
    second = on_demo(tmp_path / "b", str(folder / "tokenizer.model"), add=20, languages=["ja"])
    assert first["vocabulary"]["first_new_id"] == second["vocabulary"]["first_new_id"] == 131_272
    for name in ("new_tokens.parquet", "tokenizer.model"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_vectors_choose_the_old_tokens(tmp_path: Path) -> None:
    plain = on_demo(tmp_path / "plain", add=9)
    first, size = plain["vocabulary"]["first_new_id"], plain["vocabulary"]["after"]
    vectors = np.zeros((size, 2), np.float32)
    vectors[[7, 8, 9]] = [[1, 0], [0, 1], [0, -1]]
    vectors[first] = [3, 3]
    np.save(tmp_path / "vectors.npy", vectors)
    card = on_demo(tmp_path / "similar", add=9, vectors=tmp_path / "vectors.npy", top=2)
    assert card["weights"] == {"vectors": True, "top": 2, "similar": 1}
    rows = pq.read_table(tmp_path / "similar" / "new_tokens.parquet").to_pylist()
    assert (rows[0]["weight_ids"], rows[0]["weights"]) == ([7, 8], pytest.approx([0.5, 0.5]))
    before = pq.read_table(tmp_path / "plain" / "new_tokens.parquet").to_pylist()
    assert rows[1:] == before[1:]
    assert "2407.12869" in (tmp_path / "similar" / "README.md").read_text()


def test_what_is_held_out_is_not_learned_from(tmp_path: Path) -> None:
    lines = [f"сөз{n}қыс" for n in range(200)]
    pq.write_table(pa.table({"text": lines}), tmp_path / "in.parquet")
    corpus = _Corpus([str(tmp_path / "in.parquet")], "text")
    held = _held_out(corpus, 0.01)
    by_lang = [int(held[corpus.codes == code].sum()) for code in range(len(corpus.found))]
    sizes = [int((corpus.codes == code).sum()) for code in range(len(corpus.found))]
    assert by_lang == [min(20, size // 5) for size in sizes]
    # Each document has pieces of its own: a held-out one's are not among those that are counted.
    card = extend_tokenizer(base(), [str(tmp_path / "in.parquet")], add=1, output=tmp_path / "out")
    assert card["text"]["documents"] == 200 - int(held.sum())
    assert sum(row["documents"] for row in card["fertility"]) == int(held.sum())
    few = _held_out(corpus, 0.5)
    assert 0.4 < few.mean() <= 0.5 and (few | ~held).all()


def test_runs_and_files_are_read_together_and_a_run_without_languages_too(tmp_path: Path) -> None:
    books = "sample_data/books.parquet"
    api.dedup_paths([books], output=tmp_path / "run", engine="in-process")
    alone = extend_tokenizer(base(), [books], add=9, output=tmp_path / "a", languages=["kk"])
    run = str(tmp_path / "run")
    card = extend_tokenizer(base(), [run], add=9, output=tmp_path / "b", languages=["kk"])
    both = extend_tokenizer(base(), [run, books], add=9, output=tmp_path / "c", languages=["kk"])
    assert card["text"]["documents"] > 5
    counts = [each["text"]["documents"] for each in (alone, card, both)]
    assert abs(counts[2] - counts[0] - counts[1]) <= 4  # other documents are held out
    rows = api.fertility(["bytes"], [run, books])
    assert rows[0][0].documents == sum(
        api.fertility(["bytes"], [one])[0][0].documents for one in (run, books)
    )


def test_copies_of_a_document_are_held_out_together(tmp_path: Path) -> None:
    out, _ = demo_run()
    corpus = _Corpus([str(out)], "text")
    held = _held_out(corpus, 0.2)
    keys = corpus.keys
    assert not set(keys[held].tolist()) & set(keys[~held].tolist())


def test_what_is_learned_from_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{"text": f"сөз {n} қала тіл ана бала"} for n in range(9_000)]
    file = tmp_path / "in.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)))
    card = extend_tokenizer(base(), [str(file)], add=1, scan=1000, output=tmp_path / "few")
    assert 1000 <= card["text"]["bytes"] < 1100
    assert card["text"]["bounded_by"] == "scan"
    assert "it is more than `--scan`" in (tmp_path / "few" / "README.md").read_text()
    assert card["text"]["documents"] + card["text"]["documents_not_read"] == 9_000 - 90
    monkeypatch.setattr(pieces, "MOST_BYTES", 5_000)
    card = extend_tokenizer(base(), [str(file)], add=1, output=tmp_path / "full")
    # Texts are read by 4096 rows.
    assert (card["text"]["bounded_by"], card["text"]["documents"] < 4096) == ("pieces", True)
    not_read = 9_000 - 90 - card["text"]["documents"]
    assert card["text"]["documents_not_read"] == not_read
    said = f"too many different pieces: {not_read:,} documents were not"
    assert said in (tmp_path / "full" / "README.md").read_text()


def test_special_tokens_in_the_text_teach_nothing(tmp_path: Path) -> None:
    rows = [{"text": f"сөз </s><think>{n} сөз"} for n in range(40)]
    file = tmp_path / "in.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)))
    card = extend_tokenizer(base(), [str(file)], add=1, output=tmp_path / "out")
    assert card["text"]["left_out"]["added_tokens"] == 2 * card["text"]["documents"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"add": 0}, "cannot add '0' tokens to 282"),
        ({"add": "-5"}, "cannot add '-5'"),
        ({"add": "1e3"}, "cannot add '1e3'"),
        ({"add": "12.5"}, "cannot add '12.5'"),
        ({"add": "401%"}, "at most 1,128"),
        ({"add": 1_000, "min_count": 50}, "or --min-count 49"),
        ({"languages": ["kaz_Latn"]}, "next: did you mean 'kaz_Cyrl'?"),
        ({"languages": ["Klingon"]}, "Klingon"),
        ({"hold_out": 0.9}, "no share"),
        ({"vectors": "none.npy"}, "cannot use the vectors"),
    ],
)
def test_mistakes_are_answered_in_a_sentence_and_nothing_is_written(
    options: dict[str, Any], says: str, tmp_path: Path
) -> None:
    with pytest.raises(RecipeError) as error:
        on_demo(tmp_path / "out", **options)
    assert says in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_an_output_that_exists_or_is_an_address_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="folder of this machine"):
        extend_tokenizer(base(), ["sample_data/books.parquet"], add=1, output="s3://bucket/x")
    with pytest.raises(RefusedError, match="the output exists"):
        on_demo(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_command_prints_the_comparison(tmp_path: Path) -> None:
    out, _ = demo_run()
    arguments = ["tokenizer", "extend", base(), "--on", str(out), "--add", "50"]
    shown = curate(*arguments, "--output", str(tmp_path / "a"))
    assert shown.code == 0, shown.err
    assert shown.out.startswith("285 tokens, 335 with 50 new ones: ")
    assert "kaz_Cyrl" in shown.out
    as_json = curate(*arguments, "--output", str(tmp_path / "b"), "--json", "--lang", "kazakh")
    assert json.loads(as_json.out)["languages"] == ["kaz_Cyrl"]
    wrong = curate(*[word.replace("extend", "extnd") for word in arguments], "--output", "x")
    assert (wrong.code, "it is 'curate tokenizer extend'" in wrong.err) == (2, True)
    assert package.extend_tokenizer is extend_tokenizer


@pytest.mark.real_data
@pytest.mark.skipif(not DATA, reason="needs $CURATE_SHARED_DATA")
def test_llama_3_for_kazakh_by_a_quarter(tmp_path: Path) -> None:
    card = extend_tokenizer(
        str(llama(3)),
        [f"{DATA}/text/kk-*", f"{DATA}/text/ru-xquad*", f"{DATA}/text/en-xquad*"],
        add="25%", languages=["kaz_Cyrl"], min_count=1, output=tmp_path / "kk",
    )  # fmt: skip
    assert (card["vocabulary"]["added"], card["vocabulary"]["after"]) == (32_000, 160_256)
    assert card["tiktoken"]["written"]
    rows = {row["language"]: row for row in card["fertility"]}
    assert rows["kaz_Cyrl"]["tokens_per_word_before"] > 4.5
    assert rows["kaz_Cyrl"]["tokens_per_word_after"] < 1.7
    assert rows["eng_Latn"]["tokens_after"] == rows["eng_Latn"]["tokens_before"]
