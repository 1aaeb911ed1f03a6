"""Publish a finished run as a dataset on the Hugging Face Hub."""

from __future__ import annotations

import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from curate.errors import RecipeError, RefusedError, ResourceError
from curate.inspection.verify import manifest_of, verify
from curate.paths.remote import may_pass
from curate.storage.formats import OUTPUT_FORMATS
from curate.storage.store import LocalStore, open_store

#: Files and folders of the dataset, beside its card.
PRODUCT = ("recipe.toml", "filters", "mixture", *OUTPUT_FORMATS)
#: Files that describe how it was made, and quote documents that were dropped.
REPORTS = ("manifest.json", "report.json", "report.md", "report.html")

#: Secrets that must not be published, by name.
_SECRETS = {
    "a Hugging Face token": re.compile(r"\bhf_[A-Za-z0-9]{30,}"),
    "an AWS access key": re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"),
    "a GitHub token": re.compile(r"\bgh[pousr]_[A-Za-z0-9]{30,}|\bgithub_pat_[A-Za-z0-9_]{30,}"),
    "a password in an address": re.compile(r"\b[a-z][a-z0-9+.-]*://[^\s/:@\"']+:[^\s/@\"']+@"),
    "a signed address": re.compile(
        r"[?&](?:X-Amz-Signature|Signature|sig|X-Goog-Signature)=", re.I
    ),
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
    "a secret in a setting": re.compile(
        r"^\s*[\"']?\w*(?:secret|password|passwd|api_?key|access_?token)\w*[\"']?"
        r"\s*[=:]\s*[\"'][^\"']{6,}",
        re.I | re.M,
    ),
}


class Pushed(NamedTuple):
    """What was uploaded, or would be.

    Attributes
    ----------
    files : list of (str, int)
        Path and bytes of each file.
    address : str or None
        Address of the dataset; None where nothing was sent.

    Examples
    --------
    >>> Pushed([("README.md", 120)], None).address is None
    True
    """

    files: list[tuple[str, int]]
    address: str | None


def push(
    output: str,
    repository: str,
    *,
    public: bool = False,
    reports: bool = False,
    revision: str | None = None,
    dry_run: bool = False,
) -> Pushed:
    """Upload a published run to a dataset repository of the Hugging Face Hub.

    The product, its card, the recipe and the filters; never ``rejected/`` and ``quarantine/``.
    Nothing is sent before all checks have passed.

    Parameters
    ----------
    output : str
        Folder of a finished run, on a disk.
    repository : str
        Dataset repository as ``owner/name``; created if it does not exist.
    public : bool, default False
        Create the repository public instead of private.
    reports : bool, default False
        Upload the manifest and the reports as well, which quote dropped documents.
    revision : str, optional
        Branch to write to, created if it does not exist; default: main.
    dry_run : bool, default False
        Check and list the files; send nothing.

    Returns
    -------
    Pushed
        The files with their sizes, and the address of the dataset.

    Raises
    ------
    RecipeError
        If the name of the repository is not valid.
    RefusedError
        If the run is not published, is not what its manifest promises, or a file to send seems to
        contain a secret.
    ResourceError
        If the Hub or the network fails.

    Examples
    --------
    >>> push("out/demo", "two/many/parts")
    Traceback (most recent call last):
    curate.errors.RecipeError: ...
    """
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    try:
        validate_repo_id(repository)
    except HFValidationError as error:
        raise RecipeError(str(error), hint="curate push RUN owner/name") from None
    store = open_store(output)
    manifest = manifest_of(store)
    if not isinstance(store, LocalStore):
        raise RefusedError(
            "only a folder on a disk can be pushed", where=output, hint="copy the run here first"
        )
    faults = verify(store)
    if faults:
        raise RefusedError(
            f"the run is not what its manifest promises: {faults[0]}",
            where=output,
            hint=f"curate verify {output}",
        )
    # What the run wrote, never what somebody put beside it. The card is rebuilt by `curate report`,
    # so the manifest does not have it.
    entries = sorted(e.path for e in manifest.files if e.path.split("/")[0] in PRODUCT)
    paths = ["README.md", *(REPORTS if reports else ()), *entries]
    for path in paths:
        if not stat.S_ISREG((store.root / path).lstat().st_mode):
            raise RefusedError(f"{path} is a link, and links are not followed", where=output)
    files = [(path, store.size(path) or 0) for path in paths]
    for path, what in _secrets(store.root, [path for path, _ in files]):
        raise RefusedError(
            f"{path} seems to hold {what}",
            where=output,
            hint="take it out of the recipe and run again; addresses and keys belong in the"
            " environment",
        )
    if dry_run:
        return Pushed(files, None)
    # One pattern for a folder that `verify` found to hold the manifest's files only.
    patterns = [path for path in paths if path.split("/")[0] not in ("mixture", *OUTPUT_FORMATS)]
    patterns += [f"{name}/*" for name in ("mixture", *OUTPUT_FORMATS)]
    recipe = str(manifest.recipe["name"])
    address = _upload(store.root, repository, patterns, recipe, public, revision)
    return Pushed(files, address)


def _secrets(root: Path, paths: list[str]) -> Iterator[tuple[str, str]]:
    """Yield suspected secrets in the small files that a run writes; documents are not searched."""
    for path in paths:
        if path.endswith((".toml", ".json", ".md", ".html")) and not path.startswith("mds/"):
            text = (root / path).read_text(encoding="utf-8", errors="replace")
            for what, pattern in _SECRETS.items():
                if pattern.search(text):
                    yield path, what


def _upload(
    root: Path,
    repository: str,
    patterns: list[str],
    recipe: str,
    public: bool,
    revision: str | None,
) -> str:
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, LocalTokenNotFoundError

    hub: Any = HfApi(library_name="curate")
    try:
        hub.create_repo(repository, repo_type="dataset", private=not public, exist_ok=True)
        if revision:
            hub.create_branch(repository, branch=revision, repo_type="dataset", exist_ok=True)
        done = hub.upload_folder(
            repo_id=repository,
            repo_type="dataset",
            folder_path=root,
            allow_patterns=patterns,
            commit_message=f"The product of the recipe {recipe}",
            revision=revision,
        )
    except LocalTokenNotFoundError as error:
        raise ResourceError(str(error), hint="hf auth login, or set HF_TOKEN") from None
    except Exception as error:
        what, first = "the Hub said no", "hf auth login, or set HF_TOKEN"
        if may_pass(error):
            what, first = "the Hub does not answer", "see whether this machine has a connection"
        elif not isinstance(error, (HfHubHTTPError, OSError)):
            raise
        hint = f"{first}; then push again: what is there is not sent twice"
        raise ResourceError(f"{what}: {error}", where=repository, hint=hint) from None
    return str(getattr(done, "commit_url", None) or f"{hub.endpoint}/datasets/{repository}")
