"""What every format needs: the result, the names of its files, and the frames of its video."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from videoseg.errors import ConfigError, OutputError, VideoError
from videoseg.files import shorten_name, staged_folder
from videoseg.results.exports.shared import SharedChanges
from videoseg.results.segmentation import Segmentation
from videoseg.text import shorten, show_path
from videoseg.types import Box, MaskTrack, Rle, VideoFacts, VideoSource

__all__ = [
    "ExportJob",
    "category_of",
    "choose_frame_names",
    "choose_sequence",
    "clean_sequence",
    "frame_names_of",
]

# File systems allow 255; the suffix and the name of a temporary file need some.
_MAX_NAME_BYTES = 200

# Looks the same as the original; labels are not about compression.
_JPEG_QUALITY = 95


@dataclass(frozen=True)
class ExportJob:
    """One video's part of an export.

    Args:
        segmentation: The result.
        root: The root folder of the export.
        sequence: The name of this video in the export.
        frame_names: A name for each frame, without suffix.
        video: The video, if its frames can be read.
        frames: Whether the frames are wanted, in formats that can do without.
        overwrite: Whether an earlier export of this sequence is replaced.
        shared: Gathers what this video changes in the files that all videos share.
    """

    segmentation: Segmentation
    root: Path
    sequence: str
    frame_names: Sequence[str]
    video: VideoSource | None
    frames: bool
    overwrite: bool
    shared: SharedChanges

    @property
    def facts(self) -> VideoFacts:
        """The facts of the video."""
        return self.segmentation.video

    @property
    def named_frames(self) -> list[tuple[int, str]]:
        """The frames that have an answer, with their names.

        Others are left out: that an object is not labeled there would say that it is not there.
        """
        return [(frame, self.frame_names[frame]) for frame in self.segmentation.frames]

    @contextmanager
    def folder(self, place: Path, suffixes: Sequence[str]) -> Iterator[tuple[Path, Any]]:
        """Yield a folder to write into, and a function to tell how many frames are done.

        The folder appears at ``place`` when it is complete. An earlier one is only replaced if
        it holds nothing but files with these suffixes.
        """
        share = 0.0

        def tell(done: int) -> None:
            nonlocal share
            share = done / len(self.frame_names)

        with staged_folder(
            place,
            overwrite=self.overwrite,
            what="the export",
            replaceable=lambda folder: _why_not_replaceable(folder, suffixes),
            progress=lambda: share,
        ) as stage:
            yield stage, tell

    def shown(self, frame: int) -> list[tuple[MaskTrack, Rle, Box]]:
        """Return the objects of which a frame has a pixel, with their masks and boxes."""
        return [
            (track, rle, box)
            for track in self.segmentation.tracks
            if (rle := track.masks[frame]) is not None and (box := rle.box) is not None
        ]

    def check_free(self, path: Path) -> None:
        """Check that a file may be written.

        Raises:
            OutputError: If it exists and is not to be replaced.
        """
        if os.path.lexists(path) and not self.overwrite:
            raise OutputError(
                f"{show_path(path)} already exists; choose another folder or pass overwrite=True"
            )

    def require_video(self, purpose: str) -> VideoSource:
        """Return the video.

        Raises:
            OutputError: If its frames cannot be read.
        """
        if self.video is None:
            path = self.facts.path
            where = "" if path is None else f" ({path} cannot be opened here)"
            if path is not None and not Path(path).is_absolute():
                where = f" ({path} cannot be opened from {Path.cwd()}; the run was elsewhere)"
            raise OutputError(
                f"{purpose} needs the frames of {self.facts.name}{where}; give the video"
            )
        return self.video

    def write_frames(self, folder: Path, tell: Any, *, prefix: str = "") -> None:
        """Write the frames as JPEGs of quality 95, named after the frames."""
        from PIL.Image import fromarray

        video = self.require_video("this export")
        folder.mkdir(parents=True, exist_ok=True)
        for index, name in self.named_frames:
            try:
                picture = fromarray(video[index])
            except VideoError as error:
                raise OutputError(
                    f"frame {index} of {self.facts.name} cannot be read ({error}); export "
                    "without frames"
                ) from error
            picture.save(folder / f"{prefix}{name}.jpg", "JPEG", quality=_JPEG_QUALITY)
            tell(index + 1)


def choose_sequence(video: VideoFacts, sequence: str | None) -> str:
    """Return the name of a video in an export.

    Raises:
        ConfigError: If the given one cannot be the name of a folder.
    """
    if sequence is None:
        return clean_sequence(video.name)
    _check_plain(sequence, f"the sequence {shorten(sequence)} is used as a folder name")
    return sequence


def clean_sequence(name: str) -> str:
    """Return an untrusted name as that of a folder, which does not lead out of the root."""
    cleaned = "".join("_" if letter in '/\\:*?"<>|\0' else letter for letter in name)
    return shorten_name(cleaned.strip(". "), _MAX_NAME_BYTES) or "video"


def category_of(track: MaskTrack) -> str:
    """Return the name of an object's category: its label, or ``object`` for one without."""
    return track.label.strip() or "object"


def choose_frame_names(video: VideoFacts, names: Sequence[str] | None) -> list[str]:
    """Return a name for each frame, without suffix.

    Raises:
        ConfigError: If the given ones are not distinct names of files, one for each frame.
    """
    if names is None:
        return frame_names_of(video)
    names = list(names)
    if len(names) != video.num_frames or len(set(names)) != len(names):
        raise ConfigError(
            f"frame_names needs {video.num_frames} distinct names, one for each frame, "
            f"got {len(names)} with {len(set(names))} distinct ones"
        )
    for name in names:
        _check_plain(name, f"the frame name {shorten(name)} is used as a file name")
    return names


def frame_names_of(video: VideoFacts) -> list[str]:
    """Return the names of the frames for files, without suffix.

    These are the names of the pictures if the video is a folder that still has one picture for
    each frame, else five-digit numbers.
    """
    from videoseg.video import images_in

    try:
        stems = [] if video.path is None else [path.stem for path in images_in(Path(video.path))]
    except (OSError, ValueError):
        # A file, or a path on another machine.
        stems = []
    if len(stems) == video.num_frames and len(set(stems)) == len(stems):
        return stems
    return [f"{frame:05d}" for frame in range(video.num_frames)]


def _check_plain(name: object, use: str) -> None:
    try:
        fits = isinstance(name, str) and 0 < len(os.fsencode(name)) <= _MAX_NAME_BYTES
    except UnicodeEncodeError:
        fits = False
    if not fits or str(name).startswith(".") or set(str(name)) & set("/\\\0"):
        raise ConfigError(
            f"{use}: it must be text, not empty or too long, and not start with a dot or "
            "contain a slash"
        )


def _why_not_replaceable(folder: Path, suffixes: Sequence[str]) -> str | None:
    """Return why a folder is not an earlier export that may be replaced, or None if it is one."""
    for entry in sorted(folder.iterdir()):
        files = sorted(entry.iterdir()) if entry.is_dir() and entry.name.isdecimal() else [entry]
        for file in files:
            if file.suffix not in suffixes or not file.is_file():
                return f"it holds files that are not part of an export ({file.name})"
    return None
