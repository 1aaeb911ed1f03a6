"""Recipes: read, checked, found."""
