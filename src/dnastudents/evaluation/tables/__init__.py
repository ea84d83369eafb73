"""The tables: results beside published numbers, and what is in each benchmark task."""

from dnastudents.evaluation.tables.benchmarks import write_benchmarks_table
from dnastudents.evaluation.tables.results import write_table

__all__ = ["write_benchmarks_table", "write_table"]
