"""The students and the teacher: built from a settings block, loaded from a checkpoint folder."""

from dnastudents.lazy import lazy
from dnastudents.models.options import PARTS, STUDENTS, Initialisation, StudentOptions
from dnastudents.registry import discover

__getattr__, __all__ = lazy(
    __name__,
    {
        "registry": [
            "build",
            "classifier",
            "load",
            "longest_sequence",
            "model_digest",
            "model_folder",
            "most_tokens",
            "new_like",
            "settings_file",
            "tokenizer_name",
        ],
        "pooling": ["content_mask", "mean_pool", "part_pool"],
        "student": ["StudentOutput", "count_parameters"],
        "tokenization": ["DNATokenizer"],
        "chordmixer.config": ["ChordMixerConfig"],
        "chordmixer.model": ["ChordMixerForMaskedLM", "backbone_tensors", "resized"],
        "hybrid.config": ["HybridConfig"],
        "hybrid.model": ["HybridForMaskedLM"],
        "bert.config": ["BertStudentConfig"],
        "bert.model": ["BertStudentForMaskedLM"],
        "nucleotide_transformer.config": ["NucleotideTransformerConfig"],
        "nucleotide_transformer.model": ["NucleotideTransformerForMaskedLM"],
    },
)
__all__ += ["PARTS", "STUDENTS", "Initialisation", "StudentOptions"]

discover(__name__)
