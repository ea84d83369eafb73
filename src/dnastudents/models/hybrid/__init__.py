"""The student of HAD: bidirectional Gated DeltaNet and one attention layer."""
