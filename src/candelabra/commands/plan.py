"""`candelabra plan`: what a run would teach, when and how fast; without data, weights or training."""

import logging
from pathlib import Path

from omegaconf import DictConfig, OmegaConf, open_dict

from candelabra.backbones import Backbone
from candelabra.cli.compose import list_typed_keys
from candelabra.config.build import build_object, resolve_config
from candelabra.config.data_rules import BATCH_SIZE, EPOCHS, STEPS
from candelabra.config.probe_options import is_probe
from candelabra.errors import CandelabraError
from candelabra.finetuning import FineTuning
from candelabra.optim.schedule_plan import make_schedule_plan
from candelabra.report.plan import draw_plan, print_plan, write_plan
from candelabra.training.open_options import apply_typed_epochs

log = logging.getLogger(__name__)


def run_plan(config: DictConfig) -> None:
    """Prints the plan of the run that `candelabra train` would do with the same words; writes plan.png and plan.csv.

    Raises:
        CandelabraError: the run has no plan, or the strategy does not fit the backbone or the length of the run.
    """
    with open_dict(config):
        for group in ("data", "task"):  # not needed here, so what is missing in them does not matter
            OmegaConf.update(config, group, None)
    apply_typed_epochs(config, list_typed_keys())
    plain = resolve_config(config)
    if is_probe(plain):
        raise CandelabraError(
            "finetune=probe has no plan: it trains the heads alone, at each rate of finetune.rates; choose another "
            "strategy, finetune=frozen say."
        )
    epochs = plain["trainer"]["max_epochs"]
    if plain["epochs"] is None and epochs is None:
        epochs = EPOCHS
        words = "epochs is open: on fewer than %d training images a run has more epochs than these; epochs=20 shows 20"
        log.info(words, STEPS // EPOCHS * BATCH_SIZE)
    if (steps := plain["trainer"].get("max_steps", -1)) not in (None, -1):
        raise CandelabraError(
            f"trainer.max_steps={steps}: a plan is one of epochs, and how many steps they have depends on the data, "
            "which it does not read; leave it out and set epochs."
        )
    if epochs is None or epochs < 1:
        raise CandelabraError(f"trainer.max_epochs={epochs}: a plan needs the length of the run; set epochs=10, say.")
    strategy: FineTuning = build_object(plain["finetune"])
    backbone: Backbone = build_object({**plain["backbone"], "weights": "none"})
    strategy.prepare(backbone)
    found = make_schedule_plan(
        backbone, strategy, build_object(plain["optimizer"]), build_object(plain["scheduler"]), epochs
    )
    print_plan(found)
    folder = Path(plain["folder"])
    draw_plan(found, folder / "plan.png")
    write_plan(found, folder / "plan.csv")
    log.info("wrote %s and %s", folder / "plan.png", folder / "plan.csv")
