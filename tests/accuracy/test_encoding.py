"""Floors of legacy files that decode to the right text, and of mojibake that is repaired."""

import ftfy
import pyarrow as pa

from curate.sources.decoding import decode
from curate.text.repair import repair
from tests.accuracy.encoding_gold import charset_files, mojibake_cases, plain
from tests.unit.text.test_repair import OPTIONS


def test_legacy_files_decode_to_the_right_text(shared_data):
    files = list(charset_files(shared_data))
    wrong = []
    for label, data, texts in files:
        decoded = decode(data)
        if decoded is None or plain(decoded.text) not in texts:
            wrong.append(label)
    assert len(files) == 253
    # A page of NULs alone, Korean in Johab, and three texts of a line or two.
    assert len(wrong) <= 4, sorted(wrong)


def test_mojibake_is_repaired_where_ftfy_repairs_it(shared_data):
    cases = list(mojibake_cases(shared_data))
    assert len(cases) == 81
    damaged = [damaged for _, damaged, _ in cases]
    repaired = repair(pa.array(damaged, pa.large_string()))[0].to_pylist()
    worse = [
        label
        for (label, text, right), ours in zip(cases, repaired, strict=True)
        if ftfy.fix_text(text, OPTIONS).strip() == right.strip() and ours.strip() != right.strip()
    ]
    assert not worse
