"""A simulated genome of words with a grammar, four tasks about it, and an oracle that knows it.

It lets the whole workflow run in minutes without a download. It is not biology: whatever is made
from it says `simulated`.
"""

from dnastudents.lazy import lazy

__getattr__, __all__ = lazy(
    __name__, {"genome": ["simulate"], "tasks": ["TASKS", "simulate_tasks"]}
)
