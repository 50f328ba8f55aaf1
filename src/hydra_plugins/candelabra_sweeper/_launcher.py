"""Runs each job in a process of its own, as if it had been started from the command line."""

import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import final

from hydra.core.override_parser.types import Quote, QuotedString
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from ._devices import divide_devices
from ._folders import job_folder
from ._process import JobProcess
from ._returned import RETURNED, JobOutcome, read_outcome

LOG = "log.txt"  # in the job's folder: what it said
_OF_THE_SWEEP: tuple[str, ...] = (
    "hydra/sweeper",
    "hydra/launcher",
    "hydra.sweeper",
    "hydra.launcher",
    "hydra.sweep.",
    "hydra.mode",
)
_OF_THE_SWEEP += ("hydra.run.dir",)


@final
class ProcessLauncher(Launcher):
    """Starts each job in a process of its own, several at once.

    Args:
        workers: jobs at once, which share devices and processors.
        program: what this Python is given before a job's words; null is what was given to this process.
        again: words that are added where a job goes on in its folder, `{folder}`.
        begun: the file in its folder that tells that there is something to go on with; null always tells so.
    """

    def __init__(self, workers: int, program: Sequence[str] | None, again: Sequence[str], begun: str | None) -> None:
        self.workers, self.again, self.begun = workers, again, begun
        self.program = [sys.executable, *(current_program() if program is None else map(str, program))]
        self.config: DictConfig | None = None
        self.hydra_context: HydraContext | None = None

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.hydra_context, self.config = hydra_context, config

    def start(self, words: Sequence[str], folder: Path, returned: Path, environment: Mapping[str, str]) -> JobProcess:
        """Starts a job, or goes on with it where its folder holds a beginning of it.

        Args:
            words: of the job.
            folder: its own.
            returned: a file, for what the task function returns.
            environment: further variables.
        """
        more = resume_overrides(folder, self.again, self.begun)
        returned.parent.mkdir(parents=True, exist_ok=True)
        returned.unlink(missing_ok=True)
        command = [*self.program, *self._hydra_words(), *words, *more, f"hydra.run.dir={quote_override(str(folder))}"]
        callback = (
            "+hydra.callbacks.candelabra_sweeper._target_=hydra_plugins.candelabra_sweeper._returned.WriteReturned"
        )
        variables = {**environment, RETURNED: str(returned.resolve())}
        return JobProcess([*command, callback, "hydra.mode=RUN"], variables, folder / LOG)

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """What Hydra's own sweepers and others call: all of these jobs, `workers` at once."""
        assert self.config is not None
        assert self.hydra_context is not None
        waiting = list(enumerate(job_overrides))
        free = divide_devices(self.workers, os.environ)
        running: list[tuple[int, JobProcess, Path, dict[str, str]]] = []
        found: dict[int, JobReturn] = {}
        while waiting or running:
            while waiting and free:
                index, words = waiting.pop(0)
                folder = job_folder(self.config, self.hydra_context, words, initial_job_idx + index)
                share = free.pop(0)
                returned = folder / ".returned"
                running.append((index, self.start(words, folder, returned, share), returned, share))
            for each in list(running):
                index, process, returned, share = each
                code = process.ended()
                if code is not None:
                    running.remove(each)
                    free.append(share)
                    found[index] = _job_return(code, returned, job_overrides[index])
            time.sleep(0.02)
        return [found[index] for index in range(len(job_overrides))]

    def _hydra_words(self) -> list[str]:
        """What was typed of Hydra itself, without what tells of the sweep."""
        assert self.config is not None
        words: list[str] = OmegaConf.to_container(self.config.hydra.overrides.hydra)  # type: ignore[assignment]
        kept = [word for word in words if not word.lstrip("+~").startswith(_OF_THE_SWEEP)]
        return hydra_flags() + kept


def resume_overrides(folder: Path, again: Sequence[str], begun: str | None) -> list[str]:
    """Words that are added where a job goes on in its folder; see `ProcessLauncher`."""
    goes_on = folder.is_dir() and (begun is None or (folder / begun).exists())
    return [word.format(folder=quote_override(str(folder))) for word in again] if goes_on else []


def hydra_flags() -> list[str]:
    """What was typed of where the config is, as `--config-name=...`."""
    from hydra._internal.utils import get_args_parser

    typed, _ = get_args_parser().parse_known_args(sys.argv[1:])
    places = {
        "--config-name": typed.config_name,
        "--config-path": typed.config_path,
        "--config-dir": typed.config_dir,
    }
    return [f"{flag}={value}" for flag, value in places.items() if value]


def quote_override(text: str) -> str:
    """For Hydra's grammar."""
    return QuotedString(text, Quote.single).with_quotes()


def current_program() -> list[str]:
    """What Python was given, without the words: a script, or -m and a module."""
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    return ["-m", spec.name.removesuffix(".__main__")] if spec is not None else [sys.argv[0]]


def _job_return(code: int, returned: Path, words: Sequence[str]) -> JobReturn:
    content = json.loads(returned.read_text(encoding="utf-8")) if returned.is_file() else {}
    if code == 0:
        return JobReturn(overrides=words, status=JobStatus.COMPLETED, _return_value=content.get("value"))
    ended: JobOutcome = read_outcome(code, returned, returned.with_name(LOG), [], needed=False)
    error = RuntimeError(ended.error or f"exit code {code}")
    return JobReturn(overrides=words, status=JobStatus.FAILED, _return_value=error)
