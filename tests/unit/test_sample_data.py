"""The sample data: the texts are sound, the containers are as built, the list is correct.

The containers are opened here with the standard library, pyarrow and zstandard, never with
``curate``: the expected contents must not come from the readers under test.
"""

from __future__ import annotations

import bz2
import gzip
import ipaddress
import json
import re
import subprocess
import sys
import unicodedata
import xml.etree.ElementTree as ET
import zlib
from collections import Counter
from functools import lru_cache
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet as pq
import pytest
import zstandard

SAMPLE = Path(__file__).parents[2] / "sample_data"
SPACED = ("kaz_Cyrl", "rus_Cyrl", "tur_Latn", "eng_Latn", "arb_Arab", "kor_Hang")
UNSPACED = ("jpn_Jpan", "cmn_Hans")
LANGUAGES = SPACED + UNSPACED
PLANTED = json.loads((SAMPLE / "planted.json").read_text("utf-8"))
CRAWL, WET = "web/crawl.warc.gz", "web/crawl.warc.wet.gz"
READ = [d for d in PLANTED["documents"] if d["expect"]["fate"] not in ("skipped", "quarantined")]


@lru_cache(maxsize=1)
def base_texts() -> dict[str, str]:
    """Return every base text by ``<language>/<slug>``."""
    return {
        f"{path.parent.name}/{path.stem.partition('-')[2]}": path.read_text("utf-8")
        for path in sorted((SAMPLE / "texts").glob("*/*.txt"))
    }


def shingles(text: str) -> set[tuple[str, ...]]:
    """Return the word 5-grams; a kana or Han character is a word."""
    words = re.findall(r"[぀-ヿ㐀-鿿]|[^\W぀-ヿ㐀-鿿]+", text.lower())
    return {tuple(words[i : i + 5]) for i in range(max(1, len(words) - 4))}


def jaccard(a: str, b: str) -> float:
    left, right = shingles(a), shingles(b)
    return len(left & right) / len(left | right)


# --- the texts -----------------------------------------------------------------------------------


@pytest.mark.parametrize("lang", LANGUAGES)
def test_each_language_has_enough_texts_of_the_right_length(lang: str) -> None:
    texts = [text for name, text in base_texts().items() if name.startswith(lang)]
    assert len(texts) >= 15
    for text in texts:
        title, blank, body = text.split("\n", 2)
        assert title and not blank
        paragraphs = body.strip().split("\n\n")
        assert len(paragraphs) >= 2, title
        # A dialogue has a paragraph for each turn; other texts have two to five.
        assert len(paragraphs) <= (5 if not re.search(r"^[–“「]", body, re.M) else 9), title
        if lang in SPACED:
            assert 60 <= len(body.split()) <= 300, title
        else:
            assert 200 <= len(body) <= 900, title


@pytest.mark.parametrize("lang", LANGUAGES)
def test_texts_are_plain_prose(lang: str) -> None:
    script = {
        "kaz_Cyrl": "CYRILLIC", "rus_Cyrl": "CYRILLIC", "tur_Latn": "LATIN", "eng_Latn": "LATIN",
        "arb_Arab": "ARABIC", "kor_Hang": "HANGUL", "jpn_Jpan": ("CJK", "HIRAGANA", "KATAKANA"),
        "cmn_Hans": "CJK",
    }[lang]  # fmt: skip
    for name, text in base_texts().items():
        if not name.startswith(lang):
            continue
        assert unicodedata.is_normalized("NFC", text), name
        assert not re.search("[\u200b\u00ad\u0640\ufeff\r\t]|  ", text), name
        body = text.split("\n\n", 1)[1]
        for paragraph in body.strip().split("\n\n"):
            assert re.search(r'[.!?؟。！？:：][»”」’)"]*$', paragraph), (name, paragraph[-20:])
        letters = [c for c in body if c.isalpha()]
        ours = sum(unicodedata.name(c, "").startswith(script) for c in letters)
        assert ours >= 0.97 * len(letters), name


def test_no_two_texts_are_alike() -> None:
    sets = {name: shingles(text) for name, text in base_texts().items()}
    for (a, left), (b, right) in combinations(sets.items(), 2):
        assert len(left & right) / len(left | right) < 0.3, (a, b)


# --- the script ----------------------------------------------------------------------------------


@lru_cache(maxsize=8)
def inflated(path: Path) -> bytes:
    """Return the decompressed contents of a container, without damaged members."""
    data = path.read_bytes()
    if path.suffix == ".gz":
        return b"".join(block for block in members(path) if block)
    if path.suffix == ".bz2":
        return bz2.decompress(data)
    if path.suffix == ".zst":
        return zstandard.ZstdDecompressor().decompress(data)
    if path.suffix == ".parquet":
        return json.dumps(pq.read_table(path).to_pydict(), ensure_ascii=False).encode()
    if path.name == "planted.json":
        listing = json.loads(data)
        del listing["built_with"]
        # Where the bytes fall decides whether overwritten ones break the stream or the checksum.
        return re.sub(rb"gzip_(checksum|data)", b"gzip", json.dumps(listing).encode())
    return data


def test_the_script_gives_the_committed_files(tmp_path: Path) -> None:
    command = [sys.executable, "-B", str(SAMPLE / "build.py"), "--output", str(tmp_path)]
    subprocess.run(command, check=True, capture_output=True)
    built = sorted(p.relative_to(tmp_path) for p in tmp_path.rglob("*") if p.is_file())
    sources = ("texts", "parts", "passages", "builder", "__pycache__")
    shipped = sorted(
        p.relative_to(SAMPLE)
        for p in SAMPLE.rglob("*")
        if p.is_file()
        and p.relative_to(SAMPLE).parts[0] not in sources
        and p.name not in ("build.py", "README.md")
    )
    assert built == shipped
    tools = {
        "zlib": zlib.ZLIB_RUNTIME_VERSION,
        "zstd": ".".join(map(str, zstandard.ZSTD_VERSION)),
        "pyarrow": pyarrow.__version__,
    }
    # Other compressors may pack the same contents in other bytes.
    view = Path.read_bytes if tools == PLANTED["built_with"] else inflated
    for name in built:
        assert view(tmp_path / name) == view(SAMPLE / name), name


def test_containers_are_small() -> None:
    sizes = [
        p.stat().st_size
        for folder in ("web", "wiki", "chat", "notes", ".")
        for p in (SAMPLE / folder).glob("*.*")
        if p.is_file() and p.suffix not in (".py", ".md")
    ]
    assert max(sizes) < 600 * 1024
    assert sum(sizes) < 1_200_000


# --- the containers ------------------------------------------------------------------------------


def members(path: Path) -> list[bytes | None]:
    """Inflate a file of gzip members; None for one that is damaged or cut off."""
    data, out = path.read_bytes(), []
    starts = [m.start() for m in re.finditer(rb"\x1f\x8b\x08\0\0\0\0\0\x02\xff", data)]
    for start, end in zip(starts, [*starts[1:], len(data)]):
        try:
            out.append(gzip.decompress(data[start:end]))
        except (zlib.error, EOFError, gzip.BadGzipFile):
            out.append(None)
    return out


def records(path: Path) -> list[tuple[dict[str, str], bytes] | None]:
    """Return header fields and block of each WARC record; None for one that cannot be read."""
    out: list[tuple[dict[str, str], bytes] | None] = []
    for member in members(path):
        if member is None:
            out.append(None)
            continue
        head, _, block = member.partition(b"\r\n\r\n")
        version, *lines = head.decode().split("\r\n")
        assert version == "WARC/1.0"
        fields = dict(line.split(": ", 1) for line in lines)
        assert block.endswith(b"\r\n\r\n")
        assert int(fields["Content-Length"]) == len(block) - 4
        out.append((fields, block[:-4]))
    return out


def listed(container: str, *fates: str) -> set[str]:
    return {
        d["handle"]
        for d in PLANTED["documents"]
        if d["container"] == container and (not fates or d["expect"]["fate"] in fates)
    }


def entry(container: str, handle: str) -> dict[str, Any]:
    return next(
        d for d in PLANTED["documents"] if (d["container"], d["handle"]) == (container, handle)
    )


def test_at_least_four_hundred_documents_and_each_listed_once() -> None:
    assert sum(c["documents"] for c in PLANTED["containers"].values()) == len(READ) >= 400
    places = Counter((d["container"], d["handle"]) for d in PLANTED["documents"])
    assert set(places.values()) == {1}


def test_every_text_and_every_kind_is_used_and_explained() -> None:
    used = {d.get("base") for d in PLANTED["documents"] if d["kind"] != "shared_frame"}
    assert set(base_texts()) - used == set()
    explained = set(re.findall(r"`(\w+\*?)`", (SAMPLE / "README.md").read_text("utf-8")))
    kinds = {re.sub("chat_null_.*", "chat_null_*", d["kind"]) for d in PLANTED["documents"]}
    assert kinds - explained == set()


@pytest.mark.parametrize("container", PLANTED["containers"])
def test_counts_follow_from_the_list(container: str) -> None:
    counts = PLANTED["containers"][container]
    assert counts["records"] == (
        counts["documents"] + sum(counts["skipped"].values()) + sum(counts["quarantined"].values())
    )
    entries = [d["expect"] for d in PLANTED["documents"] if d["container"] == container]
    for fate in ("skipped", "quarantined"):
        reasons = Counter(e["reason"] for e in entries if e["fate"] == fate)
        unlisted = {"request", "warcinfo"} - set(reasons)
        assert dict(reasons) == {k: n for k, n in counts[fate].items() if k not in unlisted}


@pytest.mark.parametrize("container", [CRAWL, "web/truncated.warc.gz"])
def test_web_records_are_those_listed(container: str) -> None:
    found = records(SAMPLE / container)
    counts = PLANTED["containers"][container]
    assert len(found) == counts["records"]
    assert found.count(None) == sum(counts["quarantined"].values()) == 1
    assert (found[-1] is None) == (container != CRAWL)
    whole = [record for record in found if record]
    kinds = Counter(fields["WARC-Type"] for fields, _ in whole)
    assert kinds["request"] == counts["skipped"].get("request", 0)
    urls = {f["WARC-Target-URI"] for f, _ in whole if f["WARC-Type"] in ("response", "revisit")}
    assert urls | listed(container, "quarantined") == listed(container)
    status = Counter(
        block.split(b" ", 2)[1].decode() for f, block in whole if f["WARC-Type"] == "response"
    )
    assert status["404"] == counts["skipped"].get("http_404", 0)
    assert status["301"] == counts["skipped"].get("http_301", 0)


def test_web_pages_carry_their_texts_in_the_charset_that_they_state() -> None:
    seen = Counter()
    for record in records(SAMPLE / CRAWL):
        if record is None or record[0]["WARC-Type"] != "response":
            continue
        fields, block = record
        head, _, body = block.partition(b"\r\n\r\n")
        planted = entry(CRAWL, fields["WARC-Target-URI"])
        if planted["kind"] not in ("base", "charset", "compressed", "html_copy"):
            continue
        if planted["kind"] == "compressed":
            assert b"Content-Encoding: gzip" in head
            body = gzip.decompress(body)
        stated = re.search(rb"charset=([\w-]+)", head) or re.search(rb'charset="?([\w-]+)', body)
        assert stated
        charset = stated.group(1).decode()
        page = body.decode(charset)
        seen[charset.lower()] += 1
        first = base_texts()[planted["base"]].split("\n\n")[1]
        expected = first.replace("–", "&#8211;") if charset == "koi8-r" else first
        assert expected.replace("&", "&amp;").replace("&amp;#", "&#")[:60] in page
    assert set(seen) == {
        "utf-8", "windows-1251", "koi8-r", "windows-1254", "windows-1256", "euc-kr", "shift_jis",
        "euc-jp", "gb18030",
    }  # fmt: skip


def test_extracted_texts_are_those_listed() -> None:
    found = [record for record in records(SAMPLE / WET) if record]
    assert len(found) == PLANTED["containers"][WET]["records"]
    urls = {f["WARC-Target-URI"]: b for f, b in found if f["WARC-Type"] == "conversion"}
    assert set(urls) == listed(WET)
    for url, block in urls.items():
        planted = entry(WET, url)
        assert bool(block) == (planted["kind"] != "empty")
        if planted["kind"] in ("base", "exact_copy"):
            assert block.decode().split() == base_texts()[planted["base"]].split()


def test_news_lines_are_those_listed() -> None:
    lines = zstandard.ZstdDecompressor().decompress((SAMPLE / "news.jsonl.zst").read_bytes())
    counts = PLANTED["containers"]["news.jsonl.zst"]
    outcome, urls = Counter(), set()
    for line in lines.splitlines():
        try:
            body = json.loads(line.decode())["content"]["body"]
        except UnicodeDecodeError:
            outcome["invalid_utf8"] += 1
        except json.JSONDecodeError:
            outcome["bad_json" if line else "blank_line"] += 1
        except KeyError:
            outcome["missing_text"] += 1
        else:
            if isinstance(body, str):
                outcome["documents"] += 1
                urls.add(json.loads(line)["url"])
            else:
                outcome["null_text" if body is None else "text_not_string"] += 1
    assert outcome == {
        "documents": counts["documents"],
        **counts["skipped"],
        **counts["quarantined"],
    }
    assert urls == {d["handle"] for d in READ if d["container"] == "news.jsonl.zst"}


def test_books_are_those_listed() -> None:
    table = pq.read_table(SAMPLE / "books.parquet")
    assert table.column_names == ["title", "text", "license", "origin", "url"]
    assert set(table["url"].to_pylist()) == listed("books.parquet")
    assert (
        table["text"].null_count == PLANTED["containers"]["books.parquet"]["skipped"]["null_text"]
    )
    assert set(table["origin"].to_pylist()) == {"native", "mt"}
    assert pq.ParquetFile(SAMPLE / "books.parquet").num_row_groups > 1


@pytest.mark.parametrize("container", [c for c in PLANTED["containers"] if c.startswith("wiki")])
def test_wiki_pages_are_those_listed(container: str) -> None:
    space = "{http://www.mediawiki.org/xml/export-0.11/}"
    root = ET.fromstring(bz2.decompress((SAMPLE / container).read_bytes()))
    pages = root.findall(f"{space}page")
    assert {page.findtext(f"{space}title") for page in pages} == listed(container)
    for page in pages:
        planted = entry(container, page.findtext(f"{space}title") or "")
        redirect = page.find(f"{space}redirect") is not None
        assert redirect == (planted["expect"].get("reason") == "redirect")
        assert (page.findtext(f"{space}ns") != "0") == ("namespace" in str(planted["expect"]))
        text = page.findtext(f".//{space}text") or ""
        if planted["kind"] == "wiki_markup":
            assert all(mark in text for mark in ("{{", "[[", "<ref", "{|", "==", "''", "<!--"))
            words = set(re.findall(r"\w+", text))
            assert set(re.findall(r"\w+", base_texts()[planted["base"]])) <= words


def test_notes_are_those_listed() -> None:
    files = {path.name: path.read_bytes() for path in (SAMPLE / "notes").iterdir()}
    assert set(files) == listed("notes")
    for name, data in files.items():
        planted = entry("notes", name)
        assert bool(data.strip()) == (planted["kind"] != "empty")
        if planted["kind"] == "bom_crlf":
            assert data.startswith(b"\xef\xbb\xbf") and b"\r\n" in data


def test_conversations_are_those_listed() -> None:
    for name, turns, role, content in (
        ("chat/sharegpt.jsonl", "conversations", "from", "value"),
        ("chat/messages.jsonl", "messages", "role", "content"),
    ):
        talks = [json.loads(line) for line in (SAMPLE / name).read_text("utf-8").splitlines()]
        assert {talk["id"] for talk in talks} == listed(name)
        for talk in talks:
            reason = entry(name, talk["id"])["expect"].get("reason")
            roles = {turn[role] for turn in talk[turns]}
            assert (reason == "unknown_role") == ("narrator" in roles)
            assert (reason == "null_turn") == any(turn[content] is None for turn in talk[turns])
    kept = [d for d in READ if d["container"].startswith("chat")]
    assert {d["lang"] for d in kept} == {"kaz_Cyrl", "rus_Cyrl", "eng_Latn", "jpn_Jpan"}
    assert len(kept) >= 12


# --- what is planted -----------------------------------------------------------------------------


@lru_cache(maxsize=1)
def plain_texts() -> dict[tuple[str, str], str]:
    """Return the texts of the containers without markup, by container and handle."""
    out = {}
    for record in records(SAMPLE / WET):
        if record and record[0]["WARC-Type"] == "conversion":
            out[WET, record[0]["WARC-Target-URI"]] = record[1].decode()
    lines = zstandard.ZstdDecompressor().decompress((SAMPLE / "news.jsonl.zst").read_bytes())
    for line in lines.splitlines():
        try:
            record_ = json.loads(line.decode())
            out["news.jsonl.zst", record_["url"]] = record_["content"]["body"]
        except (ValueError, KeyError):
            continue
    books = pq.read_table(SAMPLE / "books.parquet")
    out |= zip(
        (("books.parquet", url) for url in books["url"].to_pylist()), books["text"].to_pylist()
    )
    for path in (SAMPLE / "notes").iterdir():
        out["notes", path.name] = path.read_bytes().decode("utf-8-sig")
    return out


def test_groups_are_near_and_look_alikes_are_not() -> None:
    texts = plain_texts()
    for group in PLANTED["groups"]:
        assert group["survivors"] == 1 and group["lowest_jaccard"] >= 0.83, group["name"]
        if not group["web_pages"]:
            whole = [texts[c, h] for c, h, kind in group["members"] if kind != "repaired_copy"]
            assert all(jaccard(a, b) >= 0.83 for a, b in combinations(whole, 2)), group["name"]
    for group in PLANTED["kept_apart"]:
        assert group["highest_jaccard"] <= 0.7, group["name"]
        plain = [texts[c, h] for c, h in group["members"] if (c, h) in texts]
        assert all(jaccard(a, b) <= 0.7 for a, b in combinations(plain, 2)), group["name"]


def test_editions_drift_away_from_the_first() -> None:
    texts = plain_texts()
    assert len(PLANTED["drifts"]) == 2
    for chain in PLANTED["drifts"]:
        editions = [texts[c, h] for c, h in chain["members"]]
        steps = [jaccard(a, b) for a, b in pairwise(editions)]
        assert min(steps) > chain["threshold"] > jaccard(editions[0], editions[-1])
        assert sorted(editions, key=len, reverse=True) == editions
        assert chain["kept"] == [chain["members"][0], chain["members"][2]]


def test_damage_is_real_and_reversible() -> None:
    texts, seen = plain_texts(), Counter()
    for planted in READ:
        expected = planted["expect"].get("equals")
        if not expected:
            continue
        kind = (
            planted.get("note", "").split(":")[0]
            if planted["kind"] == "repaired_copy"
            else planted["kind"]
        )
        damaged, whole = (
            texts[planted["container"], planted["handle"]],
            base_texts()[expected].strip(),
        )
        assert damaged != whole
        match kind:
            case "homoglyphs":
                undone = re.sub("[aocei]", lambda m: "аосеі"["aocei".index(m.group())], damaged)
            case "mojibake_cp1251" | "mojibake_cp1252":
                codec = kind.removeprefix("mojibake_")
                undone = b"".join(
                    c.encode(codec) if _has(c, codec) else bytes([ord(c)]) for c in damaged
                ).decode()
            case "tatweel" | "zero_width" | "soft_hyphens":
                undone = re.sub("[\u0640\u200b\u00ad]", "", damaged)
            case "presentation_forms" | "nfd" | "half_width_katakana":
                form = "NFC" if kind == "nfd" else "NFKC"
                # The full-width punctuation of the text is not what was damaged.
                undone, whole = (
                    unicodedata.normalize(form, damaged),
                    unicodedata.normalize(form, whole),
                )
        assert undone == whole, planted["handle"]
        seen[kind] += 1
    assert set(seen) == {
        "homoglyphs", "mojibake_cp1251", "mojibake_cp1252", "tatweel", "zero_width", "soft_hyphens",
        "presentation_forms", "nfd", "half_width_katakana",
    }  # fmt: skip


def _has(character: str, codec: str) -> bool:
    try:
        character.encode(codec)
    except UnicodeEncodeError:
        return False
    return True


def test_addresses_belong_to_nobody() -> None:
    everything = " ".join(text for text in plain_texts().values() if isinstance(text, str))
    mails = set(re.findall(r"[\w.+]+@[\w.]+\w", everything))
    hosts = {mail.rpartition("@")[2] for mail in mails}
    assert all(re.fullmatch(r"example\.(com|org|net)|\w+\.internal", host) for host in hosts)
    numbers = set(re.findall(r"\b\d+\.\d+\.\d+\.\d+\b", everything))
    root_servers = {"193.0.14.129", "199.7.83.42", "198.41.0.4", "202.12.27.33"}
    assert {n for n in numbers if ipaddress.ip_address(n).is_global} == root_servers
    planted = [d for d in READ if d["kind"] == "addresses"]
    listed_ = {word for d in planted for word in d["expect"]["without"] + d["expect"]["with"]}
    assert listed_ == mails | numbers
    assert all(
        "example" in word or word.endswith(".internal") or word in numbers for word in listed_
    )
    masked = {word for d in planted for word in d["expect"]["without"]}
    assert {word for word in masked if word in numbers} == root_servers
    assert {word for word in masked if word in mails} == {m for m in mails if "internal" in m}
