"""A finished run's report on a disk that cannot be written."""

import errno

import pytest

from curate import api
from curate.errors import ResourceError
from curate.storage.store import LocalStore


def test_a_report_on_a_full_disk_names_the_folder_and_leaves_the_old_one(tmp_path, monkeypatch):
    (tmp_path / "a.jsonl").write_text('{"text": "one two three"}\n')
    out = tmp_path / "out"
    api.dedup_paths([str(tmp_path / "a.jsonl")], output=str(out), engine="in-process")
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    written = []

    def full(self, name, data):
        written.append(name)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(LocalStore, "replace", full)
    with pytest.raises(ResourceError) as refused:
        api.rebuild_report(str(out))
    assert refused.value.exit_code == 5
    assert refused.value.where == str(out)
    assert "free space" in refused.value.hint
    assert written
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before
