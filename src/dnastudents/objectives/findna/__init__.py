"""FinDNA (arXiv 2405.08538): masked nucleotides, and its own moving average as teacher."""
