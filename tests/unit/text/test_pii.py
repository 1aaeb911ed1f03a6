import json
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from curate.text import email_addresses, pii
from tests.examples import examples

CASES = json.loads((Path(__file__).parent / "cases" / "pii.json").read_text(encoding="utf-8"))
EVERY = pytest.mark.parametrize("kind", pii.KINDS)
PIECES = st.lists(
    st.sampled_from(
        ["@", ".", ".com", "=", '"', "谢谢", "почта.рф", "例子.中国", "://", "/", "2x.zip",
         " ", "-", "+", ":", "::", "a", "b@c.kz", "7", "701", "1234567", "(727)", "8",
         "81.169.145.72",
         "2a02:6b8::2:242", "KZ86125KZT5004100100", "DE89 3704 0044 0532 0130 00", "mail", "я", "٣",
         "%", "\u00a0", "\u2011", "\u2013", "_", "{a,b}", "}", ".It",
         "+7 701 123 45 67", "8 (727) 250-11-22", "(415) 867-5309", "\n", "900101300017",
         "112-233-445 95", "500100732259", "10000000146", "900101-1234567",
         "個人番号", "1234 5678 9018", "11010519491231002X", "هوية", "1000000008",
         "784-1990-1234567-6", "29001011234567", "219-09-9998", *pii.IBAN.split(), pii.PHONE,
         pii.EMAIL, pii.IPV4]
    ),
    max_size=10,
).map("".join)  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['kind']}: {case['label']}")
def test_case(case):
    text, masks = pii.mask(case["input"], case["kind"])
    assert text == case["expected"]
    assert bool(masks) == (case["input"] != case["expected"])


@EVERY
@examples(300)
@given(text=st.one_of(PIECES, st.text(max_size=40)))
def test_twice_is_once_and_the_hint_sees_every_find(kind, text):
    once, masks = pii.mask(text, kind)
    assert pii.mask(once, kind) == (once, [])
    assert (once == text) == (not masks)
    places = pii.KINDS[kind](text)
    assert [once[mask.start : mask.end] for mask in masks] == [place.mask for place in places]
    assert all(one.end <= other.start for one, other in pairwise(places))
    if masks:
        assert pc.match_substring_regex(pa.array([text], pa.large_string()), pii.HINTS[kind])[
            0
        ].as_py()


@examples(300)
@given(
    texts=st.lists(
        st.tuples(
            st.integers(0, 70).map("x".__mul__),
            st.one_of(PIECES, st.text("0123456789.:- aF@+(", max_size=40)),
            st.integers(0, 70).map("ә".__mul__),
        ).map("".join),
        max_size=8,
    )
)
@example(texts=["x" * 60 + "219-09-9998", "784-1990-1234567-6", "112-233-445 95", "1234 5678 9018"])
@example(texts=["81.169.145.72", "x" * 30 + "2a02:6b8::2:242", "ann@curate.dev", "8 (727) 250"])
def test_the_scan_misses_no_text_that_a_hint_matches(texts):
    column = pa.array([*texts, None], pa.large_string())
    found = pii.hinted(column, list(pii.KINDS))
    for kind, hint in pii.HINTS.items():
        matched = [bool(m) for m in pc.match_substring_regex(column, hint).to_pylist()]
        assert found[kind].tolist() == [row for row, match in enumerate(matched) if match]


@EVERY
def test_no_mask_takes_another_for_its_own(kind):
    numbers = " ".join(number.replacement for number in pii.NATIONAL_IDS.values())
    text = f"{pii.EMAIL} {pii.IPV4} {pii.IPV6} {pii.PHONE} {pii.IBAN} {numbers}"
    assert pii.mask(text, kind) == (text, [])


def test_tells_each_occurrence_where_its_mask_stands():
    def spans(text, kind):
        return [mask[:2] for mask in pii.mask(text, kind)[1]]

    assert spans("a@b.cc d@e.fr", "email") == [(0, 17), (18, 35)]
    assert spans("81.169.145.72 2a02:6b8::2:242 10.0.0.200", "public_ip") == [(0, 9), (10, 21)]
    assert spans("DE89370400440532013000, DE89370400440532013000", "iban") == [(0, 24), (26, 50)]


@examples(300)
@given(text=PIECES, kinds=st.permutations(list(pii.KINDS)))
def test_masks_of_many_kinds_move_along(text, kinds):
    standing = {kind: set() for kind in kinds}
    masks = []
    for kind in kinds:
        standing[kind] = {place.mask for place in pii.KINDS[kind](text)}
        text, masks = pii.mask(text, kind, masks)
        assert masks == sorted(masks)
        assert all(one.end <= other.start for one, other in pairwise(masks))
        assert all(text[mask.start : mask.end] in standing[mask.kind] for mask in masks)


def test_a_mask_that_is_masked_itself_gives_way():
    masks = [pii.Mask(3, 9, "phone"), pii.Mask(10, 12, "iban")]
    text, masks = pii.mask("an a@b.cc ok a@b.cc", "email", masks)
    assert text == "an email@example.com ok email@example.com"
    assert masks == [(3, 20, "email"), (21, 23, "iban"), (24, 41, "email")]


def test_an_ipv4_address_at_the_end_of_an_ipv6_one_is_masked_once():
    text, masks = pii.mask("2a02:6b8::81.169.145.72", "public_ip")
    assert (text, masks) == ("2a02:6b8::192.0.2.1", [(10, 19, "public_ip")])


def test_local_part_of_more_than_64_characters_is_no_address():
    assert len(pii.mask("a" * 64 + "@b.cc", "email")[1]) == 1
    assert pii.mask("a" * 65 + "@b.cc", "email")[1] == []


def test_top_level_domains_are_those_of_iana_in_both_forms():
    names = email_addresses._top_level_domains()
    assert len(names) == 1437 + 151  # the internationalized ones twice
    assert {"com", "kz", "museum", "xn--p1ai", "рф", "қаз", "中国", "भारत"} <= names
    assert names.isdisjoint({"png", "local", "localhost", "py3", "example", "test"})


def test_work_on_hostile_text_is_linear():
    hostiles = (
        *("a@" * 50_000, "a." * 50_000 + "@b.com", '"' * 50_000 + "@b.com", "@" + "a." * 50_000),
        *("a=" * 50_000 + "+@b.com", "a@b.com" * 10_000, "://" + "a:" * 50_000 + "@b.com"),
    )
    for hostile in hostiles:
        assert pii.mask(pii.mask(hostile, "email")[0], "email")[1] == []


def test_iban_registry_has_each_country_once():
    assert len(pii._IBAN_LENGTH) == len(pii._IBAN_REGISTRY.split()) == 78
    assert pii._IBAN_LENGTH["KZ"] == 20 and pii._IBAN_LENGTH["MT"] == 31
