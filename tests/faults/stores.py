"""Damage every file of dedup stores; then ask the store, and run against it.

    python -m tests.faults.stores [--damages 400] [--runs 60] [--seed 1] [--record]

A store of each kind (whole texts, near-duplicates, lines, spans) is made by three runs, and what
the last one added taken out of use. A file of it
is cut, emptied, flipped in one bit, removed, or becomes a folder, a link or a file of another
version. Then a query, and sometimes the run of a third day, must give the answer of the undamaged
store, or end in one sentence that names the store (exit code 2, 4 or 5), and must change nothing in
it. Any other answer, a traceback or the end of the process fails.
"""

import argparse
import json
import os
import random
import shutil
import sys
import tempfile
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq

from tests.faults.forked import Server

#: Settings of the stage of each kind of store.
KINDS = {
    "exact_dedup": "",
    "fuzzy_dedup": "",
    "line_dedup": "min_documents = 2",
    "substring_dedup": "min_bytes = 64",
}
WORDS = ["".join(random.Random(n).choices("abcdefghijklm", k=7)) for n in range(4000)]
REFUSED = (2, 4, 5)


def write_days(folder, documents=40):
    """Write four days: documents of lines, of which a third repeats others, whole or in part."""
    draw = random.Random(3)
    seen = []
    for day in range(4):
        new = ["\n".join(" ".join(draw.choices(WORDS, k=12)) for _ in range(8))
               for _ in range(documents)]  # fmt: skip
        for at in range(0, documents, 3) if seen else ():
            copy = draw.choice(seen)
            new[at] = copy if at % 2 else copy.partition("\n")[2] + "\nan end of its own"
        seen += new
        lines = (json.dumps({"text": text}) + "\n" for text in new)
        (folder / f"{day}.jsonl").write_text("".join(lines))


def state(store):
    """Return all that is in a store: files by name with their bytes, links, folders."""
    return {
        str(path.relative_to(store)): os.readlink(path) if path.is_symlink()
        else path.read_bytes() if path.is_file() else None
        for path in store.rglob("*") if path.name != ".lock"
    }  # fmt: skip


def damage(path, how, rng):
    """Damage a file in one of the ways below; return what was done."""
    body = path.read_bytes()
    if how == "flip":
        # Heads, tails and names decide more than the middle does.
        edge = rng.random() < 0.5
        at = rng.randrange(len(body) - min(len(body), 2048), len(body)) if edge else None
        at = rng.randrange(len(body)) if at is None else at
        bit = rng.randrange(8)
        damaged = bytearray(body)
        damaged[at] ^= 1 << bit
        path.write_bytes(damaged)
        return f"bit {bit} of byte {at} of {len(body)}"
    if how == "cut":
        at = rng.randrange(len(body))
        path.write_bytes(body[:at])
        return f"cut to {at} of {len(body)}"
    if how == "zeros":  # a block that a file system lost
        at = rng.randrange(len(body))
        path.write_bytes(body[:at] + bytes(min(512, len(body) - at)) + body[at + 512 :])
        return f"zeros from byte {at}"
    path.unlink()
    if how == "empty":
        path.write_bytes(b"")
    elif how == "folder":
        path.mkdir()
    elif how == "link to nothing":
        path.symlink_to("nothing")
    elif how == "link to itself":
        path.symlink_to(path.name)
    elif how == "link to a device":
        path.symlink_to("/dev/null")
    elif how == "other version":
        # What a later version may write: of JSON another number or type, of tables other columns.
        if path.suffix == ".digest":
            path.write_bytes(body[::-1])
            return how
        if path.suffix == ".json":
            table = json.loads(body)
            key = rng.choice(sorted(table))
            table[key] = rng.choice([99, None, "x", [], {}, [{}], -1, 1e300])
            path.write_text(json.dumps(table))
            return f"{key} = {table[key]!r}"
        path.write_bytes(body)
        table = pq.read_table(path)
        name = rng.choice(table.column_names)
        pq.write_table(table.drop_columns([name]), path)
        return f"no column {name}"
    return how


WAYS = ("flip", "flip", "flip", "flip", "cut", "zeros", "empty", "missing", "folder",
        "link to nothing", "link to itself", "link to a device", "other version")  # fmt: skip


class Campaign:
    def __init__(self, folder):
        self.folder, self.counts, self.failed = folder, Counter(), []
        self.curate = Server()
        write_days(folder)
        self.answers, self.products = {}, {}
        for kind in KINDS:
            for day in (0, 1, 3):
                done = self.run(kind, day, self.whole(kind))
                assert done.returncode == 0, done.stderr
            assert self.curate("store", self.whole(kind), "--remove", "day3").returncode == 0
            self.answers[kind] = self.query(self.whole(kind)).stdout
            assert '"id"' in self.answers[kind]
            store = self.copied(kind)
            assert self.run(kind, 2, store).returncode == 0
            self.products[kind] = self.product()

    def whole(self, kind):
        return self.folder / f"whole-{kind}"

    def copied(self, kind):
        store = self.folder / "store"
        shutil.rmtree(store, ignore_errors=True)
        shutil.copytree(self.whole(kind), store)
        return store

    def run(self, kind, day, store):
        shutil.rmtree(self.folder / "out", ignore_errors=True)
        recipe = self.folder / "a.toml"
        recipe.write_text(
            f'name = "a"\n[sources.day{day}]\nformat = "jsonl"\n'
            f'path = "{self.folder}/{day}.jsonl"\n'
            f'[[stages]]\nuse = "{kind}"\n{KINDS[kind]}\nstore = "{store}"\n'
        )
        return self.curate("run", recipe, "--output", self.folder / "out", "--engine", "in-process")

    def product(self):
        table = pq.read_table(self.folder / "out" / "mixture")
        return table.select(["id", "text"]).to_pylist()

    def query(self, store):
        return self.curate("store", "query", store, self.folder / "2.jsonl", "--json")

    def one(self, kind, rng, *, with_run):
        store = self.copied(kind)
        files = sorted(path for path in store.rglob("*") if path.is_file())
        kinds = {}  # every kind of file as often
        for path in files:
            kinds.setdefault(path.name if path.suffix == ".parquet" else path.parent, []).append(
                path
            )
        path = rng.choice(kinds[rng.choice(sorted(kinds, key=str))])
        how = rng.choice(WAYS)
        place = path.relative_to(store)
        what = f"{kind}: {place}: {how}: {damage(path, how, rng)}"
        before = state(store)
        done = self.query(store)
        self.judge(what, "query", done, done.stdout == self.answers[kind], store, place)
        if state(store) != before:
            self.fail(what, "the query changed the store", done)
        if with_run:
            done = self.run(kind, 2, store)
            same = done.returncode == 0 and self.product() == self.products[kind]
            self.judge(what, "run", done, same, store, place)
            after = state(store)
            if done.returncode and after != before:
                self.fail(what, f"a refused run left {sorted(after.keys() - before)}", done)
            if done.returncode == 0 and any(after.get(k, 0) != v for k, v in before.items()):
                self.fail(what, "the run changed what was there", done)

    def judge(self, what, of, done, same, store, place):
        told = [line for line in done.stderr.splitlines() if line.startswith("curate: ")]
        named = place.name in done.stderr or str(place.parent) in done.stderr
        if done.returncode in REFUSED and len(told) == 1 and "Traceback" not in done.stderr:
            if not named and str(store) not in done.stderr:
                self.fail(what, f"{of}: the sentence names neither store nor file", done)
            self.counts[f"{of}: refused" + ("" if named else " (without the file's name)")] += 1
        elif done.returncode == 0 and same:
            self.counts[f"{of}: the same answer"] += 1
        else:
            self.fail(what, f"{of}: exit {done.returncode}, {'the same' if same else 'another'}"
                      " answer", done)  # fmt: skip

    def fail(self, what, how, done):
        self.counts["FAILED"] += 1
        self.failed.append(what)
        print(f"{what}\n  {how}\n  {done.stderr[-1500:]}\n", flush=True)


def main():
    """Damage stores; print the counts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--damages", type=int, default=400)
    parser.add_argument("--runs", type=int, default=60, help="of them followed by a run")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kind", choices=sorted(KINDS), action="append")
    parser.add_argument("--record", action="store_true", help="write docs/reliability.md")
    known = parser.parse_args()
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        campaign = Campaign(Path(folder))
        kinds = known.kind or sorted(KINDS)
        for number in range(known.damages):
            rng = random.Random(f"{known.seed} {number}")
            with_run = (
                number * known.runs // known.damages != (number + 1) * known.runs // known.damages
            )
            campaign.one(kinds[number % len(kinds)], rng, with_run=with_run)
        campaign.curate.close()
    print(f"{known.damages} damages, seed {known.seed}: {dict(sorted(campaign.counts.items()))}")
    if known.record and not campaign.failed:
        from tests.faults import scoreboard

        counts = ", ".join(f"{kind} {n}" for kind, n in sorted(campaign.counts.items()))
        scoreboard.record("dedup stores", f"{known.damages} damages: {counts}")
    return int(bool(campaign.failed))


if __name__ == "__main__":
    sys.exit(main())
