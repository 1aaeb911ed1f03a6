import json
from collections import Counter

import pytest

from curate import schema
from curate.errors import InternalError
from curate.protocol.ledger import Ledger


def table(*rows):
    return schema.documents(
        {"id": i, "source": "web", "text": t, "dropped_by": d, "dropped_value": None}
        for i, t, d in rows
    )


def books():
    ledger = Ledger()
    given = table(
        ("web/a.warc#0", "one", None), ("web/a.warc#9", "zwölf", None), ("web/b.warc#0", "x", None)
    )
    ledger.count_input("repair", given)
    ledger.count_dropped(table(("web/a.warc#9", "zwölf", "repair:empty_text")))
    left = table(("web/a.warc#0", "one", None), ("web/b.warc#0", "x", None))
    ledger.count_input("judge", left)
    ledger.count_curated(left)
    for name, records in (("web/a.warc", 3), ("web/b.warc", 1)):
        ledger.file(name).records = records
    ledger.file("web/a.warc").documents = 2
    ledger.file("web/a.warc").skipped = Counter({"redirect": 1})
    ledger.file("web/a.warc").noted = Counter({"sentences_cut": 2})
    ledger.file("web/b.warc").documents = 1
    ledger.stage("repair").tally["fix:nfc"] = 1
    return ledger


def test_bytes_and_documents_are_counted_per_source_and_rule():
    ledger = books()
    assert ledger.stage("repair").input == {("web", ""): (3, 10)}
    assert ledger.stage("repair").dropped == {("web", "", "empty_text"): (1, 6)}
    assert ledger.file("web/a.warc").dropped == {"repair:empty_text": 1}
    ledger.check(["repair", "judge"])


def test_a_ledger_survives_json_and_adds_up():
    ledger = books()
    again = Ledger.from_json(json.loads(json.dumps(ledger.to_json())))
    assert again.to_json() == ledger.to_json()
    again.merge(ledger)
    assert again.file("web/a.warc").records == 6
    assert again.file("web/a.warc").noted == {"sentences_cut": 4}
    assert again.stage("repair").input == {("web", ""): (6, 20)}
    again.check(["repair", "judge"])


@pytest.mark.parametrize(
    ("break_it", "says"),
    [
        (lambda b: setattr(b.file("web/a.warc"), "records", 4), "4 records read, but 3"),
        (
            lambda b: b.file("web/b.warc").dropped.update({"x:y": 1}),
            "1 documents, but 1 dropped and 1 curated",
        ),
        (lambda b: b.stage("judge").input.clear(), "stage 'judge' got 0 documents of the 2"),
    ],
)
def test_a_lost_document_is_an_error(break_it, says):
    ledger = books()
    break_it(ledger)
    with pytest.raises(InternalError, match=says):
        ledger.check(["repair", "judge"])
