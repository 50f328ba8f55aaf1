"""Our detector against loops written by hand around torchvision's FasterRCNN and FCOS: quality and speed.

The same trunk (efficientnet_lite0), images, splits, augmentation and epochs. The recipe of each loop is the better of
two on validation, chosen with seed 0; the test images only judge. Runs that are done are read from --done.
"""

import json
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch
from hydra import compose, initialize_config_dir

import candelabra
from benchmarks.detection_loops import (
    BUILDERS,
    RECIPES,
    convert_batch,
    make_optimizer,
    measure_by_hand,
    train_by_hand,
)
from benchmarks.reporting import Runs, parser
from candelabra.commands.train import run_train
from candelabra.config.build import build_data, resolve_config
from candelabra.data.targets import BoxesTarget
from candelabra.environment import CONFIG_FOLDER
from candelabra.tasks.loading import build_task

SETS = ("raccoon", "kangaroo", "bccd")
OURS = "candelabra"


def compose_words(name: str, given: Any, seed: int, *more: str) -> Any:
    """The config of a run."""
    words = ["task=detection", "data=voc", f"data.root={given.data / name}", f"data.size={given.size}"]
    words += [
        "folder=unused",
        f"epochs={given.epochs}",
        f"seed={seed}",
        "logger=none",
        "trainer.enable_progress_bar=false",
        *more,
    ]
    with initialize_config_dir(str(CONFIG_FOLDER), version_base="1.3"):
        return compose("train", words)


def run_ours(name: str, given: Any, seed: int) -> dict[str, float]:
    """Trains through the command line's own path."""
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        run_train(compose_words(name, given, seed, f"folder={folder}/run", *given.words))
        seconds = time.perf_counter() - begun
        results: dict[str, float] = json.loads(Path(folder, "run", "results.json").read_text())
    found = {f"{split}/{key}": results[f"{split}/boxes/{key}"] for split in ("val", "test") for key in ("map50", "map")}
    return {**found, "seconds": seconds}


def run_by_hand(name: str, given: Any, seed: int, kind: str, recipe: str) -> dict[str, float]:
    """Trains a detector of torchvision on the same batches."""
    torch.manual_seed(seed)
    node = resolve_config(compose_words(name, given, seed, f"data.batch_size={RECIPES[recipe][0]}"))
    data: Any = build_data(node["data"])
    build, first = BUILDERS[kind]
    model = build(candelabra.create_backbone("efficientnet_lite0"), len(data.labels[BoxesTarget].classes), given.size)
    model = model.to(given.device)
    seconds = train_by_hand(model, data, recipe, given.epochs, first)
    found = {
        f"{split}/{key}": value
        for split in ("val", "test")
        for key, value in measure_by_hand(model, data.make_loader(split), first).items()
    }
    return {**found, "seconds": seconds}


def recall(runs: Runs, name: str, given: Any, seed: int, kind: str, recipe: str = "") -> dict[str, float]:
    """The results of a detector on a data set."""
    key = f"{name} {kind} {recipe} {given.epochs} {given.size} {seed}"
    ours = kind == OURS
    return runs.get(key, lambda: run_ours(name, given, seed) if ours else run_by_hand(name, given, seed, kind, recipe))


def measure_speed(given: Any, kind: str, batch_size: int = 8, rounds: int = 12) -> list[dict[str, float]]:
    """Images a second of ours over those of a loop, step by step in turns, in training and in inference."""
    node = resolve_config(compose_words("bccd", given, 0, f"data.batch_size={batch_size}", "data.augment=none"))
    data: Any = build_data(node["data"])
    batch = next(iter(data.make_loader("train")))
    task = build_task(node, data.labels)
    build, first = BUILDERS[kind]
    model = build(candelabra.create_backbone("efficientnet_lite0"), len(data.labels[BoxesTarget].classes), given.size)
    optimizers = make_optimizer(task, "adamw", 1e-4), make_optimizer(model, "adamw", 1e-4)
    images, targets = convert_batch(batch, first)

    def learn(ours: bool) -> None:
        optimizer = optimizers[0 if ours else 1]
        (task if ours else model).train()
        loss = task.training_step(dict(batch), 0) if ours else sum(model(images, targets).values())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    @torch.inference_mode()
    def infer(ours: bool) -> None:
        (task if ours else model).eval()
        task.predictions(batch["image"]) if ours else model(images)

    ratios = []
    for number in range(rounds + 2):
        seconds = {}
        for work in (learn, infer):
            for ours in (True, False):
                begun = time.perf_counter()
                work(ours)
                seconds[work, ours] = time.perf_counter() - begun
        if number >= 2:
            ratios.append({w.__name__: seconds[w, False] / seconds[w, True] for w in (learn, infer)})
    return ratios


def main() -> None:
    """All runs, then the table."""
    arguments = parser(__doc__)
    arguments.add_argument("--data", type=Path, required=True, help="folder with raccoon, kangaroo and bccd")
    arguments.add_argument("--sets", nargs="+", default=SETS, choices=SETS)
    arguments.add_argument("--epochs", type=int, default=20)
    arguments.add_argument("--size", type=int, default=256)
    arguments.add_argument("--seeds", type=int, default=1)
    arguments.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    arguments.add_argument("--done", type=Path, default=Path("detection.json"))
    arguments.add_argument("--words", nargs="*", default=[], help="further options of our runs")
    arguments.add_argument("--speed", action="store_true", help="measure speed alone")
    given = arguments.parse_args()
    if given.speed:
        for kind in BUILDERS:
            ratios = measure_speed(given, kind)
            words = [f"{key} {statistics.median(each[key] for each in ratios):.2f}" for key in ("learn", "infer")]
            print(f"images a second, ours over {kind}: {', '.join(words)}", flush=True)
        return
    runs = Runs(given.done)
    print("| data | detector | AP50 | AP | seconds |\n|---|---|---|---|---|")
    for name in given.sets:
        rows = {OURS: [recall(runs, name, given, seed, OURS) for seed in range(given.seeds)]}
        for kind in BUILDERS:
            first = {recipe: recall(runs, name, given, 0, kind, recipe) for recipe in RECIPES}
            recipe = max(RECIPES, key=lambda each: first[each]["val/map50"])
            rows[f"{kind} ({recipe})"] = [recall(runs, name, given, seed, kind, recipe) for seed in range(given.seeds)]
        for kind, found in rows.items():
            columns = [[each[key] for each in found] for key in ("test/map50", "test/map", "seconds")]
            spread = statistics.stdev(columns[0]) if given.seeds > 1 else 0.0
            means = [statistics.mean(column) for column in columns]
            print(f"| {name} | {kind} | {means[0]:.3f} ± {spread:.3f} | {means[1]:.3f} | {means[2]:.0f} |", flush=True)


if __name__ == "__main__":
    main()
