"""`curate verify`: check that a finished run keeps its promises."""

from __future__ import annotations

from curate.cli.options import Json, RunFolder


def command(run: RunFolder, json: Json = False) -> int:
    """Check that a finished run keeps its promises.

    Checks sizes and digests of all files, the accounting, the keys of the product, and that each
    removed duplicate has a kept witness. Exit code 1 if anything is wrong.

    Example: curate verify out/demo
    """
    from curate.cli.terminal import answer, as_json, complain
    from curate.inspection.verify import manifest_of, verify
    from curate.storage.store import open_store

    store = open_store(run)
    problems = verify(store)
    manifest = manifest_of(store)
    if json:
        answer(as_json({"problems": problems, "totals": manifest.totals.to_json()}))
    else:
        for problem in problems:
            complain(problem)
        if not problems:
            answer(
                f"sound: {len(manifest.files)} files, {manifest.totals.records} records"
                " accounted for, every removed duplicate has a kept witness"
            )
    return 1 if problems else 0
