"""What frozen features, or k-mers alone, tell of a task."""
