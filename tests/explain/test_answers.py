"""Each head gives numbers that explanations differentiate."""

import pytest
import torch

from candelabra.backbones import Timm
from candelabra.data.targets import BoxesTarget, Labels
from candelabra.errors import CandelabraError
from candelabra.explain import METHODS, ExplainSettings, HeadNetwork, OppositeNetwork, explain_image
from candelabra.explain.network import prepare_module
from candelabra.heads import FCOS
from tests.explain.models import extract, make_head

WORDS: dict[str, list[str | None]] = {
    "label": ["dog", None],
    "box": ["left", "bottom", None],
    "box regressed": ["top", None],
    "keypoints": ["tail", None],
    "mask": [None],
    "depth": ["mean", "least", "largest", None],
    "value": ["size", None],
    "ordinal": ["low", "high", None],
    "embedding": [None],
    "boxes": ["1", "3", "dog", None],
}
SETTINGS = ExplainSettings(channels=4, cells=4, steps=2)


@pytest.mark.parametrize(("name", "word"), [(name, word) for name, words in WORDS.items() for word in words])
def test_answers_are_differentiable_and_certain_of_the_image_itself(backbone: Timm, name: str, word: str) -> None:
    image, features = extract(backbone)
    head = make_head(name, backbone)
    answer = head.find_answer(features, word)
    network = HeadNetwork(backbone, head, answer)
    pixels = image.repeat(2, 1, 1, 1).requires_grad_()
    scores = network.run(pixels).scores
    assert scores.shape == (2,)
    (gradient,) = torch.autograd.grad(scores.sum(), pixels)
    assert gradient.isfinite().all()
    assert gradient.any()
    confidence = network.measure_confidence(image[None]).detach()
    assert confidence.shape == (1,)
    assert 0 <= float(confidence) <= 1
    if name in ("box", "keypoints"):
        assert float(confidence) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("label", "horse"),
        ("box", "middle"),
        ("keypoints", "ear"),
        ("mask", "sky"),
        ("boxes", "horse"),
        ("depth", "sky"),
        ("value", "price"),
        ("ordinal", "middle"),
    ],
)
def test_words_that_a_head_does_not_know_are_refused(backbone: Timm, name: str, word: str) -> None:
    _, features = extract(backbone)
    with pytest.raises(CandelabraError, match=f"target={word}.*allowed are"):
        make_head(name, backbone).find_answer(features, word)


def test_a_depth_answers_for_the_pixels_with_its_least_and_largest_numbers(backbone: Timm) -> None:
    _, features = extract(backbone)
    head = make_head("depth", backbone)
    with torch.no_grad():
        numbers = head(features)[0].flatten().sort().values
        found = {word: head.find_answer(features, word).score(features) for word in ("mean", "least", "largest")}
    scores = {word: float(score) for word, score in found.items()}
    tenth = len(numbers) // 10
    assert scores["mean"] == pytest.approx(float(numbers.mean()), abs=1e-5)
    assert scores["least"] == pytest.approx(-float(numbers[:tenth].mean()), abs=1e-5)
    assert scores["largest"] == pytest.approx(float(numbers[-tenth:].mean()), abs=1e-5)


def test_a_detection_that_is_not_there_is_no_answer(backbone: Timm) -> None:
    _, features = extract(backbone)
    with pytest.raises(CandelabraError, match="objects are found for target=99999"):
        make_head("boxes", backbone).find_answer(features, "99999")


@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("name", ["label", "mask"])
def test_explaining_leaves_the_model_untouched(backbone: Timm, name: str, frozen: bool) -> None:
    backbone.freeze(len(backbone.stages) if frozen else 0)
    head = make_head(name, backbone)
    image, features = extract(backbone)
    backbone.train()
    head.train()
    before = {key: value.clone() for key, value in backbone.state_dict().items()}
    modes = [module.training for module in backbone.modules()]
    learning = [parameter.requires_grad for parameter in backbone.parameters()]
    with prepare_module(backbone) as still, prepare_module(head):
        network = HeadNetwork(still, head, head.find_answer(features, None))
        found = explain_image(network, image, list(METHODS), ["auto", "1"], SETTINGS)
    assert len(found) == 2 * 6 + 2
    assert all(torch.equal(value, before[key]) for key, value in backbone.state_dict().items())
    assert [module.training for module in backbone.modules()] == modes
    assert [parameter.requires_grad for parameter in backbone.parameters()] == learning
    assert all(parameter.grad is None for parameter in [*backbone.parameters(), *head.parameters()])


def test_frozen_and_trained_backbones_are_explained_alike(backbone: Timm) -> None:
    head = make_head("label", backbone)
    image, features = extract(backbone)
    network = HeadNetwork(backbone, head, head.find_answer(features, "dog"))
    free = explain_image(network, image, ["gradcam", "layercam"], ["0", "final"])
    backbone.freeze(len(backbone.stages))
    frozen = explain_image(network, image, ["gradcam", "layercam"], ["0", "final"])
    assert all(torch.equal(one.heat, other.heat) for one, other in zip(free, frozen, strict=True))


def test_an_empty_map_says_so_and_its_opposite_is_not(backbone: Timm) -> None:
    """Evidence against is where evidence for is not: one of both maps has something."""
    head = make_head("label", backbone)
    image, features = extract(backbone)
    network = HeadNetwork(backbone, head, head.find_answer(features, "dog"))
    with torch.no_grad():
        weight = next(head.parameters())
        weight.copy_(-weight.abs())
    (found,) = explain_image(network, image)
    assert found.is_empty
    (opposite,) = explain_image(OppositeNetwork(network), image)
    assert not opposite.is_empty


def test_bfloat16_weights_are_explained_in_float32(backbone: Timm) -> None:
    backbone.to(torch.bfloat16)
    with prepare_module(backbone) as copy:
        assert next(copy.parameters()).dtype == torch.float32
    assert next(backbone.parameters()).dtype == torch.bfloat16


def test_a_class_called_by_a_number_is_meant_by_it(backbone: Timm) -> None:
    _, features = extract(backbone)
    head = FCOS(backbone, Labels(BoxesTarget(("2", "1"))), width=16, score_threshold=0.0).eval()
    for word in ("1", "2"):
        assert head.find_answer(features, word).words.startswith(f"{word},")
    with pytest.raises(CandelabraError, match="numbered from 1"):
        head.find_answer(features, "0")
