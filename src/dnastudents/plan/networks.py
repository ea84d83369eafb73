"""How large the networks of a configuration are: what a plan needs to know of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dnastudents.config import Config
from dnastudents.errors import InputError


@dataclass(frozen=True)
class Network:
    """A student or teacher.

    Attributes
    ----------
    name : str
    parameters : int
        All of them.
    active : int
        Those that a token is multiplied with: all but tables of embeddings.
    settings : mapping
        Of a student that can be built and measured; empty for a teacher that is downloaded.
    tokens_per_base : float
        Default is 1; tokens of six bases that do not overlap are 1/6.
    longest : int or None
        Tokens after which a sequence is cut. Default is none.
    """

    name: str
    parameters: int
    active: int
    settings: Mapping[str, Any] = field(default_factory=dict)
    tokens_per_base: float = 1.0
    longest: int | None = None

    def tokens(self, bases: float) -> float:
        """Count the tokens of a sequence."""
        tokens = bases * self.tokens_per_base
        return tokens if self.longest is None else min(tokens, self.longest)

    def flops(self, tokens: float, passes: float) -> float:
        """Count 2 FLOP per parameter and token for each pass: 1 forward, 2 more backward."""
        return 2.0 * self.active * tokens * passes


def student_network(config: Config, name: str) -> Network:
    """Count a student by building it without memory for its weights."""
    import torch

    from dnastudents import models
    from dnastudents.genome import tokenizers

    settings = config.student(name)
    tokenizer = tokenizers.build(settings.tokenizer)
    with torch.device("meta"):
        model = models.build(settings, tokenizer)
    tables = [m for m in model.modules() if isinstance(m, torch.nn.Embedding)]
    parameters = models.count_parameters(model)
    return Network(
        name,
        parameters,
        parameters - sum(table.weight.numel() for table in tables),
        settings.as_json(),
        settings.tokens_per_base,
        getattr(model.config, "max_position_embeddings", None),
    )


def teacher_network(config: Config, name: str) -> Network:
    """Describe a teacher: trained here, downloaded already, or as large as its name says.

    Raises
    ------
    InputError
        It is not downloaded yet, and its name has no size, as nt_v2_500m has.
    """
    teacher = config.settings.teachers[name]
    if teacher.train is not None:
        return student_network(config, teacher.train.student)
    weights = Path(config.settings.results) / "teacher" / name / "model.safetensors"
    size = re.search(r"(\d+)m(?![a-z])", str(teacher.dataset))
    if weights.is_file():
        parameters = weights.stat().st_size // 4  # float32
    elif size:
        parameters = int(size[1]) * 10**6
    else:
        raise InputError(f"teachers.{name}: its size is not known before {weights} is there")
    return Network(name, parameters, parameters, tokens_per_base=1 / 6)
