"""The files of a run: written, committed, read back."""
