"""Labels taken away: so many, the same again, of training images alone, and nowhere to be seen."""

import numpy as np
import pytest
import torch

from candelabra.commands.eval import run_eval
from candelabra.commands.train import run_train
from candelabra.data import DataModule, Shapes
from candelabra.data.samples import Samples
from candelabra.errors import CandelabraError
from tests.conftest import Compose


def opened(labelled: object, **options: int) -> tuple[Samples, DataModule]:
    data = DataModule(Shapes(count=100, canvas=32), size=32, labelled=labelled, **options)
    return data.open(), data


def kept(labelled: object, **options: int) -> dict[str, set[int]]:
    return {target: set(np.flatnonzero(known)) for target, known in opened(labelled, **options)[0].labelled().items()}


def test_each_target_keeps_its_share_of_the_training_labels_and_all_others() -> None:
    samples, data = opened({"mask": 0.2, "label": 0.5})
    counts = {s: {t: int(k[part].sum()) for t, k in samples.labelled().items()} for s, part in data.parts.items()}
    assert counts["train"] == {"label": 35, "box": 70, "keypoints": 70, "mask": 14}
    assert counts["val"] == counts["test"] == dict.fromkeys(samples.labels.targets, 15)
    assert np.array_equal(samples.strata, DataModule(Shapes(count=100)).open().strata)


def test_what_is_kept_is_nested_seeded_and_independent_between_targets() -> None:
    few, more, again, other = kept(0.2), kept(0.5), kept(0.2, seed=3), kept(0.2, split_seed=3)
    assert all(few[target] < more[target] for target in few)
    assert few == again
    assert few["mask"] != other["mask"]
    assert few["mask"] != few["label"]
    assert kept({"mask": 0.2})["mask"] == few["mask"]
    assert len(kept(1e-9)["box"]) == 30 + 1


def test_what_is_taken_away_is_seen_nowhere() -> None:
    samples, data = opened(dict.fromkeys(("label", "box", "keypoints", "mask"), 0.5))
    whole, known = DataModule(Shapes(count=100, canvas=32)).open(), samples.labelled()
    for index in range(100):
        sample, full = samples[index], whole[index]
        assert torch.equal(sample["image"], full["image"])
        for target, blank in (("label", -1), ("box", torch.nan), ("keypoints", torch.nan), ("mask", 255)):
            value, truth = sample[target], full[target]  # type: ignore[literal-required]
            expected = truth if known[target][index] else torch.full_like(truth, blank)
            assert torch.equal(value.nan_to_num(-7), expected.nan_to_num(-7))
            assert type(value) is type(truth)
        untouched = all(known[target][index] for target in known)
        assert (samples.digest(index) == whole.digest(index)) == untouched
    data.batch_size, data.workers = 10, 0
    batch = next(iter(data.train_dataloader()))
    assert 0 < int((batch["label"] < 0).sum()) < 10


@pytest.mark.parametrize("labelled", [{"mask": 0.0}, {"mask": 1.5}, {"masks": 0.5}, -0.1])
def test_what_is_no_share_is_refused_before_anything_is_read(labelled: object) -> None:
    with pytest.raises(CandelabraError, match=r"data.labelled"):
        DataModule(Shapes(), labelled=labelled)


def test_a_target_that_the_data_lack_is_refused() -> None:
    from candelabra.data import Digits

    with pytest.raises(CandelabraError, match="names keypoints; these data label label, box, mask"):
        DataModule(Digits(), labelled={"keypoints": 0.5}).open()


def test_a_run_on_few_labels_is_evaluated_on_the_same_ones(tiny: Compose, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["data.labelled={mask:0.2,label:0.5}", "data.count=60", "data.split_seed=4", "seed=2", "epochs=1"]
    run_train(tiny(*words, "data.size=32", "task.heads.keypoints=null"))
    rows = [line.split() for line in capsys.readouterr().out.splitlines() if "train" in line]
    assert [row[3::2] for row in rows if row[1:2] == ["train"]] == [["42", "21", "42", "42", "8"]]
    run = str(tiny().folder)
    run_eval(tiny(f"checkpoint={run}", "split=train", "trainer.enable_progress_bar=false", command="eval"))
