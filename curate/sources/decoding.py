"""Decode bytes of the web: which encoding they are in, and what to do where none fits.

Labels are read as browsers read them (WHATWG Encoding Standard): ``iso-8859-1`` means windows-1252,
``gb2312`` means GB 18030, ``shift_jis`` means Microsoft's superset. The order is: byte order mark;
UTF-8 where the bytes prove it; the transport's charset; the charset in the document; the letters;
a detector. An encoding is accepted only if the bytes decode under it without an error. Since a
single-byte code page decodes nearly everything, one that is stated is believed unless the letters
speak against it (``curate.text.encodings``): pages in KZ-1048 or windows-1254 state windows-1251
or ISO 8859-1 as often as not. So it is with GB 18030 and its like, which read other bytes as rare
ideographs, and with UTF-16, which reads any.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from curate.errors import RecipeError
from curate.text.code_pages import PAGES
from curate.text.encodings import COMPARED, likely, may_be_utf8, mostly_ascii, reads_best


class Decoded(NamedTuple):
    """Text, its encoding, what named that encoding, and how many replacement characters it has."""

    text: str
    encoding: str
    by: str  #: bom | utf-8 | transport | document | letters | detector | fallback
    replaced: int = 0


_BOMS = (
    (b"\xef\xbb\xbf", "utf-8"),
    (b"\xff\xfe\x00\x00", "utf-32-le"),
    (b"\x00\x00\xfe\xff", "utf-32-be"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
)
_MARKS = tuple(mark for mark, _ in _BOMS)

# The Python codec nearest to the WHATWG decoder of a label; labels not listed here are resolved by
# Python's own aliases.
_LABELS = {
    "cp1252": "ansi_x3.4-1968 ascii us-ascii cp819 csisolatin1 ibm819 iso-8859-1 iso-ir-100"
    " iso8859-1 iso88591 iso_8859-1 iso_8859-1:1987 l1 latin1 windows-1252 x-cp1252 cp1252",
    "gb18030": "chinese csgb2312 csiso58gb231280 gb2312 gb_2312 gb_2312-80 gbk iso-ir-58 x-gbk"
    " cp936 gb18030 euc-cn",
    "cp932": "csshiftjis ms932 ms_kanji shift-jis shift_jis sjis windows-31j x-sjis cp932",
    "cp949": "cseuckr csksc56011987 euc-kr iso-ir-149 korean ks_c_5601-1987 ks_c_5601-1989 ksc5601"
    " ksc_5601 windows-949 cp949 uhc",
    "big5hkscs": "big5 big5-hkscs cn-big5 csbig5 x-x-big5 cp950",
    "cp1254": "csisolatin5 iso-8859-9 iso-ir-148 iso8859-9 iso88599 iso_8859-9 iso_8859-9:1989 l5"
    " latin5 windows-1254 x-cp1254",
    "cp874": "dos-874 iso-8859-11 iso8859-11 iso885911 tis-620 tis620 windows-874",
    "iso8859_8": "csiso88598e csisolatinhebrew hebrew iso-8859-8 iso-8859-8-e iso-8859-8-i logical"
    " visual csiso88598i",
    "cp866": "866 cp866 csibm866 ibm866 dos-866",
    "koi8_u": "koi8-ru koi8-u",
    "koi8_r": "cskoi8r koi koi8 koi8-r koi8_r",
    "mac_cyrillic": "x-mac-cyrillic x-mac-ukrainian mac-cyrillic",
    "mac_roman": "csmacintosh mac macintosh x-mac-roman",
    "utf_8": "unicode-1-1-utf-8 unicode11utf8 unicode20utf8 utf-8 utf8 x-unicode20utf8 utf-8-sig",
    "utf_16_le": "csunicode iso-10646-ucs-2 ucs-2 unicode unicodefeff utf-16 utf-16le",
    "utf_16_be": "unicodefffe utf-16be",
    "iso2022_jp": "csiso2022jp iso-2022-jp",
    "euc_jp": "cseucpkdfmtjapanese euc-jp x-euc-jp",
    "iso8859_6": "arabic asmo-708 ecma-114 iso-8859-6-e iso-8859-6-i",
    "iso8859_7": "greek greek8 ecma-118 elot_928 sun_eu_greek",
    "iso8859_5": "cyrillic csisolatincyrillic",
}
_ALIASES = {label: codec for codec, labels in _LABELS.items() for label in labels.split()}

# What the standard refuses to decode: encodings that let a page hide markup from filters.
_REFUSED = frozenset({"utf-7", "utf_7", "hz-gb-2312", "hz", "iso-2022-cn", "x-user-defined"})

_META = re.compile(
    rb"<meta[^>]{0,512}?charset\s{0,8}=\s{0,8}[\"']?\s{0,8}([A-Za-z0-9_:.+-]{1,40})", re.I
)
_XML = re.compile(rb"<\?xml[^>]{0,128}?encoding\s{0,8}=\s{0,8}[\"']([A-Za-z0-9_:.+-]{1,40})", re.I)
_SHIFT_TO_JAPANESE = re.compile(rb"\x1b\$(?:[@B]|\(D)")
_META_WINDOW = 8192  # browsers read 1,024 bytes; pages with long heads have it further down


@lru_cache(maxsize=1024)
def codec_of(label: str) -> str | None:
    """Return Python's codec for a charset label as browsers read it; None for no text encoding.

    >>> codec_of("ISO-8859-1"), codec_of("gb2312"), codec_of("x-sjis"), codec_of("klingon")
    ('cp1252', 'gb18030', 'cp932', None)
    """
    name = label.strip().strip("\"'").lower()
    if name in _ALIASES:
        return _ALIASES[name]
    if name in _REFUSED or "\0" in name:
        return None
    try:
        info = codecs.lookup(name)
    except (LookupError, UnicodeError, ValueError):
        return None
    # Python also calls base64, rot13 and the like codecs; and some of its text codecs are not
    # encodings of documents (idna, punycode, escapes).
    if not getattr(info, "_is_text_encoding", True):
        return None
    return None if info.name in _NO_CHARSETS else info.name.replace("-", "_")


_NO_CHARSETS = frozenset(
    {"idna", "punycode", "unicode_escape", "raw_unicode_escape", "unicode-escape"}
    | {"raw-unicode-escape", "undefined", "mbcs", "oem", "utf-7", "hz", "utf-8-sig"}
)


def is_cut_at_newlines(encoding: str) -> bool:
    """Return whether a newline is one byte in an encoding; RecipeError where there is no such.

    >>> is_cut_at_newlines("windows-1254"), is_cut_at_newlines("utf-16")
    (True, False)
    """
    try:
        return "\n".encode(encoding) == b"\n"
    except LookupError:
        raise RecipeError(
            f"encoding = '{encoding}' is not known", hint="give a name that Python knows"
        ) from None


def declared_charset(data: bytes) -> str | None:
    """Return the charset that a document states: in its XML declaration, else in a meta element.

    >>> declared_charset(b'<html><meta http-equiv=x content="text/html; charset=koi8-r">')
    'koi8-r'
    """
    window = data[:_META_WINDOW]
    found = _XML.search(window, 0, 256) or _META.search(window)
    return found[1].decode("ascii") if found else None


def decode(data: bytes, transport: str | None = None, *, markup: bool = True) -> Decoded | None:
    r"""Decode bytes as text; None where they are no text in any encoding (an image, an archive).

    Empty bytes give empty text. ``transport`` is the charset of the Content-Type header. A sequence
    cut at the very end is dropped. Where no encoding fits without errors, the one that needs the
    fewest replacement characters is used and their number returned.

    Limitation: a few words in a single-byte encoding that is not named. Code pages decode each
    other without an error, and only the frequencies of letters distinguish them.

    >>> decode("Қазақстан".encode("utf-8"), "iso-8859-1")
    Decoded(text='Қазақстан', encoding='utf-8', by='utf-8', replaced=0)
    >>> decode("Привет, мир".encode("cp1251"), "windows-1251").text
    'Привет, мир'
    >>> decode("Балықшылар таң ата теңізге шықты".encode("kz1048"), "windows-1251")[:3]
    ('Балықшылар таң ата теңізге шықты', 'kz1048', 'letters')
    >>> decode(b"\x89PNG\r\n\x1a\n" + bytes(range(32)) * 20) is None
    True
    """
    marked = data.startswith(_BOMS[0][0])
    if marked and _strict(data, "utf_8") is None and not _nearly_utf8(data[3:]):
        data = data[3:]  # a mark that was put before text in another encoding
    tried: dict[str, str] = {}
    for name, by in _candidates(data, transport, markup):
        if name in tried:
            continue
        tried[name] = by
        if by == "utf-8" and not may_be_utf8(data):
            continue
        text = _strict(data, name)
        if text is not None and (_is_text_of(data) if name in PAGES else is_text(text)):
            if name in COMPARED and not data.isascii():
                return _by_letters(data, Decoded(text, codecs.lookup(name).name, by), name, markup)
            return Decoded(text, codecs.lookup(name).name, by)
        if by == "utf-8" and (near := _nearly_utf8(data)):
            return near
        if name in PAGES and by in ("transport", "document") and (near := _nearly(data, name, by)):
            return near
    best: Decoded | None = None
    for name, by in tried.items():
        text = data.decode(name, "replace")
        marks = text.count("\ufffd")
        if best is None or marks < best.replaced:
            best = Decoded(text, codecs.lookup(name).name, by, marks)
    # Up to one wrong byte in twenty is a damaged text; more is something else.
    if best and best.replaced * 20 <= len(best.text) and is_text(best.text):
        return best._replace(text=best.text.removeprefix("\ufeff"))
    return None


def _candidates(data: bytes, transport: str | None, markup: bool) -> Iterator[tuple[str, str]]:
    if data.startswith(_MARKS):
        yield next(name for mark, name in _BOMS if data.startswith(mark)), "bom"
    if not data.isascii():
        # Text in another encoding is not valid UTF-8 by chance, whatever a header states.
        yield "utf_8", "utf-8"
    if data.isascii() and _SHIFT_TO_JAPANESE.search(data):
        yield "iso2022_jp", "detector"  # Every encoding of ASCII reads its bytes, as nonsense.
    wide = ""
    if transport and (codec := codec_of(transport)):
        # UTF-16 has a zero byte in each space and line end; without, any bytes are signs of it.
        if codec.startswith(("utf_16", "utf_32")) and b"\0" not in data[:4096]:
            wide = codec
        else:
            yield codec, "transport"
    if markup and (label := declared_charset(data)) and (codec := codec_of(label)):
        # A declaration that could be read byte by byte is not in UTF-16.
        yield "utf_8" if codec.startswith("utf_16") else codec, "document"
    if data.isascii() and b"\0" not in data and b"\x1b" not in data:
        yield "utf_8", "utf-8"
    if shown := _wide(data):
        yield shown, "detector"
    ascii_only = data.isascii() or shown or b"\0" in data[:4096]
    if not ascii_only and (codec := likely(data, markup=markup)):
        yield codec, "letters"
    if wide:
        yield wide, "transport"
    for label in detected_charsets(data):
        if codec := codec_of(label):
            yield codec, "detector"
    yield "utf_8", "fallback"
    # Unrecognised bytes that are mostly not ASCII are no Western text: better none than nonsense.
    if mostly_ascii(data):
        yield "cp1252", "fallback"


def _by_letters(data: bytes, stated: Decoded, codec: str, markup: bool) -> Decoded:
    """Return a reading in a stated encoding, or another one that the letters clearly prefer."""
    if stated.by not in ("transport", "document"):
        return stated
    better = likely(data, markup=markup, stated=codec)
    text = _strict(data, better) if better and better != codec else None
    if better is None or text is None or text == stated.text or not is_text(text):
        return stated
    return Decoded(text, codecs.lookup(better).name, "letters")


def _nearly_utf8(data: bytes) -> Decoded | None:
    """Decode bytes as UTF-8 if there are ten of its characters for each wrong place.

    A single-byte encoding would accept every byte of such a page and turn it all into nonsense.
    """
    text = data.decode("utf-8", "replace")
    wrong = text.count("\ufffd")
    right = len(text) - wrong - len(text.encode("ascii", "ignore"))
    if right < 10 * wrong or not is_text(text):
        return None
    return Decoded(text.removeprefix("\ufeff"), "utf-8", "utf-8", wrong)


def _nearly(data: bytes, page: str, by: str) -> Decoded | None:
    """Decode bytes in the page stated if that reads them best, but for a few that it lacks.

    One wrong byte would let another page read all others as nonsense.
    """
    text = data.decode(page, "replace")
    wrong = text.count("\ufffd")
    if not 0 < wrong * _WRONG_OF <= len(data) or not is_text(text):
        return None
    if not reads_best(data, page):
        return None
    return Decoded(text, codecs.lookup(page).name, by, wrong)


def _strict(data: bytes, codec: str) -> str | None:
    try:
        text = codecs.getincrementaldecoder(codec)("strict").decode(data, False)
    except (UnicodeError, ValueError, LookupError):
        return None
    return text.removeprefix("\ufeff")


def _wide(data: bytes) -> str | None:
    """Recognise UTF-16 and UTF-32 without a mark by the positions of the zero bytes of ASCII."""
    sample = data[:4096]
    if len(sample) < 8 or b"\0" not in sample:
        return None
    zeros = [sample[place::4].count(0) * 4 / len(sample) for place in range(4)]
    if min(zeros[1:]) > 0.9 and zeros[0] < 0.5:
        return "utf-32-le"
    if min(zeros[:3]) > 0.9 and zeros[3] < 0.5:
        return "utf-32-be"
    # Spaces and line ends alone leave one zero byte in six to ten.
    even, odd = (zeros[0] + zeros[2]) / 2, (zeros[1] + zeros[3]) / 2
    if odd > 0.05 and odd > 8 * even:
        return "utf-16-le"
    return "utf-16-be" if even > 0.05 and even > 8 * odd else None


def detected_charsets(data: bytes) -> Iterator[str]:
    """Yield the likely charsets: uchardet's (as Resiliparse ships it), then charset-normalizer's.

    The second is some fifty times slower and runs, on 16 KiB, only if the first one's answer is
    not accepted.
    """
    from resiliparse.parse.encoding import detect_encoding

    if found := detect_encoding(data, html5_compatible=False):
        # Almost no page was ever written in ISO 8859-16: its languages used windows-1250.
        yield "windows-1250" if found.lower() == "iso8859-16" else found
    from charset_normalizer import from_bytes

    if best := from_bytes(data[:16384]).best():
        yield best.encoding


def is_text(text: str) -> bool:
    """Return whether decoded bytes are text: at most one control character in a hundred."""
    sample = text[:65536]
    return len(_CONTROLS.findall(sample)) * 100 <= len(sample)


def _is_text_of(data: bytes) -> bool:
    """Return what ``is_text`` returns of bytes in a page of PAGES, at a quarter of its cost."""
    sample = data[:65536]
    return (len(sample) - len(sample.translate(None, _CONTROL_BYTES))) * 100 <= len(sample)


#: Of so many bytes one may be wrong.
_WRONG_OF = 50
_CONTROL_BYTES = bytes([*range(9), 0x0B, *range(0x0E, 0x20), 0x7F])
_CONTROLS = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f\ufffe\uffff]")
