"""Default words against a plain hand-written loop, on the same images, trunk, size and epochs.

Sets below --data: those that rules were chosen on. Each run is kept in --done, so the script can be stopped and started
again. Rules are chosen by validation (--split val); the table of the documentation shows test images.
"""

import json
import os
import statistics
import tempfile
import time
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig

from benchmarks.quality_loop import train_by_hand
from benchmarks.reporting import Runs, parser
from candelabra.commands.train import run_train
from candelabra.config.build import resolve_config
from candelabra.environment import CONFIG_FOLDER

QUIET = ["logger=none", "trainer.enable_progress_bar=false", "trainer=cpu", "data.workers=0", "data.cache=ram"]
PETS = ["data=pets", "data.root={data}/pets_sample", "data.split=random", "data.fraction=0.45"]
VOC = ["data=voc", "task=localization", "data.split=random"]
FACES = ["data=table", "data.root={data}/p1_facial_keypoints", "data.points=68", "data.images=data/training"]
FACES += ["data.file=data/training_frames_keypoints.csv", "data.fraction=0.08"]
FACES += ["data.split={data}/p1_facial_keypoints/person_disjoint_split.csv"]
SETS: dict[str, tuple[list[str], int]] = {  # words and the side of the images
    "pets label + box": ([*PETS, "task=localization"], 96),
    "pets mask": ([*PETS, "task=segmentation"], 96),
    "camvid mask": (["data=masks", "task=segmentation", "data.root={data}/camvid/CamVid", "data.fraction=0.5"], 96),
    "faces points": ([*FACES, "task=keypoints"], 96),
    "raccoon box": ([*VOC, "data.root={data}/raccoon"], 96),
    "kangaroo box": ([*VOC, "data.root={data}/kangaroo"], 96),
    "cifar10 label": (["data=folder", "task=classification", "data.root={data}/cifar10_6k", "data.fraction=0.05"], 64),
    "digits label": (["data=digits", "task=classification", "data.fraction=0.2"], 64),
}
SHOWN = {"label": "accuracy", "box": "iou", "mask": "iou", "keypoints": "nme"}


def train_ours(words: list[str], seed: int) -> dict[str, float]:
    """The results of `candelabra train` with these words."""
    with tempfile.TemporaryDirectory() as folder:
        begun = time.monotonic()
        run_train(make_config([*words, f"seed={seed}", f"folder={folder}/run"]))
        results: dict[str, float] = json.loads(Path(folder, "run", "results.json").read_text())
        results["seconds"] = time.monotonic() - begun
    return {key: value for key, value in results.items() if isinstance(value, int | float)}


def make_config(words: list[str]) -> DictConfig:
    """The config of `candelabra train` with these words."""
    with initialize_config_dir(str(CONFIG_FOLDER), version_base="1.3"):
        return compose("train", [*QUIET, *words])


def pick_metrics(results: dict[str, float], split: str) -> dict[str, float]:
    """The main metric of each head, by head."""
    keys = {head: f"{split}/{head}/{metric}" for head, metric in SHOWN.items()}
    return {head: results[key] for head, key in keys.items() if key in results}


def main() -> None:
    """All runs, then the table."""
    arguments = parser(__doc__)
    arguments.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    arguments.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    arguments.add_argument("--seeds", type=int, default=1)
    arguments.add_argument("--size", type=int, help="side of the images, in place of each set's own")
    arguments.add_argument("--epochs", type=int, default=10, help="of both")
    arguments.add_argument("--split", choices=["val", "test"], default="val")
    arguments.add_argument("--ours", action="append", default=[], help="a row of ours with these further words")
    arguments.add_argument("--no-hand", action="store_true", help="without the loop")
    arguments.add_argument("--done", type=Path, default=Path("quality.json"))
    given = arguments.parse_args()
    torch.set_num_threads(1)
    runs = Runs(given.done)
    for name in given.sets:
        own, side = SETS[name]
        size = given.size or side
        words = [word.format(data=given.data.absolute()) for word in own] + [f"data.size={size}"]
        rows = {f"ours {more}".strip(): more.split() for more in (given.ours or [""])}
        for row in ([] if given.no_hand else ["hand loop"]) + list(rows):
            found = []
            for seed in range(given.seeds):
                more = rows.get(row, [])
                plain = resolve_config(make_config([*words, "folder=unused"])) if row == "hand loop" else {}
                typed = [*words, f"epochs={given.epochs}", *more]
                run = (
                    (lambda plain=plain, seed=seed: train_by_hand(plain, given.epochs, seed))
                    if row == "hand loop"
                    else (lambda typed=typed, seed=seed: train_ours(typed, seed))
                )
                key = f"{name} | {size} px {given.epochs} epochs | {row} | {seed}"
                found.append(runs.get(key, run))
            shown = []
            for head in pick_metrics(found[0], given.split):
                values = [pick_metrics(each, given.split)[head] for each in found]
                spread = statistics.stdev(values) if len(values) > 1 else 0.0
                shown.append(f"{head} {statistics.mean(values):.4f} ± {spread:.4f}")
            print(
                f"| {name} | {row} | {', '.join(shown)} | {statistics.mean(e['seconds'] for e in found):.0f} s |",
                flush=True,
            )


if __name__ == "__main__":
    main()
