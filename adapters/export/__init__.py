"""Exports: a log, or one customer's history, as a file that other programs read."""
