"""Lets torchvision be imported where its build does not match torch's.

Test machines often pair a CPU build of torch with a torchvision that was built for CUDA. Its
compiled operators then cannot be loaded, and importing it fails on the first one it looks
for, although image processors only need its pure Python half. Here the two operators it looks
for are declared (not implemented), in this process only.
"""

from __future__ import annotations

import importlib.util
import io
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

_SIGNATURE = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"


@lru_cache(maxsize=1)
def declare_missing_operators() -> Any:
    """Declare the operators torchvision looks for, if it cannot load its own.

    Returns:
        What keeps the declarations alive; None if the builds match or torchvision is absent.
    """
    import torch

    spec = importlib.util.find_spec("torchvision")
    if "torchvision" in sys.modules or spec is None or spec.origin is None:
        return None
    for library in Path(spec.origin).parent.glob("_C*.so"):
        try:
            torch.ops.load_library(str(library))
        except OSError:
            continue
        return None
    declared = torch.library.Library("torchvision", "DEF")
    for operator in ("nms", "qnms"):
        declared.define(operator + _SIGNATURE)
    return declared


def decode_images_with_pillow() -> None:
    """Let torchvision decode images with Pillow, if it cannot load its own decoder.

    For a process of its own (a server), since it replaces a function of torchvision.
    """
    if declare_missing_operators() is None:
        return
    import numpy as np
    import torch
    import torchvision.io
    from PIL import Image

    def decode_image(data: Any, *_: Any, **__: Any) -> Any:
        with Image.open(io.BytesIO(data.numpy().tobytes())) as picture:
            pixels = np.array(picture.convert("RGB"))
        return torch.from_numpy(pixels).permute(2, 0, 1)

    torchvision.io.decode_image = decode_image
