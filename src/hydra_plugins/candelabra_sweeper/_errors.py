"""What a sweep refuses."""

from hydra.errors import CompactHydraException


class SweepError(CompactHydraException):
    """The sweep cannot be as it was typed; Hydra prints the message without a traceback."""
