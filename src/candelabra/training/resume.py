"""Starting and resuming runs: config, newest checkpoint, and protection of existing run folders."""

import logging
import os
import sys
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig

from candelabra.cli.typed_words import quote_value, read_word
from candelabra.config.build import PlainConfig, resolve_config
from candelabra.config.probe_options import check_probe_options
from candelabra.config.recipes import TypedTarget, check_recipe
from candelabra.data.loading.sample_datamodule import SampleDataModule
from candelabra.distributed.slurm import remember_slurm_run
from candelabra.environment import RUN_VARIABLE, __version__
from candelabra.errors import CandelabraError
from candelabra.plugins.discovery import list_active_plugins
from candelabra.runs.checkpoints import find_checkpoint, list_checkpoints, read_checkpoint
from candelabra.runs.overrides import parse_key, resolve_run_folder
from candelabra.runs.run_config import read_run_config
from candelabra.training.extension import check_restart, set_epochs
from candelabra.training.run_files import list_run_files
from candelabra.training.trained_data import drop_unused_test

log = logging.getLogger(__name__)
# Options that a resumed run may change, because its result does not depend on them.
_IGNORED = ["resume", "overwrite", "folder", "plugins"]
_FREE = [
    "data.root",
    "data.sets.*.root",
    "data.workers",
    "data.cache_gigabytes",
    "logger",
    "save",
    "cache",
    "trainer.accelerator",
]
_FREE += [
    "trainer.strategy.minutes",
    "trainer.strategy.backend",
    "trainer.max_time",
    "trainer.enable_progress_bar",
    "trainer.log_every_n_steps",
]
_NEEDED: dict[str, type] = dict.fromkeys(("data", "backbone", "task", "finetune", "optimizer", "trainer"), dict)
_NEEDED |= {"folder": str, "seed": int, "logger": dict, "cache": dict, "save": dict}  # of config.yaml
_TEXT = ("words", "plugins")  # of config.yaml: nothing is built of them


def continue_run(config: DictConfig, words: list[str]) -> tuple[PlainConfig, Path | None]:
    """Reads the config of the run that `resume` names, and finds its newest checkpoint.

    Args:
        config: as composed now.
        words: overrides typed now; those that change the result are refused.

    Returns:
        The config of the run, and its newest checkpoint; none if it was stopped before the first.

    Raises:
        CandelabraError: there is no such run, its checkpoint cannot be read, or a word does not fit it.
    """
    given = Path(str(config.resume))
    run = resolve_run_folder(given)
    if not (run / "config.yaml").is_file():
        raise CandelabraError(f"resume={given} is not the folder of a run: it has no config.yaml.")
    stored: PlainConfig = read_run_config(run)
    if "words" not in stored:
        raise CandelabraError(f"resume={given} was begun by a candelabra that could not go on; begin another run.")
    for key in _NEEDED:
        if not isinstance(stored.get(key), _NEEDED[key]):
            raise CandelabraError(f"resume={given}: {key} in {run / 'config.yaml'} is damaged; begin another run.")
    if "split" in stored["data"]:
        stored["data"].setdefault("split_seed", stored["data"]["seed"])  # once one seed did both
    stored["data"] = drop_unused_test(stored["data"])
    new = [word for word in words if word not in stored["words"] and not word.startswith(("hydra", "-"))]
    stored = _mark_retyped(stored)
    check_recipe({key: value for key, value in stored.items() if key not in _TEXT}, str(run / "config.yaml"))
    composed = resolve_config(config, typed=False) if new else stored
    keys = {parse_key(word): word for word in new}
    longer = keys.pop("epochs", None) is not None  # see `set_epochs`
    for key, word in keys.items():
        _take_over(key, word, composed, stored, f"resume={given}")
    said = {parse_key(word) for word in words if word in new or word.startswith("-")}
    flags = [word for word in words if word.startswith("-")]
    stored["words"] = (
        flags
        + [word for word in stored["words"] if parse_key(word) not in said]
        + [word for word in new if parse_key(word) not in ("resume", "overwrite", "folder")]
    )
    stored = _replace_folder(stored, stored["folder"], str(run))
    stored["resume"] = str(given)
    stored["plugins"] = [plugin.record() for plugin in list_active_plugins()]
    checkpoint = given if given.is_file() else next(iter(list_checkpoints(run)), None)
    if checkpoint is None:
        check_restart(run, stored, longer)
        log.warning("%s was killed before its first checkpoint (save.minutes=2, or save.steps): it begins again", run)
        return stored, None
    content = read_checkpoint(checkpoint)
    if "optimizer_states" not in content:
        raise CandelabraError(
            f"resume={given} holds weights alone, without the state of the optimizer; resume={run} goes on from the "
            f"last step, and weights={given} begins another run with these weights."
        )
    _compare_recipe(content["candelabra"], stored, checkpoint)
    if longer:
        set_epochs(stored, composed, content)
    log.info("%s goes on after step %d, in epoch %d", run, content["global_step"], content["epoch"] + 1)
    return stored, checkpoint


def begin_run(config: DictConfig, words: list[str]) -> tuple[PlainConfig, None]:
    """Resolves the config of a new run and adds its overrides and plug-ins; refuses a folder that holds a run.

    Raises:
        CandelabraError: see `resolve_config` and `check_probe_options`; or the folder holds a run.
    """
    plain = resolve_config(config)
    check_probe_options(plain, words)
    folder = Path(plain["folder"])
    files = list_run_files(folder)
    if files and not plain["overwrite"] and RUN_VARIABLE not in os.environ:
        raise CandelabraError(
            f"{folder} holds a run already ({files[0].name}); resume={folder} goes on with it, overwrite=true deletes "
            "it and begins again, folder=<folder> takes another one."
        )
    if plain["weights"]:
        _check_weights(plain["weights"])
    remember_slurm_run(folder)
    plain["words"] = [_locate_word(word) for word in words]
    plain["plugins"] = [plugin.record() for plugin in list_active_plugins()]
    return plain, None


def _check_weights(given: str) -> None:
    """Refuses `weights` that are none, before the data are read."""
    try:
        path = find_checkpoint(given)
    except CandelabraError as error:
        raise CandelabraError(
            f"weights={given} is no run and no checkpoint; for the backbone alone, write backbone.weights={given}."
        ) from error
    read_checkpoint(path)


def _locate_word(word: str) -> str:
    """An override that names the folder of a data set, found again from any folder."""
    key = parse_key(word)
    if key.rpartition(".")[2] != "root" or word.startswith(("-", "~")):
        return word
    value = read_word(word)
    if not isinstance(value, str) or not Path(value).is_dir() or Path(value).is_absolute():
        return word
    return f"{word.partition('=')[0]}={quote_value(str(Path(value).absolute()))}"


def restore_position(checkpoint: Path, data: SampleDataModule) -> None:
    """Restores the position of the data within the epoch.

    Lightning stores it under the class name of the data module, which differs where features are cached now and were
    not before, or the other way round.
    """
    content = read_checkpoint(checkpoint)
    for name in ("CachedFeatures", type(data).__qualname__):
        if name in content:
            data.load_state_dict(content[name])


def _take_over(key: str, word: str, composed: PlainConfig, stored: PlainConfig, resume: str) -> None:
    """Takes over an option that was typed now; see `_merge`.

    Raises:
        CandelabraError: the run has no such option, or its result depends on it.
    """
    if _get(composed, key) is None and _get(stored, key) is None:
        raise CandelabraError(f"{word} does not fit {resume}: that run has no {key}; leave it out.")
    _merge(key, _get(composed, key), stored, resume)


def _merge(key: str, new: Any, stored: PlainConfig, resume: str) -> None:
    """Takes over an option if the result does not depend on it.

    Raises:
        CandelabraError: the result depends on it.
    """
    old = _get(stored, key)
    if any(fnmatch(key, free) or key.startswith(f"{free}.") for free in _IGNORED + _FREE):
        _set(stored, key, new)
    elif isinstance(new, dict) and isinstance(old, dict):
        for part in {*new, *old}:
            _merge(f"{key}.{part}", new.get(part), stored, resume)
    elif new != old:
        raise CandelabraError(
            f"{key}={new} does not fit {resume}, which was begun with {key}={old}; leave it out, or begin another run. "
            f"Free to change are epochs, {', '.join(_FREE)}. To begin from these weights, in another run with "
            f"a schedule of its own, write {resume.replace('resume=', 'weights=')} in place of {resume}."
        )


def _replace_folder(node: Any, old: str, new: str) -> Any:
    """The config with the old folder of the run replaced; loggers hold it too."""
    if isinstance(node, dict):
        return {key: _replace_folder(value, old, new) for key, value in node.items()}
    return new if node == old else node


def _mark_retyped(stored: PlainConfig) -> PlainConfig:
    """Marks the names of classes that were typed in this command too, so that they are built whatever they are."""
    marked: PlainConfig = stored
    for word in sys.argv[1:]:
        key, value = parse_key(word), word.partition("=")[2].strip("'\"")
        if key.endswith("._target_") and _get(stored, key) == value:
            _set(marked, key, TypedTarget(value))
    return marked


def _get(config: PlainConfig, key: str) -> Any:
    value: Any = config
    for part in key.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _set(config: PlainConfig, key: str, new: Any) -> None:
    *parents, name = key.split(".")
    for parent in parents:
        config = config[parent]
    config[name] = new


def _compare_recipe(recipe: PlainConfig, stored: PlainConfig, checkpoint: Path) -> None:
    """Warns about other versions; refuses a checkpoint of another config."""
    for library, now in (("version", __version__), ("torch", str(torch.__version__))):
        if recipe.get(library) != now:
            log.warning("%s: %s was %s and is %s now; bits may differ", checkpoint, library, recipe.get(library), now)
    for key in ("backbone", "task", "finetune", "optimizer", "scheduler", "seed"):
        if recipe["config"][key] != stored[key]:
            raise CandelabraError(
                f"{checkpoint} was written by a run with {key}={recipe['config'][key]}, but config.yaml in "
                f"{stored['folder']} says {stored[key]}; give the checkpoint its own run folder."
            )
