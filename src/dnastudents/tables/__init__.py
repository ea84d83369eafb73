"""The tables: results beside published numbers, benchmark tasks, pretraining, and all costs."""
