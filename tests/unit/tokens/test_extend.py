from __future__ import annotations

import base64
import importlib.util
import json
import pickle
import random
from collections import Counter
from dataclasses import replace
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import tiktoken
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from tokenizers.normalizers import NFC

from curate.errors import InternalError, RecipeError
from curate.tokens import counter, extend
from curate.tokens.base import load_base
from curate.tokens.byte_level import ALPHABET, read, written
from curate.tokens.embedding_weights import mean_of_pieces, most_similar, read_vectors
from curate.tokens.encode import encoder
from curate.tokens.extend import Extension, prove, tiktoken_differs
from curate.tokens.extend import extend as extended
from curate.tokens.pieces import EACH, PieceCounter
from curate.tokens.rank_file import rank_file_content, read_rank_file
from tests.examples import examples

ENGLISH = ["the cat sat on the mat, the dog sat on the log", "that then there these those"] * 9
KAZAKH = [
    "Қазақстан Республикасының астанасы Астана қаласы. Қазақ тілі мемлекеттік тіл болып табылады.",
    "Қала Есіл өзенінің жағасында орналасқан, оның халқы бір миллионнан асады.",
    "Мемлекеттік тілді білу әрбір азаматтың борышы, қала халқы оны біледі.",
]


def save(path: Path, model: Any, trainer: Any = None, **parts: Any) -> str:
    tokenizer = Tokenizer(model)
    for name, part in parts.items():
        setattr(tokenizer, name, part)
    if trainer:
        tokenizer.train_from_iterator(ENGLISH, trainer)
    tokenizer.add_tokens(["<think>"])
    path.parent.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(path))
    return str(path)


def small(folder: Path, **parts: Any) -> str:
    """Train a tokenizer as GPT-2's: special tokens first, and one added token behind the others."""
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=["<s>", "</s>"],
        initial_alphabet=sorted(ALPHABET),
        show_progress=False,
    )
    plain = {
        "pre_tokenizer": pre_tokenizers.ByteLevel(add_prefix_space=False),
        "decoder": decoders.ByteLevel(),
    }
    return save(folder / "tokenizer.json", models.BPE(), trainer, **(plain | parts))


def grown(path: str, texts: list[str], add: int, min_count: int = 1) -> Extension:
    base = load_base(path)
    pieces = PieceCounter(base)
    pieces.add(pa.array(texts, pa.large_string()))
    return extended(base, pieces.pieces(), add=add, min_count=min_count)


def loaded(extension: Extension) -> Tokenizer:
    return Tokenizer.from_str(json.dumps(extension.tokenizer_json))


def test_old_numbers_stay_and_new_tokens_are_what_their_text_is_encoded_as(tmp_path: Path) -> None:
    path = small(tmp_path)
    extension = grown(path, KAZAKH, 60)
    before, after = Tokenizer.from_file(path), loaded(extension)
    old, new = before.get_vocab(), after.get_vocab()
    first = len(old)
    assert {token: new[token] for token in old} == old
    assert extension.base.first == first and after.get_vocab_size() == first + 60
    assert (new["<s>"], new["</s>"], new["<think>"]) == (0, 1, first - 1)
    reached = 0
    for number, token in enumerate(extension.tokens, first):
        assert new[written(token)] == number
        try:
            text = token.decode()
        except UnicodeDecodeError:
            continue
        reached += 1
        assert after.encode(text, add_special_tokens=False).ids == [number], text
    assert reached > 30
    assert extension.tokenizer_json["model"]["merges"][: len(extension.base.merges)] == [
        list(merge) for merge in extension.base.merges
    ]


def test_text_is_encoded_with_fewer_tokens_and_decodes_to_itself(tmp_path: Path) -> None:
    extension = grown(small(tmp_path), KAZAKH, 60)
    before, after = Tokenizer.from_str(json.dumps(extension.base.config)), loaded(extension)
    for text in KAZAKH:
        ids = after.encode(text, add_special_tokens=False).ids
        assert after.decode(ids) == text
        assert len(ids) < 0.7 * len(before.encode(text, add_special_tokens=False).ids)
    for text in ENGLISH:
        assert after.encode(text).ids == before.encode(text).ids


def test_old_ids_spell_each_new_token(tmp_path: Path) -> None:
    extension = grown(small(tmp_path), KAZAKH, 40)
    for token, pieces in zip(extension.tokens, extension.pieces, strict=True):
        assert b"".join(extension.base.tokens[number] for number in pieces) == token
        assert len(pieces) > 1


def test_added_tokens_in_a_text_are_cut_out_and_counted(tmp_path: Path) -> None:
    texts = ["қала<think>қала</s>қала <s", "<think>"] * 3
    base = load_base(small(tmp_path))
    pieces = PieceCounter(base)
    pieces.add(pa.array(texts, pa.large_string()))
    found = pieces.pieces()
    data = found.data.tobytes()
    strings = {
        data[a:b].decode(): int(n)
        for a, b, n in zip(found.offsets, found.offsets[1:], found.counts, strict=False)
    }
    assert strings == {"қала": 9, " <": 3, "s": 3}
    assert pieces.left_out["added_tokens"] == 9
    assert pieces.total == 24


def test_long_pieces_are_left_out_and_a_counter_is_full_at_last(tmp_path: Path) -> None:
    pieces = PieceCounter(load_base(small(tmp_path)), most=261 + 3 * EACH)
    pieces.add(pa.array(["aa bb", "aa bb", "x" * 257, None, ""], pa.large_string()))
    assert not pieces.full
    pieces.add(pa.array(["y" * 256], pa.large_string()))
    assert pieces.full
    found = pieces.pieces()
    assert (found.counts.tolist(), found.offsets.tolist()) == ([2, 2, 1], [0, 2, 5, 261])
    assert pieces.left_out == {"long": 1, "added_tokens": 0}
    assert pieces.total == 6


def test_pieces_are_counted_one_by_one_as_the_library_cuts_them(tmp_path: Path) -> None:
    base = load_base(small(tmp_path))
    rng = random.Random(7)
    every = [chr(code) for code in range(1, 0x300)] + ["東", "京", "\U0001f600", "\u2028"]
    texts = [
        " ".join("".join(rng.choices(every, k=rng.randint(1, 5))) for _ in range(9))
        for _ in range(9_000)
    ]
    pieces = PieceCounter(base)
    for start in range(0, len(texts), 700):
        pieces.add(pa.array(texts[start : start + 700], pa.large_string()))
    found = pieces.pieces()
    data = found.data.tobytes()
    spans = pairwise(found.offsets.tolist())
    counted = {data[a:b]: n for (a, b), n in zip(spans, found.counts.tolist(), strict=True)}
    split = pre_tokenizers.ByteLevel(add_prefix_space=False)
    expected = Counter(read(piece) for text in texts for piece, _ in split.pre_tokenize_str(text))
    assert len(expected) > 1 << 15  # the table was made anew
    assert counted == expected and list(counted) == list(expected)
    assert pieces.total == expected.total()


def test_a_pre_tokenizer_that_adds_other_characters_is_refused(tmp_path: Path) -> None:
    base = load_base(small(tmp_path))
    steps = [base.config["pre_tokenizer"], {"type": "Metaspace", "replacement": "▁"}]
    config = {**base.config, "pre_tokenizer": {"type": "Sequence", "pretokenizers": steps}}
    base = replace(base, config=config)
    with pytest.raises(RecipeError, match="stand for no byte"):
        PieceCounter(base).add(pa.array(["қала"], pa.large_string()))


def test_a_normalizer_is_applied_before_pieces_are_counted(tmp_path: Path) -> None:
    base = load_base(small(tmp_path, normalizer=NFC()))
    pieces = PieceCounter(base)
    pieces.add(pa.array(["и\u0306"]))
    assert pieces.pieces().data.tobytes().decode() == "й"


@pytest.mark.parametrize(
    ("model", "parts", "says"),
    [
        (models.Unigram([("a", 0.0)]), {}, "Unigram"),
        (models.WordPiece({"[UNK]": 0}), {}, "WordPiece"),
        (models.WordLevel({"a": 0}, unk_token="a"), {}, "WordLevel"),
        (models.BPE({"a": 0}, []), {"pre_tokenizer": pre_tokenizers.Metaspace()}, "characters"),
        (models.BPE({"a": 0}, [], byte_fallback=True), {}, "characters"),
        (models.BPE({"a": 0}, []), {"pre_tokenizer": pre_tokenizers.ByteLevel()}, "255 of the 256"),
        (
            models.BPE({"a": 0}, [], end_of_word_suffix="</w>"),
            {"pre_tokenizer": pre_tokenizers.ByteLevel()},
            "end_of_word_suffix",
        ),
    ],
)
def test_other_kinds_are_refused_by_name(
    tmp_path: Path, model: Any, parts: dict[str, Any], says: str
) -> None:
    with pytest.raises(RecipeError, match=says):
        load_base(save(tmp_path / "other.json", model, **parts))


def test_a_counter_without_a_vocabulary_is_refused() -> None:
    with pytest.raises(RecipeError, match="'bytes' has no vocabulary"):
        load_base("bytes")


def test_too_little_text_says_what_it_gives(tmp_path: Path) -> None:
    path = small(tmp_path)
    enough = grown(path, ["zq zq zq"], 1, min_count=3)
    assert enough.tokens == [b"zq"]
    with pytest.raises(RecipeError, match=r"gives 1 new tokens .* 3 times, not 9") as error:
        grown(path, ["zq zq zq"], 9, min_count=3)
    assert error.value.hint == "more text, --add 1, or --min-count 2"


def test_a_token_that_cannot_be_reached_is_learned_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = small(tmp_path)
    first = grown(path, KAZAKH, 30)
    unwanted = first.tokens[-1]
    monkeypatch.setattr(extend, "prove", lambda one: frozenset({unwanted}) & frozenset(one.tokens))
    second = grown(path, KAZAKH, 30)
    assert unwanted not in second.tokens and len(second.tokens) == 30
    assert second.refused["not_reachable"] == first.refused["not_reachable"] + 1


def test_the_proof_finds_what_merges_do_not_reach_and_numbers_that_moved(tmp_path: Path) -> None:
    extension = grown(small(tmp_path), KAZAKH, 30)
    assert prove(extension) == frozenset()
    config = extension.tokenizer_json
    lost = extension.tokens[3]
    merges = [m for m in config["model"]["merges"] if read("".join(m)) != lost]
    config["model"]["merges"] = merges
    assert lost in prove(extension)
    vocabulary = config["model"]["vocab"]
    vocabulary["t"], vocabulary["h"] = vocabulary["h"], vocabulary["t"]
    with pytest.raises(InternalError, match="2 tokens of the base"):
        prove(extension)


def test_one_merge_per_token_may_differ_from_tiktoken_and_is_found(tmp_path: Path) -> None:
    extension = grown(small(tmp_path), KAZAKH, 60)
    assert tiktoken_differs(extension, [*KAZAKH, *ENGLISH]) == 0
    # tiktoken joins a + bc to abc; a tokenizer.json with the one merge ab + c does not.
    config = json.loads(Path(small(tmp_path)).read_text())
    think = config["added_tokens"][-1]["id"]
    config["model"]["vocab"] |= {"<think>": think, "QX": 400, "XZ": 401, "QXZ": 402}
    config["model"]["merges"] += [["X", "Z"], ["Q", "X"], ["QX", "Z"]]
    path = tmp_path / "other" / "tokenizer.json"
    path.parent.mkdir()
    path.write_text(json.dumps(config))
    extension = grown(str(path), [*KAZAKH, "QXZ QXZ"], 60)
    assert b"QXZ" not in extension.tokens
    assert tiktoken_differs(extension, ["QXZ", "a"]) == 1


def llama(number: int) -> Path:
    """Return the tokenizer.model in the package llama-models, without importing the package."""
    found = importlib.util.find_spec("llama_models")
    if found is None or found.origin is None:
        pytest.skip("llama-models is not installed")
    return Path(found.origin).parent / f"llama{number}" / "tokenizer.model"


def test_llama_3_has_its_known_numbers_and_both_forms_agree() -> None:
    extension = grown(str(llama(3)), KAZAKH, 50)
    base, after = extension.base, loaded(extension)
    assert (len(base.tokens), len(base.specials), base.first) == (128_000, 256, 128_256)
    assert len(base.merges) == 280_147  # those of the tokenizer.json that Meta publishes
    assert base.specials["<|begin_of_text|>"] == 128_000
    assert base.specials["<|eot_id|>"] == 128_009
    assert after.get_vocab_size() == 128_306
    assert tiktoken_differs(extension, [*KAZAKH, *ENGLISH, "  1234567 \n\n it's 東京"]) == 0
    text = "it's <|eot_id|> қала"
    ids = after.encode(text).ids
    assert (
        ids[0] == 128_000
        and 128_009 in ids
        and after.decode(ids[1:], skip_special_tokens=False) == text
    )
    counts = counter(str(llama(3))).count(pa.array(KAZAKH, pa.large_string()))
    before = Tokenizer.from_str(json.dumps(base.config))
    assert counts.tolist() == [len(before.encode(t, add_special_tokens=False)) for t in KAZAKH]


def test_llama_4_has_its_known_numbers() -> None:
    found = read_rank_file(llama(4))
    assert len(found.ranks) == 200_000
    assert len(found.specials) == len(set(found.specials)) == 2048
    assert [found.specials[t] for t in ("<|header_start|>", "<|image_start|>", "<|patch|>")] == [
        200_005, 200_080, 200_092,
    ]  # fmt: skip
    assert found.specials["<|reasoning_thinking_end|>"] == 201_143


PARTS = st.sampled_from(["қала", " тіл", "東京", "1234", "\n\n", "  ", "'s", "aaaa", "—"])


@examples(20)
@given(st.lists(st.lists(PARTS).map("".join)))
def test_tekken_extended_encodes_the_same_in_both_forms(texts: list[str]) -> None:
    assert tiktoken_differs(_tekken(), texts) == 0


@cache
def _tekken() -> Extension:
    return grown("tekken", [*KAZAKH, "東京は日本の首都です。京都は日本の古都です。", "aaaa"], 40)


def test_tekken_keeps_its_special_tokens_in_front() -> None:
    extension = _tekken()
    assert extension.base.first == 131_072
    vocabulary = loaded(extension).get_vocab()
    assert (vocabulary["<s>"], vocabulary["</s>"], vocabulary["[INST]"]) == (1, 2, 3)
    assert prove(extension) == frozenset()


def test_a_rank_file_is_read_with_what_stands_beside_it(tmp_path: Path) -> None:
    ranks = {bytes([byte]): byte for byte in range(256)} | {b"ab": 256, b"abab": 300}
    path = tmp_path / "tokenizer.model"
    path.write_bytes(rank_file_content(ranks))
    with pytest.raises(RecipeError, match="pattern and the special tokens"):
        read_rank_file(path)
    beside = {"pattern": r"\S+|\s+", "special_tokens": {"<end>": 257}, "end": "<end>"}
    (tmp_path / "tiktoken.json").write_text(json.dumps(beside))
    assert read_rank_file(path) == (ranks, r"\S+|\s+", {"<end>": 257}, None, "<end>")
    counts = counter(str(path)).count(pa.array(["ababab", "", None], pa.large_string()))
    assert counts.tolist() == [2, 0, 0]
    assert pickle.loads(pickle.dumps(counter(str(path)))).digest == counter(str(path)).digest
    assert encoder(str(path), None).end == 257
    extension = grown(str(path), ["қала қала"], 2)
    assert loaded(extension).encode("abab<end>").ids == [300, 257]
    assert extension.base.first == 301
    (tmp_path / "tiktoken.json").write_text('{"pattern": 3}')
    with pytest.raises(RecipeError, match="cannot use tiktoken"):
        read_rank_file(path)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"\x00\x01binary", "line 1"),
        (b"YQ== 1\nYg==\n", "line 2"),
        (b"YQ== 1\n", "single byte"),
    ],
)
def test_a_file_of_another_form_is_refused(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "tokenizer.model"
    path.write_bytes(content)
    with pytest.raises(RecipeError, match=says):
        read_rank_file(path)


def test_a_rank_file_is_what_tiktoken_reads(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", "")
    from tiktoken.load import load_tiktoken_bpe

    extension = _tekken()
    path = tmp_path / "tokenizer.model"
    path.write_bytes(rank_file_content(extension.vocabulary))
    assert load_tiktoken_bpe(str(path)) == extension.vocabulary
    first = path.read_bytes().split(b"\n")[0].split()
    assert (base64.b64decode(first[0]), first[1]) == (b"\x00", b"1000")
    encoding = tiktoken.Encoding(
        "extended",
        pat_str=str(extension.base.pattern),
        mergeable_ranks=load_tiktoken_bpe(str(path)),
        special_tokens=extension.base.specials,
    )
    assert encoding.n_vocab == 131_112


def test_a_byte_and_its_character() -> None:
    every = bytes(range(256))
    assert read(written(every)) == every
    assert set(written(every)) == ALPHABET == set(pre_tokenizers.ByteLevel.alphabet())


def test_the_mean_counts_a_piece_as_often_as_it_occurs() -> None:
    assert mean_of_pieces([[5, 4, 5, 5]]) == [([4, 5], [0.25, 0.75])]


def test_similar_old_tokens_are_weighted_by_their_cosine(tmp_path: Path) -> None:
    # Old tokens 0 to 3, new ones 4 and 5; the token 5 has no vector.
    vectors = np.array([[1, 0], [1, 1], [-1, 0], [0, 0], [2, 0], [np.nan, 0]], np.float32)
    np.save(tmp_path / "all.npy", vectors)
    known = read_vectors(tmp_path / "all.npy", 6)
    assert sorted(known) == [0, 1, 2, 4]
    weights, similar = most_similar([[2, 3], [0, 3]], known, first=4, top=2)
    assert similar == 1
    assert weights[1] == ([0, 3], [0.5, 0.5])
    ids, shares = weights[0]
    assert ids == [0, 1]
    assert shares == pytest.approx([1 / (1 + 2**-0.5), 2**-0.5 / (1 + 2**-0.5)])
    np.savez(tmp_path / "some.npz", ids=[4, 1], vectors=vectors[[4, 1]])
    few = read_vectors(tmp_path / "some.npz", 6)
    assert most_similar([[2, 3], [0, 3]], few, first=4, top=2)[0][0] == ([1], [1.0])


def test_vectors_of_another_form_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "few.npy", np.ones((3, 2)))
    with pytest.raises(RecipeError, match="3 rows, and not 6"):
        read_vectors(tmp_path / "few.npy", 6)
    np.savez(tmp_path / "one.npz", vectors=np.ones((3, 2)))
    with pytest.raises(RecipeError, match="no array"):
        read_vectors(tmp_path / "one.npz", 6)
    (tmp_path / "text.npy").write_text("0.1 0.2")
    with pytest.raises(RecipeError, match="cannot use the vectors"):
        read_vectors(tmp_path / "text.npy", 6)
    with pytest.raises(RecipeError, match="cannot use the vectors"):
        read_vectors(tmp_path / "none.npy", 6)
