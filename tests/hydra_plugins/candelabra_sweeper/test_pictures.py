"""Pictures of a sweep, and what mattered in it."""

import math
import random
from pathlib import Path

import pytest
from PIL import Image

from candelabra.sweeps.folder import open_sweep
from hydra_plugins.candelabra_sweeper.jobs import Job, State
from hydra_plugins.candelabra_sweeper.results import UnknownImportance, compute_importances, draw_figure
from tests.hydra_plugins.candelabra_sweeper.made import finished, made

pytestmark = pytest.mark.figures
SOUGHT = {"score": "maximize", "seconds": "minimize"}


def studied(folder: Path, jobs: int = 40) -> Path:
    """The rate alone moves the score, and the network most of the seconds."""
    chance = random.Random(0)
    found = []
    for number in range(jobs):
        rate, decay, net = 10 ** chance.uniform(-4, -1), chance.random(), chance.choice(["small", "large"])
        seconds = {"small": 1.0, "large": 5.0}[net] + decay
        words = ["task=x", f"lr={rate}", f"decay={decay}", f"net={net}"]
        found.append(finished(number, words, -((math.log10(rate) + 2) ** 2), seconds, objectives=SOUGHT))
    return made(folder, found, SOUGHT)


def test_what_moves_an_objective_is_important_for_it(tmp_path: Path) -> None:
    found = compute_importances(open_sweep(studied(tmp_path / "sweep")))
    assert list(found) == list(SOUGHT)
    assert found["score"]["lr"] > 0.8
    assert found["seconds"]["net"] > 0.8
    for shares in found.values():
        assert set(shares) == {"lr", "decay", "net"}  # no word that is the same in all
        assert sum(shares.values()) == pytest.approx(1)


def test_every_picture_is_drawn_and_of_a_sensible_size(tmp_path: Path) -> None:
    folder = studied(tmp_path / "sweep")
    written, missing = draw_figure(open_sweep(folder))
    assert [path.name for path in written] == ["history.png", "importance.png", "pareto.png"]
    assert missing == []
    for path in written:
        with Image.open(path) as image:
            assert 400 < image.width < 1200
            assert 150 < image.height < 1200


@pytest.mark.parametrize(
    ("jobs", "sentence"),
    [
        ([finished(n, [f"lr={n}"], n) for n in range(4)], "4 jobs have results, and importance is told from 5"),
        ([finished(n, ["lr=1"], n) for n in range(6)], "the finished jobs differ in no parameter"),
        ([finished(n, [f"lr={n}"], 1.0) for n in range(6)], "the finished jobs have equal results, or infinite ones"),
    ],
)
def test_importance_that_cannot_be_told_is_said_in_a_sentence(tmp_path: Path, jobs: list[Job], sentence: str) -> None:
    found = open_sweep(made(tmp_path / "sweep", jobs))
    with pytest.raises(UnknownImportance, match=sentence):
        compute_importances(found)
    written, missing = draw_figure(found)
    assert [path.name for path in written] == ["history.png"]
    assert missing == [f"No importance.png: {sentence}."]


def test_a_sweep_of_failures_has_no_pictures(tmp_path: Path) -> None:
    failed = [Job(n, [f"lr={n}"], str(n), State.FAILED, error="no") for n in range(3)]
    assert draw_figure(open_sweep(made(tmp_path / "sweep", failed))) == (
        [],
        ["No pictures of the sweep: they need 2 jobs with results."],
    )


def test_odd_words_and_values_are_drawn_all_the_same(tmp_path: Path) -> None:
    words = [
        ["lr=1"],
        ["lr=nan"],
        ["lr=1.0", "head@task.label=x"],
        ["lr=[1,2]"],
        ["~task.mask"],
        ["lr='a=b'"],
        ["lr=1e3"],
    ]
    jobs = [finished(n, each, [0.1, math.inf, 0.3, 0.2, -math.inf, 0.5, 0.7][n]) for n, each in enumerate(words)]
    written, _ = draw_figure(open_sweep(made(tmp_path / "sweep", jobs)))
    assert "history.png" in [path.name for path in written]
