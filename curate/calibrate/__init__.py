"""Calibrate: a profile for any language from clean text in it.

``methods`` turns the measurements of clean documents into limits and ``limits`` these into rules,
``function_words`` finds function words, scripts and letters, ``derive`` builds a profile and tests
it on the half of the documents that it has not seen, ``profile_toml`` writes it.
"""

from __future__ import annotations

from curate.calibrate.derive import Calibration, calibrate
from curate.calibrate.methods import METHODS
from curate.calibrate.profile_toml import to_toml
from curate.calibrate.reference import Reference

__all__ = ["METHODS", "Calibration", "Reference", "calibrate", "to_toml"]
