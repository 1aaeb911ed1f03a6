"""What can go wrong: each error states what happened, where, and what to do next.

Every error of this package carries the exit code that the command line ends with:
1 internal · 2 usage or recipe · 3 finished above tolerance · 4 refused · 5 resources, resumable.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

#: An address, up to a space; a name with spaces counts where a query follows, perhaps a signature.
_ADDRESS = re.compile(
    r"([A-Za-z][A-Za-z0-9+.-]*)(://)"
    r"([^\s\"'<>`]*(?:(?: [^\s\"'<>`?#]{1,99}){1,9}[?#][^\s\"'<>`=]{1,99}=[^\s\"'<>`]*)?)"
)

#: What libraries show of an address that they could not parse.
_USER = re.compile(r"(?<![\w+.:-])//[^\s/:@\"']+:[^\s/\"']+")

#: The query of an address with a space in its path.
_QUERY = re.compile(r"(?<=\S)\?[\w.%-]+=[^\s\"'<>`]*")


def without_secrets(text: str) -> str:
    """Return a text whose addresses have no user, password, query and fragment.

    A question mark without a value behind it is a wildcard, except on the web.

    >>> without_secrets("cannot read https://ann:pw@host/a.gz?X-Amz-Signature=1 (403)")
    'cannot read https://host/a.gz (403)'
    >>> without_secrets("s3://KEY:SECRET@bucket/part-?.jsonl"), without_secrets("/a#1.gz")
    ('s3://bucket/part-?.jsonl', '/a#1.gz')
    """

    def clean(address: re.Match[str]) -> str:
        scheme, separator, rest = address.groups()
        host, slash, path = rest.partition("/")
        host = re.split(r"[?#]", host.rpartition("@")[2], maxsplit=1)[0]
        query = r"[?#]" if scheme.lower() in ("http", "https") else r"[?#](?=[^/]*=)"
        return f"{scheme}{separator}{host}{slash}{re.split(query, path, maxsplit=1)[0]}"

    if "//" not in text:
        return text
    return _USER.sub("//", _QUERY.sub("", _ADDRESS.sub(clean, text)))


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


class ToleranceError(CurateError):
    """The run finished, but above a limit that the recipe sets (quarantine, guardrail, check)."""

    exit_code = 3


class RefusedError(CurateError):
    """The run would damage or mix results: folder locked, or its content is from another run."""

    exit_code = 4


class ResourceError(CurateError):
    """Disk, memory or the cluster failed. What was committed stays; run again with --resume."""

    exit_code = 5


def nearest(name: str, known: Iterable[str]) -> str:
    """Return a hint: the known name that was probably meant, or all of them if none is near.

    >>> nearest("mean_word_lenght", ["mean_word_length", "n_words"])
    "did you mean 'mean_word_length'?"
    >>> nearest("zzz", ["a", "b"])
    'one of: a, b'
    """
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return f"did you mean '{close[0]}'?" if close else "one of: " + ", ".join(known)
