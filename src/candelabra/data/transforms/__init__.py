"""What samples go through before a model sees them; labels move with the pixels."""
