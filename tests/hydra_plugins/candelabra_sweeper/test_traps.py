"""What goes wrong with Hydra's and Optuna's own sweepers and several processes (R3, R4, R5, R19), done our way."""

import re
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from hydra_plugins.candelabra_sweeper.jobs import State, read_jobs

APP = """
import os, sys
import hydra, torch
import lightning as L
from lightning.pytorch.demos.boring_classes import BoringModel
from hydra_plugins.candelabra_sweeper import read_job_context

class Model(BoringModel):
    def __init__(self, lr):
        super().__init__()
        self.lr = lr
    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=self.lr)
    def training_step(self, batch, index):
        if read_job_context() is not None and read_job_context().trial == 5 and self.global_rank == 0:
            raise RuntimeError("this trial raises")
        return super().training_step(batch, index)

@hydra.main(version_base="1.3", config_path=None)
def main(config):
    L.seed_everything(0, verbose=False)
    lr = float(config.get("lr", 0.1))
    print(f"BEGIN rank={os.environ.get('LOCAL_RANK', '0')}", flush=True)
    trainer = L.Trainer(accelerator="cpu", devices=int(config.get("devices", 2)), strategy="ddp", max_epochs=1,
        limit_train_batches=2, limit_val_batches=0, logger=False, enable_progress_bar=False,
        enable_model_summary=False, enable_checkpointing=False)
    model = Model(lr)
    trainer.fit(model)
    total = float(model.layer.weight.abs().sum())
    print(f"END rank={trainer.global_rank} world={trainer.world_size} lr={lr} sum={total}", flush=True)
    return total

if __name__ == "__main__":
    main()
"""


def swept(folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    (folder / "app.py").write_text(APP)
    command = [sys.executable, "-W", "ignore", "app.py", "-m", "hydra/sweeper=candelabra", "hydra.sweep.dir=sweep"]
    return subprocess.run([*command, *words], cwd=folder, capture_output=True, text=True, timeout=500, check=False)


def ends(folder: Path, job: int) -> list[tuple[str, ...]]:
    """rank, world, lr and sum of weights of each process of a job."""
    log = (folder / "sweep" / str(job) / "log.txt").read_text()
    return sorted(re.findall(r"END rank=(\d) world=(\d) lr=(\S+) sum=(\S+)", log))


@pytest.mark.slow
def test_all_ranks_of_a_trial_have_its_parameters_and_nothing_leaks_into_the_next(tmp_path: Path) -> None:
    """R3: a child drew parameters of its own. R4: a child launched the whole sweep again, and lived on."""
    study = ("+lr=tag(log,interval(1e-3,1e-1))", "hydra/sweeper/sampler=random", "hydra.sweeper.trials=2")
    run = swept(tmp_path, *study)
    assert run.returncode == 0, run.stdout + run.stderr
    jobs = read_jobs(tmp_path / "sweep")
    assert len(jobs) == 2
    for job in jobs:
        (rank, world, lr, total), (other, also, same, equal) = ends(tmp_path, job.number)
        assert (rank, other, world, also) == ("0", "1", "2", "2")
        assert (lr, total) == (same, equal)
        assert float(lr) == float(job.words[0].partition("=")[2])
        assert job.values == {"value": float(total)}
    assert {path.name for path in tmp_path.iterdir()} == {"app.py", "sweep"}  # no second tree
    places = []
    for path in Path("/proc").glob("[0-9]*/cwd"):
        with suppress(OSError):
            places.append(path.readlink())
    assert tmp_path not in places  # nothing lives on


@pytest.mark.slow
def test_the_number_of_devices_can_be_swept(tmp_path: Path) -> None:
    """R5: the second job failed."""
    run = swept(tmp_path, "+devices=2,1", "hydra.sweeper.workers=2")
    assert run.returncode == 0, run.stdout + run.stderr
    assert [[end[1] for end in ends(tmp_path, job)] for job in range(2)] == [["2", "2"], ["1"]]
    assert [job.state for job in read_jobs(tmp_path / "sweep")] == [State.FINISHED] * 2


def test_sweeps_that_begin_at_once_never_share_a_folder() -> None:
    """R19: folders were named by the second."""
    from hydra import compose, initialize_config_dir

    from candelabra.environment import CONFIG_FOLDER

    found = set()
    for _ in range(3):
        with initialize_config_dir(str(CONFIG_FOLDER), version_base="1.3"):
            config = compose("train", return_hydra_config=True)
            found.add((config.hydra.sweep.dir, config.hydra.run.dir))
    assert len(found) == 3
