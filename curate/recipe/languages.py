"""Languages and how people name them: the one table of codes and English names.

A label is ISO 639-3 and ISO 15924, ``kaz_Cyrl``. Where a person types a language, its ISO 639-1 or
639-3 code or its English name will do, as long as it means one label: ``kk``, ``kaz``, ``Kazakh``.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

from curate.errors import RecipeError

#: ISO 639-3 and ISO 15924.
LABEL = re.compile(r"[a-z]{3}_[A-Z][a-z]{3}")

#: The codes of Wikipedia's editions, which lid.176 has as labels: ISO 639-3 code and scripts. The
#: characters of a text decide whether ``Hani`` is Hans or Hant.
WIKIPEDIA = {
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

#: English names by ISO 639-3 code.
NAMES = {
    "abk": "Abkhaz", "ace": "Acehnese", "acm": "Mesopotamian Arabic",
    "acq": "Ta'izzi-Adeni Arabic", "ady": "Adyghe", "aeb": "Tunisian Arabic",
    "afr": "Afrikaans", "ajp": "South Levantine Arabic", "aka": "Akan", "als": "Albanian",
    "alt": "Southern Altai", "amh": "Amharic", "apc": "Levantine Arabic",
    "arb": "Standard Arabic", "arg": "Aragonese", "arq": "Algerian Arabic",
    "ars": "Najdi Arabic", "ary": "Moroccan Arabic", "arz": "Egyptian Arabic",
    "asm": "Assamese", "ast": "Asturian", "ava": "Avar", "awa": "Awadhi", "ayr": "Aymara",
    "azb": "South Azerbaijani", "azj": "Azerbaijani", "bak": "Bashkir", "bam": "Bambara",
    "ban": "Balinese", "bar": "Bavarian", "bcl": "Central Bikol", "bel": "Belarusian",
    "bem": "Bemba", "ben": "Bengali", "bho": "Bhojpuri", "bjn": "Banjar", "bod": "Tibetan",
    "bos": "Bosnian", "bpy": "Bishnupriya", "bre": "Breton", "bug": "Buginese",
    "bul": "Bulgarian", "bxr": "Russia Buriat", "cat": "Catalan", "cbk": "Chavacano",
    "ceb": "Cebuano", "ces": "Czech", "che": "Chechen", "chm": "Mari", "chv": "Chuvash",
    "cjk": "Chokwe", "ckb": "Central Kurdish", "cmn": "Chinese", "cor": "Cornish",
    "cos": "Corsican", "crh": "Crimean Tatar", "cym": "Welsh", "dan": "Danish", "dar": "Dargwa",
    "deu": "German", "din": "Dinka", "diq": "Zazaki", "div": "Dhivehi", "dsb": "Lower Sorbian",
    "dty": "Dotyali", "dyu": "Dyula", "dzo": "Dzongkha", "egl": "Emilian", "ell": "Greek",
    "eng": "English", "epo": "Esperanto", "est": "Estonian", "eus": "Basque", "evn": "Evenki",
    "ewe": "Ewe", "fao": "Faroese", "fij": "Fijian", "fin": "Finnish", "fon": "Fon",
    "fra": "French", "frr": "North Frisian", "fry": "West Frisian", "fur": "Friulian",
    "fuv": "Nigerian Fulfulde", "gag": "Gagauz", "gaz": "West Central Oromo",
    "gla": "Scottish Gaelic", "gle": "Irish", "glg": "Galician", "glv": "Manx",
    "gom": "Konkani", "grn": "Guarani", "gsw": "Swiss German", "gug": "Guarani",
    "guj": "Gujarati", "hat": "Haitian Creole", "hau": "Hausa", "haw": "Hawaiian",
    "hbs": "Serbo-Croatian", "heb": "Hebrew", "hif": "Fiji Hindi", "hin": "Hindi",
    "hne": "Chhattisgarhi", "hrv": "Croatian", "hsb": "Upper Sorbian", "hun": "Hungarian",
    "hye": "Armenian", "ibo": "Igbo", "ido": "Ido", "ile": "Interlingue", "ilo": "Ilocano",
    "ina": "Interlingua", "ind": "Indonesian", "inh": "Ingush", "isl": "Icelandic",
    "ita": "Italian", "jav": "Javanese", "jbo": "Lojban", "jpn": "Japanese",
    "kaa": "Karakalpak", "kab": "Kabyle", "kac": "Jingpho", "kam": "Kamba", "kan": "Kannada",
    "kas": "Kashmiri", "kat": "Georgian", "kaz": "Kazakh", "kbd": "Kabardian", "kbp": "Kabiye",
    "khk": "Mongolian", "khm": "Khmer", "kik": "Kikuyu", "kin": "Kinyarwanda", "kir": "Kyrgyz",
    "kjh": "Khakas", "kmb": "Kimbundu", "kmr": "Northern Kurdish", "knc": "Central Kanuri",
    "kon": "Kongo", "kor": "Korean", "kpv": "Komi", "krc": "Karachay-Balkar", "kum": "Kumyk",
    "lao": "Lao", "lat": "Latin", "lbe": "Lak", "lez": "Lezgian", "lij": "Ligurian",
    "lim": "Limburgish", "lin": "Lingala", "lit": "Lithuanian", "lmo": "Lombard",
    "lrc": "Northern Luri", "ltg": "Latgalian", "ltz": "Luxembourgish", "lua": "Luba-Kasai",
    "lug": "Ganda", "luo": "Luo", "lus": "Mizo", "lvs": "Latvian", "mag": "Magahi",
    "mai": "Maithili", "mal": "Malayalam", "mar": "Marathi", "mdf": "Moksha",
    "mhr": "Meadow Mari", "min": "Minangkabau", "mkd": "Macedonian", "mlt": "Maltese",
    "mni": "Manipuri", "mos": "Mossi", "mri": "Maori", "mrj": "Hill Mari", "mwl": "Mirandese",
    "mya": "Burmese", "myv": "Erzya", "mzn": "Mazanderani", "nah": "Nahuatl",
    "nap": "Neapolitan", "nds": "Low German", "new": "Newari", "nld": "Dutch",
    "nno": "Norwegian Nynorsk", "nob": "Norwegian Bokmål", "nog": "Nogai", "npi": "Nepali",
    "nso": "Northern Sotho", "nus": "Nuer", "nya": "Chichewa", "oci": "Occitan", "orm": "Oromo",
    "ory": "Odia", "oss": "Ossetian", "pag": "Pangasinan", "pam": "Pampanga", "pan": "Punjabi",
    "pap": "Papiamento", "pbt": "Pashto", "pes": "Persian", "pfl": "Palatine German",
    "plt": "Malagasy", "pms": "Piedmontese", "pnb": "Western Punjabi", "pol": "Polish",
    "por": "Portuguese", "prs": "Dari", "quy": "Quechua", "roh": "Romansh", "ron": "Romanian",
    "rue": "Rusyn", "run": "Rundi", "rus": "Russian", "sag": "Sango", "sah": "Yakut",
    "san": "Sanskrit", "sat": "Santali", "scn": "Sicilian", "sco": "Scots", "shn": "Shan",
    "sin": "Sinhala", "slk": "Slovak", "slv": "Slovenian", "smo": "Samoan", "sna": "Shona",
    "snd": "Sindhi", "som": "Somali", "sot": "Southern Sotho", "spa": "Spanish",
    "srd": "Sardinian", "srp": "Serbian", "ssw": "Swati", "sun": "Sundanese", "swe": "Swedish",
    "swh": "Swahili", "szl": "Silesian", "tab": "Tabasaran", "tam": "Tamil", "taq": "Tamasheq",
    "tat": "Tatar", "tel": "Telugu", "tgk": "Tajik", "tgl": "Tagalog", "tha": "Thai",
    "tir": "Tigrinya", "ton": "Tongan", "tpi": "Tok Pisin", "tsn": "Tswana", "tso": "Tsonga",
    "tuk": "Turkmen", "tur": "Turkish", "twi": "Twi", "tyv": "Tuvan",
    "tzm": "Central Atlas Tamazight", "udm": "Udmurt", "uig": "Uyghur", "ukr": "Ukrainian",
    "umb": "Umbundu", "und": "undetermined", "urd": "Urdu", "uzn": "Uzbek",
    "uzs": "Southern Uzbek", "vec": "Venetian", "ven": "Venda", "vep": "Veps",
    "vie": "Vietnamese", "vls": "West Flemish", "vol": "Volapük", "war": "Waray",
    "wln": "Walloon", "wol": "Wolof", "wuu": "Wu Chinese", "xal": "Kalmyk", "xho": "Xhosa",
    "xmf": "Mingrelian", "ydd": "Yiddish", "yor": "Yoruba", "yue": "Cantonese", "zsm": "Malay",
    "zul": "Zulu",
}  # fmt: skip

#: Codes of other models and of macrolanguages for a language that has another code here.
SAME = {
    "zho": "cmn", "ara": "arb", "fas": "pes", "swa": "swh", "uzb": "uzn", "aze": "azj",
    "mon": "khk", "nep": "npi", "ori": "ory", "msa": "zsm", "lav": "lvs", "ekk": "est",
    "sqi": "als", "nor": "nob", "yid": "ydd", "mlg": "plt", "kur": "kmr", "pus": "pbt",
    "grn": "gug",
}  # fmt: skip

#: Names that people use for a language that has another one here.
_ALIASES = {
    "arabic": "arb", "modern standard arabic": "arb", "farsi": "pes", "mandarin": "cmn",
    "norwegian": "nob", "gaelic": "gla", "kurdish": "kmr", "sorani": "ckb", "kirghiz": "kir",
    "azeri": "azj", "flemish": "nld", "pushto": "pbt", "uighur": "uig", "myanmar": "mya",
    "oriya": "ory", "filipino": "tgl", "castilian": "spa", "moldovan": "ron",
}  # fmt: skip

_CODES = _ALIASES | {name.casefold(): code for code, name in NAMES.items()}
_CODES |= SAME | {short: scripts[:3] for short, scripts in WIKIPEDIA.items() if len(short) == 2}


def name_of(label: str) -> str:
    """Return the English name of a label's language; the label itself where it has none here.

    >>> name_of("kaz_Cyrl"), name_of("qqq_Latn")
    ('Kazakh', 'qqq_Latn')
    """
    return NAMES.get(label.partition("_")[0], label)


def code_of(given: str) -> str:
    """Return the ISO 639-3 code that a label, a code or an English name means.

    Raise RecipeError where it is no language.

    >>> [code_of(given) for given in ("kk", "KAZ", "kazakh", "kaz_Latn", "zho")]
    ['kaz', 'kaz', 'kaz', 'kaz', 'cmn']
    """
    wanted = given.strip()
    wanted = wanted[:3] if LABEL.fullmatch(wanted) else wanted.casefold()
    code = _CODES.get(wanted, wanted)
    if code in NAMES and code != "und":
        return code
    raise RecipeError(f"'{given[:100]}' is no language", hint=_nearest(given, []))


def label_of(given: str, profiles: Iterable[str]) -> str:
    """Return the one label that a code or a name means; a label as it is.

    Of the scripts of a language those count that ``profiles`` name, if any. Raise RecipeError where
    it is no language, or one with several scripts.

    >>> [label_of(given, ["kaz_Cyrl"]) for given in ("kk", "KAZ", "kazakh", "kaz_Latn", "und")]
    ['kaz_Cyrl', 'kaz_Cyrl', 'kaz_Cyrl', 'kaz_Latn', 'und']
    """
    if LABEL.fullmatch(given) or given == "und":
        return given
    names = sorted(name for name in profiles if LABEL.fullmatch(name))
    wanted = given.strip().casefold().replace("-", "_")
    for name in names:
        if name.casefold() == wanted:
            return name
    code = _CODES.get(wanted, wanted)
    labels = [name for name in names if name.startswith(f"{code}_")] if len(code) == 3 else []
    if not labels:
        scripts = next((each[4:] for each in WIKIPEDIA.values() if each[:3] == code), "")
        labels = [
            f"{code}_{each}" for each in scripts.replace("Hani", "Hans Hant").split() if scripts
        ]
    if len(labels) == 1:
        return labels[0]
    if labels:
        hint = "one of: " + ", ".join(labels)
        raise RecipeError(f"'{given}' is written in several scripts", hint=hint)
    # A tag of a browser or a locale: kk-KZ, zh-Hans-CN, kk_KZ.UTF-8.
    first = re.split(r"[^a-z]", wanted, maxsplit=1)[0]
    meant = [f"'{name}'" for name in names if name.startswith(f"{_CODES.get(first, first)}_")]
    hint = f"did you mean {' or '.join(meant[:3])}?" if meant else _nearest(given, names)
    raise RecipeError(f"'{given[:100]}' is no language label", hint=hint)


def _nearest(given: str, names: list[str]) -> str:
    close = difflib.get_close_matches(given, [*names, *NAMES.values()], n=1, cutoff=0.6)
    return (f"did you mean '{close[0]}'? " if close else "") + "`curate languages` lists them"
