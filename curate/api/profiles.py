"""Profiles as a whole: held against clean text, and derived from it."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from curate.api.jobs import batches_of, format_of
from curate.errors import RecipeError, nearest
from curate.recipe import locate

if TYPE_CHECKING:
    from curate.calibrate import Calibration


def check(
    profiles: Sequence[str] | None = None,
    *,
    reference: Sequence[str] | None = None,
    text: str = "text",
) -> dict[str, dict[str, Any]]:
    """Run profiles on clean text: per profile ``samples``, ``domains``, ``rejected``, ``share``, ``rules``.

    ``reference`` are files of clean documents in the place of the shipped samples; ``text`` names their
    field. ``rules`` gives the share that each rule drops, the worst first. Without profiles, all that
    have shipped samples.
    """
    from curate.recipe import profile
    from curate.signals.verdict import check_profile

    known = samples()
    if reference is not None and not profiles:
        raise RecipeError(
            "a reference needs to know whose it is", hint="name the profile: curate check PROFILE"
        )
    given = read_reference(reference, text=text) if reference is not None else None
    checked: dict[str, dict[str, Any]] = {}
    for name in profiles or sorted(set(known) & set(locate.profile_names())):
        loaded = profile.load_profile(name, locate.profile_text)
        if given is None and name not in known:
            raise RecipeError(
                f"no clean samples for '{name}'",
                hint=f"give your own with --reference FILES; {nearest(name, known)}",
            )
        domains = given if given is not None else known[name]
        texts = [one for texts in domains.values() for one in texts]
        if not texts:
            raise RecipeError("the reference holds no documents", hint="--text names their field")
        rules = check_profile(loaded, texts)
        rejected = rules.pop("any")
        checked[name] = {
            "samples": len(texts),
            "domains": len(domains),
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
    """Derive a profile for a language from files of clean documents; see curate.calibrate.

    Each file of many documents is a domain; text files named together are one. ``anchor`` are clean
    English files for the methods that carry English limits over; without it the shipped samples.
    """
    from curate.calibrate import Reference
    from curate.calibrate import calibrate as derive
    from curate.recipe import profile

    domains = read_reference(reference, text=text)
    english = read_reference(anchor, text=text) if anchor else samples()["eng_Latn"]
    return derive(
        lang,
        Reference(domains),
        parents={
            name: profile.load_profile(name, locate.profile_text)
            for name in ("_default", "_words", "_unspaced")
        },
        method=method,
        share=share,
        anchor=(
            profile.load_profile("eng_Latn", locate.profile_text),
            [one for texts in english.values() for one in texts],
        ),
    )


def samples() -> dict[str, dict[str, list[str]]]:
    """Give the shipped clean texts by language and domain.

    A file of ``sample_data/texts/<label>/`` is a document about something of its own, and so is an entry
    of ``sample_data/passages/<label>.toml``.
    """
    found: dict[str, dict[str, list[str]]] = {}
    for root in reversed(locate.roots()):
        for folder in sorted((root / "sample_data" / "texts").glob("*/")):
            found[folder.name] = {
                path.stem: [path.read_text(encoding="utf-8")]
                for path in sorted(folder.glob("*.txt"))
            }
        for path in sorted((root / "sample_data" / "passages").glob("*.toml")):
            said = tomllib.loads(path.read_text(encoding="utf-8"))
            found[path.stem] = {domain: [" ".join(text.split())] for domain, text in said.items()}
    return {lang: domains for lang, domains in found.items() if domains}


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
