"""What a masked language model does not see: rules that choose it, and curricula of rules."""

from dnastudents.lazy import lazy

__getattr__, __all__ = lazy(
    __name__,
    {
        "masking": ["Masked", "Masking", "build"],
        "rules": [
            "bernoulli",
            "draw_centres",
            "genemask",
            "global_pmi",
            "random_span",
            "replace",
        ],
    },
)
