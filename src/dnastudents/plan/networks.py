"""The networks of a configuration: their settings, their size, and how long their batches are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dnastudents.config import Config
from dnastudents.errors import InputError
from dnastudents.files import read_json
from dnastudents.models.options import STUDENTS, StudentOptions
from dnastudents.training.options import PretrainingBlock

# width, layers, MLP of the config.json of InstaDeepAI/nucleotide-transformer-v2-*-multi-species
TEACHERS = {
    "nt_v2_50m": (512, 12, 2048),
    "nt_v2_100m": (512, 22, 2048),
    "nt_v2_250m": (768, 24, 3072),
    "nt_v2_500m": (1024, 29, 4096),
}
ROWS, BASES = 32, 512  # of a batch, where a network is in no pretraining


@dataclass(frozen=True)
class Network:
    """A student or teacher.

    Attributes
    ----------
    name : str
    settings : StudentOptions
    parameters : int
    block : PretrainingBlock or None
        Of a run that it is in: its window, micro-batch and precision.
    learns : bool
        False for a teacher that only reads.
    """

    name: str
    settings: StudentOptions
    parameters: int
    block: PretrainingBlock | None = None
    learns: bool = True

    def tokens(self, bases: float) -> float:
        """Count the tokens of a sequence, which may be cut."""
        return min(bases, self.settings.longest or bases) * self.settings.tokens_per_base

    @property
    def batch(self) -> tuple[int, int]:
        """Rows and tokens of a forward computation in its pretraining."""
        if self.block is None:
            return ROWS, round(self.tokens(BASES))
        rows = self.block.micro_batch_size or self.block.batch_size
        return rows, round(self.tokens(self.block.window.mean_bases))

    @property
    def identity(self) -> dict[str, Any]:
        """What decides how long it computes: its settings but for the start of its weights."""
        names = {"architecture", *self.settings.network_fields()}
        return self.settings.model_dump(mode="json", include=names)


def networks_of(config: Config) -> dict[str, Network]:
    """Describe the networks of the selected runs, by students/NAME and teachers/NAME."""
    found: dict[str, Network] = {}
    # A run that learns tells how its student is used; a control of the same student does not.
    for name in sorted(config.runs, key=config.is_pretrained, reverse=True):
        run, teacher = config.run(name), config.needs(name).get("teacher")
        if f"students/{run.student}" not in found:
            student = config.student(run.student)
            found[f"students/{run.student}"] = _network(run.student, student, run.pretraining)
        if teacher is not None and f"teachers/{teacher}" not in found:
            found[f"teachers/{teacher}"] = _teacher(config, teacher, run.pretraining)
    return found


def _teacher(config: Config, name: str, block: PretrainingBlock | None) -> Network:
    """Describe a teacher: trained here, downloaded already, or of a known name."""
    teacher = config.settings.teachers[name]
    if (run := teacher.train) is not None:
        return _network(run.student, config.student(run.student), run.pretraining)
    settings: dict[str, Any] = {"architecture": "nucleotide_transformer"}
    file = Path(config.settings.results) / "teacher" / name / "config.json"
    if file.is_file():
        known, values = STUDENTS.parse(settings).network_fields(), read_json(file)
        settings |= {key: values[key] for key in known if key in values}
    elif teacher.dataset in TEACHERS:
        width, layers, inner = TEACHERS[teacher.dataset]
        settings |= {"hidden_size": width, "num_hidden_layers": layers, "intermediate_size": inner}
    else:
        raise InputError(f"teachers.{name}: its size is not known before {file} is there")
    return _network(name, STUDENTS.parse(settings), block, learns=False)


def _network(
    name: str, settings: StudentOptions, block: PretrainingBlock | None, learns: bool = True
) -> Network:
    """Count the parameters of a network by building it without memory for its weights."""
    import torch

    from dnastudents import models
    from dnastudents.genome import tokenizers

    with torch.device("meta"):
        model = models.build(settings, tokenizers.build(settings.tokenizer))
    return Network(name, settings, models.count_parameters(model), block, learns)
