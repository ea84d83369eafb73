"""Figures: t-SNE of embeddings, loss curves, PMI ranking, overview of results.

Each function reads files, draws on the Agg canvas under `style.figure_style` and writes SVG and PNG
whose bytes depend on nothing but the input. Colour never carries meaning alone.
"""
