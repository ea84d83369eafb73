"""Batches of sequence drawn from a reference, addressed by (seed, step).

A kind of window is a module here: a class of settings (what `pretraining.window` may hold) that
makes its sampler. Every module is imported, so that a new kind is one more file.
"""

import pkgutil
from importlib import import_module

from dnastudents.genome.windows.base import WINDOWS, Sampler, WindowOptions

for _module in pkgutil.iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")

__all__ = ["WINDOWS", "Sampler", "WindowOptions"]
