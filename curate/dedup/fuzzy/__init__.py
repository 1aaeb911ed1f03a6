"""Near duplicates by MinHash and LSH, each verified; ../PRIMER.md explains the steps."""
