"""Samples of long texts, and that they are identified as the whole."""

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from curate.langid import identify as langid
from curate.langid.sample import MOST_BYTES, PIECE_BYTES, PIECES, sample
from tests.examples import examples

KAZAKH = "Бүгін ауа райы жақсы, далада балалар ойнап жүр. Кешке қарай жаңбыр жауады дейді. "
RUSSIAN = "Сегодня хорошая погода, дети играют на улице. Говорят, вечером пойдёт дождь. "


def sampled(*texts: str) -> list[str]:
    shown, _ = sample(pa.array(["", *texts], pa.large_string())[1:])
    shown.validate(full=True)
    return [str(text) for text in shown.to_pylist()]


@examples(60)
@given(st.lists(st.text("a б東😀 \n", max_size=4000), max_size=4))
def test_a_sample_is_pieces_of_the_text_in_order_and_short_texts_are_themselves(texts):
    assert len(sampled(*texts)) == len(texts)
    for text, shown in zip(texts, sampled(*texts), strict=True):
        if len(text.encode()) <= MOST_BYTES:
            assert shown == text
            continue
        assert len(shown.encode()) < MOST_BYTES
        # A newline of the text divides a piece too: each part is found in the text behind the last.
        at = 0
        for part in shown.split("\n"):
            at = text.find(part, at)
            assert at >= 0
        assert text.startswith(shown.split("\n")[0])
        assert text.endswith(shown.split("\n")[-1])


def test_pieces_are_spread_and_made_of_whole_words():
    text = " ".join(f"word{k:04}" for k in range(1000))
    (shown,) = sampled(text)
    words = shown.split()
    assert set(words) <= set(text.split())
    assert shown.count("\n") == PIECES - 1
    first = [int(piece.split()[0][4:]) for piece in shown.split("\n")]
    assert [round(number / 1000, 1) for number in first] == [0, 0.1, 0.3, 0.4, 0.6, 0.7, 0.8, 1]
    assert PIECES * PIECE_BYTES <= len(shown) <= PIECES * (PIECE_BYTES + 9)


def test_texts_without_spaces_are_cut_between_characters():
    (shown,) = sampled("東京都" * 1000)
    assert set(shown) == set("東京都\n")
    assert [len(piece.encode()) for piece in shown.split("\n")] == [PIECE_BYTES] * PIECES


def test_a_sure_sample_answers_and_a_doubtful_text_is_read_whole(monkeypatch):
    read = []
    whole = langid._identify

    def recorded(column, model, profiles):
        read.append([len(text) for text in column.to_pylist()])
        return whole(column, model, profiles)

    monkeypatch.setattr(langid, "_identify", recorded)
    mixed = KAZAKH * 30 + RUSSIAN * 30
    texts = [KAZAKH, RUSSIAN * 100, mixed]
    answers = langid.identify(texts)
    assert answers["lang"].to_pylist()[:2] == ["kaz_Cyrl", "rus_Cyrl"]
    assert read[1:] == [[len(mixed)]]
    assert max(read[0]) < MOST_BYTES
    monkeypatch.undo()
    alone = whole(pa.array([mixed], pa.large_string()), None, None).to_pylist()[0]
    row = answers.to_pylist()[2]
    assert row == {name: alone[name] for name in row}


def test_chinese_with_signs_of_cantonese_is_read_whole():
    mandarin = "我们今天去公园散步,天气很好,孩子们在草地上玩耍。" * 60
    cantonese = "佢哋今日冇嚟,我哋喺屋企食飯,啲嘢好好食。" * 4
    texts = pa.array([mandarin, mandarin + cantonese], pa.large_string())
    sure = langid._identify(sample(texts)[0], None, None)["sure"].to_pylist()
    assert sure == [True, False]
