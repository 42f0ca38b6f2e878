"""Ref-DAVIS17."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from videoseg.benchmarks.expressions import ExpressionVideo, read_expressions
from videoseg.benchmarks.json_files import read_mapping
from videoseg.benchmarks.mask_dict import MaskDictTruths, check_masks
from videoseg.benchmarks.object_ids import object_ids_of
from videoseg.benchmarks.opening import split_named
from videoseg.benchmarks.pickles import read_pickle
from videoseg.benchmarks.picture_truth import IdPictureTruths
from videoseg.benchmarks.problems import Problems
from videoseg.benchmarks.rle_split import locate_videos, no_group, samples_of
from videoseg.benchmarks.split import LoadedSplit, SplitVideo, TruthSource
from videoseg.metrics.protocols import REF_DAVIS17

__all__ = ["RefDavis17"]


class RefDavis17:
    """Ref-DAVIS17 (Khoreva et al., ACCV 2018), in the form of Ref-YouTube-VOS.

    ::

        <root>/meta_expressions/{valid,train}/meta_expressions.json
               {valid,train}/JPEGImages/<video>/<frame>.jpg
               {valid,train}/Annotations/<video>/<frame>.png   (ids, those of DAVIS unsupervised)
               {valid,train}/mask_dict.json or mask_dict.pkl   (instead of Annotations)

    This is what the conversion script of ReferFormer makes of DAVIS-2017 and the text
    annotations. Every object has four expressions, one after another: two annotators, each for
    the first frame and for the whole video. In the mask dictionary, keys count the expressions
    over the sorted names of videos and, within one, the sorted names of expressions (as text:
    "10" before "2"). The pickle is read without running what it may hold.

    The protocol is that of each expression by itself. For the official one, with the objects of
    each annotator merged, give the predictions to ``videoseg.benchmarks.merge_annotators``.
    """

    name = "ref-davis17"
    splits = ("valid", "train")
    license = "CC BY-NC 4.0 (DAVIS); none stated for the expressions"
    homepage = (
        "https://www.mpi-inf.mpg.de/departments/computer-vision-and-machine-learning/research/"
        "video-segmentation/video-object-segmentation-with-language-referring-expressions"
    )
    submission = None

    def read(self, root: Path, split: str = "") -> LoadedSplit:
        """Read one split and check it.

        Raises:
            EvaluationError: If the folder is not as described; all problems are listed.
        """
        split = split_named(self, split)
        problems = Problems(f"{self.name}/{split}", root)
        meta = root / "meta_expressions" / split / "meta_expressions.json"
        videos = read_expressions(meta, problems)
        places = locate_videos(videos, root / split / "JPEGImages", problems, masks={})
        truths = _truths(root / split, meta, videos, places, problems)
        problems.raise_any()
        return LoadedSplit(
            problems.subject,
            protocol=REF_DAVIS17,
            samples=samples_of(videos, no_group),
            videos=places,
            truths=truths,
        )


def _truths(
    folder: Path,
    meta: Path,
    videos: list[ExpressionVideo],
    places: dict[str, SplitVideo],
    problems: Problems,
) -> TruthSource:
    annotations = folder / "Annotations"
    if annotations.is_dir():
        for video in videos:
            if not (annotations / video.video_id).is_dir():
                problems.add(
                    annotations / video.video_id, "is missing", fix="download the annotations"
                )
        return IdPictureTruths(annotations, object_ids_of(meta, videos, problems))
    path, masks = _mask_dict(folder, problems)
    keys = _counted(videos)
    if masks is not None:
        tracks = []
        for video in videos:
            for expression in video.expressions:
                key = keys[f"{video.video_id}/{expression.expression_id}"]
                if video.video_id in places:
                    place = places[video.video_id]
                    name = f"annotation {key} (video {video.video_id!r})"
                    tracks.append((name, masks.get(key), len(place.names), place.size))
        check_masks(path, tracks, problems)
    return MaskDictTruths(masks or {}, {sample: (key,) for sample, key in keys.items()})


def _counted(videos: list[ExpressionVideo]) -> dict[str, str]:
    ordered = [
        f"{video.video_id}/{expression.expression_id}"
        for video in sorted(videos, key=lambda video: video.video_id)
        for expression in sorted(video.expressions, key=lambda one: one.expression_id)
    ]
    return {sample: str(place) for place, sample in enumerate(ordered)}


def _mask_dict(folder: Path, problems: Problems) -> tuple[Path, dict[str, Any] | None]:
    path = folder / "mask_dict.json"
    if path.is_file():
        return path, read_mapping(path, problems)
    path = folder / "mask_dict.pkl"
    if not path.is_file():
        problems.add(
            folder / "Annotations",
            "is missing",
            fix="download it, or mask_dict.json or mask_dict.pkl",
        )
        return path, None
    before = problems.count
    value = read_pickle(path, problems)
    if isinstance(value, dict):
        return path, {str(key): track for key, track in value.items()}
    if problems.count == before:
        problems.add(path, "holds no dictionary of masks", fix="download it again")
    return path, None
