"""What a student learns from: one folder a recipe, chosen by name in the configuration.

`masked_lm` any student and masking (CM-GEMS and its controls) · `findna` · `had` · `none`.
"""

from dnastudents.lazy import lazy
from dnastudents.objectives.options import OBJECTIVES, ObjectiveOptions
from dnastudents.registry import discover

__getattr__, __all__ = lazy(
    __name__,
    {"base": ["Objective", "Views"], "ingredients": ["Ingredients", "Resources", "build"]},
)
__all__ += ["OBJECTIVES", "ObjectiveOptions"]

discover(__name__)
