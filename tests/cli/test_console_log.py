"""Lines of the log on the console."""

import logging
import sys

import pytest
from tqdm import tqdm

from candelabra.cli.console_log import ConsoleHandler


def log_lines(handler: logging.Handler) -> None:
    for level, words in ((logging.INFO, "plain %d"), (logging.WARNING, "odd %d")):
        handler.handle(logging.LogRecord("candelabra.x", level, "x.py", 1, words, (3,), None))


def test_lines_have_no_prefix_and_warnings_say_so(capsys: pytest.CaptureFixture[str]) -> None:
    log_lines(ConsoleHandler(sys.stdout))
    assert capsys.readouterr().out == "plain 3\nwarning: odd 3\n"


def test_a_line_does_not_break_the_progress_bar(capsys: pytest.CaptureFixture[str]) -> None:
    with tqdm(total=4, file=sys.stdout, ncols=40, mininterval=0) as bar:
        bar.update(2)
        log_lines(ConsoleHandler(sys.stdout))
    lines = capsys.readouterr().out.split("\n")
    assert [line.rpartition("\r")[2] for line in lines[:2]] == ["plain 3", "warning: odd 3"]
