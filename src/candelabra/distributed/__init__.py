"""Processes that find each other."""
