"""Low-rank adapters on frozen weights."""

from candelabra.backbones.backbone import Backbone
from candelabra.backbones.lora import add_lora
from candelabra.errors import CandelabraError
from candelabra.finetuning.checks import check_scale
from candelabra.finetuning.strategy import FineTuning


class Adapters(FineTuning):
    """Trains low-rank adapters on linear layers and convolutions, and the heads; weights are frozen (Hu et al. 2022).

    Adapters are initialised to zero: before the first step the features are those of the pretrained backbone. Needs
    peft: pip install 'candelabra[adapters]'.

    Args:
        rank: of each adapter, at least 1.
        scale: learning rate of the adapters as a share of the heads' rate, above 0.
        keep_statistics: see `FineTuning`.
    """

    def __init__(self, rank: int = 8, scale: float = 1.0, keep_statistics: bool = True) -> None:
        if rank < 1:
            raise CandelabraError(f"finetune.rank={rank} must be at least 1; finetune=frozen is without adapters.")
        self.rank, self.scale, self.keep_statistics = rank, check_scale(scale), keep_statistics

    def prepare(self, backbone: Backbone) -> None:
        add_lora(backbone, self.rank)

    def frozen_stages(self, epoch: int, epochs: int, num_stages: int) -> int:
        return 0

    def lr_scale(self, stage: int, num_stages: int) -> float:
        return self.scale
