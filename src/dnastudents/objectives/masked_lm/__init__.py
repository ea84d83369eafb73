"""Masked-token prediction: CM-GEMS (arXiv 2408.07180) and its controls."""
