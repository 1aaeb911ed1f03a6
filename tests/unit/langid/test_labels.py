"""Every label of the default model has a name of ours, and every name consists of known parts."""

import pytest

from curate.kernels.unicode import SCRIPTS
from curate.langid import labels
from curate.langid.fasttext import model

KNOWN = {*SCRIPTS, "Jpan"}


def test_every_label_of_the_default_model_is_mapped() -> None:
    missing = [label for label in model.load().labels if labels.scripts_of(label)[0] == "und"]
    assert missing == []


@pytest.mark.parametrize("label", model.load().labels)
def test_codes_and_scripts_are_well_formed(label: str) -> None:
    code, scripts = labels.scripts_of(label)
    assert len(code) == 3 and code.islower()
    assert scripts and set(scripts) <= KNOWN


def test_no_two_labels_share_a_code() -> None:
    codes = [labels.scripts_of(label)[0] for label in model.load().labels]
    assert len(set(codes)) == len(codes) == 176


@pytest.mark.parametrize(
    ("label", "script", "expected"),
    [
        ("kk", "Cyrl", "kaz_Cyrl"),
        ("kk", "Arab", "kaz_Arab"),
        ("sw", "Latn", "swh_Latn"),
        ("fa", "Arab", "pes_Arab"),
        ("sr", "Cyrl", "srp_Cyrl"),
        ("sr", "Latn", "srp_Latn"),
        ("uz", "Cyrl", "uzn_Cyrl"),
        ("ckb", "Arab", "ckb_Arab"),
        ("ku", "Latn", "kmr_Latn"),
        ("als", "Latn", "gsw_Latn"),
        ("ko", "Hang", "kor_Hang"),
        ("ja", "Jpan", "jpn_Jpan"),
        ("ru", "Latn", None),
        ("zh", "Jpan", None),
        ("kaz_Cyrl", "Cyrl", "kaz_Cyrl"),
        ("kaz_Cyrl", "Latn", None),
        ("cmn_Hani", "Hani", "cmn_Hans"),
        ("kor_Kore", "Hang", "kor_Hang"),
        ("ekk_Latn", "Latn", "est_Latn"),
        ("und_Latn", "Latn", None),
        ("zxx_Zxxx", "Latn", None),
        ("", "Latn", None),
        ("nonsense", "Latn", None),
    ],
)
def test_names(label: str, script: str, expected: str | None) -> None:
    assert labels.label_in_script(label, script) == expected


def test_traditional_characters_make_hant() -> None:
    assert labels.label_in_script("zho_Hans", "Hani", traditional=True) == "cmn_Hant"
    assert labels.label_in_script("yue", "Hani", traditional=True) == "yue_Hant"
