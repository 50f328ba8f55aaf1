"""The Dice loss, for each sample."""

from torch import Tensor

from candelabra.types import IGNORED


def soft_dice_loss(probabilities: Tensor, target: Tensor) -> Tensor:
    """1 - Dice (Milletari et al. 2016), averaged over the classes that an image shows.

    segmentation-models-pytorch's Dice averages over the batch; we need one value a sample.

    Args:
        probabilities: (N, C, H, W).
        target: (N, H, W) int64 class index, 255 where ignored.

    Returns:
        (N,) in [0, 1].
    """
    known = (target != IGNORED).unsqueeze(1)
    wanted = probabilities.new_zeros(probabilities.shape)
    wanted.scatter_(1, (target * known[:, 0]).unsqueeze(1), 1.0)
    wanted = wanted * known
    shared = (probabilities * wanted).sum((2, 3))
    total = (probabilities * known).sum((2, 3)) + wanted.sum((2, 3))
    shown = (wanted.sum((2, 3)) > 0).float()
    dice = (2 * shared + 1) / (total + 1)
    return 1 - (dice * shown).sum(1) / shown.sum(1).clamp(min=1)
