"""A training that signals itself in a step, as a module to run; see `in_a_process`."""

import json
import multiprocessing
import os
import sys
import time
from typing import Any

import lightning as L
import torch
from matplotlib.figure import Figure

from candelabra.cli.exit_codes import EXIT_INTERRUPTED
from candelabra.commands.train import run_train
from candelabra.errors import Interrupted
from candelabra.training.checkpointing import StepSeeding
from tests.small_runs import composed, save_blank


def main(settings: dict[str, Any], words: list[str]) -> None:
    """Trains.

    Args:
        settings: number of the signal, the step, how many times, `late` for the end of the step, `everyone` for the
            workers as well.
        words: of the run.
    """
    torch.set_num_threads(1)
    Figure.savefig = save_blank  # type: ignore[assignment, method-assign]
    hook = "on_train_batch_end" if settings["late"] else "on_train_batch_start"
    proceed = getattr(StepSeeding, hook)

    def signal_itself(self: StepSeeding, trainer: L.Trainer, *rest: object) -> None:
        if trainer.fit_loop.total_batch_idx == settings["step"]:
            if settings["everyone"]:  # as a scheduler does, and `timeout`
                for child in multiprocessing.active_children():
                    os.kill(child.pid, settings["number"])  # type: ignore[arg-type]
                time.sleep(0.5)
            for _ in range(settings["times"]):
                os.kill(os.getpid(), settings["number"])
        proceed(self, trainer, *rest)

    setattr(StepSeeding, hook, signal_itself)
    try:
        run_train(composed("train", *words))
    except Interrupted as error:
        print(error)
        sys.exit(EXIT_INTERRUPTED)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]), sys.argv[2:])
