"""docs/extending.md, executed: its files are written, its commands are run, and their results are checked."""

import json
import re
import shlex
import shutil
import sys
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import pytest
import yaml

from candelabra.cli.main import main
from candelabra.data.readers.auto import detect_formats
from candelabra.errors import CandelabraError
from candelabra.plugins.discovery import activate_plugins, open_plugin
from tests.forked import run_forked

PAGE = Path(__file__).parents[2] / "docs" / "extending.md"
BLOCK = re.compile(r"```(python|yaml|console)\n(.*?)```", re.DOTALL)
LOG = "numbers.jsonl"


def write_package(folder: Path) -> list[str]:
    """Writes the files that the page shows into a folder, and returns its commands."""
    commands: list[str] = []
    for kind, text in BLOCK.findall(PAGE.read_text(encoding="utf-8")):
        if kind == "console":
            commands += [line.removeprefix("$ ") for line in text.splitlines()]
            continue
        name = text.partition("\n")[0].removeprefix("# ")
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return commands


def run(command: str, folder: Path, code: int = 0, **environment: str) -> str:
    """Runs a command of candelabra in a folder and returns what it printed."""
    words = [word for word in shlex.split(command) if word != "candelabra"]
    ran = run_forked(words, folder, environment)
    assert ran.returncode == code, f"{command}\n{ran.stdout}\n{ran.stderr}"
    assert "Traceback" not in ran.stderr
    return ran.stdout + ran.stderr


def run_here(command: str, folder: Path) -> str:
    """The same in this process, which has imported torch already."""
    printed = StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(printed):
        patch.chdir(folder)
        patch.setenv("CANDELABRA_ACTIVE_PLUGINS", "")  # changed by the command, and restored
        patch.setenv("HYDRA_FULL_ERROR", "1")  # likewise: other programs of Hydra would print tracebacks
        patch.setenv("COLUMNS", "140")
        patch.setattr(sys, "argv", shlex.split(command))
        main()
    return printed.getvalue()


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The folder in which the commands of the page ran, as `folder`, and what each of them printed."""
    folder = tmp_path_factory.mktemp("plugins")
    printed = {command: run_here(command, folder) for command in write_package(folder)}
    return {"folder": str(folder), **printed}


def test_the_page_runs_as_it_stands(trained: dict[str, str]) -> None:
    folder = Path(trained["folder"])
    overview, train_help, classes, backbones, *_ = [text for key, text in trained.items() if key != "folder"]
    assert "classes   the classes of a data set" in overview
    for option in ("two_convolutions", "later", "relative", "json_lines", "stripes"):
        assert option in train_help
    assert "classes: horizontal vertical" in classes
    assert "two_convolutions" in backbones
    assert (folder / "first" / LOG).read_text().count("val/label/loss") >= 1
    assert (folder / "trunk" / "model.safetensors").is_file()


def test_config_checkpoint_and_trunk_record_name_and_version(trained: dict[str, str]) -> None:
    import torch

    folder = Path(trained["folder"])
    record = {"name": "stripes", "version": "0.3", "path": "stripes"}
    assert yaml.safe_load((folder / "first" / "config.yaml").read_text())["plugins"] == [record]
    saved = torch.load(folder / "first" / "checkpoints" / "best.ckpt", weights_only=True)
    assert saved["candelabra"]["plugins"] == [record]
    told = json.loads((folder / "trunk" / "config.json").read_text())["candelabra"]
    assert told["plugins"] == [{"name": "stripes", "version": "0.3"}]
    assert str(folder) not in json.dumps(told)


def test_a_resumed_run_needs_no_other_word_and_a_missing_plugin_is_named(
    trained: dict[str, str], tmp_path: Path
) -> None:
    shutil.copytree(trained["folder"], tmp_path, dirs_exist_ok=True)
    (tmp_path / "first" / "results.json").unlink()
    run("train resume=first", tmp_path)
    assert (tmp_path / "first" / "results.json").is_file()
    (tmp_path / "stripes").rename(tmp_path / "elsewhere")
    for command in ("train resume=first", "eval checkpoint=first trainer=cpu"):
        said = run(command, tmp_path, code=2)
        assert "needs the plug-in stripes 0.3, which is not found; install it, or name its folder" in said
    (tmp_path / "moved").mkdir()
    (tmp_path / "elsewhere").rename(tmp_path / "moved" / "stripes")
    run("eval checkpoint=first trainer=cpu hydra.run.dir=again", tmp_path, CANDELABRA_PLUGINS="moved/stripes")
    results = [json.loads((tmp_path / name / "results.json").read_text()) for name in ("first", "again")]
    assert results[1] == {key: value for key, value in results[0].items() if key.startswith("test/")}


@pytest.mark.slow
def test_jobs_of_a_sweep_have_the_plugins(trained: dict[str, str]) -> None:
    folder = Path(trained["folder"])
    words = next(key for key in trained if " finetune=later" in key).removesuffix("epochs=2 hydra.run.dir=first")
    run(f"{words.replace('train', 'train -m', 1)} epochs=2 seed=0,1 hydra.sweep.dir=sweep", folder)
    for job in ("0", "1"):
        assert (folder / "sweep" / job / "results.json").is_file()
        assert yaml.safe_load((folder / "sweep" / job / "config.yaml").read_text())["plugins"][0]["name"] == "stripes"


def test_what_is_no_package_is_refused(tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    for word in (str(tmp_path / "plain"), "no_such_package_at_all"):
        with pytest.raises(CandelabraError, match="is not a plug-in; give the folder of a Python package"):
            open_plugin(word)


READER = """
from dataclasses import dataclass
from pathlib import Path

from candelabra.data.readers.reader import FormatMatch, Reader


@dataclass(frozen=True, kw_only=True)
class Marked(Reader):
    root: str

    @classmethod
    def looks_like(cls, root):
        return FormatMatch("marked", "marked.txt", cls(root=str(root))) if (root / "marked.txt").is_file() else None

    def read(self):
        raise NotImplementedError
"""


def test_auto_recognizes_the_format_of_a_plugin_that_is_active(tmp_path: Path) -> None:
    package = tmp_path / "marked_format"
    (package / "conf" / "data").mkdir(parents=True)
    (package / "__init__.py").write_text(READER)
    (package / "conf" / "data" / "marked.yaml").write_text("_target_: marked_format.Marked\nroot: ???\n")
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "marked.txt").touch()
    assert detect_formats(tmp_path / "images") == []
    activate_plugins([open_plugin(str(package))])
    assert [match.name for match in detect_formats(tmp_path / "images")] == ["marked"]
