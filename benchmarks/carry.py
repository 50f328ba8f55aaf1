"""A trunk trained on one task and carried to another: pets' masks first, then their breeds from few images a class.

Each run has a folder of its own below --out and is not repeated when it is there: the script can be stopped and started
again. What a trunk is taken for is the test accuracy of breeds; it is compared with ImageNet weights and with none.
"""

import csv
import json
import os
import statistics
import warnings
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from random import Random

os.environ.setdefault("HF_HUB_OFFLINE", "1")

from benchmarks.joint import QUIET, run
from candelabra.commands.trunk import export_run

STARTS = {  # what breeds begin from: what its row says
    "none": "no weights",
    "masks_none": "masks of pets, from no weights",
    "bundled": "ImageNet",
    "masks_bundled": "masks of pets, from ImageNet",
}
VALIDATION = 15  # images of each breed; the others of the published training list are there to learn from


def split(given: Namespace, count: int, seed: int) -> Path:
    """Writes a table of splits: so many images of each breed to learn from, larger counts hold smaller ones."""
    rows = [("name", "split")]
    folder = given.root / "oxford-iiit-pet" / "annotations"
    breeds: dict[str, list[str]] = {}
    for name in _names(folder / "trainval.txt"):
        breeds.setdefault(name.rsplit("_", 1)[0], []).append(f"images/{name}.jpg")
    for names in breeds.values():
        Random(seed).shuffle(names)
        rows += [(name, "val") for name in names[:VALIDATION]]
        rows += [(name, "train") for name in names[VALIDATION : VALIDATION + count]]
    rows += [(f"images/{name}.jpg", "test") for name in _names(folder / "test.txt")]
    path: Path = given.out / f"split-{count}-{seed}.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    return path


def _names(path: Path) -> list[str]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return [line.split()[0] for line in lines if line.strip() and not line.startswith("#")]


def words(given: Namespace, task: str, weights: str, splits: Path, epochs: int, seed: int) -> list[str]:
    """Of one run."""
    learns = "scratch" if weights == "none" else given.finetune
    data = ["data=pets", f"data.root='{given.root}'", f"data.split='{splits}'", f"data.size={given.size}"]
    backbone = [f"backbone={given.backbone}", f"backbone.weights='{weights}'", f"finetune={learns}"]
    return [*QUIET, f"task={task}", *data, *backbone, f"epochs={epochs}", f"seed={seed}", *given.words]


def trunk(given: Namespace, start: str, seed: int) -> str:
    """The weights that breeds begin from; a trunk is trained on masks of all images that a breed may learn from."""
    if not start.startswith("masks_"):
        return start
    name = f"trunk-{start}-{seed}"
    typed = words(
        given, "segmentation", start.removeprefix("masks_"), split(given, 1000, seed), given.mask_epochs, seed
    )
    run(given.out / name, typed)
    export_run(given.out / name, given.out / name / "trunk", None)
    return str(given.out / name / "trunk")


def planned(given: Namespace) -> Iterator[tuple[str, int, int]]:
    """Start, images of a breed and seed, of each run."""
    for seed in range(given.seeds):
        for start in given.starts:
            for count in given.counts:
                yield start, count, seed


def table(found: Mapping[tuple[str, int], Sequence[float]], counts: Sequence[int]) -> str:
    """In Markdown: mean and standard deviation of the test accuracy over seeds."""
    lines = [f"| began from | {' | '.join(f'{count} a breed' for count in counts)} |", "|---|" + "---|" * len(counts)]
    for start in dict.fromkeys(start for start, _ in found):
        cells = [_cell(found.get((start, count), ())) for count in counts]
        lines.append(f"| {STARTS[start]} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(values: Sequence[float]) -> str:
    if not values:
        return "-"
    deviation = f" ± {statistics.stdev(values):.3f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.3f}{deviation}"


def arguments() -> ArgumentParser:
    """What can be said."""
    made = ArgumentParser(description=__doc__)
    made.add_argument("--root", type=Path, required=True, help="a folder of the Oxford-IIIT Pet layout")
    made.add_argument("--out", type=Path, required=True, help="where the folders of the runs are")
    made.add_argument("--seeds", type=int, default=3)
    made.add_argument("--size", type=int, default=128)
    made.add_argument("--backbone", default="efficientnet_lite0")
    made.add_argument("--finetune", default="discriminative", help="of breeds, and of masks from ImageNet weights")
    made.add_argument("--epochs", type=int, default=15, help="of breeds")
    made.add_argument("--mask-epochs", type=int, default=15)
    made.add_argument("--counts", type=int, nargs="+", default=[5, 20, 85], help="images of a breed to learn from")
    made.add_argument("--starts", nargs="+", choices=STARTS, default=list(STARTS))
    made.add_argument("--words", nargs="+", default=[], help="more words of candelabra train, for every run")
    return made


def main() -> None:
    """All runs, then the table; after each run as far as it is known."""
    given = arguments().parse_args()
    warnings.filterwarnings("ignore", module="lightning|torch|timm")
    given.out, given.root = given.out.absolute(), given.root.absolute()
    given.out.mkdir(parents=True, exist_ok=True)
    found: dict[tuple[str, int], list[float]] = {}
    for start, count, seed in planned(given):
        weights = trunk(given, start, seed)
        folder = given.out / f"{start}-{count}-{seed}"
        run(folder, words(given, "classification", weights, split(given, count, seed), given.epochs, seed))
        results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
        found.setdefault((start, count), []).append(results["test/label/accuracy"])
        (given.out / "carry.md").write_text(table(found, given.counts) + "\n", encoding="utf-8")
    print(table(found, given.counts))


if __name__ == "__main__":
    main()
