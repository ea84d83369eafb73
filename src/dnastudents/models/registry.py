"""The students and the teacher: built from a settings block, loaded from a checkpoint folder.

All are transformers models, registered with the Auto classes when this package is imported, so
`AutoModelForMaskedLM.from_pretrained(folder)` works beside `models.load(folder)`. No call here uses
the network.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from transformers import AutoConfig, AutoModelForMaskedLM, PretrainedConfig, PreTrainedModel

from dnastudents.errors import InputError, nearest
from dnastudents.files import read_json
from dnastudents.models.bert import BertStudentConfig, BertStudentForMaskedLM
from dnastudents.models.chordmixer import ChordMixerConfig, ChordMixerForMaskedLM
from dnastudents.models.hybrid import HybridConfig, HybridForMaskedLM
from dnastudents.models.nucleotide_transformer import (
    NucleotideTransformerConfig,
    NucleotideTransformerForMaskedLM,
)
from dnastudents.models.output import StudentMixin


class Architecture(NamedTuple):
    """One entry of the registry: the classes, and the tokenizer that the model reads by default."""

    config: type[PretrainedConfig]
    model: type[PreTrainedModel]
    tokenizer: str


ARCHITECTURES: dict[str, Architecture] = {
    "hybrid": Architecture(HybridConfig, HybridForMaskedLM, "nucleotide"),
    "chordmixer": Architecture(ChordMixerConfig, ChordMixerForMaskedLM, "chordmixer"),
    "bert": Architecture(BertStudentConfig, BertStudentForMaskedLM, "kmer6"),
    "nucleotide_transformer": Architecture(
        NucleotideTransformerConfig, NucleotideTransformerForMaskedLM, "nucleotide_transformer"
    ),
}

for _entry in ARCHITECTURES.values():
    if not issubclass(_entry.model, StudentMixin):  # else only fine-tuning would find out
        raise TypeError(
            f"{_entry.model.__name__}: derive it from dnastudents.models.output.Student"
        )
    AutoConfig.register(_entry.config.model_type, _entry.config, exist_ok=True)
    AutoModelForMaskedLM.register(_entry.config, _entry.model, exist_ok=True)


class Tokenizer(Protocol):
    """What `build` asks of a tokenizer."""

    vocab_size: int
    pad_id: int


def _architecture(settings: Mapping[str, Any]) -> tuple[str, Architecture]:
    name = settings.get("architecture")
    if name not in ARCHITECTURES:
        raise InputError(
            f"student: unknown architecture {name!r}; {nearest(str(name), ARCHITECTURES)}"
        )
    return str(name), ARCHITECTURES[str(name)]


def tokenizer_name(settings: Mapping[str, Any]) -> str:
    """The name (`dnastudents.genome.tokenizers.build`) of the tokenizer of this architecture."""
    return _architecture(settings)[1].tokenizer


def _check_fields(name: str, config: type[PretrainedConfig], fields: Mapping[str, Any]) -> None:
    """Each field is a named argument of the config, of the type of its default."""
    arguments = inspect.signature(config.__init__).parameters
    defaults = {
        key: argument.default
        for key, argument in arguments.items()
        if argument.default is not inspect.Parameter.empty and key != "vocab_size"
    }
    for key, value in fields.items():
        if key not in defaults:
            raise InputError(f"student: {name} has no field {key}; {nearest(key, defaults)}")
        wanted = (int, float) if isinstance(defaults[key], float) else type(defaults[key])
        if not isinstance(value, wanted) or isinstance(value, bool):
            kind = type(defaults[key]).__name__
            raise InputError(f"student: {name}: {key} must be of type {kind}, not {value!r}")


def build(settings: Mapping[str, Any], tokenizer: Tokenizer) -> Any:
    """A new model with random weights, which follow `torch.manual_seed`.

    Parameters
    ----------
    settings : mapping
        `architecture` (a key of ARCHITECTURES) and fields of its config. The vocabulary comes from
        the tokenizer; ChordMixer always reads and predicts the five symbols A C G N T.
    tokenizer : Tokenizer
        A tokenizer of `dnastudents.genome.tokenizers`.

    Raises
    ------
    InputError
        For an unknown architecture or field (the nearest known one is named), or a bad value.
    """
    name, architecture = _architecture(settings)
    fields = {key: value for key, value in settings.items() if key != "architecture"}
    _check_fields(name, architecture.config, fields)
    if name != "chordmixer":
        fields |= {"vocab_size": tokenizer.vocab_size, "pad_token_id": tokenizer.pad_id}
    return architecture.model(architecture.config(**fields))


def load(folder: str | Path) -> Any:
    """The model of a checkpoint folder (config.json, model.safetensors), in evaluation mode.

    A folder of the hub's Nucleotide Transformer v2 (`model_type` esm) is one too.

    Raises
    ------
    InputError
        If the folder holds no model of ours, or weights that are not exactly the model's.
    """
    file = Path(folder) / "config.json"
    kind = read_json(file).get("model_type")
    models = {entry.config.model_type: entry.model for entry in ARCHITECTURES.values()}
    models["esm"] = NucleotideTransformerForMaskedLM
    if kind not in models:
        raise InputError(f"{file}: model_type {kind!r} is none of {', '.join(models)}")
    return models[kind].from_pretrained(str(folder), local_files_only=True)


def model_folder(folder: Path) -> Path:
    """The checkpoint in a folder of `dnastudents pretrain`, or the folder itself."""
    inner = folder / "model"
    return inner if inner.is_dir() else folder
