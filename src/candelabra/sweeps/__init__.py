"""What one does with a sweep: its state, its best job, its failed jobs once more; nothing heavy is imported."""
