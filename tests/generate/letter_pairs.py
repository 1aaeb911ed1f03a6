"""Write ``curate/text/letter_pairs.npz``: how surprising each pair of letters is in each language.

Counted on the documents of HPLT v2 (for three languages on the sentences of the gold file) in
``$CURATE_SHARED_DATA/lid``; only the frequencies are stored.
Run: ``python -m tests.generate.letter_pairs``
"""

from __future__ import annotations

import csv
import gzip
import json
import lzma
import os
import unicodedata
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np

from curate.text import code_pages
from curate.text.code_pages import BOUNDARY, EIGHTHS, FIRST_LETTER, SPECIAL, fold

#: Labels of the corpus for languages that have another one here.
_NAMES = {"arb_Arab": "ara_Arab"}

_LATIN = "abcdefghijklmnopqrstuvwxyz"
_RUSSIAN = "абвгдеёжзийклмнопрстуфхцчшщъыьэюя"
_SOUTH = "абвгдежзиклмнопрстуфхцчш"
_ARABIC = "ءآأؤإئابةتثجحخدذرزسشصضطظعغـفقكلمنهوىيًٌٍَُِّْ"
_HEBREW = "אבגדהוזחטיךכלםמןנסעףפץצקרשת"

#: The letters of each language as its code pages have them; Latin ones beside a to z.
ALPHABETS = {
    "fra_Latn": "àâæçèéêëîïôùûüÿœ", "deu_Latn": "äöüßéèàêôáíóñç", "spa_Latn": "áéíñóúüç",
    "por_Latn": "àáâãçéêíóôõúü", "ita_Latn": "àèéìíîòóùú", "nld_Latn": "éëïöüèêáóàç",
    "swe_Latn": "åäöéàü", "dan_Latn": "æøåéüöä", "nob_Latn": "æøåéèòóôüäö",
    "nno_Latn": "æøåéèòóôüäö", "fin_Latn": "äöåéšžü", "isl_Latn": "áðéíóúýþæö",
    "fao_Latn": "áæðíóøúý", "cat_Latn": "àçèéíïòóúü·", "eus_Latn": "ñçáéíóúü",
    "glg_Latn": "áéíñóúüïç", "ast_Latn": "áéíñóúüḥḷ", "oci_Latn": "àáèéíïòóúüç",
    "gle_Latn": "áéíóú", "est_Latn": "äöüõšžé", "als_Latn": "çëéâ", "afr_Latn": "êëéèîïôöûáàüä",
    "ltz_Latn": "äëéèöüêôûç", "eng_Latn": "éèáóíñöüçäêåøàôïâúëãœæ", "ind_Latn": "éè",
    "tgl_Latn": "ñáéíóúàèìòùâêîôû", "grn_Latn": "áéíóúýãõñâêîôûüäëï",
    "tur_Latn": "çğıöşüâîû", "kmr_Latn": "çêîşûé", "crh_Latn": "çğıñöşüâ",
    "pol_Latn": "ąćęłńóśźżéöüäáčšž", "ces_Latn": "áčďéěíňóřšťúůýžöüä",
    "slk_Latn": "áäčďéíĺľňóôŕšťúýžöüěř", "hun_Latn": "áéíóöőúüűäçčš", "hrv_Latn": "čćđšžéöüá",
    "slv_Latn": "čšžćđéöüá", "ron_Latn": "ăâîşţéöüáóè",
    "ell_Grek": "αβγδεζηθικλμνξοπρςστυφχψωάέήίόύώϊϋΐΰ",
    "heb_Hebr": _HEBREW + "ְֱֲֳִֵֶַָֹֻּׁׂ", "ydd_Hebr": _HEBREW + "װױײִַָּֿ",
    "arb_Arab": _ARABIC, "pes_Arab": _ARABIC + "پچژگکیۀۂہھ",
    "urd_Arab": _ARABIC + "پچژگکیہھٹڈڑںےۀۂۓ",
    "lit_Latn": "ąčęėįšųūžéöü", "lvs_Latn": "āčēģīķļņšūžŗōéöü",
    "vie_Latn": "ăâđêôơư" + code_pages.TONES,
    "mlt_Latn": "ċġħżàèìòùé", "epo_Latn": "ĉĝĥĵŝŭéáö",
    "rus_Cyrl": _RUSSIAN, "ukr_Cyrl": "абвгґдеєжзиіїйклмнопрстуфхцчшщьюя",
    "bel_Cyrl": "абвгдеёжзійклмнопрстуўфхцчшыьэюя",
    "bul_Cyrl": "абвгдежзийклмнопрстуфхцчшщъьюя",
    "mkd_Cyrl": _SOUTH + "ѓѕјљњќџ", "srp_Cyrl": _SOUTH + "ђјљњћџ",
    "kaz_Cyrl": _RUSSIAN + "әғқңөұүһі", "kir_Cyrl": _RUSSIAN + "ңөү",
    "tat_Cyrl": _RUSSIAN + "әҗңөүһ",
    "bak_Cyrl": _RUSSIAN + "әғҙҡңөҫүһ", "khk_Cyrl": _RUSSIAN + "өү",
    "azj_Cyrl": "абвгғдеәжзиыјкҝлмноөпрстуүфхһчҹшйюяэ", "uzn_Cyrl": _RUSSIAN + "ўқғҳ",
    "tgk_Cyrl": _RUSSIAN + "ғӣқӯҳҷ",
    "tha_Thai": "".join(map(chr, [*range(0xE01, 0xE3B), *range(0xE40, 0xE4F)])),
}  # fmt: skip

#: Languages of which the corpus is small or in look-alike letters: the sentences of the gold file.
_GOLD = ("khk_Cyrl", "uzn_Cyrl", "azj_Cyrl")

_HAN = {"zho_Hans": 2500, "zho_Hant": 3000, "jpn_Jpan": 2500, "kor_Hang": 1200}


def texts() -> dict[str, list[str]]:
    """Return the documents of each label."""
    folder = Path(os.environ["CURATE_SHARED_DATA"]) / "lid"
    found: dict[str, list[str]] = defaultdict(list)
    with lzma.open(folder / "hplt_web_silver_dev.jsonl.xz", "rt", encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            found[row["lang_predicted"]].append(row["text"])
    with gzip.open(folder / "lid_gold_dev.tsv.gz", "rt", encoding="utf-8") as file:
        for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
            if row["lang"] in _GOLD:
                found["gold " + row["lang"]].append(row["text"])
    return found


def pairs(documents: list[str], label: str) -> tuple[str, np.ndarray]:
    """Return a language's letters and, for each two slots, the bits that the second one costs."""
    counts: Counter[tuple[str, str]] = Counter()
    for text in documents:
        written = code_pages.as_in_pages(unicodedata.normalize("NFC", text), label)
        folded = [fold(char) for char in written]
        counts.update(zip([" ", *folded], [*folded, " "], strict=True))
    latin = _LATIN if label.endswith("_Latn") else ""
    kept = sorted({fold(c) for c in latin + ALPHABETS[label] if fold(c) != " "})
    slot = {c: FIRST_LETTER + k for k, c in enumerate(kept)} | {" ": BOUNDARY}
    size = FIRST_LETTER + len(kept)
    seen = np.zeros((size, size))
    for (a, b), n in counts.items():
        if a in slot and b in slot:
            seen[slot[a], slot[b]] += n
    seen[BOUNDARY, BOUNDARY] = 0
    share = (seen.sum(axis=0) + 0.5) / (seen.sum() + 0.5 * size)
    after = seen.sum(axis=1, keepdims=True)
    distinct = (seen > 0).sum(axis=1, keepdims=True)
    likely = (seen + 2 * (distinct + 1) * share) / (after + 2 * (distinct + 1))
    bits = np.minimum(np.rint(-np.log2(likely) * EIGHTHS), 8 * 14).astype(np.uint8)
    bits[BOUNDARY, BOUNDARY] = 0
    return "".join(kept), bits


def main() -> None:
    """Write the table."""
    found = texts()
    letters: list[str] = []
    costs = np.zeros((len(code_pages.LANGUAGES), SPECIAL, SPECIAL), np.uint8)
    for k, label in enumerate(code_pages.LANGUAGES):
        documents = found[f"gold {label}" if label in _GOLD else _NAMES.get(label, label)]
        kept, bits = pairs(documents, label)
        letters.append(kept)
        costs[k, : len(bits), : len(bits)] = bits
        print(label, len(documents), len(kept), kept)
    stored = {"labels": np.array(code_pages.LANGUAGES), "letters": np.array(letters)}
    for label, many in _HAN.items():
        signs: Counter[str] = Counter()
        for text in found[label]:
            signs.update(c for c in text if c > "\u2e80")
        common = signs.most_common(many)
        total = sum(signs.values())
        stored["signs_" + label] = np.array("".join(c for c, _ in common))
        bits = [min(round(-np.log2(n / total) * EIGHTHS), 8 * 15) for _, n in common]
        stored["bits_" + label] = np.array(bits, np.uint8)
    np.savez_compressed(code_pages.PATH, costs=costs, **stored)


if __name__ == "__main__":
    main()
