"""Vectors of images, learned from classes: losses, what a run writes, and where its vectors go."""

import json
import multiprocessing
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist
from PIL import Image
from sklearn.datasets import load_digits

from candelabra import Model
from candelabra.backbones import Timm
from candelabra.commands.embed import run_embed
from candelabra.commands.predict import run_predict
from candelabra.commands.search import run_search
from candelabra.commands.train import run_train
from candelabra.data.targets import BoxTarget, Labels, LabelTarget
from candelabra.embeddings import VectorIndex
from candelabra.embeddings.embedder import Embedder
from candelabra.errors import CandelabraError
from candelabra.heads import Embedding
from candelabra.heads.losses import ArcFace, MultiSimilarity, ProxyAnchor, SupCon
from candelabra.heads.losses.rank_joining import join_ranks
from candelabra.tasks.loading import load_task
from tests.conftest import Compose
from tests.exported import export_run_to, make_pictures
from tests.small_runs import composed
from tests.training.test_interruption import assert_equal, in_a_process

pytest.importorskip("pytorch_metric_learning")

LABELS = Labels(LabelTarget(tuple("abcd")))
CLASSES = torch.arange(16) % 4
LOSSES = pytest.mark.parametrize("loss", [MultiSimilarity, SupCon, ArcFace, ProxyAnchor])
WORDS = ("task=embedding", "data=folder", "data.split=by_class", "data.size=32", "data.flip=false")
EXACT = ("trainer=cpu", "trainer.precision=32-true")


def write_digits(folder: Path, each: int) -> str:
    """The words for a folder of handwritten digits, so many of each class."""
    images, classes = load_digits(return_X_y=True)
    for number in range(10):
        (folder / str(number)).mkdir(parents=True)
        for place, pixels in enumerate(images[classes == number][:each]):
            Image.fromarray((pixels.reshape(8, 8) * 15).astype(np.uint8)).save(folder / str(number) / f"{place}.png")
    return f"data.root={folder}"


@LOSSES
def test_a_loss_draws_classes_together(loss: type[torch.nn.Module], backbone: Timm) -> None:
    torch.manual_seed(0)
    criterion = loss(4, 8)
    vectors = torch.nn.Parameter(0.3 * torch.randn(16, 8))
    optimizer = torch.optim.Adam([vectors, *criterion.parameters()], 0.05)
    for _ in range(100):
        optimizer.zero_grad()
        value = criterion(torch.nn.functional.normalize(vectors), CLASSES)
        value.backward()
        optimizer.step()
    head = Embedding(backbone, LABELS, lambda *_: criterion)
    metrics = head.metrics()
    head.measure(metrics, vectors.detach(), CLASSES, (8, 8))
    assert float(metrics["retrieval"].compute()["map_at_r"]) > 0.95


@LOSSES
def test_a_batch_of_one_class_has_a_finite_loss(loss: type[torch.nn.Module], backbone: Timm) -> None:
    head = Embedding(backbone, LABELS, loss, dimensions=8)
    outputs = torch.nn.functional.normalize(torch.randn(3, 8)).requires_grad_()
    for classes in ([0, 0, 0], [0, -1, -1], [-1, -1, -1]):
        values = head.loss(outputs, torch.tensor(classes), (8, 8))
        assert values.shape == (3,)
        assert values.isfinite().all()
        values.sum().backward()


def test_vectors_have_length_1_and_the_pooled_features_need_no_layer(backbone: Timm) -> None:
    features = backbone(torch.rand(4, 3, 64, 64))
    for dimensions, width in ((16, 16), (None, backbone.num_features)):
        head = Embedding(backbone, LABELS, dimensions=dimensions)
        vectors = head(features)
        assert vectors.shape == (4, width)
        torch.testing.assert_close(vectors.norm(dim=1), torch.ones(4))
    expected = torch.nn.functional.normalize(features.final.mean((2, 3)))
    torch.testing.assert_close(vectors, expected)


def test_what_cannot_be_learned_is_refused(backbone: Timm) -> None:
    with pytest.raises(CandelabraError, match="one class an image"):
        Embedding(backbone, Labels(LabelTarget(tuple("ab"), True)))
    with pytest.raises(CandelabraError, match="needs data that label 'label'"):
        Embedding(backbone, Labels(BoxTarget()))
    with pytest.raises(CandelabraError, match="dimensions=0"):
        Embedding(backbone, LABELS, dimensions=0)
    with pytest.raises(CandelabraError, match="dimensions=null leaves out all layers"):
        Embedding(backbone, LABELS, dimensions=None, hidden=[8])


def _join(rank: int, counts: list[int], folder: str) -> None:
    dist.init_process_group("gloo", f"file://{folder}/store", rank=rank, world_size=len(counts))
    torch.manual_seed(0)
    vectors, classes = torch.randn(sum(counts), 8), torch.arange(sum(counts)) % 3
    criterion = ProxyAnchor(3, 8)
    start = sum(counts[:rank])
    mine = vectors[start : start + counts[rank]].clone().requires_grad_()
    value = criterion(join_ranks(mine), join_ranks(classes[start : start + counts[rank]]))
    # As `LossSums.average`: each sample has the value, and DDP takes the mean over ranks.
    (value * counts[rank] * len(counts) / sum(counts)).backward()
    torch.save((value, mine.grad, criterion.compute.proxies.grad), f"{folder}/{rank}.pt")
    dist.destroy_process_group()


@pytest.mark.parametrize("counts", [[5, 5], [7, 2], [6, 0]])
def test_ranks_together_have_loss_and_gradient_of_one_process(counts: list[int], tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    jobs = [context.Process(target=_join, args=(rank, counts, str(tmp_path))) for rank in range(len(counts))]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join()
    assert [job.exitcode for job in jobs] == [0] * len(counts)
    found = [torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(len(counts))]
    torch.manual_seed(0)
    vectors, classes = torch.randn(sum(counts), 8).requires_grad_(), torch.arange(sum(counts)) % 3
    criterion = ProxyAnchor(3, 8)
    value = criterion(vectors, classes)
    value.backward()
    for each, _, _ in found:
        torch.testing.assert_close(each, value.detach())
    gradients = torch.cat([each for _, each, _ in found]) / len(counts)
    torch.testing.assert_close(gradients, vectors.grad)
    torch.testing.assert_close(sum(each for *_, each in found) / len(counts), criterion.compute.proxies.grad)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("embedding")
    pictures = make_pictures(folder / "pictures")
    assert pictures.is_dir()
    words = [*WORDS, write_digits(folder / "digits", 30), "epochs=6", "lr=0.006", "task.embedding.dimensions=16"]
    words.append("trainer.check_val_every_n_epoch=6")
    run_train(composed("train", f"folder={folder / 'run'}", *words))
    return folder


def test_a_run_learns_and_writes_metrics_and_pictures(run: Path) -> None:
    results = json.loads((run / "run" / "results.json").read_text())
    assert results["test/embedding/recall_at_1"] > 0.7  # of two classes it never saw
    assert results["heads"]["embedding"]["main_metric"] == "map_at_r"
    assert results["test/score"] == results["test/embedding/map_at_r"]
    picture = Image.open(run / "run" / "pictures" / "embedding_neighbors.png").convert("RGB")
    colours = {colour for _, colour in picture.getcolors(1 << 20)}
    assert {(0, 150, 60), (255, 255, 255)} <= colours


def test_vectors_are_what_embed_search_predict_and_python_give(run: Path) -> None:
    source, task = f"source={run / 'pictures'}", load_task(run / "run")
    paths = sorted((run / "pictures").iterdir())
    model = Model(run / "run", "cpu")
    vectors = model.embed(paths)
    assert vectors.shape == (len(paths), 16)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    run_embed(composed("embed", f"folder={run / 'index'}", source, f"run={run / 'run'}", *EXACT))
    index = VectorIndex.read(run / "index")
    np.testing.assert_allclose(index.vectors, vectors, atol=1e-5)
    np.testing.assert_allclose(Embedder(run / "run").fit(paths).transform(paths), vectors, atol=1e-5)
    run_embed(composed("embed", f"folder={run / 'trunk'}", source, f"run={run / 'run'}", "vectors=backbone", *EXACT))
    assert VectorIndex.read(run / "trunk").vectors.shape == (len(paths), task.backbone.num_features)
    run_search(composed("search", f"folder={run / 'found'}", f"index={run / 'index'}", f"query={paths[0]}", "k=1"))
    rows = (run / "found" / "search.csv").read_text().splitlines()
    assert paths[0].name in rows[1]
    run_predict(composed("predict", f"folder={run / 'predicted'}", source, f"checkpoint={run / 'run'}"))
    table = (run / "predicted" / "predictions.csv").read_text().splitlines()
    assert table[0] == ",".join(["image", *(f"embedding_{number}" for number in range(16))])
    np.testing.assert_allclose([float(cell) for cell in table[1].split(",")[1:]], vectors[0], atol=1e-5)
    assert model(paths[0]).embedding.shape == (16,)


def test_a_word_for_vectors_that_is_none_is_refused(run: Path) -> None:
    with pytest.raises(CandelabraError, match="vectors=trunk is not known; allowed are head and backbone"):
        run_embed(composed("embed", "folder=x", f"source={run / 'pictures'}", f"run={run / 'run'}", "vectors=trunk"))


def test_a_classifier_of_whole_classes_is_refused(tiny: Compose, tmp_path: Path) -> None:
    words = [*WORDS, write_digits(tmp_path / "digits", 4), "task=classification", "data.sampler=shuffled"]
    with pytest.raises(CandelabraError, match="cannot tell classes it never saw; choose task=embedding"):
        run_train(tiny(*words))


@pytest.mark.slow
def test_a_classifier_learns_beside_it_and_a_frozen_backbone_is_cached(tiny: Compose) -> None:
    words = ["data.count=60", "data.size=32", "data.sampler=4_per_class", "data.batch_size=12"]
    words = [*words, "+head@task.heads.vectors=embedding", "task.heads.vectors.dimensions=16", "data.augment=none"]
    frozen = [*words, "finetune=frozen", "epochs=1"]
    cached = run_train(tiny(*frozen))
    assert {"test/vectors/recall_at_1", "test/label/accuracy", "test/mask/iou"} <= set(cached)
    again = run_train(tiny(*frozen, "cache.gigabytes=0", "overwrite=true"))
    assert again["test/vectors/map_at_r"] == pytest.approx(cached["test/vectors/map_at_r"], abs=1e-3)


@pytest.mark.slow
def test_a_killed_run_ends_as_if_it_had_not_been(tmp_path: Path) -> None:
    words = [*WORDS, write_digits(tmp_path / "digits", 20), "backbone=test_resnet", "backbone.weights=none"]
    words += ["data.batch_size=16", "data.workers=0", "trainer=cpu", "epochs=3", "save.steps=1", "ema=0.9"]
    words += ["loss@task.embedding.loss=proxy_anchor"]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert in_a_process([*words, f"folder={whole}"]) == 0
    assert in_a_process([*words, f"folder={killed}"], signal.SIGKILL, 5) == -signal.SIGKILL
    assert in_a_process([f"resume={killed}"]) == 0
    assert_equal(whole, killed)


@pytest.mark.slow
def test_an_exported_model_gives_the_vectors_of_the_head(run: Path) -> None:
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    from candelabra.runtime import Model as RuntimeModel

    assert export_run_to(run / "run", run / "onnx") == 0
    paths = sorted((run / "pictures").iterdir())
    exported = RuntimeModel(run / "onnx" / "model.onnx")
    vectors = Model(run / "run", "cpu").embed(paths)
    np.testing.assert_allclose(exported.embed(paths), vectors, atol=1e-3)
    np.testing.assert_allclose(exported(paths[0]).values["embedding"], vectors[0], atol=1e-3)
    json.dumps(exported(paths[0]).to_dict())
