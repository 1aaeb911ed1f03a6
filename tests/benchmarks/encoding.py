"""Count legacy files decoded to the right text, and repaired mojibake, beside peers.

    CURATE_SHARED_DATA=... python -m tests.benchmarks.encoding

charset-normalizer and chardet name a charset, under which the file is decoded. ``MB/s`` is
by CPU time. Mojibake: ftfy with the options of repair, and curate.

Code pages: up to 200 passages of each language and length, in each page, that are decoded right
without a label and under a wrong one; then passages that came read in another page (mended to the
letter, caught by the signals' limits, or passed), and clean texts that repair would read again.
"""

import csv
import gzip
import json
import os
import random
import time
import unicodedata
from collections import defaultdict
from pathlib import Path

import chardet
import charset_normalizer
import ftfy
import pyarrow as pa

from curate.signals import measure
from curate.sources.decoding import decode
from curate.text.code_pages import as_in_pages, written_letters
from curate.text.misreadings import mend
from curate.text.repair import repair
from tests.accuracy.encoding_gold import charset_files, mojibake_cases, plain
from tests.unit.text.test_repair import OPTIONS

PAGES = {
    "kaz_Cyrl": "kz1048 ptcp154", "tur_Latn": "cp1254", "arb_Arab": "cp1256 iso8859_6",
    "rus_Cyrl": "cp1251 koi8_r iso8859_5 cp866 mac_cyrillic",
    "ukr_Cyrl": "cp1251 koi8_u iso8859_5", "bul_Cyrl": "cp1251 iso8859_5", "bel_Cyrl": "cp1251",
    "srp_Cyrl": "cp1251", "mkd_Cyrl": "cp1251", "tat_Cyrl": "ptcp154", "kir_Cyrl": "ptcp154",
    "pol_Latn": "cp1250 iso8859_2", "ces_Latn": "cp1250 iso8859_2", "hun_Latn": "cp1250 iso8859_2",
    "ron_Latn": "cp1250 iso8859_2", "ell_Grek": "cp1253 iso8859_7", "heb_Hebr": "cp1255",
    "tha_Thai": "cp874", "vie_Latn": "cp1258", "lit_Latn": "cp1257", "lvs_Latn": "cp1257",
    "pes_Arab": "cp1256", "fra_Latn": "cp1252", "deu_Latn": "cp1252", "spa_Latn": "cp1252",
    "por_Latn": "cp1252", "isl_Latn": "cp1252", "cat_Latn": "cp1252", "swe_Latn": "cp1252",
}  # fmt: skip
WRONG = {"cp1252": "windows-1251", "cp1251": "iso-8859-1"}  # label by page; others alternate
MISREAD = [
    ("tur_Latn", "cp1254", "cp1252"), ("kaz_Cyrl", "kz1048", "cp1251"),
    ("kaz_Cyrl", "ptcp154", "cp1251"), ("rus_Cyrl", "cp1251", "cp1252"),
    ("rus_Cyrl", "koi8_r", "cp1251"), ("rus_Cyrl", "cp1251", "koi8_r"),
    ("rus_Cyrl", "cp866", "cp1251"), ("arb_Arab", "cp1256", "cp1252"),
    ("arb_Arab", "cp1256", "cp1251"), ("pol_Latn", "cp1250", "cp1252"),
    ("ces_Latn", "cp1250", "cp1252"), ("hun_Latn", "cp1250", "cp1252"),
    ("ell_Grek", "cp1253", "cp1252"), ("heb_Hebr", "cp1255", "cp1252"),
    ("tur_Latn", "utf-8", "cp1251"), ("tur_Latn", "utf-8", "cp1254"),
    ("kaz_Cyrl", "utf-8", "cp1251"), ("rus_Cyrl", "utf-8", "cp1251"),
    ("rus_Cyrl", "utf-8", "cp866"), ("arb_Arab", "utf-8", "cp1256"),
    ("pol_Latn", "utf-8", "cp1251"), ("pol_Latn", "cp1250", "iso8859_2"),
    ("pol_Latn", "iso8859_2", "cp1250"), ("ces_Latn", "iso8859_2", "cp1250"),
    ("rus_Cyrl", "mac_cyrillic", "cp1251"), ("rus_Cyrl", "cp1251", "iso8859_5"),
    ("deu_Latn", "cp1252", "cp1251"), ("deu_Latn", "cp1252", "cp850"),
    ("deu_Latn", "cp850", "cp1252"), ("deu_Latn", "mac_roman", "cp1252"),
    ("deu_Latn", "cp1252", "mac_roman"),
]  # fmt: skip


def texts_by_language(shared):
    """Return the edited texts and the sentences of the gold file, by label."""
    found = defaultdict(list)
    for path in sorted((shared / "text").glob("*.jsonl.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            for line in lines:
                row = json.loads(line)
                found[row["lang"]].append(row["text"])
    with gzip.open(shared / "lid/lid_gold_dev.tsv.gz", "rt", encoding="utf-8") as lines:
        for row in csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE):
            if row["source"].startswith(("lingua", "ud:")):
                found[row["lang"]].append(row["text"])
    return found


def passages(texts, size, most=200):
    """Cut texts, in random order, to passages of so many characters."""
    found, rest = [], ""
    for text in random.Random(0).sample(texts, len(texts)):
        rest = f"{rest} {' '.join(text.split())}".strip()
        if len(rest) >= size:
            found.append(rest[:size])
            rest = ""
        if len(found) == most:
            break
    return found


def in_page(text, label, page):
    """Encode a text as its page had it, without the characters that the page lacks."""
    text = as_in_pages(unicodedata.normalize("NFC", text), label)
    if label == "ron_Latn":
        text = text.translate(str.maketrans("șțȘȚ", "şţŞŢ"))
    return text.encode(page, "ignore")


def code_pages(texts):
    """Print the share of passages decoded right."""
    print("code pages: passages decoded right, without a label / under a wrong one")
    for label, pages in PAGES.items():
        for page in pages.split():
            line = []
            for size in (60, 120, 300, 1000):
                kept = [in_page(text, label, page) for text in passages(texts[label], size)]
                kept = [data for data in kept if not data.isascii()]
                wrong = WRONG.get(page, "windows-1251" if "Cyrl" in label else "iso-8859-1")
                right = [0, 0]
                for data in kept:
                    for k, stated in enumerate((None, wrong)):
                        found = decode(data, stated, markup=False)
                        right[k] += found is not None and found.text == data.decode(page)
                shares = "/".join(f"{100 * n / max(1, len(kept)):.1f}" for n in right)
                line.append(f"{size}: {shares} % of {len(kept)}")
            print(f"  {label} {page:12} {'   '.join(line)}")


def misread(data, page):
    """Decode bytes in a page, and those that it does not define as C1 controls."""
    return "".join(bytes([b]).decode(page, "ignore") or chr(b) for b in data)


def misreadings(texts):
    """Print what became of misread passages, and clean texts that would be read again."""
    names = ["foreign_letter_share", "mixed_script_word_share"]
    print("read in another page, 300 characters: mended / caught by a signal / passed")
    for label, meant, page in MISREAD:
        kept = [in_page(text, label, meant) for text in passages(texts[label], 300)]
        damaged = [misread(data, page) for data in kept]
        fixed, _ = repair(pa.array(damaged, pa.large_string()))
        whole, _ = repair(pa.array([data.decode(meant) for data in kept], pa.large_string()))
        measured = measure(fixed, names, {"alphabet": written_letters(label)})
        limits = zip(*(column.to_pylist() for column in measured.values()), strict=True)
        caught = [(a or 0) > 0.05 or (b or 0) > 0.08 for a, b in limits]
        mended = [a == b for a, b in zip(fixed.to_pylist(), whole.to_pylist(), strict=True)]
        rest = sum(c and not m for c, m in zip(caught, mended, strict=True))
        passed = len(kept) - sum(mended) - rest
        print(f"  {label} {meant} as {page}: {sum(mended)} / {rest} / {passed}")
    clean = {label: mend(pa.array(all_, pa.large_string()))[1] for label, all_ in texts.items()}
    touched = {label: int(rows.sum()) for label, rows in clean.items() if rows.any()}
    print(f"clean texts read again (the gold file holds misread ones): {touched}")


def ours(data):
    decoded = decode(data)
    return decoded.text if decoded else None


def by_chardet(data):
    name = chardet.detect(data)["encoding"]
    return data.decode(name, "replace") if name else None


def by_charset_normalizer(data):
    best = charset_normalizer.from_bytes(data).best()
    return str(best) if best else None


def main():
    shared = Path(os.environ["CURATE_SHARED_DATA"])
    files = list(charset_files(shared))
    size = sum(len(data) for _, data, _ in files) / 1e6
    print(f"{len(files)} files in legacy charsets, {size:.1f} MB")
    for name, read in (
        ("curate", ours),
        ("charset-normalizer", by_charset_normalizer),
        ("chardet", by_chardet),
    ):
        started = time.process_time()
        texts = [read(data) for _, data, _ in files]
        seconds = time.process_time() - started
        right = [
            text is not None and plain(text) in expected
            for text, (_, _, expected) in zip(texts, files, strict=True)
        ]
        wrong = sorted(label for (label, _, _), ok in zip(files, right, strict=True) if not ok)
        print(
            f"{name:20} right {sum(right):4}   {size / seconds:8.1f} MB/s"
            f"   wrong: {' '.join(wrong)}"
        )
    cases = list(mojibake_cases(shared))
    fixed = repair(pa.array([text for _, text, _ in cases], pa.large_string()))[0].to_pylist()
    by_ftfy = [ftfy.fix_text(text, OPTIONS) for _, text, _ in cases]
    print(f"{len(cases)} cases of mojibake")
    for name, texts in (("curate", fixed), ("ftfy", by_ftfy)):
        right = sum(
            text.strip() == expected.strip()
            for text, (_, _, expected) in zip(texts, cases, strict=True)
        )
        print(f"{name:20} right {right:4}")
    texts = texts_by_language(shared)
    code_pages(texts)
    misreadings(texts)


if __name__ == "__main__":
    main()
