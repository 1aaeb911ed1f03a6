"""Profiles as a whole: checked on clean text, and derived from it."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from curate.api.jobs import batches_of, format_of
from curate.api.tables import deduplicate
from curate.errors import RecipeError, nearest
from curate.paths import local_path
from curate.recipe import locate
from curate.recipe.languages import label_of

if TYPE_CHECKING:
    from curate.calibrate import Calibration, Reference


def check(
    profiles: Sequence[str] | None = None,
    *,
    reference: Sequence[str] | None = None,
    text: str = "text",
    source: str | None = None,
    budget: float = 0.02,
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
    source : str, optional
        Field with the source of a document, for ``reference``; default: a file of many documents,
        or the text files of one argument, are a source.
    budget : float, default 0.02
        False rejections allowed, for ``doubts``.

    Returns
    -------
    dict of str to dict
        Per profile ``samples`` (different documents), ``duplicates`` (left out), ``domains``
        (sources), ``rejected`` (documents), ``share`` (rejected / samples) with its 95 % interval
        ``low`` to ``high`` (Wilson), ``rules`` (share per rule, largest first), ``sources``
        (documents and share of each, largest share first), and of a reference ``doubts``: why it
        says little, or that too much of one source is rejected.

    Raises
    ------
    RecipeError
        If a profile is unknown, has no samples, or the reference contains no documents.

    Examples
    --------
    >>> check(["kaz_Cyrl"])["kaz_Cyrl"]["share"]
    0.0
    """
    from curate.calibrate import Reference, Rejections, beyond_budget, doubts
    from curate.recipe import profile

    known = samples()
    if reference is not None and not profiles:
        raise RecipeError(
            "a reference needs to know whose it is", hint="name the profile: curate check PROFILE"
        )
    own = None
    if reference is not None:
        own = Reference(read_reference(reference, text=text, source=source))
    checked: dict[str, dict[str, Any]] = {}
    for given in profiles or sorted(set(known) & set(locate.profile_names())):
        name = locate.profile_name(given)
        loaded = profile.load_profile(name)
        if own is None and name not in known:
            raise RecipeError(
                f"no clean samples for '{name}'",
                hint=f"give your own with --reference FILES; {nearest(name, known)}",
            )
        clean = Reference(known[name]) if own is None else own
        total = sum(map(len, clean.domains.values()))
        clean = clean.distinct()
        if not clean.domains:
            raise RecipeError("the reference holds no documents", hint="--text names their field")
        rejections = Rejections()
        rejections.add(loaded, clean)
        share = rejections.share
        assert share.value is not None  # there are documents
        checked[name] = {
            "samples": share.of,
            "duplicates": total - share.of,
            "domains": len(clean.domains),
            "rejected": share.hits,
            "share": share.value,
            "low": share.low,
            "high": share.high,
            "rules": rejections.by_rule,
            "sources": {
                source: {"documents": one.of, "share": one.value}
                for source, one in rejections.sources.items()
            },
        }
        if own is not None:
            one_source = beyond_budget(rejections, budget) if share.value <= budget else []
            checked[name]["doubts"] = doubts(clean) + one_source
    return checked


def calibrate(
    lang: str,
    reference: Sequence[str],
    *,
    method: str = "tail",
    share: float = 0.002,
    anchor: Sequence[str] | None = None,
    text: str = "text",
    source: str | None = None,
    perplexity: str | Path | None = None,
) -> Calibration:
    """Derive a profile for a language from files of clean documents.

    All documents that are long enough set its limits; near duplicates count once. What it would
    reject is measured on held-out sources: up to five times, a profile derived without some sources
    is tested on these. ``mean_std`` and ``quantile`` are the methods of FineWeb2 (Penedo et al.
    2025, arXiv:2506.20920).

    Parameters
    ----------
    lang : str
        The language: its label, code or English name.
    reference : sequence of str
        Clean documents. A file of many documents is a source; text files of one argument are one.
    method : {'tail', 'mean_std', 'quantile'}, default 'tail'
        How limits are set; see :mod:`curate.calibrate`.
    share : float, default 0.002
        Share of clean documents that one rule may reject, for ``tail``.
    anchor : sequence of str, optional
        Clean English documents for the methods that transfer English limits; default: the shipped
        samples.
    text : str, default 'text'
        Field with the text.
    source : str, optional
        Field with the source of a document, instead of its file.
    perplexity : str or Path, optional
        File to write an n-gram model of the documents to, for the signals ``perplexity`` and
        ``perplexity_bucket``. The profile names it, with cut points of the buckets.

    Returns
    -------
    Calibration
        The profile, what it rejects of the documents of held-out sources, and ``doubts``: why it
        is not to be trusted, if it is not.

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
    model = None if perplexity is None else local_path(str(perplexity))
    if model is not None and not model.parent.is_dir():
        raise RecipeError(f"no folder '{model.parent}' for the n-gram model")
    domains = read_reference(reference, text=text, source=source)
    clean, duplicates = _without_duplicates(Reference(domains))
    english = read_reference(anchor, text=text) if anchor else samples()["eng_Latn"]
    derived = derive(
        lang,
        clean,
        parents={n: profile.load_profile(n) for n in ("_default", "_words", "_unspaced")},
        method=method,
        share=share,
        anchor=(profile.load_profile("eng_Latn"), list(chain.from_iterable(english.values()))),
        duplicates=duplicates,
        model=None if perplexity is None else str(perplexity),
    )
    if derived.model is not None and model is not None:
        derived.model.save(model)
    return derived


def _without_duplicates(reference: Reference) -> tuple[Reference, int]:
    """Leave out near duplicates, the shorter ones; return how many. They tell nothing twice."""
    texts = reference.texts
    found = deduplicate(pa.table({"id": [*map(str, range(len(texts)))], "text": texts}))
    kept = {text for text, by in zip(texts, found.column("dropped_by").to_pylist()) if by is None}
    given = sum(map(len, reference.domains.values()))
    distinct = reference.distinct().only(kept)
    return distinct, given - len(kept)


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


def read_reference(
    paths: Sequence[str], *, text: str = "text", source: str | None = None
) -> dict[str, list[str]]:
    """Read clean documents by source: the value of a field; else a file of many documents, or all
    text files of one argument.
    """
    from curate.sources import fields

    domains: dict[str, list[str]] = {}
    for path in paths:
        together = format_of(path) == "text"
        for documents in batches_of([path], text=text, meta=source):
            ids = documents.column("id").to_pylist()
            kept = documents.column("meta").to_pylist()
            for name, body, meta in zip(ids, documents.column("text").to_pylist(), kept):
                file = name.partition("#")[0].partition("/")[2]
                domain = path if together or path.endswith(file) else f"{path}: {file}"
                if source is not None:
                    value = fields.at(json.loads(meta or "{}"), source)
                    absent = value is None or value is fields.MISSING
                    domain = f"no {source}" if absent else str(value)[:200]
                if body:
                    domains.setdefault(domain, []).append(body)
    if source is not None and domains.keys() == {f"no {source}"}:
        raise RecipeError(
            f"no document has a field '{source}'", hint="--source-field names that of the source"
        )
    return domains
