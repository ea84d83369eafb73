"""The tables: results beside published numbers, benchmark tasks, pretraining, and all costs."""

from dnastudents.evaluation.tables.benchmarks import write_benchmarks_table
from dnastudents.evaluation.tables.cost import write_cost_table
from dnastudents.evaluation.tables.pretraining import write_pretraining_table
from dnastudents.evaluation.tables.results import write_table

__all__ = [
    "write_benchmarks_table",
    "write_cost_table",
    "write_pretraining_table",
    "write_table",
]
