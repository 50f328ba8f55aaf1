"""A study against random search at equal budget: same space, trials and seeds; writes docs/sweep_comparison.md.

A trial trains a head on the cached features of a frozen backbone in this process, which takes about a second; what
draws its words and hears of its value is the study of `sweep=tpe` and `sweep=random`. A sweep chooses by the loss on
validation; the test images judge what was chosen. What is done already is read from --done.
"""

import json
import math
import os
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import lightning as L
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from benchmarks.reporting import parser
from candelabra.config.build import build_data, build_object, resolve_config
from candelabra.environment import CONFIG_FOLDER
from candelabra.feature_cache import cache_features
from candelabra.tasks.loading import build_task
from candelabra.training.trainer import make_trainer
from hydra_plugins.candelabra_sweeper._space import parse_search_space
from hydra_plugins.candelabra_sweeper._study import StudyOptions, StudyPlan
from hydra_plugins.candelabra_sweeper.jobs import State

WORDS = [
    *("data=pets", "task=classification", "finetune=frozen", "data.augment=none", "data.size=96", "epochs=8"),
    *("trainer=cpu", "trainer.precision=32-true", "trainer.enable_progress_bar=false", "logger=none", "data.workers=0"),
]
SPACE = {
    "lr": "tag(log,interval(1e-5,1.0))",
    "optimizer.weight_decay": "tag(log,interval(1e-5,1.0))",
    "task.label.dropout": "interval(0.0,0.7)",
    "task.label.hidden": "[],[32],[128]",
    "data.batch_size": "8,16,32,64",
}
SAMPLERS = ("random", "tpe")
CHOSEN_BY = "val/loss"
KEPT = (CHOSEN_BY, "val/score", "test/loss", "test/score")
PAGE = """# TPE compared with random search

`python -m benchmarks.sweeps --pets <folder>` writes this page. A head on the frozen features of efficientnet_lite0
is trained on the classes of pets_sample ({words}).
`sweep=random` and `sweep=tpe`, as configured in conf/, search the same five keys with {trials} trials and {seeds} seeds
of the sampler; with the same seed their first ten trials are equal. The best trial is chosen by the loss on
{validation} validation images and evaluated on the test images. Mean ± standard deviation over seeds.

{rows}

With {trials} trials TPE was better on validation with {wins} of {seeds} seeds, on test with {test_wins}.
A longer search also overfits the {validation} validation images that it chooses by.

Search space:

{space}
"""


def one(words: list[str], root: Path) -> dict[str, float]:
    """The results of one trial."""
    with initialize_config_dir(str(CONFIG_FOLDER), version_base="1.3"):
        plain = resolve_config(compose("train", [*WORDS, *words, f"data.root={root}", "folder=unused"]))
    L.seed_everything(plain["seed"], verbose=False)
    data = build_data(plain["data"])
    task = build_task(plain, data.labels)
    trainer = make_trainer(plain["trainer"], logger=False, enable_checkpointing=False)
    served = cache_features(task, data, build_object(plain["cache"]), trainer)
    trainer.fit(task, served)
    results: dict[str, Any] = {}
    for judge in (trainer.validate, trainer.test):
        results |= judge(task, datamodule=served, verbose=False)[0]
    return {key: float(results[key]) for key in KEPT} | {"images": float(results["val/label/count"])}


def search(name: str, seed: int, trials: int, root: Path) -> list[dict[str, float]]:
    """The results of a study's trials, in order; one that does not end in numbers has an infinite loss."""
    sampler = sampler_of(name) | {"seed": seed}
    found = []
    with tempfile.TemporaryDirectory() as folder:
        options = StudyOptions("benchmark", f"{folder}/study.log", sampler, None, {CHOSEN_BY: "minimize"}, trials)
        study = StudyPlan(parse_search_space(SPACE, [], None), options, Path(folder), [], [])
        while (job := study.next()) is not None:
            results = one(list(job.words), root)
            if not math.isfinite(results[CHOSEN_BY]):
                results |= dict.fromkeys((CHOSEN_BY, "test/loss"), 1e9)
            study.tell(replace(job, state=State.FINISHED, values={CHOSEN_BY: results[CHOSEN_BY]}))
            found.append(results)
    return found


def sampler_of(name: str) -> dict[str, Any]:
    """The node of conf/sweep/<name>.yaml."""
    with initialize_config_dir(str(CONFIG_FOLDER), version_base="1.3"):
        node = OmegaConf.to_container(compose("train", [f"sweep={name}"]).sweep.sampler)
    assert isinstance(node, dict)
    return {str(key): value for key, value in node.items()}


def chosen(results: list[dict[str, float]]) -> dict[str, float]:
    """What a sweep of these trials chooses."""
    return min(results, key=lambda each: each[CHOSEN_BY])


def table(found: dict[str, list[list[dict[str, float]]]], trials: int) -> list[str]:
    """A row for each sampler and budget."""
    rows = ["| search | trials | validation loss | test loss | test accuracy |", "|---|---|---|---|---|"]
    for budget in sorted({max(1, trials // 4), max(1, trials // 2), trials}):
        for name, searches in found.items():
            best = [chosen(results[:budget]) for results in searches]
            cells = []
            for key in (CHOSEN_BY, "test/loss", "test/score"):
                values = [each[key] for each in best]
                spread = statistics.stdev(values) if len(values) > 1 else 0.0
                cells.append(f"{statistics.mean(values):.4f} ± {spread:.4f}")
            rows.append(f"| {name} | {budget} | {' | '.join(cells)} |")
    return rows


def main() -> None:
    """All searches, then the page."""
    arguments = parser(__doc__)
    arguments.add_argument("--pets", type=Path, required=True, help="folder of the Oxford-IIIT Pet layout")
    arguments.add_argument("--seeds", type=int, default=5)
    arguments.add_argument("--trials", type=int, default=40)
    arguments.add_argument("--done", type=Path, default=Path("sweeps.json"))
    arguments.add_argument("--page", type=Path, default=Path("docs/sweep_comparison.md"))
    given = arguments.parse_args()
    done: dict[str, list[dict[str, float]]] = json.loads(given.done.read_text()) if given.done.is_file() else {}
    for seed in range(given.seeds):
        for name in SAMPLERS:
            key = f"{name} {seed} {given.trials}"
            if key in done:
                continue
            start = time.perf_counter()
            done[key] = search(name, seed, given.trials, given.pets)
            given.done.write_text(json.dumps(done) + "\n")
            print(key, chosen(done[key]), f"{time.perf_counter() - start:.0f} s", flush=True)
    found = {name: [done[f"{name} {seed} {given.trials}"] for seed in range(given.seeds)] for name in SAMPLERS}
    rows = table(found, given.trials)
    pairs = [(chosen(random), chosen(tpe)) for random, tpe in zip(found["random"], found["tpe"], strict=True)]
    page = PAGE.format(
        words=f"`{' '.join(WORDS[1:6])}`",
        trials=given.trials,
        seeds=given.seeds,
        validation=int(pairs[0][0]["images"]),
        rows="\n".join(rows),
        wins=sum(tpe[CHOSEN_BY] < random[CHOSEN_BY] for random, tpe in pairs),
        test_wins=sum(tpe["test/loss"] < random["test/loss"] for random, tpe in pairs),
        space="\n".join(f"- `{key}={words}`" for key, words in SPACE.items()),
    )
    given.page.write_text(page)
    print("\n".join(rows))


if __name__ == "__main__":
    main()
