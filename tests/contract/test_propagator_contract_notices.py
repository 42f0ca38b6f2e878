"""Each test of the propagator contract can fail."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from videoseg.errors import PropagationError
from videoseg.testing import PropagatorContract, contract_failures
from videoseg.types import FrameMasks, PropagatorCapabilities


def failures_of(stage, only=(), **attributes):
    members = {"make": lambda self: stage(), **attributes}
    return contract_failures(type("Made", (PropagatorContract,), members)(), only=only)


class ByColor:
    """Finds each object again by the color it had on its first frame."""

    capabilities = PropagatorCapabilities(masks=True, live=True)

    def open(self, video, *, seed=0):
        return ColorSession(self, video)


class ColorSession:
    def __init__(self, propagator, video):
        self.propagator, self.video = propagator, video
        self.colors, self.frames, self.closed = {}, {}, False

    def prompt(self, prompt):
        self.check_open()
        self.check_prompt(prompt)
        color = np.median(self.video[prompt.frame][prompt.mask.decode()], axis=0)
        self.colors[prompt.object_id] = color
        self.frames.setdefault(prompt.object_id, []).append(prompt.frame)

    def check_open(self):
        if self.closed:
            raise PropagationError("the session is closed")

    def check_prompt(self, prompt):
        takes = self.propagator.capabilities
        if prompt.mask is None or not takes.masks:
            raise PropagationError("only masks are taken")
        if tuple(prompt.mask.size) != self.video.size or not prompt.mask.area:
            raise PropagationError("the mask is empty or of another size")
        count = self.video.num_frames
        if count is not None and prompt.frame >= count:
            raise PropagationError("there is no such frame")
        known = self.frames.get(prompt.object_id, [])
        if prompt.frame in known or (known and not takes.corrections):
            raise PropagationError("the object has been prompted already")
        limit = takes.max_objects_per_pass
        if limit is not None and not known and len(self.frames) >= limit:
            raise PropagationError("there are too many objects")
        earlier = [frame for frames in self.frames.values() for frame in frames]
        if not takes.late_objects and earlier and {prompt.frame} != set(earlier):
            raise PropagationError("objects must come together")

    def run(self, direction="forward", *, stop=None):
        self.check_open()
        if direction == "backward":
            if not self.propagator.capabilities.backward:
                raise PropagationError("this propagator cannot run backward")
            last = max(frame for frames in self.frames.values() for frame in frames)
            source = self.video.iter_frames(stop or 0, last + 1, reverse=True)
        else:
            first = min(frame for frames in self.frames.values() for frame in frames)
            source = self.video.iter_frames(first, stop)
        for index, frame in source:
            yield self.masks(index, frame, direction)

    def masks(self, index, frame, direction):
        found = {}
        for object_id, frames in self.frames.items():
            if min(frames) <= index if direction == "forward" else max(frames) >= index:
                found[object_id] = self.mask(object_id, frame)
        return FrameMasks(index, found, self.video.size)

    def mask(self, object_id, frame):
        return np.abs(frame.astype(int) - self.colors[object_id]).max(axis=2) < 40

    def close(self):
        self.closed = True

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()


def propagator(session=ColorSession, **capabilities):
    """Return a propagator class with another session or other capabilities."""
    declared = replace(ByColor.capabilities, **capabilities)

    def open_session(self, video, *, seed=0):
        return session(self, video)

    return type("Toy", (), {"capabilities": declared, "open": open_session})


def broken(**methods):
    return propagator(type("Broken", (ColorSession,), methods))


base = ColorSession


def skips_a_frame(self, *arguments, **options):
    for masks in base.run(self, *arguments, **options):
        if masks.frame != 5:
            yield masks


def ignores_stop(self, direction="forward", *, stop=None):
    yield from base.run(self, direction)


def backward_is_forward(self, direction="forward", *, stop=None):
    yield from base.run(self, "forward")


def runs_once(self, *arguments, **options):
    if getattr(self, "has_run", False):
        return
    self.has_run = True
    yield from base.run(self, *arguments, **options)


def fails_on_one_frame(self, *arguments, **options):
    self.video[1]
    yield from base.run(self, *arguments, **options)


def collects_first(self, *arguments, **options):
    yield from list(base.run(self, *arguments, **options))


def remembers_everything(self, *arguments, **options):
    self.memory = []
    for masks in base.run(self, *arguments, **options):
        self.memory.append(np.packbits(masks.masks[1]))
        yield masks


def one_buffer(self, *arguments, **options):
    buffer = np.zeros(self.video.size, bool)
    for masks in base.run(self, *arguments, **options):
        np.copyto(buffer, masks.masks[min(masks.masks)])
        yield FrameMasks(masks.frame, dict.fromkeys(masks.masks, buffer), masks.size)


def takes_objects_at_the_start(self, *arguments, **options):
    known = set(self.frames)
    for masks in base.run(self, *arguments, **options):
        kept = {key: mask for key, mask in masks.masks.items() if key in known}
        yield FrameMasks(masks.frame, kept, masks.size)


def renumbers(self, *arguments, **options):
    for masks in base.run(self, *arguments, **options):
        numbers = range(1, 1 + len(masks.masks))
        late_first = sorted(masks.masks, reverse=True)
        kept = dict(zip(numbers, (masks.masks[key] for key in late_first), strict=True))
        yield FrameMasks(masks.frame, kept, masks.size)


def all_from_the_start(self, index, frame, direction):
    found = {object_id: self.mask(object_id, frame) for object_id in self.frames}
    return FrameMasks(index, found, self.video.size)


def as_numbers(self, object_id, frame):
    return base.mask(self, object_id, frame).astype(np.uint8)


def everything(self, object_id, frame):
    return np.ones(self.video.size, bool)


def fails_when_small(self, object_id, frame):
    assert min(frame.shape[:2]) > 16
    return base.mask(self, object_id, frame)


def guesses(self, object_id, frame):
    return np.random.default_rng().random(self.video.size) < 0.5


def shared_guesses(self, object_id, frame):
    np.random.rand()  # noqa: NPY002
    return base.mask(self, object_id, frame)


def stays_open(self):
    pass


def swallows(self, prompt):
    """Take anything that has a mask; ignore everything else."""
    if prompt.mask is not None and not self.closed:
        self.colors.setdefault(prompt.object_id, np.zeros(3))
        self.frames.setdefault(prompt.object_id, []).append(min(prompt.frame, 11))


class ClosesOnce(ByColor):
    closed = False

    def close(self):
        assert not self.closed
        self.closed = True


_SHARED = {}


class SharesColors(ColorSession):
    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.colors = _SHARED

    def mask(self, object_id, frame):
        newest = list(self.colors.values())[-1]
        return np.abs(frame.astype(int) - newest).max(axis=2) < 40


@pytest.mark.parametrize(
    ("stage", "noticed_by"),
    [
        (object, "test_is_a_propagator"),
        (broken(run=skips_a_frame), "test_forward_yields_each_frame_once_in_order"),
        (broken(mask=as_numbers), "test_forward_yields_each_frame_once_in_order"),
        (broken(run=backward_is_forward), "test_backward_yields_each_frame_once_in_order"),
        (broken(run=ignores_stop), "test_stop_ends_a_run"),
        (broken(run=runs_once), "test_both_directions_in_one_session"),
        (broken(run=fails_on_one_frame), "test_a_video_of_one_frame"),
        (broken(mask=fails_when_small), "test_tiny_and_odd_sizes"),
        (broken(mask=everything), "test_follows_a_plain_square"),
        (broken(mask=everything), "test_objects_are_not_confused"),
        (broken(masks=all_from_the_start), "test_late_objects_keep_the_ids_of_earlier_ones"),
        (broken(run=renumbers), "test_objects_are_not_confused"),
        (
            broken(run=takes_objects_at_the_start),
            "test_an_object_may_be_added_while_a_run_is_under_way",
        ),
        (broken(run=one_buffer), "test_masks_already_yielded_do_not_change"),
        (broken(run=remembers_everything), "test_memory_does_not_grow_with_the_video"),
        (broken(run=collects_first), "test_a_run_does_not_read_far_ahead"),
        (broken(prompt=swallows), "test_takes_the_declared_kinds_of_prompts_only"),
        (broken(prompt=swallows), "test_refuses_embeddings_of_unknown_models"),
        (broken(prompt=swallows), "test_refuses_prompts_that_do_not_fit_the_video"),
        (broken(prompt=swallows), "test_refuses_two_prompts_for_one_object_on_a_frame"),
        (broken(prompt=swallows), "test_corrections_work_or_are_refused"),
        (broken(mask=guesses), "test_the_same_seed_gives_the_same_masks"),
        (broken(mask=shared_guesses), "test_leaves_shared_random_numbers_alone"),
        (propagator(SharesColors), "test_sessions_are_independent"),
        (broken(close=stays_open), "test_a_closed_session_refuses_prompts_and_runs"),
        (broken(close=stays_open), "test_leaving_the_block_closes_the_session"),
        (ClosesOnce, "test_close_may_be_called_twice"),
    ],
)
def test_broken_propagators_are_noticed(stage, noticed_by):
    assert noticed_by in failures_of(stage, only=(noticed_by,))


def ignores_capabilities(self, prompt):
    honest = self.propagator
    self.propagator = propagator(corrections=True)()
    try:
        base.prompt(self, prompt)
    finally:
        self.propagator = honest


def ignores_backward(self, direction="forward", *, stop=None):
    honest = self.propagator
    self.propagator = propagator()()
    yield from base.run(self, direction, stop=stop)
    self.propagator = honest


class Careless(ColorSession):
    prompt = ignores_capabilities
    run = ignores_backward


class CannotGoLive(ColorSession):
    def run(self, direction="forward", *, stop=None):
        len(self.video)
        yield from super().run(direction, stop=stop)


@pytest.mark.parametrize(
    ("session", "declared", "noticed_by"),
    [
        (Careless, {"backward": False}, "test_refuses_backward_unless_declared"),
        (Careless, {"late_objects": False}, "test_late_objects_keep_the_ids_of_earlier_ones"),
        (
            Careless,
            {"max_objects_per_pass": 1},
            "test_more_objects_than_a_pass_holds_are_refused",
        ),
        (Careless, {}, "test_corrections_work_or_are_refused"),
        (ColorSession, {"boxes": True}, "test_takes_the_declared_kinds_of_prompts_only"),
        (ColorSession, {"points": True}, "test_takes_the_declared_kinds_of_prompts_only"),
        (CannotGoLive, {}, "test_runs_on_a_live_source_if_declared"),
    ],
)
def test_what_is_declared_must_be_true(session, declared, noticed_by):
    assert noticed_by in failures_of(propagator(session, **declared), only=(noticed_by,))


def test_the_declaration_must_be_that_of_the_instance():
    registered = PropagatorCapabilities(boxes=True)
    failures = failures_of(ByColor, registered=registered)
    assert set(failures) == {"test_declares_what_its_component_declares"}


@pytest.mark.parametrize(
    "declared",
    [
        {},
        {"backward": False},
        {"late_objects": False},
        {"max_objects_per_pass": 1},
        {"corrections": True},
        {"live": False},
    ],
    ids=str,
)
def test_honest_propagators_pass(declared):
    assert failures_of(propagator(**declared)) == {}
