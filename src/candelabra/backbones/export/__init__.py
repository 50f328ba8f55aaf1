"""Export trained backbones in timm's format, for other tasks and other users."""
