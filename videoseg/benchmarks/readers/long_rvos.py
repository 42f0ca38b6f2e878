"""Long-RVOS."""

from __future__ import annotations

from pathlib import Path

from videoseg.benchmarks.expressions import Expression, ExpressionVideo, read_expressions
from videoseg.benchmarks.names import is_plain_name
from videoseg.benchmarks.opening import split_named
from videoseg.benchmarks.picture_truth import MaskFolderTruths
from videoseg.benchmarks.problems import Problems
from videoseg.benchmarks.rle_split import locate_videos, samples_of
from videoseg.benchmarks.split import LoadedSplit
from videoseg.metrics.protocols import LONG_RVOS

__all__ = ["LongRvos"]


class LongRvos:
    """Long-RVOS: referring expressions on videos of a minute (Liang et al., 2025).

    ::

        <root>/<split>/meta_expressions.json
                       JPEGImages/<video>/<frame>.jpg
                       Annotations/<video>/<obj_id>/<frame>.png     (above 0: the object)

    ``root`` may also be the folder of one split, and the file may lack the ``videos`` around it.
    Groups by ``type``: static, dynamic, hybrid. A frame without a picture does not show the
    object. Every frame counts. Releases of the test set without ``Annotations`` have no truth.
    """

    name = "long-rvos"
    splits = ("valid", "test", "train")
    license = (
        "Apache-2.0 (data) or MIT (repository), as stated there; videos under their own terms"
    )
    homepage = "https://github.com/iSEE-Laboratory/Long_RVOS"
    submission = None

    def read(self, root: Path, split: str = "") -> LoadedSplit:
        """Read one split and check it.

        Raises:
            EvaluationError: If the folder is not as described; all problems are listed.
        """
        split = split_named(self, split)
        folder = root / split
        if not folder.is_dir() and (root / "meta_expressions.json").is_file():
            folder = root
        problems = Problems(f"{self.name}/{split}", root)
        meta = folder / "meta_expressions.json"
        videos = read_expressions(meta, problems)
        places = locate_videos(videos, folder / "JPEGImages", problems, masks={})
        truths = None
        annotations = folder / "Annotations"
        if annotations.is_dir() or split != "test":
            folders = _folders(meta, annotations, videos, problems)
            truths = MaskFolderTruths(folders, absent="empty")
        problems.raise_any()
        return LoadedSplit(
            problems.subject,
            protocol=LONG_RVOS,
            samples=samples_of(videos, _group),
            videos=places,
            truths=truths,
        )


def _group(expression: Expression) -> str:
    kind = expression.fields.get("type")
    return kind if isinstance(kind, str) else ""


def _folders(
    meta: Path, annotations: Path, videos: list[ExpressionVideo], problems: Problems
) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for video in videos:
        for expression in video.expressions:
            value = expression.fields.get("obj_id")
            name = str(value[0] if isinstance(value, list) and len(value) == 1 else value)
            folder = annotations / video.video_id / name
            if value is None or not is_plain_name(name):
                problems.add(
                    meta,
                    f"video {video.video_id!r}, expression {expression.expression_id!r} has the "
                    f"'obj_id' {name[:40]!r}",
                    fix="download the file again, or correct it",
                )
            elif not folder.is_dir():
                problems.add(folder, "is missing", fix="download the annotations again")
            else:
                found[f"{video.video_id}/{expression.expression_id}"] = folder
    return found
