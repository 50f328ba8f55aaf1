"""Training on a GPU: images a second of ResNet-50 at 224 pixels in bfloat16, against a compiled loop by hand.

Batches of drawn bytes lie ready in pinned memory, and every side copies them to the GPU itself. Running statistics are
trained. MFU is the share of the rate of a large bfloat16 matrix product, measured on the same GPU; peak memory is what
torch allocated. JPEG files lie in the system's memory. "Tuned" has cuDNN time its kernels (`+trainer.benchmark=true`).
--dry runs everything once on the CPU with a tiny network.
"""

import gc
import logging
import statistics
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path

import timm
import torch
from torch.utils.flop_counter import FlopCounterMode
from torchvision.io import decode_jpeg

from benchmarks.gpu_loops import CLASSES, DRY, Batches, Scale, Speed, by_candelabra, by_hand, wait
from benchmarks.loading import photographs
from benchmarks.reporting import parser, report
from candelabra.data import DataModule, Folder

HAND, OURS = "compiled by hand", "ours, compile=true"


def measure_matrix_product(device: str) -> float:
    """Operations a second of bfloat16 products of 8192 x 8192 matrices (of 256 x 256 on a CPU)."""
    side = 8192 if device == "cuda" else 256
    one, other = (torch.randn(side, side, device=device, dtype=torch.bfloat16) for _ in range(2))
    for _ in range(5):
        one @ other
    wait(device)
    begun = time.perf_counter()
    for _ in range(30):
        one @ other
    wait(device)
    return 30 * 2 * side**3 / (time.perf_counter() - begun)


def count_operations(scale: Scale) -> float:
    """Floating-point operations of a training step, for each image."""
    model = timm.create_model(scale.name, num_classes=CLASSES)
    with FlopCounterMode(display=False) as counter:
        model(torch.zeros(2, 3, scale.side, scale.side)).sum().backward()
    return float(counter.get_total_flops()) / 2


def measure(name: str, make: Callable[[], Speed], scale: Scale, peak: float, rows: dict[str, list[float]]) -> None:
    """Adds the rows of one side; one that fails is printed, and the others go on.

    Args:
        name: of the side.
        make: builds it.
        scale: how much is measured.
        peak: images a second at an MFU of 1; 0 where it is not told.
        rows: to which they are added.
    """
    begun = time.perf_counter()
    try:
        run = make()
        for tuned in (False, True):
            torch.cuda.reset_peak_memory_stats() if scale.device == "cuda" else None
            speeds = [run(tuned) for _ in range(scale.runs)]
            words = f"{name}{', tuned' if tuned else ''}"
            rows[f"{words}, images/s"] = speeds
            if peak:
                rows[f"{words}, MFU"] = [speed / peak for speed in speeds]
        if scale.device == "cuda":
            rows[f"{name}, peak GB"] = [torch.cuda.max_memory_allocated() / 1e9]
    except Exception:
        print(f"{name} failed:")
        traceback.print_exc()
    speeds = [round(speed) for key in rows if key.startswith(name) and "images/s" in key for speed in rows[key]]
    print(f"{name}: {speeds} images/s; {time.perf_counter() - begun:.0f} s in all", flush=True)
    torch._dynamo.reset()
    gc.collect()
    torch.cuda.empty_cache()


def load_files(scale: Scale, root: Path, workers: int) -> float:
    """Images a second from JPEG files to prepared batches on the device, at a number of workers."""
    data = DataModule(Folder(root=str(root)), size=scale.side, batch_size=scale.batch // 4, workers=workers)
    images, begun = 0, 0.0
    data.open()
    for number, batch in enumerate(data.train_dataloader()):
        images += len(batch["image"].to(scale.device, non_blocking=True))
        if number == 2 * workers:  # what workers have prepared before anybody took it is used up
            wait(scale.device)
            images, begun = 0, time.perf_counter()
    wait(scale.device)
    return images / (time.perf_counter() - begun)


def decode_on_gpu(root: Path, count: int) -> float:
    """Images a second of nvJPEG through torchvision, from bytes in memory to pixels of the original size."""
    files = sorted(root.rglob("*.jpg"))[:count]
    read = [torch.frombuffer(bytearray(path.read_bytes()), dtype=torch.uint8) for path in files]
    decode_jpeg(read[:8], device="cuda")
    wait("cuda")
    begun = time.perf_counter()
    for start in range(0, len(read), 64):
        decode_jpeg(read[start : start + 64], device="cuda")
    wait("cuda")
    return len(read) / (time.perf_counter() - begun)


def copy_files(root: Path, count: int) -> None:
    """Links each of a few photographs until there are so many."""
    first = sorted(root.rglob("*.jpg"))
    for number in range(count - len(first)):
        source = first[number % len(first)]
        source.with_name(f"{number}_{source.name}").hardlink_to(source)


def main() -> None:
    """One network with one head and with three, then the loading of files."""
    arguments = parser(__doc__)
    arguments.add_argument("--dry", action="store_true", help="once, tiny, on the CPU")
    arguments.add_argument("--sides", type=int, default=5, help="how many sides of one head")
    given = arguments.parse_args()
    scale = DRY if given.dry else Scale()
    for library in ("pytorch", "fabric"):
        logging.getLogger(f"lightning.{library}").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", "You defined a `validation_step`")
    rows: dict[str, list[float]] = {}
    rate = measure_matrix_product(scale.device)
    rows["bfloat16 matrix product, TFLOP/s"] = [rate / 1e12]
    peak, batches = rate / count_operations(scale), Batches(scale, ("label",))
    ours = partial(by_candelabra, scale, batches, ("label",))
    sides: dict[str, Callable[[], Speed]] = {
        HAND: partial(by_hand, scale, batches, True),
        OURS: partial(ours, "default"),
        "ours, eager": partial(ours, None),
        "ours, CUDA graphs": partial(ours, "reduce-overhead"),
        "eager by hand": partial(by_hand, scale, batches, False),
    }
    for name, make in list(sides.items())[: given.sides]:
        measure(name, make, scale, peak, rows)
    with tempfile.TemporaryDirectory() as folder:
        copy_files(photographs(Path(folder), (500, 375), min(256, scale.files), None), scale.files)
        for workers in scale.workers:
            rows[f"JPEG files, {workers} workers, images/s"] = [load_files(scale, Path(folder), workers)]
            print(f"JPEG files, {workers} workers: {rows[f'JPEG files, {workers} workers, images/s'][0]:.0f} images/s")
        if scale.device == "cuda":
            rows["JPEG bytes, nvJPEG, images/s"] = [decode_on_gpu(Path(folder), 2048)]
    heads = ("label", "box", "mask")
    joint = partial(by_candelabra, scale, Batches(scale, heads), heads)
    for name, mode in (("three heads, compile=true", "default"), ("three heads, eager", None)):
        measure(name, partial(joint, mode), scale, 0.0, rows)
    ratios = []
    for tuned in ("", ", tuned"):
        mine, other = (rows.get(f"{name}{tuned}, images/s", [0.0]) for name in (OURS, HAND))
        ratios.append(statistics.median(mine) / max(statistics.median(other), 1e-9))
        rows[f"ours / by hand, both compiled{tuned}"] = ratios[-1:]
    card = torch.cuda.get_device_name() if scale.device == "cuda" else "CPU"
    report(f"training on {card}, torch {torch.__version__}", rows, ("ratio", min(ratios)), given.json)


if __name__ == "__main__":
    main()
