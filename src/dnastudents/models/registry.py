"""Students and teachers: built from settings, loaded from a checkpoint folder.

All are transformers models: after `import dnastudents`, transformers' Auto classes load their
folders too, see `auto`. No call here uses the network.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from transformers.utils import logging

from dnastudents.errors import InputError
from dnastudents.files import digest, read_json, sha256
from dnastudents.genome.tokenizers import FILE_NAME, Tokenizer
from dnastudents.models import STUDENTS, Initialisation, StudentOptions
from dnastudents.models.auto import register
from dnastudents.models.heads import SequenceClassification
from dnastudents.models.initialisation import initialised
from dnastudents.models.student import StudentMixin
from dnastudents.provenance import FILE, is_intact

_HUB_NAMES = {"esm": "nucleotide_transformer"}  # model types of the hub that are ours too
_HUB_CLASSES = {"EsmForMaskedLM": "esm"}  # of a config.json that names no type, as the hub's


def _known() -> dict[str, tuple[Any, Any, Any]]:
    """Return the classes of each model type."""
    found: dict[str, tuple[Any, Any, Any]] = {}
    for kind in STUDENTS.values():
        classes = kind.model_classes()
        for model in classes:
            if not issubclass(model, StudentMixin):  # else only fine-tuning would find out
                raise TypeError(f"{model.__name__}: derive it from dnastudents.models.student")
        found[classes[0].config_class.model_type] = classes
    return found | {name: found[ours] for name, ours in _HUB_NAMES.items()}


MODELS = _known()
register()


def tokenizer_name(settings: Mapping[str, Any] | StudentOptions) -> str:
    """Return the name (`genome.tokenizers.build`) of the tokenizer of a student."""
    return STUDENTS.parse(settings).tokenizer


def build(settings: Mapping[str, Any] | StudentOptions, tokenizer: Tokenizer) -> Any:
    """Make a model with random weights, which follow `torch.manual_seed`.

    Parameters
    ----------
    settings : mapping or StudentOptions
        `architecture` and the settings of that student.
    tokenizer : Tokenizer
        Of `dnastudents.genome.tokenizers`; the vocabulary comes from it.

    Raises
    ------
    InputError
        For an unknown architecture or key (the nearest known one is named), or a bad value.
    """
    options = STUDENTS.parse(settings)
    kind, start = options.model_class(), options.initialisation
    fields = options.model_dump(include=set(options.network_fields()))
    fields |= options.vocabulary(tokenizer)
    if start.range is not None:
        fields["initializer_range"] = start.range
    return initialised(kind(kind.config_class(**fields)), start, tokenizer)


def new_like(student: Any, initialisation: Initialisation, tokenizer: Tokenizer) -> Any:
    """Make a student with the settings of another, and new random weights, as `build` does."""
    return initialised(type(student)(student.config), initialisation, tokenizer)


USES = ("features", "masked", "classes")  # in the order of `StudentOptions.model_classes`


def load(folder: str | Path, use: Literal["features", "masked", "classes"] = "masked") -> Any:
    """Load the model of a checkpoint folder (config.json, model.safetensors), in evaluation mode.

    A folder of the hub's Nucleotide Transformer v2 is one too: its config.json has no `model_type`,
    but `architectures`. Weights of half precision become float32, in which all commands compute.

    Parameters
    ----------
    folder : path
    use : {"features", "masked", "classes"}
        Without a head, for masked LM, for classification. Default is "masked".

    Raises
    ------
    InputError
        If the folder holds no model of this package, weights that are not exactly the model's, or
        that have changed since they were written, or if a classifier is wanted and this is none.
    """
    file = Path(folder) / "config.json"
    config = read_json(file)
    if not isinstance(config, dict):
        raise InputError(f"{file}: not the config of a model; download it again")
    kind, classes = config.get("model_type"), config.get("architectures") or []
    if kind is None:
        kind = next((_HUB_CLASSES[name] for name in classes if name in _HUB_CLASSES), None)
    if kind not in MODELS:
        said = f"architectures {classes}" if kind is None else f"model_type {kind!r}"
        raise InputError(
            f"{file}: {said} is not a model of this package; known: {', '.join(MODELS)}"
        )
    model = MODELS[kind][USES.index(use)]
    if use == "classes" and model.__name__ not in classes:
        raise InputError(
            f"{folder}: is not a classifier; give the folder `classifier` of a fine-tuning, as "
            "results/finetune/RUN/SUITE/TASK/classifier"
        )
    weights = file.with_name("model.safetensors")
    if weights.is_file() and not is_intact(weights):
        raise InputError(
            f"{weights}: damaged: its SHA-256 is not the one in {FILE}; make it again, or copy it "
            "again"
        )
    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()  # of what is refused, transformers prints a table too
    try:
        return model.from_pretrained(str(folder), local_files_only=True)
    finally:
        logging.set_verbosity(verbosity)


def classifier(student: Any, class_names: Sequence[str], **fields: Any) -> SequenceClassification:
    """Make the classifier with a student's backbone and a random head.

    Parameters
    ----------
    student : PreTrainedModel
        Of this package; it is left as it is.
    class_names : sequence of str
    **fields
        More of the classifier's config, as `pooling` and `classifier_dropout`.

    Raises
    ------
    InputError
        The student has no such pooling.
    """
    config = copy.deepcopy(student.config)
    config.update({**fields, "id2label": dict(enumerate(class_names))})
    config.label2id = {name: number for number, name in enumerate(class_names)}
    *_, kind = config.options.model_classes()
    with torch.device("meta"):  # no memory and no random numbers for what is replaced at once
        model = kind(config)
    for name, module in student.named_children():
        if hasattr(model, name):
            setattr(model, name, copy.deepcopy(module).requires_grad_(True))
    with torch.random.fork_rng(devices=[]):
        model.new_head()
    return model.train(student.training)


def model_folder(folder: Path) -> Path:
    """Find the checkpoint in a folder of `dnastudents pretrain`, or return the folder itself."""
    inner = folder / "model"
    return inner if inner.is_dir() else folder


def longest_sequence(model: Any) -> int | None:
    """Count the bases of the longest sequence that a model reads; None is any."""
    config = model.config
    fields = {name: getattr(config, name, None) for name in config.options.model_fields}
    longest: int | None = config.options.model_construct(**fields).longest
    return longest


def most_tokens(model: Any) -> int | None:
    """Count the tokens of that sequence; None is any.

    The hub's Nucleotide Transformers have a `max_position_embeddings`, but no table of positions.
    """
    return None if longest_sequence(model) is None else int(model.config.max_position_embeddings)


def settings_file(folder: Path) -> Path | None:
    """Find the settings of the pretraining that a folder is of, or a checkpoint in it is.

    None for a checkpoint of others.
    """
    run = folder.absolute().parent
    own, of_run = folder / "settings.json", run / "settings.json"
    if own.is_file():
        return own
    # `model`, or `student` beside it, of a finished run
    return of_run if of_run.is_file() and (run / "metrics.json").is_file() else None


def model_digest(folder: Path) -> str:
    """Digest of a checkpoint: its weights, and the configs of network and tokenizer.

    Weights alone do not tell a network from one with another number of heads.
    """
    names = ("model.safetensors", "config.json", FILE_NAME)
    files = [model_folder(folder) / name for name in names]
    return digest({file.name: sha256(file) for file in files if file.is_file()})
