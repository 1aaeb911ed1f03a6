"""What can go wrong: each error states what happened, where, and what to do next.

Every error of this package carries the exit code that the command line ends with:
1 internal · 2 usage or recipe · 3 finished above tolerance · 4 refused · 5 resources, resumable.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterable

#: An address, up to a space; a name with spaces counts where a query follows, perhaps a signature.
_ADDRESS = re.compile(
    r"([A-Za-z][A-Za-z0-9+.-]*)(://)"
    r"([^\s\"'<>`]*(?:(?: [^\s\"'<>`?#]{1,99}){1,9}[?#][^\s\"'<>`=]{1,99}=[^\s\"'<>`]*)?)"
)

#: A user, a password and what follows them; a password may hold a slash, but a port is none.
_PASSWORD = re.compile(r"[^/?#:@]*:(?!\d*(?:[/?#]|$))[^@]*@")

#: What libraries show of an address that they could not parse.
_USER = re.compile(r"(?<![\w+.:-])//[^\s/:@\"']+:[^\s/\"']+")

#: The query of an address with a space in its path.
_QUERY = re.compile(r"(?<=\S)\?[\w.%-]+=[^\s\"'<>`]*")

#: An address that became a path: two slashes are one there.
_AS_PATH = re.compile(r"\b(https?|s3a?|gc?s|abfss?|az|hf|s?ftp):/(?=[^/\s])")

#: Variables of the environment whose values are credentials, by their names.
_VARIABLES = re.compile(
    r"(?i)(secret|password|passwd|token|credential|api_?key|access_?key|account_key|sas|_pat"
    r"|connection_string)(_?(id|key|value|\d+))*$"
)
#: Shorter values are no credentials but switches.
_SHORTEST = 8


def without_secrets(text: str) -> str:
    """Return a text as it may be printed and stored: the one owner of what is a credential.

    Addresses have no user, password, query and fragment; a container before the name of an Azure
    account stays. Values of variables of the environment that are credentials by their names become
    ``***``. A question mark without a value behind it is a wildcard, except on the web.

    >>> without_secrets("cannot read https://ann:pw@host/a.gz?X-Amz-Signature=1 (403)")
    'cannot read https://host/a.gz (403)'
    >>> without_secrets("s3://KEY:SECRET@bucket/part-?.jsonl"), without_secrets("/a#1.gz")
    ('s3://bucket/part-?.jsonl', '/a#1.gz')
    >>> without_secrets("no file https:/ann:pw@host/tokenizer.json")
    'no file https://host/tokenizer.json'
    """

    def clean(address: re.Match[str]) -> str:
        scheme, separator, rest = address.groups()
        kind = scheme.lower()
        rest = _PASSWORD.sub("", rest, count=1) if _PASSWORD.match(rest) else rest
        host, slash, path = rest.partition("/")
        if kind not in _CONTAINERS:
            host = host.rpartition("@")[2]
        host = re.split(r"[?#]", host, maxsplit=1)[0]
        query = r"[?#]" if kind in ("http", "https") else r"[?#](?=[^/]*=)"
        return f"{scheme}{separator}{host}{slash}{re.split(query, path, maxsplit=1)[0]}"

    text = _AS_PATH.sub(r"\1://", text)
    if "//" in text:
        text = _USER.sub("//", _QUERY.sub("", _ADDRESS.sub(clean, text)))
    for name, value in os.environ.items():
        if len(value) >= _SHORTEST and value in text and _VARIABLES.search(name):
            text = text.replace(value, "***")
    return text


#: Protocols whose addresses begin with CONTAINER@ACCOUNT.
_CONTAINERS = ("abfs", "abfss", "az", "wasb", "wasbs")


class CurateError(Exception):
    r"""The base of all errors: what happened, where, and what to do next.

    Passwords and signatures in addresses are left out, whoever raises the error.

    >>> str(CurateError("no such rule", where="filters/kaz_Cyrl.toml", hint="try `curate signals`"))
    'no such rule\n  at: filters/kaz_Cyrl.toml\n  next: try `curate signals`'
    """

    exit_code = 1

    def __init__(self, what: str, *, where: str | None = None, hint: str | None = None) -> None:
        what = without_secrets(what)
        where, hint = where and without_secrets(where), hint and without_secrets(hint)
        self.what, self.where, self.hint = what, where, hint
        lines = [what]
        if where:
            lines.append(f"  at: {where}")
        if hint:
            lines.append(f"  next: {hint}")
        super().__init__("\n".join(lines))

    def __reduce__(self) -> tuple[object, ...]:
        # Ray pickles errors; the default would call __init__ with the joined text.
        return (_rebuild, (type(self), self.what, self.where, self.hint))


def _rebuild(
    kind: type[CurateError], what: str, where: str | None, hint: str | None
) -> CurateError:
    return kind(what, where=where, hint=hint)


class InternalError(CurateError):
    """An invariant does not hold (accounting, a witness, a digest): a bug, not a user error."""

    exit_code = 1


class RecipeError(CurateError):
    """A recipe, profile or option that cannot be run as written."""

    exit_code = 2


class EmptyGroupError(RecipeError):
    """A group has a share of the mixture and no document: ``part`` of ``group`` has nothing."""

    def __init__(self, group: str, part: str, reason: str) -> None:
        self.group, self.part = group, part
        super().__init__(
            f"{part} has nothing to give: {reason}",
            where="[mixture]",
            hint="give it weight 0, or check its languages, sources, origins and caps",
        )
        self.reason = reason

    def with_fate(self, fate: str | None) -> EmptyGroupError:
        """Return the error with what became of the documents that the group asks for, if known."""
        return EmptyGroupError(self.group, self.part, fate or self.reason)

    def __reduce__(self) -> tuple[object, ...]:
        return (type(self), (self.group, self.part, self.reason))


class ToleranceError(CurateError):
    """The run finished, but above a limit that the recipe sets (quarantine, guardrail, check)."""

    exit_code = 3


class RefusedError(CurateError):
    """The run would damage or mix results: folder locked, or its content is from another run."""

    exit_code = 4


class ResourceError(CurateError):
    """Disk, memory or the cluster failed. What was committed stays; run again with --resume."""

    exit_code = 5


#: Names that a hint lists.
_MOST = 40


def nearest(name: str, known: Iterable[str]) -> str:
    """Return a hint: the known name that was probably meant, or the first 40 if none is near.

    >>> nearest("mean_word_lenght", ["mean_word_length", "n_words"])
    "did you mean 'mean_word_length'?"
    >>> nearest("zzz", ["a", "b"]), nearest("KK.jsonl", ["ru.jsonl", "kk.jsonl"])
    ('one of: a, b', "did you mean 'kk.jsonl'?")
    """
    known = sorted(known)
    by_letters = {each.casefold(): each for each in reversed(known)}
    close = difflib.get_close_matches(name.casefold(), by_letters, n=1, cutoff=0.6)
    if close:
        return f"did you mean '{by_letters[close[0]]}'?"
    more = f" and {len(known) - _MOST} more" if len(known) > _MOST else ""
    return f"one of: {', '.join(known[:_MOST])}{more}"
