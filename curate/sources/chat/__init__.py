"""Conversations as sources."""
