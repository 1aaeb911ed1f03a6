import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from tests.unit.report.conftest import render


def front_matter(card):
    return yaml.safe_load(card.decode().split("---\n", 2)[1])


def test_the_card_names_languages_licence_and_each_phase(manifest):
    fields = front_matter(render(manifest(), [])["README.md"])
    assert fields["language"] == ["kaz"]  # eng was curated, but no group of the mixture takes it
    assert fields["license"] == "cc0-1.0"
    assert fields["size_categories"] == ["n<1K"]
    assert fields["configs"] == [
        {
            "config_name": "main",
            "default": True,
            "data_files": [{"split": "train", "path": "mixture/main/*.parquet"}],
        }
    ]


@pytest.mark.parametrize("license", ["license", "Ask us: a/b", None])
def test_a_licence_that_the_hub_does_not_know_is_other_and_written_out(manifest, license):
    card = render(manifest(license=license), [])["README.md"]
    assert front_matter(card)["license"] == "other"
    assert (f"`{license}`" if license else "not given") in card.decode()


def test_norway_is_no_boolean(manifest):
    assert front_matter(render(manifest(kaz="no", recipe="yes"), [])["README.md"])["language"] == [
        "no"
    ]


def test_datasets_loads_the_folder_by_phase(manifest, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets")
    run = tmp_path / "run"
    fields = manifest()
    fields["mixture"].append(fields["mixture"][0] | {"phase": "anneal"})
    fields["mixture"].append(fields["mixture"][0] | {"phase": "came-out-empty"})
    fields["files"].append(fields["files"][0] | {"path": "mixture/anneal/part-00000.parquet"})
    for phase, texts in (("main", ["бір", "екі"]), ("anneal", ["үш"])):
        folder = run / "mixture" / phase
        folder.mkdir(parents=True)
        pq.write_table(pa.table({"text": texts}), folder / "part-00000.parquet")
    # Other files of a run's folder must not be taken for the product.
    (run / "rejected" / "00-segment").mkdir(parents=True)
    pq.write_table(pa.table({"bad": [1]}), run / "rejected" / "00-segment" / "00000.parquet")
    (run / "README.md").write_bytes(render(fields, [])["README.md"])

    validation = run / "mixture" / "validation"
    validation.mkdir()
    pq.write_table(pa.table({"text": ["төрт"]}), validation / "part-00000.parquet")
    fields["files"].append(fields["files"][0] | {"path": "mixture/validation/part-00000.parquet"})
    fields["mixture"].append(fields["mixture"][0] | {"phase": "validation", "asked_share": None})
    (run / "README.md").write_bytes(render(fields, [])["README.md"])

    def load(*phase):
        loaded = datasets.load_dataset(str(run), *phase, cache_dir=str(tmp_path / "cache"))
        assert loaded["validation"]["text"][:] == ["төрт"]
        return loaded["train"]["text"][:]

    # Without a name there is no phase that one could take for the whole.
    assert load() == ["бір", "екі", "үш"]
    assert load("main") == ["бір", "екі"]
    assert load("anneal") == ["үш"]
    assert datasets.get_dataset_config_names(str(run)) == ["all", "main", "anneal"]


def test_a_phase_named_all_is_that_phase(manifest):
    fields = manifest(phase="all")
    fields["files"].append(fields["files"][0] | {"path": "mixture/anneal/part-00000.parquet"})
    configs = front_matter(render(fields, [])["README.md"])["configs"]
    assert [one["config_name"] for one in configs] == ["all", "anneal"]
    assert configs[0]["data_files"][0]["path"] == "mixture/all/*.parquet"


def test_the_card_of_an_older_run_names_the_languages_that_its_groups_may_take(manifest):
    fields = manifest()
    tally = fields["ledger"]["stages"]["mix"]["tally"]
    taken = [key for key in tally if key.startswith("taken:")]
    assert taken == ["taken:web:kaz_Cyrl"]
    del tally[taken[0]]
    assert front_matter(render(fields, [])["README.md"])["language"] == ["kaz"]
    fields["recipe"]["mixture"]["groups"] = {"any": {}}
    assert front_matter(render(fields, [])["README.md"])["language"] == ["eng", "kaz"]
