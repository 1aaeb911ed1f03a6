"""url_filter: block lists of the stage and of profiles, by kind, and which of them is named."""

import gzip
import json
from collections import Counter

import pyarrow as pa
import pytest

from curate import api
from curate.errors import RecipeError
from curate.recipe.profile import BlockList, Profile, Profiles, UrlSection
from curate.stages.url_filter import UrlFilter

URLS = [
    "https://www.bad.example/a",
    "https://bad.example.org/a",
    "https://host.example/a",
    "https://sub.host.example/a",
    "http://page.example/One?x=%7e#top",
    "http://page.example/two",
    "https://ok.example/best-CASINO",
    "https://ok.example/casinos",
    "https://ok.example/free-girls",
    "https://refused.example/",
    None,
]


@pytest.fixture
def lists(tmp_path):
    """Return a block list with a file of each kind."""
    files = {
        "domains": "# ours\nBAD.example\n",
        "hosts": "host.example\n",
        "urls": "https://page.example/One?x=~\n",
        "words": "casino\n",
        "parts": "free girls\n",
    }
    paths = {}
    for kind, body in files.items():
        path = tmp_path / f"{kind}.txt.gz"
        path.write_bytes(gzip.compress(body.encode()))
        paths[kind] = (str(path),)
    return BlockList(**paths)


def table(urls=URLS):
    nulls = pa.nulls(len(urls), pa.string())
    return pa.table(
        {
            "url": pa.array(urls, pa.string()),
            "source": pa.array(["web"] * len(urls)),
            "lang": pa.array(["eng_Latn", "kaz_Cyrl"] * (len(urls) // 2) + ["eng_Latn"]),
            "dropped_by": nulls,
            "dropped_value": pa.nulls(len(urls), pa.float64()),
        }
    )


def profiles(**of_english):
    english = Profile(name="eng_Latn", url=UrlSection(**of_english))
    return Profiles({"_default": Profile(name="_default"), "eng_Latn": english})


def rules(stage):
    return stage.apply(table(), Counter()).column("dropped_by").to_pylist()


def test_a_list_of_the_stage_is_for_all_and_names_its_kind(lists):
    stage = UrlFilter(profiles(), block_lists={"ours": lists})
    assert rules(stage) == [
        "url_filter:ours_domain", None, "url_filter:ours_host", None, "url_filter:ours_url", None,
        "url_filter:ours_word", None, "url_filter:ours_part", None, None,
    ]  # fmt: skip
    assert stage.manifest_facts == {
        "block_lists": {
            f"ours_{kind}": {"entries": 1, "unusable": 0}
            for kind in ("domain", "host", "url", "word", "part")
        }
    }


def test_a_list_of_a_profile_is_for_its_documents(lists):
    found = rules(UrlFilter(profiles(block_lists={"mine": lists})))
    assert found[0] == "url_filter:mine_domain"
    assert set(found[1::2]) == {None}  # Kazakh


def test_the_first_rule_is_named(lists):
    stage = UrlFilter(
        profiles(refused=("https://www.bad",)),
        block_lists={"a": BlockList(words=lists.words), "b": lists},
    )
    found = rules(stage)
    assert found[0] == "url_filter:refused_address"
    assert found[6] == "url_filter:a_word"
    assert found[2] == "url_filter:b_host"


def test_the_content_of_a_list_is_part_of_the_stage(lists):
    def digest():
        return UrlFilter(profiles(), block_lists={"ours": lists}).model_digest

    before = digest()
    assert before == digest()
    with gzip.open(lists.words[0], "wt") as file:
        file.write("poker\n")
    assert before != digest()
    assert UrlFilter(profiles()).model_digest is None


def test_a_list_that_is_not_there_is_named_before_the_run(tmp_path):
    rows = tmp_path / "a.jsonl"
    urls = ("https://a.example/", "https://b.example/")
    rows.write_text("".join(json.dumps({"text": "one", "url": url}) + "\n" for url in urls))
    recipe = tmp_path / "r.toml"
    recipe.write_text(
        f"""name = "r"
[sources.a]
format = "jsonl"
path = "{rows}"
url = "url"
[[stages]]
use = "url_filter"
[stages.block_lists.ours]
domains = ["{tmp_path}/none.txt"]
"""
    )
    with pytest.raises(RecipeError, match="cannot read the list of domains: No such file"):
        api.run(recipe, output=tmp_path / "out", engine="in-process")
    (tmp_path / "none.txt").write_text("a.example\nno domain\n")
    done = api.run(recipe, output=tmp_path / "out", engine="in-process")
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["facts"]["url_filter"]["block_lists"] == {
        "ours_domain": {"entries": 1, "unusable": 1}
    }
    assert done.exit_code == 0
    (file,) = manifest["ledger"]["files"].values()
    assert file["dropped"] == {"url_filter:ours_domain": 1}


@pytest.mark.parametrize(
    ("block", "says"),
    [
        ('ours = { domain = ["x"] }', "domains"),
        (
            '"a b" = { domains = ["x"] }',
            "a name in block_lists has a-z, 0-9, _ and - alone: write a-b",
        ),
        ('ours = { hosts = ["datatrove"] }', "datatrove has no list of hosts"),
    ],
)
def test_what_a_list_cannot_be(block, says, tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": "one"}\n')
    recipe = tmp_path / "r.toml"
    recipe.write_text(
        f"""name = "r"
[sources.a]
format = "jsonl"
path = "{tmp_path}/a.jsonl"
[[stages]]
use = "url_filter"
[stages.block_lists]
{block}
"""
    )
    with pytest.raises(RecipeError, match=says):
        api.run(recipe, output=tmp_path / "out", engine="in-process")
