"""ChordMixer, the student of FinDNA."""
