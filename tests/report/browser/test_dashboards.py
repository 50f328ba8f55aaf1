"""Dashboards of others, started on loopback on what a run logged: its numbers and pictures are seen there."""

import csv
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.report.browser.conftest import Tab
from tests.report.browser.servers import served
from tests.small_runs import TINY

pytestmark = [pytest.mark.browser, pytest.mark.slow]  # a server of MLflow begins to answer after half a minute
WORDS = ["data=shapes", "data.count=60", "epochs=2"]
SERVER = ["mlflow", "ui", "--workers", "1", "--backend-store-uri"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that was logged everywhere, in a process of its own: playwright holds asyncio in this one."""
    pytest.importorskip("mlflow")
    folder = tmp_path_factory.mktemp("runs")
    words = [*TINY[:-1], *WORDS, "logger=[csv,tensorboard,mlflow]", "hydra.run.dir=first"]
    command = [sys.executable, "-m", "candelabra", "train", *words]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder / "first"


def last(run: Path, name: str) -> float:
    with (run / "metrics.csv").open() as file:
        return [float(row[name]) for row in csv.DictReader(file) if row[name]][-1]


def outside(tab: Tab) -> list[str]:
    return [address for address in tab.asked if not address.startswith(("http://127.0.0.1:", "blob:"))]


def test_tensorboard_shows_scalars_pictures_and_the_embedding(run: Path, tab: Tab) -> None:
    tab.page.set_default_timeout(90_000)
    with served(["tensorboard.main", "--logdir", str(run.parent)], run.parent) as address:
        tab.open(f"{address}#timeseries")
        tab.page.get_by_role("combobox", name="Filter tags (regex)").fill("val/score")
        card = tab.page.locator("scalar-card", has_text="/score")
        card.get_by_text(f"{last(run, 'val/score'):.4g}", exact=True).first.wait_for()  # smoothed, and as it is
        tab.open(f"{address}#images")
        pictures = tab.page.locator("tf-image-loader img")
        pictures.first.wait_for()
        tab.page.wait_for_function("picture => picture.naturalWidth > 100", arg=pictures.first.element_handle())
        assert tab.page.get_by_text("predictions").count() >= 1
        with tab.page.expect_event("framenavigated", lambda frame: "projector_binary" in frame.url) as inner:
            tab.open(f"{address}#projector")
        inner.value.get_by_text("Dimension: 96").wait_for()
    assert outside(tab) == []


def test_mlflow_shows_the_run_its_metrics_and_pictures(run: Path, tab: Tab) -> None:
    tab.page.set_default_timeout(120_000)
    number = (run / "mlflow.id").read_text().strip()
    # The address of the run is that of the experiment, which is the first one after MLflow's own.
    with served([*SERVER, f"sqlite:///{run.parent / 'mlflow.db'}"], run.parent) as address:
        tab.open(f"{address}#/experiments/1/runs/{number}")
        tab.page.get_by_text(re.compile(f"^{last(run, 'val/score'):.8g}"[:10])).first.wait_for()
        assert tab.page.get_by_text("gradient_norm").count() >= 1
        tab.open(f"{address}#/experiments/1/runs/{number}/artifacts/images")
        tab.page.get_by_text(re.compile(r"label_confusion.*\.png$")).click()
        tab.page.wait_for_function("[...document.images].some(image => image.naturalWidth > 300)")
    assert outside(tab) == []
