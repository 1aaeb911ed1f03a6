"""An address has one form, however it is spelled; other pages have other forms."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.rights.addresses import host_and_parents, host_of, normal_address, normal_host
from tests.examples import examples


@pytest.mark.parametrize(
    ("spelling", "host"),
    [
        ("https://Example.KZ/a", "example.kz"),
        ("http://ann:pw@example.kz:8080/a", "example.kz"),
        ("//example.kz./a", "example.kz"),
        ("example.kz", "example.kz"),
        ("https://ex%61mple.kz/", "example.kz"),
        ("https:\\\\example.kz\\@other.example/", "example.kz"),
        ("https://example\u3002kz/", "example.kz"),
        ("https://ｅｘａｍｐｌｅ.kz/", "example.kz"),
        ("https://exam\u00adple.kz/", "example.kz"),
        ("https://БӘРІ.қаз/", normal_host("бәрі.қаз")),
        ("https://xn--fa-hia.de", normal_host("FAß.de")),
        ("  https://exam\nple.kz/ ", "example.kz"),
        ("https://[2001:db8::1]:443/", "2001:db8::1"),
        ("https://[bad", ""),
        ("https://example.kz:port/", ""),
        ("/path", ""),
        ("", ""),
    ],
)
def test_host(spelling, host):
    assert host_of(spelling) == host


def test_labels_of_other_scripts_are_those_that_browsers_ask_for():
    # RFC 3492, 7.1 (A) and (E), and a name whose joiner IDNA 2008 keeps.
    assert normal_host("ليهمابتكلموشعربي؟") == "xn--egbpdaj6bu4bxfgehfvwxn"
    assert normal_host("למההםפשוטלאמדבריםעברית") == "xn--4dbcagdahymbxekheh6e0a7fei0b"
    assert normal_host("نامه\u200cای.com") == "xn--mgba3gch31f060k.com"


ALIKE = [
    "http://example.kz/%D2%9B?q=a~b",
    "https://EXAMPLE.kz:443/%d2%9b?q=a%7Eb#part",
    "example.kz/қ?q=a~b",
    "https://ann@example.kz./қ?q=a%7eb",
]


def test_spellings_of_a_page_are_one():
    assert {normal_address(url) for url in ALIKE} == {"example.kz/%D2%9B?q=a~b"}


@pytest.mark.parametrize(
    "other",
    ["example.kz/a/", "example.kz/A", "www.example.kz/a", "example.kz:8080/a", "example.kz/a?b",
     "example.kz/%2Fa", "example.com/a"],
)  # fmt: skip
def test_other_pages_stay_apart(other):
    assert normal_address(other) != normal_address("example.kz/a")


@examples(200)
@given(st.text(max_size=40), st.sampled_from(["", "https://", "//", "http://a.example/"]))
def test_a_form_is_its_own_form(text, before):
    form = normal_address(before + text)
    assert normal_address(form) == form
    assert not form or host_of(form) == host_of(before + text)


def test_parents_end_at_labels():
    assert host_and_parents("news.example.kz") == ["news.example.kz", "example.kz", "kz"]


def test_a_label_or_a_name_that_is_too_long_costs_its_length_only():
    # Punycode of the first took minutes, the parents of the second 2 TB.
    label = "".join(chr(0x4E00 + n % 20_000) for n in range(1_000_000))
    assert normal_host(label + ".kz").startswith("%E4%B8%80%E4%B8%81")
    name = "a." * 1_000_000 + "kz"
    found = host_and_parents(name)
    assert (found[0], found[-2:], len(found)) == (name, ["a.kz", "kz"], 128)
