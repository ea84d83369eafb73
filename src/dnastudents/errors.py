"""The one error for bad input: the command line prints its message without a traceback."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class InputError(ValueError):
    """Input that a user can mend. The message names the file or key, and the fix."""


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint that ends an error message: the nearest known name, or all of them."""
    known = sorted(map(str, known))
    match = get_close_matches(str(name), known, n=1, cutoff=0.6)
    if match:
        return f"did you mean '{match[0]}'?"
    return f"known: {', '.join(known)}" if known else "none is known here"
