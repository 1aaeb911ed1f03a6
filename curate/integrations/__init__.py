"""Doors to libraries of others: objects of theirs from what curate made, and back."""
