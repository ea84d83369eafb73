"""The groups of tasks over which the papers print means.

DNABERT-2 (arXiv 2306.15006) for GUE, the Nucleotide Transformer (doi:10.1038/s41592-024-02523-z)
for its tasks. A group of one task is one column of the paper's table too.
"""

from __future__ import annotations

_YEAST = "H3 H3K14ac H3K36me3 H3K4me1 H3K4me2 H3K4me3 H3K79me3 H3K9ac H4 H4ac"
_HUMAN = "H2AFZ H3K27ac H3K27me3 H3K36me3 H3K4me1 H3K4me2 H3K4me3 H3K9ac H3K9me3 H4K20me1"
_REGULATORY = "enhancers enhancers_types promoter_all promoter_no_tata promoter_tata"
_SPLICING = "splice_sites_acceptors splice_sites_all splice_sites_donors"
_GROUPS: dict[str, dict[str, str]] = {
    "gue": {
        "EMP": _YEAST,
        "TF-M": "mouse_0 mouse_1 mouse_2 mouse_3 mouse_4",
        "TF-H": "tf_0 tf_1 tf_2 tf_3 tf_4",
        "PD": "prom_300_all prom_300_notata prom_300_tata",
        "CPD": "prom_core_all prom_core_notata prom_core_tata",
        "splice": "splice_reconstructed",
        "virus": "covid",
    },
    "nucleotide_transformer": {
        "histone": _YEAST,
        "regulatory": _REGULATORY,
        "splicing": _SPLICING,
    },
    "nucleotide_transformer_revised": {
        "histone": _HUMAN,
        "regulatory": _REGULATORY,
        "splicing": _SPLICING,
    },
}


def groups_of(suite: str) -> dict[str, tuple[str, ...]]:
    """Return the groups of a suite, each with its tasks; none for a suite without."""
    return {name: tuple(tasks.split()) for name, tasks in _GROUPS.get(suite, {}).items()}
