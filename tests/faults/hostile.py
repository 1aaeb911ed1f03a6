"""Recipes and profiles with one hostile value each: all end in a plan, or in one clear error.

    python -m tests.faults.hostile --mutants 2000 --seed 1

Each mutant is a shipped recipe or profile in which one value is replaced, or one option of a stage
or a source is added, with a number, text or structure that nobody means. A mutant passes where it
is planned (a profile: applied to two short texts) or refused with a CurateError, within two
seconds. Prints each failure and the counts, and exits 1 where there is one.
"""

import argparse
import copy
import json
import random
import signal
import sys
import tomllib
import traceback
from collections import Counter
from contextlib import contextmanager

from curate.errors import CurateError
from curate.plan import build, registry
from curate.recipe import locate
from curate.recipe.profile import Profiles, load_profile
from curate.recipe.recipe import parse_recipe

SECONDS = 2
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
        return json.dumps(value).replace("\\ud83d", "?").replace("\x7f", "\\u007f")
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)} = {toml(v)}" for k, v in value.items()) + "}"
    return repr(value)


def document(table):
    """Write a whole file of TOML: one inline value for each key."""
    return "".join(f"{json.dumps(key)} = {toml(value)}\n" for key, value in table.items())


def places(value, path=()):
    """Yield the path of each value inside a table."""
    inside = value.items() if isinstance(value, dict) else enumerate(value)
    for key, each in inside:
        yield (*path, key)
        if isinstance(each, (dict, list)):
            yield from places(each, (*path, key))


def put(table, path, value):
    """Set the value at a path."""
    for key in path[:-1]:
        table = table[key]
    table[path[-1]] = value


def mutant_recipe(rng):
    """Return the text of a recipe with one hostile value."""
    names = sorted(p.stem for p in (locate.roots()[-1] / "pipelines").glob("*.toml"))
    table = tomllib.loads(locate.recipe_file(rng.choice(names)).read_text(encoding="utf-8"))
    for source in table["sources"].values():  # a source without a path is not looked at
        source["path"] = source.get("path") or f"sample_data/{SAMPLES[source['format']]}"
    value = copy.deepcopy(rng.choice(HOSTILE))
    kind = rng.random()
    if kind < 0.6:
        put(table, rng.choice(list(places(table))), value)
    elif kind < 0.8 and table.get("stages"):
        stage = rng.choice(table["stages"])
        known = registry.options("stage", stage.get("use", "datatrove"))
        stage[rng.choice(sorted(known) or ["x"])] = value
    elif kind < 0.95:
        source = rng.choice(list(table["sources"].values()))
        source[rng.choice(sorted(registry.options("source", source["format"])))] = value
    else:
        table[rng.choice(["seed", "limits", "shards", "output", "compare", "x", ""])] = value
    return document(table)


def mutant_profile(rng):
    """Return the text of a profile with one hostile value."""
    table = tomllib.loads(locate.profile_text(rng.choice(locate.profile_names())))
    value = copy.deepcopy(rng.choice(HOSTILE))
    keys = ["extends", "name", "rules", "lists", "trim", "url", "rewrite", "classifier", "x"]
    new = [[key] for key in keys] + [
        ["rules", "x"], ["lists", "x"], ["trim", "options"], ["word_frequencies"],
        ["standardize", "mask"], ["identify", "letters"],
    ]  # fmt: skip
    if rng.random() < 0.7:
        put(table, rng.choice(list(places(table))), value)
    else:
        path = rng.choice(new)
        if len(path) == 2:
            table.setdefault(path[0], {})
        put(table, path, value)
    return document(table)


@contextmanager
def limit(seconds):
    """Raise TimeoutError after some seconds."""

    def ring(number, frame):
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def plan_recipe(text):
    """Plan a recipe without reading any model that it does not ship."""
    build.build(parse_recipe(text, "mutant.toml"), stores=False)


def apply_profile(text):
    """Load a profile, and judge two short texts with it."""
    from curate.signals.verdict import check_profile
    from curate.stages.rewrite import Rewrite
    from curate.stages.standardize import Standardize
    from curate.stages.trim import Trim

    def read(name):
        return text if name == "mutant" else locate.profile_text(name)

    profile = load_profile("mutant", read)
    check_profile(profile, ["Бұл қысқа мәтін. " * 20, "a"])
    profiles = Profiles({"mutant": profile, "_default": profile}, always="mutant")
    for stage in (Standardize, Trim, Rewrite):
        stage(profiles=profiles)


def outcome(run, text, seconds=SECONDS):
    """Return how a mutant ended: planned, refused, or what went wrong."""
    try:
        with limit(seconds):
            run(text)
    except CurateError as error:
        return "refused" if str(error).strip() else "an empty error"
    except TimeoutError:
        return "slow"
    except BaseException as error:
        frames = traceback.extract_tb(error.__traceback__)
        ours = [f for f in frames if "/curate/" in f.filename] or frames
        place = f"{ours[-1].filename.rpartition('/curate/')[2]}:{ours[-1].lineno}"
        return f"{type(error).__name__} in {place}: {str(error)[:100]}"
    return "planned"


KINDS = {"recipe": (mutant_recipe, plan_recipe), "profile": (mutant_profile, apply_profile)}


def campaign(kind, count, seed):
    """Yield (outcome, text) of each mutant."""
    mutate, run = KINDS[kind]
    rng = random.Random(f"{kind} {seed}")
    for _ in range(count):
        text = mutate(rng)
        yield outcome(run, text), text


def main():
    """Run the mutants and print the counts."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--mutants", type=int, default=2000, help="of each kind")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    failed = False
    for kind, (mutate, run) in KINDS.items():
        outcome(run, mutate(random.Random(0)), seconds=600)  # what is compiled or loaded once
        counts = Counter()
        for ended, text in campaign(kind, arguments.mutants, arguments.seed):
            good = ended in ("planned", "refused")
            counts[ended if good else "failed"] += 1
            if not good and counts["failed"] <= 60:
                print(f"{kind}: {ended}\n{text[:2000]}\n", file=sys.stderr)
        print(kind, dict(counts))
        failed |= counts["failed"] > 0
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
