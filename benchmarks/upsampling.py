"""Ways of upsampling in a U-Net on the same images, epochs and seeds: a table and a picture of a sweep's runs.

The sweep comes first:
    candelabra train -m experiment=camvid lr=0.002 data.root=<CamVid> data.size=[96,128] data.batch_size=8 epochs=6 \
        seed=0,1,2 folder=<sweep> decoder@task.mask.decoder=upsampling_unet \
        task.mask.decoder.upsample=nearest,bilinear,bed_of_nails,max_unpool,transposed,pixel_shuffle
    python -m benchmarks.upsampling <sweep> --picture docs/images/upsampling.png

Checkerboards are pictures of high frequency: the last column is the share of the energy of the maps of probabilities,
their means left out, at 0.4 cycles a pixel or more along an axis. Labels of the same size have theirs, too.
"""

import argparse
import json
import statistics
from collections import defaultdict
from pathlib import Path

import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F
from torch import Tensor

from candelabra.config.build import build_data
from candelabra.runs.run_config import read_run_config
from candelabra.tasks.loading import load_task
from candelabra.types import IGNORED

CUT = 0.4  # cycles a pixel


def compute_fine_share(maps: Tensor) -> float:
    """Share of the energy of maps (..., H, W) at frequencies of `CUT` and more, without their means."""
    energy = torch.fft.fft2(maps - maps.mean((-2, -1), keepdim=True)).abs().square()
    down, across = (torch.fft.fftfreq(length).abs() >= CUT for length in maps.shape[-2:])
    fine = energy * (down[:, None] | across)
    return float(fine.sum() / energy.sum())


def main() -> None:
    """The table and the picture."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("sweep", type=Path)
    arguments.add_argument("--images", type=int, default=32, help="of the test split, whose frequencies are measured")
    arguments.add_argument("--shown", type=int, default=2, help="of the test split")
    arguments.add_argument("--picture", type=Path, default=Path("upsampling.png"))
    given = arguments.parse_args()
    rows: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    shown: dict[str, Tensor] = {}
    batch: dict[str, Tensor] = {}
    for results in sorted(given.sweep.glob("*/results.json"), key=lambda path: int(path.parent.name)):
        config = read_run_config(results.parent)
        kind = config["task"]["mask"]["decoder"]["upsample"]
        found = json.loads(results.read_text())
        data = build_data({**config["data"], "batch_size": given.images, "workers": 0})
        batch = batch or next(iter(data.make_loader("test")))
        task = load_task(results.parent / "checkpoints" / "best.ckpt").eval()
        with torch.no_grad():
            outputs = task.heads["mask"](task.backbone(batch["image"]))
            maps = F.interpolate(outputs, batch["mask"].shape[-2:], mode="bilinear").softmax(1)
        row = rows[kind]
        row["val"].append(found["val/mask/iou"])
        row["test"].append(found["test/mask/iou"])
        row["parameters"].append(found["parameters"] / 1e6)
        row["fine"].append(100 * compute_fine_share(maps))
        shown.setdefault(kind, maps.argmax(1)[: given.shown])
    labels = batch["mask"][: given.shown].long()
    known = F.one_hot(batch["mask"].long().clamp(max=maps.shape[1] - 1), maps.shape[1]).movedim(-1, 1).float()
    print("| `upsample` | mIoU validation | mIoU test | parameters | energy of fine detail |\n|---|---|---|---|---|")
    for kind, row in sorted(rows.items(), key=lambda pair: -statistics.mean(pair[1]["test"])):
        scores = [f"{statistics.mean(row[key]):.3f} ± {statistics.stdev(row[key]):.3f}" for key in ("val", "test")]
        fine = f"{statistics.mean(row['fine']):.2f} %"
        print(f"| `{kind}` | {scores[0]} | {scores[1]} | {row['parameters'][0]:.2f} M | {fine} |")
    print(f"| labels | | | | {100 * compute_fine_share(known):.2f} % |")
    draw_masks({"image": batch["image"][: given.shown], "label": labels, **shown}, labels == IGNORED, given.picture)


def draw_masks(columns: dict[str, Tensor], unknown: Tensor, path: Path) -> None:
    """A row for each image: the image, its label and the prediction of each way."""
    count = len(unknown)
    figure, axes = plt.subplots(count, len(columns), figsize=(2 * len(columns), 1.65 * count), squeeze=False)
    for place, (name, values) in enumerate(columns.items()):
        for row in range(count):
            axis, value = axes[row, place], values[row]
            if value.ndim == 3:
                axis.imshow(value.movedim(0, -1))
            else:
                known = value.float().masked_fill(unknown[row], torch.nan)  # drawn white
                axis.imshow(known, cmap="tab20", vmin=0, vmax=19, interpolation="nearest")
            axis.set_axis_off()
            axis.set_title(name if row == 0 else "", fontsize=9)
    figure.tight_layout(pad=0.3)
    figure.savefig(path, dpi=80)


if __name__ == "__main__":
    main()
