"""MeViS."""

from __future__ import annotations

from pathlib import Path

from videoseg.benchmarks.expressions import Expression
from videoseg.benchmarks.opening import split_named
from videoseg.benchmarks.rle_split import read_rle_split
from videoseg.benchmarks.split import LoadedSplit
from videoseg.benchmarks.submission import SubmissionFormat
from videoseg.metrics.protocols import MEVIS

__all__ = ["Mevis"]

_GROUPS = {0: "referring", 1: "reasoning", 2: "no-target"}


class Mevis:
    """MeViS: motion expressions (Ding et al., ICCV 2023).

    ::

        <root>/<split>/meta_expressions.json
                       mask_dict.json                 (valid_u and train)
                       mask_dict_foreground.json      (optional; as ReVOS has it)
                       JPEGImages/<video>/<frame>.jpg

    ``root`` may also be the folder of one split. The masks of ``valid`` are on the server:
    its truth is None and predictions are uploaded. The truth of an expression is the union
    of the annotations in its ``anno_id``; an empty list means that there is no such object.
    Where expressions have a ``type_id``, as in data of the same layout, it becomes the group:
    0 referring, 1 reasoning, 2 no-target.

    ``JPEGImages`` may be a text file that holds a relative path, which is what Git leaves of
    a link where links are not supported.

    Args:
        check_pictures: Whether the frames must be there; scoring alone needs none.
    """

    name = "mevis"
    splits = ("valid_u", "valid", "train")
    license = "CC BY-NC-SA 4.0, non-commercial research only"
    homepage = "https://github.com/henghuiding/MeViS"
    submission = SubmissionFormat(top_folder="", server="https://github.com/henghuiding/MeViS")

    def __init__(self, *, check_pictures: bool = True) -> None:
        self._check_pictures = check_pictures

    def read(self, root: Path, split: str = "") -> LoadedSplit:
        """Read one split and check it.

        Raises:
            EvaluationError: If the folder is not as described; all problems are listed.
        """
        split = split_named(self, split)
        folder = root / split
        if not folder.is_dir() and (root / "meta_expressions.json").is_file():
            folder = root
        foreground = folder / "mask_dict_foreground.json"
        return read_rle_split(
            f"{self.name}/{split}",
            root,
            protocol=MEVIS,
            meta=folder / "meta_expressions.json",
            pictures=folder / "JPEGImages",
            masks=None if split == "valid" else folder / "mask_dict.json",
            foreground=foreground if foreground.is_file() else None,
            group_of=_group,
            check_pictures=self._check_pictures,
        )


def _group(expression: Expression) -> str:
    return "" if expression.type_id is None else _GROUPS.get(expression.type_id, "")
