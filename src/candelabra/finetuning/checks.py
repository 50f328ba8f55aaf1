"""Refusals that several strategies share, in the words of the command line."""

from candelabra.errors import CandelabraError


def check_share(key: str, value: float, default: float) -> float:
    """The value, if it is a share: above 0 and at most 1.

    Raises:
        CandelabraError: it is not.
    """
    if not 0 < value <= 1:
        raise CandelabraError(f"finetune.{key}={value} must be above 0 and at most 1 ({default}, say).")
    return value


def check_scale(value: float) -> float:
    """The value, if it can multiply a rate: above 0.

    Raises:
        CandelabraError: it cannot.
    """
    if value <= 0:
        raise CandelabraError(f"finetune.scale={value} must be above 0; finetune=frozen is for a still backbone.")
    return value
