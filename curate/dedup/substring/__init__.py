"""Spans of text that occur more than once in the corpus."""
