"""Calibrate: a profile for any language from clean text in it.

``methods`` turns the measurements of clean documents into limits and ``limits`` those into rules, ``words``
finds function words, scripts and letters, ``derive`` puts a profile together and tries it on the half that
it did not see, ``toml`` writes it.
"""

from __future__ import annotations

from curate.calibrate.derive import Calibration, calibrate
from curate.calibrate.methods import METHODS
from curate.calibrate.profile_toml import to_toml
from curate.calibrate.reference import Reference

__all__ = ["METHODS", "Calibration", "Reference", "calibrate", "to_toml"]
