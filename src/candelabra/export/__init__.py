"""Export a trained model to one file that takes pictures and gives answers, proven equal to its checkpoint."""
