"""Recipes and profiles with hostile values: one clear error, and nothing written."""

import pytest

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


@pytest.mark.parametrize(
    ("key", "value"),
    [("page_seconds", value) for value in (Raw("nan"), Raw("inf"), 0, -1, 1e300)]
    + [("page_memory_bytes", value) for value in (1, -1, 1 << 64, 1 << 63, 0.5)]
    + [("max_record_bytes", value) for value in (0, -1, 1 << 64, Raw("nan"))],
)  # fmt: skip
def test_a_limit_of_a_source_that_is_no_limit(refused, key, value):
    printed = refused(source=f'format = "warc"\npath = "a.jsonl"\n{key} = {toml(value)}')
    assert f"sources.a.{key}" in printed


@pytest.mark.parametrize("kind", sorted(recipes.COMMANDS))
def test_every_mutant_does_its_work_or_ends_in_a_sentence(kind):
    recipes.warm()
    for ended, text, printed in recipes.campaign(kind, 60, seed=7):
        assert ended in recipes.GOOD, f"{text[:2000]}\n{printed[-2000:]}"
