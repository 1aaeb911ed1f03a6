"""From a recipe to a plan: segments, barriers, shards, fingerprints."""
