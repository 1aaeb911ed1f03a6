"""Turn raw crawls into the training data of language models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from curate._version import __version__

if TYPE_CHECKING:
    from curate.api import (
        RunResult,
        as_ray_data,
        count_tokens,
        deduplicate,
        extend_tokenizer,
        identify,
        judge,
        measure,
        mix,
        run,
        standardize,
    )

__all__ = [
    "RunResult", "__version__", "as_ray_data", "count_tokens", "deduplicate", "extend_tokenizer",
    "identify", "judge", "measure", "mix", "run", "standardize",
]  # fmt: skip

if not TYPE_CHECKING:  # a type checker would take every name for one of ours

    def __getattr__(name: str) -> Any:
        """Import the interface on first use, so that ``import curate`` stays light."""
        if name in __all__:
            from curate import api

            return getattr(api, name)
        raise AttributeError(f"module 'curate' has no attribute '{name}'")


def __dir__() -> list[str]:
    """Return the interface alone, for completion in notebooks; modules are found by import."""
    return sorted(__all__)
