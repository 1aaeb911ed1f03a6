"""Budgets, phases, epochs and sampling: how much of what becomes training data.

Pure arithmetic: tables and totals go in, cut points come out; the engine owns the files. In reading
order: ``recipe`` (what is asked), ``solve`` (totals to targets), ``sampling`` (the number *u* of a
document), ``cuts`` (targets to intervals of *u*), ``place`` (intervals to rows).
"""
