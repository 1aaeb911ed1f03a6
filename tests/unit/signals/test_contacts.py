"""Addresses and numbers in a text, and how small it packs."""

import pyarrow as pa
import pytest

from curate.signals import measure
from curate.text.words import words


def one(text: str, name: str) -> float | None:
    number: float | None = measure(pa.array([text], pa.large_string()), [name])[
        f"signal_{name}"
    ].to_pylist()[0]
    return number


@pytest.mark.parametrize(
    ("text", "chars"),
    [
        ("no address", 0),
        ("see https://a.kz/бет?x=1 now", 20),
        ("HTTP://A.B", 10),
        ('<a href="http://a.b">', 10),
        ("www.a.b and http://", 7),
        ("httpx://a", 0),
        ("日本http://a.jp。", 12),
    ],
)
def test_characters_of_web_addresses(text: str, chars: int) -> None:
    assert one(text, "url_char_share") == chars / len(text)


def test_addresses_and_numbers_per_word() -> None:
    text = "Ann: ann@mail.curate.dev, bob@curate.dev; +7 701 123 45 67"
    n_words = measure(pa.array([text], pa.large_string()), ["email_word_ratio"])
    assert n_words["signal_email_word_ratio"][0].as_py() == 2 / len(words(text))
    assert one(text, "phone_word_ratio") == 1 / len(words(text))
    assert one("", "phone_word_ratio") is None


def test_repetition_packs_smaller() -> None:
    plain = "Жаңа жылда қар қалың жауып, көшелер аппақ болды."
    ratios = [one(text, "compression_ratio") for text in (plain, plain * 20)]
    assert ratios[0] is not None
    assert ratios[1] is not None
    assert ratios[1] < 0.15 < 0.5 < ratios[0]
    assert one("", "compression_ratio") is None
