"""Teachers of HAD: their checkpoints, whether one is usable, and their features on disk."""
