"""Files that are fetched: the manifest, the fetching, and the check of what is there."""
