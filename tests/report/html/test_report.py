"""The page as a file: what it says of runs of every kind, and that it is text where it should be."""

import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from candelabra.commands.report import run_report
from candelabra.errors import CandelabraError
from candelabra.report.html.run_collection import collect_runs
from candelabra.report.html.run_page import list_facts
from candelabra.runs.partial_run import PartialRun
from hydra_plugins.candelabra_sweeper.jobs import State, read_jobs, write_job
from tests.report.html.runs import HOSTILE, make_run, make_sweep, write_metrics


class Page(HTMLParser):
    """What a browser would make of it.

    Attributes:
        words: that are shown, in one line.
        tags: all that were opened.
        figures: by the title above them.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.words, self.tags, self.figures = "", list[str](), dict[str, Any]()
        self.inside = ""
        self.source = path.read_text(encoding="utf-8")
        self.feed(self.source)
        self.words = " ".join(self.words.split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.inside = "json" if ("type", "application/json") in attrs else tag
        if self.inside == "json":
            self.tags[-1] = "figure"
        for name, value in attrs:
            assert not name.startswith("on")
            assert name != "src" or str(value).startswith("data:image/")

    def handle_data(self, data: str) -> None:
        if self.inside == "json":
            figure = json.loads(data)
            self.figures[figure["label"].partition(" over ")[0]] = figure
        elif self.inside not in ("script", "style"):
            self.words += f" {data}"

    def handle_endtag(self, tag: str) -> None:
        self.inside = ""


def page(*words: str | Path) -> Page:
    run_report([str(word) for word in words])
    where = next((str(word).partition("=")[2] for word in words if "folder=" in str(word)), words[0])
    return Page(Path(where) / "report.html")


def lines(figure: Any) -> dict[str, list[tuple[int, float]]]:
    return {line["name"]: [*zip(line["x"], line["y"], strict=True)] for line in figure["data"]}


def test_the_rates_of_a_probe_are_those_of_its_grid() -> None:
    config: dict[str, Any] = {"lr": 0.003, "finetune": {"_target_": "finetuning.Probe", "rates": [0.1, 0.2]}}
    config["optimizer"] = {"_target_": "torch.optim.AdamW", "lr": 0.003}
    run = PartialRun(Path("run"), config, {}, {}, {}, [])
    assert dict(list_facts(run))["rate"] == "one of [0.1, 0.2], AdamW"


def test_a_run_is_told_with_its_numbers_curves_pictures_and_tables(tmp_path: Path) -> None:
    found = page(make_run(tmp_path / "first", ["lr=0.1", "data.root=my photos"]))
    for words in ("finished", "candelabra train lr=0.1 'data.root=my photos'", "resnet18, weights auto", "label, mask"):
        assert words in found.words
    for words in ("label/accuracy 0.5000", "label/count 12", "cat 0.5 0.25", "unreadable skipped 2", "torch 2.15.0"):
        assert words in found.words
    assert found.words.count("label/accuracy: of labels") == 1
    assert [*found.figures] == ["loss", "score", "label", "mask", "rates", "balance", "gradient_norm"]
    assert lines(found.figures["loss"])["train/loss"][:2] == [(9, 2.0), (19, 1.3679)]
    assert [step for step, _ in lines(found.figures["score"])["val/score"]] == [
        9,
        19,
        29,
        39,
        49,
    ]  # not the last judgement
    assert found.figures["rates"]["layout"]["yaxis"]["type"] == "log"
    assert found.tags.count("img") == 1
    assert found.source.count("* plotly.js v") == 1
    assert "default-src 'none'" in found.source


def test_a_run_that_was_killed_is_told_as_far_as_it_came(tmp_path: Path) -> None:
    run = make_run(tmp_path / "killed", finished=False)
    (run / "checkpoints").mkdir()
    (run / "checkpoints" / "last.ckpt").touch()
    whole = lines(page(run).figures["loss"])
    with (run / "metrics.csv").open("a") as file:
        file.write("5,59,1.2345")  # in mid-number
    found = page(run)
    assert lines(found.figures["loss"]) == whole
    assert "not finished" in found.words
    assert f"candelabra train resume={run} goes on with it." in found.words
    with (run / "metrics.csv").open("a") as file:
        file.write("\n5,69,nan,,,,,,,,,,\n5,79,0.5,,,,,,,,,,\n\0\0\0\n5,89,oops,,,,,,,,,,\n")
    found = page(run)
    assert lines(found.figures["loss"])["train/loss"][-1] == (79, 0.5)
    assert "train/loss was not finite at step 69" in found.words


@pytest.mark.parametrize(
    "content", [b"", b"\0" * 9, b"[1, 2", b"\xff\xfe{}", b"null", b'a,b\n"1', b"<b>: [&x *x]\n"], ids=repr
)
def test_no_damaged_file_of_a_run_hinders_the_page(content: bytes, tmp_path: Path) -> None:
    names = ["config.yaml", "results.json", "metrics.csv", "code.json", "issues.csv", "label_classes.csv"]
    for name in [*names, "candelabra.log", "pictures/predictions.png"]:
        run = make_run(tmp_path / name.replace("/", "-"))
        (run / name).write_bytes(content)
        found = page(run)
        assert "label/accuracy 0.5000" in found.words or name == "results.json"
        if name in ("config.yaml", "results.json", "pictures/predictions.png"):
            assert f"{Path(name).name} cannot be" in found.words


def test_whatever_files_say_is_text(tmp_path: Path) -> None:
    words = [f"data.root={HOSTILE}", "lr=0.2"]
    run = make_run(tmp_path / "<b>x", words, backbone={"_target_": HOSTILE, "name": HOSTILE})
    (run / "label_classes.csv").write_text(f"class,f1\n{HOSTILE},1\n")
    (run / "issues.csv").write_text(f"name,what,treatment,detail\na,{HOSTILE},skipped,\n")
    (run / "candelabra.log").write_text(HOSTILE)
    header, rest = (run / "metrics.csv").read_text().split("\n", 1)
    (run / "metrics.csv").write_text(f"{header.replace('gradient_norm', HOSTILE)}\n{rest}")
    shutil.copy(run / "pictures" / "predictions.png", run / "pictures" / "<img src=y>.png")
    other = make_run(tmp_path / "other", ["data.root=photos"])
    sweep = make_sweep(tmp_path / "sweep", {"val/score": "maximize"})
    for found in (page(run), page(run, other, f"folder={tmp_path / 'both'}"), page(sweep)):
        assert "onerror=alert(1)" in found.words + json.dumps(found.figures)
        assert {"b", "i"}.isdisjoint(found.tags)
        assert found.tags.count("script") == 3  # of the page itself
    figure = next(figure for figure in page(run).figures.values() if "onerror" in figure["label"])
    assert figure["data"][0]["name"].startswith("&lt;/script")  # plotly's labels take HTML


def test_a_sweep_is_told_job_by_job_with_its_best(tmp_path: Path) -> None:
    sweep = make_sweep(tmp_path / "sweep", {"val/score": "maximize"})
    moved = sweep.rename(tmp_path / "moved")
    found = page(moved)
    assert "6 jobs: 4 finished 1 failed 1 pruned" in found.words
    assert "maximize val/score" in found.words
    assert "best #5 lr=0.01 backbone=resnet50: val/score 0.5" in found.words
    assert "epochs=5" not in found.words  # of all jobs
    assert "#1: ValueError: </script>" in found.words
    assert "2 runs have not come to val/score" in found.words
    (drawn,) = found.figures["parallel coordinates of 4 runs: lr, backbone, val/score"]["data"]
    rate, backbone, score = drawn["dimensions"]
    assert rate["values"] == pytest.approx([-1, -4, -1, -2])  # by their logarithm
    assert backbone["ticktext"] == ["resnet18", "resnet50"]
    assert score["values"] == pytest.approx([0.0, 0.3, 0.4, 0.5])
    curves = lines(found.figures["val/score"])
    assert len(curves) == 6
    assert [line["name"] for line in found.figures["val/score"]["data"] if line["meta"]] == [
        "#5 lr=0.01 backbone=resnet50"
    ]
    assert "key #0 #1 #2 #3 #4 #5 lr 0.1 0.01 0.001 0.0001 0.1 0.01" in found.words


@pytest.mark.parametrize("objectives", [{"val/score": "maximize"}, {"val/score": "maximize", "seconds": "minimize"}])
def test_a_pruned_job_is_never_the_best(objectives: dict[str, str], tmp_path: Path) -> None:
    sweep = make_sweep(tmp_path / "sweep", objectives)
    pruned = next(job for job in read_jobs(sweep) if job.state is State.PRUNED)
    write_job(replace(pruned, values={"val/score": 0.9, "seconds": 1.0}), sweep)  # last values reported
    found = collect_runs([sweep])
    assert "#2" in {entry.name for entry in found.entries if entry.values.get("val/score") == 0.9}
    assert "#2" not in {entry.name for entry in found.best}
    assert "#5" in {entry.name for entry in found.best}


def test_of_several_objectives_those_are_best_that_none_is_better_than(tmp_path: Path) -> None:
    sweep = make_sweep(tmp_path / "sweep", {"val/score": "maximize", "seconds": "minimize"})
    found = page(sweep)
    (points,) = found.figures["seconds"]["data"]
    assert points["x"] == pytest.approx([0.0, 0.3, 0.4, 0.5])
    assert points["y"] == [10, 40, 50, 60]
    assert set(points["marker"]["symbol"]) == {"star"}  # more score takes more time


def test_a_sweep_in_which_nothing_has_begun_is_told_too(tmp_path: Path) -> None:
    sweep = make_sweep(tmp_path / "sweep", {"val/score": "maximize"}, jobs=2)
    shutil.rmtree(sweep / "0")
    shutil.rmtree(sweep / "1")
    assert "2 jobs: 1 finished 1 failed" in page(sweep).words
    shutil.rmtree(sweep / "jobs")
    assert "0 jobs" in page(sweep).words


def test_runs_that_lie_together_are_told_apart_by_the_words_that_differ(tmp_path: Path) -> None:
    for number, rate in enumerate((0.1, 0.2, 0.4)):
        make_run(tmp_path / "runs" / f"r{number}", ["epochs=5", f"lr={rate}"], score=rate, finished=rate != 0.4)
    found = page(tmp_path / "runs")
    assert "3 runs: 2 finished 1 not finished" in found.words
    assert "best r1 lr=0.2: val/score 0.2" in found.words
    assert "epochs=5" not in found.words
    assert "key r0 r1 r2 lr 0.1 0.2 0.4" in found.words
    both = page(tmp_path / "runs" / "r0", tmp_path / "runs" / "r1", f"folder={tmp_path / 'new' / 'both'}")
    assert "2 runs: 2 finished" in both.words


def test_runs_that_nobody_typed_are_told_apart_by_their_configs(tmp_path: Path) -> None:
    for rate in (0.1, 0.2):
        make_run(tmp_path / str(rate), lr=rate, score=rate)
    make_run(tmp_path / "broken", score=0.05)
    (tmp_path / "broken" / "config.yaml").write_text("{")
    found = page(tmp_path)
    assert "best 0.2 lr=0.2" in found.words
    assert "broken: config.yaml cannot be read" in found.words


def test_pages_of_runs_are_led_to_from_their_sweep_and_tell_its_errors(tmp_path: Path) -> None:
    sweep = make_sweep(tmp_path / "a sweep", {"val/score": "maximize"})
    failed = page(sweep / "1")
    assert "1 failed" in failed.words
    assert "ValueError" in failed.words
    assert 'href="1/report.html"' in page(sweep).source


def test_many_long_curves_make_no_large_page_and_lose_no_peak(tmp_path: Path) -> None:
    for number in range(200):
        run = make_run(tmp_path / str(number), [f"lr={0.1 + number}"], epochs=2, score=number / 200)
        if number in (0, 199):
            write_metrics(run / "metrics.csv", 3000, number / 200, finished=True)
            with (run / "metrics.csv").open("a") as file:
                file.writelines(
                    f"{step},{step},{50 if step == 34_567 else 1},,,,,,,,,,\n" for step in range(30_000, 40_000)
                )
    found = page(tmp_path)
    assert "50 runs that came to less are not drawn" in found.words
    assert len(lines(found.figures["train/loss"])) == 150
    best = next(line for line in found.figures["train/loss"]["data"] if line["meta"])
    assert len(best["x"]) <= 400
    assert (34_567, 50) in zip(best["x"], best["y"], strict=True)
    assert len(found.source) < 7_000_000


def test_large_pictures_are_made_smaller(tmp_path: Path) -> None:
    run = make_run(tmp_path / "first")
    Image.effect_noise((3000, 1500), 90).save(run / "pictures" / "label_confusion.png")
    found = page(run)
    assert 'width="1600" height="800" alt="label: rows are the truth, columns the prediction"' in found.source
    assert len(found.source) < 7_000_000


def test_what_is_no_run_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    for words, message in (
        ([], "No run is given"),
        (["nowhere"], "nowhere is no folder"),
        (["empty"], "empty is no run and holds none"),
    ):
        with pytest.raises(CandelabraError, match=message):
            run_report(words)
    make_run(tmp_path / "first")
    with pytest.raises(CandelabraError, match=r"folder=first/config.yaml cannot be used"):
        run_report(["first", "folder=first/config.yaml"])
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "sweep.json").write_text("{")
    with pytest.raises(CandelabraError, match=r"bad/sweep.json cannot be read"):
        run_report(["bad"])


def test_the_command_loads_nothing_heavy(tmp_path: Path) -> None:
    make_sweep(tmp_path / "sweep", {"val/score": "maximize"})
    code = (
        "import sys; from candelabra.cli.main import main\n"
        "try: main()\n"
        "finally: print('LOADED', {'torch', 'lightning', 'hydra', 'pandas', 'optuna', 'matplotlib'} & {*sys.modules})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "report", "sweep"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == ["sweep/report.html", "LOADED set()"]
    assert re.search("<title>candelabra report: sweep</title>", (tmp_path / "sweep" / "report.html").read_text())
