"""Models for others: the card of a folder, and its way to the Hugging Face hub."""
