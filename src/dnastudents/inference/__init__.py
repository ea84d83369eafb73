"""Models on data of one's own: class probabilities, embeddings, variant scores, tracks."""
