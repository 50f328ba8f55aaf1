"""Samples that show other samples differently: joined, restricted, with fewer labels, cached."""
