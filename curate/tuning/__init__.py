"""Tuning: fair samples to label, rules beside labels, retention curves of signals, classifiers."""
