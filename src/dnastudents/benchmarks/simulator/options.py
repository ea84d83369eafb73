"""The settings of a simulated genome."""

from __future__ import annotations

from pydantic import Field, model_validator

from dnastudents.settings import Seed, Settings, Wrong

SHORTEST = 100_000
SHORTEST_CHROMOSOME = 10_000  # of which N at both ends take a fifth


class SimulatorOptions(Settings):
    """A simulated genome."""

    seed: Seed = Field(description="The same seed gives the same bytes.")
    length: int = Field(2_400_000, ge=SHORTEST, description="Bases of all chromosomes together.")
    chromosomes: int = Field(4, ge=3, description="They are named sim1, sim2, ...")

    @model_validator(mode="after")
    def _check_lengths(self) -> SimulatorOptions:
        if (least := min(self.lengths.values())) < SHORTEST_CHROMOSOME:
            raise Wrong(
                "chromosomes",
                f"{self.chromosomes} of {self.length:,} bases leave one with {least:,}; take "
                f"fewer, or more bases, so that each has {SHORTEST_CHROMOSOME:,}",
            )
        return self

    @property
    def lengths(self) -> dict[str, int]:
        """Bases by name: a ninth for validation, two for testing, the rest for training."""
        training = self.chromosomes - 2
        shares = [6 / 9 / training] * training + [1 / 9, 2 / 9]
        return {f"sim{index}": round(share * self.length) for index, share in enumerate(shares, 1)}
