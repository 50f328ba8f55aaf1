"""Self-supervised pretraining: a backbone that learns from views of images without labels."""

from collections.abc import Callable

from candelabra.backbones.backbone import Backbone
from candelabra.balancing.fixed import Fixed
from candelabra.data.targets import Labels, LabelTarget
from candelabra.errors import CandelabraError
from candelabra.finetuning import FineTuning, Full
from candelabra.heads import Embedding, Head, Projector
from candelabra.optim.parameter_groups import DEFAULT_OPTIMIZER, OptimizerFactory
from candelabra.optim.schedule_plan import PLATEAU_SCHEDULES, SchedulerFactory, is_frozen_run
from candelabra.optim.schedulers import cosine
from candelabra.tasks.image_views import ImageViews
from candelabra.tasks.task import Task


class Pretraining(Task):
    """Learns a backbone whose features of two views of an image are alike, and of other images are not.

    Where the data have one class an image, a head `neighbors` without weights measures how well the pooled features of
    the backbone find images of the same class; nothing is learned from classes.

    Args:
        backbone, labels: images -> features, and what the data label, which is not needed.
        projector: builds the head.
        crop, flip, colours, grey, blur: see `ImageViews`.
        finetune, optimizer, scheduler: see `Task`.

    Raises:
        CandelabraError: `finetune` never teaches the backbone.
    """

    def __init__(
        self,
        backbone: Backbone,
        labels: Labels,
        projector: Callable[[Backbone, Labels], Head] = Projector,
        crop: float = 0.2,
        flip: bool = True,
        colours: float = 0.4,
        grey: float = 0.2,
        blur: float = 0.2,
        finetune: FineTuning | None = None,
        optimizer: OptimizerFactory = DEFAULT_OPTIMIZER,
        scheduler: SchedulerFactory | None = cosine,
    ) -> None:
        views, finetune = ImageViews(crop, flip, colours, grey, blur), finetune or Full()
        if is_frozen_run(finetune, PLATEAU_SCHEDULES, len(backbone.stages)):
            raise CandelabraError(
                f"task=pretraining is to teach the backbone, which finetune={type(finetune).__name__.lower()} leaves "
                "as it is; choose finetune=scratch, full or discriminative."
            )
        heads: dict[str, Head] = {"projector": projector(backbone, labels)}
        classes = labels.find(LabelTarget)
        if classes is not None and not classes.multilabel:
            heads["neighbors"] = Embedding(backbone, labels, loss=None, dimensions=None)
        super().__init__(backbone, heads, Fixed, finetune, optimizer, scheduler)
        self.image_change = views
