"""Sequence elements: windows of background with motif instances written into them.

A decoy holds the same kinds of instances as the real element, so only their arrangement tells the
two apart: word counts see little of it, a model that reads position and order sees it well.

==================  =========================================================================
promoter            TATA box, and an initiator that starts 28 to 30 bases after it
promoter_decoy      half: both, at another distance; half: both with their bases shuffled
splice_donor        MAG|GTRAGT in the middle
splice_acceptor     pyrimidine tract, then YAG|G in the middle
splice_decoy        half: a donor shuffled around its GT; half: an AG before its tract
enhancer            three instances, each of one of six motifs
enhancer_decoy      the same windows, the bases of each instance shuffled
host, foreign       plain background of one species or the other
==================  =========================================================================

The consensus sequences are textbook ones in IUPAC letters; no measured matrix is used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from dnastudents.benchmarks.simulator.background import Background, Codes

Index = NDArray[np.int64]
IUPAC = {base: base for base in "ACGT"} | {"R": "AG", "Y": "CT", "W": "AT", "M": "AC", "K": "GT"}


@dataclass(frozen=True)
class Motif:
    """A consensus; each base keeps to it with probability `fidelity`, else it is drawn freely."""

    name: str
    consensus: str
    fidelity: float = 0.9
    core: tuple[int, int] = (0, 0)  # the columns that a shuffled instance leaves in place

    @property
    def width(self) -> int:
        """Width in bases."""
        return len(self.consensus)

    @property
    def matrix(self) -> NDArray[np.float64]:
        """Base probabilities, (width, 4)."""
        letters = [IUPAC.get(symbol, "ACGT") for symbol in self.consensus]
        allowed = np.array([[base in group for base in "ACGT"] for group in letters])
        conserved = allowed / allowed.sum(axis=1, keepdims=True)
        return self.fidelity * conserved + (1 - self.fidelity) / 4

    def sample(self, rows: int, generator: np.random.Generator) -> Codes:
        """Draw instances: (rows, width) codes."""
        cumulative = np.cumsum(self.matrix, axis=1)[:, :3]
        draw = generator.random((rows, self.width, 1))
        return (draw > cumulative).sum(axis=2).astype(np.uint8)

    def shuffle(self, instances: Codes, generator: np.random.Generator) -> Codes:
        """Permute the bases of each instance, those of the core excepted."""
        columns = [i for i in range(self.width) if not self.core[0] <= i < self.core[1]]
        shuffled = instances.copy()
        shuffled[:, columns] = generator.permuted(instances[:, columns], axis=1)
        return shuffled


TATA_BOX = Motif("tata_box", "TATAWAAR", 0.97)
INITIATOR = Motif("initiator", "TCAKTY", 0.97)
DONOR = Motif("donor", "MAGGTRAGT", core=(3, 5))
ACCEPTOR = Motif("acceptor", "YYYYYYYYYYYYNYAGG")
MIRRORED_ACCEPTOR = Motif("acceptor_mirrored", "NYAGGYYYYYYYYYYYY")
ENHANCER_MOTIFS = (
    Motif("ap1", "TGACTCAY"),
    Motif("gata", "WGATAAGR"),
    Motif("ets", "ACCGGAAR"),
    Motif("cebp", "TTGCGCAA"),
    Motif("runx", "TGTGGTTW"),
    Motif("sox", "AACAATRR"),
)
TATA_TO_INITIATOR = (28, 29, 30)
ENHANCER_INSTANCES = 3
WRONG_DISTANCES = np.r_[10:24, 36:60]
WINDOW = 128
SPLICE_WINDOW = 100
DONOR_AT = SPLICE_WINDOW // 2 - 3
ACCEPTOR_AT = SPLICE_WINDOW // 2 - 16
MIRRORED_AT = SPLICE_WINDOW // 2 - 4


@dataclass(frozen=True)
class Instances:
    """One instance of `motif` in each of `rows`, at `offsets`; in a decoy it may be shuffled."""

    motif: Motif
    rows: Index
    offsets: Index
    shuffled: bool = False

    @property
    def base_index(self) -> tuple[Index, Index]:
        """The bases they cover, as an index of the windows."""
        return self.rows[:, None], self.offsets[:, None] + np.arange(self.motif.width)


@dataclass
class Windows:
    """Windows of one kind, (rows, length) codes, and the motif instances in them."""

    codes: Codes
    instances: list[Instances] = field(default_factory=list)

    def plant(
        self,
        motif: Motif,
        offsets: Index,
        generator: np.random.Generator,
        rows: Index | None = None,
        shuffled: bool = False,
    ) -> None:
        """Write an instance, maybe shuffled, into each of `rows` (all by default) at its offset."""
        rows = np.arange(len(self.codes)) if rows is None else rows
        instances = Instances(motif, rows, offsets, shuffled)
        bases = motif.sample(len(rows), generator)
        self.codes[instances.base_index] = motif.shuffle(bases, generator) if shuffled else bases
        self.instances.append(instances)

    def decoys(self, generator: np.random.Generator) -> Windows:
        """Return the same windows with every instance shuffled where it stands."""
        copy = Windows(self.codes.copy())
        for one in self.instances:
            copy.codes[one.base_index] = one.motif.shuffle(self.codes[one.base_index], generator)
            copy.instances.append(replace(one, shuffled=True))
        return copy


Species = Mapping[str, Background]
Kinds = dict[str, Windows]


def promoters(species: Species, rows: int, generator: np.random.Generator) -> Kinds:
    """Draw promoters and their decoys."""
    real = Windows(species["host"].sample(rows, WINDOW, generator))
    tata = generator.integers(10, 50, size=rows)
    distance = generator.choice(TATA_TO_INITIATOR, size=rows)
    real.plant(TATA_BOX, tata, generator)
    real.plant(INITIATOR, tata + distance, generator)

    decoy = Windows(species["host"].sample(rows, WINDOW, generator))
    tata = generator.integers(10, 50, size=rows)
    distance = generator.choice(TATA_TO_INITIATOR, size=rows)
    wrong_distance = generator.choice(WRONG_DISTANCES, size=rows)
    even, odd = np.arange(0, rows, 2), np.arange(1, rows, 2)
    decoy.plant(TATA_BOX, tata[even], generator, even)
    decoy.plant(INITIATOR, (tata + wrong_distance)[even], generator, even)
    decoy.plant(TATA_BOX, tata[odd], generator, odd, shuffled=True)
    decoy.plant(INITIATOR, (tata + distance)[odd], generator, odd, shuffled=True)
    return {"promoter": real, "promoter_decoy": decoy}


def splice_sites(species: Species, rows: int, generator: np.random.Generator) -> Kinds:
    """Draw donors, acceptors and decoys; GT starts or AG ends at the middle of every window."""
    names = ("splice_donor", "splice_acceptor", "splice_decoy")
    kinds = {n: Windows(species["host"].sample(rows, SPLICE_WINDOW, generator)) for n in names}
    kinds["splice_donor"].plant(DONOR, np.full(rows, DONOR_AT), generator)
    kinds["splice_acceptor"].plant(ACCEPTOR, np.full(rows, ACCEPTOR_AT), generator)
    even, odd = np.arange(0, rows, 2), np.arange(1, rows, 2)
    decoy = kinds["splice_decoy"]
    decoy.plant(DONOR, np.full(len(even), DONOR_AT), generator, even, shuffled=True)
    decoy.plant(MIRRORED_ACCEPTOR, np.full(len(odd), MIRRORED_AT), generator, odd)
    return kinds


def enhancers(species: Species, rows: int, generator: np.random.Generator) -> Kinds:
    """Draw clusters of motif instances, and the same windows with the instances shuffled."""
    windows = Windows(species["host"].sample(rows, WINDOW, generator))
    pitch = WINDOW // ENHANCER_INSTANCES
    for slot in range(ENHANCER_INSTANCES):
        choice = generator.integers(len(ENHANCER_MOTIFS), size=rows)
        for index, motif in enumerate(ENHANCER_MOTIFS):
            chosen = np.flatnonzero(choice == index)
            offsets = slot * pitch + generator.integers(pitch - motif.width, size=len(chosen))
            windows.plant(motif, offsets, generator, chosen)
    return {"enhancer": windows, "enhancer_decoy": windows.decoys(generator)}


def two_species(species: Species, rows: int, generator: np.random.Generator) -> Kinds:
    """Draw windows of the host's own background and of another species'."""
    names = ("host", "foreign")
    return {name: Windows(species[name].sample(rows, WINDOW, generator)) for name in names}


ELEMENTS: dict[str, Callable[[Species, int, np.random.Generator], Kinds]] = {
    "promoter": promoters,
    "splice_site": splice_sites,
    "enhancer": enhancers,
    "species": two_species,
}
