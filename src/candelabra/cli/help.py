"""The commands and their help, read from conf/ as text: no library is imported."""

import os
import shlex
from collections.abc import Sequence

from candelabra.cli.command_words import UNCOMPOSED_COMMANDS
from candelabra.cli.option_help import format_chosen_options
from candelabra.cli.plugin_commands import describe_plugin_command, find_command_config, list_plugin_commands
from candelabra.environment import CONFIG_FOLDER
from candelabra.plugins.discovery import list_config_folders

COMMANDS = {
    "train": "train, keep the best checkpoint, test it, and write a run folder",
    "lr": "learning rate range test: a plot of the loss over rates, and a suggestion",
    "plan": "the schedule of a training: which stages learn when, at which learning rate; needs no data",
    "eval": "test metrics of a checkpoint",
    "predict": "predictions for new images: pictures, a table, masks",
    "export": "export a checkpoint as ONNX, OpenVINO or torch.export, compared with it on real pictures",
    "serve": "answer pictures over HTTP with an exported model; a page to drop pictures on",
    "embed": "embed images with any backbone; a killed run can be continued",
    "probe": "scikit-learn classifiers on frozen features: k-nearest neighbours, SVM, random forest, ...",
    "search": "nearest images of a query; retrieval metrics by label",
    "map": "a 2D projection of embedded images, with k-means clusters and their scores",
    "check": "check a data set: labels, issues, duplicates, leaks between splits; an HTML page",
    "convert": "write a data set as a table or as shards",
    "compare": "compare runs: test metrics over seeds, and the gain of joint training",
    "sweep": "a sweep started with train -m: status of jobs, the best, retry of failed ones",
    "report": "an HTML report of a run or a sweep: curves, pictures, metrics, differences; one file",
    "backbones": "list backbones: weights, multiply-adds, maps, receptive fields, licences; details with `show`",
    "explain": "what a model looks at: evidence for answers, filters, feature maps, fooling images, measures",
    "trunk": "export a trained backbone, push it to the Hugging Face hub or pull one",
}
_EXAMPLES = {
    "train": [
        "",
        "task=classification data=folder data.root=photos",
        "task=segmentation data=masks data.root=camvid backbone=resnet50 finetune=full",
        "task=detection detector=faster_rcnn data=voc data.root=raccoon data.size=256",
        "task=localization data=pets data.download=true task.box_weight=2",
        "task=keypoints data=table data.root=faces data.file=points.csv lr=0.001 epochs=20",
        "backbone=timm backbone.name=regnety_004 backbone.weights=none trainer=smoke",
        "data=union +data@data.sets.pets=pets +data@data.sets.faces=table data.sets.faces.root=faces data.size=224",
        "trainer=ddp trainer.devices=2 logger=wandb folder=runs/first",
        "resume=runs/first",
        "-m backbone=resnet18,resnet50 finetune=frozen,full",
        "sweep=tpe 'lr=tag(log,interval(1e-4,1e-1))' sweep.trials=30 sweep.study=search",
    ],
    "lr": ["", "task=segmentation data=masks data.root=camvid finetune=full range.steps=200"],
    "plan": ["", "finetune=gradual finetune.every=2 epochs=12", "backbone=vit_small_patch16_224 finetune=layerwise"],
    "eval": [
        "checkpoint=runs/first",
        "checkpoint=runs/first/checkpoints/last.ckpt data.root=elsewhere",
        "checkpoint=runs/first scale=original",
        "model=exported/model.onnx data.root=photos",
    ],
    "predict": [
        "checkpoint=runs/first source=photos",
        "checkpoint=runs/first 'source=\"photos/*.jpg\"'",
        "model=exported/model.onnx source=photos",
    ],
    "export": [
        "checkpoint=runs/first",
        "checkpoint=runs/first to=openvino heads=[label,mask] folder=exported",
        "checkpoint=runs/first quantise=int8 data.root=elsewhere",
    ],
    "serve": ["model=exported/model.onnx", "model=exported/model.onnx host=0.0.0.0 port=80 megapixels=12"],
    "embed": [
        "source=photos folder=vectors/photos",
        "'source=\"photos/*.jpg\"' backbone=resnet50 size=160 format=parquet folder=vectors/photos",
        "data=pets data.root=data run=runs/first folder=vectors/pets",
        "source=faces 'label=\"(.+)_\"' folder=vectors/faces",
    ],
    "probe": [
        "data=pets data.root=data",
        "data=folder data.root=photos backbone=resnet50 classifiers=fast",
        "data=pets data.root=data run=runs/first classifiers.boosting=null",
    ],
    "search": [
        "index=vectors/photos query=holiday.jpg",
        "index=vectors/pets evaluate=test:train search=exact",
        "index=photos query=holiday.jpg backbone=resnet50",
    ],
    "map": ["index=vectors/pets", "index=vectors/photos projection=pca clusters=8"],
    "check": ["data=pets data.root=data", "data=folder data.root=photos data.augment=none samples=24"],
    "convert": [
        "data=folder data.root=photos to=webdataset folder=photos-shards",
        "data=pets data.root=data to=table folder=pets-table",
        "data=masks data.root=camvid to=litdata to.megabytes=32 folder=street-chunks",
    ],
    "compare": ["runs/label runs/box runs/joint", "runs/sweep folder=runs/compared"],
    "sweep": ["status runs/sweep", "best runs/sweep", "retry runs/sweep", "retry runs/sweep 3 7"],
    "report": ["runs/first", "runs/sweep", "runs/first runs/second folder=runs/both"],
    "backbones": [
        "",
        "'resnet*' size=160 speed=true",
        "'vgg*' format=json",
        "show resnet50 effective=true folder=pictures",
    ],
    "explain": [
        "cam checkpoint=runs/first source=photos",
        "cam checkpoint=runs/first source=photos head=box target=left method=gradcam,hirescam layer=3,final",
        "maps backbone=alexnet source=cat.jpg stage=all",
        "maximise backbone=resnet18 stage=4 channels=0:16 source=photos",
        "fool checkpoint=runs/first source=photos epsilon=4",
        "measure checkpoint=runs/first split=test images=50",
    ],
    "trunk": [
        "export runs/first folder=trunks/pets licence=apache-2.0",
        "push trunks/pets repo=somebody/pets-trunk",
        "pull repo=somebody/pets-trunk folder=trunks/theirs",
    ],
}
CONFIG_NAMES = {"lr": "train", "plan": "train"}  # commands with the options of another


def format_overview() -> str:
    """Formats the list of commands, a line each."""
    added = {
        word: describe_plugin_command(module) for word, module in list_plugin_commands().items() if word not in COMMANDS
    }
    commands = "\n".join(f"  {name:10}{what}" for name, what in {**COMMANDS, **added}.items())
    return (
        "candelabra: one stem, many heads\n\nusage: candelabra <command> [group=option] [key=value] ...\n\n"
        f"{commands}\n\n"
        "`candelabra <command> --help` lists groups, options, keys and examples.\n"
        "`candelabra train data=folder --help` lists the keys of an option.\n"
        'Completion in bash: eval "$(candelabra train -sc install=bash)"\n'
    )


def format_command_help(command: str, words: Sequence[str] = ()) -> str:
    """Formats the help of one command: examples, groups with their options, keys.

    With options of groups among the words, as data=folder, their keys alone.
    """
    options = format_chosen_options(words) if is_composed(command) else []
    if options:
        return "\n\n".join([*options, f"`candelabra {command} --help` lists groups, options, keys and examples."])
    about = f"candelabra {command}: {COMMANDS.get(command) or describe_plugin_command(list_plugin_commands()[command])}"
    examples = "\n".join(
        ["Examples", *(f"  candelabra {command} {example}".rstrip() for example in _EXAMPLES.get(command, [""]))]
    )
    if not is_composed(command):
        typed = UNCOMPOSED_COMMANDS.get(command)
        return "\n\n".join([about, examples, *([f"Words\n{typed}"] if typed else [])]) + "\n"
    path = CONFIG_FOLDER / f"{CONFIG_NAMES.get(command, command)}.yaml"
    lines = (path if command in COMMANDS else find_command_config(command) or path).read_text().splitlines()
    keys, chosen = [], {}
    for line in lines:
        if line.startswith("  - ") and ":" in line and not line.startswith(("  - optional", "  - override")):
            group, _, option = line[4:].partition(": ")
            chosen[group] = option
        elif line and not line.startswith(("#", "  -", "defaults")):
            keys.append(f"  {line.replace('${hydra:runtime.output_dir}', 'runs/<time>')}")
    groups = [f"  {group}={option}\n{_list_options(group)}" for group, option in chosen.items() if group != "hydra"]
    added = [f"  {group}\n{_list_options(group)}" for group in _plugin_groups() if group not in chosen]
    parts = [
        [lines[0].removeprefix("# ") if command in COMMANDS and command not in CONFIG_NAMES else about],
        [examples],
        ["Groups, each group=option; a key of a group as group.key=value", *groups],
        *([["Further groups to which plug-ins add options", *added]] if added else []),
        ["Keys", *keys],
        [f"`candelabra {command} <group>=<option> --help` lists the keys of an option."],
        [f"`candelabra {command} ... --cfg job` prints the whole config, -m sweeps, --hydra-help shows Hydra flags."],
    ]
    return "\n\n".join("\n".join(part) for part in parts) + "\n"


def is_composed(command: str) -> bool:
    """Whether Hydra composes the config of a command; that of a plug-in has a yaml of its name then."""
    return command not in UNCOMPOSED_COMMANDS if command in COMMANDS else find_command_config(command) is not None


def _list_options(group: str) -> str:
    """The options of a group, those of plug-ins last."""
    folders = list_config_folders()
    options = [path.stem for folder in folders for path in sorted((folder / group).glob("*.yaml"))]
    return _wrap_words(list(dict.fromkeys(options)))


def _plugin_groups() -> list[str]:
    """Config groups to which plug-ins add options."""
    found = (group for folder in list_config_folders()[1:] for group in folder.glob("*/") if any(group.glob("*.yaml")))
    return sorted({group.name for group in found})


def _wrap_words(words: Sequence[str]) -> str:
    import textwrap

    indent = " " * 6
    return textwrap.fill(", ".join(words), 112, initial_indent=indent, subsequent_indent=indent)


def expand_completion(arguments: list[str]) -> list[str]:
    """Adds the command to Hydra's completion request, which holds it in the line being completed alone."""
    words = shlex.split(os.environ.get("COMP_LINE", ""), posix=False)
    command = next((word for word in words[1:] if word in COMMANDS), "train")
    if arguments[0] in COMMANDS:
        arguments = arguments[1:]
    os.environ["COMP_LINE"] = " ".join(word for word in words if word != command)
    return [command, *arguments]
