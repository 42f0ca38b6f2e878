"""Ref-SAV."""

from __future__ import annotations

from pathlib import Path

from videoseg.benchmarks.expressions import Expression
from videoseg.benchmarks.opening import split_named
from videoseg.benchmarks.rle_split import read_rle_split
from videoseg.benchmarks.split import LoadedSplit
from videoseg.metrics.protocols import REF_SAV

__all__ = ["RefSav"]


class RefSav:
    """Ref-SAV, the validation set (Yuan et al., Sa2VA, 2025).

    ::

        <root>/meta_expressions_valid.json
               mask_dict.json
               videos/<video>/<frame>.jpg

    The frames are pictures taken from the videos of SA-V. ``type_id`` 0 is a long expression,
    any other a short one; the overall score is the plain mean of the two groups.

    Args:
        check_pictures: Whether the frames must be there; scoring alone needs none.
    """

    name = "ref-sav"
    splits = ("valid",)
    license = "CC BY 4.0 (videos of SA-V); none stated for the expressions"
    homepage = "https://github.com/bytedance/Sa2VA"
    submission = None

    def __init__(self, *, check_pictures: bool = True) -> None:
        self._check_pictures = check_pictures

    def read(self, root: Path, split: str = "") -> LoadedSplit:
        """Read the split and check it.

        Raises:
            EvaluationError: If the folder is not as described; all problems are listed.
        """
        split = split_named(self, split)
        return read_rle_split(
            f"{self.name}/{split}",
            root,
            protocol=REF_SAV,
            meta=root / "meta_expressions_valid.json",
            pictures=root / "videos",
            masks=root / "mask_dict.json",
            group_of=_group,
            check_pictures=self._check_pictures,
        )


def _group(expression: Expression) -> str:
    return "long" if expression.type_id == 0 else "short"
