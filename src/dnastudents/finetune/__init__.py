"""Fine-tuning of pretrained students on tasks, and their frozen features."""

from dnastudents.finetune.features import embed
from dnastudents.finetune.sweep import finetune

__all__ = ["embed", "finetune"]
