"""Figures, each an answer to one question.

- `results` (overview): how does each run do on each task, with its spread?
- `heatmap`: which run is good where?
- `ranks`: which is best overall?
- `comparisons`: what did pretraining change?
- `few_shot`: how do scores grow with labels?
- `against_cost`: is it worth its size and hours?
- `confusion`: which classes are taken for which?
- `losses`: what was learned when?
- `tsne`: what do frozen features tell apart?
- `pmi`: which k-mers do the masks prefer?

Each function reads files, draws on the Agg canvas under `style.figure_style` and writes SVG, PNG
and PDF whose bytes depend on nothing but the input. Colour never carries meaning alone.
"""
