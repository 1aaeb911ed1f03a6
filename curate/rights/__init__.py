"""Whose documents they are: addresses, and lists of addresses that must not be there."""
