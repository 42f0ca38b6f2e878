"""Each test of the contract of detectors can fail."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

import numpy as np
import pytest

from videoseg.errors import UnknownNameError
from videoseg.testing import DetectorContract, contract_failures
from videoseg.types import Box, Detection, Frame, Rle, Window


class GoodDetector:
    """Finds the red square, the blue one, or any colored thing."""

    vocabulary: ClassVar[tuple[str, ...] | None] = ("red square", "blue square", "thing")

    def unknown_names(self, names: Sequence[str]) -> tuple[str, ...]:
        return tuple(name for name in names if name not in (self.vocabulary or ()))

    def detect(self, frames, names):
        if unknown := self.unknown_names(names):
            raise UnknownNameError(f"unknown: {unknown}", names=unknown)
        return [self.find(frame, names) for frame in frames]

    def find(self, frame: Frame, names: Sequence[str]) -> list[Detection]:
        red, _, blue = np.moveaxis(frame.astype(int), -1, 0)
        masks = {"red square": red > blue + 50, "blue square": blue > red + 50}
        masks["thing"] = masks["red square"] | masks["blue square"]
        found = [
            Detection(box, name, 0.9 - 0.1 * place, mask=Rle.encode(masks[name]))
            for place, name in enumerate(dict.fromkeys(names))
            if (box := Rle.encode(masks[name]).box)
        ]
        return sorted(found, key=lambda detection: -detection.score)


class OpenDetector(GoodDetector):
    vocabulary = None

    def unknown_names(self, names):
        return ()

    def find(self, frame, names):
        height, width = frame.shape[:2]
        return [Detection(Box(0, 0, width, height), name, 0.5) for name in names]


class NamesTwice(GoodDetector):
    vocabulary = ("red square", "red square")


class NoNames(GoodDetector):
    vocabulary = ()


class ForgetsItsNames(GoodDetector):
    def unknown_names(self, names):
        return tuple(name for name in names if name != "thing")


class GuessesNames(GoodDetector):
    def unknown_names(self, names):
        return ()

    def find(self, frame, names):
        return super().find(frame, [name for name in names if name in self.vocabulary])


class FindsNothingForUnknownNames(GoodDetector):
    def detect(self, frames, names):
        return [self.find(frame, set(names) & set(self.vocabulary)) for frame in frames]


class OpenButRefuses(OpenDetector):
    def unknown_names(self, names):
        return tuple(name for name in names if " " not in name and len(name) > 5)


class OneAnswerOnly(GoodDetector):
    def detect(self, frames, names):
        return super().detect(frames, names)[:1]


class FindsItsWholeVocabulary(GoodDetector):
    def find(self, frame, names):
        return super().find(frame, names or self.vocabulary)


class NeedsTwoNames(GoodDetector):
    def find(self, frame, names):
        assert len(names) != 1
        return super().find(frame, names)


class StacksFrames(GoodDetector):
    def detect(self, frames, names):
        if frames:
            np.stack(frames)
        return super().detect(frames, names)


class LeavesTheFrame(GoodDetector):
    def find(self, frame, names):
        found = super().find(frame, names)
        return [replace(one, box=Box(-3, one.box.y1, one.box.x2, one.box.y2)) for one in found]


class WorstFirst(GoodDetector):
    def find(self, frame, names):
        return super().find(frame, names)[::-1]


class OwnLabels(GoodDetector):
    def find(self, frame, names):
        return [replace(one, label="object 7") for one in super().find(frame, names)]


class SmallMasks(GoodDetector):
    def find(self, frame, names):
        small = Rle.encode(np.ones((2, 3), bool))
        return [replace(one, mask=small) for one in super().find(frame, names)]


class ReturnsBoxes(GoodDetector):
    def find(self, frame, names):
        return [one.box for one in super().find(frame, names)]


class MixesABatch(GoodDetector):
    def detect(self, frames, names):
        return super().detect(frames, names)[::-1]


class NeverTheSame(GoodDetector):
    calls = 0

    def find(self, frame, names):
        NeverTheSame.calls += 1
        score = 1 / (1 + NeverTheSame.calls)
        return [replace(one, score=score) for one in super().find(frame, names)]


class PaintsTheFrame(GoodDetector):
    def find(self, frame, names):
        found = super().find(frame, names)
        if frame.flags.writeable:
            frame[0, 0] = 255 - frame[0, 0]
        return found


class UsesSharedRandomness(GoodDetector):
    def find(self, frame, names):
        np.random.rand()  # noqa: NPY002
        return super().find(frame, names)


class ClosesOnce(GoodDetector):
    closed = False

    def close(self):
        assert not self.closed
        self.closed = True


class Tracks(GoodDetector):
    def track(self, video, names, *, window=None):
        window = window or Window(0, len(video))
        for index in range(window.start, window.stop):
            [found] = self.detect([video[index]], names)
            yield index, {1 + names.index(one.label): one for one in found}


class TracksFromTheStart(Tracks):
    def track(self, video, names, *, window=None):
        return super().track(video, names)


class NumbersFromZero(Tracks):
    def track(self, video, names, *, window=None):
        for index, visible in super().track(video, names, window=window):
            yield index, {number - 1: one for number, one in visible.items()}


class TracksBoxes(Tracks):
    def track(self, video, names, *, window=None):
        for index, visible in super().track(video, names, window=window):
            yield index, {number: replace(one, mask=None) for number, one in visible.items()}


class ChangesLabels(Tracks):
    def track(self, video, names, *, window=None):
        for index, visible in super().track(video, names, window=window):
            label = names[index % len(names)] if names else ""
            yield index, {number: replace(one, label=label) for number, one in visible.items()}


class SkipsFramesWithoutNames(Tracks):
    def track(self, video, names, *, window=None):
        if names:
            yield from super().track(video, names, window=window)


def failures_of(detector, only=()):
    made = type("Made", (DetectorContract,), {"make": lambda self: detector()})
    return contract_failures(made(), only=only)


@pytest.mark.parametrize(
    ("detector", "noticed_by"),
    [
        (object, "test_is_a_detector"),
        (NamesTwice, "test_declares_its_vocabulary"),
        (NoNames, "test_declares_its_vocabulary"),
        (ForgetsItsNames, "test_knows_the_names_it_declares"),
        (GuessesNames, "test_a_name_outside_a_closed_vocabulary_is_unknown"),
        (FindsNothingForUnknownNames, "test_a_name_outside_a_closed_vocabulary_is_unknown"),
        (OpenButRefuses, "test_a_name_outside_a_closed_vocabulary_is_unknown"),
        (OneAnswerOnly, "test_one_answer_for_each_frame"),
        (LeavesTheFrame, "test_one_answer_for_each_frame"),
        (WorstFirst, "test_one_answer_for_each_frame"),
        (OwnLabels, "test_one_answer_for_each_frame"),
        (SmallMasks, "test_one_answer_for_each_frame"),
        (ReturnsBoxes, "test_one_answer_for_each_frame"),
        (FindsItsWholeVocabulary, "test_no_names_find_nothing"),
        (NeedsTwoNames, "test_one_name_is_enough"),
        (StacksFrames, "test_frames_of_different_sizes"),
        (MixesABatch, "test_a_batch_finds_what_single_frames_show"),
        (NeverTheSame, "test_the_same_frames_give_the_same_boxes"),
        (PaintsTheFrame, "test_the_frames_of_a_video_are_left_as_they_are"),
        (TracksFromTheStart, "test_tracks_names_frame_by_frame"),
        (NumbersFromZero, "test_tracks_names_frame_by_frame"),
        (TracksBoxes, "test_tracks_names_frame_by_frame"),
        (ChangesLabels, "test_tracks_names_frame_by_frame"),
        (SkipsFramesWithoutNames, "test_tracks_names_frame_by_frame"),
        (UsesSharedRandomness, "test_leaves_shared_random_numbers_alone"),
        (ClosesOnce, "test_close_may_be_called_twice"),
    ],
)
def test_broken_detectors_are_noticed(detector, noticed_by):
    assert noticed_by in failures_of(detector, only=(noticed_by,))


@pytest.mark.parametrize("detector", [GoodDetector, OpenDetector, Tracks])
def test_detectors_that_keep_the_contract_pass(detector):
    assert failures_of(detector) == {}
