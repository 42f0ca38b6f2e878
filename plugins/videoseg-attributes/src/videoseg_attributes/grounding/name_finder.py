"""Asks a detector for the nouns of a query, and links what it finds to tracks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast

from videoseg.errors import ConfigError, StageError
from videoseg.pipeline import Use
from videoseg.plugins import default_registry
from videoseg.stages import Closable, Detector
from videoseg.text import shorten
from videoseg.types import Detection, Frame, VideoSource, Window
from videoseg_attributes.grounding.language import list_names
from videoseg_attributes.grounding.linking import Sighting, find_sightings, link_sightings
from videoseg_attributes.grounding.named_tracks import NamedTrack
from videoseg_attributes.grounding.video_cache import VideoCache
from videoseg_attributes.regions.frames import choose_frames

__all__ = ["FoundTracks", "NameFinder", "build_detector"]

_BATCH = 8  # frames that are decoded at once
_KEPT = 8  # answers kept for each video


def build_detector(given: object) -> Detector:
    """Return the detector that an option names.

    Args:
        given: The name of a component, a mapping with ``name`` and ``options``,
            ``videoseg.use(...)``, or an instance.

    Raises:
        ConfigError: If it is no detector, or its options are not allowed.
        ComponentNotFoundError: If no plug-in has such a detector.
        MissingWeightsError: If its weights are not on this machine.
    """
    if isinstance(given, Detector) and not isinstance(given, type):
        return given
    use = _parse_use(given)
    return cast(Detector, default_registry().build("detector", use.name, use.options))


def _parse_use(given: object) -> Use:
    if isinstance(given, str):
        return Use(given)
    if isinstance(given, Use):
        return given
    if isinstance(given, Mapping):
        name, options = given.get("name"), given.get("options") or {}
        if isinstance(name, str) and isinstance(options, Mapping) and len(given) <= 2:
            return Use(name, options)
    raise ConfigError(
        "grounder 'attributes': the detector must be the name of one such as 'yolox', a mapping "
        "{name: ..., options: {...}}, or an instance with the methods unknown_names and detect; "
        f"got {type(given).__name__}"
    )


@dataclass(frozen=True, eq=False, slots=True)
class FoundTracks:
    """What a detector found in a window of a video.

    Args:
        frames: The frames that it was shown, ascending.
        tracks: The things that it found, linked over these.
        hints: For each name how surely something else was found as it, in [0, 1].
    """

    frames: tuple[int, ...]
    tracks: tuple[NamedTrack, ...]
    hints: Mapping[str, float]


class NameFinder:
    """Finds the things that the nouns of a query name.

    A detector with a closed vocabulary is asked for all its classes besides the nouns: that a box
    fits another name better is evidence, too.

    Args:
        detector: See ``build_detector``.
    """

    def __init__(self, detector: object) -> None:
        self.detector = build_detector(detector)
        self._is_own = self.detector is not detector
        self._memory: VideoCache[FoundTracks] = VideoCache(_KEPT)

    def list_names(self, query: str) -> tuple[str, ...]:
        """Return the nouns of a query that the detector knows, in lower case."""
        return list_names(query, self.detector.unknown_names, self.detector.vocabulary)

    def find(
        self, video: VideoSource, window: Window, names: Sequence[str], *, num_frames: int
    ) -> FoundTracks:
        """Return the things in a window of a video that a detector finds by these names.

        Args:
            video: The video.
            window: The frames to look at.
            names: Nouns that the detector knows.
            num_frames: How many frames to look at, spread evenly.

        Raises:
            StageError: If the detector breaks its contract.
            VideoError: If a frame cannot be decoded.
        """
        key = (window.start, window.stop, tuple(sorted(names)), num_frames)
        return self._memory.get(video, key, lambda: self._find(video, window, names, num_frames))

    def _find(
        self, video: VideoSource, window: Window, names: Sequence[str], num_frames: int
    ) -> FoundTracks:
        frames = choose_frames(window, num_frames)
        vocabulary = self.detector.vocabulary
        wanted = list(dict.fromkeys([*names, *(vocabulary or ())]))
        sightings: list[list[Sighting]] = []
        classes: dict[str, set[str]] = {}
        for start in range(0, len(frames), _BATCH):
            images = list(video.read(frames[start : start + _BATCH]))
            answers = self._detect(images, wanted)
            for image, found in zip(images, answers, strict=True):
                _note_classes(classes, found)
                sightings.append(find_sightings(image, found, is_closed=vocabulary is not None))
        linked = link_sightings(frames, sightings, names, classes)
        return FoundTracks(frames, linked.tracks, linked.hints)

    def _detect(self, images: Sequence[Frame], names: Sequence[str]) -> list[list[Detection]]:
        answers = self.detector.detect(images, names)
        component = type(self.detector).__name__
        if not isinstance(answers, Sequence) or len(answers) != len(images):
            got = f"{len(answers)} answers" if isinstance(answers, Sequence) else shorten(answers)
            raise StageError(
                f"detector {component!r} must answer each of {len(images)} frames with a list of "
                f"detections, got {got}",
                stage="grounder",
                component=component,
            )
        return [
            [usable for one in found if (usable := _fit_into_frame(one, image, component))]
            for image, found in zip(images, answers, strict=True)
        ]

    def close(self) -> None:
        """Free the detector if it was built here."""
        if self._is_own and isinstance(self.detector, Closable):
            self.detector.close()


def _fit_into_frame(detection: object, image: Frame, component: str) -> Detection | None:
    """Return the part of a detection that lies in its frame; None if that is less than a pixel.

    Raises:
        StageError: If it is no detection, or its mask is not of the frame's size.
    """
    size = (image.shape[0], image.shape[1])
    problem = ""
    if not isinstance(detection, Detection):
        problem = f"gave {shorten(detection)} instead of a Detection"
    elif detection.mask is not None and detection.mask.size != size:
        problem = f"gave a mask of {detection.mask.size} for a frame of {size}, (height, width)"
    if problem or not isinstance(detection, Detection):
        raise StageError(
            f"detector {component!r} {problem}", stage="grounder", component=component
        )
    box = detection.box.clipped(size)
    if box is None or min(box.width, box.height) < 1:
        return None
    mask = detection.mask if detection.mask is not None and detection.mask.area else None
    return replace(detection, box=box, mask=mask)


def _note_classes(classes: dict[str, set[str]], found: Sequence[Detection]) -> None:
    for detection in found:
        if detection.class_name:
            classes.setdefault(detection.label, set()).add(detection.class_name)
