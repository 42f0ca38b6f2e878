"""What the method says of propagation and of one reading for many answers, as numbers."""

from __future__ import annotations

import numpy as np
import pytest
from toy_stages import AnswersAt, BoxIsMask, EverySecond, Hold, HoldSession
from videoseg_synthetic import make_clip

import videoseg as vs
from videoseg.types import Message, ObjectMask, TextPart


class Recalls(Hold):
    """An identity tracker that recalls which frames it was shown."""

    def __init__(self):
        super().__init__(boxes=False)
        self.shown = {"forward": [], "backward": []}

    def open(self, video, *, seed=0):
        return RecallsSession(self, video)


class RecallsSession(HoldSession):
    def run(self, direction="forward", *, stop=None):
        for masks in super().run(direction, stop=stop):
            self.propagator.shown[direction].append(masks.frame)
            yield masks


class FindsNothing:
    def segment(self, video, prompts):
        return [ObjectMask(np.zeros(video.size, bool), 0.0) for _ in prompts]


@pytest.fixture
def video():
    return vs.Video.from_frames(np.zeros((10, 6, 8, 3), np.uint8), fps=5)


def test_both_passes_start_at_the_target_frame_and_fill_the_video(video):
    tracker = Recalls()
    pipe = vs.Pipeline(EverySecond(), AnswersAt([(1, 5)]), tracker, segmenter=BoxIsMask())
    result = pipe(video, "it")
    assert tracker.shown == {"forward": [5, 6, 7, 8, 9], "backward": [5, 4, 3, 2, 1, 0]}
    assert result.tracks[0].visible_frames == tuple(range(10))


def test_an_empty_mask_of_the_target_frame_leaves_all_frames_empty(video):
    tracker = Recalls()
    pipe = vs.Pipeline(EverySecond(), AnswersAt([(1, 5)]), tracker, segmenter=FindsNothing())
    result = pipe(video, "it")
    assert not any(result.mask(frame).any() for frame in range(10))


def test_ten_answers_to_each_question_take_one_reading_of_the_frames(tmp_path):
    from rigged_vlm import save_rigged_vlm

    model = save_rigged_vlm(tmp_path)
    from videoseg_r1 import HierarchicalSampler
    from videoseg_vlm import TransformersChat

    chat = TransformersChat(model=str(model), device="cpu")
    chat.chat([Message("user", (TextPart("x"),))], max_tokens=1)
    readings = []
    chat._loaded.model.model.visual.register_forward_hook(lambda *_: readings.append(1))
    clip = make_clip(seed=1, difficulty="motion", num_frames=60, size=(64, 96))
    selection = HierarchicalSampler(chat=chat).sample(clip.video, "it", window=vs.Window(0, 60))
    rounds, position = selection.details["rounds"], selection.details["position"]
    assert [len(asked["replies"]) for asked in (*rounds, position)] == [10] * (len(rounds) + 1)
    assert len(readings) == len(rounds) + 1
