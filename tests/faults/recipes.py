"""Recipes and profiles that nobody means: all end in a plan, or in one sentence.

    python -m tests.faults.recipes --mutants 2000 --seed 1

Each mutant is a shipped recipe or profile with one to three changes: a value replaced by a number,
text or structure that nobody means, or by one from elsewhere in the file; an option of a stage or a
source added; a key renamed or removed; a few characters of the file lost. ``curate plan`` (with a
sample of the documents) or ``curate check`` runs on it in a forked child. A mutant passes where the
command does its work, or ends with an exit code of its own and a sentence, without a traceback, a
refusal within two seconds of the processor. Prints each failure and the scoreboard; exits 1 where
there is a failure.
"""

import argparse
import copy
import functools
import json
import os
import random
import re
import resource
import shutil
import signal
import sys
import tempfile
import tomllib
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from curate import api
from curate.recipe import locate
from tests.faults import scoreboard

#: Seconds of the processor for a refusal, and for all.
REFUSAL, HANG = 2, 30
DATES = "1979-05-27T07:32:00Z"


class Raw(str):
    """A value as TOML writes it."""


HOSTILE = (
    -1, 0, 1, 2, -(1 << 63), 1 << 63, 1 << 64, Raw("1" * 400), Raw("1" * 5000), True, False,
    0.5, -0.5, 1e300, -1e300, 1e-300, Raw("nan"), Raw("inf"), Raw("-inf"), Raw(DATES),
    "", " ", "x", "~nosuchuser/x", "/" + "x" * 5000, "x/" * 2000, "../../etc/passwd", "a\nb", "\0",
    "\x1b[31m", "{", "[", "[a", "*", "**", "**.x", "[z-a]*", "(a+)+$", "%s", "é" * 300,
    "\U0010ffff", "nan", "1e999999999", "1e999999999:1",
    "sample_data/" + "x" * 300, "/dev/full", "/proc/self/mem", "file:///dev/full",
    "s3://", "hf://", "://", "file://", "package://", "package://numpy/x", "-1:1",
    "tiktoken:", "a:b", "//", "\\", ".", "..", "con", "null", "kaz_Cyrl", "_default",
    [], [[]], [""], ["x", "x"], [1], [0.5], [Raw("nan")], ["\0"], ["x"] * 5000,
    Raw("[" * 100 + "]" * 100),
    Raw("[" * 20000 + "]" * 20000), {}, {"x": 1}, {"": ""}, {"x": {"x": {"x": 1}}},
    {f"k{i}": i for i in range(3000)}, [{}], [{"x": 1}],
)  # fmt: skip


#: Names for a key.
NAMES = (
    "",
    " ",
    "x",
    "x" * 3000,
    "é",
    "\U0010ffff",
    "\0",
    "a.b",
    "../x",
    "_default",
    "rules",
    "use",
)

#: Blocks of datatrove, parameters of theirs, and a name of none.
BLOCKS = (
    "GopherQualityFilter", "RegexFilter", "LanguageFilter", "FastTextClassifierFilter", "Nothing",
    "C4QualityFilter", "UnigramLogProbFilter", "PIIFormatter", "URLFilter", "SamplerFilter",
)  # fmt: skip
PARAMETERS = ("min_doc_words", "regex_exp", "languages", "model_url", "extra_domains", "x")

#: How a mutant may end.
GOOD = ("done", "refused")

#: Input for the sources that a recipe leaves to --input; ``surroundings`` makes what is no sample.
SAMPLES = {
    "warc": "sample_data/web/*.warc.gz", "wet": "sample_data/web/*.warc.wet.gz", "run": "run",
    "wikipedia": "sample_data/wiki", "wikipedia_html": "wiki.ndjson", "text": "sample_data/notes",
    "jsonl": "sample_data/news.jsonl.zst", "parquet": "sample_data/books.parquet",
    "chat": "sample_data/chat",
}  # fmt: skip


def toml(value):
    """Write a value as TOML, tables inline."""
    if isinstance(value, Raw):
        return str(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{toml(k)} = {toml(v)}" for k, v in value.items()) + "}"
    return repr(value)


def document(table):
    """Write a whole file of TOML: one inline value for each key."""
    return "".join(f"{toml(key)} = {toml(value)}\n" for key, value in table.items())


def places(value, path=()):
    """Yield the path of each value inside a table."""
    inside = value.items() if isinstance(value, dict) else enumerate(value)
    for key, each in inside:
        yield (*path, key)
        if isinstance(each, (dict, list)):
            yield from places(each, (*path, key))


def hostile(rng, table):
    """Return a value that nobody means there, perhaps one from elsewhere in the file."""
    if rng.random() < 0.15 and table:
        path = rng.choice(list(places(table)))
        return copy.deepcopy(functools.reduce(lambda at, key: at[key], path, table))
    return copy.deepcopy(rng.choice(HOSTILE))


class Described:
    """What the published schema of a kind of file says: which keys a table takes, and examples."""

    def __init__(self, kind):
        path = Path(api.__file__).parents[1] / "recipe" / f"{kind}.schema.json"
        self.whole = json.loads(path.read_text(encoding="utf-8"))

    def alternatives(self, node):
        """Return the schemas, none of them a reference, of which a value keeps one."""
        if "$ref" in node:
            return self.alternatives(self.whole["$defs"][node["$ref"].rpartition("/")[2]])
        below = node.get("allOf") or node.get("anyOf") or node.get("oneOf")
        return [node] if not below else [one for each in below for one in self.alternatives(each)]

    def tables(self, value, node=None):
        """Yield each table inside a value that the schema knows, and the schemas of its keys."""
        nodes = self.alternatives(self.whole if node is None else node)
        if isinstance(value, list):
            items = next((one["items"] for one in nodes if "items" in one), {})
            for each in value:
                yield from self.tables(each, items)
        elif isinstance(value, dict):
            keys = {}
            for node in nodes:  # of a stage or a source, the one that it names
                keys = node.get("properties", keys)
                consts = [(key, one["const"]) for key, one in keys.items() if "const" in one]
                if consts and all(value.get(key) == const for key, const in consts):
                    break
            yield value, keys
            more = next((one for one in map(_of_any_name, nodes) if one), {})
            for key, each in value.items():
                yield from self.tables(each, keys.get(key, more))

    def kinds(self, node):
        """Return how many kinds of tables a list or a table of any names may hold."""
        inside = node.get("items") or _of_any_name(node)
        return len(self.alternatives(inside)) if inside else 1

    def value(self, rng, node, names):
        """Return a value as described: an example, or a table of some of its keys."""
        local = [one for one in node.get("examples", ()) if "://" not in str(one)]
        if local and rng.random() < 0.7:
            return copy.deepcopy(rng.choice(local))
        node = rng.choice(self.alternatives(node))
        if "const" in node or "enum" in node:
            return node["const"] if "const" in node else rng.choice(node["enum"])
        kind = node.get("type")
        if kind == "object":
            some = {
                key: self.value(rng, each, names)
                for key, each in node.get("properties", {}).items()
                if key in node.get("required", ()) or "const" in each or rng.random() < 0.3
            }
            if more := _of_any_name(node):
                for name in rng.sample(names, min(len(names), rng.randint(1, 2))):
                    some[name] = self.value(rng, more, names)
            return some
        if kind == "array":
            return [self.value(rng, node.get("items", {}), names) for _ in range(rng.randint(1, 2))]
        some = {"boolean": (True, False), "integer": (0, 1, 7), "number": (0, 0.5, 3)}
        return rng.choice(some.get(kind, names))


def _of_any_name(node):
    """Return the schema of the values of a table whose keys are free, or an empty one."""
    patterns = node.get("patternProperties", {})
    more = next(iter(patterns.values()), node.get("additionalProperties"))
    return more if isinstance(more, dict) else {}


def change(rng, table, described):
    """Change one place of a table, or add a key that its schema knows."""
    kind = rng.random()
    if kind < 0.2:
        inside, keys = rng.choice(list(described.tables(table)))
        inside[rng.choice(sorted(keys) or ["x"])] = hostile(rng, table)
        return
    if kind < 0.6:
        add(rng, table, described)
        return
    path = rng.choice(list(places(table)))
    inside = functools.reduce(lambda at, key: at[key], path[:-1], table)
    if kind < 0.85:
        inside[path[-1]] = hostile(rng, table)
    elif kind < 0.92:
        del inside[path[-1]]
    elif isinstance(inside, dict):
        inside[str(rng.choice(NAMES))] = inside.pop(path[-1])


def add(rng, table, described):
    """Add what the schema describes, one place of it hostile: a key, a source, a stage, a group."""
    tables = list(described.tables(table))
    inside, keys = rng.choice([tables[0], rng.choice(tables)])
    if not keys:
        return
    names = sorted(keys)
    (name,) = rng.choices(names, [described.kinds(keys[name]) ** 0.5 for name in names])
    known = ["x", *(table["sources"] if _has_table(table, "sources") else ())]
    new = described.value(rng, keys[name], known)
    if isinstance(new, (dict, list)) and new and rng.random() < 0.6:
        path = rng.choice(list(places(new)))
        functools.reduce(lambda at, key: at[key], path[:-1], new)[path[-1]] = hostile(rng, table)
    old = inside.get(name)
    if isinstance(new, dict) and isinstance(old, dict):
        new = {**old, **new}
    elif isinstance(new, list) and isinstance(old, list):
        new = [*old, *new]
    inside[name] = new


def _has_table(table, name):
    return isinstance(table.get(name), dict)


def mutant(rng, table, described, finish=lambda table: None):
    """Return the text of a file with one to three changes, or a few characters less."""
    for _ in range(rng.choice((1, 1, 2, 3))):
        if table:
            change(rng, table, described)
    finish(table)
    text = document(table)
    if rng.random() < 0.05:
        at = rng.randrange(len(text) + 1)
        text = text[:at] + text[at + rng.randrange(1, 40) :]
    return text


def mutant_recipe(rng):
    """Return the text of a recipe that nobody means."""
    names = sorted(p.stem for p in (locate.roots()[-1] / "pipelines").glob("*.toml"))
    table = tomllib.loads(locate.recipe_file(rng.choice(names)).read_text(encoding="utf-8"))
    for source in table["sources"].values():  # a source without a path is not looked at
        source["path"] = source.get("path") or SAMPLES[source["format"]]
    if rng.random() < 0.1:
        stage = {"datatrove": rng.choice(BLOCKS), rng.choice(PARAMETERS): hostile(rng, table)}
        table.setdefault("stages", []).append(stage)
    return mutant(rng, table, Described("recipe"), finish=_local)


def _local(table):
    """Let sources read files that are there, and none ask a stranger's server."""
    for source in table["sources"].values() if _has_table(table, "sources") else ():
        if isinstance(source, dict) and source.get("format") == "commoncrawl":
            source.setdefault("base", "crawl")
            source.setdefault("snapshots", ["CC-MAIN-2024-22"])
        elif isinstance(source, dict) and source.get("path") == "crawl/*.warc.gz":
            source["path"] = SAMPLES.get(str(source.get("format")), "crawl/*.warc.gz")


def mutant_profile(rng):
    """Return the text of a profile that nobody means."""
    table = tomllib.loads(locate.profile_text(rng.choice(locate.profile_names())))
    return mutant(rng, table, Described("profile"))


COMMANDS = {
    "recipe": (mutant_recipe, lambda file: ["plan", file, "--sample", "20"]),
    "profile": (
        mutant_profile,
        lambda file: ["check", file, "--reference", file.with_name("a.txt")],
    ),
}


def attempt(arguments, folder):
    """Run a command line in a forked child; return how it ended, and what it printed."""
    printed = folder / "stderr"
    child = os.fork()
    if not child:
        _command(arguments, printed)
    _, status, usage = os.wait4(child, 0)
    code = os.waitstatus_to_exitcode(status)
    text = printed.read_text(errors="replace")
    seconds = usage.ru_utime + usage.ru_stime
    if code in (-signal.SIGXCPU, -signal.SIGALRM):
        return "hang", text
    if code not in (0, 2, 3, 4, 5):
        return "traceback" if "Traceback" in text else f"exit code {code}", text
    if "Traceback" in text:
        return "traceback", text
    if code not in (0, 3):
        sentence = re.search(r"^curate: \S", text, re.M)
        return "no sentence" if not sentence else "slow" if seconds > REFUSAL else "refused", text
    return "done", text


def _command(arguments, printed):
    from curate import cli

    os.chdir(printed.parent)
    resource.setrlimit(resource.RLIMIT_CPU, (HANG, HANG + 1))
    signal.alarm(10 * HANG)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.dup2(os.open(printed, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
    sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")  # pytest's are others
    sys.argv = ["curate", *map(str, arguments)]
    code = 70
    try:
        cli.main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def surroundings(folder):
    """Write the files that examples of the schemas name, and a finished run."""
    (folder / "a.txt").write_text("Бұл қысқа мәтін. " * 20)
    web = locate.data_path("sample_data/web/crawl.warc.gz")
    mirrored = "crawl/crawl-data/CC-MAIN-2024-22/segments/1/warc/a.warc.gz"
    for name in ("crawl/robotstxt/a.warc.gz", "crawl/a.warc.gz", mirrored):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(web, folder / name)
    page = {"identifier": 7, "name": "T", "article_body": {"html": "<section><p>Бұл қысқа мәтін."}}
    (folder / "wiki.ndjson").write_text(json.dumps(page) + "\n")
    (folder / "scores").mkdir()
    rows = {"id": ["news/news.jsonl.zst#0"], "url": ["http://x.example/"], "score": [0.5]}
    pq.write_table(pa.table(rows), folder / "scores" / "a.parquet")
    api.run("demo", output=folder / "run", engine="in-process")


def campaign(kind, count, seed):
    """Yield (how it ended, the mutant, what it printed) of each mutant."""
    mutate, arguments = COMMANDS[kind]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        surroundings(folder)
        for number in range(count):
            text = mutate(random.Random(f"{kind} {seed} {number}"))
            file = folder / "mutant.toml"
            file.write_text(text)
            ended, printed = attempt(arguments(file), folder)
            yield ended, text, printed


def warm():
    """Load in this process what the children need, so that they do not pay for it."""
    with tempfile.TemporaryDirectory() as name:
        surroundings(Path(name))
    api.check(["kaz_Cyrl"])


def main():
    """Run the mutants and print the scoreboard."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--mutants", type=int, default=2000, help="of each kind")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kind", choices=sorted(COMMANDS), action="append")
    parser.add_argument("--record", action="store_true", help="write docs/reliability.md")
    arguments = parser.parse_args()
    warm()
    failed = False
    for kind in arguments.kind or COMMANDS:
        counts = Counter()
        for ended, text, printed in campaign(kind, arguments.mutants, arguments.seed):
            counts[ended] += 1
            if ended not in GOOD and counts[ended] <= 40:
                print(f"{kind}: {ended}\n{text[:1500]}\n{printed[-1500:]}\n", file=sys.stderr)
        print(kind, dict(counts.most_common()), flush=True)
        failed |= not set(counts) <= set(GOOD)
        if arguments.record and not failed:
            ended = ", ".join(f"{count} {how}" for how, count in counts.most_common())
            scoreboard.record(f"hostile values, {kind}", ended)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
