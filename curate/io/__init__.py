"""Sources, and the files that a run is made of."""
