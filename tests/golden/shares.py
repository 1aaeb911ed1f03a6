"""What every recipe's test asks: do the shares of the product hold, counted anew from its files?"""

from collections import Counter
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from curate.inspection.verify import verify
from curate.storage.store import open_store


def check_shares(result, asked, group_of, unit="tokens"):
    """Hold a run to ``asked``: the weight of each group in each phase, in order.

    Each group's amount is within 0.1 % of its phase, or one document, of what its share comes to.
    ``group_of`` says of a row of the product (a dictionary) which group it is.
    """
    rows = result.manifest["mixture"]
    got = {phase: {} for phase in asked}
    for row in rows:
        got[row["phase"]][row["group"]] = row
    assert list(got) == list(asked)
    largest = Counter()
    for row in rows:
        # A document that is too large to be taken is an error of its size as well.
        largest[row["group"]] = max(largest[row["group"]], row["largest"])
    for phase, weights in asked.items():
        total = sum(row["amount"] for row in got[phase].values())
        assert total > 0, phase
        for group, row in got[phase].items():
            share = weights.get(group, 0) / sum(weights.values())
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
    """Give every row of the product, without its text but with its length in bytes."""
    out = []
    for path in sorted(Path(result.output, "mixture").rglob("*.parquet")):
        table = pq.read_table(path)
        table = table.append_column("n_bytes", pc.binary_length(table.column("text")))
        wanted = ["id", "source", "origin", "lang", "phase", "n_tokens", "n_bytes"]
        out += table.select([n for n in wanted if n in table.column_names]).to_pylist()
    return out


def dropped(result, source):
    """Count the documents of a source by the rule that dropped them."""
    found = Counter()
    for name, book in result.manifest["ledger"]["files"].items():
        if name.partition("/")[0] == source:
            found.update(book["dropped"])
    return found


def texts(result, source):
    """Give the texts of a source in the product."""
    found = []
    for path in sorted(Path(result.output, "mixture").rglob("*.parquet")):
        table = pq.read_table(path, columns=["source", "text"])
        found += table.filter(pc.equal(table.column("source"), source)).column("text").to_pylist()
    return found
