"""Every command of the documentation, in blocks and in sentences, is one that candelabra takes.

docs/extending.md has tests of its own.
"""

import re
import shlex
import tomllib
from collections.abc import Sequence

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override
from omegaconf import OmegaConf

from candelabra.cli.command_words import UNCOMPOSED_COMMANDS
from candelabra.cli.compose import expand_overrides
from candelabra.cli.help import COMMANDS, CONFIG_NAMES
from candelabra.cli.key_hints import check_bare_words
from candelabra.cli.overrides import is_sweep
from candelabra.cli.typed_words import normalize_words
from candelabra.config.build import check_config
from candelabra.config.data_rules import drop_open_options
from candelabra.config.recipes import add_typed_marks
from tests.compositions import compose_config
from tests.docs.pages import PAGES, ROOT, Block, list_blocks

BLOCKS = [block for block in list_blocks("console", "bash") if block.page != "docs/extending.md"]
COMMAND_LINES = sorted({line for block in BLOCKS if not block.reason for line in block.commands})
INLINE = sorted(
    {
        " ".join(found.split())
        for page in PAGES
        if page.name not in ("CHANGELOG.md", "extending.md")
        for found in re.findall(r"(?<!`)`(candelabra [a-z]+ [^`]+)`(?!`)", page.read_text(encoding="utf-8"))
        if not re.search(r"<|\.\.\.|\||--help", found)
    }
)
COMMAND_LINES = sorted({*COMMAND_LINES, *INLINE})
OURS = [line for line in COMMAND_LINES if "candelabra" in shlex.split(line)[:3] or "candelabra.cli.main" in line]
STARTERS = ("python -m", "srun", "torchrun")


def find_words(line: str) -> list[str]:
    """What stands behind the program: a command of candelabra and its words."""
    words = shlex.split(line)
    place = next(index for index, word in enumerate(words) if word in ("candelabra", "candelabra.cli.main"))
    return words[place + 1 :]


def choose_first(word: str) -> str:
    """An override of a sweep with the first of its values."""
    override: Override = OverridesParser.create().parse_override(word)
    if not override.is_sweep_override():
        return word
    value = override.value()
    first = value.start if isinstance(value, IntervalSweep) else next(override.sweep_string_iterator())
    return f"{word.partition('=')[0]}={first}"


def check_words(command: str, words: Sequence[str]) -> None:
    """Composes the config of a command and checks the type of each option; reads neither data nor weights."""
    check_bare_words(command, words)
    swept = is_sweep(words)
    # A recorded run would be read, and its words repeated.
    typed = [word for word in normalize_words(words, multirun=swept) if not word.startswith("resume=")]
    typed = [word for word in expand_overrides(command, typed) if word != "-m"]
    typed = ["lr=0.1" if word == "lr=auto" else word for word in typed]  # a range test finds it
    typed = [choose_first(word) for word in typed if not word.startswith("hydra/launcher=") and "hydra." not in word]
    config = compose_config(CONFIG_NAMES.get(command, command), [*typed, "folder=x"])
    missing = {key for key in OmegaConf.missing_keys(config) if command != "plan" or not key.startswith("data.")}
    assert not missing
    plain = OmegaConf.to_container(config, resolve=True)
    assert isinstance(plain, dict)
    if "trainer" in plain:
        plain["trainer"]["precision"] = "32-true"  # auto is chosen by the device
    check_config(add_typed_marks(drop_open_options(plain)))  # type: ignore[arg-type]


@pytest.mark.parametrize("line", [line for line in OURS if find_words(line)[0] not in UNCOMPOSED_COMMANDS])
def test_a_composed_command_has_options_that_exist_and_fit(line: str) -> None:
    command, *words = find_words(line)
    if not command.startswith("-"):
        assert command in COMMANDS
        check_words(command, words)


@pytest.mark.parametrize("line", [line for line in OURS if find_words(line)[0] in UNCOMPOSED_COMMANDS])
def test_keys_of_other_commands_are_those_of_their_help(line: str) -> None:
    command, *words = find_words(line)
    known = set(re.findall(r"\b(\w+)=", UNCOMPOSED_COMMANDS[command]))
    assert {word.partition("=")[0] for word in words if "=" in word} <= known


def test_other_programs_are_those_of_the_project() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    for line in set(COMMAND_LINES) - set(OURS):
        program, *words = shlex.split(line)
        if program == "make":
            assert {word for word in words if "=" not in word} <= {*targets}, line
        elif program == "pip":
            assert set(re.findall(r"\w+", line.partition("[")[2].partition("]")[0])) <= {*extras}, line
        else:
            assert line in ("source .venv/bin/activate", "pytest --pyargs candelabra.contracts"), line


def test_blocks_that_are_not_run_are_few_and_say_why() -> None:
    marked: list[Block] = [block for block in list_blocks("console", "bash", "python") if block.reason]
    assert len(marked) == 3, [str(block) for block in marked]
    assert all(len(block.reason.split()) >= 3 for block in marked)


def test_typed_lines_stand_in_console_blocks_alone() -> None:
    languages = {"console", "python", "yaml", "json", "text", "bash"}
    for page in PAGES:
        fences = re.findall(r"^```(\w*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
        assert {word for word in fences if word} <= languages, page
