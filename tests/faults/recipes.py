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
import signal
import sys
import tempfile
import tomllib
from collections import Counter
from pathlib import Path

from curate import api
from curate.plan import registry
from curate.recipe import locate
from curate.recipe.mixture import Mixture
from curate.recipe.profile import Profile, Rule
from curate.recipe.recipe import Limits, Recipe, Shards
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
    "\x1b[31m", "{", "[", "[a", "*", "**", "(a+)+$", "%s", "é" * 300, "\U0010ffff", "nan",
    "1e999999999", "1e999999999:1",
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

#: Input for the sources that a recipe leaves to --input.
SAMPLES = {
    "warc": "web/*.warc.gz", "wet": "web/*.warc.wet.gz", "wikipedia": "wiki", "text": "notes",
    "jsonl": "news.jsonl.zst", "parquet": "books.parquet", "chat": "chat",
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


def change(rng, table, options):
    """Change one place of a table; ``options`` yields (table, names) where one can be added."""
    kind = rng.random()
    if kind < 0.3 and (known := options(table)):
        inside, names = rng.choice(known)
        inside[rng.choice(sorted(names) or ["x"])] = hostile(rng, table)
        return
    path = rng.choice(list(places(table)))
    inside = functools.reduce(lambda at, key: at[key], path[:-1], table)
    if kind < 0.8:
        inside[path[-1]] = hostile(rng, table)
    elif kind < 0.9:
        del inside[path[-1]]
    elif isinstance(inside, dict):
        inside[str(rng.choice(NAMES))] = inside.pop(path[-1])


def mutant(rng, table, options):
    """Return the text of a file with one to three changes, or a few characters less."""
    for _ in range(rng.choice((1, 1, 2, 3))):
        if table:
            change(rng, table, options)
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
        source["path"] = source.get("path") or f"sample_data/{SAMPLES[source['format']]}"
    if rng.random() < 0.1:
        stage = {"datatrove": rng.choice(BLOCKS), rng.choice(PARAMETERS): hostile(rng, table)}
        table.setdefault("stages", []).append(stage)
    return mutant(rng, table, _options_of_recipe)


def _options_of_recipe(table):
    """Return the tables of a recipe that take options, and their names."""
    places = [(table, {*Recipe.model_fields, "x", ""})]
    if isinstance(limits := table.setdefault("limits", {}), dict):
        places.append((limits, Limits.model_fields))
    if isinstance(shards := table.setdefault("shards", {}), dict):
        places.append((shards, Shards.model_fields))
    if isinstance(mixture := table.get("mixture"), dict):
        places.append((mixture, Mixture.model_fields))
    for kind, key, inside in (("stage", "use", "stages"), ("source", "format", "sources")):
        found = table.get(inside)
        found = found.values() if isinstance(found, dict) else found
        for one in found if isinstance(found, list | type({}.values())) else ():
            known = registry.STAGES if kind == "stage" else registry.SOURCE_FORMATS
            if isinstance(one, dict) and isinstance(use := one.get(key), str) and use in known:
                places.append((one, registry.options(kind, use)))
    return places


def mutant_profile(rng):
    """Return the text of a profile that nobody means."""
    table = tomllib.loads(locate.profile_text(rng.choice(locate.profile_names())))
    return mutant(rng, table, _options_of_profile)


def _options_of_profile(table):
    """Return the tables of a profile that take options, and their names."""
    places = [(table, {*Profile.model_fields, "extends", "x"})]
    for name, field in Profile.model_fields.items():
        inside = table.setdefault(name, {}) if hasattr(field.annotation, "model_fields") else None
        if isinstance(inside, dict):
            places.append((inside, field.annotation.model_fields))
    rules = table.get("rules")
    for rule in rules.values() if isinstance(rules, dict) else ():
        if isinstance(rule, dict):
            places.append((rule, Rule.model_fields))
    return places


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


def campaign(kind, count, seed):
    """Yield (how it ended, the mutant, what it printed) of each mutant."""
    mutate, arguments = COMMANDS[kind]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "a.txt").write_text("Бұл қысқа мәтін. " * 20)
        for number in range(count):
            text = mutate(random.Random(f"{kind} {seed} {number}"))
            file = folder / "mutant.toml"
            file.write_text(text)
            ended, printed = attempt(arguments(file), folder)
            yield ended, text, printed


def warm():
    """Load in this process what the children need, so that they do not pay for it."""
    with tempfile.TemporaryDirectory() as name:
        api.run("demo", output=f"{name}/out", engine="in-process")
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
