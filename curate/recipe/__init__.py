"""What a user writes: recipes, mixtures and profiles, read and checked."""
