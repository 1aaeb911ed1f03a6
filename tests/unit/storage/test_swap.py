"""A swap that dies at any of its steps shows no product, the older one or the newer one, whole."""

import pytest

from curate.storage import swap as module
from curate.storage.swap import PRODUCT, settle, swap

NAMES = ("notes", "mixture", "manifest.json")


class Died(BaseException):
    """Stands for SIGKILL: no handler of ordinary errors sees it."""


def write(folder, version, names=NAMES):
    folder.mkdir(exist_ok=True)
    for name in names:
        if name == "mixture":
            (folder / name).mkdir()
            (folder / name / "part").write_text(version)
        else:
            (folder / name).write_text(version)


def shown(folder):
    """Return what each name shows, without those that show nothing."""
    paths = {name: folder / name for name in NAMES} | {"mixture": folder / "mixture" / "part"}
    return {name: path.read_text() for name, path in paths.items() if path.exists()}


def dies(monkeypatch, step):
    """Let a swap die when it comes to a step, counted from 1."""
    steps = iter(range(1, step))

    def reach(point):
        if next(steps, None) is None:
            raise Died

    monkeypatch.setattr(module, "reach", reach)


@pytest.mark.parametrize("older", [None, NAMES, ("mixture", "manifest.json")])
@pytest.mark.parametrize("newer", [NAMES, ("mixture", "manifest.json")])
def test_no_step_shows_parts_of_products(older, newer, tmp_path, monkeypatch):
    allowed = [dict.fromkeys(older or (), "old"), dict.fromkeys(newer, "new")]
    for step in range(1, 40):
        root = tmp_path / str(step)
        write(root, "old", older or ())
        write(root / ".staged", "new", newer)
        with monkeypatch.context() as patch:
            dies(patch, step)
            try:
                swap(root, root / ".staged", NAMES)
            except Died:
                assert shown(root) in allowed
            else:
                break
        left = shown(root)
        settle(root, NAMES)
        assert shown(root) == left
        assert not (root / PRODUCT).exists()
        assert not [path for path in root.iterdir() if path.is_symlink()]
    assert step > 6
    assert shown(root) == allowed[1]


@pytest.mark.parametrize("kind", ["no exchange", "no links"])
def test_where_a_system_cannot_do_it_in_one_step_a_swap_that_died_is_ended(
    kind, tmp_path, monkeypatch
):
    monkeypatch.setattr(module, "_exchanged", lambda one, other: False)
    if kind == "no links":
        monkeypatch.setattr(module, "_link", lambda path, name: False)
    for step in range(1, 40):
        root = tmp_path / str(step)
        write(root, "old", NAMES)
        write(root / ".staged", "new")
        with monkeypatch.context() as patch:
            dies(patch, step)
            try:
                swap(root, root / ".staged", NAMES)
            except Died:
                pass
            else:
                break
        settle(root, NAMES)
        assert set(shown(root).values()) in ({"old"}, {"new"})
        assert len(shown(root)) == len(NAMES)
    assert step > 6
    assert shown(root) == dict.fromkeys(NAMES, "new")


def test_other_names_are_not_touched(tmp_path):
    write(tmp_path / ".staged", "new")
    (tmp_path / ".staged" / "other").write_text("staged")
    (tmp_path / "thesis.tex").write_text("years")
    (tmp_path / "mixture").symlink_to("elsewhere")
    swap(tmp_path, tmp_path / ".staged", NAMES)
    assert (tmp_path / "thesis.tex").read_text() == "years"
    assert not (tmp_path / "other").exists()
    assert shown(tmp_path) == dict.fromkeys(NAMES, "new")
