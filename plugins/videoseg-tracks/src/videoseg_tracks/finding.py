"""``TrackFinder``: from names to tracks over the whole video, with any detector and propagator."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from videoseg import (
    Box,
    ConfigError,
    Detection,
    Detector,
    Prompt,
    Propagator,
    Segmenter,
    StageError,
    Window,
)
from videoseg.samplers import evenly_spaced
from videoseg.stages import Direction, TracksNames
from videoseg.text import format_count
from videoseg.types import BoolArray, Rle, VideoSource
from videoseg_tracks.lanes import Lanes
from videoseg_tracks.merging import merge_duplicates
from videoseg_tracks.tracks import Track, TrackPool
from videoseg_tracks.trimming import trim_unconfirmed

__all__ = ["TrackFinder"]

_BATCH = 4  # frames that are decoded and shown to the detector at a time
# Set by hand while looking at drawn clips; not measured separately, but for `_AGREES`.
_SAME_THING = 0.7  # IoU of the boxes of two names on one frame: one thing, found under both
_SAME_OBJECT = 0.3  # IoU of a detection with the box of a track on the frame before
_INSIDE = 0.85  # share of a detection that lies in the box of a track of its name: a part of it
_SAME_PLACE = 0.2  # IoU with the last box of a track that was lost: it is back
# IoU of a detection and a track's box from which the track needs no correction. On drawn clips
# with exact boxes, `cut` and `flow`, J was 90 with 0.8, 94 with 0.6 and 91 without corrections.
_AGREES = 0.6
_AGREES_WITH_MASK = 0.9  # the same, where the detection has a mask of its own
_START_SCORE = 0.4  # that a detection must have to start a track, if any has it
_CORRECT_SCORE = 0.5  # that it must have to correct one


class TrackFinder:
    """Finds everything of some names and follows it through the video.

    The detector is asked on evenly spaced frames. The propagator runs through the video; on each
    of these frames, what it follows is compared with what was detected. A detection that no track
    explains starts a track; one that differs from its track corrects it, if the propagator takes
    corrections. Then every track is followed once more, forward and backward, from the detection
    of it that scores highest. What a detector that had been reliable confirms no more is cut
    off. Only run lengths of masks are kept: memory grows with the number of tracks times the
    number of frames, by some hundred bytes each.

    Args:
        detector: Finds things by their names.
        propagator: Follows masks (or boxes, if it takes them and there is no segmenter). None for
            a detector that follows what it finds by itself (``videoseg.stages.TracksNames``).
        segmenter: Makes masks of boxes; None if the detector makes masks or the propagator takes
            boxes.
        num_frames: How many frames the detector is asked on.
        max_tracks: How many tracks are made at most.
        min_score: Detections below are not used.

    Raises:
        ConfigError: If there is no propagator and the detector does not track.
    """

    def __init__(
        self,
        detector: Detector,
        propagator: Propagator | None,
        *,
        segmenter: Segmenter | None = None,
        num_frames: int = 16,
        max_tracks: int = 12,
        min_score: float = 0.3,
    ) -> None:
        if propagator is None and not isinstance(detector, TracksNames):
            raise ConfigError(
                f"the detector {type(detector).__name__} does not follow what it finds; give a "
                "propagator, such as flow"
            )
        self._detector = detector
        self._propagator = propagator
        self._segmenter = segmenter
        self._num_frames = num_frames
        self._max_tracks = max_tracks
        self._min_score = min_score

    def find(
        self, video: VideoSource, names: Sequence[str], *, window: Window, seed: int = 0
    ) -> TrackPool:
        """Return the tracks of everything with one of the names.

        Args:
            video: The video.
            names: Nouns; those that the detector does not know are left out and reported.
            window: The frames to search. Tracks end at its ends.
            seed: Seed of the propagation.

        Raises:
            VideosegError: If detector, segmenter or propagator fail.
        """
        unknown = tuple(self._detector.unknown_names(names))
        known = tuple(name for name in dict.fromkeys(names) if name not in unknown)
        if self._propagator is None:
            made = self._follow_by_detector(video, known, window)
        else:
            made = self._follow_detections(video, known, window, self._propagator, seed=seed)
        # The most certain first; of equals, the one that began first.
        tracks = sorted(made.tracks, key=lambda track: -track.score * track.num_detections)
        numbered = tuple(
            Track(number, one.name, one.masks, score=one.score, num_detections=one.num_detections)
            for number, one in enumerate(tracks[: self._max_tracks], start=1)
        )
        warnings = list(made.warnings)
        if left_out := made.num_left_out:
            shown = ", ".join(map(str, sorted(set(made.left_out_on))[:8]))
            warnings.append(
                f"{format_count(left_out, 'detection')} (on frames {shown}) started no track, "
                f"since max_tracks={self._max_tracks} was reached; raise it if the object is "
                "missing"
            )
        return TrackPool(
            numbered,
            window,
            tuple(names),
            unknown_names=unknown,
            num_found=made.num_found,
            num_left_out=left_out,
            warnings=tuple(dict.fromkeys(warnings)),
        )

    def _follow_detections(
        self,
        video: VideoSource,
        names: Sequence[str],
        window: Window,
        propagator: Propagator,
        *,
        seed: int,
    ) -> _Made:
        """Return tracks that the propagator made of detections on some frames."""
        found = self._detect(video, names, window) if names else {}
        if not found:
            return _Made([])
        following = _Following(self, propagator, video, window, found, seed=seed)
        following.associate()
        if following.begun:
            following.finish()
        asked = evenly_spaced(window, self._num_frames)
        made = (one.finish(asked) for one in following.begun)
        tracks = merge_duplicates([track for track in made if track.masks])
        num_found = sum(map(len, found.values()))
        return _Made(tracks, num_found, following.left_out, following.warnings)

    def _follow_by_detector(
        self, video: VideoSource, names: Sequence[str], window: Window
    ) -> _Made:
        """Return the detector's own tracks."""
        if not names or not isinstance(self._detector, TracksNames):
            return _Made([])
        tracks: dict[int, Track] = {}
        num_found = 0
        for frame, visible in self._detector.track(video, names, window=window):
            for number, detection in visible.items():
                if detection.mask is None or detection.score < self._min_score:
                    continue
                num_found += 1
                known = tracks.setdefault(
                    number, Track(number, detection.label, {}, detection.score, 0)
                )
                known.masks[frame] = detection.mask
        whole = [
            Track(one.track_id, one.name, one.masks, one.score, len(one.masks))
            for one in tracks.values()
        ]
        whole = merge_duplicates(whole)
        whole.sort(key=lambda track: -track.score * track.num_detections)
        left_out = [track.frames[0] for track in whole[self._max_tracks :]]
        return _Made(whole, num_found, left_out)

    def _detect(
        self, video: VideoSource, names: Sequence[str], window: Window
    ) -> dict[int, list[Detection]]:
        """Return what was detected on each frame on which there is something."""
        indices = evenly_spaced(window, self._num_frames)
        found: dict[int, list[Detection]] = {}
        for begin in range(0, len(indices), _BATCH):
            batch = indices[begin : begin + _BATCH]
            answers = self._detector.detect(video.read(batch), names)
            if len(answers) != len(batch):
                raise StageError(
                    f"the detector must answer each of {len(batch)} frames, got {len(answers)} "
                    "answers",
                    stage="grounder",
                    component=type(self._detector).__name__,
                )
            for frame, detections in zip(batch, answers, strict=True):
                usable = [one for one in detections if one.score >= self._min_score]
                if usable:
                    found[frame] = _drop_second_names(usable)
        return found

    def _prompts(
        self, video: VideoSource, frame: int, detections: Mapping[int, Detection]
    ) -> dict[int, Prompt]:
        """Return a prompt for each object, with a mask if that can be made.

        A detection of which the segmenter finds nothing gets no prompt.
        """
        prompts = {
            object_id: Prompt(object_id, frame, box=one.box, mask=one.mask, label=one.label)
            for object_id, one in detections.items()
        }
        if self._segmenter is None:
            return prompts
        boxes = [prompt for prompt in prompts.values() if prompt.mask is None]
        masks = self._segmenter.segment(video, boxes) if boxes else ()
        for prompt, made in zip(boxes, masks, strict=True):
            if made.mask.any():
                mask = Rle.encode(made.mask)
                prompts[prompt.object_id] = Prompt(
                    prompt.object_id, frame, box=prompt.box, mask=mask, label=prompt.label
                )
            else:
                del prompts[prompt.object_id]
        return prompts


@dataclass(frozen=True, slots=True)
class _Made:
    """Tracks, how many detections they are made of, and the frames of those left out."""

    tracks: Sequence[Track]
    num_found: int = 0
    left_out_on: Sequence[int] = ()
    warnings: Sequence[str] = ()

    @property
    def num_left_out(self) -> int:
        return len(self.left_out_on)


@dataclass(slots=True)
class _Begun:
    """A track that is being made.

    ``prompts`` has its first one and its corrections by frame, ``best`` the detection of it that
    scores highest, with its frame.
    """

    track_id: int
    start: Prompt
    best: tuple[int, Detection]
    prompts: dict[int, Prompt]
    masks: dict[int, Rle] = field(default_factory=dict)
    scores: list[tuple[float, str]] = field(default_factory=list)
    confirmed: list[int] = field(default_factory=list)
    last_box: Box | None = None
    is_visible: bool = True

    def see(self, frame: int, mask: BoolArray) -> None:
        """Keep a mask, if the object is visible."""
        self.is_visible = bool(mask.any())
        if self.is_visible:
            self.masks[frame] = Rle.encode(mask)
            self.last_box = self.masks[frame].box

    def finish(self, asked: Sequence[int]) -> Track:
        """Return the track; its name is the one with the largest sum of scores.

        Args:
            asked: The frames on which the detector was asked.
        """
        sums: dict[str, float] = {}
        for score, label in self.scores:
            sums[label] = sums.get(label, 0.0) + score
        return Track(
            self.track_id,
            max(sums, key=lambda label: sums[label]),
            trim_unconfirmed(self.masks, self.confirmed, asked),
            score=max(score for score, _ in self.scores),
            num_detections=len(self.scores),
        )


class _Following:
    """The tracks of one video while they are made: associated, then followed both ways."""

    def __init__(
        self,
        finder: TrackFinder,
        propagator: Propagator,
        video: VideoSource,
        window: Window,
        found: Mapping[int, Sequence[Detection]],
        *,
        seed: int,
    ) -> None:
        self._finder = finder
        self._propagator = propagator
        self._video = video
        self._window = window
        self._found = found
        self._seed = seed
        best = max((one.score for ones in found.values() for one in ones), default=0.0)
        self._start_score = min(_START_SCORE, best)
        self._ids = itertools.count(1)
        self.begun: list[_Begun] = []
        self.left_out: list[int] = []
        self.warnings: list[str] = []

    def associate(self) -> None:
        """Follow everything forward, and find out which detections show the same thing."""
        with self._lanes("forward") as lanes:
            for frame in range(min(self._found), self._window.stop):
                if frame in self._found:
                    for prompt in self._compare(frame):
                        lanes.prompt(prompt)
                masks = lanes.advance(frame)
                for track in self.begun:
                    if track.track_id in masks:
                        track.see(frame, masks[track.track_id])

    def finish(self) -> None:
        """Follow every track once more, both ways, from the detection that scores highest.

        Where that is the first one for all of them, only what comes before is left to do.
        """
        if not self._propagator.capabilities.backward:
            if any(one.start.frame > self._window.start for one in self.begun):
                self.warnings.append(
                    "the propagator cannot run backward: what was detected late has no masks "
                    "before"
                )
            return
        if self._choose_anchors():
            for track in self.begun:
                track.masks = {}
            self._run("forward")
        self._run("backward")

    def _choose_anchors(self) -> bool:
        """Let tracks start from better detections; return whether one does."""
        wanted: dict[int, dict[int, Detection]] = {}
        for track in self.begun:
            frame, detection = track.best
            if frame != track.start.frame:
                wanted.setdefault(frame, {})[track.track_id] = detection
        by_id = {track.track_id: track for track in self.begun}
        changed = False
        for frame, detections in wanted.items():
            for prompt in self._finder._prompts(self._video, frame, detections).values():
                track = by_id[prompt.object_id]
                del track.prompts[track.start.frame]
                track.prompts[frame] = prompt
                changed = True
        return changed

    def _run(self, direction: Direction) -> None:
        """Follow the tracks from their prompts: on from the first, or back from it."""
        first = {track.track_id: min(track.prompts) for track in self.begun}
        forward = direction == "forward"
        if forward:
            frames = range(min(first.values()), self._window.stop)
        else:
            frames = range(max(first.values()), self._window.start - 1, -1)
        if len(frames) < 2 and not forward:
            return
        with self._lanes(direction) as lanes:
            for frame in frames:
                for track in self.begun:
                    if frame in track.prompts and (forward or frame == first[track.track_id]):
                        lanes.prompt(track.prompts[frame])
                masks = lanes.advance(frame)
                for track in self.begun:
                    mask = masks.get(track.track_id)
                    mine = forward or frame < first[track.track_id]
                    if mask is not None and mine and mask.any():
                        track.masks[frame] = Rle.encode(mask)

    def _lanes(self, direction: Direction) -> Lanes:
        return Lanes(
            self._propagator,
            self._video,
            self._window,
            direction=direction,
            seed=self._seed,
        )

    def _compare(self, frame: int) -> list[Prompt]:
        """Return the prompts that the detections of a frame give rise to."""
        wanted: dict[int, Detection] = {}
        new: dict[int, Detection] = {}
        taken: set[int] = set()
        for detection in sorted(self._found[frame], key=lambda one: -one.score):
            track, overlap = self._track_of(detection, taken)
            if track is not None:
                taken.add(track.track_id)
                track.scores.append((detection.score, detection.label))
                track.confirmed.append(frame)
                if detection.score > track.best[1].score:
                    track.best = frame, detection
                if self._may_correct(detection, overlap):
                    wanted[track.track_id] = detection
            elif detection.score >= self._start_score and not self._is_part(detection):
                if len(self.begun) + len(new) >= self._finder._max_tracks:
                    self.left_out.append(frame)
                else:
                    new[next(self._ids)] = detection
        prompts = self._finder._prompts(self._video, frame, {**wanted, **new})
        for track_id, detection in new.items():
            if track_id in prompts:
                scores = [(detection.score, detection.label)]
                begun = _Begun(
                    track_id,
                    prompts[track_id],
                    (frame, detection),
                    {frame: prompts[track_id]},
                    scores=scores,
                    confirmed=[frame],
                )
                self.begun.append(begun)
        for track in self.begun:
            if track.track_id in wanted and track.track_id in prompts:
                track.prompts[frame] = prompts[track.track_id]
        return list(prompts.values())

    def _track_of(self, detection: Detection, taken: set[int]) -> tuple[_Begun | None, float]:
        """Return the track that a detection shows, and how well its box agrees."""
        free = [
            (detection.box.iou(one.last_box), one)
            for one in self.begun
            if one.track_id not in taken and one.last_box is not None
        ]
        for visible, least in ((True, _SAME_OBJECT), (False, _SAME_PLACE)):
            fitting = [pair for pair in free if pair[1].is_visible == visible]
            overlap, track = max(fitting, key=lambda pair: pair[0], default=(0.0, None))
            if track is not None and overlap >= least:
                return track, overlap if visible else 0.0
        return None, 0.0

    def _may_correct(self, detection: Detection, overlap: float) -> bool:
        takes = self._propagator.capabilities.corrections
        agrees = _AGREES if detection.mask is None else _AGREES_WITH_MASK
        return takes and overlap < agrees and detection.score >= _CORRECT_SCORE

    def _is_part(self, detection: Detection) -> bool:
        """Return whether a detection is a part of what a track of its name follows."""
        return any(
            one.is_visible
            and one.last_box is not None
            and one.start.label == detection.label
            and _overlap(detection.box, one.last_box) >= _INSIDE * detection.box.area
            for one in self.begun
        )


def _drop_second_names(detections: Iterable[Detection]) -> list[Detection]:
    """Return each thing once, under the name with which it scores highest."""
    kept: list[Detection] = []
    for detection in sorted(detections, key=lambda one: -one.score):
        if all(detection.box.iou(other.box) < _SAME_THING for other in kept):
            kept.append(detection)
    return kept


def _overlap(first: Box, second: Box) -> float:
    width = min(first.x2, second.x2) - max(first.x1, second.x1)
    height = min(first.y2, second.y2) - max(first.y1, second.y1)
    return max(0.0, width) * max(0.0, height)
