"""What a masked language model does not see: rules that choose it, and curricula of rules."""

from dnastudents.masking.curriculum import Masked, Masking, build
from dnastudents.masking.rules import (
    bernoulli,
    draw_centres,
    genemask,
    global_pmi,
    random_span,
    replace,
)

__all__ = [
    "Masked",
    "Masking",
    "bernoulli",
    "build",
    "draw_centres",
    "genemask",
    "global_pmi",
    "random_span",
    "replace",
]
