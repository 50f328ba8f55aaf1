"""Words of other programs, and keys without their path, are answered with what to type: one sentence, exit code 2."""

from pathlib import Path

import pytest
from omegaconf import OmegaConf

from candelabra.cli.key_hints import check_bare_words, find_meant_words
from candelabra.config.build import resolve_config
from candelabra.errors import CandelabraError
from tests.compositions import compose_config
from tests.conftest import Compose
from tests.forked import run_forked

MEANT = {
    "train batch_size=8": "data.batch_size=8.",
    "train optimizer.momentum=0.9": "there is no optimizer.momentum; it is a key of optimizer=sgd.",
    "train arch=mobilenetv3_small_050": "write backbone=timm backbone.name=mobilenetv3_small_050.",
    "train data.root=photos --epochs 3": "options have no hyphens in front; write epochs=3.",
    "check data.root=photos task=detection": "task=: this command has no task; leave it out.",
    "train --epochs 3": "--epochs 3: options have no hyphens in front; write epochs=3.",
    "train seed=1 --lr=0.1 --overwrite": "write lr=0.1 overwrite=true.",
    "train --batch-size 8": "write data.batch_size=8.",
    "train -m batch_size=8,16": "write data.batch_size=8.",
    "train task=classification label_smoothing=0.1": "write task.label.smoothing=0.1.",
    "train backbone=mobilenetv3_small_050": "backbone=timm backbone.name=mobilenetv3_small_050",
    "train task=detect": "allowed are detection, ",
    "train data.root=photos data.file=a.csv": "it is a key of data=coco, data=",
    "train data.root=x data.values={pet:1}": "it is a key of data=masks, data=table.",
    "train data.root=x data.objects=single": "it is a key of data=coco, ",
    "train +patince=3": "patince=3: there is no patince; allowed are patience,",
    "train ++epoch=5": "epoch=5: there is no epoch; write epochs=5.",
    "train +batch_size=8": "write data.batch_size=8.",
    "train +save.minute=3": "save.minute=3: there is no save.minute; allowed are minutes,",
    "eval checkpoint=x +splitt=val": "there is no splitt; allowed are split,",
    "eval checkpoint=x +data.siz=3": "there is no data.siz; ",
    "predict checkpoint=x source=x +conf=0.9": "there is no conf; ",
    "train +trainer.benchmrk=true": "trainer.benchmrk is not known",
    "train foo=3": "foo=3: there is no foo; allowed are seed,",
    "eval checkpoint=x batch_size=8": "write data.batch_size=8.",
}
# Keys that a command does not have: how they reach `find_meant_words` is seen above.
KEYS = {
    "train bs=8": "data.batch_size=8.",
    "train model=resnet18": "write backbone=resnet18.",
    "train model.name=x": "write backbone.name=x.",
    "train weights=none": "write backbone.weights=none.",
    "train imgsz=32": "write data.size=32.",
    "train img_size=32": "write data.size=32.",
    "train workers=0": "write data.workers=0.",
    "train num_workers=0": "write data.workers=0.",
    "train device=cpu": "write trainer=cpu or trainer=gpu",
    "train gpus=2": "trainer=ddp trainer.devices=2",
    "train precision=16-mixed": "write trainer.precision=16-mixed.",
    "train learning_rate=0.1": "write lr=0.1.",
    "train max_epochs=3": "write epochs=3.",
    "train optim=sgd": "write optimizer=sgd.",
    "train num_classes=3": "come from the data.",
    "train trainer.fast_dev_run=true": "trainer=smoke runs two batches",
    "train trainer.profiler=simple": "+trainer.profiler=simple.",
    "train data.batchsize=8": "write data.batch_size=8.",
    "train task.label.class_weights=balanced": "write task.heads.label.class_weights=balanced.",
    "train momentum=0.9": "it is a key of optimizer=sgd.",
    "train mixed_precision=true": "trainer.precision=auto takes bfloat16 where it is fast",
    "train name=first": "write folder=first.",
    "train output_dir=runs/first": "write folder=runs/first.",
    "predict weights=x": "write checkpoint=x.",
    "predict checkpoint=x imgsz=32": "write size=32.",
    "check dataset=pets": "write data=pets.",
}


@pytest.mark.parametrize("typed", MEANT)
def test_a_mistyped_option_is_answered_with_the_right_one(typed: str, tmp_path: Path) -> None:
    run = run_forked(typed.split(), tmp_path, {})
    assert run.returncode == 2, run.stderr
    assert MEANT[typed] in run.stderr
    assert len(run.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize("typed", KEYS)
def test_an_unknown_key_is_answered_with_the_right_one(typed: str) -> None:
    command, *_, word = typed.split()
    config = OmegaConf.to_container(compose_config(command, []), resolve=False)
    assert isinstance(config, dict)
    key, _, value = word.partition("=")
    assert OmegaConf.select(OmegaConf.create(config), key) is None
    assert KEYS[typed] in f"{find_meant_words(key, value, config)}."  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "typed",
    [
        "plan +trainer.benchmark=true ++epochs=2 +backbone.options={zero_init_last:false} ++save.keep=2",
        "plan +head@task.heads.coarse=label epochs=2 ++balance.weights.label=2",
    ],
)
def test_keys_of_the_command_and_of_classes_may_have_a_plus(typed: str, tmp_path: Path) -> None:
    words = ["backbone=test_resnet", "finetune=frozen", "hydra.run.dir=out"]
    run = run_forked([*typed.split(), *words], tmp_path, {})
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize(("typed", "says"), [("epochs=three", "epochs=three is"), ("lr=high", "lr=high has")])
def test_an_error_names_the_key_that_was_typed(typed: str, says: str, tiny: Compose) -> None:
    with pytest.raises(CandelabraError, match=f"^{says}"):
        resolve_config(tiny(typed))


def test_a_root_alone_is_read_as_what_it_looks_like(tmp_path: Path) -> None:
    run = run_forked(["train", "data.root=photos", "--cfg", "job"], tmp_path, {})
    assert "_target_: candelabra.data.Auto" in run.stdout, run.stderr
    assert "root: photos" in run.stdout
    named = run_forked(["train", "data.root=photos", "data=masks", "--cfg", "job"], tmp_path, {})
    assert "_target_: candelabra.data.Masks" in named.stdout, named.stderr


def test_a_folder_typed_as_the_data_set_is_answered_with_its_key(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    run = run_forked(["train", "data=photos"], tmp_path, {})
    assert run.returncode == 2
    assert run.stderr.strip() == "data=photos is a folder; write data.root=photos."


def test_words_without_a_key_are_answered_with_the_keys_that_are_meant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs" / "first").mkdir(parents=True)
    (tmp_path / "runs" / "first" / "config.yaml").touch()
    (tmp_path / "photos").mkdir()
    for command, words, said in (
        ("predict", ["runs/first", "holiday"], "write checkpoint=runs/first source=holiday"),
        ("predict", ["checkpoint=runs/first", "a.jpg", "b.jpg"], r"write source=\[a.jpg,b.jpg\]"),
        ("eval", ["runs/first"], "write checkpoint=runs/first"),
        ("train", ["photos", "epochs=1"], "write data.root=photos"),
        ("train", ["runs/first"], "write resume=runs/first"),
        ("train", ["5"], "such as lr=0.1"),
    ):
        with pytest.raises(CandelabraError, match=rf"options are key=value; {said}\.$"):
            check_bare_words(command, words)
    check_bare_words("train", ["-m", "lr=0.1,0.2", "~task.heads.mask", "--config-dir", "conf"])


def test_nothing_is_suggested_where_nothing_is_near() -> None:
    assert find_meant_words("colour", "red", {"data": {"size": 1}, "trainer": {}}) is None
