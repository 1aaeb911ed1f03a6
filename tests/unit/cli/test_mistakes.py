"""Mistakes of people who use curate for the first time: each ends in one sentence, at once.

The table is the specification: mistakes.toml.
"""

import json
import os
import shutil
import subprocess
import sys
import tomllib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from curate.recipe import locate
from tests.unit.cli.commands import curate

RECIPE = """
name = "mine"
seed = 1
[sources.kk]
format = "jsonl"
path = "kk.jsonl"
[sources.ru]
format = "jsonl"
path = "ru.jsonl"
[sources.en]
format = "jsonl"
path = "en.jsonl"
[[stages]]
use = "identify"
[[stages]]
use = "measure"
[[stages]]
use = "judge"
[[stages]]
use = "fuzzy_dedup"
threshold = 0.8
[[stages]]
use = "count"
tokenizer = "words"
[mixture]
ratio = "3:1:1"
[mixture.groups.kk]
sources = ["kk"]
languages = ["kaz_Cyrl"]
[mixture.groups.ru]
sources = ["ru"]
[mixture.groups.en]
sources = ["en"]
"""


MISTAKES = tomllib.loads(Path(__file__).with_name("mistakes.toml").read_text(encoding="utf-8"))[
    "mistake"
]

#: What only the texts show.
LATE = {"a group nobody belongs to", "a budget beyond all text", "a mix of what is not there"}


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """A folder as a new user has it: three files, a folder with other things in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    for short, label in (("kk", "kaz_Cyrl"), ("ru", "rus_Cyrl"), ("en", "eng_Latn")):
        files = sorted(Path(locate.data_path(f"sample_data/texts/{label}")).glob("*.txt"))
        rows = [
            {"text": file.read_text(encoding="utf-8"), "url": "https://a.example"} for file in files
        ]
        Path(f"{short}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    Path("titles.jsonl").write_text('{"title": "a", "body": "b"}\n')
    Path("three.jsonl").write_text('{"text": "a b c"}\n' * 3)
    Path("binary.jsonl").write_bytes(bytes(range(256)) * 4)
    Path("kk.parquet").symlink_to(Path(locate.data_path("sample_data/books.parquet")).resolve())
    Path("full").mkdir()
    Path("full/notes.txt").write_text("mine")
    Path("runs/mine").mkdir(parents=True)
    Path("runs/mine/manifest.json").write_text("{}")
    Path("r.toml").write_text(RECIPE)
    Path("cp1251.toml").write_bytes(f"# қазақша / по-русски\n{RECIPE}".encode("cp1251", "ignore"))
    Path("utf16.toml").write_bytes(RECIPE.encode("utf-16"))
    Path("empty.toml").write_text("")
    Path("r.json").write_text(json.dumps(tomllib.loads(RECIPE)))
    without = RECIPE[: RECIPE.index("[mixture]")].replace('path = "kk', 'text = "body"\npath = "kk')
    Path("nomix.toml").write_text(without)
    Path("typo.toml").write_text('extends = "shipped:kaz_Cyrl"\n[rules.too_few_word]\nmin = 20\n')
    quotes = 'extends = "shipped:kaz_Cyrl"\n[rules.too_few_words]\nmin = "120"\n'
    Path("quotes.toml").write_text(quotes)
    percent = 'extends = "shipped:kaz_Cyrl"\n[rules.a]\nsignal = "digit_share"\nmax = 30\n'
    Path("percent.toml").write_text(percent)
    Path("folder.toml").mkdir()
    os.mkfifo("pipe.toml")
    Path("link.toml").symlink_to("gone.toml")
    with Path("large.toml").open("wb") as file:
        file.truncate(20 << 20)
    Path("r.yaml").write_text("name: mine\n")
    Path("runs/mine/mixture").mkdir()
    Path("runs/mine/report.json").write_text("{}")
    Path("wrong.toml").write_text('[rules.a]\nsignal = "n_words"\nmin = 9\nmax = 3\n')


def _arguments(mistake):
    if "command" in mistake:
        return mistake["command"]
    Path("r.toml").write_text(RECIPE.replace(mistake.get("old", ""), mistake.get("new", ""), 1))
    options = mistake.get("options", ["--engine", "in-process"])
    return ["run", "r.toml", *options, *([] if "--output" in options else ["--output", "o"])]


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake["name"])
def test_a_mistake_ends_in_one_sentence(mistake):
    assert mistake.get("old", "") in RECIPE
    arguments, before = _arguments(mistake), sorted(os.listdir())
    result = curate(*arguments)
    assert result.code == mistake["code"], result.err
    assert mistake["says"] in result.err
    assert "Traceback" not in result.err
    (sentence,) = [line for line in result.err.splitlines() if line.startswith("curate: ")]
    assert len(sentence) < 500
    if mistake["name"] not in LATE:
        assert "reading: " not in result.err
        assert sorted(os.listdir()) == before


class _Gated(BaseHTTPRequestHandler):
    """A hub whose models are all gated."""

    def do_HEAD(self):
        self.send_response(403)
        self.send_header("X-Error-Code", "GatedRepo")
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_HEAD

    def log_message(self, *_):
        """Print nothing."""


@pytest.mark.parametrize(
    ("is_there", "says"),
    [
        (True, "log in with `hf auth login`, or give the path of a tokenizer.json"),
        (False, "the Hugging Face Hub cannot be reached, and the tokenizer is not in its cache"),
    ],
)
def test_a_gated_tokenizer_and_a_hub_that_is_off(is_there, says, monkeypatch, tmp_path):
    from huggingface_hub import constants

    server = ThreadingHTTPServer(("127.0.0.1", 0), _Gated)
    monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setattr(
        constants,
        "HUGGINGFACE_CO_URL_TEMPLATE",
        constants.ENDPOINT + "/{repo_id}/resolve/{revision}/{filename}",
    )
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    if is_there:
        Thread(target=server.serve_forever, daemon=True).start()
    else:
        server.server_close()
    Path("r.toml").write_text(RECIPE.replace('"words"', '"hf:owner/gated"'))
    result = curate("run", "r.toml", "--output", "o", "--engine", "in-process")
    server.shutdown() if is_there else None
    assert result.code == 5
    assert says in result.err
    assert result.err.count("curate: ") == 1
    assert "Retrying" not in result.err
    assert not Path("o").exists()


def test_resume_of_nothing_is_a_run_and_is_told():
    result = curate("run", "r.toml", "--output", "o", "--engine", "in-process", "--resume")
    assert result.code == 0
    assert "there is nothing to resume here: the run begins" in result.err
    again = curate("run", "r.toml", "--output", "o", "--engine", "in-process", "--resume")
    assert "this run was finished before; nothing to do" in again.err
    assert "nothing to resume" not in again.err


def test_an_output_that_cannot_be_written(tmp_path):
    """A file system that is mounted to be read binds root, too; the mount is this test's own."""
    if os.geteuid() or not shutil.which("unshare"):
        pytest.skip("mounting a read-only file system needs root and unshare")
    (tmp_path / "readonly").mkdir()
    mounted = "mount -t tmpfs -o ro,size=1g none readonly"
    if subprocess.run(["unshare", "--mount", "sh", "-c", mounted], check=False).returncode:
        pytest.skip("mounting a read-only file system is not allowed here")
    run = f"{sys.executable} -m curate run r.toml --engine in-process --output readonly/o"
    here = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", f"{mounted} && exec {run}"],
        capture_output=True, text=True, check=False, env=here,
    )  # fmt: skip
    assert done.returncode == 5
    assert "cannot write to the output folder: Read-only file system" in done.stderr
    assert "or choose another --output" in done.stderr
    assert "Traceback" not in done.stderr
