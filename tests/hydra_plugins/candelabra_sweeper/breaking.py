"""An optimizer that raises in the middle of training, on one rank of one trial."""

import os
from typing import Any

import torch

from hydra_plugins.candelabra_sweeper import read_job_context

TRIAL = 5


class Breaking(torch.optim.SGD):
    def step(self, *arguments: Any, **further: Any) -> Any:
        job = read_job_context()
        if job is not None and job.trial == TRIAL and os.environ.get("LOCAL_RANK", "0") == "0":
            raise RuntimeError("this trial raises")
        return super().step(*arguments, **further)
