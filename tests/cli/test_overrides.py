"""What is typed, before Hydra composes it."""

from pathlib import Path

from candelabra.cli.compose import expand_overrides
from candelabra.cli.overrides import add_resumed_overrides


def test_a_run_that_goes_on_keeps_words_together_whatever_flags_stand_around_them(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("words: [task=depth, lr=0.1, hydra.run.dir=x]\n")
    given, where = f"resume={tmp_path}", f"hydra.run.dir='{tmp_path}'"
    flags = ["--config-dir", "conf", "--info"]
    typed = [*flags[:2], "lr=0.2", given, "epochs=3", flags[2]]
    kept = [*flags[:2], "task=depth", "lr=0.2", given, where, "epochs=3", flags[2]]
    assert add_resumed_overrides(typed) == kept
    assert add_resumed_overrides([given]) == ["task=depth", "lr=0.1", given, where]


def test_folder_is_where_hydra_writes_too_but_not_into_data_that_are_converted() -> None:
    assert expand_overrides("predict", ["source=x", "folder=out"]) == ["source=x", "hydra.run.dir=out"]
    assert expand_overrides("train", ["-m", "lr=1,2", "folder=out"]) == ["-m", "lr=1,2", "hydra.sweep.dir=out"]
    assert expand_overrides("convert", ["to=table", "folder=out"]) == ["to=table", "folder=out"]
