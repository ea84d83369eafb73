"""DNA as codes: alphabet, FASTA, references, intervals, samplers, tokenizers, augmentation."""
