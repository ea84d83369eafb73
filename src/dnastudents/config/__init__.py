"""The configuration of the workflow: read, merged, checked and asked."""
