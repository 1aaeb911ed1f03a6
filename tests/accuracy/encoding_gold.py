"""Gold on encodings: files in legacy charsets, mojibake and its repair; see the data's SOURCES."""

import codecs
import csv
import gzip
import json
import tarfile
from pathlib import Path

from curate.sources.decoding import codec_of


def charset_files(shared: Path):
    """Yield (label, bytes, right texts) of every file that its label decodes without an error.

    A label has two meanings: Python's codec of that name, and the codec that browsers use for it
    (gb2312 is GB 18030, shift_jis Microsoft's superset). Either text is right.
    """
    with tarfile.open(shared / "encoding/charset-files.dev.tar.gz") as files:
        rows = (shared / "encoding/charset-files.dev.tsv").read_text(encoding="utf-8").splitlines()
        for row in csv.DictReader(rows, delimiter="\t"):
            label = row["encoding_label"]
            data = files.extractfile(row["path_in_tar"]).read()
            texts = set()
            for codec in (label, codec_of(label.replace("_", "-"))):
                try:
                    texts.add(plain(data.decode(codecs.lookup(codec or label).name)))
                except (LookupError, UnicodeDecodeError):
                    continue
            if texts:
                yield label, data, texts


def plain(text: str) -> str:
    """Return a text without byte order mark, its lines ended by a newline."""
    return text.replace("\r\n", "\n").lstrip("\ufeff")


def mojibake_cases(shared: Path):
    """Yield (label, damaged text, right text) of every case that ftfy's authors expect to solve."""
    with gzip.open(shared / "encoding/ftfy-mojibake.dev.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            case = json.loads(line)
            yield case["label"], case["original"], case.get("fixed-encoding", case["fixed"])
