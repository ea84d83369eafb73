"""The students and the teacher: built from a settings block, loaded from a checkpoint folder."""

from dnastudents.lazy import lazy
from dnastudents.models.options import STUDENTS, StudentOptions
from dnastudents.registry import discover

__getattr__, __all__ = lazy(
    __name__,
    {
        "registry": ["build", "load", "model_digest", "model_folder", "tokenizer_name"],
        "output": ["StudentOutput", "count_parameters"],
        "classifier": ["SequenceClassifier", "content_mask", "mean_pool"],
        "chordmixer.model": [
            "ChordMixerConfig",
            "ChordMixerForMaskedLM",
            "backbone_tensors",
            "resized",
        ],
        "hybrid.model": ["HybridConfig", "HybridForMaskedLM"],
        "bert.model": ["BertStudentConfig", "BertStudentForMaskedLM"],
        "nucleotide_transformer.model": [
            "NucleotideTransformerConfig",
            "NucleotideTransformerForMaskedLM",
        ],
    },
)
__all__ += ["STUDENTS", "StudentOptions"]

discover(__name__)
