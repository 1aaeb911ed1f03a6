"""Say in which state a run's folder is, and what can safely be done next. Nothing is touched."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from curate.engine.folder import (
    Unreadable,
    holder,
    published,
    refuse_foreign,
    unfinished,
    wrong_sizes,
)
from curate.engine.lease import watch
from curate.engine.takedown import STAGING
from curate.errors import RefusedError
from curate.paths.remote import in_order
from curate.storage.entries import Commit, Manifest, unsealed
from curate.storage.store import LocalStore, Store
from curate.storage.swap import PRODUCT

#: State → the exit code of ``curate doctor``: what a command here would end with, and 1 for damage.
STATES = {
    "finished": 0,
    "damaged": 1,
    "empty": 2,
    "running": 4,
    "foreign": 4,
    "older version": 4,
    "unfinished": 5,
}


@dataclass(frozen=True)
class Diagnosis:
    """The state of a folder."""

    state: str  #: one of `STATES`
    what: str  #: what there is, in a sentence
    next: str  #: the next safe command
    holder: str | None = None  #: the process that writes here, or was the last to do so
    tasks: dict[str, int] = field(default_factory=dict)  #: committed, by step of an unfinished run
    damaged: tuple[str, ...] = ()  #: files that are gone or not what was written, with the reason

    @property
    def exit_code(self) -> int:
        """The exit code that says the state."""
        return STATES[self.state]


def diagnose(store: Store, *, patient: bool = True) -> Diagnosis:
    """Return the state of a folder.

    In an object store, a lease tells by its renewal whether its holder works: ``patient`` waits for
    it, up to a minute; otherwise a lease counts as that of a run at work.
    """
    top = store.top()
    who, at_work = (holder(store) if isinstance(store, LocalStore) else watch(store, patient)) or (
        None,
        False,
    )
    if at_work:
        return Diagnosis(
            "running",
            f"a run is at work here: {who}",
            "wait for it, or choose another --output",
            who,
            _tasks(store),
        )
    anew = f"curate run RECIPE --output {store.address}"
    if not [name for name in top if not name.startswith(".")]:
        return Diagnosis("empty", "there is nothing here", anew, who)
    try:
        refuse_foreign(store)
        state, manifest = unfinished(store), published(store)
    except Unreadable as error:
        return Diagnosis("damaged", error.what, error.hint or "", who, damaged=(error.name,))
    except RefusedError as error:
        kind = "foreign" if "not a run's" in error.what else "older version"
        return Diagnosis(kind, error.what, error.hint or "", who)
    if state is not None:
        return _unfinished(store, top, who, manifest)
    if manifest is None:
        return Diagnosis("empty", "there are no files of a run here", anew, who)
    wrong = tuple(wrong_sizes(store, manifest).values())
    name = str(manifest.recipe.get("name", "RECIPE"))
    if wrong:
        return Diagnosis(
            "damaged",
            f"a finished run of the recipe '{name}'; damaged or missing files: {len(wrong)}",
            f"{anew} --fresh, with the recipe of the run; what is here stays until that is whole",
            who,
            damaged=wrong,
        )
    swapped = "; it was killed while it became visible, which the next run ends"
    if STAGING.rstrip("/") in top:
        return Diagnosis(
            "unfinished",
            f"a finished run of the recipe '{name}', from which documents were being taken out when"
            " that was killed; what is visible is whole, with them or without",
            "give the same curate takedown again: it ends what it began, here and in dedup stores",
            who,
        )
    return Diagnosis(
        "finished",
        f"a finished run of the recipe '{name}': {manifest.totals.documents} documents,"
        f" {manifest.totals.rows} rows in the mixture, by curate {manifest.curate}"
        + (swapped if PRODUCT in top else ""),
        f"curate verify {store.address}: it reads every byte",
        who,
    )


def _unfinished(
    store: Store, top: list[str], who: str | None, manifest: Manifest | None
) -> Diagnosis:
    tasks = _tasks(store)
    damaged = tuple(_damaged_commits(store))
    what = f"a run that was killed or stopped; tasks done: {sum(tasks.values())}"
    if any(name.startswith(".publish-") or name == PRODUCT for name in top):
        what += ", while it was published"
    if manifest is not None:
        what += "; the product that it would replace is whole and stays until then"
    if damaged:
        what += f"; damaged files, which will be made again: {len(damaged)}"
    return Diagnosis(
        "unfinished",
        what,
        "run the same command again: it goes on where it was; with --resume if recipe or inputs"
        " changed, with --fresh to start over",
        who,
        tasks,
        damaged,
    )


def _tasks(store: Store) -> dict[str, int]:
    return dict(Counter(name.split("/")[1] for name in store.names("commits")))


def _damaged_commits(store: Store) -> Iterator[str]:
    """Yield what a resumed run would miss: commits that cannot be read, files of other sizes."""
    sizes = store.sizes("work")

    def wrong(name: str) -> list[str]:
        try:
            commit = Commit.from_json(name, unsealed(store.read(name)))
        except (FileNotFoundError, ValueError, LookupError, TypeError, RecursionError):
            return [f"{name}: it cannot be read"]
        return [
            f"{entry.path}: {sizes.get(entry.path, 'no')} bytes, not {entry.bytes}"
            for entry in commit.files
            if sizes.get(entry.path) != entry.bytes
        ]

    for problems in in_order(wrong, store.names("commits"), store.readers):
        yield from problems
