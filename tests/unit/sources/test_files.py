"""What a recipe names becomes a sorted list of files; names contain no machine and no secret."""

import os
import socket
from pathlib import Path

import fsspec
import pytest

from curate.errors import RecipeError
from curate.sources.base import InputFile
from curate.sources.files import WHOLE, expand, identity, without_secrets

SUFFIXES = (".jsonl", ".jsonl.gz")


@pytest.fixture
def tree(tmp_path):
    for name in [
        "b.jsonl",
        "a/x.jsonl",
        "a/deep/y.jsonl.gz",
        "a/z.txt",
        ".hidden/h.jsonl",
        "a/.h.jsonl",
    ]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    return tmp_path


def names(files):
    return [file.name for file in files]


def test_a_folder_is_searched_by_suffix_and_names_are_relative_to_it(tree):
    files = expand([str(tree)], SUFFIXES)
    assert names(files) == ["a/deep/y.jsonl.gz", "a/x.jsonl", "b.jsonl"]
    assert [file.size for file in files] == [17, 9, 7]
    assert files[1].open().read() == b"a/x.jsonl"


def test_a_single_file_is_called_by_its_own_name_whatever_its_suffix(tree):
    assert names(expand([str(tree / "a" / "z.txt")], SUFFIXES)) == ["z.txt"]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*.jsonl", ["b.jsonl"]),
        ("*/*.jsonl", ["a/x.jsonl"]),
        ("**/*.jsonl*", ["a/deep/y.jsonl.gz", "a/x.jsonl", "b.jsonl"]),
        ("a/[xz].*", ["x.jsonl", "z.txt"]),
        ("?.jsonl", ["b.jsonl"]),
    ],
)
def test_a_pattern_names_files_from_its_first_wildcard_on(tree, pattern, expected):
    assert names(expand([f"{tree}/{pattern}"], SUFFIXES)) == expected


def test_a_root_of_their_own_keeps_names_apart(tree):
    files = expand([str(tree / "a"), str(tree / "b.jsonl")], SUFFIXES, root=str(tree))
    assert names(files) == ["a/deep/y.jsonl.gz", "a/x.jsonl", "b.jsonl"]


def test_the_same_file_named_twice_is_read_once(tree):
    twice = expand([str(tree), str(tree / "b.jsonl")], SUFFIXES)
    assert names(twice) == names(expand([str(tree)], SUFFIXES))


def test_two_files_with_one_name_are_refused(tree):
    (tree / "c").mkdir()
    (tree / "c" / "x.jsonl").write_text("")
    with pytest.raises(RecipeError, match=r"two files would be called 'x\.jsonl'"):
        expand([str(tree / "a"), str(tree / "c")], SUFFIXES)


def test_an_empty_path_is_not_the_folder_that_happens_to_be_here(tree, monkeypatch):
    monkeypatch.chdir(tree)
    assert names(expand(["."], SUFFIXES)) == ["a/deep/y.jsonl.gz", "a/x.jsonl", "b.jsonl"]
    with pytest.raises(RecipeError, match="a path is empty"):
        expand([""], SUFFIXES)


def test_a_path_that_does_not_exist_names_its_nearest_neighbour(tree):
    with pytest.raises(RecipeError, match=r"did you mean 'b\.jsonl'"):
        expand([str(tree / "bb.jsonl")], SUFFIXES)
    with pytest.raises(RecipeError, match=r"'missing' does not exist"):
        expand([str(tree / "missing" / "further" / "x.jsonl")], SUFFIXES)


@pytest.mark.parametrize("name", ["a/deep", "*.parquet"])
def test_nothing_found_is_an_error_for_each_path(tree, name):
    with pytest.raises(RecipeError, match="no file"):
        expand([str(tree), f"{tree}/{name}"], (".parquet",) if name == "a/deep" else SUFFIXES)


def test_characters_that_an_id_must_not_contain_are_escaped(tmp_path):
    (tmp_path / "a#1.jsonl").write_text("")
    (tmp_path / "new\nline.jsonl").write_text("")
    (tmp_path / os.fsdecode(b"bad\xff.jsonl")).write_text("")
    escaped = ["a%231.jsonl", "bad%FF.jsonl", "new%0Aline.jsonl"]
    assert names(expand([str(tmp_path)], SUFFIXES)) == escaped


def test_pipes_and_sockets_are_never_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe.jsonl")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s.jsonl"))
        (tmp_path / "real.jsonl").write_text("")
        assert names(expand([str(tmp_path)], SUFFIXES)) == ["real.jsonl"]
        with pytest.raises(RecipeError, match="pipe, socket or device"):
            expand([str(tmp_path / "pipe.jsonl")], SUFFIXES)


def test_a_link_to_a_parent_is_entered_once(tree):
    (tree / "a" / "loop").symlink_to(tree, target_is_directory=True)
    assert names(expand([str(tree)], SUFFIXES)) == ["a/deep/y.jsonl.gz", "a/x.jsonl", "b.jsonl"]
    assert names(expand([f"{tree}/**/x.jsonl"], SUFFIXES)) == ["a/x.jsonl"]


def test_a_file_that_may_not_be_looked_at_is_an_error(tree, monkeypatch):
    name = tree / "b.jsonl"
    stat = Path.stat

    def refused(path, **options):
        if path == name:
            raise PermissionError(13, "Permission denied", str(path))
        return stat(path, **options)

    monkeypatch.setattr(Path, "stat", refused)
    with pytest.raises(RecipeError, match="Permission denied"):
        expand([str(tree)], SUFFIXES)


def test_a_folder_that_may_not_be_read_is_an_error(tree, monkeypatch):
    real = os.scandir

    def scandir(path):
        if str(path).endswith("deep"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(RecipeError, match="Permission denied"):
        expand([str(tree)], SUFFIXES)


@pytest.fixture
def memory():
    fs = fsspec.filesystem("memory")
    contents = {"a/x.jsonl": b"1", "b.jsonl": b"22", ".h.jsonl": b"", "c.txt": b""}
    fs.pipe({f"/corpus/{name}": data for name, data in contents.items()})
    yield fs
    fs.rm("/corpus", recursive=True)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("memory://corpus", ["a/x.jsonl", "b.jsonl"]),
        ("memory://corpus/*.jsonl", ["b.jsonl"]),
        ("memory://corpus/**/*.jsonl", ["a/x.jsonl", "b.jsonl"]),
        ("memory://corpus/b.jsonl", ["b.jsonl"]),
    ],
)
def test_addresses_are_expanded_like_paths(memory, path, expected):
    files = expand([path], SUFFIXES)
    assert names(files) == expected
    assert files[-1].open().read() == b"22"


@pytest.mark.parametrize("path", ["memory://corpus/none.jsonl", "memory://nowhere/*.jsonl"])
def test_an_address_that_does_not_exist_is_an_error(memory, path):
    with pytest.raises(RecipeError, match="no "):
        expand([path], SUFFIXES)


def test_an_address_that_does_not_exist_names_its_nearest_neighbour(memory):
    with pytest.raises(RecipeError, match=r"did you mean 'b\.jsonl'"):
        expand(["memory://corpus/bb.jsonl"], SUFFIXES)


def test_secrets_of_an_address_are_in_no_message():
    address = "nosuchprotocol://user:hunter2@host/x.jsonl?X-Amz-Signature=s3cret"
    with pytest.raises(RecipeError) as caught:
        expand([address], SUFFIXES)
    message = str(caught.value)
    assert "nosuchprotocol://host/x.jsonl" in message
    assert "hunter2" not in message and "s3cret" not in message
    assert without_secrets("s3://bucket/a b?versionId=1#f") == "s3://bucket/a b"


def test_the_identity_follows_the_content(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"one")
    before = identity(InputFile(str(path), "a", 3))
    os.utime(path, (1, 1))
    assert identity(InputFile(str(path), "renamed", 3)) == before
    path.write_bytes(b"two")
    assert identity(InputFile(str(path), "a", 3)) != before


def test_the_identity_of_a_large_file_sees_head_tail_and_time(tmp_path):
    path = tmp_path / "large"
    with path.open("wb") as handle:
        handle.truncate(WHOLE + 10)
    file = InputFile(str(path), "large", WHOLE + 10)
    os.utime(path, (1, 1))
    seen = {identity(file)}
    for place in (0, WHOLE + 9):
        with path.open("r+b") as handle:
            handle.seek(place)
            handle.write(b"x")
        os.utime(path, (1, 1))
        seen.add(identity(file))
    os.utime(path, (2, 2))
    seen.add(identity(file))
    assert len(seen) == 4


def test_the_identity_of_a_remote_file_is_its_version_in_the_store(memory):
    file = expand(["memory://corpus/b.jsonl"], SUFFIXES)[0]
    before = identity(file)
    assert identity(file, listed=False) == before
    memory.pipe("/corpus/b.jsonl", b"33")
    assert identity(file) == before
    assert identity(file, listed=False) != before


@pytest.mark.parametrize("pattern", ["**.jsonl", "a**/x.jsonl", "[z-a].jsonl", "a/[[:bad"])
@pytest.mark.parametrize("place", ["{}", "file://{}"])
def test_a_pattern_that_is_none_is_refused_or_matches_nothing(tree, pattern, place):
    with pytest.raises(RecipeError, match=r"no pattern of files|no file matches"):
        expand([f"{place.format(tree)}/{pattern}"], SUFFIXES)


def test_a_pattern_at_an_address_that_is_none_is_refused():
    with pytest.raises(RecipeError, match="can only be an entire path component"):
        expand(["memory://x/**.jsonl"], SUFFIXES)
