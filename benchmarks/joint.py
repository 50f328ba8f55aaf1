"""Joint training against a model for each head alone: same images, splits, epochs and seeds, from many labels to few.

With --long, the first balance also gets more epochs: so many, say, as take the time of the single models together.

Every run has a folder of its own below --out, `<share of labels>/<name>-<seed>`, and is not repeated when it is there:
the script can be stopped and started again. Each share ends in what `candelabra compare` says of its runs.
"""

import gc
import io
import json
import os
import warnings
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")

from hydra import compose, initialize_config_dir
from omegaconf import DictConfig

from benchmarks import joint_page, joint_speed
from candelabra.commands.train import run_train
from candelabra.config.build import resolve_config
from candelabra.environment import CONFIG_FOLDER
from candelabra.errors import CandelabraError
from candelabra.report.comparison import print_comparison
from candelabra.runs.aggregation import RunRow, read_rows
from candelabra.runs.config_diff import diff_configs, flatten_settings
from candelabra.runs.folders import read_run
from candelabra.runs.head_metrics import HEADS_KEY, parse_head_summaries
from candelabra.runs.joint_gain import compute_gains

HEADS = ("label", "box", "mask")  # of the pets; no point is labelled there
QUIET = ["logger=none", "trainer.enable_progress_bar=false"]


def words(given: Namespace, share: float, heads: str, balance: str, seed: int, epochs: int) -> list[str]:
    """Of one run; `heads` is one of them, or all."""
    left_out = [f"task.heads.{head}=null" for head in HEADS if heads not in (head, "all")]
    data = [f"data.root='{given.root}'", f"data.labelled={share:g}", f"data.size={given.size}"]
    fitting = [f"seed={seed}", f"epochs={epochs}", f"balance={balance}"]
    return [*joint_page.FIXED, *QUIET, *data, *fitting, *left_out, *given.words]


def planned(given: Namespace, share: float) -> Iterator[tuple[Path, list[str]]]:
    """Folder and words of each run of a share, seed by seed."""
    kinds = [(head, head, "fixed", given.epochs) for head in HEADS]
    kinds += [(f"joint-{balance}", "all", balance, given.epochs) for balance in given.balances]
    kinds += [(f"joint-{given.balances[0]}-long", "all", given.balances[0], given.long)] if given.long else []
    for seed in range(given.seeds):
        for name, heads, balance, epochs in kinds:
            yield given.out / f"{share:g}" / f"{name}-{seed}", words(given, share, heads, balance, seed, epochs)


def run(folder: Path, typed: list[str]) -> None:
    """Trains, or sees that the run which is there was trained with the same words, and prints a line.

    Raises:
        CandelabraError: it was not.
    """
    with initialize_config_dir(str(CONFIG_FOLDER), version_base="1.3"):
        config: DictConfig = compose("train", [*typed, f"folder='{folder}'", "overwrite=true"])
    if (folder / "results.json").is_file():
        other = diff_configs([read_run(folder).settings, flatten_settings(resolve_config(config))])
        if other:
            told = ", ".join(f"{key}={was}, now {now}" for key, (was, now) in other.items())
            raise CandelabraError(f"{folder} is a run with {told}; take another --out, or delete it.")
        return
    with redirect_stdout(io.StringIO()):
        run_train(config)
    gc.collect()
    results = json.loads((folder / "results.json").read_text())
    heads = parse_head_summaries(results[HEADS_KEY])
    main = {name: f"test/{name}/{head.main_metric}" for name, head in heads.items()}
    numbers = [f"{name} {results[key]:.4f}" for name, key in main.items() if key in results]
    print(f"{folder.parent.name} {folder.name}: {', '.join(numbers)}, {results['seconds']:.0f} s", flush=True)


def arguments() -> ArgumentParser:
    """What can be said."""
    made = ArgumentParser(description=__doc__)
    made.add_argument("--root", type=Path, required=True, help="a folder of the Oxford-IIIT Pet layout")
    made.add_argument("--out", type=Path, required=True, help="where the folders of the runs are")
    made.add_argument("--seeds", type=int, default=3)
    made.add_argument("--epochs", type=int, default=10)
    made.add_argument("--long", type=int, help="epochs of further joint runs under the first balance")
    made.add_argument("--size", type=int, default=128)
    made.add_argument("--labelled", type=float, nargs="+", default=[1, 0.5, 0.2], help="shares of labels kept")
    made.add_argument("--balances", nargs="+", default=["fixed", "uncertainty"])
    made.add_argument("--words", nargs="+", default=[], help="more words of candelabra train, for every run")
    made.add_argument("--page", type=Path, help="write this page (docs/joint.md)")
    made.add_argument("--speed", action="store_true", help="measure the speed of the runs that are there, no more")
    made.add_argument("--repetitions", type=int, default=30, help="of the measurement of speed")
    return made


def main() -> None:
    """All runs, the comparison of each share, the speed, and the page."""
    given = arguments().parse_args()
    warnings.filterwarnings("ignore", module="lightning|torch|timm")
    given.out, given.root = given.out.absolute(), given.root.absolute()
    shares = sorted(given.labelled, reverse=True)
    folders = {share: dict(planned(given, share)) for share in shares}
    if not given.speed:
        for runs in folders.values():
            for folder, typed in runs.items():
                run(folder, typed)
    rows: dict[float, list[RunRow]] = {}
    for share, runs in () if given.speed else folders.items():
        rows[share] = read_rows(runs)
        print_comparison(rows[share], compute_gains(rows[share]), given.out / f"{share:g}")
    first = given.out / f"{shares[0]:g}"
    joint = first / f"joint-{given.balances[0]}-0"
    speeds, how = joint_speed.measure(joint, [first / f"{head}-0" for head in HEADS], given.size, given.repetitions)
    print(f"{how}:\n{joint_speed.table(speeds)}")
    if given.page and rows:
        given.page.parent.mkdir(parents=True, exist_ok=True)
        given.page.write_text(joint_page.page(rows, speeds, how, given), encoding="utf-8")


if __name__ == "__main__":
    main()
