"""The face of a package: its public names, each imported from its module when first asked for.

So importing a package for its settings does not wait for torch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any


def lazy(
    package: str, names: Mapping[str, Sequence[str]]
) -> tuple[Callable[[str], Any], list[str]]:
    """Make `__getattr__` and `__all__` of a package.

    Parameters
    ----------
    package : str
        Its `__name__`.
    names : mapping
        Modules of the package, each to the names that are public.
    """
    module_of = {name: module for module, public in names.items() for name in public}

    def find(name: str) -> Any:
        if name not in module_of:
            raise AttributeError(f"module '{package}' has no attribute '{name}'")
        return getattr(import_module(f"{package}.{module_of[name]}"), name)

    return find, sorted(module_of)
