"""Ref-YouTube-VOS."""

from __future__ import annotations

from pathlib import Path

from videoseg.benchmarks.expressions import ExpressionVideo, read_expressions
from videoseg.benchmarks.object_ids import object_ids_of
from videoseg.benchmarks.opening import split_named
from videoseg.benchmarks.picture_truth import IdPictureTruths
from videoseg.benchmarks.problems import Problems
from videoseg.benchmarks.rle_split import locate_videos, no_group, samples_of
from videoseg.benchmarks.split import LoadedSplit
from videoseg.benchmarks.submission import SubmissionFormat
from videoseg.metrics.protocols import REF_YOUTUBE_VOS

__all__ = ["RefYoutubeVos"]


class RefYoutubeVos:
    """Ref-YouTube-VOS (Seo et al., URVOS, ECCV 2020).

    ::

        <root>/meta_expressions/{train,valid,test}/meta_expressions.json
               train/JPEGImages/<video>/<frame>.jpg
               train/Annotations/<video>/<frame>.png      (ids; obj_id of the expressions)
               valid/JPEGImages/<video>/<frame>.jpg

    The masks of ``valid`` are on the server: its truth is None and predictions are uploaded.
    The file of ``valid`` lists the videos of the test set, too; those that the file of ``test``
    names are left out, if it is there (202 videos remain).
    """

    name = "ref-youtube-vos"
    splits = ("valid", "train")
    license = "non-commercial research only (the terms of YouTube-VOS)"
    homepage = "https://youtube-vos.org/dataset/rvos/"
    submission = SubmissionFormat(
        top_folder="Annotations", server="https://youtube-vos.org/dataset/rvos/"
    )

    def read(self, root: Path, split: str = "") -> LoadedSplit:
        """Read one split and check it.

        Raises:
            EvaluationError: If the folder is not as described; all problems are listed.
        """
        split = split_named(self, split)
        problems = Problems(f"{self.name}/{split}", root)
        meta = root / "meta_expressions" / split / "meta_expressions.json"
        videos = read_expressions(meta, problems)
        truths = None
        if split == "valid":
            videos = _without_test(root, videos, problems)
        places = locate_videos(videos, root / split / "JPEGImages", problems, masks={})
        if split == "train":
            truths = IdPictureTruths(
                root / split / "Annotations", object_ids_of(meta, videos, problems)
            )
        problems.raise_any()
        return LoadedSplit(
            problems.subject,
            protocol=REF_YOUTUBE_VOS,
            samples=samples_of(videos, no_group),
            videos=places,
            truths=truths,
        )


def _without_test(
    root: Path, videos: list[ExpressionVideo], problems: Problems
) -> list[ExpressionVideo]:
    path = root / "meta_expressions" / "test" / "meta_expressions.json"
    if not path.is_file():
        return videos
    of_test = {video.video_id for video in read_expressions(path, problems)}
    return [video for video in videos if video.video_id not in of_test]
