"""The Python interface: small and typed, on any Arrow-compatible table.

Other modules are internal: they may change between versions without notice.
"""

from __future__ import annotations

from curate.api.candidates import mix_candidates
from curate.api.dedup_stores import query_store
from curate.api.extension import extend_tokenizer
from curate.api.finished import (
    compare_runs,
    diagnose,
    explain,
    explain_text,
    rebuild_report,
    status,
)
from curate.api.hub import Pushed, push
from curate.api.jobs import dedup_paths, format_of, identify_paths, mix_recipe, until
from curate.api.profiles import calibrate, check
from curate.api.ray_data import as_ray_data
from curate.api.runs import RunResult, run
from curate.api.tables import count_tokens, deduplicate, identify, judge, measure, mix, standardize
from curate.api.takedowns import take_down
from curate.api.tokenizers import fertility
from curate.api.training import train
from curate.api.tuning import evaluate, sample, sweep
from curate.engine.progress import Silent

__all__ = [
    "Pushed", "RunResult", "Silent", "as_ray_data", "calibrate", "check", "compare_runs",
    "count_tokens", "dedup_paths", "deduplicate", "diagnose", "evaluate", "explain", "explain_text",
    "extend_tokenizer", "fertility", "format_of", "identify", "identify_paths", "judge", "measure",
    "mix", "mix_candidates", "mix_recipe", "push", "query_store", "rebuild_report", "run", "sample",
    "standardize", "status", "sweep", "take_down", "train", "until",
]  # fmt: skip
