"""What trackers wrote, read back by the means of those who show it."""

import csv
import json
from pathlib import Path
from typing import Any

Numbers = list[tuple[str, int, float]]  # metric, step, value; sorted


def of_csv(run: Path) -> Numbers:
    with (run / "metrics.csv").open(newline="") as file:
        rows = [{key: value for key, value in row.items() if value} for row in csv.DictReader(file)]
    return sorted((key, int(row["step"]), float(value)) for row in rows for key, value in row.items() if key != "step")


def of_tensorboard(run: Path) -> tuple[Numbers, Any]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(
        str(run / "tensorboard"), size_guidance=dict.fromkeys(("scalars", "images", "tensors"), 0)
    )
    events.Reload()
    return sorted((tag, e.step, e.value) for tag in events.Tags()["scalars"] for e in events.Scalars(tag)), events


def of_wandb(file: Path) -> tuple[Numbers, list[Any]]:
    """Numbers of the history, and all records, of a `.wandb` file: a log of leveldb's format with protobuf records."""
    import wandb
    from wandb.proto.wandb_internal_pb2 import Record  # type: ignore[attr-defined]

    wandb.teardown()  # `finish` only asks its process to close the file and does not wait; this waits
    data, records, part, place = file.read_bytes(), [], b"", 7
    while place + 7 <= len(data):
        left = 32768 - place % 32768
        if left < 7:
            place += left
            continue
        length, kind = int.from_bytes(data[place + 4 : place + 6], "little"), data[place + 6]
        part += data[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # a whole one, or the last of several
            records.append(Record.FromString(part))
            part = b""
    numbers: Numbers = []
    for record in records:
        row = {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in record.history.item}
        step = row.pop("trainer/global_step", None)
        numbers += [(k, step, v) for k, v in row.items() if isinstance(v, int | float) and not k.startswith("_")]
    return sorted(numbers), records


def of_mlflow(run: Path, folder: Path) -> tuple[Numbers, Any, Any]:
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{folder / 'mlflow.db'}")
    found = client.get_run((run / "mlflow.id").read_text().strip())
    histories = [client.get_metric_history(found.info.run_id, key) for key in found.data.metrics]
    return sorted((m.key, m.step, m.value) for history in histories for m in history), found, client
