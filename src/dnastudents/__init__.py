"""Small DNA language models: pretrained by three recipes, compared on one set of benchmarks."""

__version__ = "0.1.0"
