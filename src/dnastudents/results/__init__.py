"""Metrics, rows, statistics and costs: all numbers, before a table or figure shows them.

The way of the numbers: `metrics` (one test set) -> `row` (one JSON file per seed) -> `rows` (one
tidy CSV of all), which `dnastudents.tables` and `dnastudents.figures` read. `published` reads the
only numbers in a table that are not ours; `statistics` holds every interval that is shown.
"""
