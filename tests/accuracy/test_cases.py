"""Small inputs beside the shared data that once came out wrong, each with its right value.

The tests of each room hold texts of our own of the same kinds; here the files themselves are run,
where they are at hand. What a cluster answers is in ``tests/unit/cli/test_ray_address.py``.
"""

import json
import os
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from curate import api
from curate.errors import RecipeError
from curate.recipe.profile import load_profile
from curate.sources.base import Damage, Document, InputFile, Piece, Skip
from curate.sources.jsonl import Jsonl
from curate.sources.parquet import Parquet
from curate.sources.plain_text import PlainText
from curate.sources.web.warc import Warc
from curate.sources.wiki.wikipedia import Wikipedia
from curate.text.repair import repair
from curate.text.standardize import standardize
from tests.unit.cli.commands import curate
from tests.unit.sources.records import one_by_one

CASES = Path(os.environ.get("CURATE_SHARED_DATA", "none")) / ".." / "cases"

pytestmark = [
    pytest.mark.real_data,
    pytest.mark.skipif(not CASES.is_dir(), reason="needs $CURATE_SHARED_DATA/../cases"),
]

SOURCES = {
    ".warc": Warc(), ".gz": Warc(), ".xml": Wikipedia(), ".jsonl": Jsonl(), ".zst": Jsonl(),
    ".parquet": Parquet(), ".txt": PlainText(),
}  # fmt: skip


def records(case):
    (path,) = (CASES / "ingest" / case).glob("input.*")
    file = InputFile(str(path), path.name, path.stat().st_size)
    return list(one_by_one(SOURCES[path.suffix].read(file, Piece(0, file.size))))


def texts(case):
    return [record.text for record in records(case) if isinstance(record, Document)]


FERRY, NOON = "The ferry left the old harbour before sunrise", "By noon the fog had lifted"
LIST = [
    "• a filled form with a photo;",
    "• a copy of the passport;",
    "• a receipt of the state fee.",
]


@pytest.mark.parametrize(
    ("case", "lines"),
    [
        *((case, [FERRY, "", NOON]) for case in (
            "01-content-type-without-semicolon", "02-untyped-page-that-begins-with-a-comment",
            "05-interim-response-100", "07-html-under-text-plain",
            "14-whole-article-lost-by-a-class-name",
        )),
        ("10-kazakh-code-page-without-a-label", ["Балықшылар таң ата"]),
        ("11-stale-chunked-header-on-text", ["1984", FERRY, "It came back"]),
        ("13-list-near-the-body-is-dropped", [
            "Documents for a licence", "", "The applicant brings", "", *LIST, "", "The answer",
        ]),
        ("16-ruby-readings-inside-words", [
            "その言葉が表示された瞬間、彼は静かに笑った。漁師たちは朝早く網を引き上げ、",
        ]),
        ("17-formula-twice", ["The energy is E=mc^2 for a body at rest.", "", FERRY, "", NOON]),
        ("41-single-characters-between-tags-vanish", [
            "2024年5月3日に、東京、大阪と京都の三つの町で祭りがあった。",
        ]),
        ("44-list-of-sentences-with-links", [
            "News of the quay", "", "Good morning", "", "• A court", "• Fishermen", "• The price",
            "", "More tomorrow.",
        ]),
    ],
    ids=lambda value: value[:2] if isinstance(value, str) else "",
)  # fmt: skip
def test_one_text_with_these_lines(case, lines):
    (text,) = texts(case)
    found = text.split("\n")
    assert len(found) == len(lines)
    assert all(line.startswith(begin) and bool(line) == bool(begin)
               for line, begin in zip(found, lines, strict=True))  # fmt: skip


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        ("19-apostrophe-beside-italics", [
            "La pièce L'Aiglon fut jouée; le nom vient d'Arvernus et de l'Énéide.",
            "The Eagle's upper stage and the Britannica's article.",
        ]),
        ("20-templates-that-hold-words-of-a-sentence", [
            "Almaty (formerly Верный) is 682 km2 in area, with 2000000 people."
            " It was the capital until 1997.",
            "The Nade League (なで) is a semi-professional league.",
        ]),
        ("22-language-variants-with-a-list-of-codes", ["软件是简体写的，计算机很快。"]),
        ("23-byte-order-mark-inside-a-file", [
            "The ferry left.", "It came back.", "Қала таңы.", "Кеме келді.",
        ]),
        ("25-zstd-with-a-long-window", ["The ferry left.", "It came back."] * 50),
        ("26-parquet-with-an-extension-column-beside-the-text", ["a", "b"]),
        ("43-category-links-under-another-name", ["软件是计算机的程序。", "Алматы — қала."]),
    ],
    ids=lambda value: value[:2] if isinstance(value, str) else "",
)  # fmt: skip
def test_these_texts(case, expected):
    assert texts(case) == expected


def test_stray_bytes_and_types():
    found = records("04-odd-bytes-after-a-good-record")
    assert [r.url for r in found if isinstance(r, Document)] == [
        f"http://a.example/{number}" for number in range(3)
    ]
    assert {r.reason for r in found if isinstance(r, Damage)} == {"stray_bytes"}
    assert records("08-pdf-under-text-html") == [Skip("not_html:pdf")]


@pytest.mark.parametrize(
    ("case", "languages", "expected"),
    [
        ("28", ["pes_Arab"], None),
        ("29", ["deu_Latn"], [
            "Die Politik der Donaudampfschifffahrt und die Immobilien am alten Hafen.",
        ]),
        ("31", ["pes_Arab", "urd_Arab"], ["منصة پارسی واحدة و سلام دوستان", "منصة پاکستان ہے"]),
        ("32", ["tha_Thai"], ["สีดำ น้ำ คำว่า"]),
    ],
)  # fmt: skip
def test_standardized(case, languages, expected):
    (path,) = (CASES / "ingest").glob(f"{case}-*")
    before, _ = repair(pa.array(texts(path.name), pa.large_string()))
    sections = [load_profile(lang).standardize for lang in languages]
    done = [standardize(before[n : n + 1], one)[0][0].as_py() for n, one in enumerate(sections)]
    assert [" ".join(text.split()) for text in done] == (expected or before.to_pylist())


@pytest.mark.parametrize(
    ("case", "begins"),
    [
        ("34-turkish-page-read-as-latin-1", "Öğleden sonra rüzgâr güçlendi ve kasabanın ışıkları"),
        ("35-latin-words-with-cyrillic-pairs", "2005'ten beri Los Angeles'ta iki takım vardı; her"),
    ],
)
def test_repaired(case, begins):
    text = repair(pa.array(texts(case), pa.large_string()))[0][0].as_py()
    assert text.startswith(begins)
    assert not set(text) & set("ðýþÐД±Г")


def test_identified():
    assert api.identify(texts("37-kazakh-in-arabic-script"))["lang"].to_pylist() == ["kaz_Arab"]
    hangul = texts("38-language-of-decomposed-hangul")
    assert api.identify(hangul)["lang"].to_pylist() == ["kor_Hang", "kor_Hang"]


def test_handles_stay():
    (text,) = texts("40-user-handles-in-urls-masked-as-addresses")
    section = load_profile("eng_Latn").standardize
    done, _ = standardize(pa.array([text], pa.large_string()), section)
    assert done.to_pylist() == [text]


@pytest.fixture
def case(tmp_path, monkeypatch):
    """Return a function that copies a case and goes to its folder."""

    def enter(name):
        (path,) = (CASES / "dedup").glob(f"{name}-*")
        shutil.copytree(path, tmp_path / name, copy_function=shutil.copy)
        for folder in (tmp_path / name).rglob(""):
            folder.chmod(0o755)
        monkeypatch.chdir(tmp_path / name)
        return tmp_path / name

    return enter


def rows(out, part="mixture"):
    return [row for path in sorted((out / part).rglob("*.parquet"))
            for row in pq.read_table(path).to_pylist()]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "kept", "dropped"),
    [("01", 3, 1), ("02", 3, 1), ("03", 3, 1), ("09", 4, 4), ("10", 2, 2), ("11", 1, 1),
     ("12", 2, 4), ("13", 10, 0), ("14", 15, 0), ("15", 5, 0), ("16", 4, 0), ("19", 2, 0),
     ("22", 3, 1)],
)  # fmt: skip
def test_dedup_keeps(case, name, kept, dropped):
    folder = case(name)
    path = "input" if (folder / "input").is_dir() else next(folder.glob("input.*")).name
    path = f"file://{folder}/input" if name == "03" else path
    done = curate("dedup", path, "--output", "OUT")
    assert done.code == 0, done.err
    mixture, rejected = rows(folder / "OUT"), rows(folder / "OUT", "rejected")
    assert (len(mixture), len(rejected)) == (kept, dropped)
    if name == "01":
        before = {row["doc_id"]: row for row in pq.read_table(folder / "input.parquet").to_pylist()}
        for row in mixture + rejected:
            own = before[row["doc_id"]]
            ours = {"doc_id": row["doc_id"], "url": row["input_url"], "label": row["label"]}
            assert {"text": row["text"], **ours} == own


def test_newest_without_dates(case):
    case("04")
    done = curate("dedup", "input.jsonl", "--keep", "newest", "--output", "OUT")
    assert done.code == 2
    assert "--date-field" in done.err


@pytest.mark.parametrize("name", ["05", "06", "07", "08"])
def test_conversations(case, name):
    folder = case(name)
    done = curate("run", "recipe.toml", "--output", "OUT")
    assert done.code == 0, done.err
    (path,) = (folder / "OUT" / "jsonl").rglob("*.jsonl.zst")
    with zstandard.open(path, "rt") as opened:
        lines = [json.loads(line) for line in opened]
    assert len(lines) == len((folder / "input.jsonl").read_text().splitlines())
    if name == "07":
        turns = [turn for turn in lines[0]["messages"] if turn["role"] == "tool"]
        assert [turn["tool_call_id"] for turn in turns] == ["call_2", "call_1"]
        assert lines[0]["tools"]
    if name == "08":
        turns = [turn for line in lines for turn in line["messages"]]
        calls = [call for turn in turns for call in turn.get("tool_calls") or ()]
        assert len(calls) == 4
        assert {call["type"] for call in calls} == {"function"}
        assert {call["function"]["name"] for call in calls} == {"w"}
        assert {type(call["function"]["arguments"]) for call in calls} == {str}


def test_nothing_to_take(case):
    case("17")
    lacking = curate("mix", "input.jsonl", "--ratio", "deu_Latn=1", "--output", "OUT")
    assert (lacking.code, "'deu_Latn' has nothing to give" in lacking.err) == (2, True)
    small = curate("mix", "input.jsonl", "--ratio", "eng_Latn=1", "--budget", "1", "--output", "O")
    assert small.code in (2, 3)


def test_unknown_labels():
    """The case's ``en`` and ``ru`` are names of languages by now, so others are asked for."""
    table = pa.table({"text": ["one", "два"], "lang": ["eng_Latn", "rus_Cyrl"]})
    assert api.mix(table, ratio="en=1,ru=1", unit="documents").num_rows == 2
    for label in ("xx", "english_Latn", "eng_Latm", "und_"):
        with pytest.raises(RecipeError, match=label):
            api.mix(table, ratio=f"{label}=1,ru=1", unit="documents")


def test_output_inside_input(case):
    folder = case("20")
    for out in ("out", "out2"):
        done = curate("dedup", "input", "--output", f"input/{out}")
        assert done.code == 0, done.err
    first, second = ([row["text"] for row in rows(folder / "input" / o)] for o in ("out", "out2"))
    assert sorted(first) == sorted(second)
