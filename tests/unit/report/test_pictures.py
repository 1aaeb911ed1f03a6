"""The pictures: what they show is what was counted, and everybody can read them."""

import json
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate import report
from curate.protocol.bins import bins, lower_edge, place
from curate.protocol.ledger import Ledger
from curate.report import charts
from curate.report.build import build_report
from curate.report.details import details
from curate.report.rows import cell_rows
from curate.report.signals import Histogram
from curate.storage.entries import Manifest
from tests.examples import examples
from tests.unit.report.conftest import render
from tests.unit.report.test_hostile import PAYLOADS

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def built(manifest, timings):
    return build_report(Manifest.from_json(manifest()), timings())


@examples(200)
@given(value=st.floats(-(2.0**61), 2.0**61))
def test_a_value_lies_in_its_bin_and_bins_are_in_order(value):
    bin = int(bins(np.array([value]))[0])
    low, high = lower_edge(bin), lower_edge(bin + 1)
    assert low < high
    # A product with 40 may round up to the edge.
    slack = 1e-15 if abs(value) < 1 else 0
    if value >= 0:
        assert low - slack <= value < high
    else:
        assert low < value + slack <= high + slack * 2
    assert bin - slack * 50 <= place(value) <= bin + 1


def test_infinity_has_a_bin():
    assert bins(np.array([np.inf])).tolist() == bins(np.array([2.0**62])).tolist()


def test_histograms_come_through_the_ledger_and_name_rules_and_limits(built, manifest):
    fields = manifest()["ledger"]
    assert fields["stages"]["judge"]["tally"] == {}
    again = Ledger.from_json(json.loads(json.dumps(fields)))
    assert again.to_json() == fields
    assert again.stage("judge").tally["signal:kaz_Cyrl:n_words:62"] == 2
    (one,) = built.judged
    assert (one.stage, one.profile, one.documents) == ("judge", "kaz_Cyrl", 5)
    (words,) = one.histograms
    assert (words.rules, words.min, words.max) == (("too_few_words",), 3, 100000)
    assert (words.documents, words.undefined, words.dropped) == (4, 1, 1)
    assert [words.quantile(q) for q in (0.05, 0.5, 0.95)] == [2, 7, 96]


def test_bars_beyond_a_limit_are_apart_and_the_limit_is_where_it_is():
    shares = Histogram("dup", ("repeated",), None, 0.25, ((0, 9), (4, 4), (30, 1)), 0, 1)
    picture = charts.histogram_picture(shares)
    assert picture.inside.count("M") == 2
    assert picture.outside.count("M") == 1
    assert picture.limits == ((round(300 * 0.25 / 0.775, 1), 0.25),)
    tops = [float(h) for h in re.findall(r"v-([\d.]+)", picture.inside + picture.outside)]
    assert tops == pytest.approx([78, 78 * 2 / 3, 78 / 3], abs=0.1)  # square roots of 9, 4, 1
    ones = charts.histogram_picture(Histogram("s", (), 0.5, None, ((40, 3),), 0, 0))
    assert (ones.low, ones.high) == (0.5, 1.0)  # a share: nothing is above 1
    words = charts.histogram_picture(Histogram("n", (), 50, 1000, ((48, 1), (92, 5)), 0, 1))
    assert words.outside.count("M") == 1
    assert [x for x, _ in words.limits] == pytest.approx([153, 300], abs=1)  # by octaves


def test_flows_add_up_to_the_documents(built):
    cells = {(flow.source, flow.lang, flow.outcome): flow.documents for flow in built.flows}
    assert cells == {
        ("web", "kaz_Cyrl", "judge"): 1,
        ("web", "kaz_Cyrl", "exact_dedup"): 1,
        ("web", "kaz_Cyrl", "fuzzy_dedup"): 1,
        ("web", "kaz_Cyrl", "in the mixture"): 1,
        ("wiki", "eng_Latn", "over budget"): 1,
    }
    assert sum(cells.values()) == built.run.documents.documents
    first, second = cell_rows(built)
    assert (first.documents, first.dropped, first.over, first.taken.tokens) == (4, 3, 0, 8)
    assert (second.documents, second.dropped, second.over) == (1, 0, 1)
    chart = charts.flow_chart(built.flows, {})
    for column in chart.nodes:
        assert sum(node.amount for node in column) == 5
        ends = [(node.y, node.y + node.height) for node in column]
        assert all(before[1] <= after[0] for before, after in pairwise(ends))
        assert ends[-1][1] <= chart.height


def test_each_unit_has_a_chart_of_its_own(built):
    drawn = charts.flow_charts(built.flows, {})
    assert list(drawn) == ["documents", "bytes", "tokens"]
    for unit, chart in drawn.items():
        whole = sum(getattr(flow, unit) for flow in built.flows)
        assert [sum(node.amount for node in column) for column in chart.nodes] == [whole] * 3
    (taken,) = (flow for flow in built.flows if flow.outcome == "in the mixture")
    assert taken.tokens == 8  # as counted
    rate = 8 / taken.bytes
    judged = next(flow for flow in built.flows if flow.outcome == "judge")
    assert judged.tokens == round(judged.bytes * rate)  # at the rate of its language
    without = [flow._replace(tokens=None) for flow in built.flows]
    assert list(charts.flow_charts(without, {})) == ["documents", "bytes"]


def test_a_column_of_many_names_has_one_for_the_rest():
    flows = [charts.Flow(f"s{n:02}", f"l{n:02}", "judge", 100 - n, 1) for n in range(30)]
    sources, langs, ends = charts.flow_chart(flows, {}).nodes
    assert len(sources) == len(langs) == charts.MOST_NODES
    assert sources[-1].name == "other sources"
    assert sources[-1].amount == sum(100 - n for n in range(7, 30))
    assert [node.name for node in ends] == ["judge"]


def test_a_run_that_did_not_count_what_was_taken_has_no_flow_chart(manifest):
    fields = manifest()
    fields["ledger"]["stages"]["mix"]["tally"] = {}
    page = render(fields, [])["report.html"].decode()
    assert 'id="flow"' not in page
    assert 'id="signals"' in page


def test_pages_say_what_became_of_a_language_and_a_source(built):
    kazakh, english = details(built, "lang")
    assert (kazakh.name, kazakh.anchor, english.anchor) == ("kaz_Cyrl", "language1", "language2")
    assert [rule for rule, _, _ in kazakh.rules] == [
        "exact_dedup:duplicate_text", "fuzzy_dedup:near_duplicate_words", "judge:too_few_words",
    ]  # fmt: skip
    assert kazakh.others == (("web", 4, 1),)
    assert (kazakh.taken.documents, kazakh.taken.tokens) == (1, 8)
    web, _ = details(built, "source")
    assert dict(web.facts) == {
        "format": "warc", "origin": "native", "license": "CC0-1.0", "profile": "not given",
    }  # fmt: skip


def test_the_report_says_in_json_what_the_pictures_show(manifest):
    told = json.loads(render(manifest(), [])["report.json"])
    (signal,) = told["signals"]
    assert signal["bins"] == [[2, 2.25, 1], [7, 7.5, 2], [96, 104, 1]]
    assert told["taken"] == [
        {"source": "web", "lang": "kaz_Cyrl", "documents": 1, "bytes": 40, "tokens": 8}
    ]
    assert sum(flow["documents"] for flow in told["flows"]) == 5
    assert not any("signal" in key for stage in told["stages"] for key in stage["tally"])


class Outline(HTMLParser):
    def __init__(self, page):
        super().__init__()
        self.headings, self.ids, self.faults, self.landmarks = [], [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if "id" in values:
            self.ids.append(values["id"])
        if tag in ("header", "nav", "main", "footer"):
            self.landmarks.append(tag)
        if tag == "html" and values.get("lang") != "en":
            self.faults.append("the page names no language")
        if tag == "th" and "scope" not in values:
            self.faults.append("a header cell without scope")
        if tag == "svg" and not ("aria-label" in values or values.get("aria-hidden") == "true"):
            self.faults.append("a picture without words")
        if tag == "blockquote" and values.get("class") != "faint" and values.get("dir") != "auto":
            self.faults.append("a quote without a direction")
        if values.get("class") == "scroll" and values.get("tabindex") != "0":
            self.faults.append("a table that no keyboard can scroll")


def test_a_screen_reader_finds_its_way(manifest, timings):
    page = Outline(render(manifest(), timings())["report.html"].decode())
    assert page.faults == []
    assert page.landmarks == ["header", "main", "nav", "footer"]
    assert page.headings[0] == 1
    assert page.headings.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(page.headings))
    assert len(set(page.ids)) == len(page.ids)


def test_words_have_contrast_in_the_light_and_in_the_dark():
    style = (Path(report.__file__).parent / "page.css").read_text()
    for block in re.findall(r":root \{(.*?)\}", style, re.S):
        colours = dict(re.findall(r"--(\w+): (#[0-9a-f]{3,6})", block))
        for ink in ("ink", "soft", "bad", "kept"):
            for ground in ("card", "page"):
                assert contrast(colours[ink], colours[ground]) >= 4.5, (ink, ground)


def contrast(one, other):
    """The ratio of WCAG 2."""
    bright, dark = sorted(map(luminance, (one, other)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


def luminance(colour):
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear))


def slides(fields):
    files = report.render(Manifest.from_json(fields), [], slides=True)
    return {name: body.decode() for name, body in files.items() if name.endswith(".svg")}


def test_three_slides_with_few_and_large_words(manifest):
    pictures = slides(manifest())
    assert list(pictures) == ["slide-funnel.svg", "slide-mixture.svg", "slide-rules.svg"]
    for body in pictures.values():
        picture = ET.fromstring(body)
        assert picture.get("viewBox") == "0 0 1600 900"
        assert picture.find(f"{SVG}title").text
        sizes = re.findall(r"font-size: (\d+)px", picture.find(f"{SVG}style").text)
        assert min(map(int, sizes)) >= 34  # 1/26 of the height: read from the back row
        for shape in picture.iter(f"{SVG}rect"):
            edge = float(shape.get("y", 0)) + float(shape.get("height"))
            assert edge <= 900
            assert float(shape.get("x", 0)) + float(shape.get("width")) <= 1600
    funnel = ET.fromstring(pictures["slide-funnel.svg"])
    words = [text.text for text in funnel.iter(f"{SVG}text")]
    assert words[:2] == [
        "40.0 % of the documents were kept",
        "small: documents left, stage by stage",
    ]
    assert words[2:] == [
        "documents read", "5", "after judge", "4", "after exact_dedup", "3",
        "after fuzzy_dedup", "2", "in the mixture", "1",
    ]  # fmt: skip


@pytest.mark.parametrize("payload", PAYLOADS)
def test_no_word_is_markup_in_a_slide(manifest, payload):
    words = dict.fromkeys(("recipe", "rule", "group", "unit"), payload)
    phase = payload.replace("/", "") or "x"
    for body in slides(manifest(**words, phase=phase)).values():
        picture = ET.fromstring(body)
        tags = {element.tag.removeprefix(SVG) for element in picture.iter()}
        assert tags <= {"svg", "title", "desc", "style", "rect", "text"}
        attributes = {name for element in picture.iter() for name in element.attrib}
        assert not {name for name in attributes if name.startswith("on") or "href" in name}


def test_without_slides_there_are_none(manifest):
    assert not [name for name in render(manifest(), []) if name.endswith(".svg")]
