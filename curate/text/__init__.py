"""Texts: repairs, fixes, and the View of words and lines."""
