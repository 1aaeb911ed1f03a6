"""Small tokenizers on disk, as the Hugging Face Hub has them, made from a few lines of text."""

import json

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

LLAMA_3 = (
    "<|begin_of_text|>",
    "<|end_of_text|>",
    "<|start_header_id|>",
    "<|end_header_id|>",
    "<|eot_id|>",
)
CHATML = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
TEXT = [
    "Сәлем! Қалың қалай? user assistant system ipython tool",
    "the answer is yes\n\nthe question is why\nHello, world. Hello again.",
] * 4


def byte_level(folder, special, config=None, begin=None, words=True):
    """Write a byte-level BPE tokenizer and return the path of its tokenizer.json.

    Without ``words`` a token may be of several words and lines.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=words)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        special_tokens=list(special),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXT, trainer)
    if begin:
        pair = (begin, tokenizer.token_to_id(begin))
        tokenizer.post_processor = processors.TemplateProcessing(f"{begin} $A", None, [pair])
    return _save(tokenizer, folder, config)


def metaspace(folder, special, config=None):
    """Write a tokenizer that puts a mark of a word's start before the first text of all only."""
    letters = sorted({*"".join(TEXT), *"abcdefghijklmnopqrstuvwxyz?", "▁"})
    vocabulary = {sign: at for at, sign in enumerate(["<unk>", *letters])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[], unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    tokenizer.add_special_tokens(list(special))
    return _save(tokenizer, folder, config)


def _save(tokenizer, folder, config):
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    if config is not None:
        (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return str(folder / "tokenizer.json")
