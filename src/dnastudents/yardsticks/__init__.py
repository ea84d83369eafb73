"""Plain models on the masks of a validation: what a perplexity must beat to mean learning."""

from dnastudents.lazy import lazy

__getattr__, __all__ = lazy(
    __name__,
    {"chain": ["Chain"], "reading": ["read"], "perplexity": ["Yardsticks"]},
)
