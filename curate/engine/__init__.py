"""Engines run tasks; the commit core makes their files part of a run."""
