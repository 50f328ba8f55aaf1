"""Rendered scenes with a class, a mask and the true distance: a disk or a square before a wall, darker the farther."""

from pathlib import Path

import numpy as np
from PIL import Image


def write_distance_scenes(folder: Path, count: int, side: int = 64, seed: int = 0) -> None:
    """Writes table.csv with the columns image, label, mask and distance; a fifth of the cells of distance is empty."""
    rng = np.random.default_rng(seed)
    for part in ("images", "masks", "distances"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    rows = ["image,label,mask,distance"]
    y, x = np.mgrid[:side, :side]
    for number in range(count):
        wall, thing = rng.uniform(3, 12), rng.uniform(1, 2.5)
        round_ = bool(number % 2)
        radius = side * 0.35 / thing
        cx, cy = rng.uniform(radius, side - radius, 2)
        dx, dy = abs(x - cx), abs(y - cy)
        mask = (dx**2 + dy**2 < radius**2) if round_ else (np.maximum(dx, dy) < radius)
        distance = np.where(mask, thing, wall + 0.5 * x / side)
        light = (420 / (1 + distance))[..., None] * np.where(mask[..., None], (1, 0.6, 0.4), (0.6, 0.8, 1))
        pixels = np.clip(light + rng.normal(0, 6, light.shape), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / "images" / f"{number}.png")
        Image.fromarray(mask.astype(np.uint8)).save(folder / "masks" / f"{number}.png")
        Image.fromarray((distance * 1000).round().astype(np.uint16)).save(folder / "distances" / f"{number}.png")
        distance_cell = "" if number % 5 == 4 else f"distances/{number}.png"
        rows.append(f"images/{number}.png,{'disk' if round_ else 'square'},masks/{number}.png,{distance_cell}")
    (folder / "table.csv").write_text("\n".join(rows) + "\n")
