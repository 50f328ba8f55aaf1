"""The commands. Nothing heavy is imported here: help answers at once, and Hydra composes before torch is loaded."""

import os
import shlex
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from candelabra import RUN, __version__
from candelabra.errors import CandelabraError, Interrupted, nearest
from candelabra.slurm import begun
from candelabra.words import key_of, run_of

PACKAGE = Path(__file__).parent
# A wheel carries conf/ inside the package, a checkout has it at its top; Hydra's pkg:// finds neither when editable.
CONF = next((place for place in (PACKAGE / "conf", PACKAGE.parents[1] / "conf") if place.is_dir()), PACKAGE / "conf")
COMMANDS = {
    "train": "learn, keep the best, test it, and leave a run folder",
    "lr": "try rates, draw the loss over them and suggest one",
    "plan": "what a training would teach, when and how fast; without data or weights",
    "eval": "the test numbers of a checkpoint",
    "predict": "pictures, a table and masks for new images",
    "check": "read a whole data set: labels, oddities, duplicates, leaks between splits; a page to look at",
    "convert": "write a data set as a table or as shards",
    "compare": "runs beside each other: test metrics over seeds, and what joint training gains",
}
EXAMPLES = {
    "train": [
        "",
        "task=classification data=folder data.root=photos",
        "task=segmentation data=masks data.root=camvid backbone=resnet50 finetune=full",
        "task=localization data=pets data.download=true task.box_weight=2",
        "task=heatmap data=table data.root=faces data.file=points.csv lr=0.001 epochs=20",
        "backbone=timm backbone.name=regnety_004 backbone.weights=none trainer=smoke",
        "data=union +data@data.sets.pets=pets +data@data.sets.faces=table data.sets.faces.root=faces data.size=224",
        "trainer=ddp trainer.devices=2 logger=wandb hydra.run.dir=runs/first",
        "resume=runs/first",
    ],
    "lr": ["", "task=segmentation data=masks data.root=camvid finetune=full range.steps=200"],
    "plan": ["", "finetune=gradual finetune.every=2 epochs=12", "backbone=vit_small_patch16_224 finetune=layerwise"],
    "eval": ["checkpoint=runs/first", "checkpoint=runs/first/checkpoints/last.ckpt data.root=elsewhere"],
    "predict": ["checkpoint=runs/first source=photos", "checkpoint=runs/first 'source=\"photos/*.jpg\"'"],
    "check": ["data=pets data.root=data", "data=folder data.root=photos data.augment=none samples=24"],
    "convert": [
        "data=folder data.root=photos to=webdataset folder=photos-shards",
        "data=pets data.root=data to=table folder=pets-table",
        "data=masks data.root=camvid to=litdata to.megabytes=32 folder=street-chunks",
    ],
    "compare": ["runs/label runs/box runs/joint", "runs/sweep folder=runs/compared"],
}
ROOTS = {"lr": "train", "plan": "train"}  # commands that take the words of another
COMPARE = """Words
  <folder> ...     of a run, or of runs: a sweep stands for all its runs; runs that differ in the seed alone are one row
  folder=<folder>  where compare.csv, compare.md and compare.png go; a new one below runs, where it is not given

Joint runs are measured against runs of one head, head by head. Runs with other test images are refused."""
INTERRUPTED = 75  # exit code: stopped by a signal, saved, can go on (EX_TEMPFAIL of sysexits.h)
UNWRITABLE = (PermissionError, NotADirectoryError, FileExistsError)


def main() -> None:
    """Entry point of `candelabra`.

    Exits with 0, 1 (a fault of ours or of a library), 2 (what was typed), 75 (stopped by a signal: saved, can go on)
    or 130 (stopped by Ctrl-C where there was nothing to save); `check` with 0 (clean), 1 (odd) or 2 (not usable).
    """
    arguments = sys.argv[1:]
    if RUN in os.environ and arguments[:1] == ["train"]:
        sys.exit(_guarded(_rank))
    if {"-sc", "--shell-completion"} & set(arguments):
        arguments = _completed_command(arguments)
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(_overview())
    elif arguments[0] == "--version":
        print(f"candelabra {__version__}")
    elif arguments[0] not in COMMANDS:
        print(
            f"candelabra {arguments[0]}: no such command; allowed are {nearest(arguments[0], COMMANDS)}.",
            file=sys.stderr,
        )
        sys.exit(2)
    elif {"-h", "--help"} & set(arguments):
        print(_help(arguments[0]))
    elif arguments[0] == "compare":  # which composes nothing
        sys.exit(0 if "-sc" in arguments else _guarded(lambda: _compare(arguments[1:])))
    else:
        sys.exit(_guarded(lambda: _compose(arguments[0], arguments[1:])))


def _guarded(work: Any) -> int:
    """Runs, and says in one sentence what cannot be used; CANDELABRA_TRACEBACK=1 shows where it was found."""
    try:
        return int(work() or 0)
    except _mendable() as error:
        if os.environ.get("CANDELABRA_TRACEBACK"):
            traceback.print_exc()
        print(_sentence(error), file=sys.stderr)
        return 2
    except Interrupted as error:
        print(error, file=sys.stderr)
        return INTERRUPTED
    except KeyboardInterrupt:
        return 130


def _mendable() -> tuple[type[Exception], ...]:
    if "hydra" not in sys.modules:  # then it has raised nothing, and loading it takes time
        return (CandelabraError, *UNWRITABLE)
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    return (CandelabraError, HydraException, OmegaConfBaseException, *UNWRITABLE)


def _compare(words: Sequence[str]) -> None:
    from candelabra.comparing import compare

    compare(words, CONF / "hydra" / "candelabra.yaml")


def _compose(command: str, overrides: Sequence[str]) -> int:
    """Lets Hydra compose conf/<command>.yaml with what was typed, then runs the command on it."""
    import hydra

    if command == "train":
        overrides = _continuing(overrides)
    if command == "eval":  # where it has moved: which sets there are, the checkpoint knows
        overrides = [f"+{word}" if word.startswith("data.sets.") else word for word in overrides]
    typed = sys.argv
    codes: list[int] = []

    @hydra.main(version_base="1.3", config_path=str(CONF), config_name=ROOTS.get(command, command))
    def job(config: Any) -> None:
        sys.argv = typed
        codes.append(_guarded(lambda: _dispatch(command, config)))

    os.environ["HYDRA_FULL_ERROR"] = "1"  # it then raises what it would print, and we choose the words
    sys.argv = [typed[0], *overrides]
    job()
    return max(codes, default=0)


def _continuing(overrides: Sequence[str]) -> list[str]:
    """A run that goes on is composed from the words it was begun with, and writes into its own folder."""
    from omegaconf import OmegaConf

    given = next((word.partition("=")[2].strip("'\"") for word in overrides if word.startswith("resume=")), None)
    again = begun()
    if given is None and again is not None:  # SLURM has started this job once more
        given, overrides = str(again), [f"resume={again}"]
    run = run_of(Path(given or "null"))
    if not (run / "config.yaml").is_file():
        return list(overrides)
    keys = {key_of(word) for word in overrides}
    begun_with: Any = OmegaConf.to_container(OmegaConf.load(run / "config.yaml"))
    words = begun_with.get("words", [])
    kept = [word for word in words if key_of(word) not in {*keys, "anew", "hydra.run.dir"}]
    return [*kept, *overrides, f"hydra.run.dir='{run}'"]


def _dispatch(command: str, config: Any) -> int:
    """Runs a command; the exit code where it went well."""
    from omegaconf import OmegaConf

    missing = {key for key in OmegaConf.missing_keys(config) if command != "plan" or not key.startswith("data.")}
    for key in sorted(missing):  # told before torch is loaded
        raise CandelabraError(f"{key} is not given; add {key}=<value>.")
    import logging
    import warnings

    logging.getLogger("timm").setLevel(logging.WARNING)
    if not sys.warnoptions:
        warnings.filterwarnings("ignore", module="lightning|torch|timm")  # advice to the developers of this program
    if command == "train":
        from candelabra.run import train as run
    elif command == "lr":
        from candelabra.run import suggest_rate as run
    elif command == "plan":
        from candelabra.planning import plan as run
    elif command == "eval":
        from candelabra.evaluation import evaluate as run
    elif command == "predict":
        from candelabra.prediction import predict as run
    elif command == "convert":
        from candelabra.converting import convert as run
    else:
        from candelabra.checking import check

        return check(config)
    run(config)
    return 0


def _rank() -> None:
    """A further process of a run: the same resolved config, whatever this process was told."""
    from omegaconf import OmegaConf

    _dispatch("train", OmegaConf.load(Path(os.environ[RUN], "config.yaml")))


def _sentence(error: BaseException) -> str:
    """What to print of an error: its own words and, where a name is wrong, the valid ones, nearest first."""
    if isinstance(error, UNWRITABLE):
        return f"{error.filename} cannot be used ({error.strerror}); set another folder with hydra.run.dir=<folder>."
    if "hydra" not in sys.modules:
        return str(error)
    from hydra.errors import MissingConfigException
    from omegaconf.errors import OmegaConfBaseException

    if isinstance(error, MissingConfigException) and error.options and error.missing_cfg_file:
        group, _, option = str(error.missing_cfg_file).rpartition("/")
        return f"{group}={option} is not known; allowed are {nearest(option, error.options, most=40)}."
    words = " ".join(str(error).split())
    cause = error.__cause__
    if isinstance(cause, OmegaConfBaseException) and cause.key is not None and cause.parent_node is not None:
        keys = [str(key) for key in cause.parent_node if not str(key).startswith("_")]
        words = f"{str(error).splitlines()[0]} There is no {cause.key}; allowed are {nearest(str(cause.key), keys)}."
    return words


def _completed_command(arguments: list[str]) -> list[str]:
    """Hydra's completion asks the program without its command; it stands in the line being completed."""
    words = shlex.split(os.environ.get("COMP_LINE", ""), posix=False)
    command = next((word for word in words[1:] if word in COMMANDS), "train")
    if arguments[0] in COMMANDS:
        arguments = arguments[1:]
    os.environ["COMP_LINE"] = " ".join(word for word in words if word != command)
    return [command, *arguments]


def _overview() -> str:
    commands = "\n".join(f"  {name:9}{what}" for name, what in COMMANDS.items())
    return (
        "candelabra: one stem, many heads\n\nusage: candelabra <command> [group=option] [key=value] ...\n\n"
        f"{commands}\n\n"
        "`candelabra <command> --help` lists groups, options, keys and examples.\n"
        'Completion in bash: eval "$(candelabra train -sc install=bash)"\n'
    )


def _help(command: str) -> str:
    """Read from conf/ as text, so that it is complete and needs no library."""
    examples = "\n".join(["Examples", *(f"  candelabra {command} {example}".rstrip() for example in EXAMPLES[command])])
    if command == "compare":
        return f"candelabra {command}: {COMMANDS[command]}\n\n{examples}\n\n{COMPARE}\n"
    lines = (CONF / f"{ROOTS.get(command, command)}.yaml").read_text().splitlines()
    groups, keys, chosen = [], [], {}
    for line in lines:
        if line.startswith("  - ") and ":" in line and not line.startswith("  - optional"):
            group, _, option = line[4:].partition(": ")
            chosen[group] = option
        elif line and not line.startswith(("#", "  -", "defaults", "folder: ${")):
            keys.append(f"  {line}")
    for group, option in chosen.items():
        options = sorted(path.stem for path in (CONF / group).glob("*.yaml"))
        if group != "hydra":
            groups.append(f"  {group}={option}\n" + _wrapped(options))
    parts = [
        [f"candelabra {command}: {COMMANDS[command]}"] if command in ROOTS else [lines[0].removeprefix("# ")],
        [examples],
        ["Groups, each group=option; a key of a group as group.key=value", *groups],
        ["Keys", *keys],
        [f"`candelabra {command} ... --cfg job` prints the whole config, -m sweeps, --hydra-help tells of Hydra."],
    ]
    return "\n\n".join("\n".join(part) for part in parts) + "\n"


def _wrapped(words: Sequence[str]) -> str:
    import textwrap

    indent = " " * 6
    return textwrap.fill(", ".join(words), 112, initial_indent=indent, subsequent_indent=indent)


if __name__ == "__main__":
    main()
