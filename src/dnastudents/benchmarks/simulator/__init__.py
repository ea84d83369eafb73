"""A simulated genome with annotated elements, and four tasks made from the annotation.

It lets the whole workflow run in minutes without a download. It is not biology: whatever is made
from it says `simulated`.
"""

from dnastudents.lazy import lazy

__getattr__, __all__ = lazy(
    __name__, {"genome": ["simulate"], "tasks": ["TASKS", "simulate_tasks"]}
)
