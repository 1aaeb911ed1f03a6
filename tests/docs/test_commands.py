"""The documentation covers every command, recipe and task, and its examples run."""

import importlib.util
import inspect
import io
import json
import re
import shlex
from pathlib import Path

import pytest
import typer

from curate.cli import COMMANDS, app, command_of
from curate.recipe import locate
from tests.unit.cli.commands import curate, demo_run

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
GUIDE = (ROOT / "docs" / "guide.md").read_text(encoding="utf-8")


def example_of(name):
    text = inspect.getdoc(command_of(name))
    found = re.search(r"^Example: (curate .+)$", text, re.MULTILINE)
    assert found, f"{name} has no example on a line of its own"
    return shlex.split(found[1])[1:]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example_of_itself(name):
    result = curate(name, "--help")
    assert result.code == 0
    example = example_of(name)
    assert f"{' '.join(example)} ".startswith(f"{name} ")
    assert re.search(rf"^ *Example: curate {name}\b", result.out, re.MULTILINE)
    for option in (word for word in example if word.startswith("--")):
        assert option in result.out


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_has_a_help_text_and_a_plain_placeholder(name):
    help_text = curate(name, "--help").out
    assert not re.search(r"<[a-z]", help_text), "a type is printed in place of a placeholder"
    for line in re.findall(r"^  (--\S+(?: [A-Z=]+)?.*)$", help_text, re.MULTILINE):
        assert re.search(r"  +\S", line) or len(line) > 24, line


@pytest.mark.parametrize("name", COMMANDS)
def test_the_guide_mentions_every_command(name):
    assert f"`curate {name} " in GUIDE or f"`curate {name}`" in GUIDE


def test_readme_and_guide_mention_no_command_that_does_not_exist():
    named = set(re.findall(r"^(?:\| `)?curate ([a-z]+)\b", README + GUIDE, re.MULTILINE))
    assert named <= {name.split()[0] for name in COMMANDS}


def test_the_guide_mentions_every_recipe():
    shipped = {path.stem for path in (ROOT / "pipelines").glob("*.toml")}
    for name in shipped:
        assert locate.recipe_file(name).stem == name
        assert f"pipelines/{name}.toml" in GUIDE


def test_tasks_in_the_documentation_exist():
    spec = importlib.util.spec_from_file_location("tasks", ROOT / "tasks.py")
    tasks = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tasks)
    for page in ("README.md", "CONTRIBUTING.md"):
        text = (ROOT / page).read_text(encoding="utf-8")
        named = set(re.findall(r"python3 tasks\.py ([a-z]+)", text))
        assert named <= set(tasks.TASKS), page
    assert {"demo", "test"} <= set(re.findall(r"python3 tasks\.py ([a-z]+)", README))


def test_links_between_pages_exist():
    for page in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md"):
        text = (ROOT / page).read_text(encoding="utf-8")
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
            assert (ROOT / target).exists(), f"{page} links to {target}"


def test_exit_codes_in_the_guide_are_those_of_the_help():
    help_text = " ".join(curate("--help").out.split())
    for code, meaning in re.findall(r"(\d+) (done|internal|usage or recipe|refused)", GUIDE):
        assert f"{code} {meaning}" in help_text


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "run"])
def test_examples_run(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arguments = example_of(name)
    if "out/demo" in arguments:
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "demo").symlink_to(demo_run()[0])
    if "--output" in arguments and "--engine" in curate(name, "--help").out:
        arguments += ["--engine", "in-process"]
    if name in ("store", "store query"):
        assert curate(*example_of("dedup"), "--engine", "in-process").code == 0
    if name == "takedown":
        Path("domains.txt").write_text("books.example\n", encoding="utf-8")
    if name == "label":
        rows = ['{"text": "one"}', '{"text": "two"}']
        Path(arguments[1]).write_text("\n".join(rows), encoding="utf-8")
        monkeypatch.setattr("sys.stdin", io.StringIO("y\nn\n"))
    if name == "train":
        pytest.importorskip("sklearn")
        texts = {"good": "the quiet river and", "bad": "cheap buy best shop"}
        rows = [{"text": f"{texts[k]} {n}", "label": k} for k in texts for n in range(20)]
        Path("labels.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    result = curate(*arguments)
    assert result.code == 0, result.err
    assert result.out


def typed_for_others():
    """Yield the command lines of pages that need a cluster, a crawl or a network to run."""
    for page in ("README.md", *(str(p.relative_to(ROOT)) for p in (ROOT / "docs").rglob("*.md"))):
        text = (ROOT / page).read_text(encoding="utf-8")
        for block in re.findall(r"^```sh\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
            for line in block.replace("\\\n", " ").splitlines():
                for command in re.findall(r"(?:^|&& |-- +|python -m )curate ([^&]+)", line):
                    yield page, shlex.split(command, comments=True)


@pytest.mark.parametrize(("page", "words"), typed_for_others(), ids=str)
def test_commands_that_cannot_run_here_are_understood(page, words):
    group = typer.main.get_command(app())
    context = group.make_context("curate", list(words))
    name, command, rest = group.resolve_command(context, [*context._protected_args, *context.args])
    assert command.make_context(name, rest).params
