"""Keeper order: which of several copies is kept. A total order, whatever the order of input.

An adversarial copy replaces the original only if it ranks higher.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curate.errors import RecipeError, nearest
from curate.schema import NUMBERS, floats, whole

ORDERS = ("longest", "newest", "oldest", "source_priority")
_BEST = "best:"


def check_keep(keep: str) -> None:
    """Raise RecipeError for an order that does not exist."""
    if keep in ORDERS or (keep.startswith(_BEST) and len(keep) > len(_BEST)):
        return
    raise RecipeError(f"no keeper order '{keep}'", hint=nearest(keep, [*ORDERS, "best:<signal>"]))


def keeper_column(keep: str, own: Collection[str] = ()) -> str:
    """Return the name of the column that the order reads besides `id`.

    ``own`` are names of columns of the input, which stand for themselves as numbers of stages do.

    >>> keeper_column("best:fineweb_score"), keeper_column("best:n_tokens"), keeper_column("newest")
    ('signal_fineweb_score', 'n_tokens', 'date')
    """
    check_keep(keep)
    if keep.startswith(_BEST):
        name = keep.removeprefix(_BEST)
        if name in NUMBERS or name in own:
            return name
        return "signal_" + name.removeprefix("signal_")
    return {"longest": "text", "source_priority": "source"}.get(keep, "date")


def keeper_rank(
    table: pa.Table, keep: str, source_priority: tuple[str, ...] = ()
) -> pa.DoubleArray:
    """Return the rank of each row: the smallest is kept; the smallest `id` decides equal ranks.

    `longest`: bytes of text. `best:<signal>`: the highest value. `newest`, `oldest`: by date.
    `source_priority`: by the position of the source in the list. A row that has no value (no date,
    an undefined signal, a source that is not listed) comes last.
    """
    name = keeper_column(keep)
    own = keep.removeprefix(_BEST)
    if keep.startswith(_BEST) and name not in table.column_names and own in table.column_names:
        name = own
    if name not in table.column_names:
        raise RecipeError(
            f"keep = '{keep}' needs the column '{name}'", hint="measure it before this stage"
        )
    column = whole(table.column(name))
    if keep == "longest":
        rank = -np.asarray(pc.fill_null(pc.binary_length(column), 0)).astype(float)
    elif keep == "source_priority":
        place = pc.index_in(column, value_set=pa.array(source_priority, pa.string()))
        rank = np.asarray(pc.fill_null(place, len(source_priority))).astype(float)
    else:
        # Microseconds beyond 2**53 lose their last bits; a crawl's dates do not reach that far.
        rank = np.array(floats(column.cast(pa.int64()) if name == "date" else column))
        rank = rank if keep == "oldest" else -rank
        rank[np.isnan(rank)] = np.inf
    return pa.array(rank + 0.0)  # -0.0 and 0.0 are one rank


def in_keeper_order(table: pa.Table, *first: str) -> pa.Table:
    """Sort rows by the given columns, then by `rank` and `id` (and `doc`, in case ids repeat)."""
    keys = [(name, "ascending") for name in (*first, "rank", "id", "doc")]
    return table.take(pc.sort_indices(table, sort_keys=keys))
