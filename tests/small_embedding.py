"""A model of sentence-transformers that is made here: one layer of random numbers, ten words."""

from pathlib import Path

import pytest


def small_model(folder: Path) -> str:
    """Write a model with vectors of 16 numbers and return its folder; skip without the packages."""
    transformers = pytest.importorskip("transformers")
    models = pytest.importorskip("sentence_transformers")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghij"]
    (folder / "vocab.txt").write_text("\n".join(words))
    transformers.BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder / "bert")
    config = transformers.BertConfig(
        vocab_size=len(words), hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=16,
    )  # fmt: skip
    transformers.BertModel(config).save_pretrained(folder / "bert")
    models.SentenceTransformer(str(folder / "bert"), device="cpu").save(str(folder / "model"))
    return str(folder / "model")
