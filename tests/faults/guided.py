"""Readers under coverage-guided fuzzing: atheris chooses the bytes.

    pip install atheris
    python -m tests.faults.guided jsonl --seconds 3600 [--corpus FOLDER] [--record]

Targets: the formats of ``mutants`` (what is inside their compression), ``html`` (the bytes of a
page), ``wikitext``, ``recipe`` and ``profile`` (TOML; what is read is also written, and must read
the same). It starts from the files and words of ``mutants``, the recipes and profiles of the
repository, and real files where ``$CURATE_SHARED_DATA`` names some. An exception, ten seconds on
one input, 1 GiB, or a broken law of ``mutants`` ends it, with the input in a file, which becomes a
test. Compiled kernels carry no counters: coverage is that of the Python around them. With
``--corpus`` the inputs that found new code are kept in a folder, and used the next time.
"""

import argparse
import functools
import html
import os
import random
import re
import subprocess
import sys
import tempfile
from contextlib import nullcontext
from pathlib import Path

import fsspec
import pyarrow as pa
import tomli_w
from fsspec.implementations.tar import TarFileSystem

from tests.faults import scoreboard

CHILD = "--child"
if CHILD in sys.argv:  # what is imported now counts its branches
    import atheris

    counting = atheris.instrument_imports(include=["curate"])
else:
    counting = nullcontext()
with counting:
    from curate.errors import CurateError
    from curate.plan import build
    from curate.recipe import locate
    from curate.recipe.profile import load_profile
    from curate.recipe.recipe import parse_recipe
    from curate.sources.base import InputFile
    from curate.sources.web.html import Page, page_text
    from curate.sources.wiki.wikitext import prose
    from tests.faults import formats, mutants

SECONDS = 10
MEGABYTES = 1024
TARGETS = (*formats.FORMATS, "html", "wikitext", "recipe", "profile")

RECIPE = b'name = "x"\n[sources.a]\nformat = "jsonl"\npath = "a.jsonl"\n[[stages]]\nuse = "trim"\n'
SEEDS = {
    "html": b"<!doctype html><meta charset=utf-8><title>t</title><p>" + formats.TEXT.encode(),
    "wikitext": b"'''T''' [[a|b]] {{c|d}} {| \n| x\n|} <ref>r</ref> ==h==\n* l",
    "recipe": RECIPE,
    "profile": b'extends = "_default"\n[rules.too_few_words]\nmin = 3\n',
}

#: Real files by target, below $CURATE_SHARED_DATA: what stands inside their compression.
REAL = {
    "html": ["html/*.tar"],
    "html.ndjson": [],
    "html.tar.gz": [],
    "wikitext": ["wiki/**/*.xml*"],
    "xml": ["wiki/**/*.xml*"],
    "warc": ["warc/**/*.warc", "warc/**/*.warc.gz"],
    "wet": ["warc/**/*.wet*"],
    "jsonl": ["formats/*json*"],
    "chat": ["chat/*json*"],
    "packed": ["chat/*json*"],
    "csv": ["chat/*.csv.gz"],
    "parquet": ["formats/*.parquet"],
}
HERE = Path(__file__).parents[2]
MOST = 64 << 10  #: bytes of a real file


def recipe(data):
    """Plan a recipe."""
    try:
        read = parse_recipe(data.decode("utf-8", "replace"), "x.toml")
        assert parse_recipe(written(read), "x.toml") == read
        build.build(read, stores=False)
    except CurateError as error:
        assert str(error).strip()


def profile(data):
    """Load a profile that may extend those of the repository."""
    text = data.decode("utf-8", "replace")
    try:
        read = load_profile("x.toml", lambda name: text if name == "x.toml" else shipped(name))
    except CurateError as error:
        assert str(error).strip()
    else:
        again = written(read, exclude={"name"})
        assert load_profile("x.toml", lambda _: again) == read


def written(model, **but):
    return tomli_w.dumps(model.model_dump(mode="json", exclude_none=True, **but))


shipped = functools.cache(locate.profile_text)


def reader(name, folder):
    """Return the function that atheris calls with bytes."""
    if name in SEEDS:
        return {
            "html": lambda data: page_text(Page(data)).text.encode(),
            "wikitext": lambda data: prose(data.decode("utf-8", "replace")).text.encode(),
            "recipe": recipe,
            "profile": profile,
        }[name]
    content, pack, _ = formats.FORMATS[name]
    path = Path(folder) / f"x.{name}"
    is_packed = not isinstance(content, pa.Table)

    def read(data):
        packed = pack([data] if isinstance(content, list) else data) if is_packed else data
        path.write_bytes(packed)
        file = InputFile(str(path), path.name, len(packed))
        mutants.texts(name, file)
        wrong = mutants.cut_elsewhere(name, file, random.Random(data))
        assert not wrong, wrong

    return read


def real(name):
    """Yield the first bytes of real files for a target; of dumps, for wikitext, the pages."""
    if name == "profile":
        yield from (path.read_bytes() for path in HERE.glob("filters/*.toml"))
    if name == "recipe":
        yield from (path.read_bytes() for path in HERE.glob("pipelines/*.toml"))
        for page in HERE.glob("docs/**/*.md"):
            yield from re.findall(b"(?s)\n```toml\n(.*?)\n```", page.read_bytes())
    root = Path(os.environ.get("CURATE_SHARED_DATA", "/nowhere"))
    for pattern in REAL.get(name, REAL.get(name.partition(".")[0], [])):
        for path in sorted(root.glob(pattern)):
            if path.suffix == ".tar":
                inside = TarFileSystem(str(path))
                for member in inside.find("")[:100]:
                    with inside.open(member, compression="infer") as file:
                        yield file.read(MOST)
                continue
            try:
                with fsspec.open(str(path), compression="infer") as file:
                    data = file.read(MOST)
            except (OSError, EOFError):  # cut or damaged
                continue
            if name == "wikitext":
                texts = re.findall("(?s)<text[^>]*>(.*?)</text>", data.decode("utf-8", "replace"))
                yield from (html.unescape(text).encode() for text in texts)
            else:
                yield data


def seeds(name, folder):
    """Write what fuzzing starts from, and the dictionary of the formats' words."""
    start = Path(folder) / "seeds"
    start.mkdir()
    content = SEEDS.get(name) or formats.FORMATS[name].content
    if isinstance(content, pa.Table):
        content = formats.stored(content)
    content = b"".join(content) if isinstance(content, list) else content
    for number, data in enumerate((content, *real(name))):
        (start / str(number)).write_bytes(data)
    words = Path(folder) / "words"
    quoted = ("".join(f"\\x{byte:02x}" for byte in word) for word in mutants.WORDS)
    words.write_text("".join(f'"{word}"\n' for word in quoted))
    return start, words


def prepare(name, folder):
    """Compile and load what a target needs, and return its function."""
    compiles = name in formats.FORMATS and getattr(formats.FORMATS[name].reader, "compile", None)
    if compiles:
        compiles()
    read = reader(name, folder)
    for word in (b"", b"x", b"\n"):
        read(word)
    return read


def fuzz(name, folder, arguments):
    """Run atheris in this process; it ends the process."""
    read = prepare(name, folder)
    atheris.Setup([sys.argv[0], *arguments], read)
    atheris.Fuzz()


def main():
    """Start a process that fuzzes, and print how it ended."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--corpus", type=Path)
    parser.add_argument("--record", action="store_true", help="write docs/reliability.md")
    parser.add_argument(CHILD, help=argparse.SUPPRESS)
    known, more = parser.parse_known_args()
    if known.child:
        fuzz(known.target, known.child, more)
    with tempfile.TemporaryDirectory(prefix="curate-guided-") as folder:
        prepare(known.target, folder)  # code that counts its branches cannot be compiled
        start, words = seeds(known.target, folder)
        corpus = known.corpus or Path(folder) / "corpus"
        corpus.mkdir(parents=True, exist_ok=True)
        command = [
            sys.executable, "-m", "tests.faults.guided", known.target, CHILD, folder,
            f"-max_total_time={known.seconds}", f"-seed={known.seed}", f"-timeout={SECONDS}",
            f"-rss_limit_mb={MEGABYTES}", f"-dict={words}", "-max_len=65536",
            f"-artifact_prefix={Path.cwd()}/guided-{known.target}-", str(corpus), str(start),
        ]  # fmt: skip
        done = subprocess.run(command, stderr=subprocess.PIPE, text=True, errors="replace")
        lines = done.stderr.strip().splitlines()
        if "no interesting inputs" in done.stderr:
            sys.exit("the code does not count its branches")
        if done.returncode:
            print(f"{known.target}: exit code {done.returncode}")
            print("\n".join(line for line in lines if not line.startswith(("#", "INFO"))))
            return 1
    print(lines[-1])
    if known.record:
        runs = lines[-1].split()[1]
        counted = f"{runs} inputs in {known.seconds} s: 0 exceptions, hangs, more than 1 GiB"
        scoreboard.record(f"guided, {known.target}", counted)
    return 0


if __name__ == "__main__":
    sys.exit(main())
