"""Options of a training that `finetune=probe` has no use for, since it trains a grid of heads in its place."""

from collections.abc import Sequence
from typing import Any

from candelabra.errors import CandelabraError
from candelabra.runs.overrides import parse_key

_UNUSED: dict[str, Any] = {  # by their values in conf/
    "ema": None,
    "patience": None,
    "monitor": "val/score",
    "explain.every": None,
    "save.steps": None,  # it writes one checkpoint, at its end
    "save.minutes": 2.0,
    "save.keep": 1,
}
_REPLACED = {"optimizer.weight_decay": "finetune.decays"}
_REPLACED |= dict.fromkeys(("lr", "optimizer.lr", "lr_rule"), "finetune.rates")


def is_probe(config: dict[str, Any]) -> bool:
    """Whether a resolved config trains a grid of heads.

    >>> is_probe({"finetune": {"_target_": "candelabra.finetuning.Probe"}}), is_probe({"finetune": None})
    (True, False)
    """
    return str((config["finetune"] or {}).get("_target_")).endswith(".Probe")


def check_probe_options(config: dict[str, Any], words: Sequence[str] = ()) -> None:
    """Checks that a resolved config sets no option that a probe would ignore.

    Args:
        config: of a run.
        words: that were typed; a rate that comes with a data set or an experiment is for other strategies.

    Raises:
        CandelabraError: it does.
    """
    if not is_probe(config):
        return
    for word in words:
        if grid := _REPLACED.get(parse_key(word)):
            raise CandelabraError(
                f"{word} has no effect with finetune=probe, which tries each of {grid} instead; leave it out, set "
                f"{grid}=[0.001,0.01], say, or choose finetune=frozen."
            )
    for key, default in _UNUSED.items():
        group, _, name = key.rpartition(".")
        value = ((config.get(group) or {}) if group else config).get(name, default)
        if value != default:
            raise CandelabraError(
                f"{key}={value} has no effect with finetune=probe, which trains a grid of heads and keeps those with "
                "the best val/score; leave it out, or choose finetune=frozen."
            )
    if str((config["scheduler"] or {}).get("_target_")).endswith(".plateau"):
        raise CandelabraError(
            "scheduler=plateau has no effect with finetune=probe: a plateau of one head of the grid must not change "
            "the rates of the others; choose scheduler=cosine, or finetune=frozen."
        )
