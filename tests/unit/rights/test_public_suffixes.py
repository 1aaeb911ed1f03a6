"""Registered domains by the Public Suffix List, beside another reader of the same file."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tld import get_fld

from curate.rights.addresses import host_of
from curate.rights.public_suffixes import digest_of_suffixes, public_suffixes
from tests.examples import examples


@pytest.mark.parametrize(
    ("address", "registered"),
    [
        ("https://news.bbc.co.uk/a", "bbc.co.uk"),
        ("https://NEWS.bbc.co.uk.:8443/", "bbc.co.uk"),
        ("https://www.gov.uk", "www.gov.uk"),
        ("https://a.b.kobe.jp", "a.b.kobe.jp"),
        ("https://www.city.kobe.jp", "city.kobe.jp"),
        ("https://b.www.ck", "www.ck"),
        ("https://x.ann.github.io", "ann.github.io"),
        ("https://github.io", "github.io"),
        ("https://co.uk", "co.uk"),
        ("https://a.b.no-such-suffix", "b.no-such-suffix"),
        ("http://192.168.1.20:80/", "192.168.1.20"),
        ("http://[2001:db8::1]/", "2001:db8::1"),
        ("http://localhost/", "localhost"),
        ("https://сайт.қазақ.қаз", "xn--80aau21bd.xn--80ao21a"),
        ("https://a.xn--80aau21bd.xn--80ao21a", "xn--80aau21bd.xn--80ao21a"),
        ("https://a.食狮.公司.cn", "xn--85x722f.xn--55qx5d.cn"),
        ("https://" + "a." * 100 + "co.uk", "a.co.uk"),
    ],
)
def test_registered_domains(address, registered):
    assert public_suffixes(private=True).registered(host_of(address)) == registered


def test_users_of_a_private_suffix_count_together_where_it_is_none():
    registered = public_suffixes(private=False).registered
    assert registered("ann.github.io") == registered("bob.github.io") == "github.io"
    assert registered("news.bbc.co.uk") == "bbc.co.uk"
    assert len(digest_of_suffixes()) == 32


LABELS = st.sampled_from(
    ["a", "www", "city", "kobe", "ck", "uk", "co", "com", "jp", "io", "github"]
)


@examples(300)
@given(st.lists(LABELS, min_size=1, max_size=6), st.booleans())
def test_the_same_domains_as_the_package_finds(labels, private):
    host = ".".join(labels)
    expected = get_fld(f"http://{host}", fail_silently=True, search_private=private)
    if expected is not None:  # none for a suffix itself, or under an unknown one
        assert public_suffixes(private=private).registered(host) == expected
