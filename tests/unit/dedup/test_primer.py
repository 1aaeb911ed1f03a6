"""The tables that PRIMER.md prints are those of the code."""

import doctest
import re
from pathlib import Path

import curate.dedup

PRIMER = Path(curate.dedup.__file__).with_name("PRIMER.md")


def test_the_example_prints_the_tables_of_the_primer():
    text = re.sub(r"^```.*$", "", PRIMER.read_text(), flags=re.MULTILINE)
    test = doctest.DocTestParser().get_doctest(text, {}, "PRIMER.md", str(PRIMER), 0)
    assert len(test.examples) == 11
    assert doctest.DocTestRunner().run(test).failed == 0
