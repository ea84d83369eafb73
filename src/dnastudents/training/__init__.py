"""Pretraining: one loop for all recipes, resumable between any two steps."""

from dnastudents.training.pretrain import pretrain

__all__ = ["pretrain"]
