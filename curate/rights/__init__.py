"""Whose documents they are: addresses, lists of unwanted ones, and what pages say to robots."""
