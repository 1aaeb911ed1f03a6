"""Which files of a folder belong to a run: no others are overwritten or cleared."""

import pytest

from curate.engine.folder import begin, clear
from curate.errors import RefusedError
from curate.storage.store import LocalStore


def start(store, plan="p", fresh=False, resume=False):
    return begin(store, plan, {"a/x": "1"}, resume=resume, fresh=fresh)


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
    with pytest.raises(RefusedError, match="recipe, profiles or version changed"):
        start(store, plan="q")
    assert start(store, plan="q", resume=True) == (3, None)


def test_an_interrupted_clearing_leaves_the_folder_of_a_run(tmp_path, monkeypatch):
    store = LocalStore(str(tmp_path))
    start(store)
    store.replace("README.md", b"card")
    store.replace("manifest.json", b'{"plan": "p", "inputs": {"a/x": "1"}}')
    store.remove("work")

    def broken(name, remove=store.remove):
        if name == "README.md":
            raise KeyboardInterrupt
        remove(name)

    monkeypatch.setattr(store, "remove", broken)
    with pytest.raises(KeyboardInterrupt):
        clear(store)
    again = LocalStore(str(tmp_path))
    assert again.size("manifest.json") is None
    assert start(again, fresh=True) == (1, None)
    assert again.size("README.md") is None


def test_an_unfinished_run_of_another_format_is_refused_unless_fresh(tmp_path):
    store = LocalStore(str(tmp_path))
    store.replace("work/run.json", b'{"epoch": 1, "plan": "p", "inputs": {"a/x": "1"}}')
    for resume in (False, True):
        with pytest.raises(RefusedError, match="an older version of curate in format 1"):
            start(store, resume=resume)
    assert start(store, fresh=True) == (1, None)
    assert start(store) == (2, None)
