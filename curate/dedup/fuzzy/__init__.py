"""Near duplicates by MinHash and LSH, each verified; PRIMER.md beside this folder explains the steps."""
