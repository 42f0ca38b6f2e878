"""Masks frame by frame."""

from __future__ import annotations

import numpy as np
import pytest
from toy_stages import AnswersAt, Hold, pipeline

from videoseg.errors import PropagationError, VideoError
from videoseg.video import as_video


@pytest.mark.parametrize("order", ["time", "made"])
@pytest.mark.parametrize("frames", [[(1, 0)], [(1, 9)], [(1, 7), (2, 2)], []])
@pytest.mark.parametrize("backward", [True, False])
def test_a_stream_yields_every_frame_once_with_the_masks_of_the_result(
    video, order, frames, backward
):
    pipe = pipeline(AnswersAt(frames), Hold(backward=backward))
    result = pipe(video, "it")
    with pipe.stream(video, "it", order=order) as stream:
        streamed = {masks.frame: masks for masks in stream}
        assert stream.grounding == result.grounding
    assert sorted(streamed) == list(range(10))
    if order == "time":
        assert list(streamed) == list(range(10))
    for frame, masks in streamed.items():
        assert (masks.union == result.mask(frame)).all()


@pytest.mark.parametrize(
    ("order", "fails_at", "frames"),
    [
        ("time", 2, [3, 4, 5, 6, 7, 8, 9]),
        ("time", 6, [0, 1, 2, 3, 4, 5]),
        ("made", 2, [4, 5, 6, 7, 8, 9, 3]),
        ("made", 6, [4, 5, 3, 2, 1, 0]),
    ],
)
def test_a_stream_gives_all_masks_that_were_made_before_its_error(video, order, fails_at, frames):
    streamed = []
    pipe = pipeline(AnswersAt([(1, 4)]), Hold(fails_at=fails_at))
    with (
        pytest.raises(PropagationError, match=f"cannot go on at frame {fails_at}"),
        pipe.stream(video, "it", order=order) as stream,
    ):
        for masks in stream:
            assert masks.union.any()
            streamed.append(masks.frame)
    assert streamed == frames


def test_a_stream_tells_how_far_it_is(video):
    with pipeline().stream(video, "it") as stream:
        next(stream)
        assert repr(stream) == "<MaskStream of 'frames': 1 object, 1 of 10 frames yielded>"
    with pipeline(AnswersAt([])).stream(iter(video), "it", warmup_frames=4) as stream:
        assert repr(stream).endswith(": not in this video, 0 frames yielded>")


def test_a_live_source_is_answered_from_its_beginning(video):
    pulled = []

    def camera():
        for index in range(10):
            pulled.append(index)
            yield np.zeros((6, 8, 3), np.uint8)

    hold = Hold()
    with pipeline(AnswersAt([(1, 2)]), hold).stream(camera(), "it", warmup_frames=4) as stream:
        first = next(stream)
        assert first.frame == 0
        assert len(pulled) < 10
        rest = [masks.frame for masks in stream]
    assert rest == list(range(1, 10))
    assert all(session.closed for session in hold.sessions)


def test_closing_a_stream_early_closes_its_sessions(video):
    hold = Hold()
    stream = pipeline(propagator=hold).stream(video, "it")
    next(stream)
    stream.close()
    assert all(session.closed for session in hold.sessions)


@pytest.mark.parametrize("run", ["__call__", "ground"])
def test_a_live_source_is_only_taken_by_stream(video, run):
    live = as_video(iter(video.read(range(4))), live_buffer=2)
    with pytest.raises(VideoError, match="live source that has not ended"):
        getattr(pipeline(), run)(live, "it")
