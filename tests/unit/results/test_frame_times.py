"""Times of frames, in results and in what is written about them."""

from __future__ import annotations

import numpy as np
import pytest

import videoseg as vs
from videoseg.results.wording import format_frame, format_frames
from videoseg.types import VideoFacts, from_dict, to_dict

TIMES = (0.0, 0.04, 0.08, 9.0, 9.04)


def facts(**changes):
    known = {"num_frames": 5, "size": (4, 6), "fps": 0.55, "duration": 9.08, "reader": "pyav"}
    return VideoFacts(name="clip", path=None, **{**known, **changes})


def test_frames_of_a_variable_rate_are_told_at_their_own_times():
    clip = facts(timestamps=TIMES)
    assert format_frame(clip, 3) == "frame 3, 9.00\u00a0s"
    assert "0.1–9.0\u00a0s" in format_frames(clip, 2, 5)  # noqa: RUF001
    assert from_dict(VideoFacts, to_dict(clip)) == clip


def test_frames_of_a_constant_rate_need_no_times():
    video = vs.Video.from_frames(np.zeros((5, 4, 6, 3), np.uint8), fps=25)
    assert video.facts().timestamps == ()
    assert format_frame(video.facts(), 3) == "frame 3, 0.12\u00a0s"


@pytest.mark.parametrize("times", [TIMES[:4], (0.0, 1.0, float("nan"), 2.0, 3.0)])
def test_times_that_are_not_those_of_the_frames_are_refused(times):
    with pytest.raises(vs.ConfigError, match="time"):
        facts(timestamps=times)
