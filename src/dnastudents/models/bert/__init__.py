"""DNABert and LOGO, the students of CM-GEMS."""
