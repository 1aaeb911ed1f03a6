import json
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.text import pii

CASES = json.loads((Path(__file__).parent / "cases" / "pii.json").read_text(encoding="utf-8"))
EVERY = pytest.mark.parametrize("kind", pii.KINDS)
PIECES = st.lists(
    st.sampled_from(
        ["@", ".", " ", "-", "+", ":", "::", "a", "b@c.kz", "7", "701", "1234567", "(727)", "8", "81.169.145.72",
         "2a02:6b8::2:242", "KZ86125KZT5004100100", "DE89 3704 0044 0532 0130 00", "mail", "я", "٣", "%", "\u00a0",
         "+7 701 123 45 67", "8 (727) 250-11-22", "(415) 867-5309", "\n", "900101300017", "112-233-445 95", "500100732259", "10000000146", "900101-1234567",
         "個人番号", "1234 5678 9018", "11010519491231002X", "هوية", "1000000008", "784-1990-1234567-6", "29001011234567", "219-09-9998", *pii.IBAN.split(), pii.PHONE, pii.EMAIL, pii.IPV4]
    ),
    max_size=10,
).map("".join)  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['kind']}: {case['label']}")
def test_case(case):
    text, count = pii.mask(case["input"], case["kind"])
    assert text == case["expected"]
    assert (count > 0) == (case["input"] != case["expected"])


@EVERY
@settings(max_examples=300, deadline=None)
@given(text=st.one_of(PIECES, st.text(max_size=40)))
def test_twice_is_once_and_the_hint_sees_every_find(kind, text):
    once, count = pii.mask(text, kind)
    assert pii.mask(once, kind) == (once, 0)
    assert (once == text) == (count == 0)
    if count:
        assert pc.match_substring_regex(pa.array([text], pa.large_string()), pii.HINTS[kind])[
            0
        ].as_py()


@EVERY
def test_no_mask_takes_another_for_its_own(kind):
    numbers = " ".join(number.replacement for number in pii.NATIONAL_IDS.values())
    text = f"{pii.EMAIL} {pii.IPV4} {pii.IPV6} {pii.PHONE} {pii.IBAN} {numbers}"
    assert pii.mask(text, kind) == (text, 0)


def test_counts_occurrences():
    assert pii.mask("a@b.cc d@e.ff g@h.ii", "email")[1] == 3
    assert pii.mask("81.169.145.72 2a02:6b8::2:242 10.0.0.200", "public_ip")[1] == 2
    assert pii.mask("DE89370400440532013000, DE89370400440532013000", "iban")[1] == 2


def test_local_part_of_more_than_64_characters_is_no_address():
    assert pii.mask("a" * 64 + "@b.cc", "email")[1] == 1
    assert pii.mask("a" * 65 + "@b.cc", "email")[1] == 0


def test_iban_registry_has_each_country_once():
    assert len(pii._IBAN_LENGTH) == len(pii._IBAN_REGISTRY.split()) == 78
    assert pii._IBAN_LENGTH["KZ"] == 20 and pii._IBAN_LENGTH["MT"] == 31
