"""A first recipe: formats and fields are found, it runs as written, and nothing is overwritten."""

import json
import os
import pty
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from curate.api.new_recipe import new_recipe
from curate.errors import RecipeError
from curate.recipe import locate
from tests.unit.cli.commands import curate

KAZAKH = "Бүгін ауылда жаңа мектеп ашылды, оған балалар мен ата-аналар жиналды. "


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def write(name, *records):
    Path(name).write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in records))
    return name


def source(recipe, name="jsonl"):
    return tomllib.loads(recipe)["sources"][name]


def test_what_it_writes_runs():
    files = sorted(Path(locate.data_path("sample_data/texts/kaz_Cyrl")).glob("*.txt"))
    texts = [file.read_text(encoding="utf-8") for file in files]
    write("a.jsonl", *({"id": i, "body": text} for i, text in enumerate(texts)))
    made = curate("init", "mine", "web=a.jsonl", "--ratio", "kk=1", "--unit", "bytes")
    assert made.code == 0
    assert made.out == "mine.toml\n"
    assert "next: curate plan mine.toml" in made.err
    assert curate("plan", "mine.toml", "--sample", "0").code == 0
    ran = curate("run", "mine.toml", "--output", "out", "--engine", "in-process")
    assert ran.code == 0, ran.err


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({"text": "t"}, {"text": "text"}),
        ({"title": "a", "content": "t"}, {"text": "content"}),
        (
            {"meta": {"x": 1}, "doc": {"body": "t", "url": "u"}},
            {"text": "doc.body", "url": "doc.url"},
        ),
        ({"a": "short", "b": "the longest of the fields"}, {"text": "b"}),
        ({"n": 5, "text": None, "raw_content": "t"}, {"text": "raw_content"}),
        ({"text": "t", "uri": "u", "timestamp": "2024-01-01"}, {"url": "uri", "date": "timestamp"}),
    ],
)
def test_fields_are_found_by_looking(record, expected):
    found = source(new_recipe("r", [write("a.jsonl", record)]))
    assert {key: found.get(key) for key in expected} == expected


@pytest.mark.parametrize(
    "record",
    [
        {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]},
        {"conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]},
        {"instruction": "a", "input": "", "output": "b"},
        {"prompt": "a", "completion": "b"},
    ],
)
def test_conversations_are_told_from_documents(record):
    found = source(new_recipe("r", [write("a.jsonl", record)]))
    assert (found["format"], found["profile"]) == ("chat", "chat")


def test_a_recipe_for_every_format_of_the_samples():
    samples = locate.data_path("sample_data")
    named = {"web": "web/*.warc.gz", "wiki": "wiki", "news": "news.jsonl.zst", "texts": "texts"}
    paths = [f"{source}={samples}/{file}" for source, file in named.items()]
    recipe = new_recipe("r", paths, ratio="kk=3,ru+tr=1")
    formats = {name: spec["format"] for name, spec in tomllib.loads(recipe)["sources"].items()}
    assert formats["wiki"] == "wikipedia"
    assert formats["news"] == "jsonl"
    groups = tomllib.loads(recipe)["mixture"]["groups"]
    assert groups["ru_tr"] == {"languages": ["rus_Cyrl", "tur_Latn"], "weight": 1}


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("mine",), 2, "no data is named"),
        (("mine", "nowhere.jsonl"), 2, "nowhere.jsonl"),
        (("mine", "numbers.jsonl"), 2, "holds text"),
        (("a/b", "a.jsonl"), 2, "name"),
        (("mine", "a.jsonl", "--ratio", "zz=1"), 2, "no language label"),
        (("mine", "a.jsonl", "--ratio", "kk"), 2, "is no part of a ratio"),
        (("mine", "a.jsonl", "--tokenizer", "tekkenn"), 2, "no tokenizer"),
        (("mine", "a.jsonl", "--unit", "token"), 2, "mixture.unit"),
        (("taken", "a.jsonl"), 4, "the file exists"),
    ],
)
def test_mistakes_write_nothing(arguments, code, says, monkeypatch):
    write("a.jsonl", {"text": "one"})
    write("numbers.jsonl", {"n": 5})
    Path("taken.toml").write_text("mine")
    before = sorted(os.listdir())
    with open(os.devnull) as nothing:
        monkeypatch.setattr(sys, "stdin", nothing)
        result = curate("init", *arguments)
    assert result.code == code
    assert says in result.err
    assert "Traceback" not in result.err
    assert sorted(os.listdir()) == before
    assert Path("taken.toml").read_text() == "mine"


def test_names_of_fields_and_files_cannot_leave_their_text():
    name = write('a"]\n[x.jsonl'.replace("\n", " "), {'te"xt\n[sources.y]': KAZAKH})
    found = source(new_recipe("r", [name]))
    assert found["text"] == 'te"xt\n[sources.y]'
    assert found["path"] == name
    with pytest.raises(RecipeError, match="no field"):
        new_recipe("r", [write("b.jsonl", {"\x1b[31m": 1})])


def test_in_a_terminal_it_asks():
    write("a.jsonl", {"text": KAZAKH})
    main, terminal = pty.openpty()
    os.write(main, b"a.jsonl\n\nkk=1\n")
    command = [sys.executable, "-m", "curate", "init", "mine"]
    done = subprocess.run(
        command, stdin=terminal, capture_output=True, text=True, timeout=120, check=False
    )
    os.close(main)
    os.close(terminal)
    assert done.returncode == 0, done.stderr
    assert "Ratio of languages" in done.stderr
    assert done.stdout == "mine.toml\n"
    assert tomllib.loads(Path("mine.toml").read_text())["mixture"]["groups"]["kk"]["weight"] == 1
