"""What made a number: the versions of the code behind it."""

from __future__ import annotations

import platform

import accelerate
import torch
import transformers

import dnastudents


def versions() -> dict[str, str]:
    """Versions of what decides the numbers."""
    return {
        "dnastudents": dnastudents.__version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "accelerate": accelerate.__version__,
    }
