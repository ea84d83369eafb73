"""HAD (arXiv 2505.20836): a frozen teacher's features, and masked 6-mer groups."""
