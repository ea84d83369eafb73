"""The students in transformers' Auto classes.

`dnastudents` asks to be told when transformers is imported. Where one of our own modules imports it
first, the students cannot be entered yet: they are half imported. `models.registry` does it then.
"""

from __future__ import annotations

import sys
from types import ModuleType

from dnastudents.models.options import STUDENTS


def on_import(_: ModuleType) -> None:
    """Enter the students unless one of their modules is being imported just now."""
    ours = [module for name, module in sys.modules.items() if name.startswith(__package__)]
    if not any(getattr(module.__spec__, "_initializing", False) for module in ours):
        register()


def register() -> None:
    """Let the Auto classes know every student: config, tokenizer, and a model for each use."""
    from transformers import (
        AutoConfig,
        AutoModel,
        AutoModelForMaskedLM,
        AutoModelForSequenceClassification,
        AutoTokenizer,
    )

    from dnastudents.models.tokenization import DNATokenizer

    uses = (AutoModel, AutoModelForMaskedLM, AutoModelForSequenceClassification)
    for kind in STUDENTS.values():
        config = kind.model_class().config_class
        AutoConfig.register(config.model_type, config, exist_ok=True)
        AutoTokenizer.register(config, slow_tokenizer_class=DNATokenizer, exist_ok=True)
        for use, model in zip(uses, kind.model_classes(), strict=True):
            use.register(config, model, exist_ok=True)
