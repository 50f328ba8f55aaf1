"""Fine-tuning strategies: which stages of the backbone learn, when, and how fast."""

from candelabra.finetuning.discriminative import Discriminative
from candelabra.finetuning.frozen import Frozen
from candelabra.finetuning.full import Full
from candelabra.finetuning.gradual import Gradual
from candelabra.finetuning.probe import Probe
from candelabra.finetuning.scratch import Scratch
from candelabra.finetuning.strategy import FineTuning

__all__ = ["Discriminative", "FineTuning", "Frozen", "Full", "Gradual", "Probe", "Scratch"]
