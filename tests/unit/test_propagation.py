"""The base class of sessions, and the check of prompts."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pytest

from videoseg.errors import PropagationError
from videoseg.propagation import SessionBase, check_prompt, prompt_problem, takes_prompt
from videoseg.testing import (
    LiveSource,
    PropagatorContract,
    contract_failures,
    moving_square,
    passing_squares,
)
from videoseg.types import Box, Embedding, Point, Prompt, PropagatorCapabilities, Rle

EVERYTHING = PropagatorCapabilities(
    boxes=True, points=True, masks=True, embeddings=("known",), corrections=True, live=True
)
BOX = Box(2, 2, 8, 8)


class Repeating(SessionBase):
    """Repeats the newest mask of each object, and notes what its runs were given."""

    ended = 0

    def propagate(self, frames):
        self.last_run = frames
        masks = {}
        try:
            for index, frame in frames:
                assert frame.shape == (*self.video.size, 3)
                masks |= self.masks_on(index)
                yield index, dict(masks)
        finally:
            self.ended += 1


def opened(video=None, *prompts, **changes):
    video = passing_squares().video if video is None else video
    session = Repeating(video, replace(EVERYTHING, **changes))
    for prompt in prompts:
        session.prompt(prompt)
    return session


def given(object_id, frame):
    return passing_squares().prompt(object_id, frame)


def frames_of(session, *arguments, **options):
    return [masks.frame for masks in session.run(*arguments, **options)]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"corrections": False},
        {"late_objects": False},
        {"backward": False},
        {"live": False},
        {"max_objects_per_pass": 2},
    ],
    ids=str,
)
def test_a_session_keeps_the_contract_whatever_is_declared(changes):
    # Repeating cannot make masks of other prompts.
    declared = replace(EVERYTHING, boxes=False, points=False, embeddings=(), **changes)

    class Propagator:
        capabilities = declared

        def open(self, video, *, seed=0):
            return Repeating(video, declared)

    class Contract(PropagatorContract):
        least_iou = 0.0

        def make(self):
            return Propagator()

    assert contract_failures(Contract()) == {}


def test_a_run_knows_its_direction_and_its_last_frame():
    session = opened(None, given(1, 4), given(2, 6))
    for arguments, expected, direction, last in (
        ((), range(4, 12), "forward", 11),
        (("backward",), range(6, -1, -1), "backward", 0),
    ):
        assert frames_of(session, *arguments) == list(expected)
        assert (session.last_run.direction, session.last_run.last) == (direction, last)
    assert frames_of(session, stop=7) == [4, 5, 6]
    assert session.last_run.last == 6
    assert frames_of(session, stop=99) == list(range(4, 12))
    assert frames_of(session, stop=np.int64(7)) == [4, 5, 6]
    assert frames_of(session, "backward", stop=5) == [6, 5]
    assert session.last_run.last == 5
    assert frames_of(session, stop=2) == []


def test_the_end_of_a_live_source_is_not_known():
    session = opened(LiveSource(5), moving_square(24).prompt(1, 0))
    assert frames_of(session) == [0, 1, 2, 3, 4]
    assert session.last_run.last is None


def test_prompts_are_given_by_frame_in_the_order_in_which_they_came():
    session = opened(None, given(2, 3), Prompt(1, 3, box=BOX))
    assert list(session.prompts_on(3)) == [2, 1]
    assert session.prompts_on(4) == {}
    [(object_id, mask)] = session.masks_on(3).items()
    assert object_id == 2
    assert np.array_equal(mask, passing_squares().masks[2][3])


def test_a_prompt_during_a_run_takes_effect_when_its_frame_is_reached():
    session = opened(None, given(1, 0))
    seen = {}
    for masks in session.run():
        seen[masks.frame] = sorted(masks.masks)
        if masks.frame == 2:
            session.prompt(given(2, 5))
    assert seen[4] == [1] and seen[5] == [1, 2]


@pytest.mark.parametrize(
    ("prompt", "changes", "message"),
    [
        (given(1, 0), {}, "object 1 already has a prompt on frame 0; put box, points and mask"),
        (given(1, 4), {"corrections": False}, "takes no corrections; prompt each object once"),
        (given(2, 0), {"max_objects_per_pass": 1}, r"at most 1 \(max_objects_per_pass\); open"),
        (given(2, 4), {"late_objects": False}, "object 2 comes on frame 4.*prompt it on frame 0"),
        (replace(given(2, 0), frame=12), {}, "lies outside the video; its frames are 0 to 11"),
    ],
)
def test_a_refused_prompt_leaves_the_session_as_it_was(prompt, changes, message):
    session = opened(None, given(1, 0), **changes)
    with pytest.raises(PropagationError, match=message):
        session.prompt(prompt)
    assert [sorted(masks.masks) for masks in session.run()] == [[1]] * 12


def test_a_correction_is_no_further_object():
    session = opened(None, given(1, 0), max_objects_per_pass=1, late_objects=False)
    session.prompt(given(1, 5))
    assert len(frames_of(session)) == 12


@pytest.mark.parametrize(
    ("arguments", "options", "changes", "message"),
    [
        (("sideways",), {}, {}, "direction must be forward or backward, got 'sideways'"),
        ((), {"stop": -1}, {}, "stop must be a frame index >= 0, got -1"),
        ((), {"stop": 2.5}, {}, "stop must be a frame index >= 0, got 2.5"),
        ((), {"stop": "3"}, {}, "stop must be a frame index >= 0, got '3'"),
        ((), {"stop": True}, {}, "stop must be a frame index >= 0, got True"),
        (("backward",), {}, {"backward": False}, "cannot run backward; prompt each object"),
    ],
)
def test_a_run_that_is_not_possible_is_refused_at_once(arguments, options, changes, message):
    session = opened(None, given(1, 3), **changes)
    with pytest.raises(PropagationError, match=message):
        session.run(*arguments, **options)


def test_a_run_without_prompts_is_refused_at_once():
    with pytest.raises(PropagationError, match="prompt at least one object before run"):
        opened().run()


def test_a_live_source_is_refused_unless_declared():
    with pytest.raises(PropagationError, match="does not take a live source; read it to its end"):
        opened(LiveSource(5), live=False)


def test_closing_ends_a_run_and_frees_what_it_holds():
    with opened(None, given(1, 0)) as session:
        run = session.run()
        next(run)
        assert session.ended == 0
    with pytest.raises(PropagationError, match="session is closed; open a new one"):
        next(run)
    assert session.ended == 1
    assert session.prompts_on(0) == {}
    for use in (lambda: session.prompt(given(2, 0)), session.run, session.require_open):
        with pytest.raises(PropagationError, match="session is closed"):
            use()
    session.close()


def test_a_run_that_is_left_frees_what_it_holds():
    session = opened(None, given(1, 0))
    run = session.run()
    next(run)
    run.close()
    assert session.ended == 1


def test_a_session_is_not_sent_to_another_process():
    with pytest.raises(PropagationError, match="send the propagator and open one there"):
        pickle.dumps(opened())


@pytest.mark.parametrize(
    ("prompt", "takes", "message"),
    [
        (
            Prompt(1, 0, box=BOX, points=(Point(3, 3),)),
            {"masks": True},
            "has only a box and points, but this propagator takes a mask; add a segmenter to the",
        ),
        (
            Prompt(1, 0, embedding=Embedding("o3", (1.0,))),
            {"boxes": True, "points": True, "masks": True},
            "only an embedding of 'o3', but .* takes a mask, a box or points; give a mask, a box",
        ),
        (
            Prompt(1, 0, mask=Rle.encode(np.ones((6, 8), bool))),
            {"masks": False, "embeddings": ("x",)},
            "only a mask, but this propagator takes an embedding of 'x'; give an embedding",
        ),
        (Prompt(1, 9, box=BOX), {"boxes": True}, "its frames are 0 to 8"),
    ],
)
def test_a_prompt_that_a_propagator_cannot_use_is_refused(prompt, takes, message):
    capabilities = PropagatorCapabilities(**takes)
    with pytest.raises(PropagationError, match=message):
        check_prompt(prompt, (6, 8), num_frames=9, capabilities=capabilities)


def test_one_usable_part_is_enough():
    both = Prompt(1, 0, box=BOX, mask=Rle.empty((6, 8)))
    boxes = PropagatorCapabilities(boxes=True, masks=False)
    assert takes_prompt(both, boxes)
    # The mask is not looked at by a propagator that takes none.
    check_prompt(both, (6, 8), num_frames=None, capabilities=boxes)
    known = Prompt(1, 0, embedding=Embedding("known", (1.0,)))
    assert takes_prompt(known, EVERYTHING)
    assert not takes_prompt(known, boxes)


@pytest.mark.parametrize(
    ("prompt", "problem"),
    [
        (Prompt(3, 2, mask=Rle.empty((6, 8))), "object 3 on frame 2 has an empty mask; leave out"),
        (Prompt(3, 2, mask=Rle.empty((8, 6))), "has a mask of (8, 6); give one of the frame's"),
        (Prompt(1, 0, box=Box(20, 0, 30.5, 5)), "a box (20, 0, 30.5, 5) outside the 8x6 frame"),
        (Prompt(1, 0, points=(Point(8, 3),)), "a point (8, 3) outside the 8x6 frame"),
        (Prompt(1, 0, box=BOX, negative_points=(Point(1, -1),)), "a point (1, -1) outside"),
        (Prompt(1, 0, box=Box(-5, -5, 99, 99), points=(Point(7.9, 5.9),)), ""),
        (Prompt(1, 99, box=BOX), ""),
    ],
)
def test_what_does_not_fit_the_frame_is_a_problem(prompt, problem):
    found = prompt_problem(prompt, (6, 8))
    assert problem in found if problem else found == ""


def test_points_outside_the_frame_may_be_allowed():
    outside = Prompt(1, 0, points=(Point(99, 3),))
    assert prompt_problem(outside, (6, 8), points=False) == ""
    masked = replace(outside, mask=Rle.encode(np.ones((6, 8), bool)))
    assert prompt_problem(masked, (6, 8)) == ""


@pytest.mark.parametrize(
    ("propagate", "message"),
    [
        (lambda frames: [(i, {}) for i, _ in frames][:3], "ended its run before frame 3"),
        (lambda frames: [], "ended its run before frame 0"),
        (lambda frames: ((0, {}) for _ in frames), "masks of frame 0, but frame 1 is due"),
        (lambda frames: [*((i, {}) for i, _ in frames), (99, {})], "frame 99, but no frame is"),
        (lambda frames: [(i, {}) for i, _ in frames][::-1], "but frame 0 is due"),
        (lambda frames: ((i, {42: None}) for i, _ in frames), "object 42 .* only objects 1 were"),
    ],
)
def test_masks_come_for_each_frame_in_order_and_for_prompted_objects(propagate, message):
    session = opened(None, given(1, 0))
    session.propagate = propagate
    with pytest.raises(PropagationError, match=message):
        list(session.run())


def test_frames_may_be_read_ahead():
    class Ahead(Repeating):
        def propagate(self, frames):
            yield from [(index, self.masks_on(index)) for index, _ in frames]

    clip = passing_squares()
    session = Ahead(clip.video, EVERYTHING)
    session.prompt(given(1, 0))
    assert frames_of(session) == list(range(clip.video.num_frames))
