"""Lists of paths: what they name, and what a list from elsewhere may not name."""

import gzip

import pytest

from curate import api
from curate.errors import RecipeError
from curate.plan.build import build
from curate.recipe.recipe import parse_recipe
from curate.sources.path_list import paths_of
from tests.unit.sources.web.crawl_mirror import serving

RECIPE = 'name = "lists"\n[sources.a]\nformat = "jsonl"\n'


def planned(text):
    plan = build(parse_recipe(RECIPE + text, "recipe"))
    return [piece.file.name for shard in plan.shards for piece in shard.pieces]


@pytest.fixture
def corpus(tmp_path):
    for name in ("x/a.jsonl", "x/b.jsonl", "y/a.jsonl", "z.jsonl"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f'{{"text": "{name} and some words"}}\n')
    return tmp_path


@pytest.mark.parametrize("packing", [bytes, gzip.compress])
def test_relative_paths_are_below_the_list_and_named_so(corpus, packing):
    text = "\ufeff# of two days\r\nx/a.jsonl\n\n./y/a.jsonl\n  z.jsonl  "
    (corpus / "list").write_bytes(packing(text.encode()))
    assert planned(f'path_list = "{corpus}/list"\n') == ["x/a.jsonl", "y/a.jsonl", "z.jsonl"]


def test_a_line_is_any_path_that_a_recipe_takes(corpus):
    (corpus / "list").write_text(f"{corpus}/x\n{corpus}/./y/*.jsonl\n")
    both = planned(f'path = "{corpus}/z.jsonl"\npath_list = ["{corpus}/list"]\n')
    assert both == ["a.jsonl", "b.jsonl", "y/a.jsonl", "z.jsonl"]


def test_a_list_on_the_web_names_files_beside_it_and_at_other_addresses(corpus):
    (corpus / "list.gz").write_bytes(gzip.compress(b"x/a.jsonl\nx/b.jsonl\n"))
    with serving(corpus) as (address, served):
        served.faults["list.gz"] = ["503"]
        names = planned(f'path_list = "{address}/list.gz"\n')
        assert names == ["x/a.jsonl", "x/b.jsonl"]
        (corpus / "other").write_text(f"{address}/y/a.jsonl\n{address}/./x/b.jsonl")
        assert planned(f'path_list = "{corpus}/other"\n') == ["a.jsonl", "x/b.jsonl"]


@pytest.mark.parametrize("line", ["/etc/passwd", "file:///etc/passwd", "../x", "~/x", "local://x"])
def test_a_list_on_the_web_names_no_file_of_this_machine(corpus, line):
    (corpus / "list").write_text(line)
    expected = pytest.raises(RecipeError, match="which is not below it")
    with serving(corpus) as (address, _), expected:
        paths_of(f"{address}/list")


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "names no path"),
        (b"# only a remark\n", "names no path"),
        (b"x" * 5000, "a line of 5000 bytes"),
        (b"a\0b", "no text"),
        (b"\x1f\x8b\x08 broken", "cannot be read"),
    ],
)
def test_what_is_no_list_is_refused(tmp_path, data, says):
    (tmp_path / "list").write_bytes(data)
    with pytest.raises(RecipeError, match=says):
        paths_of(str(tmp_path / "list"))


def test_a_folder_is_no_list(corpus):
    with pytest.raises(RecipeError, match="a list of paths is one file"):
        paths_of(str(corpus))


def test_a_source_without_any_path_is_refused_and_input_goes_before_a_list(corpus):
    with pytest.raises(RecipeError, match="no files are named"):
        planned("")
    (corpus / "list").write_text("x\n")
    text = f'{RECIPE}path_list = "{corpus}/list"\n'
    for inputs in ({"a": f"{corpus}/z.jsonl"}, {"a": [f"{corpus}/z.jsonl"]}):
        plan = build(parse_recipe(text, "recipe", inputs=inputs))
        assert [p.file.name for s in plan.shards for p in s.pieces] == ["z.jsonl"]


def test_a_source_of_common_crawl_takes_no_path_and_is_not_read_beside_inputs(corpus):
    crawl = (
        '[sources.cc]\nformat = "commoncrawl"\nsnapshots = ["CC-MAIN-2024-22"]\nbase = "/none"\n'
    )
    text = f'{RECIPE}path = "{corpus}/z.jsonl"\n{crawl}'
    plan = build(parse_recipe(text, "recipe", inputs={"a": f"{corpus}/x"}))
    assert list(plan.sources) == ["a"]
    with pytest.raises(RecipeError, match="takes no path"):
        parse_recipe(text, "recipe", inputs={"cc": "x"})
    with pytest.raises(RecipeError, match="has no warc"):
        build(parse_recipe(text, "recipe"))


def test_a_run_names_the_list_in_its_manifest(corpus, tmp_path):
    (corpus / "list").write_text("x\ny/a.jsonl\n")
    recipe = tmp_path / "r.toml"
    recipe.write_text(f'{RECIPE}path_list = "{corpus}/list"\n')
    result = api.run(str(recipe), output=tmp_path / "out", engine="in-process")
    assert result.manifest["totals"]["documents"] == 3
    assert result.manifest["recipe"]["sources"]["a"]["path_list"] == [f"{corpus}/list"]


@pytest.mark.parametrize("path", ["/x/*.jsonl", "/x/", "/*/a.jsonl"])
def test_folders_and_patterns_of_a_web_server_are_refused_with_the_way_out(corpus, path):
    expected = pytest.raises(RecipeError, match=r"does not list its files(.|\n)*path_list = FILE")
    with serving(corpus) as (address, _), expected:
        planned(f'path = "{address}{path}"\n')
