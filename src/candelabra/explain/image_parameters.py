"""Images as parameters of gradient ascent."""

import math
from typing import Literal

import torch
from torch import Tensor, nn

Parametrisation = Literal["fourier", "pixel"]
_CONTRAST = 0.01  # standard deviation of the first noise: little, as a saturated ReLU6 or a dead ReLU has no gradient
_COLOURS = ((0.26, 0.09, 0.02), (0.27, 0.00, -0.05), (0.27, -0.09, 0.03))  # root of the covariance over ImageNet


class ImageParameters(nn.Module):
    """N images (3, H, W) in [0, 1] that start as grey noise and can be optimised.

    Fourier: coefficients of frequencies, divided by the frequency as in natural images, of uncorrelated colours (Olah
    et al. 2017): all scales are found at once. Pixel: each pixel by itself, which finds high frequencies first.

    Args:
        count, height, width: N, H and W.
        parametrisation: fourier or pixel.
        seed: of the noise.
    """

    def __init__(self, count: int, height: int, width: int, parametrisation: Parametrisation, seed: int = 0) -> None:
        super().__init__()
        self.size, self.parametrisation = (height, width), parametrisation
        shape = (count, 3, height, width // 2 + 1, 2) if parametrisation == "fourier" else (count, 3, height, width)
        noise = torch.randn(shape, generator=torch.Generator().manual_seed(seed)) * _CONTRAST
        self.values = nn.Parameter(noise)
        rows, columns = torch.fft.fftfreq(height)[:, None], torch.fft.rfftfreq(width)[None]
        frequency = (rows.square() + columns.square()).sqrt().clamp(min=1 / max(height, width))
        self.register_buffer("scale", math.sqrt(height * width) / frequency / max(height, width))
        colours = torch.tensor(_COLOURS)
        self.register_buffer("colours", colours / colours.norm(dim=0).max())
        self.scale: Tensor
        self.colours: Tensor

    def forward(self) -> Tensor:
        """(N, 3, H, W) in [0, 1]."""
        if self.parametrisation == "pixel":
            return (4 * self.values).sigmoid()
        spectrum = torch.view_as_complex(self.values) * self.scale
        plain = torch.fft.irfft2(spectrum, s=self.size, norm="ortho") / 4
        return (4 * torch.einsum("nchw,dc->ndhw", plain, self.colours)).sigmoid()
