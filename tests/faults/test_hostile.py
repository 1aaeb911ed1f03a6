"""Recipes and profiles with hostile values: one clear error, and nothing written."""

import socket
import sys

import pytest

from curate.__main__ import main
from curate.engine.product import counted_with
from curate.errors import RecipeError
from curate.plan.build import build
from curate.recipe.recipe import load_recipe
from tests.faults import recipes
from tests.faults.recipes import Raw, toml


@pytest.fixture
def refused(curate, tmp_path):
    """Run a recipe with one value set; return what it printed. It ends with 2, nothing written."""
    (tmp_path / "a.jsonl").write_text('{"text": "a"}\n')

    def run(top="", source=None):
        source = source or f'format = "jsonl"\npath = "{tmp_path}/a.jsonl"'
        (tmp_path / "recipe.toml").write_text(f'name = "case"\n{top}\n[sources.a]\n{source}\n')
        recipe, out = tmp_path / "recipe.toml", tmp_path / "out"
        done = curate("run", recipe, "--output", out, "--engine", "in-process")
        assert done.returncode == 2, done.stderr
        assert sorted(path.name for path in tmp_path.iterdir()) == ["a.jsonl", "recipe.toml"]
        assert "Traceback" not in done.stderr
        return done.stderr

    return run


@pytest.mark.parametrize("seed", [-1, 1 << 64, -(1 << 63), Raw("nan"), Raw("1" * 400), 0.5])
def test_a_seed_that_is_no_number_of_64_bits(refused, seed):
    assert "seed" in refused(f"seed = {toml(seed)}")


def test_a_seed_of_more_digits_than_python_reads(refused):
    assert "not valid TOML" in refused("seed = " + "1" * 5000)


@pytest.mark.parametrize("depth", [40, 20_000])
def test_a_value_that_is_nested_too_deep(refused, depth):
    assert "nested" in refused(f"x = {'[' * depth}{']' * depth}")


@pytest.mark.parametrize(
    "ratio", ["1e999999999:1", "1:1e-999999999", "1e100:1", f"{'1' * 400}:1", "1/0:1", "nan:1"]
)
def test_a_ratio_is_never_made_an_exact_number_of_a_billion_digits(refused, ratio):
    table = f'[mixture]\nunit = "bytes"\nratio = "{ratio}"\n[mixture.groups]\na = {{}}\nb = {{}}'
    assert "mixture.ratio" in refused(table) or "mixture: ratio" in refused(table)


@pytest.mark.parametrize(
    "path", ["~nosuchuser/x.jsonl", "/" + "x" * 5000, "y/" * 3000, r"a\u0000b", r"\ud800"]
)
def test_a_path_that_cannot_be(refused, path):
    printed = refused(source=f'format = "jsonl"\npath = "{path}"')
    assert (
        path[:50].replace(r"\u0000", "") in printed
        or "sources.a.path" in printed
        or "TOML" in printed
    )


STAGE = '[[stages]]\nuse = "{}"\n'
IDENTIFY, MEASURE, JUDGE = map(STAGE.format, ("identify", "measure", "judge"))


@pytest.mark.parametrize(
    ("recipe", "profile"),
    [
        (STAGE.format("count") + 'tokenizer = "SOCKET"', ""),
        (STAGE.format("count") + 'tokenizer = "folder"', ""),
        (STAGE.format("identify") + 'model = "SOCKET"', ""),
        (IDENTIFY + MEASURE + JUDGE, '[lists]\nbad = "SOCKET"'),
        (IDENTIFY + MEASURE, '[perplexity]\nmodel = "SOCKET"'),
        (IDENTIFY + MEASURE, '[classifiers.c]\nmodel = "SOCKET"'),
        (IDENTIFY + MEASURE, '[classifiers.c]\nmodel = "SOCKET"\nembedding = "characters"'),
        (IDENTIFY + STAGE.format("url_filter"), '[url.block_lists.x]\ndomains = ["SOCKET"]'),
        (STAGE.format("url_filter") + "block_lists.x.domains = ['SOCKET']", ""),
        (STAGE.format("decontaminate") + "benchmarks.x = 'SOCKET'", ""),
        (STAGE.format("robots_txt") + "archives = ['SOCKET']", ""),
        ("[sidecars.s]\npath = 'SOCKET'\ncolumns = ['x']", ""),
        ("[sources.b]\nformat = 'jsonl'\npath_list = 'SOCKET'", ""),
        ("[sources.b]\nformat = 'jsonl'\npath = 'file://HERE/SOCKET'", ""),
    ],
)
def test_what_may_never_end_is_read_nowhere(tmp_path, monkeypatch, recipe, profile):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.jsonl").write_text('{"text": "a"}\n')
    (tmp_path / "filters").mkdir()
    (tmp_path / "folder").mkdir()
    (tmp_path / "filters" / "p.toml").write_text(f'extends = "_default"\n{profile}\n')
    text = f'name = "x"\n[sources.a]\nformat = "jsonl"\npath = "a.jsonl"\nprofile = "p"\n{recipe}'
    (tmp_path / "r.toml").write_text(text.replace("HERE", str(tmp_path)))
    with socket.socket(socket.AF_UNIX) as one, socket.socket(socket.AF_UNIX) as other:
        one.bind("SOCKET")
        other.bind("folder/tokenizer.json")
        with pytest.raises(RecipeError, match="a pipe, socket or device"):
            plan = build(load_recipe("r.toml"))
            assert plan.fingerprint and counted_with(plan)


@pytest.mark.parametrize(
    ("key", "value"),
    [("page_seconds", value) for value in (Raw("nan"), Raw("inf"), 0, -1, 1e300)]
    + [("page_memory_bytes", value) for value in (1, -1, 1 << 64, 1 << 63, 0.5)]
    + [("max_record_bytes", value) for value in (0, -1, 1 << 64, Raw("nan"))],
)  # fmt: skip
def test_a_limit_of_a_source_that_is_no_limit(refused, key, value):
    printed = refused(source=f'format = "warc"\npath = "a.jsonl"\n{key} = {toml(value)}')
    assert f"sources.a.{key}" in printed


def test_more_shards_sources_and_stages_than_a_run_can_have(refused, tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": "a"}\n' * 80_000)
    assert "shards.input_bytes" in refused("[shards]\ninput_bytes = 1")
    source = 'format = "jsonl"\npath = "a.jsonl"'
    assert "sources" in refused("".join(f"[sources.b{n}]\n{source}\n" for n in range(1000)))
    assert "stages" in refused('[[stages]]\nuse = "repair"\n' * 1001)


@pytest.mark.parametrize(
    "stage",
    [
        'datatrove = "RegexFilter"\nregex_exp = "("',
        'datatrove = "RegexFilter"\nregex_exp = 3',
        'datatrove = "RegexFilter"',
        'datatrove = "URLFilter"\nextra_domains = 5',
    ],
)
def test_a_block_of_datatrove_that_cannot_be_made(refused, stage):
    assert "datatrove's" in refused(f"[[stages]]\n{stage}")


def test_a_pattern_that_never_ends(curate, tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": "%s!"}\n' % ("a" * 60))
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(
        f'name = "x"\n[sources.a]\nformat = "jsonl"\npath = "{tmp_path}/a.jsonl"\n'
        '[[stages]]\ndatatrove = "RegexFilter"\nregex_exp = "(a+)+$"\n'
    )
    done = curate("run", recipe, "--output", tmp_path / "out", "--engine", "in-process")
    assert done.returncode == 2, done.stderr
    assert "RegexFilter took over 5 s for one document" in done.stderr
    assert "Traceback" not in done.stderr


HUGE = (
    "1" * 400,
    "-" + "9" * 400,
    "1" * 5000,
    "1e400",
    "-1e-400",
    "NaN",
    "-Infinity",
    "true",
    "{}",
)


@pytest.mark.parametrize(
    ("format", "record"),
    [
        ("jsonl", '{"text": "some words", "date": N, "id": N, "url": N, "license": N, "x": N}'),
        (
            "chat",
            '{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b",'
            ' "weight": N, "rank": N}], "date": N, "x": N}',
        ),
        (
            "chat",
            '{"prompt": {"role": "prompter", "text": "a", "rank": N, "replies": ['
            '{"role": "assistant", "text": "b", "rank": N, "replies": []}]}}',
        ),
    ],
)
def test_numbers_that_no_field_can_hold_end_no_run(curate, tmp_path, format, record):
    lines = "".join(record.replace("N", number) + "\n" for number in HUGE)
    (tmp_path / "a.jsonl").write_text(lines)
    recipe = tmp_path / "recipe.toml"
    options = 'date = "date"\nid = "id"\ncolumns = ["*"]\n' if format == "jsonl" else ""
    recipe.write_text(
        f'name = "x"\n[limits]\nquarantined_share = 1.0\n'
        f'[sources.a]\nformat = "{format}"\npath = "{tmp_path}/a.jsonl"\n{options}'
    )
    done = curate("run", recipe, "--output", tmp_path / "out", "--engine", "in-process")
    assert done.returncode in (0, 3), done.stderr
    assert f"{len(HUGE)} records" in done.stderr


@pytest.mark.parametrize("kind", sorted(recipes.COMMANDS))
def test_every_mutant_does_its_work_or_ends_in_a_sentence(kind):
    recipes.warm()
    for ended, text, printed in recipes.campaign(kind, 40, seed=7):
        assert ended in recipes.GOOD, f"{text[:2000]}\n{printed[-2000:]}"


def test_an_interrupt_while_the_command_line_is_imported(monkeypatch, capsys):
    class Interrupting:
        def find_spec(self, name, path, target=None):
            if name == "curate.cli":
                raise KeyboardInterrupt

    monkeypatch.delitem(sys.modules, "curate.cli", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Interrupting(), *sys.meta_path])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 130
    assert capsys.readouterr().err == "curate: interrupted\n"
