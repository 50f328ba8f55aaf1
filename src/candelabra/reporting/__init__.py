"""`candelabra report`: a page of a run, a sweep or several runs, from what lies in their folders; without torch."""

from candelabra.reporting.command import report

__all__ = ["report"]
