"""A simulated genome with annotated elements, and four tasks made from the annotation.

It lets the whole workflow run in minutes without a download. It is not biology: whatever is made
from it says `simulated`.
"""

from dnastudents.benchmarks.simulator.genome import simulate
from dnastudents.benchmarks.simulator.tasks import TASKS, simulate_tasks

__all__ = ["TASKS", "simulate", "simulate_tasks"]
