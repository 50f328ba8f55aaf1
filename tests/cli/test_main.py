"""The command line as a user meets it: real processes."""

import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from candelabra.cli.help import COMMANDS
from candelabra.environment import __version__
from tests.forked import run_forked

HEAVY = ("http", "urllib.request", "torch", "lightning", "timm", "hydra", "numpy", "matplotlib", "pandas", "PIL")


def candelabra(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return run_forked(arguments, cwd, environment)


@pytest.mark.parametrize("arguments", [["--help"], *([command, "--help"] for command in COMMANDS)])
def test_help_shows_examples_and_loads_nothing_heavy(arguments: list[str], tmp_path: Path) -> None:
    code = (
        "import sys; from candelabra.cli.main import main; sys.argv = ['candelabra', *sys.argv[1:]]; main()\n"
        f"print('LOADED', [name for name in {HEAVY} if name in sys.modules])"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert "LOADED []" in run.stdout
    assert f"candelabra {arguments[0] if len(arguments) > 1 else '<command>'}" in run.stdout
    if len(arguments) > 1:
        assert "Examples" in run.stdout


@pytest.mark.parametrize("words", [[], ["train"], ["train", "data=folder"], ["check"]])
def test_the_version_is_that_of_candelabra(words: list[str], tmp_path: Path) -> None:
    assert candelabra(*words, "--version", cwd=tmp_path).stdout == f"candelabra {__version__}\n"


def test_train_help_lists_every_option(tmp_path: Path) -> None:
    text = candelabra("train", "--help", cwd=tmp_path).stdout
    for word in ("efficientnet_lite0", "resnext101_32x8d", "gradual", "wandb", "camvid", "patience", "val/score"):
        assert word in text


@pytest.mark.parametrize(
    ("words", "lines"),
    [
        (["data=folder"], ["data.root=??? # must be given", "data.size=224 # side of the images", "data.val=0.15"]),
        (["task=segmentation"], ["task.mask.class_weights=auto # balanced", "task.mask.decoder.interpolation=nearest"]),
        (["task=multitask", "optimizer=adamw"], ["task.heads.keypoints.coordinates.", "optimizer.weight_decay=0.01"]),
        (["finetune=probe"], ["epochs=100", "data.augment=none # the", "finetune.decays=[0.0"]),
        (["sweep=tpe"], ["sweep.sampler.seed=0", "sweep.trials=20 # of a study"]),
    ],
)
def test_help_of_an_option_lists_its_keys_and_loads_nothing_heavy(words: list[str], lines: list[str]) -> None:
    code = (
        "import sys; from candelabra.cli.main import main; main()\n"
        f"print('LOADED', [name for name in {HEAVY} if name in sys.modules])"
    )
    command = [sys.executable, "-c", code, "train", *words, "--help"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "LOADED []" in text
    assert "Examples" not in text
    for line in lines:
        assert f"\n  {line}" in text
    assert "_target_" not in text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["trian"], "allowed are train"),
        (["train", "backbone=resnet5O"], "resnet50"),
        (["train", "finetune.decya=0.5"], "decay"),
        (["train", "data=folder"], "data.root"),
        (["train", "data.workers=many"], "data.workers=many has the wrong type"),
        (["train", "data=folder", "data.root=nowhere"], "nowhere is not a folder"),
        (["plan", "data=folder", "backbone=test_resnet", "finetune=lp_ft", "epochs=1"], "set epochs=2 or more"),
        (["plan", "finetune=probe"], "finetune=probe has no plan"),
        (["plan", "epochs=10", "trainer.max_steps=15"], "trainer.max_steps=15: a plan is one of epochs"),
        (["plan", "epochs=10", "trainer.max_epochs=5"], "both say how long"),
        (["eval"], "Give either checkpoint=<run> or model=<exported file>"),
        (["predict", "checkpoint=x", "source=nothing-*"], "source=nothing-*"),
        (["compare"], "No run is given"),
        (["compare", "nowhere"], "nowhere does not exist"),
    ],
)
def test_what_cannot_be_used_exits_with_2_and_no_traceback(arguments: list[str], words: str, tmp_path: Path) -> None:
    run = candelabra(*arguments, cwd=tmp_path)
    assert run.returncode == 2, run.stderr
    assert words in run.stderr
    assert "Traceback" not in run.stderr
    assert len(run.stderr.strip().splitlines()) <= 8


def test_a_traceback_is_there_for_those_who_ask(tmp_path: Path) -> None:
    run = candelabra("train", "data=folder", "data.root=nowhere", cwd=tmp_path, CANDELABRA_TRACEBACK="1")
    assert "Traceback" in run.stderr
    assert run.returncode == 2


def test_cfg_job_prints_the_config(tmp_path: Path) -> None:
    run = candelabra("train", "task=segmentation", "--cfg", "job", cwd=tmp_path)
    assert run.returncode == 0
    assert "candelabra.tasks.Segmentation" in run.stdout


def test_completion_knows_groups_and_options(tmp_path: Path) -> None:
    run = candelabra("-sc", "query=bash", cwd=tmp_path, COMP_LINE="candelabra train backbone=resnet1", COMP_POINT="33")
    assert "backbone=resnet18" in run.stdout.split()
    assert "complete" in candelabra("train", "-sc", "install=bash", cwd=tmp_path).stdout


def test_a_whole_run_from_another_folder(tmp_path: Path) -> None:
    words = [
        "train",
        "trainer=smoke",
        "trainer.accelerator=cpu",
        "backbone=test_resnet",
        "backbone.weights=none",
        "data.count=60",
        "data.size=32",
        "data.batch_size=8",
    ]
    run = candelabra(*words, cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    assert "results of the best checkpoint" in run.stdout
    assert "epochs  train loss" in run.stdout
    assert "[INFO]" not in run.stdout + run.stderr
    assert "Tip" not in run.stdout + run.stderr
    folders = list((tmp_path / "runs").iterdir())
    assert len(folders) == 1
    assert (folders[0] / "results.json").is_file()
    assert (folders[0] / "tensorboard").is_dir()
    assert "[INFO] - backbone" in (folders[0] / "candelabra.log").read_text()


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    run = candelabra("train", "data.count=60", f"hydra.run.dir={tmp_path}/file/x", cwd=tmp_path)
    assert run.returncode == 2
    assert f"{tmp_path}/file/x cannot be used" in run.stderr
    assert "folder=<folder>" in run.stderr


def test_check_exits_with_1_where_something_is_odd(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(6):
            Image.effect_noise((40, 40), 90).save(tmp_path / "photos" / name / f"{number}.png")
    (tmp_path / "photos" / "dog" / "empty.jpg").touch()
    run = candelabra("check", "data=folder", "data.root=photos", "folder=checked", cwd=tmp_path)
    assert run.returncode == 1, run.stderr
    assert "odd: unreadable: 1 time, skipped (dog/empty.jpg: " in run.stdout
    assert {"check.html", "candelabra.log"} <= {path.name for path in (tmp_path / "checked").iterdir()}
    assert not (tmp_path / "runs").exists()


def test_help_may_be_read_in_part() -> None:
    command = f"{sys.executable} -m candelabra --help | true"
    assert subprocess.run(command, shell=True, capture_output=True, text=True, check=False).stderr == ""
