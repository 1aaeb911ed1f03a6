"""Language identification; the only room that loads a language model."""
