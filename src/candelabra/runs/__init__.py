"""Read run folders; only `checkpoints` needs torch."""
