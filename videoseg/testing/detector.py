"""The contract of detectors."""

# ruff: noqa: D102 - the name of a test says what it checks

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from videoseg.errors import UnknownNameError
from videoseg.stages import Detector, TracksNames
from videoseg.testing.checks import (
    StageContract,
    check,
    check_json,
    global_randomness_untouched,
    refuses,
)
from videoseg.testing.clips import moving_square, passing_squares
from videoseg.types import Detection, Frame, Size, Window

__all__ = ["DetectorContract"]

# The word of no language, for detectors with a closed vocabulary.
_NONSENSE = "qwzxkv"


class DetectorContract(StageContract[Detector]):
    """What ``videoseg.stages.Detector`` asks for. Subclass it and implement ``make``.

    Attributes:
        names: Names that the detector knows and is asked for; by default the first two of a
            closed vocabulary, or some nouns.
        sizes: Frame sizes that must work.
        tolerance: How far scores may differ, and coordinates in sides of the frame, between a
            frame alone and the same frame in a batch.
    """

    stage = "detector"
    names: ClassVar[tuple[str, ...]] = ()
    sizes: ClassVar[tuple[Size, ...]] = ((48, 64), (33, 47), (9, 13))
    tolerance: ClassVar[float] = 0.01

    def test_is_a_detector(self) -> None:
        check(
            isinstance(self.make(), Detector),
            "a detector needs a property vocabulary and methods unknown_names(names) and "
            "detect(frames, names)",
        )

    def test_declares_its_vocabulary(self) -> None:
        vocabulary = self.make().vocabulary
        if vocabulary is None:
            return
        check(
            isinstance(vocabulary, tuple)
            and len(vocabulary) > 0
            and all(isinstance(name, str) and name.strip() for name in vocabulary),
            f"vocabulary must be a tuple of names, or None for any name, got {vocabulary!r}",
        )
        twice = sorted({name for name in vocabulary if vocabulary.count(name) > 1})
        check(not twice, f"vocabulary must have each name once, it repeats {', '.join(twice)}")

    def test_knows_the_names_it_declares(self) -> None:
        detector = self.make()
        known = (*(detector.vocabulary or ()), *self._names(detector))
        unknown = detector.unknown_names(known)
        check(
            unknown == (),
            f"the names of the vocabulary must be known, {unknown!r} are said not to",
        )

    def test_a_name_outside_a_closed_vocabulary_is_unknown(self) -> None:
        detector = self.make()
        known = self._names(detector)[0]
        unknown = detector.unknown_names((_NONSENSE, known))
        if detector.vocabulary is None:
            check(unknown == (), f"an open vocabulary knows every name, it refused {unknown!r}")
            return
        check(
            unknown == (_NONSENSE,),
            f"of {_NONSENSE!r} and {known!r} only the first is unknown, got {unknown!r}",
        )
        with refuses(UnknownNameError, f"the unknown name {_NONSENSE!r}"):
            detector.detect([moving_square().video[0]], (known, _NONSENSE))

    def test_one_answer_for_each_frame(self) -> None:
        detector = self.make()
        video = passing_squares().video
        for count in (1, 3, 0):
            self._detect(detector, video.read(range(count)), self._names(detector))

    def test_no_names_find_nothing(self) -> None:
        detector = self.make()
        [found] = self._detect(detector, [moving_square().video[0]], ())
        check(len(found) == 0, f"without names there is nothing to find, got {len(found)} boxes")

    def test_one_name_is_enough(self) -> None:
        detector = self.make()
        for name in self._names(detector):
            self._detect(detector, [moving_square().video[0]], (name,))

    def test_frames_of_different_sizes(self) -> None:
        detector = self.make()
        frames = [moving_square(1, size=size).video[0] for size in self.sizes]
        self._detect(detector, frames, self._names(detector))

    def test_a_batch_finds_what_single_frames_show(self) -> None:
        detector = self.make()
        frames = [*passing_squares().video.read([0, 2]), moving_square(1, size=(33, 47)).video[0]]
        names = self._names(detector)
        together = self._detect(detector, frames, names)
        alone = [self._detect(detector, [frame], names)[0] for frame in frames]
        for frame, one, other in zip(frames, together, alone, strict=True):
            check(
                self._alike(one, other, frame),
                f"a frame must show the same in a batch as alone, got {_shown(one)} and "
                f"{_shown(other)}",
            )

    def test_the_same_frames_give_the_same_boxes(self) -> None:
        detector = self.make()
        frames, names = moving_square().video.read([0, 3]), self._names(detector)
        first = self._detect(detector, frames, names)
        check(
            first == self._detect(detector, frames, names)
            and first == self._detect(self.make(), frames, names),
            "the same frames and names must give the same boxes, however often they are given",
        )

    def test_the_frames_of_a_video_are_left_as_they_are(self) -> None:
        detector = self.make()
        frame = moving_square().video[0].copy()
        before = frame.copy()
        self._detect(detector, [frame], self._names(detector))
        check(np.array_equal(frame, before), "detect() must not write into the frames it is given")

    def test_tracks_names_frame_by_frame(self) -> None:
        detector = self.make()
        if not isinstance(detector, TracksNames):
            return
        video, names = passing_squares().video, self._names(detector)
        window = Window(1, len(video) - 1)
        labels: dict[int, str] = {}
        frames = []
        for index, visible in detector.track(video, names, window=window):
            frames.append(index)
            for number, detection in visible.items():
                check(
                    type(number) is int and number >= 1,
                    f"tracks must be numbered from 1, got {number!r}",
                )
                _check_detection(detection, video[index], names)
                check(detection.mask is not None, "what is tracked must have a mask on each frame")
                label = labels.setdefault(number, detection.label)
                check(
                    detection.label == label,
                    f"track {number} must keep its label {label!r}, got {detection.label!r}",
                )
        wanted = list(range(window.start, window.stop))
        check(
            frames == wanted,
            f"track() must yield each frame of its window once and in order, got {frames[:20]}",
        )
        nothing = [dict(visible) for _, visible in detector.track(video, (), window=window)]
        check(
            nothing == [{}] * len(wanted), "without names nothing is followed, but frames are told"
        )

    def test_leaves_shared_random_numbers_alone(self) -> None:
        with global_randomness_untouched("a detector"):
            detector = self.make()
            self._detect(detector, [moving_square().video[0]], self._names(detector))

    def _names(self, detector: Detector) -> tuple[str, ...]:
        return self.names or (detector.vocabulary or ("square", "red thing"))[:2]

    def _detect(
        self, detector: Detector, frames: Sequence[Frame], names: Sequence[str]
    ) -> list[list[Detection]]:
        answers = detector.detect(frames, names)
        check(
            len(answers) == len(frames),
            f"{len(frames)} frames must give as many answers, got {len(answers)}",
        )
        for frame, found in zip(frames, answers, strict=True):
            for detection in found:
                _check_detection(detection, frame, names)
            scores = [detection.score for detection in found]
            check(
                scores == sorted(scores, reverse=True),
                f"the highest score must come first, got {scores}",
            )
        return [list(found) for found in answers]

    def _alike(self, one: list[Detection], other: list[Detection], frame: Frame) -> bool:
        if len(one) != len(other):
            return False
        pixels = self.tolerance * max(frame.shape[:2])
        for detection in one:
            # Equal scores may come in any order.
            if not any(
                detection.label == candidate.label
                and abs(detection.score - candidate.score) <= self.tolerance
                and np.allclose(
                    detection.box.as_tuple(), candidate.box.as_tuple(), rtol=0, atol=pixels
                )
                for candidate in other
            ):
                return False
        return True


def _check_detection(detection: Detection, frame: Frame, names: Sequence[str]) -> None:
    check(
        isinstance(detection, Detection),
        f"detect() must return Detection objects, got {type(detection).__name__}",
    )
    check(
        detection.label in names,
        f"a label must be one of the names asked for, {', '.join(names)}; got {detection.label!r}",
    )
    size = (frame.shape[0], frame.shape[1])
    box = detection.box
    check(
        box.x1 >= 0 and box.y1 >= 0 and box.x2 <= size[1] and box.y2 <= size[0],
        f"a box must lie in the frame of {size[0]}x{size[1]} pixels, got {box.as_tuple()}",
    )
    check(
        detection.mask is None or detection.mask.size == size,
        f"a mask must have the frame's size {size}, got {detection.mask and detection.mask.size}",
    )
    check_json(detection, "a detection")


def _shown(found: Sequence[Detection]) -> str:
    return str([(one.label, round(one.score, 3), one.box.as_tuple()) for one in found[:4]])
