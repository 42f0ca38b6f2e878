"""A stage or a pass that fails: what is told, and what is kept."""

from __future__ import annotations

import weakref

import pytest
from toy_stages import AnswersAt, Hold, pipeline

from videoseg.errors import PropagationError, StageError
from videoseg.types import Episode


class Troubled(Hold):
    """Holds masks, but each run of a session is what ``trouble`` makes of it."""

    def __init__(self, trouble, **options):
        super().__init__(**options)
        self._trouble = trouble

    def open(self, video, *, seed=0):
        session = super().open(video, seed=seed)
        run = session.run

        def troubled(direction="forward", *, stop=None):
            return self._trouble(session, run(direction, stop=stop), direction)

        session.run = troubled
        return session


def test_a_stage_that_fails_is_named_and_its_error_kept(video):
    class Broken:
        def step(self, episode):
            return {}["missing"]

    with pytest.raises(StageError, match="grounder 'Broken' failed: KeyError") as caught:
        pipeline(Broken())(video, "it")
    assert isinstance(caught.value.__cause__, KeyError)


def test_what_was_computed_before_a_failure_is_kept(video):
    with pytest.raises(PropagationError) as caught:
        pipeline(AnswersAt([(1, 2)]), Hold(fails_at=5))(video, "it")
    partial = caught.value.partial
    assert partial.grounding.keyframe == 2
    assert partial.trace.turns
    # What comes before the keyframe does not need what comes after it.
    assert partial.track(1).visible_frames == (0, 1, 2, 3, 4)


def test_masks_made_before_a_failure_are_kept_when_prompts_were_given(video):
    prompts = AnswersAt([(1, 2), (2, 3)]).step(Episode(video, "", seed=0)).prompts
    with pytest.raises(PropagationError) as caught:
        pipeline(propagator=Hold(fails_at=5)).propagate(video, prompts)
    assert caught.value.partial.track(1).visible_frames == (0, 1, 2, 3, 4)
    assert caught.value.partial.track(2).visible_frames == (0, 1, 2, 3, 4)


def test_a_pass_that_fails_costs_the_objects_of_the_others_nothing(video):
    def second_fails(session, run, direction):
        for masks in run:
            if 2 in masks.masks and masks.frame in (1, 6):
                raise PropagationError(f"no room for the second, {direction}")
            yield masks

    hold = Troubled(second_fails, max_objects_per_pass=1)
    with pytest.raises(PropagationError, match="no room for the second, forward") as caught:
        pipeline(AnswersAt([(1, 3), (2, 4), (3, 5)]), hold)(video, "all")
    partial = caught.value.partial
    assert partial.warnings == (
        "another pass of the propagator also failed: PropagationError: no room for the second, "
        "backward",
    )
    assert partial.track(1).visible_frames == partial.track(3).visible_frames == tuple(range(10))
    assert partial.track(2).visible_frames == (2, 3, 4, 5)
    assert all(session.closed for session in hold.sessions)


def test_a_pass_that_cannot_even_begin_costs_the_others_nothing(video):
    def first_refuses(session, run, direction):
        if session.prompts[0].object_id == 1:
            raise PropagationError("no room for the first")
        return run

    answer = AnswersAt([(1, 3), (2, 4)])
    with pytest.raises(PropagationError, match="no room for the first") as caught:
        pipeline(answer, Troubled(first_refuses, max_objects_per_pass=1))(video, "all")
    assert caught.value.partial.track(2).visible_frames == tuple(range(10))


def test_every_pass_that_fails_is_told_of(video):
    def each_fails(session, run, direction):
        for masks in run:
            if masks.frame == 6:
                raise PropagationError(f"no room for {sorted(masks.masks)}")
            yield masks

    warning = "another pass of the propagator also failed: PropagationError: no room for [2]"
    answer = AnswersAt([(1, 3), (2, 3)])
    pipe = pipeline(answer, Troubled(each_fails, max_objects_per_pass=1))
    with pytest.raises(PropagationError, match=r"no room for \[1\]") as caught:
        pipe(video, "all")
    assert caught.value.partial.warnings == (warning,)
    with pipe.stream(video, "all") as masks:
        with pytest.raises(PropagationError, match=r"no room for \[1\]"):
            list(masks)
        assert masks.warnings == (warning,)


def test_masks_made_before_memory_ran_out_are_kept(video, monkeypatch):
    monkeypatch.setattr("toy_stages.PropagationError", lambda text: MemoryError(text))
    with pytest.raises(PropagationError, match=r"memory .* used up .* 'Hold'") as caught:
        pipeline(AnswersAt([(1, 2)]), Hold(fails_at=5))(video, "it")
    assert caught.value.partial.track(1).visible_frames == (0, 1, 2, 3, 4)


def test_a_pass_that_fails_leaves_its_memory_to_the_others(video):
    held = []

    def needs_room(session, run, direction):
        if direction == "backward":
            assert held[0]() is None
        memory = {1, 2, 3}
        held.append(weakref.ref(memory))
        try:
            yield from run
        except PropagationError as error:
            raise PropagationError("no room") from error

    with pytest.raises(PropagationError, match="no room") as caught:
        pipeline(AnswersAt([(1, 2)]), Troubled(needs_room, fails_at=5))(video, "it")
    assert caught.value.partial.track(1).visible_frames == (0, 1, 2, 3, 4)
