"""One table from models' labels to ours: ISO 639-3 and ISO 15924, ``kaz_Cyrl``.

lid.176 uses the codes of Wikipedia's editions (``als`` is Alemannic, ``sh`` Serbo-Croatian),
without a script. A macrolanguage becomes the language that its Wikipedia is written in (``fa`` is
Iranian Persian, ``et`` Standard Estonian is ``est`` as in FLORES). Where a language has several
scripts, the script of the text decides; Han becomes Hans or Hant by the text's characters.
"""

from __future__ import annotations

from functools import lru_cache

from curate.recipe.languages import SAME, WIKIPEDIA
from curate.schema import UNDETERMINED

#: Script codes that are another one here (Kore: Hangul with Han; Aran: Arabic in Nastaliq).
_SCRIPT = {"Kore": "Hang", "Aran": "Arab"}


@lru_cache(maxsize=8192)
def scripts_of(label: str) -> tuple[str, tuple[str, ...]]:
    """Split a model's label into our language code and the scripts that the language is written in.

    Unknown labels, ``und_*`` and ``zxx_*`` (no language) have no scripts.

    >>> scripts_of("uz"), scripts_of("kaz_Cyrl"), scripts_of("zho_Hant"), scripts_of("zxx_Latn")
    (('uzn', ('Latn', 'Cyrl')), ('kaz', ('Cyrl',)), ('cmn', ('Hani',)), ('und', ()))
    """
    if label in WIKIPEDIA:
        code, *scripts = WIKIPEDIA[label].split()
        return code, tuple(scripts)
    code, _, script = label.partition("_")
    script = script[:4]
    if len(code) != 3 or len(script) != 4 or code in (UNDETERMINED, "zxx", "mul", "mis"):
        return UNDETERMINED, ()
    script = _SCRIPT.get(script, script)
    # Models confuse simplified and traditional; the characters of the text are reliable.
    return SAME.get(code, code), ("Hani" if script in ("Hans", "Hant") else script,)


@lru_cache(maxsize=8)
def language_codes(labels: tuple[str, ...]) -> frozenset[str]:
    """Return our codes of the languages that a model has labels for.

    >>> sorted(language_codes(("kk", "rus_Cyrl")))
    ['kaz', 'rus']
    """
    return frozenset(scripts_of(label)[0] for label in labels)


def label_in_script(label: str, script: str, *, traditional: bool = False) -> str | None:
    """Return our label for a model's label on a text in ``script``; None if they do not fit.

    >>> [label_in_script(label, "Latn") for label in ("kk", "sr", "ru")]
    ['kaz_Latn', 'srp_Latn', None]
    >>> label_in_script("zh", "Hani", traditional=True)
    'cmn_Hant'
    """
    code, scripts = scripts_of(label)
    if script == "Hani" and scripts == ("Jpan",):
        return f"{code}_Jpan"  # LabelConstraints decides by length whether it is Japanese
    if script not in scripts:
        return None
    if script == "Hani":
        return f"{code}_{'Hant' if traditional else 'Hans'}"
    return f"{code}_{script}"
