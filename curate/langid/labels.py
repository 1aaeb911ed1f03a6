"""One table from models' labels to ours: ISO 639-3 and ISO 15924, ``kaz_Cyrl``.

lid.176 uses the codes of Wikipedia's editions (``als`` is Alemannic, ``sh`` Serbo-Croatian),
without a script. A macrolanguage becomes the language that its Wikipedia is written in (``fa`` is
Iranian Persian, ``et`` Standard Estonian is ``est`` as in FLORES). Where a language has several
scripts, the script of the text decides; Han becomes Hans or Hant by the text's characters.
"""

from __future__ import annotations

from functools import lru_cache

from curate.schema import UNDETERMINED

#: lid.176's label: ISO 639-3 code and the scripts of the language. ``Hani`` is Hans or Hant, which
#: the characters of the text decide.
_LID176 = {
    "af": "afr Latn", "als": "gsw Latn", "am": "amh Ethi", "an": "arg Latn", "ar": "arb Arab",
    "arz": "arz Arab", "as": "asm Beng", "ast": "ast Latn", "av": "ava Cyrl",
    "az": "azj Latn Cyrl", "azb": "azb Arab", "ba": "bak Cyrl", "bar": "bar Latn",
    "bcl": "bcl Latn", "be": "bel Cyrl", "bg": "bul Cyrl", "bh": "bho Deva", "bn": "ben Beng",
    "bo": "bod Tibt", "bpy": "bpy Beng", "br": "bre Latn", "bs": "bos Latn Cyrl",
    "bxr": "bxr Cyrl", "ca": "cat Latn", "cbk": "cbk Latn", "ce": "che Cyrl", "ceb": "ceb Latn",
    "ckb": "ckb Arab", "co": "cos Latn", "cs": "ces Latn", "cv": "chv Cyrl", "cy": "cym Latn",
    "da": "dan Latn", "de": "deu Latn", "diq": "diq Latn", "dsb": "dsb Latn", "dty": "dty Deva",
    "dv": "div Thaa", "el": "ell Grek", "eml": "egl Latn", "en": "eng Latn", "eo": "epo Latn",
    "es": "spa Latn", "et": "est Latn", "eu": "eus Latn", "fa": "pes Arab", "fi": "fin Latn",
    "fr": "fra Latn", "frr": "frr Latn", "fy": "fry Latn", "ga": "gle Latn", "gd": "gla Latn",
    "gl": "glg Latn", "gn": "gug Latn", "gom": "gom Deva Latn", "gu": "guj Gujr", "gv": "glv Latn",
    "he": "heb Hebr", "hi": "hin Deva", "hif": "hif Latn Deva", "hr": "hrv Latn",
    "hsb": "hsb Latn", "ht": "hat Latn", "hu": "hun Latn", "hy": "hye Armn", "ia": "ina Latn",
    "id": "ind Latn", "ie": "ile Latn", "ilo": "ilo Latn", "io": "ido Latn", "is": "isl Latn",
    "it": "ita Latn", "ja": "jpn Jpan", "jbo": "jbo Latn", "jv": "jav Latn Java", "ka": "kat Geor",
    "kk": "kaz Cyrl Arab Latn", "km": "khm Khmr", "kn": "kan Knda", "ko": "kor Hang",
    "krc": "krc Cyrl", "ku": "kmr Latn Cyrl", "kv": "kpv Cyrl", "kw": "cor Latn",
    "ky": "kir Cyrl Arab", "la": "lat Latn", "lb": "ltz Latn", "lez": "lez Cyrl", "li": "lim Latn",
    "lmo": "lmo Latn", "lo": "lao Laoo", "lrc": "lrc Arab", "lt": "lit Latn", "lv": "lvs Latn",
    "mai": "mai Deva", "mg": "plt Latn", "mhr": "mhr Cyrl", "min": "min Latn Arab",
    "mk": "mkd Cyrl", "ml": "mal Mlym", "mn": "khk Cyrl Mong", "mr": "mar Deva", "mrj": "mrj Cyrl",
    "ms": "zsm Latn Arab", "mt": "mlt Latn", "mwl": "mwl Latn", "my": "mya Mymr",
    "myv": "myv Cyrl", "mzn": "mzn Arab", "nah": "nah Latn", "nap": "nap Latn", "nds": "nds Latn",
    "ne": "npi Deva", "new": "new Deva", "nl": "nld Latn", "nn": "nno Latn", "no": "nob Latn",
    "oc": "oci Latn", "or": "ory Orya", "os": "oss Cyrl", "pa": "pan Guru", "pam": "pam Latn",
    "pfl": "pfl Latn", "pl": "pol Latn", "pms": "pms Latn", "pnb": "pnb Arab", "ps": "pbt Arab",
    "pt": "por Latn", "qu": "quy Latn", "rm": "roh Latn", "ro": "ron Latn Cyrl", "ru": "rus Cyrl",
    "rue": "rue Cyrl", "sa": "san Deva", "sah": "sah Cyrl", "sc": "srd Latn", "scn": "scn Latn",
    "sco": "sco Latn", "sd": "snd Arab Deva", "sh": "hbs Latn Cyrl", "si": "sin Sinh",
    "sk": "slk Latn", "sl": "slv Latn", "so": "som Latn", "sq": "als Latn", "sr": "srp Cyrl Latn",
    "su": "sun Latn Sund", "sv": "swe Latn", "sw": "swh Latn", "ta": "tam Taml", "te": "tel Telu",
    "tg": "tgk Cyrl", "th": "tha Thai", "tk": "tuk Latn Cyrl Arab", "tl": "tgl Latn",
    "tr": "tur Latn", "tt": "tat Cyrl Latn", "tyv": "tyv Cyrl", "ug": "uig Arab Cyrl Latn",
    "uk": "ukr Cyrl", "ur": "urd Arab", "uz": "uzn Latn Cyrl", "vec": "vec Latn",
    "vep": "vep Latn", "vi": "vie Latn", "vls": "vls Latn", "vo": "vol Latn", "wa": "wln Latn",
    "war": "war Latn", "wuu": "wuu Hani", "xal": "xal Cyrl", "xmf": "xmf Geor", "yi": "ydd Hebr",
    "yo": "yor Latn", "yue": "yue Hani", "zh": "cmn Hani",
}  # fmt: skip

#: Codes of other models (OpenLID, GlotLID, NLLB's) for a language that has another code here.
_SAME = {
    "zho": "cmn", "ara": "arb", "fas": "pes", "swa": "swh", "uzb": "uzn", "aze": "azj",
    "mon": "khk", "nep": "npi", "ori": "ory", "msa": "zsm", "lav": "lvs", "ekk": "est",
    "sqi": "als", "nor": "nob", "yid": "ydd", "mlg": "plt", "kur": "kmr", "pus": "pbt",
    "grn": "gug",
}  # fmt: skip

#: Script codes that are another one here (Kore: Hangul with Han; Aran: Arabic in Nastaliq).
_SCRIPT = {"Kore": "Hang", "Aran": "Arab"}


@lru_cache(maxsize=8192)
def scripts_of(label: str) -> tuple[str, tuple[str, ...]]:
    """Split a model's label into our language code and the scripts that the language is written in.

    Unknown labels, ``und_*`` and ``zxx_*`` (no language) have no scripts.

    >>> scripts_of("uz"), scripts_of("kaz_Cyrl"), scripts_of("zho_Hant"), scripts_of("zxx_Latn")
    (('uzn', ('Latn', 'Cyrl')), ('kaz', ('Cyrl',)), ('cmn', ('Hani',)), ('und', ()))
    """
    if label in _LID176:
        code, *scripts = _LID176[label].split()
        return code, tuple(scripts)
    code, _, script = label.partition("_")
    script = script[:4]
    if len(code) != 3 or len(script) != 4 or code in (UNDETERMINED, "zxx", "mul", "mis"):
        return UNDETERMINED, ()
    script = _SCRIPT.get(script, script)
    # Models confuse simplified and traditional; the characters of the text are reliable.
    return _SAME.get(code, code), ("Hani" if script in ("Hans", "Hant") else script,)


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
