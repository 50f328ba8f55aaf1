"""What Hydra finds here: hydra/sweeper=candelabra and hydra/launcher=processes, with all that can be set."""

from hydra.core.config_store import ConfigStore

from ._launcher import ProcessLauncher
from ._sweeper import CandelabraSweeper

__all__ = ["CandelabraSweeper", "ProcessLauncher"]
_SWEEPER = {
    "defaults": [
        {"sampler": None},
        {"pruner": None},
        "_self_",
        {"override /hydra/launcher@_global_.hydra.launcher": "processes"},
    ],
    # The module that defines the class: Hydra compares it with the classes of its scan.
    "_target_": "hydra_plugins.candelabra_sweeper._sweeper.CandelabraSweeper",
    "_recursive_": False,
    "space": {},
    "objectives": ["value:minimize"],  # a list: Hydra merges dictionaries, and refuses keys that are not in this one
    "allowed": ["*"],
    "trials": 20,
    "workers": 1,
    "study": None,
    "storage": None,
    "own": [],
    "local": [],
    "program": None,
    "again": [],
    "begun": None,
    "retry": [],
    "baseline": False,
    "minutes": None,
    "keeping": "the program with {words}",
    "installing": "pip install optuna cmaes",
    "retrying": "the same command with hydra.sweep.dir={folder} hydra.sweeper.retry=[{numbers}] runs them again",
}
_LAUNCHER = {
    "_target_": "hydra_plugins.candelabra_sweeper._launcher.ProcessLauncher",
    "workers": "${oc.select:hydra.sweeper.workers,1}",
    "program": "${oc.select:hydra.sweeper.program,null}",
    "again": "${oc.select:hydra.sweeper.again,[]}",
    "begun": "${oc.select:hydra.sweeper.begun,null}",
}
_SAMPLERS = {
    "tpe": {"_target_": "optuna.samplers.TPESampler", "seed": 0, "n_startup_trials": 10, "multivariate": False},
    "random": {"_target_": "optuna.samplers.RandomSampler", "seed": 0},
    "cmaes": {"_target_": "optuna.samplers.CmaEsSampler", "seed": 0, "n_startup_trials": 1},
    "nsga2": {"_target_": "optuna.samplers.NSGAIISampler", "seed": 0, "population_size": 50},
}
_PRUNERS = {
    "median": {"_target_": "optuna.pruners.MedianPruner", "n_startup_trials": 5, "n_warmup_steps": 0},
    "halving": {"_target_": "optuna.pruners.SuccessiveHalvingPruner"},
    "hyperband": {"_target_": "optuna.pruners.HyperbandPruner"},
}
for group, nodes in (("sampler", _SAMPLERS), ("pruner", _PRUNERS)):
    for name, node in nodes.items():
        ConfigStore.instance().store(group=f"hydra/sweeper/{group}", name=name, node=node)
ConfigStore.instance().store(group="hydra/sweeper", name="candelabra", node=_SWEEPER, provider="candelabra_sweeper")
ConfigStore.instance().store(group="hydra/launcher", name="processes", node=_LAUNCHER, provider="candelabra_sweeper")
