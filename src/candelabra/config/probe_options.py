"""Options of a training that `finetune=probe` has no use for, since it trains a grid of heads in its place."""

from typing import Any

from candelabra.errors import CandelabraError

_UNUSED = {"ema": None, "patience": None, "monitor": "val/score", "explain.every": None}  # by their values in conf/


def is_probe(config: dict[str, Any]) -> bool:
    """Whether a resolved config trains a grid of heads.

    >>> is_probe({"finetune": {"_target_": "candelabra.finetuning.Probe"}}), is_probe({"finetune": None})
    (True, False)
    """
    return str((config["finetune"] or {}).get("_target_")).endswith(".Probe")


def check_probe_options(config: dict[str, Any]) -> None:
    """Checks that a resolved config sets no option that a probe would ignore.

    Raises:
        CandelabraError: it does.
    """
    if not is_probe(config):
        return
    for key, default in _UNUSED.items():
        group, _, name = key.rpartition(".")
        value = ((config.get(group) or {}) if group else config).get(name, default)
        if value != default:
            raise CandelabraError(
                f"{key}={value} has no effect with finetune=probe, which trains a grid of heads and keeps those with "
                "the best val/score; leave it out, or choose finetune=frozen."
            )
