"""Texts to languages: the only room that loads a language model."""
