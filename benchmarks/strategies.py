"""Ways of fine-tuning against each other on the same splits, epochs and seeds; writes docs/strategies.md.

Each way has the better of two rates, chosen on validation with the first seed; the test images only judge. What is done
already is read from --done, so the script can be stopped and started again.
"""

import json
import os
import statistics
import tempfile
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")

from hydra import compose, initialize_config_dir

from benchmarks.reporting import Runs, parser
from candelabra.commands.train import run_train
from candelabra.environment import CONFIG_FOLDER

WAYS = {
    "scratch": ["finetune=scratch", "backbone.weights=none"],
    "full": ["finetune=full", "finetune.scale=1"],
    "discriminative": ["finetune=discriminative"],
    "lp_ft": ["finetune=lp_ft"],
}
RATES = (0.001, 0.004)
SETS = {
    "pets_sample": ["data=pets", "data.size=128", "epochs=8", "data.batch_size=16"],
    "cifar10_6k": ["data=folder", "data.size=64", "epochs=3", "data.batch_size=64"],
}
TABLE = """# Comparison of fine-tuning strategies

`python -m benchmarks.strategies --pets <folder> --cifar <folder>` writes this page. One backbone (efficientnet_lite0),
one task (`classification`), the same splits, epochs and seeds; default settings except as stated. Test accuracy, mean ±
standard deviation over seeds. `full` has `finetune.scale=1`. The learning rate is the better of {rates} on validation,
chosen with seed 0 only.

{rows}

{sizes}
"""


def one(words: list[str]) -> dict[str, float]:
    """The results of one run, whose folder is thrown away."""
    with tempfile.TemporaryDirectory() as folder, initialize_config_dir(str(CONFIG_FOLDER), version_base="1.3"):
        fixed = ["task=classification", "logger=none", "trainer.enable_progress_bar=false", f"folder={folder}/run"]
        run_train(compose("train", [*fixed, *words]))
        results: dict[str, float] = json.loads(Path(folder, "run", "results.json").read_text())
    return {key: results[key] for key in ("val/label/accuracy", "val/loss", "test/label/accuracy", "seconds")}


def recall(runs: Runs, way: str, name: str, root: Path, rate: float, seed: int) -> dict[str, float]:
    """The results of a way to fine-tune on a data set."""
    words = [*SETS[name], *WAYS[way], f"data.root={root}", f"lr={rate}", f"seed={seed}"]
    return runs.get(f"{name} {way} {rate} {seed}", lambda: one(words))


def main() -> None:
    """All runs, then the page."""
    arguments = parser(__doc__)
    arguments.add_argument("--pets", type=Path, required=True, help="folder of the Oxford-IIIT Pet layout")
    arguments.add_argument("--cifar", type=Path, required=True, help="folder with train/<class> and test/<class>")
    arguments.add_argument("--seeds", type=int, default=3)
    arguments.add_argument("--cifar-seeds", type=int, help="for the larger set alone")
    arguments.add_argument("--done", type=Path, default=Path("strategies.json"))
    arguments.add_argument("--page", type=Path, default=Path("docs/strategies.md"))
    given = arguments.parse_args()
    runs = Runs(given.done)
    rows = ["| data | strategy | learning rate | test accuracy | seeds |", "|---|---|---|---|---|"]
    sets = (("pets_sample", given.pets, given.seeds), ("cifar10_6k", given.cifar, given.cifar_seeds or given.seeds))
    for name, root, seeds in sets:
        for way in WAYS:
            first = {rate: recall(runs, way, name, root, rate, 0) for rate in RATES}
            rate = max(RATES, key=lambda rate: (first[rate]["val/label/accuracy"], -first[rate]["val/loss"]))
            found = [recall(runs, way, name, root, rate, seed) for seed in range(seeds)]
            accuracy = [each["test/label/accuracy"] for each in found]
            spread = statistics.stdev(accuracy) if len(accuracy) > 1 else 0.0
            rows.append(f"| {name} | {way} | {rate} | {statistics.mean(accuracy):.3f} ± {spread:.3f} | {len(found)} |")
    sizes = "\n".join(f"- {name}: `{' '.join(words)}`" for name, words in SETS.items())
    given.page.parent.mkdir(parents=True, exist_ok=True)
    rates = " and ".join(str(rate) for rate in RATES)
    given.page.write_text(TABLE.format(rates=rates, rows="\n".join(rows), sizes=sizes))
    print("\n".join(rows))


if __name__ == "__main__":
    main()
