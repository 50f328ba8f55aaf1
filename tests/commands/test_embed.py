"""Images as vectors: what a kill costs, what odd files do, what is refused."""

from pathlib import Path

import numpy as np
import pandas
import pytest
import torch

from candelabra.backbones import Timm
from candelabra.commands import embed
from candelabra.commands.embed import run_embed
from candelabra.data.transforms.pipeline import make_eval_transforms
from candelabra.data.transforms.resize import make_resize
from candelabra.embeddings import Encoder, VectorIndex
from candelabra.embeddings.encoder import check_encoder
from candelabra.embeddings.extraction import ImageItems, extract_vectors
from candelabra.embeddings.parts import VectorParts
from candelabra.embeddings.sources import make_source
from candelabra.errors import CandelabraError
from tests.embeddings.images import asked, folder_of


class Mortal(Encoder):
    """Counts images, and dies before it has seen more than so many."""

    def __init__(self, backbone: Timm, most: int) -> None:
        super().__init__(backbone)
        self.most, self.seen = most, 0

    def __call__(self, images: torch.Tensor) -> np.ndarray:
        self.seen += len(images)
        if self.seen > self.most:
            raise KeyboardInterrupt
        return super().__call__(images)


def items_of(folder: Path) -> ImageItems:
    return ImageItems(make_source(str(folder)), make_eval_transforms(make_resize("stretch", (32, 32))))


def vectors_of(parts: VectorParts) -> np.ndarray:
    return np.concatenate([part.vectors for part in parts])


def test_a_killed_pass_goes_on_and_ends_in_the_same_bits(tmp_path: Path, backbone: Timm) -> None:
    items = items_of(folder_of(tmp_path / "images"))
    extract_vectors(VectorParts(tmp_path / "whole"), items, Encoder(backbone), 2, 0, silent=True)
    with pytest.raises(KeyboardInterrupt):
        extract_vectors(VectorParts(tmp_path / "parts"), items, Mortal(backbone, 5), 2, 0, silent=True)
    again = Mortal(backbone, 100)
    extract_vectors(VectorParts(tmp_path / "parts"), items, again, 2, 0, silent=True)
    assert again.seen == 8
    assert np.array_equal(vectors_of(VectorParts(tmp_path / "parts")), vectors_of(VectorParts(tmp_path / "whole")))


def test_torn_parts_and_changed_images_are_embedded_again(tmp_path: Path, backbone: Timm) -> None:
    folder = folder_of(tmp_path / "images")
    items, parts = items_of(folder), VectorParts(tmp_path / "parts")
    extract_vectors(parts, items, Encoder(backbone), 4, 0, silent=True)
    (path,) = (tmp_path / "parts").glob("*.npz")
    before = vectors_of(parts)
    path.write_bytes(path.read_bytes()[:-100])
    (tmp_path / "parts" / ".x.part").touch()
    extract_vectors(VectorParts(tmp_path / "parts"), items, Encoder(backbone), 4, 0, silent=True)
    assert np.array_equal(vectors_of(parts), before)
    (folder / "dark_0.png").write_bytes((folder / "bright_0.png").read_bytes())
    extract_vectors(parts, items, Encoder(backbone), 4, 0, silent=True)
    assert not np.array_equal(vectors_of(parts), before)
    assert not list((tmp_path / "parts").glob("*.part"))


def test_a_vector_is_the_same_alone_and_in_any_batch(backbone: Timm) -> None:
    encoder = Encoder(backbone)
    images = torch.randint(0, 256, (5, 3, 32, 32), dtype=torch.uint8)
    whole = encoder(images)
    assert whole.dtype == np.float32
    assert whole.shape == (5, backbone.num_features)
    assert np.array_equal(whole[3:4], encoder(images[3:4]))
    features = backbone(images)
    assert np.allclose(whole, features.final.mean((2, 3)).detach().numpy(), atol=1e-6)


def test_what_memory_does_not_hold_goes_through_in_halves(backbone: Timm, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder, images = Encoder(backbone), torch.randint(0, 256, (9, 3, 32, 32), dtype=torch.uint8)
    whole, sizes, run = encoder(images), [], backbone.forward

    def small(images: torch.Tensor) -> object:
        sizes.append(len(images))
        if len(images) > 3:
            raise torch.OutOfMemoryError
        return run(images)

    monkeypatch.setattr(backbone, "forward", small)
    assert np.array_equal(encoder(images), whole)
    assert max(size for size in sizes if size <= 3) == 3
    monkeypatch.setattr(backbone, "forward", lambda images: (_ for _ in ()).throw(torch.OutOfMemoryError()))
    with pytest.raises(CandelabraError, match="no memory for 2 images"):
        encoder(images)


def test_memory_is_asked_before_images_are_read(backbone: Timm) -> None:
    small, large = check_encoder(Encoder(backbone), (32, 32)), check_encoder(Encoder(backbone), (64, 64))
    assert 3 < large / small < 5
    with pytest.raises(CandelabraError, match="does not work on images of 32 x 32 pixels"):
        check_encoder(Encoder(Timm("vit_tiny_patch16_224", weights="none")), (32, 32))


def test_folder_to_index_odd_files_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    images = folder_of(tmp_path / "images")
    (images / "dark_9.png").write_bytes(b"no image")
    words = [f"source={images}", f"folder={tmp_path / 'index'}", "label='(.+)_'", "workers=0"]
    run_embed(asked(*words))
    index = VectorIndex.read(tmp_path / "index")
    assert index.vectors.shape == (12, 96)
    assert list(index.columns) == ["name", "path", "label"]
    assert list(index.columns["label"]) == ["bright"] * 6 + ["dark"] * 6
    assert all(Path(path).is_file() for path in index.columns["path"])
    assert (index.about["images"], index.about["skipped"]) == (13, 1)
    assert "dark_9.png" in (tmp_path / "index" / "issues.csv").read_text()
    assert not (tmp_path / "index" / "parts").exists()

    caplog.clear()
    caplog.set_level("INFO")
    run_embed(asked(*words))
    assert "embedded already" in caplog.text

    run_embed(asked(*words, "format=parquet"))
    assert not (tmp_path / "index" / "embeddings.npy").exists()
    again = VectorIndex.read(tmp_path / "index")
    assert np.array_equal(again.vectors, index.vectors)
    assert list(again.columns["name"]) == list(index.columns["name"])
    assert pandas.read_parquet(tmp_path / "index" / "embeddings.parquet")["embedding"][0].shape == (96,)

    with pytest.raises(CandelabraError, match=r"were made otherwise \(size: .*overwrite=true"):
        run_embed(asked(*words, "size=48"))
    run_embed(asked(*words, "size=48", "overwrite=true"))
    assert VectorIndex.read(tmp_path / "index").about["size"] == [48, 48]


def test_a_data_set_brings_splits_and_classes(tmp_path: Path) -> None:
    run_embed(
        asked("data=digits", "data.workers=0", "workers=0", "size=null", "data.size=16", f"folder={tmp_path / 'd'}")
    )
    index = VectorIndex.read(tmp_path / "d")
    assert set(index.columns) == {"name", "path", "split", "label"}
    assert set(index.columns["split"]) == {"train", "val", "test"}
    assert set(index.columns["label"]) == set("0123456789")
    assert set(index.columns["path"]) == {""}
    assert (len(index), index.about["size"]) == (1797, [16, 16])


def test_a_table_names_images_and_labels(tmp_path: Path) -> None:
    folder_of(tmp_path, 2)
    table = tmp_path / "list.csv"
    table.write_text("image,label,split\ndark_0.png,NA,train\nbright_1.png,,test\n,x,test\n")
    source = make_source(str(table))
    assert [Path(name).name for name in source.names] == ["dark_0.png", "bright_1.png"]
    assert (source.columns["label"], source.columns["split"]) == (["NA", ""], ["train", "test"])
    table.write_text("image,Split\ndark_0.png, TRAINING\nbright_1.png,Valid\ndark_1.png,\n")
    assert make_source(str(table)).columns["split"] == ["train", "val", ""]
    table.write_text("image,split\ndark_0.png,train\nbright_1.png,holdout\n")
    with pytest.raises(CandelabraError, match=r"list\.csv: the split 'holdout' is not known; allowed are train, val"):
        make_source(str(table))
    table.write_text("picture\nx.png\n")
    with pytest.raises(CandelabraError, match="needs a column image"):
        make_source(str(table))


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["source=nowhere"], "no image, no folder"),
        ([], "Give either source="),
        (["source={images}", "data=shapes"], "and a data set are given"),
        (["source={images}", "format=json"], "allowed are npy, parquet"),
        (["source={images}", "label='(.+'"], "no regular expression"),
        (["source={images}", "label=zebra"], "matches no name"),
        (["source={images}", "size=[1,2,3]"], "must be one side"),
        (["source={images}", "resize=fold"], "allowed are stretch"),
    ],
)
def test_what_cannot_be_used_is_refused(tmp_path: Path, words: list[str], sentence: str) -> None:
    images = folder_of(tmp_path / "images", 1)
    with pytest.raises(CandelabraError, match=sentence):
        run_embed(asked(*(word.format(images=images) for word in words), f"folder={tmp_path / 'index'}"))
    assert not (tmp_path / "index").exists()


@pytest.mark.parametrize(
    "words", ["data.batch_size=4", "data.workers=1", "data.size=32 run=there", "data.resize=crop run=there"]
)
def test_options_of_training_are_refused(tmp_path: Path, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    key = words.partition("=")[0]
    monkeypatch.setattr(embed, "list_typed_keys", lambda: ["data", key])
    with pytest.raises(CandelabraError, match=f"{key} .* has no effect on embed; set {key[5:]} in its place"):
        run_embed(asked("data=shapes", *words.split(), f"folder={tmp_path / 'index'}"))


def test_an_index_that_is_none_or_not_whole_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CandelabraError, match=r"has no embedding\.json"):
        VectorIndex.read(tmp_path)
    (tmp_path / "embedding.json").write_text('{"format": 0}')
    with pytest.raises(CandelabraError, match="has format 0, but only format 1 can be read"):
        VectorIndex.read(tmp_path)
    (tmp_path / "embedding.json").write_text('{"format": 1}')
    with pytest.raises(CandelabraError, match="is not finished"):
        VectorIndex.read(tmp_path)
