"""Ground truth from a plain folder of masks."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from videoseg.benchmarks.mask_pictures import IdPictureTruths, MaskFolderTruths
from videoseg.benchmarks.split import LoadedSplit
from videoseg.benchmarks.types import Sample
from videoseg.benchmarks.untrusted import Problems
from videoseg.benchmarks.videos import SplitVideo, list_pictures, read_picture_size
from videoseg.errors import EvaluationError
from videoseg.files import expand_path
from videoseg.metrics.protocol import EvalProtocol
from videoseg.metrics.protocols import protocol_named
from videoseg.text import shorten, well_formed
from videoseg.video import natural_order

__all__ = ["read_annotations"]


def read_annotations(
    folder: str | Path,
    protocol: EvalProtocol | str,
    *,
    frames: str | Path | None = None,
    videos: Collection[str] | None = None,
) -> LoadedSplit:
    """Return a folder of masks as a split to score predictions against.

    ::

        <folder>/<video>/<frame>.png                  ids of objects; 0 and 255: one object
        <folder>/<video>/<expression>/<frame>.png     one mask; above 0 is the object

    Args:
        folder: The folder.
        protocol: The rules by which predictions are scored, or their name.
        frames: ``<frames>/<video>/<frame>.jpg``, for the pictures of the report; without it
            the masks stand in for them. Every mask must have its frame.
        videos: The videos that count; all in the folder by default.

    Raises:
        ConfigError: If no protocol has this name.
        EvaluationError: If the folder has no masks, or they cannot be read; all problems are
            listed.
    """
    protocol = protocol_named(protocol) if isinstance(protocol, str) else protocol
    folder = expand_path(folder)
    pictures = None if frames is None else expand_path(frames)
    problems = Problems("annotations", folder)
    samples: list[Sample] = []
    split_videos: dict[str, SplitVideo] = {}
    mask_folders: dict[str, Path | None] = {}
    video_folders = _subfolders(folder)
    for name in sorted(set(videos or ()) - {place.name for place in video_folders}):
        problems.add(folder, f"has no video {name!r}", fix="correct the list of videos")
    for place in video_folders:
        if videos is not None and place.name not in videos:
            continue
        expressions = _subfolders(place)
        for expression in expressions or [place]:
            name = expression.name if expressions else "objects"
            sample = Sample(place.name, name, "")
            if sample.id != well_formed(sample.id):
                problems.add(
                    place.name, f"has a name that is not UTF-8 ({shorten(name)})", fix="rename it"
                )
            samples.append(sample)
            mask_folders[sample.id] = expression
        video = _video_of_masks(place, expressions or [place], problems)
        if video is not None:
            split_videos[place.name] = _video_of_frames(video, pictures, place.name, problems)
    nested = {sample.id for sample in samples if sample.expression_id != "objects"}
    if nested and len(nested) < len(samples):
        problems.add(
            folder,
            "holds masks of expressions and pictures of ids",
            fix="keep them in two folders and score them one after the other",
        )
    if not samples:
        problems.add(folder, "has no folder of masks", fix="give the folder that holds the videos")
    problems.raise_any()
    return LoadedSplit(
        f"{folder.resolve().name or 'annotations'}",
        protocol=protocol,
        samples=samples,
        videos=split_videos,
        truths=MaskFolderTruths(mask_folders, absent="unannotated")
        if nested
        else IdPictureTruths(folder, dict.fromkeys(mask_folders)),
    )


def _subfolders(folder: Path) -> list[Path]:
    try:
        return sorted(
            (entry for entry in folder.iterdir() if entry.is_dir() and entry.name[:1] != "."),
            key=lambda entry: (natural_order(entry.name), entry.name),
        )
    except OSError as error:
        raise EvaluationError(
            f"{folder} cannot be listed ({error.strerror or error}); give the folder that holds "
            "one folder of masks for each video"
        ) from error


def _video_of_masks(place: Path, folders: Sequence[Path], problems: Problems) -> SplitVideo | None:
    """Return the video of all frames that have a mask in any of the folders."""
    fix = "put the masks there, or remove the folder"
    files: dict[str, str] = {}
    for folder in folders:
        try:
            found = list_pictures(folder)
        except OSError as error:
            problems.add(folder, f"cannot be listed ({error.strerror or error})", fix=fix)
            return None
        inside = folder.relative_to(place)
        files = {**{name: str(inside / file) for name, file in found.items()}, **files}
    names = sorted(files, key=lambda name: (natural_order(name), name))
    if not names:
        problems.add(folders[0], "has no pictures", fix=fix)
        return None
    size = read_picture_size(place / files[names[0]], problems)
    return size and SplitVideo(place, tuple(files[name] for name in names), tuple(names), size)


def _video_of_frames(
    masks: SplitVideo, frames: Path | None, video_id: str, problems: Problems
) -> SplitVideo:
    """Return the video of the frames that belong to the masks, or note which is missing."""
    if frames is None:
        return masks
    folder = frames / video_id
    fix = "give the folder of frames that the masks belong to, or none"
    try:
        found = list_pictures(folder)
    except OSError as error:
        problems.add(folder, f"cannot be listed ({error.strerror or error})", fix=fix)
        return masks
    missing = [name for name in masks.names if name not in found]
    if missing:
        others = f", nor for {len(missing) - 1} others" if len(missing) > 1 else ""
        example = f"; it has frames such as {shorten(min(found))}" if found else ""
        problems.add(
            folder,
            f"has no frame {shorten(missing[0])} for the mask of that name{others}{example}",
            fix=fix,
        )
        return masks
    return SplitVideo(folder, tuple(found[name] for name in masks.names), masks.names, masks.size)
