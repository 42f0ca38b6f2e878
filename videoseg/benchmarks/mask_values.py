"""What the pixels of a mask are in its picture, which some released scripts calculate with."""

from __future__ import annotations

from io import BytesIO

import numpy as np

from videoseg.errors import EvaluationError

__all__ = ["written_value"]


def written_value(data: bytes, *, where: str) -> int:
    """Return the highest value of a picture, read as grey with 8 bits; 0 for an empty mask.

    Args:
        data: The content of a file that ``read_mask`` has read.
        where: What it is called in messages.

    Raises:
        EvaluationError: If it is no picture.
    """
    from PIL import Image

    try:
        with Image.open(BytesIO(data), formats=("PNG",)) as image:
            return int(np.asarray(image.convert("L")).max())
    # A damaged picture can end in nearly any error of its decoder.
    except Exception as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise EvaluationError(
            f"{where} cannot be read as a PNG ({reason}); write it again"
        ) from error
