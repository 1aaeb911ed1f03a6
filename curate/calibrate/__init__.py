"""Calibrate: a profile for any language from clean text in it.

``methods`` turns the measurements of clean documents into limits and ``limits`` these into rules,
``function_words`` finds function words, scripts and letters, ``derive`` builds a profile and tests
it on sources that were held out (``reference`` divides them, ``held_out`` counts), ``ngram`` trains
a model for perplexity, ``profile_toml`` writes the profile.
"""

from __future__ import annotations

from curate.calibrate.derive import Calibration, calibrate
from curate.calibrate.held_out import BUDGET, Rejections, beyond_budget, doubts
from curate.calibrate.methods import METHODS
from curate.calibrate.profile_toml import summary, to_toml
from curate.calibrate.reference import Reference

__all__ = [
    "BUDGET",
    "METHODS",
    "Calibration",
    "Reference",
    "Rejections",
    "beyond_budget",
    "calibrate",
    "doubts",
    "summary",
    "to_toml",
]
