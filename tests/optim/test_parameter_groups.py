"""Parameter groups: all there from the first step, each at its rate, norms and biases without decay, names kept."""

from pathlib import Path

import lightning as L
import pytest
import torch
from lightning.pytorch.callbacks import LearningRateMonitor
from lightning.pytorch.loggers import CSVLogger
from torch import nn

from candelabra.finetuning import Discriminative, Gradual, Layerwise
from candelabra.optim.parameter_groups import divide_parameters, is_undecayed
from candelabra.optim.schedulers import constant, cosine, one_cycle, plateau
from tests.finetuning.runs import STRATEGIES, data, task, tiny, trainer


@pytest.mark.parametrize("name", STRATEGIES)
def test_every_parameter_is_in_one_group_at_its_rate(name: str) -> None:
    model = task(STRATEGIES[name], None)
    optimizer = model.configure_optimizers()
    grouped = [p for group in optimizer.param_groups for p in group["params"]]
    assert len(grouped) == len({id(p) for p in grouped}) == len(list(model.parameters()))
    rates = {p: group["lr"] for group in optimizer.param_groups for p in group["params"]}
    for part in divide_parameters(model.backbone, STRATEGIES[name]):
        assert all(rates[p] == pytest.approx(3e-3 * part.scale) for p in part.parameters)
    assert all(rates[p] == 3e-3 for p in model.heads.parameters())


@pytest.mark.parametrize(
    ("name", "backbone"),
    [
        pytest.param(name, backbone, marks=() if backbone == "test_resnet" or name == "layerwise" else pytest.mark.slow)
        for name in STRATEGIES
        for backbone in ("test_resnet", "test_vit", "test_convnext", "test_efficientnet")
    ],
)
def test_norms_and_biases_never_decay_and_other_weights_do(name: str, backbone: str) -> None:
    model = task(STRATEGIES[name], None, backbone=tiny(backbone))
    optimizer = model.configure_optimizers()
    decays = {p: group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}
    for place, module in model.named_modules():
        for key, parameter in module.named_parameters(recurse=False):
            norm = isinstance(module, nn.BatchNorm2d | nn.LayerNorm)
            if norm or "bias" in key:
                assert decays[parameter] == 0, f"{place}.{key}"
            elif isinstance(module, nn.Linear | nn.Conv2d):
                assert decays[parameter] > 0, f"{place}.{key}"


def test_biases_of_more_dimensions_and_normalised_planes_do_not_decay_either() -> None:
    module = nn.Module()
    module.relative_position_bias_table = nn.Parameter(torch.zeros(9, 2))
    network = nn.Sequential(nn.LayerNorm([4, 4]), module, nn.Linear(2, 2))
    assert is_undecayed([network]) == set(network.parameters()) - {network[2].weight}


def test_a_norm_equal_in_value_to_one_of_a_head_has_its_own_place() -> None:
    """Lightning's BackboneFinetuning compares parameters by value, and then never unfreezes such a one."""
    model = task(Gradual(), None)
    norms = [m for m in model.backbone.modules() if isinstance(m, nn.BatchNorm2d)]
    model.heads["label"].norm = twin = nn.BatchNorm2d(norms[-1].num_features)
    assert torch.equal(twin.weight, norms[-1].weight)
    grouped = {p for group in model.configure_optimizers().param_groups for p in group["params"]}
    assert {twin.weight, norms[-1].weight} <= grouped
    model.backbone.freeze(0)
    assert all(p.requires_grad for p in model.backbone.parameters())


class Names(L.Callback):
    """What the optimizer's groups are at the start of each epoch."""

    def __init__(self) -> None:
        self.seen: list[list[tuple[str, int]]] = []

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        groups = trainer.optimizers[0].param_groups
        self.seen.append([(group["name"], len(group["params"])) for group in groups])


@pytest.mark.parametrize("scheduler", [constant, cosine, one_cycle, plateau])
def test_no_group_is_added_in_mid_run(scheduler: object, tmp_path: Path) -> None:
    """One that is added breaks LambdaLR and OneCycleLR (flash 1321)."""
    names = Names()
    trainer(3, tmp_path, callbacks=[names]).fit(task(Gradual(), scheduler), data(40))
    assert names.seen[0] == names.seen[1] == names.seen[2]


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        ("discriminative", [*(f"backbone/stage{index}" for index in range(5)), "heads"]),
        ("layerwise", [*(f"backbone/layer{index}" for index in range(5)), "heads"]),
        ("thirds", ["backbone/stages0-2", "backbone/stages3-4", "heads"]),
        ("full", ["backbone/stages0-4", "heads"]),
    ],
)
@pytest.mark.parametrize("scheduler", [one_cycle, plateau])
def test_rates_are_logged_by_the_name_of_the_group(
    strategy: str, expected: list[str], scheduler: object, tmp_path: Path
) -> None:
    logger = CSVLogger(tmp_path, name="", version="")
    options = {"logger": logger, "callbacks": [LearningRateMonitor("step")], "log_every_n_steps": 1}
    trainer(2, tmp_path, **options).fit(task(STRATEGIES[strategy], scheduler), data(40))
    header = (tmp_path / "metrics.csv").read_text().splitlines()[0].split(",")
    logged = {name.removeprefix("lr-AdamW/") for name in header if name.startswith("lr-AdamW/")}
    assert logged == {*expected, *(f"{name}/no_decay" for name in expected)}


def test_layers_of_one_rate_share_a_group() -> None:
    assert task(Layerwise(decay=1.0)).parameter_groups()[0]["name"] == "backbone/layers0-4"
    assert len(task(Discriminative(decay=1.0)).parameter_groups()) == 4
