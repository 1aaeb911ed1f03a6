"""Stages: thin adapters from tables to tables."""
