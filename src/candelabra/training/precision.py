"""`trainer.precision=auto` on a CPU: a few steps of the task itself in each precision."""

from collections.abc import Callable

from lightning.pytorch.utilities.seed import isolate_rng

from candelabra.config.build import PlainConfig
from candelabra.config.precision import choose_precision
from candelabra.data.loading.sample_datamodule import SampleDataModule
from candelabra.tasks.task import Task
from candelabra.training.trial_steps import build_trial_task, make_trial_batches
from candelabra.types import Sample


def choose_training_precision(plain: PlainConfig, data: SampleDataModule) -> str:
    """The faster of 32-true and bf16-mixed for training steps of this config; leaves the random state as it was."""
    about = [plain["backbone"], plain["task"], plain["finetune"], plain["data"].get("size")]
    with isolate_rng():
        return choose_precision(
            lambda: make_trial_step(build_trial_task(plain, data), make_trial_batches(data)),
            data.batch_size,
            "train",
            *about,
        )


def make_trial_step(task: Task, make_batch: Callable[[int], Sample]) -> Callable[[int], None]:
    """Returns a function that makes a forward and a backward pass of a number of images; see `make_trial_batches`."""

    def step(images: int) -> None:
        batch = task.on_before_batch_transfer(make_batch(images), 0)
        loss = task.training_step(batch, 0)
        if loss.requires_grad:
            loss.backward()

    return step
