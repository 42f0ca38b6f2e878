"""SA-V, validation and test set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from videoseg.benchmarks import (
    ANNOTATIONS_AGAIN,
    LoadedSplit,
    Problems,
    Sample,
    SplitReader,
    SplitVideo,
    SubmissionFormat,
    Truth,
    make_split,
    read_ids,
    sort_frame_names,
)
from videoseg.errors import EvaluationError
from videoseg.metrics import protocol_named
from videoseg.types import Prompt, Rle, Size
from videoseg_benchmarks.given_masks import EXPRESSION, GivenVideo, listed_names, locate_given
from videoseg_benchmarks.videos import find_pictures, unpacked_folder

__all__ = ["SaV"]


class SaV(SplitReader):
    """SA-V: objects and parts, annotated one by one (Ravi et al., 2024).

    ::

        <root>/sav_{val,test}/sav_{val,test}.txt
                              JPEGImages_24fps/<video>/<frame>.jpg
                              Annotations_6fps/<video>/<object>/<frame>.png   (above 0: the object)

    ``root`` may also be the folder of the split. Each video is one sample, and each object is
    given on the first frame whose mask shows it. Masks may overlap. Object ``000`` has the id 1
    here, ``001`` the id 2, and so on; in written files it is ``000`` again.

    Args:
        check_pictures: Whether the frames must exist. The masks must exist in any case.
    """

    name = "sa-v"
    splits = ("val", "test")
    license = "CC BY 4.0"
    homepage = "https://ai.meta.com/datasets/segment-anything-video-downloads/"
    submission = SubmissionFormat(layout="objects")

    def read_split(self, root: Path, split: str, problems: Problems) -> LoadedSplit:
        """Read a split and check it; see ``SplitReader.read_split``."""
        folder = root / f"sav_{split}" if (root / f"sav_{split}").is_dir() else root
        names = listed_names(folder / f"sav_{split}.txt", problems)
        annotations = unpacked_folder(folder / "Annotations_6fps", names)
        pictures = unpacked_folder(folder / "JPEGImages_24fps", names)
        samples: list[Sample] = []
        videos: dict[str, GivenVideo] = {}
        submitted: dict[str, tuple[str, ...]] = {}
        for name in names:
            folders = _object_folders(annotations / name)
            masks = [annotations / name / one for one in folders.values()]
            if not folders:
                problems.leave_out(
                    annotations / name, "has no folder of an object", fix=ANNOTATIONS_AGAIN
                )
                continue
            video = locate_given(
                pictures / name, masks, problems, check_pictures=self.check_pictures
            )
            if video is None:
                continue
            try:
                prompts = [
                    _first_mask(place, key, video)
                    for key, place in zip(folders, masks, strict=True)
                ]
            except EvaluationError as error:
                problems.leave_out(annotations / name, str(error), fix=ANNOTATIONS_AGAIN)
                continue
            given = tuple(prompt for prompt in prompts if prompt is not None)
            if not given:
                problems.leave_out(
                    annotations / name, "shows no object to follow", fix=ANNOTATIONS_AGAIN
                )
                continue
            samples.append(Sample(name, EXPRESSION, "", prompts=given, object_folders=folders))
            videos[name] = video
            annotated = {frame for place in masks for frame in find_pictures(place)}
            submitted[name] = tuple(frame for frame in video.names if frame in annotated)
        return make_split(
            problems,
            protocol=protocol_named("sa-v"),
            samples=samples,
            videos={name: video.place for name, video in videos.items()},
            truths=_ObjectTruths(annotations),
            submitted=submitted,
        )


class _ObjectTruths:
    """Truth in one folder of masks for each object."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def truth(self, sample: Sample, video: SplitVideo) -> Truth:
        """Read the masks of each object of a video.

        Raises:
            EvaluationError: If a mask cannot be read, has several values or another size.
        """
        folder = self._folder / sample.video_id
        there = {
            key: set(find_pictures(folder / name)) for key, name in sample.object_folders.items()
        }
        annotated = set[str]().union(*there.values())
        if unknown := sort_frame_names(annotated - set(video.names)):
            raise EvaluationError(
                f"{folder} has masks of {unknown[0]}, which is no frame of the video; annotations "
                "and frames must be of one release"
            )
        frames = tuple(index for index, name in enumerate(video.names) if name in annotated)
        names = [video.names[frame] for frame in frames]
        objects: dict[int, Sequence[Rle | None]] = {}
        own: dict[int, list[int | None]] = {}
        for key, place in sample.object_folders.items():
            own[key] = [number for number, name in enumerate(names) if name in there[key]]
            objects[key] = [
                _read_mask(folder / place / f"{name}.png", video.size)
                if name in there[key]
                else None
                for name in names
            ]
        return Truth(video.size, frames, objects, object_frames=own)


def _object_folders(folder: Path) -> Mapping[int, str]:
    try:
        names = sorted(entry.name for entry in folder.iterdir() if entry.is_dir())
    except OSError:
        return {}
    # 000 is an object, but no id.
    return {int(name) + 1: name for name in names if name.isdecimal() and len(name) < 10}


def _first_mask(folder: Path, object_id: int, video: GivenVideo) -> Prompt | None:
    there = find_pictures(folder)
    for frame, name in enumerate(video.names):
        if name in there:
            mask = _read_mask(folder / there[name], video.size)
            if mask is not None:
                return Prompt(object_id, frame, mask=mask)
    return None


def _read_mask(file: Path, size: Size | None) -> Rle | None:
    ids = read_ids(file, where=str(file), size=size, fix=ANNOTATIONS_AGAIN)
    if not ids.any():
        return None
    if len(values := set(ids.ravel().tolist()) - {0}) > 1:
        raise EvaluationError(
            f"{file} has the values {sorted(values)[:3]}, but a mask of SA-V is of one object; "
            f"{ANNOTATIONS_AGAIN}"
        )
    return Rle.encode(ids > 0)
