"""The pages of the documentation run from top to bottom on drawn data: commands with a tiny network, and snippets.

What a page trains is made small: a tiny backbone, one epoch, images of 32 pixels, where the page says nothing else.
"""

import re
import shlex
import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from candelabra import Model
from tests.docs.pages import Block, list_blocks
from tests.docs.test_commands import find_words
from tests.docs.workshop import draw_workshop, train_runs
from tests.forked import run_forked

COMPOSED_ONLY = {  # tests/docs/test_commands.py checks the options of these
    r"trainer=(ddp|torchrun|slurm|fsdp)": "several processes: tests/distributed and tests/training",
    r"hydra/launcher=": "tests/hydra_plugins",
    r"candelabra lr ": "needs a network that learns from the data: tests/training",
    r"sweep=|sweep\.|train -m|sweep (status|best|retry)": "many runs: tests/hydra_plugins and tests/sweeps",
    r"trunk (push|pull)": "needs the hub: tests/backbones/export",
    r"\bserve\b": "runs until it is stopped: tests/serving",
    r"mlflow|wandb|logger=tensorboard": "slow trackers: tests/loggers",
    r"backbone=(inception_v3|googlenet_auxiliary)": "large networks: tests/heads",
    r"candelabra backbones$|backbones 'resnet|backbones 'vgg": "many large networks: tests/commands",
    r"backbones show resnet50": "effective fields of a large network: tests/commands",
    r"\bexport checkpoint|model=exported": "a gate of many pictures: tests/export and tests/runtime",
    r"explain (maximise|fool|measure|maps)": "many passes: tests/explain",
    r"upsampling_unet|data.download": "tests/heads, tests/data",
}
SMALL = {
    "backbone": "test_resnet",
    "backbone.weights": "none",
    "epochs": "1",
    "data.size": "32",
    "data.batch_size": "8",
    "data.workers": "0",
    "trainer": "cpu",
    "trainer.precision": "32-true",
    "trainer.enable_progress_bar": "false",
    "logger": "csv",
}
ELSEWHERE = {  # pages of which no command is run here
    "docs/extending.md": "tests/cli/test_plugins.py",
    "docs/index.md": "the commands of README.md",
    "docs/install.md": "packages and containers",
    "docs/scale.md": "several processes: tests/distributed",
    "docs/sweeps.md": "many runs: tests/hydra_plugins",
    "docs/upsampling.md": "tests/heads/test_upsampling.py",
    "CONTRIBUTING.md": "targets of the Makefile",
}
WITH_CODE = {
    block.page
    for block in list_blocks("console", "python")
    if not block.page.startswith(("docs/notebooks/", "docs/zoo/"))  # test_notebooks.py, test_zoo.py
}
PAGES = sorted(WITH_CODE - {*ELSEWHERE})
SNIPPETS_ELSEWHERE = {  # beginnings of snippets
    "from candelabra.runtime import Model": "needs the exported file: tests/runtime",
    "from candelabra.explain import explain_module": "a module of the reader's own: tests/explain",
}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("workshop")
    draw_workshop(root)
    train_runs(root)
    return root


@pytest.fixture
def workshop(drawn: Path, tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "workshop"
    shutil.copytree(drawn, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield folder


def shrink(line: str, folder: Path) -> list[str]:
    """The words of a command with what makes it small."""
    command, *words = find_words(line)
    typed = {word.partition("=")[0] for word in words}
    added: dict[str, str] = {}
    if command == "train" and "resume" not in typed:
        added = dict(SMALL)
        if "finetune=frozen" not in words and "finetune=probe" not in words:
            added["finetune"] = "full"
        if not {"data", "data.root"} & typed:
            added["data.count"] = "60"
    elif command == "embed" and "run" not in typed:
        added = {"backbone": "test_resnet", "backbone.weights": "none", "size": "32"}
    elif command == "probe":
        added = {"backbone": "test_resnet", "backbone.weights": "none", "data.size": "32", "classifiers": "fast"}
    elif command == "explain" and "backbone" in typed:
        added = {"weights": "none"}
    elif command == "plan":
        added = {"backbone": "test_resnet"}
    place = next((word.partition("=")[2] for word in words if word.startswith("folder=")), None)
    if command == "train" and place and (folder / place).exists():
        added["overwrite"] = "true"
    return [command, *words, *(f"{key}={value}" for key, value in added.items() if key not in typed)]


def run_block(block: Block, folder: Path, names: dict[str, object]) -> None:
    if block.language == "python":
        if not block.text.startswith(tuple(SNIPPETS_ELSEWHERE)):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # as a reader's Python shows them; they do not fail
                text = block.text.replace("max_epochs=5", "max_epochs=1").replace("size=224", "size=64")
                exec(compile(text, str(block), "exec"), names)
        return
    for line in block.commands:
        if shlex.split(line)[0] == "candelabra" and not any(re.search(each, line) for each in COMPOSED_ONLY):
            ran = run_forked(shrink(line, folder), folder)
            allowed = (0, 1) if " check " in line else (0,)  # check says by 1 that something is odd
            assert ran.returncode in allowed, f"{block}: {line}\n{ran.stdout[-2000:]}\n{ran.stderr[-2000:]}"


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_a_page_runs(page: str, workshop: Path) -> None:
    blocks = [block for block in list_blocks("console", "python") if block.page == page and not block.reason]
    assert blocks
    images = np.zeros((8, 32, 32, 3), dtype=np.uint8)
    images[::2] += 200
    tensors = page == "docs/backbones.md"  # its images are a batch for a module, those of others are for people
    names: dict[str, object] = {"Model": Model, "labels": [0, 1] * 4}
    names["images"] = torch.from_numpy(images).permute(0, 3, 1, 2) if tensors else images
    for block in blocks:
        run_block(block, workshop, names)


def test_every_reason_concerns_a_command_or_snippet() -> None:
    lines = [line for block in list_blocks("console") for line in block.commands]
    for pattern in COMPOSED_ONLY:
        assert any(re.search(pattern, line) for line in lines), pattern
    snippets = [block.text for block in list_blocks("python")]
    assert all(any(text.startswith(each) for text in snippets) for each in SNIPPETS_ELSEWHERE)


def test_pages_that_are_run_elsewhere_have_commands() -> None:
    assert {*ELSEWHERE} <= WITH_CODE
