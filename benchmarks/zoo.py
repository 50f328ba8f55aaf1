"""The model zoo of the documentation: trains each model by its command and writes docs/zoo.

A seed that has its results in docs/zoo is not trained again, so the script can be stopped and started; without --data
it writes the pages alone. Commands run in the folder of the data sets, so that they name no folder above it.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from argparse import ArgumentParser
from dataclasses import dataclass
from pathlib import Path

PAGES = Path(__file__).parents[1] / "docs" / "zoo"
PETS = "data=pets data.root=pets_sample data.split=random"
FACES = (
    "data=table data.root=p1_facial_keypoints data.file=data/training_frames_keypoints.csv data.images=data/training "
    "data.points=68 data.split=p1_facial_keypoints/person_disjoint_split.csv data.fraction=0.08"
)


@dataclass(frozen=True)
class Entry:
    """A model of the zoo.

    Attributes:
        data: name of the data set, for people.
        task: likewise.
        words: of `candelabra train`, without backbone, seed and folder.
        metrics: keys of results.json without the split; the first decides.
        backbone: an entry of `candelabra backbones`.
    """

    data: str
    task: str
    words: str
    metrics: tuple[str, ...]
    backbone: str = "efficientnet_lite0"

    @property
    def command(self) -> str:
        return f"candelabra train {self.words} backbone={self.backbone}"


BREEDS = ("label/accuracy", "box/iou")
ENTRIES = {
    "pets_localization_lite0": Entry(
        "pets, 3 breeds", "breed and head box", f"task=localization {PETS} data.size=64", BREEDS
    ),
    "pets_localization_lite1": Entry(
        "pets, 3 breeds", "breed and head box", f"task=localization {PETS} data.size=64", BREEDS, "efficientnet_lite1"
    ),
    "pets_localization_lite2": Entry(
        "pets, 3 breeds", "breed and head box", f"task=localization {PETS} data.size=64", BREEDS, "efficientnet_lite2"
    ),
    "pets_segmentation_lite0": Entry("pets, 3 breeds", "mask", f"task=segmentation {PETS} data.size=64", ("mask/iou",)),
    "faces_keypoints_lite0": Entry(
        "faces, 8 % of the training images", "68 points", f"task=keypoints {FACES} data.size=64", ("keypoints/nme",)
    ),
    "raccoon_detection_lite0": Entry(
        "raccoon",
        "objects",
        "task=detection data=voc data.root=raccoon data.split=random data.size=96",
        ("boxes/map50", "boxes/map"),
    ),
    "cifar10_classification_lite0": Entry(
        "cifar10, 850 training images",
        "class",
        "task=classification data=folder data.root=cifar10_6k data.fraction=0.2 data.size=64",
        ("label/accuracy",),
    ),
}


def train_entry(name: str, seed: int, data: Path, pages: Path) -> None:
    """Trains one model with one seed and keeps its results and its log.

    Args:
        name: one of `ENTRIES`.
        seed: of the run.
        data: folder of the data sets.
        pages: `<pages>/<name>/seed<seed>.json` is written; of seed 0 also metrics.csv and curves.png.
    """
    kept = pages / name
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder, "run")
        words = [*ENTRIES[name].command.split()[1:], f"seed={seed}", f"folder={run}", "trainer=cpu", "logger=csv"]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        process = subprocess.Popen([sys.executable, "-m", "candelabra", *words], cwd=data, env=environment)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)  # which Popen cannot ask for again
        if status:
            raise RuntimeError(f"candelabra {' '.join(words)} ended with {process.returncode}")
        results = json.loads((run / "results.json").read_text())
        numbers = {key: value for key, value in results.items() if isinstance(value, int | float)}
        kept.mkdir(parents=True, exist_ok=True)
        if not seed:
            shutil.copy(run / "metrics.csv", kept)
            shutil.copy(run / "pictures" / "curves.png", kept)
        numbers["peak_memory_mb"] = round(usage.ru_maxrss / 1024)
        (kept / f"seed{seed}.json").write_text(json.dumps(numbers, indent=2) + "\n")


def read_results(name: str, pages: Path) -> list[dict[str, float]]:
    """The results of all seeds that were trained, in order."""
    return [json.loads(path.read_text()) for path in sorted((pages / name).glob("seed*.json"))]


def format_values(values: list[float], digits: int) -> str:
    """Mean and standard deviation."""
    spread = f" ± {statistics.stdev(values):.{digits}f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.{digits}f}{spread}"


def write_pages(pages: Path) -> None:
    """Writes index.md with a row for each model, and a page for each."""
    rows = []
    for name, entry in ENTRIES.items():
        found = read_results(name, pages)
        if not found:
            continue
        tested = {key: [each[f"test/{key}"] for each in found] for key in entry.metrics}
        shown = "<br>".join(f"{key} {format_values(values, 3)}" for key, values in tested.items())
        costs = [min(each[key] for each in found) for key in ("seconds", "milliseconds_per_image")]
        rows.append(
            f"| [{entry.data}]({name}.md) | {entry.task} | {entry.backbone} | {shown} | {len(found)} "
            f"| {costs[0]:.0f} | {costs[1]:.1f} | {found[0]['parameters'] / 1e6:.2f} "
            f"| {max(each['peak_memory_mb'] for each in found):.0f} |"
        )
        (pages / f"{name}.md").write_text(_format_page(name, entry, found), encoding="utf-8")
    table = "\n".join(rows)
    (pages / "index.md").write_text(_INDEX.format(table=table), encoding="utf-8")


_INDEX = """# Model zoo

```{{toctree}}
:hidden:
:glob:

*
```

Models trained by one command each, with default options but for the size of the images. Mean ± standard deviation over
seeds, on test images; one thread of a shared AMD EPYC, the mask of a shared Intel Xeon. Each row links to its command,
results of each seed, curves and log.

| data | task | backbone | test | seeds | training, seconds | ms an image | parameters, millions | peak memory, MB |
|---|---|---|---|---|---|---|---|---|
{table}

Seconds are those of a whole run, validation and test included; ms an image are those of the network alone, in batches.
Both are of the fastest seed: other work ran beside the others, some of which took five times as long.
`python -m benchmarks.zoo --data <folder>` trains what is missing and writes these pages.

Data: `pets_sample` holds 600 images of three breeds of the Oxford-IIIT Pet set (Parkhi et al. 2012),
`p1_facial_keypoints` frames of the YouTube Faces set with 68 points, split by person; `raccoon` 200 images with boxes;
`cifar10_6k` 6,000 images of CIFAR-10 (Krizhevsky 2009) as JPEG files. Commands run in the folder that holds them.
"""


def _format_page(name: str, entry: Entry, found: list[dict[str, float]]) -> str:
    splits = [f"{split}/{key}" for key in entry.metrics for split in ("val", "test")]
    columns = [*splits, "epochs", "seconds", "peak_memory_mb"]
    lines = [f"| seed | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    for seed, each in enumerate(found):
        values = [f"{each[key]:.3f}" if key in splits else f"{each[key]:.0f}" for key in columns]
        lines.append(f"| [{seed}]({name}/seed{seed}.json) | {' | '.join(values)} |")
    table = "\n".join(lines)
    return f"""# {entry.data}: {entry.task}, {entry.backbone}

```console
$ {entry.command} seed=0
```

{table}

Seed 0: [metrics of each step and epoch]({name}/metrics.csv), and curves:

![curves]({name}/curves.png)
"""


def main() -> None:
    """Trains what is missing, seed after seed, and writes the pages."""
    arguments = ArgumentParser(description=__doc__)
    arguments.add_argument("--data", type=Path, help="folder of the data sets")
    arguments.add_argument("--entries", nargs="+", choices=ENTRIES, default=list(ENTRIES))
    arguments.add_argument("--seeds", type=int, default=3)
    arguments.add_argument("--pages", type=Path, default=PAGES)
    given = arguments.parse_args()
    if given.data:
        for seed in range(given.seeds):
            for name in given.entries:
                if not (given.pages / name / f"seed{seed}.json").is_file():
                    train_entry(name, seed, given.data.absolute(), given.pages.absolute())
                    write_pages(given.pages)
    write_pages(given.pages)


if __name__ == "__main__":
    main()
