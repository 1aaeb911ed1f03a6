"""Check the shares of every recipe's product, counted again from its files."""

from collections import Counter
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from curate.inspection.verify import verify
from curate.storage.store import open_store


def check_shares(result, weights, group_of, unit="tokens"):
    """Check a run against ``weights``: the weight of each group in each phase, in order.

    Each group's amount is within 0.1 % of its phase, or one document, of its share.
    ``group_of`` returns the group of a row of the product (a dictionary).
    """
    rows = result.manifest["mixture"]
    rows_of = {phase: {} for phase in weights}
    for row in rows:
        rows_of[row["phase"]][row["group"]] = row
    assert list(rows_of) == list(weights)
    largest = Counter()
    for row in rows:
        # A document that is too large to be taken is an error of its size too.
        largest[row["group"]] = max(largest[row["group"]], row["largest"])
    for phase, groups in weights.items():
        total = sum(row["amount"] for row in rows_of[phase].values())
        assert total > 0, phase
        # The scarcest group gives all that it has, and sets what the others' shares come to: with
        # few documents the sum of all groups is further off than any of them.
        for group, row in rows_of[phase].items():
            if row["scarcest"] and groups.get(group):
                total = row["amount"] * sum(groups.values()) / groups[group]
        for group, row in rows_of[phase].items():
            share = groups.get(group, 0) / sum(groups.values())
            assert row["asked_share"] == pytest.approx(share), (phase, group)
            error = abs(row["amount"] - share * total)
            assert error <= max(0.001 * total, largest[group]), row
    counted = Counter()
    for row in product(result):
        amount = row["n_tokens"] if unit == "tokens" else row["n_bytes"]
        counted[row["phase"], group_of(row)] += amount
    assert +counted == +Counter({(r["phase"], r["group"]): r["amount"] for r in rows})
    assert verify(open_store(result.output)) == []


def product(result):
    """Return every row of the product, without its text but with its length in bytes."""
    out = []
    for path in sorted(Path(result.output, "mixture").rglob("*.parquet")):
        table = pq.read_table(path)
        table = table.append_column("n_bytes", pc.binary_length(table.column("text")))
        columns = ["id", "source", "origin", "lang", "phase", "n_tokens", "n_bytes"]
        out += table.select([n for n in columns if n in table.column_names]).to_pylist()
    return out


def dropped(result, source):
    """Count the documents of a source by the rule that dropped them."""
    counts = Counter()
    for name, file in result.manifest["ledger"]["files"].items():
        if name.partition("/")[0] == source:
            counts.update(file["dropped"])
    return counts


def texts(result, source):
    """Return the texts of a source in the product."""
    texts = []
    for path in sorted(Path(result.output, "mixture").rglob("*.parquet")):
        table = pq.read_table(path, columns=["source", "text"])
        texts += table.filter(pc.equal(table.column("source"), source)).column("text").to_pylist()
    return texts
