"""Budgets, phases, epochs and sampling: how much of each group becomes training data.

Pure arithmetic on tables and totals; the engine owns the files. In reading order: ``allocation``
and ``targets`` (totals to targets), ``sampling`` (the number *u* of a document), ``histogram``,
``cut_points`` (targets to intervals of *u*), ``placements`` (intervals to rows), ``steps`` (all of
it over shards), ``summary`` and ``forecast`` (the table of the report).
"""
