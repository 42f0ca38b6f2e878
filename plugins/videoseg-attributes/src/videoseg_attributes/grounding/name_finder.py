"""Asks a detector for the nouns of a query, and links what it finds to tracks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from videoseg.errors import ConfigError
from videoseg.pipeline import Use
from videoseg.plugins import default_registry
from videoseg.stages import Closable, Detector
from videoseg.types import Detection, VideoSource, Window
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
    """

    frames: tuple[int, ...]
    tracks: tuple[NamedTrack, ...]


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
            for image, found in zip(images, self.detector.detect(images, wanted), strict=True):
                _note_classes(classes, found)
                sightings.append(find_sightings(image, found, is_closed=vocabulary is not None))
        return FoundTracks(frames, link_sightings(frames, sightings, names, classes))

    def close(self) -> None:
        """Free the detector if it was built here."""
        if self._is_own and isinstance(self.detector, Closable):
            self.detector.close()


def _note_classes(classes: dict[str, set[str]], found: Sequence[Detection]) -> None:
    for detection in found:
        if detection.class_name:
            classes.setdefault(detection.label, set()).add(detection.class_name)
