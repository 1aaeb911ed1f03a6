"""The stages rights and robots_txt: columns, rules, counts, and what comes from a web archive."""

import json
from collections import Counter

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curate import api, schema
from curate.errors import CurateError, RecipeError
from curate.stages.rights import Rights
from curate.stages.robots_txt import RobotsTxt
from tests.unit.cli.commands import curate
from tests.unit.sources.web.archives import html, members, record, response

TEXT = "Бұл сынақ беті, оның ішінде бірнеше сөйлем бар. Екінші сөйлем де осында тұр."


def rows(*pairs):
    return schema.documents(
        {"id": f"s/f#{n}", "source": "s", "text": "t", "license": license, "meta": meta}
        for n, (license, meta) in enumerate(pairs)
    )


def said(words, **more):
    return json.dumps({"robots_said": words} | more)


TABLE = rows(
    ("CC BY-SA 4.0", None),
    ("https://creativecommons.org/licenses/by-nc/3.0/de/", said("", license_by="link")),
    ("<b>all mine</b>", said("noai gptbot:noindex <script>")),
    (None, said("tdm")),
    ("CC0", '{"robots_said": ["noai"'),
)


def test_columns_of_licences_and_words_to_robots():
    tally = Counter()
    out = schema.check(Rights().apply(TABLE, tally))
    assert out["signal_license"].to_pylist() == [
        *("CC-BY-SA-4.0", "CC-BY-NC-3.0-DE", None, None, "CC0-1.0")
    ]
    groups = ["share_alike", "non_commercial", None, None, "public_domain"]
    assert out["signal_license_group"].to_pylist() == groups
    assert out["signal_license_from"].to_pylist() == ["source", "page", None, None, "source"]
    robots = [None, "nothing", "noai gptbot:noindex", "tdm", None]
    assert out["signal_robots"].to_pylist() == robots
    assert out["license"].equals(TABLE["license"])
    assert tally == {
        "license:CC-BY-SA-4.0": 1,
        "license:CC-BY-NC-3.0-DE": 1,
        "license:unknown": 2,
        "license:CC0-1.0": 1,
        "robots:nothing": 1,
        "robots:noai": 1,
        "robots:gptbot:noindex": 1,
        "robots:tdm": 1,
    }


@pytest.mark.parametrize(
    ("options", "dropped"),
    [
        ({}, [None] * 5),
        (
            {"allow": ("public_domain", "cc-by-sa*")},
            [None, "license_cc-by-nc-3.0-de", "license_unknown", "license_unknown", None],
        ),
        (
            {"allow": ("*", "unknown"), "refuse": ("non_commercial",)},
            [None, "license_cc-by-nc-3.0-de", None, None, None],
        ),
        ({"refuse": ("unknown",)}, [None, None, "license_unknown", "license_unknown", None]),
        (
            {"robots": ("tdm", "gptbot:noindex")},
            [None, None, "robots_gptbot:noindex", "robots_tdm", None],
        ),
    ],
)
def test_rules(options, dropped):
    out = Rights(**options).apply(TABLE, Counter())
    assert out["dropped_by"].to_pylist() == [rule and f"rights:{rule}" for rule in dropped]


def test_names_that_are_none_are_refused():
    with pytest.raises(RecipeError, match="no licence 'CC-BYE'"):
        Rights(allow=("CC-BYE",))
    with pytest.raises(RecipeError, match="no word to robots 'no-ai'"):
        Rights(robots=("no-ai",))
    with pytest.raises(RecipeError, match="names no agent"):
        RobotsTxt(archives=("x",), agents=())


def robots(url, body, **more):
    return response(url, body, "Content-Type: text/plain", **more)


def addresses(*urls):
    table = rows(*[(None, None)] * len(urls))
    at = table.column_names.index("url")
    return table.set_column(at, "url", pa.array(urls, pa.string()))


def test_pages_that_their_host_closes_are_dropped_by_agent(tmp_path):
    closed = b"User-agent: GPTBot\nDisallow: /a\n\nUser-agent: *\nDisallow: /b\n"
    files = [
        record("warcinfo", b"x"),
        robots("https://one.example/robots.txt", closed),
        robots("https://two.example/robots.txt", b"User-agent: *\nDisallow: /", status="404 No"),
        record(
            "response",
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n\x1f\x8b\x08",
            url="https://three.example/robots.txt",
            Content_Type="application/http",
        ),
        robots("https://two.example/page", b"User-agent: *\nDisallow: /"),
    ]
    (tmp_path / "robots.warc.gz").write_bytes(members(files))
    urls = ("https://one.example/a", "http://one.example/b", "https://one.example/c")
    table = addresses(*urls, "https://two.example/a", None)
    stage = RobotsTxt(archives=(str(tmp_path / "*.warc.gz"),))
    out = stage.apply(table, Counter())
    dropped = ["robots_txt:gptbot", "robots_txt:everyone", None, None, None]
    assert out["dropped_by"].to_pylist() == dropped
    facts = {"robots_txt": 1, "hosts_with_rules": 1, "damaged_records": 1}
    assert stage.manifest_facts == facts
    one = RobotsTxt(archives=(str(tmp_path),), agents=("gptbot",)).apply(table, Counter())
    assert one["dropped_by"].to_pylist() == ["robots_txt:gptbot", *[None] * 4]


def test_redirects_of_the_archive_are_followed(tmp_path):
    moved = {"status": "301 Moved Permanently"}
    files = [
        robots("https://www.one.example/robots.txt", b"User-agent: *\nDisallow: /"),
        *(
            response(f"http://{host}/robots.txt", b"", f"Location: {to}", **moved)
            for host, to in (
                ("one.example", "https://www.one.example/robots.txt"),
                ("two.example", "//one.example/robots.txt"),
                ("three.example", "https://www.one.example/"),  # its first page
                ("four.example", "http://[bad/robots.txt"),
            )
        ),
    ]
    (tmp_path / "robots.warc").write_bytes(b"".join(files))
    hosts = ("one", "two", "three", "four", "www.one")
    table = addresses(*(f"https://{host}.example/a" for host in hosts))
    stage = RobotsTxt(archives=(str(tmp_path / "robots.warc"),), agents=("gptbot",))
    closed, open_ = "robots_txt:everyone", None
    found = stage.apply(table, Counter())["dropped_by"].to_pylist()
    assert found == [closed, closed, open_, open_, closed]


def test_archives_that_are_none_are_refused(tmp_path):
    (tmp_path / "x.warc").write_bytes(b"no archive at all " * 100)
    with pytest.raises(CurateError, match="no record of a web archive"):
        RobotsTxt(archives=(str(tmp_path / "x.warc"),)).apply(addresses("http://a"), Counter())
    with pytest.raises(RecipeError):
        RobotsTxt(archives=(str(tmp_path / "y.warc"),)).apply(addresses("http://a"), Counter())


def test_a_run_of_pages_has_licences_in_groups_counts_and_report(tmp_path):
    by = b'<a rel="license" href="https://creativecommons.org/licenses/by/4.0/">CC</a>'
    kind = "Content-Type: text/html; charset=utf-8"
    pages = [
        response("https://a.site.example/1", html(TEXT) + by),
        response("https://b.site.example/2", html(TEXT) + by),
        response("https://c.example/3", html(TEXT), kind, "X-Robots-Tag: noai"),
    ]
    (tmp_path / "pages.warc.gz").write_bytes(members(pages))
    recipe = tmp_path / "rights.toml"
    recipe.write_text(
        f"""name = "rights"
[sources.web]
format = "warc"
path = "{tmp_path}/pages.warc.gz"
license = "CC0-1.0"
rights = true
[[stages]]
use = "rights"
[[stages]]
use = "count"
tokenizer = "bytes"
[[stages]]
use = "cap"
per = "domain"
documents = 1
[[stages]]
use = "mix"
[mixture]
unit = "documents"
budget = 10
[mixture.groups.shared]
where = {{ signal_license_group = ["permissive"] }}
[mixture.groups.others]
"""
    )
    done = api.run(recipe, output=tmp_path / "out", engine="in-process")
    rows = [pq.read_table(path) for path in (tmp_path / "out/mixture").rglob("*.parquet")]
    rows = pa.concat_tables(rows).to_pylist()
    assert done.exit_code == 0
    assert {
        (row["url"], row["license"], row["signal_license_from"], row["signal_robots"])
        for row in rows
        if "site" not in row["url"]
    } == {("https://c.example/3", "CC0-1.0", "source", "noai")}
    (shared,) = [row for row in rows if "site" in row["url"]]
    assert (shared["license"], shared["signal_license_from"]) == ("CC-BY-4.0", "page")
    assert shared["signal_robots"] == "nothing"
    manifest = json.loads((tmp_path / "out/manifest.json").read_text())
    (file,) = manifest["ledger"]["files"].values()
    assert file["dropped"] == {"cap:over_cap": 1}
    report = json.loads((tmp_path / "out/report.json").read_text())
    size = len(shared["text"].encode())
    lines = {tuple(one.values()) for one in report["licenses"]}
    assert lines == {("CC-BY-4.0", 1, size, shared["n_tokens"]), ("CC0-1.0", 1, size, size)}
    assert "| `CC-BY-4.0` |" in (tmp_path / "out/report.md").read_text()
    card = (tmp_path / "out/README.md").read_text()
    assert "## Licences of the mixture" in card
    assert "license: other" in card
    assert "Licences of the mixture" in (tmp_path / "out/report.html").read_text()
    (tmp_path / "gone.txt").write_text("c.example\n")
    assert curate("takedown", tmp_path / "out", "--domains", tmp_path / "gone.txt").code == 0
    again = json.loads((tmp_path / "out/manifest.json").read_text())
    tally = again["ledger"]["stages"]["mix"]["tally"]
    assert {key for key in tally if "license" in key} == {
        f"mixed_license:{what}:CC-BY-4.0" for what in ("bytes", "documents", "tokens")
    }
    assert "license: cc-by-4.0" in (tmp_path / "out/README.md").read_text()


def test_a_field_of_records_is_their_licence_and_the_sources_is_for_the_others(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": "a", "l": {"id": "MIT"}}\n{"text": "b"}\n')
    recipe = tmp_path / "r.toml"
    text = f"""name = "r"
[sources.a]
format = "jsonl"
path = "{tmp_path}/a.jsonl"
license = "CC0-1.0"
license_field = "l.id"
[[stages]]
use = "rights"
[[stages]]
use = "cap"
per = "license"
documents = 5
"""
    recipe.write_text(text)
    api.run(recipe, output=tmp_path / "out", engine="in-process")
    rows = [pq.read_table(path) for path in (tmp_path / "out/mixture").rglob("*.parquet")]
    found = {row["text"]: row["license"] for row in pa.concat_tables(rows).to_pylist()}
    assert found == {"a": "MIT", "b": "CC0-1.0"}
    recipe.write_text(text.replace("jsonl", "text"))
    with pytest.raises(RecipeError, match="format 'text' have no fields"):
        api.run(recipe, output=tmp_path / "none", engine="in-process")
