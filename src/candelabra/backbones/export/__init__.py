"""Trunks: trained backbones for other tasks and other people, in the format in which timm keeps its models."""
