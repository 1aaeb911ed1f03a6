"""Profiles as a whole: checked on clean text, and derived from it."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

from curate.api.jobs import batches_of, format_of
from curate.errors import RecipeError, nearest
from curate.recipe import locate
from curate.recipe.languages import label_of

if TYPE_CHECKING:
    from curate.calibrate import Calibration


def check(
    profiles: Sequence[str] | None = None,
    *,
    reference: Sequence[str] | None = None,
    text: str = "text",
) -> dict[str, dict[str, Any]]:
    """Run profiles on clean text and count false rejections.

    Parameters
    ----------
    profiles : sequence of str, optional
        Names or paths of profiles; default: all that have shipped samples.
    reference : sequence of str, optional
        Files of clean documents instead of the shipped samples; requires ``profiles``.
    text : str, default 'text'
        Field with the text, for ``reference``.

    Returns
    -------
    dict of str to dict
        Per profile ``samples`` and ``domains`` (counts), ``rejected`` (documents), ``share``
        (rejected / samples) and ``rules`` (share per rule, largest first).

    Raises
    ------
    RecipeError
        If a profile is unknown, has no samples, or the reference contains no documents.

    Examples
    --------
    >>> check(["kaz_Cyrl"])["kaz_Cyrl"]["share"]
    0.0
    """
    from curate.recipe import profile
    from curate.signals.verdict import check_profile

    known = samples()
    if reference is not None and not profiles:
        raise RecipeError(
            "a reference needs to know whose it is", hint="name the profile: curate check PROFILE"
        )
    domains = read_reference(reference, text=text) if reference is not None else None
    checked: dict[str, dict[str, Any]] = {}
    for given in profiles or sorted(set(known) & set(locate.profile_names())):
        name = locate.profile_name(given)
        loaded = profile.load_profile(name)
        if domains is None and name not in known:
            raise RecipeError(
                f"no clean samples for '{name}'",
                hint=f"give your own with --reference FILES; {nearest(name, known)}",
            )
        by_domain = known[name] if domains is None else domains
        texts = list(chain.from_iterable(by_domain.values()))
        if not texts:
            raise RecipeError("the reference holds no documents", hint="--text names their field")
        rules = check_profile(loaded, texts)
        rejected = rules.pop("any")
        checked[name] = {
            "samples": len(texts),
            "domains": len(by_domain),
            "rejected": round(rejected * len(texts)),
            "share": rejected,
            "rules": {
                rule: share
                for rule, share in sorted(rules.items(), key=lambda pair: -pair[1])
                if share > 0
            },
        }
    return checked


def calibrate(
    lang: str,
    reference: Sequence[str],
    *,
    method: str = "tail",
    share: float = 0.002,
    anchor: Sequence[str] | None = None,
    text: str = "text",
) -> Calibration:
    """Derive a profile for a language from files of clean documents.

    ``mean_std`` and ``quantile`` are the methods of FineWeb2 (Penedo et al. 2025,
    arXiv:2506.20920).

    Parameters
    ----------
    lang : str
        The language: its label, code or English name.
    reference : sequence of str
        Clean documents. A file of many documents is a domain; text files of one argument are one.
    method : {'tail', 'mean_std', 'quantile'}, default 'tail'
        How limits are set; see :mod:`curate.calibrate`.
    share : float, default 0.002
        Share of clean documents that one rule may reject, for ``tail``.
    anchor : sequence of str, optional
        Clean English documents for the methods that transfer English limits; default: the shipped
        samples.
    text : str, default 'text'
        Field with the text.

    Returns
    -------
    Calibration
        The profile, and what it rejects of the documents that were held out.

    Raises
    ------
    RecipeError
        If the method is unknown, or there is too little text.

    Examples
    --------
    >>> calibrate("kaz_Cyrl", ["sample_data/texts/kaz_Cyrl"]).documents
    30
    """
    from curate.calibrate import Reference
    from curate.calibrate import calibrate as derive
    from curate.recipe import profile

    lang = label_of(lang, locate.language_profiles())
    domains = read_reference(reference, text=text)
    english = read_reference(anchor, text=text) if anchor else samples()["eng_Latn"]
    return derive(
        lang,
        Reference(domains),
        parents={n: profile.load_profile(n) for n in ("_default", "_words", "_unspaced")},
        method=method,
        share=share,
        anchor=(profile.load_profile("eng_Latn"), list(chain.from_iterable(english.values()))),
    )


def samples() -> dict[str, dict[str, list[str]]]:
    """Return the shipped clean texts by language and domain.

    A file of ``sample_data/texts/<label>/`` is a domain of one document, and so is an entry of
    ``sample_data/passages/<label>.toml``.
    """
    by_language: dict[str, dict[str, list[str]]] = {}
    for root in reversed(locate.roots()):
        for folder in sorted((root / "sample_data" / "texts").glob("*/")):
            by_language[folder.name] = {
                path.stem: [path.read_text(encoding="utf-8")]
                for path in sorted(folder.glob("*.txt"))
            }
        for path in sorted((root / "sample_data" / "passages").glob("*.toml")):
            passages = tomllib.loads(path.read_text(encoding="utf-8"))
            by_language[path.stem] = {
                domain: [" ".join(text.split())] for domain, text in passages.items()
            }
    return {lang: domains for lang, domains in by_language.items() if domains}


def read_reference(paths: Sequence[str], *, text: str = "text") -> dict[str, list[str]]:
    """Read clean documents by domain: a file of many, or all text files of one argument."""
    domains: dict[str, list[str]] = {}
    for path in paths:
        together = format_of(path) == "text"
        for documents in batches_of([path], text=text):
            ids = documents.column("id").to_pylist()
            for name, body in zip(ids, documents.column("text").to_pylist()):
                domain = path if together else f"{path} {name.partition('#')[0]}"
                if body:
                    domains.setdefault(domain, []).append(body)
    return domains
