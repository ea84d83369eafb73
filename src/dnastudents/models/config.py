"""The transformers config of a student, whose defaults and bounds are those of its settings."""

from __future__ import annotations

from typing import Any, ClassVar

from transformers import PretrainedConfig

from dnastudents.models.options import PARTS, StudentOptions
from dnastudents.settings import parse


def take_settings(kind: type[StudentOptions], given: dict[str, Any]) -> dict[str, Any]:
    """Take the fields of some settings out of `given`; check them, and add the defaults."""
    names = kind.network_fields()
    values = {name: given.pop(name) for name in names if name in given}
    (architecture,) = kind.model_fields["architecture"].annotation.__args__  # type: ignore[union-attr]
    options = parse(kind, {"architecture": architecture, **values}, f"student ({architecture})")
    return {name: getattr(options, name) for name in names}


class ClassifierFields:
    """What a config says of a classifier on the student; not saved where it is the default.

    Attributes
    ----------
    pooling : {"mean", "cls", "parts"}
        See `models.heads.SequenceClassification`.
    pooling_parts : int
        Of `parts`.
    classifier_dropout : float or None
        On the pooled features. None is 0.
    reverse_complement : {"none", "augment", "conjoin"}
        How both strands are read, see `finetune.options`; `dnastudents predict` does the same.
    trained_length : int
        Bases of the longest sequence of its task.
    """

    pooling = "mean"
    pooling_parts = PARTS
    classifier_dropout: float | None = None
    reverse_complement = "none"
    trained_length = 512


class StudentConfig(ClassifierFields, PretrainedConfig):
    """Base of the configs of students that are not a transformers model already.

    Parameters
    ----------
    **kwargs
        Fields of the student's settings, and what any transformers config takes.

    Raises
    ------
    InputError
        A value is out of range.
    """

    options: ClassVar[type[StudentOptions]]
    default_vocab_size: ClassVar[int]
    default_range: ClassVar[float | None] = 0.02
    """Standard deviation of new weights; None is torch's own initialisation."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        # transformers makes every config a dataclass, which writes an __init__ where none stands.
        if "__init__" not in cls.__dict__:
            cls.__init__ = StudentConfig.__init__  # type: ignore[method-assign]
        super().__init_subclass__(**kwargs)

    def __init__(self, vocab_size: int | None = None, **kwargs: Any) -> None:
        settings = take_settings(self.options, kwargs)
        for name, value in settings.items():
            setattr(self, name, value)
        self.vocab_size = self.default_vocab_size if vocab_size is None else vocab_size
        if self.default_range is not None:
            kwargs.setdefault("initializer_range", self.default_range)
        kwargs["tie_word_embeddings"] = False  # transformers' default would tie the heads
        kwargs.pop("auto_map", None)  # the hub's: it names remote code, which nobody needs here
        super().__init__(**kwargs)
        for name, value in settings.items():  # transformers has a max_length of its own
            setattr(self, name, value)
