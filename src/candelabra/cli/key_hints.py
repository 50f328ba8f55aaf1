"""Names the option that is meant where a word of another program, or the end of a key, was typed."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from candelabra.environment import CONFIG_FOLDER
from candelabra.errors import CandelabraError, list_nearest

# Words of other programs, and the options that they mean; of several, the first that the command has.
_SYNONYMS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("model", "arch", "architecture", "network", "encoder", "model_name"), ("backbone", "checkpoint")),
    **dict.fromkeys(("weights", "ckpt", "ckpt_path", "checkpoint_path"), ("checkpoint", "backbone.weights")),
    **dict.fromkeys(("learning_rate", "lr0", "base_lr"), ("lr",)),
    **dict.fromkeys(("imgsz", "img_size", "image_size", "input_size", "resolution"), ("size", "data.size")),
    **dict.fromkeys(("workers", "num_workers", "n_workers"), ("workers", "data.workers")),
    **dict.fromkeys(("batch", "bs", "batch_size"), ("batch_size", "data.batch_size")),
    **dict.fromkeys(("epoch", "max_epochs", "num_epochs", "n_epochs"), ("epochs",)),
    **dict.fromkeys(("optim", "opt"), ("optimizer",)),
    **dict.fromkeys(("lr_scheduler", "sched"), ("scheduler",)),
    **dict.fromkeys(("wd",), ("optimizer.weight_decay",)),
    **dict.fromkeys(("dataset",), ("data",)),
    **dict.fromkeys(("root", "data_dir", "data_path", "train_dir", "path"), ("data.root", "source")),
    **dict.fromkeys(("input", "image", "images"), ("source", "data.root")),
    **dict.fromkeys(("output", "output_dir", "out", "save_dir", "project", "name", "run_name", "run"), ("folder",)),
    **dict.fromkeys(("early_stopping",), ("patience",)),
    **dict.fromkeys(("augmentation", "augmentations", "aug"), ("data.augment",)),
    **dict.fromkeys(("grad_clip", "clip_grad"), ("trainer.gradient_clip_val",)),
    "label_smoothing": ("smoothing",),
}
_GPUS = "write trainer=gpu for one GPU, or trainer=ddp trainer.devices=2 for several"
_CLASSES = "the classes, and their number, come from the data"
# Words that no option takes with the same value.
_ANSWERS = {
    "device": "write trainer=cpu or trainer=gpu, or trainer=ddp trainer.devices=2 for several GPUs",
    "gpus": _GPUS,
    "gpu": _GPUS,
    "fast_dev_run": "trainer=smoke runs two batches of training, validation and test",
    "num_classes": _CLASSES,
    "nc": _CLASSES,
    "pretrained": "pretrained weights are the default, and backbone.weights=none starts without them",
    **dict.fromkeys(
        ("amp", "mixed_precision"),
        "trainer.precision=auto takes bfloat16 where it is fast; others are 16-mixed and 32-true",
    ),
    "fp16": "write trainer.precision=16-mixed",
}
# By command, what a word without a key means: images, and a run or checkpoint.
_BARE = {
    **dict.fromkeys(("train",), ("data.root", "resume")),
    **dict.fromkeys(("check", "convert", "plan", "lr"), ("data.root", "")),
    "predict": ("source", "checkpoint"),
    "eval": ("data.root", "checkpoint"),
    "embed": ("source", "run"),
    "search": ("index", "run"),
    "map": ("index", ""),
}
_MOST = 3  # keys that a hint names
_FOREIGN = ("hydra", "sweep")  # nodes whose keys nobody means by their last part


def check_bare_words(command: str, words: Sequence[str]) -> None:
    """Refuses words without a key, and names the keys that are meant.

    Args:
        command: train, predict, ...
        words: as typed behind it.

    Raises:
        CandelabraError: there is such a word.
    """
    places = [place for place, word in enumerate(words) if "=" not in word and not word.startswith(("-", "~"))]
    bare = [words[place] for place in places if not (place and words[place - 1].startswith("-"))]
    if not bare:
        return
    others, ours = _BARE.get(command, ("", ""))
    given: dict[str, list[str]] = {}
    for word in bare:
        is_run = word.endswith(".ckpt") or (Path(word) / "config.yaml").is_file()
        is_source = command == "predict" or Path(word).exists()
        given.setdefault(ours if is_run else others if is_source else "", []).append(word)
    meant = [f"{key}={found[0]}" if len(found) == 1 else f"{key}=[{','.join(found)}]" for key, found in given.items()]
    advice = "such as lr=0.1" if "" in given else f"write {' '.join(meant)}"
    raise CandelabraError(f"{' '.join(bare)}: options are key=value; {advice}.")


def find_meant_words(key: str, value: str, config: Mapping[str, Any]) -> str | None:
    """Says what to write in place of a key that a command does not have; null where nothing is near.

    Args:
        key: as typed: batch_size, task.label.class_weights.
        value: as typed.
        config: composed, of the command, as plain values.

    >>> find_meant_words("batch_size", "8", {"data": {"batch_size": 32}})
    'write data.batch_size=8'
    >>> find_meant_words("task.label.dropout", "0.1", {"task": {"heads": {"label": {"dropout": 0}}}})
    'write task.heads.label.dropout=0.1'
    """
    typed = key.replace("-", "_").split(".")
    last, known = typed[-1].lower(), list(_list_keys(config))
    synonyms = _SYNONYMS.get(last, ())
    alone = len(typed) == 1  # `model.name` means no folder
    meant = next((each for each in synonyms if each in known and (alone or each != "folder")), None)
    if last in _ANSWERS:
        return _ANSWERS[last]
    if meant is not None:
        return f"write {format_option(meant, value)}"
    others = _find_options(typed[0] if len(typed) == 2 else "*", typed[-1]) if len(typed) < 3 else []
    if others and len(typed) == 2:
        return f"it is a key of {list_nearest('', others, _MOST)}"
    ends = {_squeeze(end) for end in (last, *synonyms)}
    found = [each for each in known if _squeeze(each.rpartition(".")[2]) in ends]
    shared = [len(set(typed) & set(each.split("."))) for each in found]
    best = [each for each, number in zip(found, shared, strict=True) if number == max(shared)]
    if best:
        return f"write {' or '.join(f'{each}={value}' for each in best[:_MOST])}"
    if others:
        return f"it is a key of {list_nearest('', others, _MOST)}"
    if typed[0] == "trainer" and len(typed) == 2 and "trainer" in known:
        return f"further arguments of lightning.Trainer have a plus in front: +{key}={value}"
    return None


def format_option(key: str, value: str) -> str:
    """What to type for an option of a config group, or for a key.

    >>> format_option("backbone", "resnet18"), format_option("backbone", "regnety_004")
    ('backbone=resnet18', 'backbone=timm backbone.name=regnety_004')
    """
    if key == "backbone" and not (CONFIG_FOLDER / key / f"{value}.yaml").is_file():
        return f"backbone=timm backbone.name={value}"
    return f"{key}={value}"


def _find_options(group: str, key: str) -> list[str]:
    """The options of a config group, or of all (`*`), whose yaml has a key: optimizer=sgd for momentum."""
    line = re.compile(rf"^{re.escape(key)}:", re.MULTILINE)
    paths = [path for path in sorted(CONFIG_FOLDER.glob(f"{group}/*.yaml")) if line.search(path.read_text("utf-8"))]
    return [f"{path.parent.name}={path.stem}" for path in paths if path.stem != "loading"]


def _squeeze(word: str) -> str:
    return word.lower().replace("_", "")


def _list_keys(node: Mapping[str, Any], path: str = "") -> Iterator[str]:
    for key, value in node.items():
        if key.startswith("_") or (not path and key in _FOREIGN):
            continue
        yield f"{path}{key}"
        if isinstance(value, Mapping):
            yield from _list_keys(value, f"{path}{key}.")
