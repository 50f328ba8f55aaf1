"""Training: the trainer, checkpoints, resuming, the range test and distributed strategies."""
