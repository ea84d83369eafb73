"""The genome that the coordinates of each class of Genomic Benchmarks are of.

`metadata.yaml` beside the coordinates names it; the human and the worm genome, say, both have an X.
A reference tells its genome by the name of its folder or of its FASTA. One whose name says nothing
is taken by what it holds: it must have all regions of the class.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from dnastudents.benchmarks.coordinates import Genomes
from dnastudents.errors import InputError
from dnastudents.genome.reference import Reference

CDNA = "human cDNA"
# Parts of the names of files and folders, in small letters.
_NAMES = {
    "human": ("homo_sapiens", "grch38", "hg38", "human"),
    "mouse": ("mus_musculus", "grcm38", "mm10", "mouse"),
    "fly": ("drosophila", "bdgp6", "dm6", "fly"),
    "worm": ("caenorhabditis", "wbcel235", "ce11", "worm"),
}
_OF_TASK = {"dummy_mouse_enhancers_ensembl": "mouse", "drosophila_enhancers_stark": "fly"}
_OF_CLASS = {
    ("demo_coding_vs_intergenomic_seqs", "coding_seqs"): CDNA,
    ("demo_human_or_worm", "worm"): "worm",
}


class Named(NamedTuple):
    """A reference, and what it is called: its folder, if it was given by one, and its FASTA."""

    reference: Reference
    name: str

    @property
    def genome(self) -> str | None:
        """The genome that the name tells; None where it tells none, or several."""
        name = self.name.lower()
        found = [genome for genome, parts in _NAMES.items() if any(part in name for part in parts)]
        if len(found) != 1:
            return None
        return CDNA if found == ["human"] and "cdna" in name else found[0]


def genome_of(task: str, label: str) -> str:
    """Name the genome of a class; most are of the human one."""
    return _OF_CLASS.get((task, label), _OF_TASK.get(task, "human"))


def references_of(
    references: Sequence[Named], task: str, label: str, regions: Iterable[str]
) -> Genomes:
    """Choose the references that the coordinates of a class are read from.

    Parameters
    ----------
    references : sequence of Named
        All that were given.
    task, label : str
        The class.
    regions : iterable of str
        All that its coordinates name.

    Raises
    ------
    InputError
        Every reference is of another genome.
    """
    wanted = genome_of(task, label)
    named = [item.reference for item in references if item.genome == wanted]
    if named:
        return Genomes(named)
    others = [item.reference for item in references if item.genome is None]
    if not others:
        given = ", ".join(item.reference.source for item in references)
        raise InputError(
            f"{task}: the coordinates of {label} are of the {wanted} genome, and none of {given} "
            "is it; name the folder of its reference too"
        )
    needed = set(regions)
    whole = [other for other in others if all(name in Genomes([other]) for name in needed)]
    return Genomes(whole if len(whole) == 1 else others)
