"""Short forms of campaigns: nothing that they find may be new."""

import random
import sys

import pytest

from tests.faults import samples, stores


@pytest.mark.thorough
@pytest.mark.parametrize("kind", stores.KINDS)
def test_a_damaged_store_is_refused_or_answers_as_before(kind, tmp_path, monkeypatch):
    monkeypatch.setattr(stores, "KINDS", {kind: stores.KINDS[kind]})
    campaign = stores.Campaign(tmp_path)
    for number in range(40):
        campaign.one(kind, random.Random(f"{kind} {number}"), with_run=number % 10 == 0)
    campaign.curate.close()
    assert campaign.failed == []
    assert sum(campaign.counts.values()) == 44


@pytest.mark.thorough
def test_samples_and_caps_of_hostile_input_end_in_one_sentence(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["samples", "--format", "csv"])
    assert samples.main() == 0, capsys.readouterr().out
