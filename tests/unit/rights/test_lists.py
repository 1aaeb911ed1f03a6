"""Lists of addresses: what matches, what a file may hold, and that both agree with plain sets."""

import gzip
import lzma

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.errors import RecipeError
from curate.rights import lists
from curate.rights.lists import Looked, contains, digest_of_list, entries_of, keys_of, read_list
from tests.examples import examples


def matching(kind, entries, *urls):
    return Looked(urls).matching(entries_of(kind, entries)).tolist()


def test_a_domain_takes_the_hosts_below_it_and_no_other():
    urls = (
        "https://example.kz/a",
        "https://a.b.example.kz:8080/",
        "https://notexample.kz/",
        "https://example.kz.other.example/",
        "https://kz/",
        None,
    )
    assert matching("domain", ["Example.KZ"], *urls) == [True, True, False, False, False, False]
    assert matching("host", ["Example.KZ"], *urls) == [True, False, False, False, False, False]
    # No list takes out a whole top-level domain.
    assert matching("domain", ["kz"], *urls) == [False, False, False, False, True, False]


def test_words_stand_alone_and_parts_anywhere():
    urls = (
        "https://a.example/Big-CASINO/1",
        "https://casinos.example/",
        "https://a.example/ca-si-no",
    )
    assert matching("word", ["casino"], *urls) == [True, False, False]
    assert matching("part", ["casino"], *urls) == [True, True, True]
    assert matching(
        "word", ["казино"], "https://a.example/%D0%9A%D0%B0%D0%B7%D0%B8%D0%BD%D0%BE"
    ) == [True]


def test_pages_and_ids():
    assert matching("url", ["http://a.example/x#y"], "https://A.example/x", "a.example/x/") == [
        True,
        False,
    ]
    ids = pa.array(["web/a#0", "web/a#1"])
    assert Looked([None, None], ids).matching(entries_of("id", ["web/a#1"])).tolist() == [
        False,
        True,
    ]


@pytest.mark.parametrize(
    "line",
    ["example.kz", "EXAMPLE.KZ.", "*.example.kz", "||example.kz^", "0.0.0.0 example.kz",
     "https://example.kz/", "  example.kz\t"],
)  # fmt: skip
def test_spellings_of_lists(line):
    assert matching("domain", [line], "https://www.example.kz/") == [True]


@pytest.mark.parametrize("line", ["example.kz/page", "two words", "a@b c", "https://", "<b>"])
def test_what_is_no_domain_is_counted(line):
    entries = entries_of("domain", ["a.example", line])
    assert (len(entries), entries.unusable, entries.example) == (1, 1, line)


@pytest.mark.parametrize("suffix", ["", ".gz", ".xz", ".zst"])
def test_a_file_is_read_in_blocks(suffix, tmp_path, monkeypatch):
    monkeypatch.setattr(lists, "_BLOCK", 64)
    names = [f"site-{number}.example" for number in range(500)]
    body = ("# a remark\n\n" + "\r\n".join(names)).encode()
    if suffix == ".zst":
        import zstandard

        packed = zstandard.compress(body)
    else:
        packed = {"": bytes, ".gz": gzip.compress, ".xz": lzma.compress}[suffix](body)
    path = tmp_path / f"list.txt{suffix}"
    path.write_bytes(packed)
    entries = read_list("domain", str(path), digest_of_list("domain", str(path)))
    assert entries.keys.tolist() == sorted(keys_of(names).tolist())


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (gzip.compress(b"a.example\n" * 99)[:-9], "cannot read"),
        (gzip.compress(b"\xff\xfe"), "utf-8"),
        (b"no gzip", "cannot read"),
    ],
)
def test_a_damaged_file_is_refused(body, says, tmp_path):
    path = tmp_path / "list.gz"
    path.write_bytes(body)
    with pytest.raises(RecipeError, match=says):
        read_list("domain", str(path), "")


def test_a_missing_list_is_named(tmp_path):
    with pytest.raises(RecipeError, match="No such file"):
        digest_of_list("domain", str(tmp_path / "none"))
    with pytest.raises(RecipeError, match="datatrove has no list of hosts"):
        digest_of_list("host", "datatrove")


def test_the_list_of_datatrove_is_whole():
    for kind, some in (("url", 19_000), ("word", 200), ("part", 130)):
        entries = read_list(kind, "datatrove", digest_of_list(kind, "datatrove"))
        assert len(entries) > some
        assert not entries.unusable


@pytest.mark.thorough
def test_the_domains_of_datatrove_are_found():
    entries = read_list("domain", "datatrove", digest_of_list("domain", "datatrove"))
    assert len(entries) > 4_500_000
    assert not entries.unusable
    urls = ["https://www.0-1sex.com/", "https://en.wikipedia.org/", "https://stat.gov.kz/"]
    assert Looked(urls).matching(entries).tolist() == [True, False, False]


LABELS = st.sampled_from(["a", "b", "ab", "kz", "қаз"])
HOSTS = st.lists(LABELS, min_size=1, max_size=4).map(".".join)


@examples(200)
@given(st.lists(HOSTS, max_size=6), st.lists(HOSTS, max_size=6))
def test_domains_agree_with_plain_strings(listed, hosts):
    def hit(host):
        return any(host == one or ("." in one and host.endswith("." + one)) for one in listed)

    assert matching("domain", listed, *hosts) == [hit(host) for host in hosts]


@examples(100)
@given(st.lists(st.integers(0, 50)), st.lists(st.integers(0, 50)))
def test_lookup_agrees_with_sets(known, asked):
    keys = lists.united([np.array(known, np.uint64)])
    assert keys.tolist() == sorted(set(known))
    assert contains(keys, np.array(asked, np.uint64)).tolist() == [one in known for one in asked]
