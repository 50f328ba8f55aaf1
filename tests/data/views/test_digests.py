"""Samples that are loaded differently have different digests, so a cache never serves one for the other."""

from pathlib import Path

from candelabra.data import DataModule, WebDataset
from tests.data.shards.test_webdataset import encode, write


def test_masks_of_shards_are_read_again_where_a_class_is_added(tmp_path: Path) -> None:
    members = [(f"{i:02}.{end}", encode(2, "PNG", (40, 30), mode)) for i in range(20)
               for end, mode in (("png", "RGB"), ("mask.png", "L"))]  # fmt: skip
    write(tmp_path / "train-000.tar", members)
    seen = []
    for classes in (["no", "yes"], ["no", "yes", "other"]):
        reader = WebDataset(root=str(tmp_path), words={"mask_classes": classes})
        data = DataModule(reader, size=16, cache="disk", workers=0, batch_size=4, augment="none")
        seen.append(next(iter(data.train_dataloader()))["mask"].unique().tolist())
    assert seen == [[255], [2]]
