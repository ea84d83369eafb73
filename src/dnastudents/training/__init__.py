"""Pretraining: one loop for all recipes, resumable between any two steps."""
