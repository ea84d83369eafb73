"""Fine-tuning of pretrained students on tasks, and their frozen features."""

from dnastudents.finetune.features import embed
from dnastudents.finetune.job import finetune

__all__ = ["embed", "finetune"]
