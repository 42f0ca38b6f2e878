"""Ref-YouTube-VOS."""

from __future__ import annotations

from pathlib import Path

from videoseg.benchmarks import (
    ExpressionVideo,
    IdPictureTruths,
    LoadedSplit,
    Problems,
    SplitReader,
    SubmissionFormat,
    make_samples,
    make_split,
    read_video_entries,
)
from videoseg.metrics import protocol_named
from videoseg_benchmarks.expressions import no_group, object_ids_of, read_expressions
from videoseg_benchmarks.videos import (
    annotated_videos,
    locate_videos,
    located_videos,
    unpacked_folder,
)

__all__ = ["RefYoutubeVos"]


class RefYoutubeVos(SplitReader):
    """Ref-YouTube-VOS (Seo et al., URVOS, ECCV 2020).

    ::

        <root>/meta_expressions/{train,valid,test}/meta_expressions.json
               train/JPEGImages/<video>/<frame>.jpg
               train/Annotations/<video>/<frame>.png      (ids; obj_id of the expressions)
               valid/JPEGImages/<video>/<frame>.jpg

    The masks of ``valid`` are on the server: its truth is None, and predictions are uploaded.
    The file of ``valid`` also lists the videos of the test set, whose frames are not public.
    Videos listed in the file of ``test`` are skipped (202 videos remain); if that file is not part
    of the download, videos without a folder of frames are left out.

    Args:
        check_pictures: Whether frames and masks must exist.
    """

    name = "ref-youtube-vos"
    splits = ("valid", "train")
    license = "non-commercial research only (the terms of YouTube-VOS)"
    homepage = "https://youtube-vos.org/dataset/rvos/"
    submission = SubmissionFormat(
        top_folder="Annotations", server="https://youtube-vos.org/dataset/rvos/"
    )

    def read_split(self, root: Path, split: str, problems: Problems) -> LoadedSplit:
        """Read a split and check it; see ``SplitReader.read_split``."""
        meta = root / "meta_expressions" / split / "meta_expressions.json"
        videos = read_expressions(meta, problems)
        most_alike = 0.5
        if split == "valid":
            test = root / "meta_expressions" / "test" / "meta_expressions.json"
            if test.is_file():
                videos = _without(test, videos, problems)
            else:
                # 305 of the 507 videos of the file are those of the test set.
                most_alike = 0.75
        annotations = unpacked_folder(
            root / split / "Annotations", (video.video_id for video in videos)
        )
        places = locate_videos(
            videos,
            root / split / "JPEGImages",
            problems,
            check_pictures=self.check_pictures,
            masks_of=lambda video: [annotations / video.video_id],
        )
        videos = located_videos(videos, places)
        object_ids = truths = None
        if split == "train":
            if self.check_pictures:
                videos = annotated_videos(annotations, videos, problems)
            object_ids = object_ids_of(meta, videos, problems)
            truths = IdPictureTruths(annotations, object_ids)
        samples = make_samples(videos, no_group, object_ids)
        return make_split(
            problems,
            protocol=protocol_named("ref-youtube-vos"),
            samples=samples,
            videos=places,
            truths=truths,
            most_alike=most_alike,
        )


def _without(
    path: Path, videos: list[ExpressionVideo], problems: Problems
) -> list[ExpressionVideo]:
    """Return the videos that another file does not list."""
    others = read_video_entries(path, problems)
    return [video for video in videos if video.video_id not in others]
