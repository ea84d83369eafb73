"""Metrics, statistics, the k-mer baseline, and the tables that put ours beside the published.

The way of the numbers: `metrics` (one test set) -> a metrics row, one JSON file per seed -> `rows`
(one tidy CSV of all) -> `tables` and `comparisons` (CSV, Markdown, LaTeX). `published` reads the
only numbers in a table that are not ours; `statistics` holds every interval that is shown.
"""
