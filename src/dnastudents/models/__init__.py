"""The students and the teacher: built from a settings block, loaded from a checkpoint folder."""

from dnastudents.lazy import lazy

__getattr__, __all__ = lazy(
    __name__,
    {
        "registry": ["ARCHITECTURES", "build", "load", "model_folder", "tokenizer_name"],
        "output": ["StudentOutput", "count_parameters"],
        "classifier": ["SequenceClassifier", "content_mask", "mean_pool"],
        "chordmixer": [
            *("ChordMixerConfig", "ChordMixerForMaskedLM", "backbone_tensors", "resized"),
        ],
        "hybrid": ["HybridConfig", "HybridForMaskedLM"],
        "bert": ["BertStudentConfig", "BertStudentForMaskedLM"],
        "nucleotide_transformer": [
            *("NucleotideTransformerConfig", "NucleotideTransformerForMaskedLM"),
        ],
    },
)
