"""Strategies as functions, and what they refuse in the words of the command line."""

import pytest
from torch import nn

from candelabra.backbones import Torchvision
from candelabra.errors import CandelabraError
from candelabra.finetuning import (
    Adapters,
    Discriminative,
    FineTuning,
    Full,
    Gradual,
    Layerwise,
    LpFt,
    NormOnly,
    Thirds,
)
from candelabra.optim.parameter_groups import divide_parameters
from tests.finetuning.runs import STRATEGIES, tiny


def scales(strategy: FineTuning, stages: int) -> list[float]:
    return [strategy.lr_scale(stage, stages) for stage in range(stages)]


def frozen(strategy: FineTuning, epochs: int, stages: int) -> list[int]:
    return [strategy.frozen_stages(epoch, epochs, stages) for epoch in range(epochs)]


def test_the_rates_of_the_notes() -> None:
    assert scales(Thirds(), 4) == [0.001, 0.001, 0.01, 0.01]
    assert scales(Thirds(near=0.1, far=0.02), 5) == [0.02, 0.02, 0.02, 0.1, 0.1]


def test_discriminative_rates_fall_towards_the_input_or_are_listed() -> None:
    assert scales(Discriminative(decay=0.5), 3) == [0.125, 0.25, 0.5]
    assert scales(Discriminative(shares=[0.1, 0.2, 0.7]), 3) == [0.1, 0.2, 0.7]


def test_a_list_of_another_length_names_the_stages_of_this_backbone() -> None:
    with pytest.raises(CandelabraError, match="has 2 numbers and this backbone 5 stages"):
        divide_parameters(tiny(), Discriminative(shares=[0.001, 0.01]))


def test_gradual_thaws_from_the_top() -> None:
    assert frozen(Gradual(every=2), 8, 3) == [3, 3, 2, 2, 1, 1, 0, 0]


@pytest.mark.parametrize("epochs", [2, 3, 7, 10, 40])
@pytest.mark.parametrize("over", [0.1, 0.3, 0.5, 0.9])
def test_gradual_over_a_share_of_the_run_starts_frozen_and_has_thawed_when_it_is_over(over: float, epochs: int) -> None:
    counts = frozen(Gradual(every=None, over=over), epochs, 5)
    assert counts[0] == 5
    assert counts == sorted(counts, reverse=True)
    assert all(count == 0 for epoch, count in enumerate(counts) if epoch >= over * epochs)


def test_gradual_over_a_share_is_that_many_epochs_apart() -> None:
    assert frozen(Gradual(every=None, over=0.5), 8, 4) == frozen(Gradual(every=1), 8, 4)
    assert frozen(Gradual(every=None, over=0.3), 20, 3) == frozen(Gradual(every=2), 20, 3)


def test_heads_first_then_everything() -> None:
    assert frozen(LpFt(share=0.3), 10, 4) == [4] * 3 + [0] * 7
    assert frozen(LpFt(share=0.3), 4, 4) == [4, 4, 0, 0]
    assert scales(LpFt(scale=0.2), 2) == [0.2, 0.2]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Full(scale=0), "finetune.scale=0 must be above 0"),
        (lambda: NormOnly(scale=-1), "finetune.scale=-1 must be above 0"),
        (lambda: Discriminative(decay=2), "finetune.decay=2 .* at most 1"),
        (lambda: Discriminative(shares=[]), r"finetune.shares=\[\]"),
        (lambda: Layerwise(decay=0), "finetune.decay=0 .* \\(0.75, say\\)"),
        (lambda: Thirds(far=0), "finetune.far=0"),
        (lambda: Gradual(every=0), "finetune.every=0 must be at least 1"),
        (lambda: Gradual(every=2, over=0.5), "finetune.every=2 and finetune.over=0.5: give one"),
        (lambda: Gradual(every=None), "finetune.every=None and finetune.over=None: give one"),
        (lambda: Gradual(every=None, over=1.5), "finetune.over=1.5 is a share of the run"),
        (lambda: LpFt(share=1), "finetune.share=1 is a share of the run"),
        (lambda: Adapters(rank=0), "finetune.rank=0 must be at least 1"),
    ],
)
def test_impossible_strategies_name_their_key(make: object, words: str) -> None:
    with pytest.raises(CandelabraError, match=words):
        make()  # type: ignore[operator]


def test_layers_are_timms_and_torchvision_is_refused_in_words() -> None:
    layers = divide_parameters(tiny("test_vit"), Layerwise(decay=0.5))
    assert [part.name for part in layers] == [f"backbone/layer{index}" for index in range(len(layers))]
    assert len(layers) > len(tiny("test_vit").stages)
    assert [part.scale for part in layers] == [0.5 ** (len(layers) - index) for index in range(len(layers))]
    alexnet = Torchvision("alexnet", ["features.2", "features.12"], [8, 32], weights="none")
    with pytest.raises(CandelabraError, match=r"the layers of alexnet.*finetune=discriminative"):
        divide_parameters(alexnet, Layerwise())


def test_norm_only_is_refused_where_nothing_normalises() -> None:
    alexnet = Torchvision("alexnet", ["features.2", "features.12"], [8, 32], weights="none")
    with pytest.raises(CandelabraError, match=r"GroupNorm, LayerNorm.* it has none of them; .*vgg16_bn"):
        divide_parameters(alexnet, NormOnly())


@pytest.mark.parametrize("name", ["test_resnet", "test_vit", "test_convnext", "test_efficientnet"])
def test_norm_only_teaches_norms_and_nothing_else(name: str) -> None:
    backbone = tiny(name)
    backbone.freeze(0, kinds=NormOnly.kinds)
    learning = {key for key, value in backbone.named_parameters() if value.requires_grad}
    norms = (nn.BatchNorm2d, nn.LayerNorm)
    assert learning == {
        f"{place}.{key}"
        for place, module in backbone.named_modules()
        if isinstance(module, norms)
        for key, _ in module.named_parameters(recurse=False)
    }
    assert learning


def test_every_strategy_of_conf_states_its_rates_above_zero() -> None:
    for strategy in STRATEGIES.values():
        assert all(0 < scale <= 1 for scale in scales(strategy, 5))
