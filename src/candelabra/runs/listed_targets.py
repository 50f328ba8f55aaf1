"""The names that a config from a file may have as `_target_`; see `candelabra.config.recipes`. Imports nothing."""

from collections.abc import Sequence

from candelabra.plugins.discovery import list_active_plugins

PARTS: tuple[str, ...] = (
    "candelabra.heads",
    "candelabra.balancing",
    "candelabra.training.ddp",
    "candelabra.training.fsdp",
)
PARTS += ("torch.nn", "torchvision.ops", "timm.layers", "timm.loss", "segmentation_models_pytorch.losses")
PARTS += tuple(f"torchmetrics.{kind}" for kind in ("aggregation", "classification", "detection", "regression"))
PARTS += ("torchmetrics.segmentation",)  # these may also be arguments of others
PLACES: dict[str, tuple[str, ...]] = {  # where a config has what
    "backbone": ("candelabra.backbones",),
    "task": ("candelabra.tasks",),
    "finetune": ("candelabra.finetuning",),
    "optimizer": ("torch.optim", "timm.optim"),
    "scheduler": ("candelabra.optim.schedulers", "torch.optim.lr_scheduler"),
    "data": ("candelabra.data",),
    "trainer": ("lightning.Trainer", "lightning.pytorch.Trainer"),
    "cache": ("candelabra.feature_cache",),
    "logger": ("candelabra.loggers",),
}
UNLISTED = "candelabra.data.writers"  # they delete and write
LISTED_PACKAGES = tuple(dict.fromkeys([*PARTS, *(package for each in PLACES.values() for package in each)]))


def is_listed(name: object, packages: Sequence[str] = LISTED_PACKAGES) -> bool:
    """Whether a name lies in one of some packages or in an active plug-in; nothing is imported."""
    if not isinstance(name, str):
        return False
    parts = name.split(".")
    if len(parts) < 2 or not all(part.isidentifier() and part.isascii() for part in parts):
        return False
    if any(part.startswith("_") for part in parts) or name == UNLISTED or name.startswith(f"{UNLISTED}."):
        return False
    plugins = [plugin.name for plugin in list_active_plugins()]
    return any(name == each or name.startswith(f"{each}.") for each in (*packages, *plugins))
