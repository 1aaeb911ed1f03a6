"""Every kind of classifier that fastText writes is read and gives fastText's answers."""

import itertools
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import fasttext
import numpy as np
import pytest

from curate.errors import RecipeError
from curate.kernels.arrow import buffers
from curate.langid.fasttext import model
from curate.langid.identify import _large_strings, identify

WORDS = {
    "kaz_Cyrl": "бала мектеп кітап оқу үлкен көше тау өзен жақсы сөз қала күн",
    "rus_Cyrl": "школа книга улица гора река хороший слово город день человек",
    "eng_Latn": "school book street mountain river good word city day people",
    "tur_Latn": "okul kitap sokak dağ nehir iyi söz şehir gün insan çocuk",
}


def sentences() -> list[tuple[str, str]]:
    random = np.random.default_rng(7)
    return [
        (label, " ".join(random.choice(words.split(), 6)))
        for _ in range(60)
        for label, words in WORDS.items()
    ]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("fasttext") / "train.txt"
    path.write_text("".join(f"__label__{label} {text}\n" for label, text in sentences()))
    return path


def train(corpus: Path, **options: object) -> fasttext.FastText._FastText:
    # fastText initialises a tenth of its matrix per thread: fewer than ten leave memory as it was.
    plain = {"dim": 10, "epoch": 3, "lr": 0.5, "thread": 10, "bucket": 997, "verbose": 0}
    return fasttext.train_supervised(str(corpus), **(plain | options))


PROBES = [
    *(text for _, text in sentences()[:40]),
    "",
    " \t ",
    "мектепте көп бала school",
    "x",
    "__label__eng_Latn __label__new book",
    "кітапханашылар " * 50,
    "\0book\x0briver\x0c",
]


def agrees(reference: fasttext.FastText._FastText, path: Path) -> None:
    own = model.load(str(path))
    every = range(len(own.labels))
    labels, scores, of_each = own.score(*buffers(_large_strings(PROBES)), every)
    for text, numbers, best, each in zip(PROBES, labels, scores, of_each):
        expected = reference.f.predict(text.replace("\n", " ") + "\n", -1, 0.0, "strict")
        if not expected:
            assert numbers[0] == -1 and np.isnan(each).all()
            continue
        assert each[numbers].tolist() == best.tolist()
        by_label = {label: min(probability, 1.0) for probability, label in expected}
        for label, score in zip(own.labels, each):
            assert score == pytest.approx(by_label[f"__label__{label}"], abs=2e-4)
        for rank, (number, score) in enumerate(zip(numbers, best)):
            # Labels of equal score may come in any order.
            assert score == pytest.approx(by_label[f"__label__{own.labels[number]}"], abs=2e-4)
            assert score == pytest.approx(min(expected[rank][0], 1.0), abs=2e-4)


KINDS = [
    {"loss": loss, "wordNgrams": words, "minn": minn, "maxn": maxn}
    for loss, words, (minn, maxn) in itertools.product(
        ["hs", "softmax", "ns", "ova"], [1, 3], [(0, 0), (2, 4)]
    )
] + [{"loss": "softmax", "minn": 1, "maxn": 1}, {"loss": "hs", "dim": 40, "minn": 3, "maxn": 6}]


@pytest.mark.parametrize("options", KINDS, ids=str)
def test_dense_models(options: dict[str, object], corpus: Path, tmp_path: Path) -> None:
    reference = train(corpus, **options)
    reference.save_model(str(tmp_path / "model.bin"))
    agrees(reference, tmp_path / "model.bin")


@pytest.mark.parametrize("loss", ["hs", "softmax"])
@pytest.mark.parametrize(
    "quantisation",
    [{}, {"qnorm": True}, {"cutoff": 300}, {"qnorm": True, "cutoff": 300, "dsub": 3}],
    ids=str,
)
def test_quantised_models(
    loss: str, quantisation: dict[str, object], corpus: Path, tmp_path: Path
) -> None:
    reference = train(corpus, loss=loss, minn=2, maxn=4)
    reference.quantize(input=str(corpus), verbose=False, thread=10, **quantisation)
    reference.save_model(str(tmp_path / "model.ftz"))
    agrees(reference, tmp_path / "model.ftz")


def test_labels_in_the_form_of_glotlid_and_openlid(corpus: Path, tmp_path: Path) -> None:
    train(corpus, epoch=25, loss="softmax", wordNgrams=2).save_model(str(tmp_path / "model.bin"))
    texts = ["жақсы кітап оқу мектеп", "хороший город гора река", "good school river people"]
    found = identify(texts, model=str(tmp_path / "model.bin"))
    assert found["lang"].to_pylist() == ["kaz_Cyrl", "rus_Cyrl", "eng_Latn"]


class _Hub(BaseHTTPRequestHandler):
    """One repository with one file, as the Hub serves it."""

    body = b""
    requested: ClassVar[list[str]] = []

    def do_HEAD(self, send: bool = False) -> None:
        type(self).requested.append(self.path)
        exists = self.path in ("/owner/lid/resolve/main/model.bin", "/owner/lid/resolve/v2/lid.ftz")
        self.send_response(200 if exists else 404)
        self.send_header("ETag", '"0123456789"')
        self.send_header("X-Repo-Commit", "0" * 40)
        self.send_header("Content-Length", str(len(self.body) if exists else 0))
        self.end_headers()
        if send and exists:
            self.wfile.write(self.body)

    def do_GET(self) -> None:
        self.do_HEAD(send=True)

    def log_message(self, format: str, *arguments: object) -> None:
        pass


def test_a_model_by_its_name_on_the_hub(tmp_path: Path) -> None:
    # In a process of its own: huggingface_hub reads where the Hub is when it is imported.
    script = """if True:
        from curate.errors import RecipeError
        from curate.langid.fasttext import model
        print(model.load("hf://owner/lid").digest, model.load("hf://owner/lid@v2/lid.ftz").digest)
        try:
            model.load("hf://owner/lid/absent.bin")
        except RecipeError as error:
            print("refused" if "the hub did not give the model" in str(error) else error)
        """
    _Hub.body = model.default_path().read_bytes()
    with ThreadingHTTPServer(("127.0.0.1", 0), _Hub) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        done = subprocess.run(
            [sys.executable, "-c", script],
            env={
                **{k: v for k, v in os.environ.items() if not k.upper().endswith("_PROXY")},
                "HF_ENDPOINT": f"http://127.0.0.1:{server.server_address[1]}",
                "HF_HOME": str(tmp_path),
                "HF_HUB_DISABLE_TELEMETRY": "1",
            },
            capture_output=True,
            text=True,
            check=False,
        )
        server.shutdown()
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [model.digest(), model.digest(), "refused"]
    assert "/owner/lid/resolve/v2/lid.ftz" in _Hub.requested


def test_the_default_model_comes_with_the_package() -> None:
    loaded = model.load()
    assert len(loaded.labels) == 176
    assert loaded is model.load(None)
    assert loaded.digest == model.digest() and len(loaded.digest) == 32
    assert model.load(str(model.default_path())).digest == loaded.digest


def test_any_filesystem(tmp_path: Path) -> None:
    import fsspec

    with fsspec.open("memory://models/lid.ftz", "wb") as file:
        file.write(model.default_path().read_bytes())
    assert model.load("memory://models/lid.ftz").digest == model.load().digest


WHOLE = np.frombuffer(model.default_path().read_bytes(), np.uint8)


@pytest.mark.parametrize(
    "size", [0, 1, 7, 8, 40, 64, 91, 92, 5_000, 100_000, 300_000, 900_000, len(WHOLE) - 1]
)
def test_a_truncated_model_is_refused(size: int) -> None:
    with pytest.raises(RecipeError, match=r"model ends at byte|not a fastText model"):
        model.read(WHOLE[:size], "cut.ftz")


@pytest.mark.parametrize("seed", range(30))
def test_a_damaged_model_never_crashes(seed: int) -> None:
    random = np.random.default_rng(seed)
    damaged = WHOLE.copy()
    at = random.integers(8, 160 if seed % 2 else len(damaged), 12)
    damaged[at] = random.integers(0, 256, 12)
    try:
        own = model.read(damaged, "damaged.ftz")
    except RecipeError:
        return
    own.predict(*buffers(_large_strings(PROBES)))


def test_what_is_no_classifier_is_refused(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("<html>404 Not Found</html>")
    with pytest.raises(RecipeError, match="not a fastText model"):
        model.load(str(tmp_path / "page.html"))
    (tmp_path / "empty.bin").touch()
    with pytest.raises(RecipeError, match="cannot read"):
        model.load(str(tmp_path / "empty.bin"))
    with pytest.raises(RecipeError, match="cannot read"):
        model.load(str(tmp_path / "nowhere.bin"))
    with pytest.raises(RecipeError, match="hf://owner/repository/file"):
        model.load("hf://owner")
    with pytest.raises(RecipeError, match="cannot read"):
        model.load("memory://models/none.bin")
    # The eighth number of the header is the kind of model: 3 a classifier, 2 skip-gram vectors.
    data = bytearray(model.default_path().read_bytes())
    assert int.from_bytes(data[36:40], "little") == 3
    data[36:40] = (2).to_bytes(4, "little")
    (tmp_path / "vectors.bin").write_bytes(data)
    with pytest.raises(RecipeError, match="word vectors"):
        model.load(str(tmp_path / "vectors.bin"))


def test_words_that_are_remembered_change_no_score(corpus: Path, tmp_path: Path) -> None:
    train(corpus, loss="softmax", wordNgrams=2, minn=0, maxn=0).save_model(str(tmp_path / "m.bin"))
    reference, own = (
        fasttext.load_model(str(tmp_path / "m.bin")),
        model.load(str(tmp_path / "m.bin")),
    )
    random = np.random.default_rng(11)
    known = [*" ".join(WORDS.values()).split(), "</s>", "__label__eng_Latn", "__label__"]
    # More words than are remembered, of up to eight bytes and longer ones, known and unknown.
    unknown = [
        f"{random.integers(1 << 40):x}"[: int(random.integers(1, 11))] for _ in range(20_000)
    ]
    longer = [word + "ұзын-сөздің-соңы" for word in unknown[:5_000]]
    every = known * 300 + unknown + longer
    texts = [" ".join(random.choice(every, 150)) for _ in range(400)]
    together = own.score(*buffers(_large_strings(texts)), [0, 1])
    for row, text in enumerate(texts):
        alone = own.score(*buffers(_large_strings([text])), [0, 1])
        assert [a[0].tolist() for a in alone] == [b[row].tolist() for b in together]
        first_line = text.replace("</s>", "")  # fastText stops reading there
        best = reference.f.predict(first_line + "\n", 1, 0.0, "strict")[0]
        assert together[1][row, 0] == pytest.approx(min(best[0], 1.0), abs=2e-4)
