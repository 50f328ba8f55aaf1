"""Run folders on disk, read without torch."""
