"""Fine-tuning strategies: which parts of the backbone learn, when, and how fast."""

from candelabra.finetuning.adapters import Adapters
from candelabra.finetuning.discriminative import Discriminative
from candelabra.finetuning.frozen import Frozen
from candelabra.finetuning.full import Full
from candelabra.finetuning.gradual import Gradual
from candelabra.finetuning.layerwise import Layerwise
from candelabra.finetuning.lp_ft import LpFt
from candelabra.finetuning.norm_only import NormOnly
from candelabra.finetuning.partial import Partial
from candelabra.finetuning.probe import Probe
from candelabra.finetuning.scratch import Scratch
from candelabra.finetuning.strategy import FineTuning
from candelabra.finetuning.thirds import Thirds

__all__ = [
    "Adapters",
    "Discriminative",
    "FineTuning",
    "Frozen",
    "Full",
    "Gradual",
    "Layerwise",
    "LpFt",
    "NormOnly",
    "Partial",
    "Probe",
    "Scratch",
    "Thirds",
]
