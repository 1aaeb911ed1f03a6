"""Readers of input files: records in, documents out."""
