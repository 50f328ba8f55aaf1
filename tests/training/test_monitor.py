"""What is refused before training because nothing can be learnt or measured."""

from pathlib import Path

import pytest

from candelabra.commands.train import run_train
from candelabra.errors import CandelabraError
from tests.conftest import Compose
from tests.data.files import make_folder, write_image

SHORT = ("data.size=32", "trainer.max_epochs=1", "trainer.limit_val_batches=1", "trainer.limit_test_batches=1")


@pytest.mark.parametrize("task", ["multitask", "classification"])
def test_one_class_alone_is_refused_with_the_folders_below(task: str, tiny: Compose, tmp_path: Path) -> None:
    make_folder(tmp_path / "data" / "photos", 10)
    told = r"single class, 'photos', .*one folder too high \(data\.root=.*photos looks like data=folder\)"
    with pytest.raises(CandelabraError, match=told):
        run_train(tiny("data=folder", f"data.root={tmp_path / 'data'}", f"task={task}", *SHORT))
    assert not (tmp_path / "train").exists()


def test_one_class_beside_boxes_is_trained(tiny: Compose, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for number in range(10):
        write_image(tmp_path / "data" / f"{number}.png")
    rows = "".join(f"{number}.png,racoon,2,2,12,12\n" for number in range(10))
    (tmp_path / "data" / "labels.csv").write_text("image,label,xmin,ymin,xmax,ymax\n" + rows)
    words = ("data=auto", f"data.root={tmp_path / 'data'}", "data.val=0.2", "data.test=0.2", *SHORT)
    run_train(tiny(*words))
    assert "head label has one class only, 'racoon'" in caplog.text
    with pytest.raises(CandelabraError, match="single class, 'racoon', so there is nothing to learn"):
        run_train(tiny(*words, "task=classification", f"folder={tmp_path / 'other'}"))
