"""Fine-tuning of pretrained students on tasks, and their frozen features."""
