"""Changes to the typed overrides before Hydra composes: sweeps are marked, and a resumed run gets its own overrides."""

from collections.abc import Sequence
from pathlib import Path

from candelabra.cli.typed_words import quote_value, read_word
from candelabra.distributed.slurm import find_slurm_run
from candelabra.errors import CandelabraError
from candelabra.runs.overrides import parse_key, resolve_run_folder
from candelabra.runs.recorded_words import check_recorded_words
from candelabra.runs.run_config import read_run_config

DETECTORS = ("fcos", "retinanet", "faster_rcnn")
_MULTIRUN = {"-m", "--multirun"}
_CONFIG_FLAGS = {"-c", "--cfg"}
_NOT_REPEATED = {"overwrite", "hydra.run.dir"}  # keys of the first start that a resumed run must not take over


def is_multirun(overrides: Sequence[str]) -> bool:
    """Whether Hydra's flag for several jobs was typed."""
    return bool(_MULTIRUN & set(overrides))


def is_sweep(overrides: Sequence[str]) -> bool:
    """Whether a sweep was typed: by the flag, or by naming a sampler with sweep=<name>."""
    return is_multirun(overrides) or any(word.startswith("sweep=") for word in overrides)


def add_sweep_flag(overrides: Sequence[str]) -> Sequence[str]:
    """Adds -m where sweep=<name> was typed without it."""
    flags = (_MULTIRUN | _CONFIG_FLAGS) & set(overrides)
    return ["-m", *overrides] if is_sweep(overrides) and not flags else overrides


def add_data_format(overrides: Sequence[str]) -> list[str]:
    """Puts data=auto before data.root=<folder> where no data set was named.

    >>> add_data_format(["epochs=1", "data.root=photos"])
    ['epochs=1', 'data=auto', 'data.root=photos']
    """
    named = any(word.lstrip("+~").startswith(("data=", "data@", "experiment=")) for word in overrides)
    place = next((index for index, word in enumerate(overrides) if word.startswith("data.root=")), None)
    if named or place is None:
        return list(overrides)
    return [*overrides[:place], "data=auto", *overrides[place:]]


def add_detector(overrides: Sequence[str]) -> list[str]:
    """Puts the head that detector=<name> names in place of that word: that of task=detection, or one more head.

    Raises:
        CandelabraError: there is no such detector.

    >>> add_detector(["task=detection", "detector=retinanet"])
    ['task=detection', 'head@task.boxes=retinanet']
    >>> add_detector(["data=voc", "detector=fcos"])
    ['data=voc', '+head@task.heads.boxes=fcos']
    """
    alone = any(word == "task=detection" for word in overrides)
    found = []
    for word in overrides:
        key, _, value = word.partition("=")
        if key == "detector":
            for name in value.split(","):  # several in a sweep
                if name not in DETECTORS:
                    raise CandelabraError(
                        f"detector={name} is not known; allowed are {', '.join(DETECTORS)}. Heads of plug-ins go by "
                        "head@task.boxes=<name>."
                    )
            word = f"{'head@task.boxes' if alone else '+head@task.heads.boxes'}={value}"
        found.append(word)
    return found


def set_run_folder(overrides: Sequence[str]) -> list[str]:
    """Makes Hydra write, its log as well, into the folder of `folder=`: of the run or, in a sweep, of all its jobs.

    >>> set_run_folder(["epochs=1", "folder=runs/first"])
    ['epochs=1', 'hydra.run.dir=runs/first']
    """
    key = "hydra.sweep.dir" if is_sweep(overrides) else "hydra.run.dir"
    return [f"{key}={word.partition('=')[2]}" if word.startswith("folder=") else word for word in overrides]


def find_resumed_run(overrides: Sequence[str]) -> Path | None:
    """Finds the folder of the run that `resume=` names or that SLURM has started again; none for a new run."""
    given = next((read_word(word) for word in overrides if word.startswith("resume=")), None)
    requeued = find_slurm_run() if given is None else None
    run = requeued if requeued is not None else resolve_run_folder(Path(str(given or "null")))
    return run if (run / "config.yaml").is_file() else None


def add_resumed_overrides(overrides: Sequence[str]) -> list[str]:
    """Puts the overrides that a run was started with before those typed now, and makes Hydra write into its folder.

    The run is the one that `resume=` names or, where SLURM has started the job again, the one of that job.
    """
    run = find_resumed_run(overrides)
    if run is None:
        return list(overrides)
    if not any(word.startswith("resume=") for word in overrides):
        overrides = [f"resume={quote_value(str(run))}"]
    keys = {parse_key(word) for word in overrides}
    words = [str(word) for word in read_run_config(run).get("words") or []]
    earlier = [word for word in words if parse_key(word) not in keys | _NOT_REPEATED and not word.startswith("-")]
    flags = [word for word in words if word.startswith("-") and parse_key(word) not in keys]
    check_recorded_words([*flags, *earlier], run / "config.yaml")
    place = next(index for index, word in enumerate(overrides) if word.startswith("resume="))
    first = place
    while first and "=" in overrides[first - 1] and not overrides[first - 1].startswith("-"):
        first -= 1  # Hydra refuses overrides on both sides of flags: flags go before or after all overrides
    before, typed, after = overrides[:first], overrides[first : place + 1], overrides[place + 1 :]
    return [*flags, *before, *earlier, *typed, f"hydra.run.dir={quote_value(str(run))}", *after]
