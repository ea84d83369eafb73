"""When Python looks for garbage: less often than it would, since imports leave none.

Among the objects that they make, and that stay, Python would search again and again, and once more
at the end: up to a sixth of the CPU time of a table. Free of other modules.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_USUAL = gc.get_threshold()


def seldom() -> None:
    """Look for garbage after thirty times as many new objects as Python does by itself."""
    gc.set_threshold(20_000, *_USUAL[1:])


@contextmanager
def quick_imports() -> Iterator[None]:
    """Look for none while torch and transformers are imported, then as Python does by itself.

    What has been imported is not searched later either. Later counts: what is trained in a loop
    leaves few objects, but large ones.
    """
    if "torch" in sys.modules:
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.set_threshold(*_USUAL)
        gc.enable()


def never_more() -> None:
    """Do not search at the end of the process, whose memory goes back as it is."""
    gc.freeze()
