"""Contract of a fine-tuning strategy: pure functions of stage, epoch and length."""

from collections.abc import Callable

import pytest

from candelabra.contracts.options import list_options
from candelabra.finetuning import FineTuning

every_strategy = pytest.mark.parametrize("build", list_options("finetune").values(), ids=list_options("finetune"))


@pytest.mark.parametrize("stages", [1, 4, 5])
@every_strategy
def test_stages_thaw_from_the_top_and_stay_so(build: Callable[[], FineTuning], stages: int) -> None:
    strategy = build()
    for epochs in (1, 2, 10):
        frozen = [strategy.frozen_stages(epoch, epochs, stages) for epoch in range(epochs)]
        assert frozen == sorted(frozen, reverse=True)
        assert 0 <= min(frozen) <= max(frozen) <= stages
        assert frozen == [build().frozen_stages(epoch, epochs, stages) for epoch in range(epochs)]


@pytest.mark.parametrize("stages", [1, 4, 5])
@every_strategy
def test_rates_are_positive(build: Callable[[], FineTuning], stages: int) -> None:
    strategy = build()
    assert all(0 < strategy.lr_scale(stage, stages) < float("inf") for stage in range(stages))
    assert all(rate > 0 <= decay for rate, decay in strategy.grid)
