"""Conversion of frames and masks to the network's size, and back."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from videoseg.types import BoolArray, Frame, Size

__all__ = ["FrameGeometry", "xmem_size"]

_STRIDE = 16
# Mean and standard deviation of ImageNet's pixels, RGB in [0, 1].
_MEAN = (0.485, 0.456, 0.406)
_DEVIATION = (0.229, 0.224, 0.225)


def xmem_size(source: Size, size: int) -> Size:
    """Return the size at which XMem sees frames, rounded down as its release does.

    Args:
        source: (height, width) of the video.
        size: Length of the shorter side; -1 for the source's own.
    """
    if size < 0:
        return source
    scale = size / min(source)
    # The shorter side is exact.
    return max(size, int(source[0] * scale)), max(size, int(source[1] * scale))


class FrameGeometry:
    """Resizes, normalizes and pads frames and masks of one video, and undoes it.

    Args:
        source: (height, width) of the video.
        inner: (height, width) to which frames are resized.
        device: Where the network is.
        dtype: The type in which it takes images.
        gray_padding: Whether what is added to reach multiples of 16 has the color of the mean
            image (frames are normalized, then padded), or is black (padded, then normalized).
        centered: Whether a pixel of a mask that is resized takes the nearest pixel's value by
            the centers of both (``nearest-exact``), or by their upper left corners.
    """

    def __init__(
        self,
        source: Size,
        inner: Size,
        *,
        device: torch.device,
        dtype: torch.dtype,
        gray_padding: bool = True,
        centered: bool = False,
    ) -> None:
        self.inner = inner
        self._source = source
        self.device, self._dtype = device, dtype
        self._gray_padding = gray_padding
        self._mask_mode = "nearest-exact" if centered else "nearest"
        vertical, horizontal = ((-length) % _STRIDE for length in self.inner)
        self._top, self._left = vertical // 2, horizontal // 2
        self._padding = (
            self._left,
            horizontal - self._left,
            self._top,
            vertical - self._top,
        )
        shape = (1, 3, 1, 1)
        self._mean = torch.tensor(_MEAN, device=device).view(shape)
        self._deviation = torch.tensor(_DEVIATION, device=device).view(shape)

    @property
    def padded(self) -> Size:
        """(height, width) that the network sees; both are multiples of 16."""
        left, right, top, bottom = self._padding
        return self.inner[0] + top + bottom, self.inner[1] + left + right

    def image(self, frame: Frame) -> Tensor:
        """Return a frame as the network sees it, shape (1, 3, *padded), channels-last."""
        # A copy, since frames of readers may be read-only.
        pixels = torch.from_numpy(np.array(frame)).to(self.device)
        image = pixels.permute(2, 0, 1)[None].float() / 255
        if self.inner != self._source:
            image = functional.interpolate(
                image, self.inner, mode="bilinear", align_corners=False, antialias=True
            )
        if self._gray_padding:
            image = functional.pad((image - self._mean) / self._deviation, self._padding)
        else:
            image = (functional.pad(image, self._padding) - self._mean) / self._deviation
        return image.to(self._dtype, memory_format=torch.channels_last)

    def mask(self, mask: BoolArray) -> Tensor:
        """Return a mask of the source's size as the network sees it, float32, 0 or 1.

        A mask that is not empty keeps at least one pixel.
        """
        given = torch.from_numpy(np.array(mask, dtype=np.float32)).to(self.device)[None, None]
        small = given
        if self.inner != self._source:
            small = functional.interpolate(given, self.inner, mode=self._mask_mode)
            if not small.any():
                small = functional.adaptive_max_pool2d(given, self.inner)
        return functional.pad(small, self._padding)[0, 0]

    def masks(self, probabilities: Tensor) -> list[BoolArray]:
        """Return each object's mask at the source's size; masks do not overlap.

        Args:
            probabilities: Of the background and each object, shape (1 + N, *padded).
        """
        height, width = self.inner
        inner = probabilities[:, self._top : self._top + height, self._left : self._left + width]
        if self.inner != self._source:
            inner = functional.interpolate(
                inner[None], self._source, mode="bilinear", align_corners=False
            )[0]
        if len(inner) == 2:
            return [(inner[1] > inner[0]).cpu().numpy()]
        labels = inner.argmax(dim=0).to(torch.int16).cpu().numpy()
        return [labels == number for number in range(1, len(inner))]
