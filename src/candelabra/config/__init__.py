"""Builds objects from configs; plug-ins."""
