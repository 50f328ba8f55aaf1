"""Runs beside each other: what is one row, what may be compared, and the gain of joint training, checked by hand."""

import csv
import json
import math
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from omegaconf import OmegaConf
from PIL import Image

from candelabra.commands.compare import run_compare
from candelabra.errors import CandelabraError
from candelabra.runs.aggregation import MetricNumber, read_rows
from candelabra.runs.config_diff import diff_configs, find_seeds, flatten_settings
from candelabra.runs.folders import find_runs
from candelabra.runs.joint_gain import compute_gains

pytestmark = pytest.mark.figures
METRICS = {"label": "accuracy", "box": "iou", "keypoints": "nme", "mask": "iou"}


def write(folder: Path, heads: Mapping[str, float], seed: int = 0, **given: Any) -> Path:
    """A run folder; `given` are keys of the config, `results` and `tested` what the files say."""
    tested, divisor = given.pop("tested", ("a", "b")), given.pop("divisor", "the width")
    results = {f"test/{head}/{METRICS[head]}": value for head, value in heads.items()}
    further = given.pop("results", {})
    summaries = {
        head: {
            "target": head,
            "main_metric": "f1" if f"test/{head}/map" in further else METRICS[head],
            "lower_is_better": ["loss", "nme"],
            "counts": ["count", "points"],
            "notes": {"nme": f"divided by {divisor}"} if head == "keypoints" else {},
        }
        for head in METRICS
        if head in heads
    }
    results |= {"seconds": 100.0, "parameters": 1000, **further}
    built = {head: {"_target_": f"heads.{head.title()}"} if head in heads else None for head in METRICS}
    balance = given.pop("balance", {"_target_": "balancing.Fixed"})
    config = {
        "folder": str(folder),
        "words": given.pop("words", []),
        "seed": seed,
        "epochs": 3,
        "trainer": {"max_epochs": given.get("epochs", 3), "enable_progress_bar": bool(seed)},
        "data": {"_target_": "data.Pets", "root": "somewhere", "seed": seed},
        "balance": balance,
        "task": {"_target_": "tasks.MultiTask", "heads": built, "balance": balance},
        **given,
    }
    folder.mkdir(parents=True)
    OmegaConf.save(OmegaConf.create(config), folder / "config.yaml")
    (folder / "results.json").write_text(json.dumps({**results, "heads": summaries}))
    rows = [*((name, "test") for name in tested), ("c", "train")]
    (folder / "splits.csv").write_text("name,split\n" + "".join(f'"{name}",{split}\n' for name, split in rows))
    return folder


def family(root: Path) -> Path:
    """Label alone 0.8 ± 0.1, keypoints alone 0.1 ± 0; together 0.88 and 0.12 under seed 0, 0.96 and 0.08 under 1."""
    for seed, accuracy in enumerate((0.7, 0.8, 0.9)):
        write(root / f"label-{seed}", {"label": accuracy}, seed)
    for seed in range(2):
        write(root / f"points-{seed}", {"keypoints": 0.1}, seed, results={"seconds": 300.0, "parameters": 3000})
    for seed, (accuracy, nme) in enumerate([(0.88, 0.12), (0.96, 0.08)]):
        both = {"label": accuracy, "keypoints": nme}
        write(root / f"joint-{seed}", both, seed, results={"seconds": 200.0, "parameters": 3000})
    return root


def test_seeds_are_one_row_with_mean_and_deviation(tmp_path: Path) -> None:
    rows = {row.name: row for row in read_rows([family(tmp_path)])}
    assert list(rows) == ["joint", "label", "points"]
    assert len(rows["label"].runs) == 3
    assert rows["label"].number("test/label/accuracy") == MetricNumber(pytest.approx(0.8), pytest.approx(0.1))
    assert rows["points"].heads == ["keypoints"]
    assert rows["joint"].differences == {"task.heads.label": "Label", "task.heads.keypoints": "Keypoints"}


def test_gains_by_hand(tmp_path: Path) -> None:
    (gain,) = compute_gains(read_rows([family(tmp_path)]))
    # label: 0.1 and 0.2 over 0.8; keypoints, where lower is better: -0.2 and 0.2 over 0.1
    assert gain.heads["label"].gain == MetricNumber(pytest.approx(0.15), pytest.approx(0.1 / 2**0.5))
    assert gain.heads["keypoints"].gain == MetricNumber(pytest.approx(0.0, abs=1e-9), pytest.approx(0.4 / 2**0.5))
    assert gain.delta == MetricNumber(pytest.approx(0.075), pytest.approx(0.25 / 2**0.5))  # of -0.05 and 0.2
    assert gain.seconds == pytest.approx(200 / 400)
    assert gain.parameters == pytest.approx(3000 / 4000)
    assert gain.notes == []


def test_a_better_metric_is_a_gain_where_both_are_below_zero(tmp_path: Path) -> None:
    write(tmp_path / "label", {"label": -0.5})
    write(tmp_path / "joint", {"label": -0.4, "box": 0.5})
    assert compute_gains(read_rows([tmp_path]))[0].heads["label"].gain.mean == pytest.approx(0.2)


@pytest.mark.parametrize(("nme", "worse", "clearly"), [(0.09, False, False), (0.105, True, False), (0.13, True, True)])
def test_negative_transfer_is_clear_beyond_the_deviation_of_the_seeds_alone(
    nme: float, worse: bool, clearly: bool, tmp_path: Path
) -> None:
    for seed, alone in enumerate((0.09, 0.11)):  # ± 0.014
        write(tmp_path / f"points-{seed}", {"keypoints": alone}, seed)
    write(tmp_path / "label", {"label": 0.5})
    write(tmp_path / "joint", {"label": 0.5, "keypoints": nme})
    (gain,) = compute_gains(read_rows([tmp_path]))
    assert (gain.heads["keypoints"].worse, gain.heads["keypoints"].clearly) == (worse, clearly)
    assert not gain.heads["label"].worse


def test_a_head_without_a_model_alone_has_no_gain_and_says_so(tmp_path: Path) -> None:
    write(tmp_path / "label", {"label": 0.5})
    write(tmp_path / "joint", {"label": 0.6, "mask": 0.5})
    (gain,) = compute_gains(read_rows([tmp_path]))
    assert gain.heads["label"].gain.mean == pytest.approx(0.2)
    assert (gain.delta, gain.seconds, gain.parameters) == (None, None, None)
    assert gain.notes == ["joint: no Δm, as no run has mask alone"]


@pytest.mark.parametrize("broken", [math.nan, math.inf])
def test_a_run_that_diverged_is_shown_as_what_it_is(broken: float, tmp_path: Path) -> None:
    for seed, accuracy in enumerate((0.5, broken)):
        write(tmp_path / f"label-{seed}", {"label": accuracy}, seed)
    write(tmp_path / "joint", {"label": 0.6, "box": 0.5})
    run_compare([str(tmp_path), f"folder={tmp_path / 'out'}"])
    page = (tmp_path / "out" / "compare.md").read_text(encoding="utf-8")
    assert f"{broken:.3f} ± nan" in page
    assert f"joint: no Δm, as label has {broken:g} for label" in page


def test_a_joint_run_is_none_of_one_head_where_the_test_images_lack_the_others(tmp_path: Path) -> None:
    write(tmp_path / "label", {"label": 0.5})
    both = {"heads": {head: {"_target_": f"heads.{head.title()}"} for head in ("label", "box")}}
    write(tmp_path / "joint", {"label": 0.6}, results={"val/label/accuracy": 0.5, "val/box/iou": 0.5}, task=both)
    (gain,) = compute_gains(read_rows([tmp_path]))
    assert (gain.row.name, gain.heads["label"].alone.name) == ("joint", "label")


def test_a_head_that_was_built_otherwise_is_told_and_the_like_one_preferred(tmp_path: Path) -> None:
    def task(pooling: str, *heads: str) -> dict[str, Any]:
        label = {"_target_": "heads.Label", "pooling": pooling}
        return {"heads": {"label": label, "box": {"_target_": "heads.Box"} if "box" in heads else None}}

    write(tmp_path / "concat", {"label": 0.5}, task=task("concat"))
    write(tmp_path / "joint", {"label": 0.6, "box": 0.5}, task=task("avg", "box"))
    assert "differs in task.heads.label.pooling" in compute_gains(read_rows([tmp_path]))[0].notes[0]
    write(tmp_path / "avg", {"label": 0.4}, task=task("avg"))
    assert compute_gains(read_rows([tmp_path]))[0].heads["label"].alone.name == "avg"


def test_options_of_the_head_are_told_of_a_task_with_one_head(tmp_path: Path) -> None:
    label = {"_target_": "heads.Label", "smoothing": 0.1}
    both = {"label": {**label, "smoothing": 0.0}, "box": {"_target_": "heads.Box"}}
    write(tmp_path / "label", {"label": 0.5}, task={"_target_": "tasks.Classification", "label": label})
    write(tmp_path / "joint", {"label": 0.6, "box": 0.5}, task={"_target_": "tasks.MultiTask", "heads": both})
    assert "differs in task.heads.label.smoothing" in compute_gains(read_rows([tmp_path]))[0].notes[0]


def test_epochs_that_were_typed_and_epochs_that_were_run_are_two_columns(tmp_path: Path) -> None:
    for epochs in (20, 40):
        write(tmp_path / f"to{epochs}", {"label": 0.5}, epochs=epochs, results={"epochs": 17})
    run_compare([str(tmp_path), f"folder={tmp_path / 'out'}"])
    with (tmp_path / "out" / "compare.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert sorted(row["config/epochs"] for row in rows) == ["20", "40"]
    assert [float(row["epochs"]) for row in rows] == [17, 17]


def test_a_data_set_may_be_called_seed() -> None:
    configs = [{"seed": 0, "data": {"sets": {"seed": {"size": size}}}} for size in (32, 64)]
    assert flatten_settings(configs[0]) != flatten_settings(configs[1])
    assert find_seeds(configs[0]) == {"seed": 0}


def test_multilabel_goes_by_f1(tmp_path: Path) -> None:
    write(tmp_path / "label", {"label": 0.9}, results={"test/label/f1": 0.5, "test/label/map": 0.6})
    write(tmp_path / "joint", {"label": 0.9, "box": 0.1}, results={"test/label/f1": 0.6, "test/label/map": 0.6})
    assert compute_gains(read_rows([tmp_path]))[0].heads["label"].gain.mean == pytest.approx(0.2)


def test_the_model_alone_that_differs_least_is_taken(tmp_path: Path) -> None:
    write(tmp_path / "short", {"label": 0.5}, epochs=1)
    write(tmp_path / "long", {"label": 0.8})
    write(tmp_path / "box", {"box": 0.5})
    write(tmp_path / "joint", {"label": 0.8, "box": 0.5}, balance={"_target_": "balancing.Uncertainty"})
    (gain,) = compute_gains(read_rows([tmp_path]))
    assert gain.heads["label"].alone.name == "long"
    write(tmp_path / "again", {"label": 0.7}, task={"_target_": "tasks.Classification"})
    with pytest.raises(CandelabraError, match="again, long are each a run of label alone, equally near to joint"):
        compute_gains(read_rows([tmp_path]))


def test_a_model_alone_under_other_settings_is_said(tmp_path: Path) -> None:
    write(tmp_path / "label", {"label": 0.5}, epochs=1)
    write(tmp_path / "joint", {"label": 0.5, "box": 0.5})
    assert (
        "joint: its single-task run of label, label, differs in epochs" in compute_gains(read_rows([tmp_path]))[0].notes
    )


def test_names_without_a_word_give_way_to_the_words_typed(tmp_path: Path) -> None:
    for place, (lr, seed) in enumerate([(0.1, 0), (0.1, 1), (0.2, 0), (0.2, 1)]):
        words = [f"lr={lr}", f"seed={seed}", "data=pets"]
        write(tmp_path / str(place), {"label": 0.5}, seed, lr=lr, words=words)
    assert [row.name for row in read_rows([tmp_path])] == ["lr=0.1", "lr=0.2"]


def test_namesakes_are_told_apart(tmp_path: Path) -> None:
    for share in (0.2, 1.0):
        data = {"_target_": "data.Pets", "labelled": share}
        write(tmp_path / f"{share}" / "joint-0", {"label": 0.5}, data=data)
        write(tmp_path / f"{share}" / f"only-{share}", {"label": 0.5}, data=data, epochs=9)
    names = [row.name for row in read_rows([tmp_path])]
    assert names == ["joint data.labelled=0.2", "only-0.2", "joint data.labelled=1.0", "only-1.0"]


def test_a_seed_anywhere_is_a_seed(tmp_path: Path) -> None:
    for seed in (0, 1):
        write(tmp_path / f"pcgrad-{seed}", {"label": 0.5}, seed, balance={"_target_": "b.PCGrad", "seed": seed})
    (row,) = read_rows([tmp_path])
    assert (row.name, len(row.runs)) == ("pcgrad", 2)


def test_names_are_cut_where_the_seed_begins(tmp_path: Path) -> None:
    for seed in (8, 10, 11):
        write(tmp_path / f"resnet18-seed{seed}", {"label": 0.5}, seed)
    for seed in (10, 11):
        write(tmp_path / f"vgg{seed}", {"label": 0.5}, seed, epochs=9)
    write(tmp_path / "alexnet-3", {"label": 0.5}, 3, epochs=1)
    assert [row.name for row in read_rows([tmp_path])] == ["alexnet", "resnet18", "vgg"]


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda run: (run / "results.json").unlink(), "is not finished: it has no results.json"),
        (lambda run: (run / "splits.csv").unlink(), "cannot be read as a run"),
        (lambda run: (run / "results.json").write_text("{"), "cannot be read as a run"),
        (lambda run: (run / "config.yaml").write_text("nothing"), "cannot be read as a run"),
        (lambda run: (run / "config.yaml").unlink(), "is no run and holds none"),
    ],
)
def test_what_is_no_finished_run_is_refused_by_name(spoil: Any, words: str, tmp_path: Path) -> None:
    good, bad = write(tmp_path / "good", {"label": 0.5}), write(tmp_path / "bad", {"label": 0.5}, 1)
    spoil(bad)
    with pytest.raises(CandelabraError, match=words) as error:
        read_rows([good, bad])
    assert str(error.value).startswith(str(bad))


def test_of_a_sweep_jobs_without_results_are_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    runs = [write(tmp_path / "sweep" / str(number), {"label": 0.5}, number) for number in range(3)]
    (tmp_path / "sweep" / "sweep.json").write_text("{}")
    (runs[1] / "results.json").unlink()
    assert find_runs([tmp_path / "sweep"]) == [runs[0], runs[2]] == find_runs([tmp_path])
    assert f"jobs of a sweep without results are left out: {runs[1]}" in caplog.text
    assert find_runs([runs[1]]) == [runs[1]]  # named by itself: then it is refused by whoever needs its results


def test_other_test_images_are_refused(tmp_path: Path) -> None:
    one = write(tmp_path / "one", {"label": 0.5})
    other = write(tmp_path / "other", {"label": 0.5}, 1, tested=("a", "d", "e"))
    with pytest.raises(CandelabraError, match=f"{one} and {other} .* different images: 3 are"):
        read_rows([one, other])


def test_other_test_labels_are_refused(tmp_path: Path) -> None:
    one = write(tmp_path / "one", {"label": 0.5}, results={"test/label/count": 40.0})
    other = write(tmp_path / "other", {"label": 0.5}, 1, results={"test/label/count": 30.0})
    with pytest.raises(CandelabraError, match=f"{one} and {other} .* test/label/count is 40 in one and 30"):
        read_rows([one, other])


def test_the_same_run_twice_counts_once_and_a_copy_is_refused(tmp_path: Path) -> None:
    run = write(tmp_path / "one", {"label": 0.5})
    checkpoint = run / "checkpoints" / "best.ckpt"
    checkpoint.parent.mkdir()
    checkpoint.touch()
    (row,) = read_rows([run, tmp_path, checkpoint])
    assert len(row.runs) == 1
    write(tmp_path / "two", {"label": 0.5})
    with pytest.raises(CandelabraError, match="are one run twice"):
        read_rows([tmp_path])


def test_the_files_hold_the_numbers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = family(tmp_path / "runs")
    for path in runs.glob("*/results.json"):
        results = json.loads(path.read_text())
        counts = {f"{key.rpartition('/')[0]}/count": 2.0 for key in results if key.startswith("test/")}
        path.write_text(json.dumps(results | counts))
    run_compare([str(runs), f"folder={tmp_path / 'out'}"])
    with (tmp_path / "out" / "compare.csv").open(newline="", encoding="utf-8") as file:
        rows = {row["name"]: row for row in csv.DictReader(file)}
    assert rows["label"]["seeds"] == "3"
    assert float(rows["label"]["test/label/accuracy"]) == pytest.approx(0.8)
    assert float(rows["label"]["test/label/accuracy ±"]) == pytest.approx(0.1)
    assert float(rows["joint"]["delta_m"]) == pytest.approx(0.075)
    assert float(rows["joint"]["gain/label"]) == pytest.approx(0.15)
    assert float(rows["joint"]["seconds_share"]) == pytest.approx(0.5)
    assert rows["label"]["config/task.heads.keypoints"] == "null"
    assert rows["label"]["delta_m"] == ""
    page = (tmp_path / "out" / "compare.md").read_text(encoding="utf-8")
    assert "| label | 3 | 0.800 ± 0.100 | - |" in page
    assert "| joint | +0.150 ± 0.071 | +0.000 ± 0.283 | +0.075 ± 0.177 | 0.50 | 0.75 |" in page
    assert "- test samples with a label: label 2, keypoints 2" in page
    printed = capsys.readouterr().out
    assert "0.800 ±0.100" in printed
    assert "compare.png" in printed


@pytest.mark.parametrize(
    ("divisors", "lines"),
    [
        (("the width", "the width"), ["keypoints/nme: divided by the width"]),
        (
            ("the width", "the eyes"),
            ["first: keypoints/nme: divided by the width", "second: keypoints/nme: divided by the eyes"],
        ),
    ],
)
def test_errors_that_are_divided_by_other_lengths_are_told_apart(
    divisors: tuple[str, str], lines: list[str], tmp_path: Path
) -> None:
    for name, divisor in zip(("first", "second"), divisors, strict=True):
        write(tmp_path / name, {"keypoints": 0.1}, divisor=divisor, epochs=3 + (name == "second"))
    run_compare([str(tmp_path / "first"), str(tmp_path / "second"), f"folder={tmp_path / 'out'}"])
    told = [line for line in (tmp_path / "out" / "compare.md").read_text().splitlines() if "divided" in line]
    assert told == [f"- {line}" for line in lines]


@pytest.mark.parametrize("only", ["", "label"])
def test_the_picture_shows_something(only: str, tmp_path: Path) -> None:
    runs = [str(run) for run in family(tmp_path / "runs").iterdir() if only in run.name]
    run_compare([*runs, f"folder={tmp_path}"])
    picture = np.asarray(Image.open(tmp_path / "compare.png").convert("L"))
    assert min(picture.shape) > 150
    assert 0.01 < (picture < 200).mean() < 0.6


def test_without_a_folder_one_is_named_after_the_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = write(tmp_path / "one", {"label": 0.5})
    monkeypatch.chdir(tmp_path)
    run_compare([str(run)])
    (folder,) = Path("runs").iterdir()
    assert folder.name[:2] == "20"
    assert {path.name for path in folder.iterdir()} == {"compare.csv", "compare.md", "compare.png"}


def test_settings_leave_out_what_does_not_change_a_result(tmp_path: Path) -> None:
    config: Any = OmegaConf.to_container(OmegaConf.load(write(tmp_path / "x", {"label": 0.5}, 7) / "config.yaml"))
    kept = flatten_settings(config)
    assert set(kept) == {"epochs", "trainer", "data", "balance", "task"}
    assert kept["data"] == {"_target_": "data.Pets", "root": "somewhere"}
    assert find_seeds(config) == {"seed": 7, "data.seed": 7}
    assert config["data"]["seed"] == 7
    sets = {"one": {"_target_": "data.Pets", "root": "here", "size": 64, "workers": 2}}
    assert flatten_settings({"data": {"sets": sets}}) == {
        "data": {"sets": {"one": {"_target_": "data.Pets", "root": "here", "size": 64}}}
    }


def test_runs_of_other_folders_are_no_seeds_of_one_row(tmp_path: Path) -> None:
    for seed, root in enumerate(["first", "second"]):
        write(tmp_path / root, {"label": 0.5}, seed, data={"_target_": "data.Folder", "root": root})
    rows = read_rows([tmp_path])
    assert [row.differences for row in rows] == [{"data.root": "first"}, {"data.root": "second"}]


def test_one_folder_is_one_however_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def settings(root: str, *words: str) -> Any:
        return flatten_settings({"words": words, "data": {"root": root, "sets": {"one": {"root": root}}}})

    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path)
    assert settings("here") == settings(str(tmp_path / "here")) == settings("./here/") != settings("there")
    moved = settings("data", "data.root='/gone/data'", "data.sets.one.root=/gone/data")
    assert moved == settings("/gone/data") != settings("data")


def test_a_rate_that_was_looked_for_is_no_difference() -> None:
    found = [{"words": ["lr=auto"], "lr": rate, "optimizer": {"lr": rate}} for rate in (0.01, 0.02)]
    assert flatten_settings(found[0]) == flatten_settings(found[1])


@pytest.mark.parametrize(("lr", "rows"), [("auto", 2), ("0.1", 1)])
def test_the_range_of_rates_is_a_difference_where_a_rate_was_looked_for(lr: str, rows: int, tmp_path: Path) -> None:
    for seed, most in enumerate((0.1, 1.0)):
        given = {"words": [f"lr={lr}"], "lr": 0.1, "optimizer": {"lr": 0.1}, "range": {"max": most}}
        write(tmp_path / f"to-{seed}", {"label": 0.5}, seed, **given)
    assert len(read_rows([tmp_path])) == rows


def test_differences_are_named_once_and_classes_by_their_arguments() -> None:
    def config(decay: float, balance: str) -> dict[str, Any]:
        node = {"_target_": f"b.{balance}"}
        finetune = (
            {"_target_": "f.Full"} if not decay else {"_target_": "f.Discriminative", "decay": decay, "shares": 1}
        )
        return {"finetune": finetune, "balance": node, "task": {"balance": node}}

    found = diff_configs([config(0.3, "Fixed"), config(0.4, "Fixed"), config(0, "Uncertainty")])
    assert found == {
        "finetune": ["Discriminative(decay=0.3)", "Discriminative(decay=0.4)", "Full"],
        "balance": ["Fixed", "Fixed", "Uncertainty"],
    }


def test_comparing_loads_nothing_heavy(tmp_path: Path) -> None:
    run = write(tmp_path / "one", {"label": 0.5})
    code = (
        "import sys, candelabra.commands.compare\n"
        "assert 'matplotlib' not in sys.modules\n"
        "from candelabra.cli.main import main; sys.argv = ['candelabra', 'compare', sys.argv[1], 'folder=out']\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code\n"
        "assert not {'torch', 'lightning', 'hydra', 'pandas'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, str(run)], cwd=tmp_path, check=True)
    assert (tmp_path / "out" / "compare.md").is_file()
