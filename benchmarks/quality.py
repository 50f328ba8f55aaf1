"""Default words against a loop written by hand and fastai, on the same images, trunk and size.

With the same epochs; or with --equal-time: default words choose their epochs, and the CPU seconds of that whole run,
start and evaluation included, are the budget of the others, whose own evaluation after training is not counted.

Sets below --data: those that rules were chosen on. Each run is kept in --done, so the script can be stopped and started
again, and several can run with a file each; --table prints one table of them. Rules are chosen by validation (--split
val); the table of the documentation shows test images.
"""

import importlib.util
import json
import os
import tempfile
import time
from argparse import Namespace
from functools import partial
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig

from benchmarks.quality_loop import train_by_hand
from benchmarks.quality_table import make_table
from benchmarks.reporting import Runs, parser
from candelabra.commands.train import run_train
from candelabra.config.build import PlainConfig, resolve_config
from candelabra.environment import CONFIG_FOLDER

QUIET = ["logger=none", "trainer.enable_progress_bar=false", "trainer=cpu", "data.workers=0", "data.cache=ram"]
PETS = ["data=pets", "data.root={data}/pets_sample", "data.split=random", "data.fraction=0.45"]
VOC = ["data=voc", "task=localization", "data.split=random"]
FACES = ["data=table", "data.root={data}/p1_facial_keypoints", "data.points=68", "data.images=data/training"]
FACES += ["data.file=data/training_frames_keypoints.csv", "data.fraction=0.08"]
FACES += ["data.split={data}/p1_facial_keypoints/person_disjoint_split.csv"]
SETS: dict[str, tuple[list[str], int]] = {  # words and the side of the images
    "pets label + box": ([*PETS, "task=localization"], 96),
    "pets label": ([*PETS, "task=classification"], 96),
    "pets mask": ([*PETS, "task=segmentation"], 96),
    "camvid mask": (["data=masks", "task=segmentation", "data.root={data}/camvid/CamVid", "data.fraction=0.5"], 96),
    "faces points": ([*FACES, "task=keypoints"], 96),
    "raccoon box": ([*VOC, "data.root={data}/raccoon"], 96),
    "kangaroo box": ([*VOC, "data.root={data}/kangaroo"], 96),
    "cifar10 label": (["data=folder", "task=classification", "data.root={data}/cifar10_6k", "data.fraction=0.05"], 64),
    "digits label": (["data=digits", "task=classification", "data.fraction=0.2"], 64),
}
JOINT = {"pets label + box"}  # fastai has no head for several targets


def train_by_fastai(plain: PlainConfig, seed: int, epochs: int, budget: float | None) -> dict[str, float]:
    """See `train_with_fastai`; what fastai changes in torch comes with the first run of it."""
    from benchmarks.quality_fastai import train_with_fastai

    return train_with_fastai(plain, seed, epochs, budget)


def train_ours(words: list[str], seed: int) -> dict[str, float]:
    """The results of `candelabra train` with these words."""
    with tempfile.TemporaryDirectory() as folder:
        begun = time.process_time()
        run_train(make_config([*words, f"seed={seed}", f"folder={folder}/run"]))
        seconds = time.process_time() - begun
        results: dict[str, float] = json.loads(Path(folder, "run", "results.json").read_text())
    return {key: value for key, value in results.items() if isinstance(value, int | float)} | {"seconds": seconds}


def make_config(words: list[str]) -> DictConfig:
    """The config of `candelabra train` with these words."""
    with initialize_config_dir(str(CONFIG_FOLDER), version_base="1.3"):
        return compose("train", [*QUIET, *words])


RIVALS = {"hand loop": train_by_hand, "fastai": train_by_fastai}


def run_set(name: str, given: Namespace, runs: Runs) -> None:
    """All runs of one set: ours first, since they set the time of the others."""
    own, side = SETS[name]
    size = given.size or side
    words = [word.format(data=given.data.absolute()) for word in own] + [f"data.size={size}"]
    typed = [] if given.equal_time else [f"epochs={given.epochs}"]
    mode = f"{size} px {'equal time' if given.equal_time else f'{given.epochs} epochs'}"
    for seed in range(given.seeds):
        budgets = []
        for more in given.ours or [""]:
            key = f"{name} | {mode} | {f'ours {more}'.strip()} | {seed}"
            results = runs.get(key, partial(train_ours, [*words, *typed, *more.split()], seed))
            budgets.append(results["seconds"])
        plain = resolve_config(make_config([*words, "folder=unused"]))
        budget = budgets[0] if given.equal_time else None
        for row, train in RIVALS.items():
            if row in given.rivals and not (row == "fastai" and name in JOINT):
                runs.get(f"{name} | {mode} | {row} | {seed}", partial(train, plain, seed, given.epochs, budget))


def main() -> None:
    """All runs, then the table."""
    arguments = parser(__doc__)
    arguments.add_argument("--data", type=Path, help="folder of the data sets")
    arguments.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    arguments.add_argument("--seeds", type=int, default=1)
    arguments.add_argument("--size", type=int, help="side of the images, in place of each set's own")
    arguments.add_argument("--epochs", type=int, default=10, help="of all rows")
    arguments.add_argument("--equal-time", action="store_true", help="in place of --epochs")
    arguments.add_argument("--split", choices=["val", "test"], default="val")
    arguments.add_argument("--ours", action="append", default=[], help="a row of ours with these further words")
    arguments.add_argument("--rivals", nargs="*", choices=RIVALS, default=list(RIVALS))
    arguments.add_argument("--done", type=Path, default=Path("quality.json"))
    arguments.add_argument(
        "--table", type=Path, nargs="+", help="print the table of these files of --done, run nothing"
    )
    given = arguments.parse_args()
    if given.table:
        print(make_table(given.table, given.split))
        return
    if not given.data:
        arguments.error("--data is needed")
    if "fastai" in given.rivals and not importlib.util.find_spec("fastai"):
        given.rivals.remove("fastai")
        print("fastai is not installed: its row is left out")
    torch.set_num_threads(1)
    runs = Runs(given.done)
    for name in given.sets:
        if "fastai" in given.rivals and name in JOINT:
            print(f"{name}: left out for fastai, which has no head for several targets")
        run_set(name, given, runs)
    print(make_table([given.done], given.split))


if __name__ == "__main__":
    main()
