"""Compare signatures and a whole near dedup with datasketch's and datatrove's, in one run.

    CURATE_SHARED_DATA=... python tests/benchmarks/dedup.py [--documents 6000] [--languages
    en,ru,ja]

Seconds are CPU seconds of this process, the best of several runs. datatrove runs as shipped where
its tokenizers are installed (spaCy; see README.md), and with words from `str.split` (characters in
Japanese), which is what it could reach without a tokenizer.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import cache
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from curate.dedup.exact import text_hashes
from curate.dedup.fuzzy.minhash import sign_texts
from curate.dedup.fuzzy.steps import fuzzy_steps, sketch
from curate.dedup.options import NearDuplicates, Shingling
from curate.protocol.in_memory import resolve_steps
from tests.benchmarks import corpus


def seconds(work: Callable[[], object], runs: int) -> float:
    best = float("inf")
    for _ in range(runs):
        started = time.process_time()
        work()
        best = min(best, time.process_time() - started)
    return best


def units(text: str) -> list[str]:
    """Split at spaces; into characters where there are none (Japanese)."""
    words = text.lower().split()
    return words if 20 * len(words) > len(text) else list(text)


def datasketch_bulk(texts: list[str]) -> None:
    """Sign word 5-grams with 128 permutations, hashed by SHA-1: datasketch's defaults, in bulk."""
    import datasketch

    def shingles(text: str) -> list[bytes]:
        words = units(text)
        return [" ".join(words[i : i + 5]).encode() for i in range(max(1, len(words) - 4))]

    datasketch.MinHash.bulk([shingles(text) for text in texts], num_perm=128)


def datasketch_xxhash(texts: list[str]) -> None:
    """Sign the same with xxhash in place of SHA-1."""
    import datasketch
    import xxhash

    def shingles(text: str) -> list[bytes]:
        words = units(text)
        return [" ".join(words[i : i + 5]).encode() for i in range(max(1, len(words) - 4))]

    sets = [shingles(text) for text in texts]
    datasketch.MinHash.bulk(sets, num_perm=128, hashfunc=lambda data: xxhash.xxh32_intdigest(data))


def rensa_signatures(texts: list[str]) -> None:
    """Sign with RMinHash, from a list of shingles."""
    from rensa import RMinHash

    for text in texts:
        words = units(text)
        minhash = RMinHash(num_perm=128, seed=42)
        minhash.update([" ".join(words[i : i + 5]) for i in range(max(1, len(words) - 4))])
        minhash.digest()


def daft_signatures(texts: list[str]) -> None:
    """Sign with Daft's expressions: normalize, then minhash over words between spaces."""
    import daft

    text = daft.col("text").normalize(
        remove_punct=True, lowercase=True, nfd_unicode=False, white_space=True
    )
    signed = text.minhash(num_hashes=128, ngram_size=5, seed=1, hash_function="xxhash")
    daft.from_pydict({"text": texts}).select(signed).to_arrow()


def datatrove_signatures(language: str | None) -> Callable[[list[str]], None]:
    """Return FineWeb's signatures: 14 bands of 8 rows of a language's words, or of `units`."""

    class Split:
        def word_tokenize(self, text: str) -> list[str]:
            return units(text)

    @cache
    def signature_step() -> Any:
        import datatrove.pipeline.dedup.minhash as minhash
        from datatrove.utils.word_tokenizers import load_word_tokenizer

        tokenizer = load_word_tokenizer(language) if language else Split()
        minhash.load_word_tokenizer = lambda language: tokenizer
        step = minhash.MinhashDedupSignature("memory://signatures")
        # xxhash 4 takes bytes only; datatrove 0.10 passes text.
        hash_bytes = step._hash_func
        step._hash_func = lambda shingle: hash_bytes(shingle.encode())
        return step

    def work(texts: list[str]) -> None:
        for text in texts:
            shingles = signature_step().get_shingles(text)
            if shingles.size:
                signature_step().get_signature(shingles)

    return work


#: Our code of a language → datatrove's.
DATATROVE = {"en": "eng", "ru": "rus", "ja": "jpn", "kk": "kaz", "ko": "kor", "tr": "tur"}


def size(texts: pa.LargeStringArray) -> float:
    return float(pc.sum(pc.binary_length(texts)).as_py() or 0) / 1e6


def signatures(language: str, generated: corpus.Corpus, runs: int) -> None:
    texts = generated.table["text"].combine_chunks()
    sign_texts(texts.slice(0, 10), Shingling(), 128)
    ours = size(texts) / seconds(lambda: sign_texts(texts, Shingling(), 128), runs)
    part = texts.slice(0, max(50, len(texts) // 5))
    some = part.to_pylist()
    print(f"signatures {language}: curate, 128 permutations {ours:8.1f} MB/s")
    peers = {
        "datasketch bulk, 128": datasketch_bulk,
        "datasketch bulk with xxhash, 128": datasketch_xxhash,
        "rensa, 128": rensa_signatures,
        "daft normalize and minhash, 128": daft_signatures,
        "datatrove without its tokenizer, 112": datatrove_signatures(None),
        "datatrove as shipped, 112": datatrove_signatures(DATATROVE.get(language, language)),
    }
    for name, work in peers.items():
        try:
            work(some[:5])
        except ImportError as missing:
            print(f"{name}: skipped ({missing})")
            continue
        few = some[:200] if "as shipped" in name else some
        speed = sum(len(text.encode()) for text in few) / 1e6
        speed /= seconds(lambda work=work, few=few: work(few), 2)
        print(
            f"signatures {language}: {name} {speed:8.2f} MB/s,"
            f" curate is {ours / speed:.0f} times as fast"
        )


def whole(language: str, generated: corpus.Corpus) -> None:
    near = NearDuplicates()
    table = generated.table
    megabytes = size(table["text"].combine_chunks())

    def run() -> pa.Table:
        shard = {"sketch": sketch(near, table), "text": table}
        return resolve_steps(fuzzy_steps(near), [shard], partitions=2)["decisions"]

    few = table.slice(0, 300)
    resolve_steps(fuzzy_steps(near), [{"sketch": sketch(near, few), "text": few}])
    text_hashes(table["text"].combine_chunks().slice(0, 9))
    exact = seconds(lambda: text_hashes(table["text"].combine_chunks()), 1)
    took = seconds(run, 1)
    decisions = run().select(["id", "dropped_by", "cluster"]).to_pylist()
    removed = {row["id"] for row in decisions if row["jaccard"] is not None}
    cluster = {row["id"]: row["cluster"] for row in decisions}
    print(
        f"dedup {language}: {table.num_rows} documents, {megabytes:.1f} MB,"
        f" {len(removed)} removed, {took:.2f} s = {megabytes / took:.1f} MB/s;"
        f" exact hashes {megabytes / exact:.0f} MB/s"
    )
    ids = table["id"].to_pylist()
    for kind in corpus.KINDS:
        rows = [row for row, name in enumerate(generated.kind) if name == kind]
        # A copy counts as found if it is in the cluster of its original.
        found = sum(
            ids[row] in cluster and cluster[ids[row]] == cluster.get(ids[generated.original[row]])
            for row in rows
        )
        if rows:
            print(f"dedup {language}: planted {kind:9} found {found:4} of {len(rows)}")
    families = {
        generated.original[row] for row, name in enumerate(generated.kind) if name != "original"
    }
    alone = sum(
        ids[row] in removed
        for row in range(len(ids))
        if generated.original[row] == row and row not in families
    )
    print(f"dedup {language}: removed without a planted copy: {alone}")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--documents", type=int, default=6_000)
    options.add_argument("--languages", default="en,ru,ja")
    options.add_argument("--runs", type=int, default=4)
    arguments = options.parse_args()
    for language in arguments.languages.split(","):
        generated = corpus.make(language, documents=arguments.documents)
        signatures(language, generated, arguments.runs)
        whole(language, generated)


if __name__ == "__main__":
    main()
