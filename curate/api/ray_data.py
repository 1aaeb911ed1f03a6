"""Stages for Ray Data: a class for ``Dataset.map_batches``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from curate.api.tabular import as_table, documents_of
from curate.errors import RecipeError
from curate.plan import registry
from curate.protocol.stage import Barrier
from curate.recipe import locate

if TYPE_CHECKING:
    from collections.abc import Callable

    from curate.protocol.stage import MapStage


def as_ray_data(
    stage: str, *, profile: str | None = None, options: Mapping[str, Any] | None = None
) -> Callable[[pa.Table], pa.Table]:
    """Return a stage as what ``ray.data.Dataset.map_batches`` calls on batches of Arrow.

    It loads models and kernels where it is first called, once per process. Rows are never removed:
    those that a stage drops have ``dropped_by``.

    Parameters
    ----------
    stage : str
        A map stage: ``curate stages`` lists them; not a dedup or the mixture, which need all rows.
    profile : str, optional
        Name, path or language of the profile for all rows; default: that of the row's ``lang``.
    options : mapping, optional
        Options of the stage, as in a recipe.

    Returns
    -------
    callable
        From a pyarrow.Table with a column ``text`` to one with the columns of the stage.

    Raises
    ------
    RecipeError
        If there is no such stage or option, or the stage needs all rows.

    Examples
    --------
    >>> count = as_ray_data("count", options={"tokenizer": "words"})
    >>> count(pa.table({"text": ["a b"]}))["n_tokens"].to_pylist()
    [2]

    With Ray Data:
    ``dataset.map_batches(as_ray_data("identify"), batch_format="pyarrow", batch_size=1000)``
    """
    if profile is not None:
        profile = locate.profile_name(profile)
    made = _OnBatches(stage, profile, dict(options or {}))
    built = made.build()
    if isinstance(built, Barrier):
        maps = (n for n in registry.STAGES if not issubclass(registry.entry("stage", n), Barrier))
        raise RecipeError(
            f"stage '{stage}' needs all rows, not a batch", hint="one of: " + ", ".join(maps)
        )
    return made


class _OnBatches:
    """A stage that is built again in each process: kernels and models are not sent."""

    def __init__(self, stage: str, profile: str | None, options: dict[str, Any]) -> None:
        self._made = stage, profile, options
        self._stage: MapStage | None = None

    def build(self) -> Any:
        from curate.api.tables import all_profiles

        stage, profile, options = self._made
        given = {"profiles": all_profiles(profile), "name": stage}
        return registry.build("stage", stage, options, given=given)

    def __call__(self, batch: pa.Table) -> pa.Table:
        if self._stage is None:
            self._stage = self.build()
        return self._stage.apply(documents_of(as_table(batch))[1], Counter())

    def __reduce__(self) -> tuple[object, ...]:
        return _OnBatches, self._made
