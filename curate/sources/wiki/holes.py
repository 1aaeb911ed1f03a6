"""Sentences in which a template stood whose words are not known: they go as a whole.

The scan of :mod:`curate.sources.wiki.wikitext` puts a sign where it dropped such a template. Here
it is decided what that costs: nothing where the template was a note or stood alone, else the
parenthesis around it, else its sentence. What is left is whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

#: Where words are missing; where a template of several lines stood; where nothing is missing.
#: XML allows none of these characters, so no dump contains them.
HOLE, BLOCK, GAP = "\x01", "\x02", "\x03"

#: Letters of scripts that put no space between words.
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_CLOSERS = "\"'”’»›)\\]）」』】〉》"
#: Ends of sentences that a space or the end of the line follows, and those that need none.
_SPACED_END, _END = ".!?…؟۔։፧", "。！？｡।॥።፨།៕។။‼⁇⁈⁉"
_COMMAS = ",،、，"

# A line of its own, or what precedes the article's name in bold, is a notice or an infobox.
_ALONE = re.compile(rf"[{HOLE}{BLOCK}{GAP} \t]+(?='''|\Z)")
_AT_START = re.compile(rf"[{HOLE}{GAP} \t]*{BLOCK}[{HOLE}{BLOCK}{GAP} \t]*")
# Notes and marks are glued to what they are about; words that a template writes are not.
_NOTE = re.compile(
    rf"(?:(?<=[^\W\d_{_UNSPACED}{HOLE}])|(?<=[{_SPACED_END}{_END};؛{_CLOSERS}])){HOLE}+"
    rf"(?=[\s{_SPACED_END}{_END}{_COMMAS};؛)）]|\Z)"
    rf"|(?<=[{_COMMAS}]){HOLE}+(?=\s|\Z)"
)
# What belongs to the word behind it: prepositions, articles and conjunctions of Hebrew and Arabic,
# elided words of Romance languages; and an abbreviation of one or two letters ("n.º 5", "1.ª").
_LONGEST_CLITIC = 12
_CLITIC = re.compile(
    r"(?<![\w'’])(?:[וש]?[בהוכלמש]|(?!\Z)[وف]?[بلك]?(?:ال|لل)?\u0640?"
    r"|(?:[cdjlmnstv]|(?:ju|lor|pui|pre|quel)?s?(?:quoi)?qu|(?:[dn]e|da|su|co|que|a|be)ll|un|gl)['’]"
    r")\Z",
    re.IGNORECASE,
)
_SHORT = re.compile(r"(?<!\w)\w{1,2}\.\Z")

_PARENTHESIS = re.compile(r"[(（][^()（）]*[)）]")
#: Parentheses within parentheses that are looked at; around deeper ones the sentence goes.
_MAX_NESTING = 4
#: Brackets beyond which those of a line count as unbalanced: each closing one is looked up.
_MAX_OPEN = 32
#: What precedes a parenthesis, and no call such as f(x); Korean joins it to a word.
_ASIDE = re.compile(rf"[\s{_UNSPACED}\uac00-\ud7a3{_CLOSERS}]\Z")
_PARTS = re.compile(r"[;؛；]")
_ITEMS = re.compile(f"([{_COMMAS}])")
#: Spaces that are too many where a parenthesis went.
_SPACES = re.compile(rf" +(?=[ \xa0.{_COMMAS};:])|^ +")
_LETTER = re.compile(r"[^\W_]")

_PAIRS = dict(zip(")）」』】〉》»”", "(（「『【〈《«“", strict=True))
_LIMIT = re.compile(
    rf"(?:(?P<spaced>[{_SPACED_END}]+)[{_CLOSERS}]*(?=\s|\Z)|[{_END}]+[{_CLOSERS}]*)"
    rf"|[{''.join(_PAIRS)}{''.join(_PAIRS.values())}]"
)
_WORD = re.compile(r"[^\s(\[«\"“„–—/-]{0,40}\Z")
_INITIALS = re.compile(r"(?:[^\W\d_]|.*\..*|\d{1,2}|[IVXLCМХ]+)\Z")
_CONSONANTS = re.compile(r"[b-df-hj-np-tv-xzб-дж-зй-нп-тф-щғқңһ]{1,3}\Z", re.IGNORECASE)
_ABBREVIATIONS = """
abb abs akad al alb apr art aug av avd ave bd bkz bull ca cap cca cf chap chr co col cor corp dec
dep dept dipl doc doç ed eds ehem em eng esp est etc ev evtl excl ext feb fig fl fol gen gov hon
hrsg ib ibid inc incl ing insb inst int jan jul jun kap km lat lib lic lieut lit lt maj mar max
min mio misc mlle mme mt nat no nos nov núm obs oct okt op orig pag par prof prov pseud pub pág
red ref reg rep rev sec sen sept seq ser sgt sig sog sogen sp spp sra sta ste str supp suppl tab
tel temp trad trans tzv ud ul univ usw vgl vol vols yy авг акад апр арх букв валю вкл власн вып гл
губ дек доц ен жж зав изд им инж итд кв кол лит мин мыс напр наст нед нояб обл оз ок окт ориг отв
пер пл поз пос пр проф псевд ред род руб сб св сек сент сер см соч сс ст стр тел тип тов том тыс
уд ул ум упр усл устар фев фр хр час чел шт экз яз янв
"""
_ABBREVIATED = frozenset(_ABBREVIATIONS.split())


class Cut(NamedTuple):
    """What is left of a line, and how much went."""

    line: str
    sentences: int
    parentheses: int


def without_notices(line: str) -> str:
    """Return a line without the signs of templates that stood before its text or instead of it.

    To be called before emphasis is resolved: the article's name in bold shows where it begins.
    """
    found = _AT_START.match(line) or _ALONE.match(line)
    return line[found.end() :] if found else line


def without_holes(line: str, *, is_item: bool = False) -> Cut:
    r"""Return the whole sentences of a line; an item of a list goes as a whole.

    >>> without_holes("Almaty (formerly \x01) is big. It has \x01 people. It's old.\x01 So.")
    Cut(line="Almaty is big. It's old. So.", sentences=1, parentheses=1)
    """
    line = _NOTE.sub(_kept, line.replace(BLOCK, HOLE))
    line, parentheses = _without_parentheses(line)
    if HOLE not in line:
        return Cut(line.strip(), 0, parentheses)
    if is_item:
        return Cut("", int(_LETTER.search(line) is not None), parentheses)
    kept, cut = [], 0
    for sentence in sentences(line):
        if HOLE not in sentence:
            kept.append(sentence)
        elif _LETTER.search(sentence):
            cut += 1
    return Cut("".join(kept).strip(), cut, parentheses)


def _kept(note: re.Match[str]) -> str:
    """Return "" for a note, its sign where words of the sentence are missing there."""
    line, begin = note.string, note.start()
    before = line[max(0, begin - _LONGEST_CLITIC) : begin]
    behind = line[note.end() : note.end() + 8].lstrip(" \xa0")[:1]
    goes_on = (behind.islower() or behind.isdecimal()) and _SHORT.search(before)
    return HOLE if goes_on or _CLITIC.search(before) else ""


def _without_parentheses(line: str) -> tuple[str, int]:
    cut = 0

    def reduce(found: re.Match[str]) -> str:
        nonlocal cut
        aside = found.group()
        before = found.string[: found.start()][-1:] or " "
        if HOLE not in aside or not (aside[0] == "（" or _ASIDE.search(before)):
            return aside
        cut += 1
        parts = [whole for part in _PARTS.split(aside[1:-1]) if (whole := _whole_items(part))]
        return f"{aside[0]}{'; '.join(parts)}{aside[-1]}" if parts else ""

    for _ in range(_MAX_NESTING):
        longer, line = line, _PARENTHESIS.sub(reduce, line)
        if HOLE not in line or line == longer:
            break
    return (_SPACES.sub("", line) if cut else line), cut


def _whole_items(part: str) -> str:
    """Return a part of a parenthesis, "" where a hole is in the middle of it."""
    items = _ITEMS.split(part.strip())
    while items and HOLE in items[-1] and not _LETTER.search(items[-1]):
        del items[-2:]
    while items and HOLE in items[0] and not _LETTER.search(items[0]):
        del items[:2]
    whole = "".join(items).strip()
    return "" if HOLE in whole else whole


def sentences(line: str) -> Iterator[str]:
    """Yield the sentences of a line with the space after them; joined they are the line.

    Where it is not sure that a sentence ends, it does not: after abbreviations, initials and
    numbers of one or two digits, and within brackets. Thai and Lao have no mark for the end.

    >>> list(sentences("Д. Қонаев 1912 жылы туды. 「好。」と言った。次。"))
    ['Д. Қонаев 1912 жылы туды. ', '「好。」と言った。', '次。']
    """
    limits = list(_limits(line, nested=True))
    begin = 0
    for end in [*limits, len(line)]:
        if end > begin:
            yield line[begin:end]
            begin = end


def _limits(line: str, *, nested: bool) -> list[int]:
    """Return where sentences begin, after the first."""
    found: list[int] = []
    open_brackets: list[str] = []
    for limit in _LIMIT.finditer(line):
        is_inside = bool(open_brackets)
        if nested:
            for sign in limit.group():
                if sign in _PAIRS.values():
                    open_brackets.append(sign)
                elif _PAIRS.get(sign) in open_brackets:
                    while open_brackets.pop() != _PAIRS[sign]:
                        pass
        is_stop = limit["spaced"] is not None or limit.group()[0] in _END
        # A whole sentence in brackets ends with them; in quotes of CJK the sentence may go on.
        is_over = not open_brackets and (limit["spaced"] is not None or not is_inside)
        if is_stop and is_over and (limit["spaced"] is None or _ends(line, limit)):
            end = limit.end()
            while end < len(line) and line[end].isspace():
                end += 1
            found.append(end)
        if len(open_brackets) > _MAX_OPEN:
            break
    return _limits(line, nested=False) if open_brackets else found


def _ends(line: str, limit: re.Match[str]) -> bool:
    """Return whether a stop that a space follows ends its sentence."""
    after = line[limit.end() : limit.end() + 8].lstrip(" \xa0\"'“„«([")
    if after[:1].islower():
        return False
    if limit["spaced"] != ".":
        return True
    word = _WORD.search(line[max(0, limit.start() - 40) : limit.start()])
    text = word.group() if word else ""
    return not (_INITIALS.match(text) or _CONSONANTS.match(text) or text.casefold() in _ABBREVIATED)
