"""Inspection of a run or a plan: verify, explain, dry run."""
