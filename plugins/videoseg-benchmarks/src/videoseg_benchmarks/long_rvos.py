"""Long-RVOS."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from videoseg.benchmarks import (
    FILE_AGAIN,
    Expression,
    ExpressionVideo,
    LoadedSplit,
    MaskFolderTruths,
    Problems,
    SplitReader,
    is_plain_name,
    make_samples,
    make_split,
)
from videoseg.metrics import protocol_named
from videoseg.text import shorten
from videoseg_benchmarks.expressions import read_expressions, values_of_video
from videoseg_benchmarks.videos import locate_videos, located_videos, unpacked_folder

__all__ = ["LongRvos"]


class LongRvos(SplitReader):
    """Long-RVOS: referring expressions on videos of a minute (Liang et al., 2025).

    ::

        <root>/<split>/meta_expressions.json
                       JPEGImages/<video>/<frame>.jpg
                       Annotations/<video>/<obj_id>/<frame>.png     (above 0: the object)

    ``root`` may also be the folder of one split, and the file may lack the ``videos`` around it.
    ``JPEGImages`` and ``Annotations`` may each be in a folder of the same name, as the authors'
    download script leaves them. Groups by ``type``, as written in the file: static,
    dynamic, and hybrid or ``static+dynamic``. A frame without a picture does not show the
    object, and an object without a folder is never visible. Every frame is scored. Releases of the
    test set without ``Annotations`` have no truth.

    Args:
        check_pictures: Whether frames and masks must exist.
    """

    name = "long-rvos"
    splits = ("valid", "test", "train")
    license = (
        "Apache-2.0 (data) or MIT (repository), as stated there; videos under their own terms"
    )
    homepage = "https://github.com/iSEE-Laboratory/Long_RVOS"

    def read_split(self, root: Path, split: str, problems: Problems) -> LoadedSplit:
        """Read a split and check it; see ``SplitReader.read_split``."""
        folder = root / split
        if not folder.is_dir() and (root / "meta_expressions.json").is_file():
            folder = root
        meta = folder / "meta_expressions.json"
        videos = read_expressions(meta, problems)
        annotations = unpacked_folder(folder / "Annotations", (video.video_id for video in videos))
        folders = truths = None
        if annotations.is_dir() or split != "test":
            if self.check_pictures and not annotations.is_dir():
                problems.add(annotations, "is not a folder", fix="download the annotations")
            folders = _folders(meta, annotations, videos, problems)
            truths = MaskFolderTruths(folders, absent="empty")
        places = locate_videos(
            videos,
            folder / "JPEGImages",
            problems,
            check_pictures=self.check_pictures,
            masks_of=lambda video: values_of_video(video, folders or {}),
        )
        videos = located_videos(videos, places)
        if folders is not None and self.check_pictures:
            _check_annotated(annotations, videos, problems)
        samples = make_samples(videos, _group, folders)
        return make_split(
            problems,
            protocol=protocol_named("long-rvos"),
            samples=samples,
            videos=places,
            truths=truths,
        )


def _group(expression: Expression) -> str:
    kind = expression.fields.get("type")
    return kind if isinstance(kind, str) else ""


def _folders(
    meta: Path, annotations: Path, videos: Sequence[ExpressionVideo], problems: Problems
) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for video in videos:
        for expression in video.expressions:
            value = expression.fields.get("obj_id")
            one = value[0] if isinstance(value, list) and len(value) == 1 else value
            where = (
                f"video {video.video_id!r}, expression {expression.expression_id!r} has the "
                f"'obj_id' {shorten(value, 40)}"
            )
            if not isinstance(one, (str, int)):
                problems.leave_out(meta, where, fix=FILE_AGAIN)
            elif not is_plain_name(str(one)):
                problems.add(meta, where, fix=FILE_AGAIN)
            else:
                folder = annotations / video.video_id / str(one)
                found[expression.sample_id] = folder
    return found


def _check_annotated(
    annotations: Path, videos: Sequence[ExpressionVideo], problems: Problems
) -> None:
    """Refuse a folder that lacks most videos, since objects without a folder count as unseen."""
    bare = [video for video in videos if not (annotations / video.video_id).is_dir()]
    if len(bare) > len(videos) / 2:
        problems.add(
            annotations,
            f"has no folder for {len(bare)} of {len(videos)} videos, such as {bare[0].video_id!r}",
            fix="download the annotations again, or give the right root",
        )
