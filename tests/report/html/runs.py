"""Folders as runs and sweeps leave them, without training."""

import csv
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from PIL import Image

from hydra_plugins.candelabra_sweeper.jobs import Job, State, Sweep, write_job, write_sweep

HOSTILE = "</script><img src=x onerror=alert(1)>"


def make_run(folder: Path, words: Sequence[str] = (), epochs: int = 5, score: float = 0.5, **given: Any) -> Path:
    """A run of a label and a mask; with `finished=False` it was killed in its last epoch."""
    finished = given.pop("finished", True)
    lr = next(
        (float(word.partition("=")[2]) for word in words if word.removeprefix("optimizer.").startswith("lr=")), 0.1
    )
    config = {
        "seed": 0,
        "epochs": epochs,
        "lr": lr,
        "monitor": "val/score",
        "folder": str(folder),
        "words": list(words),
        "backbone": {"_target_": "candelabra.backbones.Timm", "name": "resnet18", "weights": "auto"},
        "data": {"_target_": "candelabra.data.Folder", "root": "photos", "size": 64, "batch_size": 8},
        "optimizer": {"_target_": "torch.optim.AdamW", "lr": lr},
        "finetune": {"_target_": "candelabra.finetuning.Full"},
        "balance": {"_target_": "candelabra.balancing.Fixed"},
        "task": {"heads": {"label": {"_target_": "heads.Label"}, "mask": {"_target_": "heads.Mask"}, "box": None}},
        **given,
    }
    (folder / "pictures").mkdir(parents=True)
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    (folder / "code.json").write_text('{"candelabra": "0.1.0", "torch": "2.15.0"}')
    write_metrics(folder / "metrics.csv", epochs, score, finished)
    Image.new("RGB", (40, 30), "red").save(folder / "pictures" / "predictions.png")
    (folder / "label_classes.csv").write_text("class,precision,recall\ncat,0.5,0.25\ndog,1.0,0.75\n")
    (folder / "issues.csv").write_text(
        "name,what,treatment,detail\na.jpg,unreadable,skipped,\nb.jpg,unreadable,skipped,\n"
    )
    if finished:
        counts = {"test/label/count": 12, "test/mask/count": 11}
        results = {"val/score": score, "test/label/accuracy": score, "test/mask/iou": score / 2, **counts}
        metrics = {"label": "accuracy", "mask": "iou"}
        heads = {
            name: {"target": name, "main_metric": metric, "notes": {metric: f"of {name}s"}}
            for name, metric in metrics.items()
        }
        numbers = {**results, "seconds": 61.5, "parameters": 11_000_000}
        (folder / "results.json").write_text(json.dumps({**numbers, "heads": heads}))
    return folder


def write_metrics(path: Path, epochs: int, score: float, finished: bool) -> None:
    """Ten steps an epoch; a run that is finished judges its best weights one step later."""
    names = ["epoch", "step", "train/loss", "val/loss", "val/score", "val/label/accuracy", "val/label/count"]
    names += ["val/mask/iou", "lr-AdamW/heads", "balance/label", "balance/mask", "gradient_norm", "test/score"]
    with path.open("w", newline="") as file:
        table = csv.DictWriter(file, names)
        table.writeheader()
        for epoch in range(epochs):
            step, done = 10 * epoch + 9, 1 - math.exp(-epoch)
            table.writerow({"epoch": epoch, "step": step, "train/loss": 2 - done, "lr-AdamW/heads": 0.1 / (1 + epoch)})
            judged = dict.fromkeys(("val/score", "val/label/accuracy", "val/mask/iou"), score * done)
            table.writerow({"epoch": epoch, "step": step, "val/loss": 2.5 - done, "val/label/count": 12, **judged})
            balance = {"balance/label": 1.0, "balance/mask": 1 + done, "gradient_norm": 3.0}
            table.writerow({"epoch": epoch, "step": step, **balance})
        if finished:
            table.writerow({"epoch": epochs, "step": 10 * epochs, "val/score": 0.999})
            table.writerow({"epoch": epochs, "step": 10 * epochs, "test/score": score})


def make_sweep(folder: Path, objectives: Mapping[str, str], jobs: int = 6) -> Path:
    """Job 1 failed, job 2 was pruned, the others have finished; the highest score is 0.1 x (jobs - 1)."""
    write_sweep(
        Sweep(["python"], ["-m", "sweep=tpe", "lr=tag(log)"], objectives, "tpe", "first", "sqlite:///a.db"), folder
    )
    for number in range(jobs):
        words = [f"optimizer.lr={10.0 ** -(1 + number % 4)}", f"backbone={('resnet18', 'resnet50')[number % 2]}"]
        words.append("epochs=5")
        state = {1: State.FAILED, 2: State.PRUNED}.get(number, State.FINISHED)
        run = make_run(folder / str(number), words, score=0.1 * number, finished=state is State.FINISHED)
        known = {"val/score": 0.1 * number, "seconds": 10.0 * (1 + number)}
        values = {key: known[key] for key in objectives} if state is State.FINISHED else {}
        error = f"ValueError: {HOSTILE}" if state is State.FAILED else None
        write_job(Job(number, words, str(run), state, values, error, seconds=10.0), folder)
    return folder
