"""ReVOS and Ref-SAV: expressions and a mask dictionary, of the same layout."""

from __future__ import annotations

from pathlib import Path

from videoseg.benchmarks import Expression, LoadedSplit, Problems, SplitReader
from videoseg.metrics import protocol_named
from videoseg_benchmarks.expressions import GROUPS
from videoseg_benchmarks.mask_dict import read_rle_split

__all__ = ["RefSav", "Revos"]


class Revos(SplitReader):
    """ReVOS: referring and reasoning expressions (Yan et al., VISA, ECCV 2024).

    ::

        <root>/meta_expressions_valid_.json, meta_expressions_train_.json
               mask_dict.json                    (of both splits)
               mask_dict_foreground.json         (for R)
               JPEGImages/<video>/<frame>.jpg

    Videos may also be in the root itself, without ``JPEGImages``. Ids of videos have slashes
    (``<source>/<video>``). The truth of an expression is the union of its ``anno_id``; where they
    overlap, a pixel counts once. Groups by ``type_id``: 0 referring, 1 reasoning, 2 no-target
    (no such object), which the overall score leaves out. Expressions of another type are left
    out.

    Args:
        check_pictures: Whether the frames must exist; scoring alone needs none.
    """

    name = "revos"
    splits = ("valid", "train")
    license = "CC BY-NC-SA 4.0, non-commercial research only"
    homepage = "https://github.com/cilinyan/ReVOS-api"

    def read_split(self, root: Path, split: str, problems: Problems) -> LoadedSplit:
        """Read a split and check it; see ``SplitReader.read_split``."""
        pictures = root / "JPEGImages"
        return read_rle_split(
            problems,
            protocol=protocol_named("revos"),
            meta=root / f"meta_expressions_{split}_.json",
            pictures=pictures if pictures.exists() else root,
            masks=root / "mask_dict.json",
            foreground=root / "mask_dict_foreground.json",
            types=GROUPS,
            check_pictures=self.check_pictures,
        )


class RefSav(SplitReader):
    """Ref-SAV, the validation set (Yuan et al., Sa2VA, 2025).

    ::

        <root>/meta_expressions_valid.json
               mask_dict.json
               videos/<video>/<frame>.jpg

    The frames are pictures taken from the videos of SA-V. ``type_id`` 0 is a long expression,
    any other a short one; the overall score is the plain mean of the two groups.

    Args:
        check_pictures: Whether the frames must exist; scoring alone needs none.
    """

    name = "ref-sav"
    splits = ("valid",)
    license = "CC BY 4.0 (videos of SA-V); none stated for the expressions"
    homepage = "https://github.com/bytedance/Sa2VA"

    def read_split(self, root: Path, split: str, problems: Problems) -> LoadedSplit:
        """Read a split and check it; see ``SplitReader.read_split``."""
        return read_rle_split(
            problems,
            protocol=protocol_named("ref-sav"),
            meta=root / f"meta_expressions_{split}.json",
            pictures=root / "videos",
            masks=root / "mask_dict.json",
            group_of=_group,
            check_pictures=self.check_pictures,
        )


def _group(expression: Expression) -> str:
    return "long" if expression.type_id == 0 else "short"
