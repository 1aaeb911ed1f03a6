"""Every record has one outcome, whatever the corpus: checks on random and damaged input."""

import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from curate import api
from curate.inspection.verify import verify
from curate.storage.store import open_store
from tests.examples import examples
from tests.runs import write_recipe

texts = st.lists(st.sampled_from(["a", "b", "c", "dé", "漢", "\n", "#"]), max_size=30).map(" ".join)
line = st.one_of(
    texts.map(lambda text: '{"text": "' + text.replace("\n", "\\n") + '"}'),
    st.sampled_from(
        ['{"text": "cut', '{"other": 1}', "[]", "", '{"text": null}', '{"text": ""}', "\x00"]
    ),
)


@examples(6)
@given(st.lists(st.lists(line, max_size=12), min_size=3, max_size=4))
def test_a_run_accounts_for_every_record(files):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "in").mkdir()
        for number, lines in enumerate(files):
            source = "a" if number % 2 == 0 else "b"
            if number < 2:  # a group of the mixture without a document is refused
                lines = [*lines, f'{{"text": "document of {source} alone"}}']
            (folder / "in" / f"{source}{number}.jsonl").write_text("\n".join(lines) + "\n")
        recipe = write_recipe(folder / "r.toml", folder / "in", partition_bytes=100_000)
        result = api.run(recipe, output=folder / "out", engine="in-process")
        totals = result.manifest["totals"]
        accounted = totals["documents"] + totals["skipped"] + totals["quarantined"]
        assert totals["records"] == accounted
        assert totals["documents"] == totals["dropped"] + totals["curated"]
        assert verify(open_store(str(folder / "out"))) == []
