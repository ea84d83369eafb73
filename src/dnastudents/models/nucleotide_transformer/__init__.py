"""Nucleotide Transformer v2, the teacher of HAD."""
