"""Which files of a folder belong to a run: no others are overwritten or cleared."""

import pytest

from curate.engine.folder import RunId, begin, published
from curate.errors import RefusedError
from curate.protocol.ledger import Ledger
from curate.storage.entries import FileEntry, Manifest, Totals, sealed
from curate.storage.store import LocalStore
from curate.storage.swap import PRODUCT


def start(store, plan="p", fresh=False, resume=False, keep_work=False):
    run = RunId(plan, {"a/x": "1"}, {"curate": "1", "stage judge": plan})
    return begin(store, run, resume=resume, fresh=fresh, keep_work=keep_work)[:2]


@pytest.mark.parametrize("fresh", [False, True])
def test_a_project_of_the_users_own_is_refused_and_untouched(fresh, tmp_path):
    (tmp_path / "README.md").write_text("mine")
    (tmp_path / "filters").mkdir()
    with pytest.raises(RefusedError, match=r"not a run's: README.md, filters"):
        start(LocalStore(str(tmp_path)), fresh=fresh)
    assert (tmp_path / "README.md").read_text() == "mine"


def test_an_unfinished_run_goes_on_and_another_is_refused(tmp_path):
    store = LocalStore(str(tmp_path))
    assert start(store) == (1, None)
    assert start(store) == (2, None)
    with pytest.raises(RefusedError, match="another one: stage judge changed"):
        start(store, plan="q")
    assert start(store, plan="q", resume=True) == (3, None)


def finished(store, plan="p"):
    """Write a finished run of an older time into a folder."""
    fields = {"recipe": {}, "environment": {}, "models": {}, "stages": [], "mixture": []}
    store.replace("mixture/part.parquet", b"rows")
    body = Manifest(
        contract=1, curate="0", profiles="", plan=plan, inputs={"a/x": "1"}, totals=Totals(),
        ledger=Ledger(), files=[FileEntry("mixture", "mixture/part.parquet", 4, "", 0)], **fields,
    )  # fmt: skip
    store.replace("manifest.json", sealed(body.to_json()))


def test_a_fresh_start_keeps_the_product_and_throws_the_work_away(tmp_path):
    store = LocalStore(str(tmp_path))
    finished(store, "older")
    with pytest.raises(RefusedError, match="holds another run: recipe"):
        start(store)
    assert start(store, fresh=True) == (1, None)
    store.replace("work/s/k/a/f", b"")
    store.replace("commits/s/k.json", b"{}")
    assert start(store) == (2, None)  # goes on with what replaces the finished run
    assert store.names("commits") == ["commits/s/k.json"]
    assert start(store, fresh=True) == (1, None)
    assert store.names("commits") == []
    assert store.names("work") == ["work/run.json"]
    assert published(store).plan == "older"
    assert store.read("mixture/part.parquet") == b"rows"


def test_a_finished_run_is_not_done_again_unless_a_file_of_it_is_gone(tmp_path):
    store = LocalStore(str(tmp_path))
    finished(store)
    assert start(store)[1].plan == "p"
    store.path("mixture/part.parquet").write_bytes(b"row")
    with pytest.raises(RefusedError, match=r"is damaged: mixture/part.parquet: 3 bytes, not 4"):
        start(store)
    store.remove("mixture")
    with pytest.raises(RefusedError, match=r"is damaged: mixture/part.parquet: missing"):
        start(store)
    assert start(store, fresh=True) == (1, None)


def test_a_folder_of_the_users_own_with_the_swaps_name_is_kept(tmp_path):
    (tmp_path / PRODUCT).mkdir()
    (tmp_path / PRODUCT / "mixture").write_text("mine")
    (tmp_path / "thesis.tex").write_text("years")
    with pytest.raises(RefusedError, match=r"thesis.tex"):
        start(LocalStore(str(tmp_path)), fresh=True)
    assert (tmp_path / PRODUCT / "mixture").read_text() == "mine"


def test_an_unfinished_run_of_another_format_is_refused_unless_fresh(tmp_path):
    store = LocalStore(str(tmp_path))
    store.replace("work/run.json", b'{"epoch": 1, "plan": "p", "inputs": {"a/x": "1"}}')
    for resume in (False, True):
        with pytest.raises(RefusedError, match="an older version of curate in format 1"):
            start(store, resume=resume)
    assert start(store, fresh=True) == (1, None)
    assert start(store) == (2, None)


def test_a_finished_run_is_gone_on_with_where_its_work_was_kept(tmp_path):
    store = LocalStore(str(tmp_path))
    assert start(store, keep_work=True) == (1, None)
    store.replace("commits/s/k.json", b"{}")
    finished(store)
    epoch, manifest = start(store)
    assert (epoch, manifest.plan) == (0, "p")
    assert store.names("commits") == ["commits/s/k.json"]  # the same run again: nothing is swept
    with pytest.raises(RefusedError, match="stage judge changed") as refused:
        start(store, plan="q")
    assert refused.value.hint.startswith("--resume to go on")
    assert start(store, plan="q", resume=True) == (2, None)
    assert store.names("commits") == ["commits/s/k.json"]


def test_without_kept_work_there_is_nothing_to_go_on_with(tmp_path):
    store = LocalStore(str(tmp_path))
    start(store)
    store.replace("commits/s/k.json", b"{}")
    finished(store)
    with pytest.raises(RefusedError, match="holds another run") as refused:
        start(store, plan="q", resume=True)
    assert refused.value.hint.startswith("its work was not kept (--keep-work)")
    assert start(store)[1].plan == "p"
    assert store.names("commits") == []  # what a run leaves that was killed after publishing
