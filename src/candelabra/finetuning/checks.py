"""Checks of arguments that several strategies share."""

from candelabra.errors import CandelabraError


def check_share(key: str, value: float, default: float) -> float:
    """Returns the value of `finetune.<key>`.

    Raises:
        CandelabraError: it is not above 0 and at most 1; the message suggests `default`.
    """
    if not 0 < value <= 1:
        raise CandelabraError(f"finetune.{key}={value} must be above 0 and at most 1 ({default}, say).")
    return value


def check_scale(value: float) -> float:
    """Returns the value of `finetune.scale`.

    Raises:
        CandelabraError: it is not above 0.
    """
    if value <= 0:
        raise CandelabraError(f"finetune.scale={value} must be above 0; finetune=frozen is for a still backbone.")
    return value
