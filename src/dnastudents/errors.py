"""The one error for bad input: the command line prints its message without a traceback."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

SHOWN = 50  # names in a message; an assembly may have thousands


class InputError(ValueError):
    """Input that a user can mend. The message names the file or key, and the fix."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Return a hint that ends a message: the nearest known name, or all if they are few."""
    known = sorted(map(str, known))
    match = [other for other in known if other.endswith(f"/{name}")]  # a path without its folders
    match = match or get_close_matches(str(name), known, n=1, cutoff=0.6)
    if match:
        return f"did you mean '{match[0]}'?"
    shown = [*known[:SHOWN], *([f"and {len(known) - SHOWN:,} more"] if known[SHOWN:] else [])]
    return f"known: {', '.join(shown)}" if known else "none is known here"
