"""Packages outside of candelabra that add options and commands."""
