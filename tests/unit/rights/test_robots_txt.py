"""Robots.txt by RFC 9309: groups, the longest match, escapes, limits; and many hosts."""

import re
from urllib.robotparser import RobotFileParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.rights.robots_txt import (
    EVERYONE,
    MOST_BYTES,
    Redirect,
    hosts_of,
    may_read,
    parse,
    path_of,
)
from tests.examples import examples


def may(body, address, agent="ExampleBot"):
    """Return whether one agent may read an address, by the rules that are for it."""
    body = body.encode() if isinstance(body, str) else body
    rules = dict(parse(body, [agent]))
    path = path_of(f"http://h.example{address}")[1]
    return may_read(rules.get(agent.lower(), rules.get(EVERYONE, ())), path)


def of_all(*lines):
    return "\n".join(["User-agent: *", *lines])


GROUPS = """
User-Agent: *
Disallow: *.gif$
Disallow: /private/
Allow: /papers/

User-Agent: one
Disallow:/
Allow:/private/page.html

User-Agent: two
User-Agent: three
Disallow: /private/page.html

User-Agent: four
"""


@pytest.mark.parametrize(
    ("agent", "address", "allowed"),
    [
        ("other", "/a.gif", False),
        ("other", "/a.gif?x", True),
        ("other", "/private/page.html", False),
        ("other", "/papers/", True),
        ("one", "/x", False),
        ("one", "/private/page.html", True),
        ("One", "/private/other", False),
        ("two", "/private/page.html", False),
        ("three", "/private/page.html", False),
        ("three", "/a.gif", True),
        ("four", "/private/page.html", True),
    ],
)
def test_an_agent_follows_its_own_group_alone(agent, address, allowed):
    assert may(GROUPS, address, agent) is allowed
    assert may(GROUPS.replace("\n", "\r\n"), address, agent) is allowed
    marked = b"\xef\xbb\xbf" + GROUPS.strip().replace("\n", "\r").encode()
    assert may(marked, address, agent) is allowed


@pytest.mark.parametrize(
    ("body", "address", "allowed"),
    [
        # RFC 9309, 2.2.2 and 2.2.3: the longest match, escapes, special characters
        (of_all("Allow: /a/page/", "Disallow: /a/page/no.gif"), "/a/page/no.gif", False),
        (of_all("Disallow: /a", "Allow: /a"), "/a", True),
        (of_all("Disallow: /foo/bar?baz=quz"), "/foo/bar?baz=quz", False),
        (of_all("Disallow: /foo/bar/ツ"), "/foo/bar/%E3%83%84", False),
        (of_all("Disallow: /foo/bar/%E3%83%84"), "/foo/bar/ツ", False),
        (of_all("Disallow: /foo/bar/%62%61%7A"), "/foo/bar/baz", False),
        (of_all("Disallow: /path/file-with-a-%2A.html"), "/path/file-with-a-*.html", False),
        (of_all("Disallow: /path/file-with-a-%2A.html"), "/path/file-with-a-b.html", True),
        (of_all("Disallow: /path/foo-%24"), "/path/foo-$", False),
        (of_all("Disallow: /a/%2F"), "/a//", True),
        (of_all("Allow: /exactly$", "Disallow: /"), "/exactly", True),
        (of_all("Allow: /exactly$", "Disallow: /"), "/exactly/x", False),
        (of_all("Disallow: /this/*/exactly # remark"), "/this/long/path/exactly", False),
        (of_all("Disallow: /*?sort="), "/list?sort=up", False),
        (of_all("Disallow: /*?*b=%7e"), "/list?a=1&b=~", False),
        # lines as they are found
        (of_all("DISALLOW : /a"), "/a/b", False),
        (of_all("Disallow:"), "/", True),
        (of_all("Disallow: a"), "/a", False),
        (of_all("Disallow /a"), "/a", True),
        (of_all("Sitemap: http://x", "Disallow: /a"), "/a", False),
        ("Disallow: /\n" + of_all(), "/a", True),
        ("User-agent: ExampleBot/2.1\nDisallow: /", "/a", False),
        ("User-agent: ExampleBotnet\nDisallow: /", "/a", True),
        ("User-agent: ExampleBot\nCrawl-delay: 1\nUser-agent: x\nDisallow: /a", "/a", False),
        (
            "User-agent: ExampleBot\nDisallow: /a\nUser-agent: x\nDisallow: /\n"
            "User-agent: examplebot\nDisallow: /b",
            "/b",
            False,
        ),
        ("User-agent: ExampleBot\nDisallow: /a\n\nUser-agent: *\nDisallow: /", "/b", True),
        (b"User-agent: *\nDisallow: /\xff", "/%FF", False),
        (b"<html>User-agent: *<br>Disallow: /</html>", "/", True),
        (b"\x00\x01\x02" * 100, "/", True),
        (b"", "/", True),
    ],
)
def test_lines_and_matches(body, address, allowed):
    assert may(body, address) is allowed


def test_only_the_beginning_of_a_huge_file_is_read_and_no_half_line():
    head = b"User-agent: *\nDisallow: /a\n"
    filler = b"#" * (MOST_BYTES - len(head) - len(b"\nDisallow: /b")) + b"\nDisallow: /bcd"
    assert not may(head + filler, "/a")
    assert may(head + filler, "/bcd")
    assert may(head + filler, "/b")


PATTERN = st.text("ab/*$", max_size=8).map(lambda text: "/" + text)
PATH = st.text("ab/", max_size=10).map(lambda text: "/" + text)


@examples(500)
@given(st.lists(st.tuples(st.booleans(), PATTERN), max_size=5), PATH)
def test_the_longest_pattern_that_matches_decides(rules, path):
    body = of_all(*(f"{'Allow' if allow else 'Disallow'}: {text}" for allow, text in rules))
    best = (-1, True)
    for allow, text in rules:
        ends = text.endswith("$")
        core = (text[:-1] if ends else text).replace("$", "%24")
        regex = ".*".join(map(re.escape, core.split("*"))) + (r"\Z" if ends else "")
        if re.match(regex, path):
            best = max(best, (len(core) + ends, allow))
    assert may(body, path) is best[1]


#: Paths whose first byte pattern is read alike by the standard library: no stars, no double slash.
PLAIN = st.text("ab", max_size=6).map(lambda text: "/" + text)


@examples(200)
@given(st.sampled_from(["GPTBot", "CCBot"]), st.sampled_from(["GPTBot", "CCBot"]), PLAIN, PLAIN)
def test_one_rule_in_a_group_means_what_it_means_to_the_standard_library(agent, other, rule, path):
    text = f"User-agent: {agent}\nDisallow: {rule}\n\nUser-agent: *\nDisallow: /b"
    oracle = RobotFileParser()
    oracle.parse(text.splitlines())
    assert may(text, path, other) is oracle.can_fetch(other, f"http://h.example{path}")


def test_many_agents_before_many_rules_cost_the_sum_of_both_not_the_product():
    known = "User-agent: GPTBot\nDisallow: /a\n"
    agents = "".join(f"User-agent: a{n}\n" for n in range(14_000))
    body = (agents + known + "Allow: /\n" * 24_000).encode()
    assert len(body) < MOST_BYTES
    ((name, rules),) = parse(body, ["GPTBot"])
    assert (name, [may_read(rules, path) for path in ("/a", "/b")]) == ("gptbot", [False, True])


def test_patterns_with_many_stars_are_matched_in_one_pass():
    body = of_all("Disallow: /" + "*a" * 100_000, "Disallow: /" + "a*" * 50_000 + "$")
    assert may(body, "/" + "a" * 20_000)


def test_the_latest_file_of_a_host_counts_and_hosts_without_rules_take_no_place():
    closed, ai = b"User-agent: *\nDisallow: /", b"User-agent: gptbot\nDisallow: /x"
    files = [
        ("a.example", 2, closed),
        ("a.example", 1, b""),
        ("b.example", 1, closed),
        ("b.example", 2, b"User-agent: *\nAllow: /"),
        ("c.example:8080", 1, ai),
        *((f"h{n}.example", 1, closed) for n in range(5000)),
    ]
    hosts = hosts_of(files, ["GPTBot", "CCBot"])
    assert (hosts.files, len(hosts.keys), len(hosts.rules)) == (5005, 5002, 3)
    found = hosts.refusing(
        [
            *("https://A.example./1", "http://b.example/", "http://c.example:8080/x/y"),
            *("http://c.example/x", "http://h4999.example/", "http://h5000.example/"),
            *(None, "", "/x", "no address at all"),
        ]
    )
    assert found == [EVERYONE, None, "gptbot", None, EVERYONE, None, None, None, None, None]
    assert hosts_of([], ["GPTBot"]).refusing(["http://a.example/"]) == [None]


def test_redirects_lead_to_the_file_of_another_host_five_of_them():
    closed = b"User-agent: *\nDisallow: /"
    files = [
        ("www.a.example", 1, closed),
        Redirect("a.example", 1, "old.example"),
        Redirect("a.example", 3, "www.a.example"),  # the latest counts
        Redirect("a.example", 2, "old.example"),
        ("own.example", 1, b"User-agent: *\nAllow: /"),
        Redirect("own.example", 2, "www.a.example"),  # it has an answer of its own
        *(Redirect(f"h{n}.example", 1, f"h{n + 1}.example") for n in range(5)),
        Redirect("h5.example", 1, "www.a.example"),
        Redirect("loop.example", 1, "pool.example"),
        Redirect("pool.example", 1, "loop.example"),
        Redirect("lost.example", 1, "absent.example"),
    ]
    hosts = hosts_of(files, ["GPTBot"])
    names = "a.example own.example h0.example h1.example h5.example loop.example lost.example"
    found = hosts.refusing([f"https://{name}/x" for name in names.split()])
    assert found == [EVERYONE, None, None, EVERYONE, EVERYONE, None, None]
    assert hosts.files == 2
