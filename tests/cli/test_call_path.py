"""From the shell to a head's loss: six functions of candelabra."""

import sys
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from candelabra.cli.main import main
from candelabra.heads import Label
from tests.small_runs import TINY


def own_frames(frame: FrameType | None) -> list[tuple[str, str]]:
    """Module and function of each frame of candelabra, the outermost first."""
    found = []
    while frame is not None:
        module = str(frame.f_globals.get("__name__"))
        if module.partition(".")[0] == "candelabra":
            found.append((module, frame.f_code.co_name))
        frame = frame.f_back
    return found[::-1]


def test_six_functions_lie_between_the_shell_and_a_loss(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[list[tuple[str, str]]] = []
    loss = Label.loss

    def watched(self: Label, *arguments: Any) -> Any:
        if self.training:
            calls.append([*own_frames(sys._getframe(1)), ("candelabra.heads.label", "loss")])
        return loss(self, *arguments)

    monkeypatch.setattr(Label, "loss", watched)
    monkeypatch.chdir(tmp_path)
    small = ["task=classification", "data.count=20", "data.size=32", "epochs=1", "logger=none", "hydra.run.dir=run"]
    monkeypatch.setattr(sys, "argv", ["candelabra", "train", *TINY, *small])
    main()
    assert (tmp_path / "run" / "results.json").is_file()
    assert calls
    for path in calls:
        assert path == [
            ("candelabra.cli.main", "main"),
            ("candelabra.cli.compose", "run_composed"),
            ("candelabra.commands.train", "run_train"),
            ("candelabra.tasks.task", "training_step"),
            ("candelabra.tasks.masked_losses", "masked_losses"),
            ("candelabra.heads.label", "loss"),
        ]
