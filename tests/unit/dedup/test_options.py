"""The options of fuzzy dedup have one owner: every place that repeats them has its defaults."""

from __future__ import annotations

import dataclasses
import inspect

import pytest

import curate
from curate.cli import dedup_command
from curate.dedup import find_duplicates
from curate.dedup.options import NearDuplicates
from curate.stages.fuzzy_dedup import FuzzyDedup

CALLS = [find_duplicates, curate.deduplicate, dedup_command.command, FuzzyDedup]
DEFAULTS = {field.name: field.default for field in dataclasses.fields(NearDuplicates)}


@pytest.mark.parametrize("call", CALLS)
def test_defaults_are_those_of_the_options(call):
    parameters = inspect.signature(call).parameters
    repeated = {name: parameters[name].default for name in DEFAULTS if name in parameters}
    assert len(repeated) >= 9
    for name, default in repeated.items():
        if name == "fold" and isinstance(default, str):
            default = tuple(default.split(","))
        assert (default or None) == (DEFAULTS[name] or None), name
