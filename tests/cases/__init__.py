"""Awkward inputs that go across packages."""
