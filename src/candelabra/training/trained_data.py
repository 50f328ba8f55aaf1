"""The data of a training where they are now, or others that are labelled alike."""

from dataclasses import replace

from candelabra.config.build import PlainConfig, build_data
from candelabra.data.loading.datamodule import DataModule
from candelabra.data.loading.matched_reader import MatchedReader
from candelabra.data.loading.sample_datamodule import SampleDataModule
from candelabra.data.samples import ALL_SPLITS
from candelabra.data.targets import Labels
from candelabra.errors import CandelabraError, list_nearest
from candelabra.training.drawn_split import check_drawn_split


def open_trained_data(
    recipe: PlainConfig, now: PlainConfig, split: str, changes: PlainConfig, advice: str
) -> SampleDataModule:
    """The data of a training where they are now, or others, whose classes get the numbers that they have in training.

    Args:
        recipe: of the checkpoint.
        now: see `relocate_data`.
        split: that is needed; others that no one divided are all of this split.
        changes: further options of the data.
        advice: what to do where the split would be drawn anew.

    Raises:
        CandelabraError: they cannot be read, are labelled otherwise, or images were added and the split would be drawn
            anew.
    """
    data: SampleDataModule = build_data({**relocate_data(recipe["config"]["data"], now), **changes})
    if now["root"] is not None and isinstance(data, DataModule):
        part = data.part
        part.reader = MatchedReader(reader=part.reader, labels=Labels.from_plain(recipe["labels"]))
        if now["split"] is None and "images" in recipe:
            part.splitter = replace(part.splitter, whole=split, trained=recipe["images"])
    elif split != ALL_SPLITS and now["split"] is None:
        check_drawn_split(data, recipe.get("images"), [split], advice)
    given = data.labels.drop_training_fields()
    learnt = Labels.from_plain(recipe["labels"]).drop_training_fields()
    if given != learnt:
        raise CandelabraError(
            f"These data label {data.labels.list_names()} in other words than the checkpoint was trained on: "
            f"{diff_labels(given, learnt)}; give the data it was trained on with data.root=<folder>."
        )
    return data


def relocate_data(trained: PlainConfig, now: PlainConfig) -> PlainConfig:
    """The data of a training where they are now.

    Args:
        trained: their config then.
        now: root, batch_size, workers and split (a table of them); of a union also sets, with the root of each by its
            name; null: as then.

    Raises:
        CandelabraError: the data have no such set, or have no root.
    """
    before = {"split_seed": trained["seed"]} if "split" in trained else {}  # once one seed did both
    data: PlainConfig = {**before, **trained, **{k: v for k, v in now.items() if v is not None and k != "sets"}}
    data = drop_unused_test(data)
    sets: PlainConfig = data.get("sets", {})
    if "root" in data and "root" not in trained:
        roots = ", ".join(f"data.sets.{name}.root" for name in sets) or "batch_size and workers"
        raise CandelabraError(f"data.root={now['root']}: the data of this training have none; allowed are {roots}.")
    if now.get("split") is not None and "split" not in trained:
        raise CandelabraError(f"data.split={now['split']}: the sets of a union are divided each by itself.")
    if now.get("split") is not None:
        data |= {"folds": None, "fold": 0, "fraction": 1.0}  # the table says it all
    for name, change in (now["sets"] or {}).items():
        if name not in sets:
            known = list_nearest(str(name), sets) if sets else "none, for it was not trained on a union"
            raise CandelabraError(f"data.sets.{name} is not known to this checkpoint; allowed are {known}.")
        if not isinstance(change, dict) or set(change) != {"root"} or "root" not in sets[name]:
            raise CandelabraError(f"data.sets.{name}={change}: only data.sets.{name}.root=<folder> can be set here.")
        data["sets"] = {**data["sets"], name: {**sets[name], **change}}
    return data


def drop_unused_test(data: PlainConfig) -> PlainConfig:
    """The data of a training without `test` beside `folds`, which was once allowed and had no effect."""
    changed: PlainConfig = {**data, "test": None} if data.get("folds") else dict(data)
    if data.get("sets"):
        changed["sets"] = {name: drop_unused_test(each) for name, each in data["sets"].items()}
    return changed


def diff_labels(given: Labels, trained: Labels) -> str:
    """In words, the first field in which two descriptions of labels differ."""
    ours, theirs = given.to_plain(), trained.to_plain()
    for name in {**ours, **theirs}:
        if name not in ours or name not in theirs:
            return f"{name} is {'not ' if name not in ours else ''}labelled, it was {'not' if name in ours else ''}"
        field = next((key for key in ours[name] if ours[name][key] != theirs[name][key]), None)
        if field is not None:
            return f"{field} of {name} is {ours[name][field]}, it was {theirs[name][field]}"
    return "the order of targets"
