"""Asking again in doubt: drift is repaired, right masks stay, budgets hold, nothing is lost."""

from __future__ import annotations

import time

import numpy as np
import pytest
from videoseg_wrappers import OnDoubtPropagator, wrap

import videoseg as vs
from videoseg.metrics import boundary_f, region_j
from videoseg.propagation import SessionBase
from videoseg.testing import PropagatorContract
from videoseg.testing.clips import moving_square, passing_squares
from videoseg.types import FrameSelection, PropagatorCapabilities, Rle


class Keyframe:
    def sample(self, video, query, *, window, keyframe=None, seed=0):
        keyframe = window.start if keyframe is None else keyframe
        return FrameSelection.of([window.start], window=window, keyframe=keyframe)


class Knows:
    """Answers with the true masks of the keyframe, or with what a test says."""

    def __init__(self, clip, *, then=None, seconds=0.0):
        self.clip, self.then, self.seconds, self.frames = clip, then, seconds, []

    def step(self, episode):
        frame = episode.selection.keyframe
        self.frames.append(frame)
        time.sleep(self.seconds)
        if len(self.frames) > 1 and self.then is not None:
            if isinstance(self.then, Exception):
                raise self.then
            return self.then
        masks = {key: masks[frame] for key, masks in self.clip.masks.items()}
        prompts = tuple(
            vs.Prompt(key, frame, mask=Rle.encode(mask))
            for key, mask in masks.items()
            if mask.any()
        )
        return vs.Grounding(frame if prompts else None, prompts)


class Drifts:
    """Gives the true mask of what was prompted, until it loses object 1 on certain frames.

    A session that is begun on a later frame loses it only on lost frames after a later one.
    """

    # Boxes, too, so that pipelines need no segmenter; only masks are given here.
    capabilities = PropagatorCapabilities(boxes=True, corrections=True, live=True)

    def __init__(self, clip, lost=range(0), wrong=None):
        self.clip, self.lost, self.num_open = clip, lost, 0
        self.wrong = np.zeros(clip.size, bool) if wrong is None else wrong

    def open(self, video, *, seed=0):
        self.num_open += 1
        return DriftingSession(video, self.capabilities, self)


class DriftingSession(SessionBase):
    def __init__(self, video, capabilities, owner):
        super().__init__(video, capabilities)
        self.owner = owner

    def propagate(self, frames):
        begun = {}
        for index, _ in frames:
            begun |= dict.fromkeys(self.prompts_on(index), index)
            masks = {key: self.owner.clip.masks[key][index] for key in begun}
            if begun.get(1, index) < self.owner.lost.start <= index and index in self.owner.lost:
                masks[1] = self.owner.wrong
            yield index, masks


def corner(clip):
    wrong = np.zeros(clip.size, bool)
    wrong[:12, :12] = True
    return wrong


def run(clip, propagator, *, grounder=None, **options):
    grounder = grounder or Knows(clip)
    pipe = vs.Pipeline(Keyframe(), grounder, OnDoubtPropagator(propagator=propagator, **options))
    return pipe(clip.video, "the red square"), grounder


def j_and_f(clip, result, object_id=1):
    masks = next(t for t in result.tracks if t.object_id == object_id).dense()
    truth = clip.masks[object_id]
    return float((region_j(masks, truth).mean() + boundary_f(masks, truth).mean()) / 2)


class StandStill:
    capabilities = PropagatorCapabilities()

    def open(self, video, *, seed=0):
        return Standing(video, self.capabilities)


class Standing(SessionBase):
    def propagate(self, frames):
        masks = {}
        for index, _ in frames:
            masks |= self.masks_on(index)
            yield index, dict(masks)


class AnswersItself:
    """Opens asking sessions where a contract opens plain ones."""

    def __init__(self, **options):
        self.wrapper = OnDoubtPropagator(propagator=StandStill(), **options)

    @property
    def capabilities(self):
        return self.wrapper.capabilities

    def open(self, video, *, seed=0):
        def ask(frame, *, window, reason):
            return vs.Grounding(None)

        # Late prompts must take effect at once.
        return self.wrapper.open_asking(video, ask=ask, seed=seed)


class TestContractOfAskingSessions(PropagatorContract):
    least_iou = 0.0
    # Frames so small hide that what is remembered is bounded, not constant from the start.
    memory_size = (96, 128)

    def make(self):
        return AnswersItself(look_back=0)


def test_drift_is_repaired_also_on_the_frames_before_it_was_noticed():
    clip = moving_square(30)
    drifting = Drifts(clip, range(10, 30), wrong=corner(clip))
    plain = vs.Pipeline(Keyframe(), Knows(clip), drifting)(clip.video, "the red square")
    result, grounder = run(clip, drifting)
    assert j_and_f(clip, plain) < 0.45
    assert j_and_f(clip, result) > 0.99
    assert grounder.frames == [0, 10]
    [warning] = result.warnings
    assert warning.startswith("on-doubt: asked again 1 time: frame 10 (object 1: its mask jumped")
    assert "the mask of object 1 is replaced" in warning


def test_an_object_that_stays_away_is_asked_for_and_the_gap_is_mended():
    clip = moving_square(30)
    result, grounder = run(clip, Drifts(clip, range(10, 30)))
    # Lost from frame 10 on; noticed on the third frame.
    assert grounder.frames == [0, 12]
    assert j_and_f(clip, result) > 0.99
    late, _ = run(clip, Drifts(clip, range(10, 30)), look_back=0)
    assert j_and_f(clip, late) == pytest.approx(28 / 30, abs=0.01)


def test_drift_backward_is_repaired():
    clip = moving_square(30)

    class FromTheEnd(Keyframe):
        def sample(self, video, query, *, window, keyframe=None, seed=0):
            return super().sample(video, query, window=window, keyframe=keyframe or 29)

    class Backward(DriftingSession):
        def propagate(self, frames):
            begun = None
            for index, _ in frames:
                begun = index if begun is None else begun
                away = begun > 15 >= index
                yield index, {1: corner(clip) if away else clip.masks[1][index]}

    class Propagator(Drifts):
        def open(self, video, *, seed=0):
            return Backward(video, self.capabilities, self)

    pipe = vs.Pipeline(FromTheEnd(), Knows(clip), OnDoubtPropagator(propagator=Propagator(clip)))
    assert j_and_f(clip, pipe(clip.video, "the red square")) > 0.99


@pytest.mark.parametrize("kind", ["flow", "true masks"])
def test_right_masks_are_left_alone(kind):
    clip = passing_squares(24)
    propagator = "flow" if kind == "flow" else Drifts(clip)
    plain = vs.Pipeline(Keyframe(), Knows(clip), propagator)(clip.video, "the squares")
    result, grounder = run(clip, propagator)
    assert grounder.frames == [0]
    assert result.tracks == plain.tracks
    assert result.warnings == plain.warnings


def test_other_objects_stay_in_their_session():
    clip = passing_squares(24)
    drifting = Drifts(clip, range(8, 24), wrong=corner(clip) & False)
    result, _ = run(clip, drifting)
    assert j_and_f(clip, result, 1) > 0.99
    assert j_and_f(clip, result, 2) == 1
    # The first, one that begins anew and one that mends.
    assert drifting.num_open == 3


def test_an_answer_that_shows_something_else_is_not_taken():
    clip = moving_square(30)
    elsewhere = vs.Grounding(12, (vs.Prompt(1, 12, mask=Rle.encode(corner(clip))),))
    result, _ = run(clip, Drifts(clip, range(10, 14)), grounder=Knows(clip, then=elsewhere))
    assert "the answer is less like object 1" in result.warnings[0]
    assert j_and_f(clip, result) == pytest.approx(26 / 30, abs=0.01)


def test_a_confirmed_mask_is_kept():
    clip = moving_square(30)
    shrunk = clip.masks[1][20] & False
    top, left = np.argwhere(clip.masks[1][20])[0]
    shrunk[top : top + 6, left : left + 6] = True
    answer = vs.Grounding(20, (vs.Prompt(1, 20, mask=Rle.encode(shrunk)),))
    result, grounder = run(
        clip, Drifts(clip, range(20, 21), wrong=shrunk), grounder=Knows(clip, then=answer)
    )
    assert grounder.frames == [0, 20]
    assert "the mask of object 1 is confirmed" in result.warnings[0]


def test_the_number_of_asks_holds_and_asking_in_vain_becomes_rarer():
    clip = moving_square(120)
    lost = Drifts(clip, range(5, 120))
    result, grounder = run(clip, lost, grounder=Knows(clip, then=vs.Grounding(None)), asks=3)
    assert grounder.frames == [0, 7, 19, 43]
    assert "asked again 3 times" in result.warnings[0]
    assert "nothing was found there" in result.warnings[0]
    assert "then the budget was used up, with doubts on 1 frame more" not in result.warnings[0]
    assert "the budget was used up" in result.warnings[0]


def test_the_seconds_hold():
    clip = moving_square(60)
    nothing = Knows(clip, then=vs.Grounding(None), seconds=0.05)
    result, grounder = run(
        clip, Drifts(clip, range(5, 60)), grounder=nothing, asks=50, patience=1, seconds=0.12
    )
    assert 2 <= len(grounder.frames) <= 3
    assert "the budget was used up" in result.warnings[0]


def test_passes_of_one_run_share_the_budget():
    clip = passing_squares(40)

    class One(Drifts):
        capabilities = PropagatorCapabilities(boxes=True, max_objects_per_pass=1)

    class Both(DriftingSession):
        def propagate(self, frames):
            for index, _ in frames:
                [key] = {one.object_id for one in self._prompts[0].values()}
                yield index, {key: self.owner.clip.masks[key][index] & (index < 5)}

    class Propagator(One):
        def open(self, video, *, seed=0):
            return Both(video, self.capabilities, self)

    grounder = Knows(clip, then=vs.Grounding(None))
    run(clip, Propagator(clip), grounder=grounder, asks=3)
    assert len(grounder.frames) == 1 + 3


def test_masks_survive_an_asking_that_fails():
    clip = moving_square(30)
    broken = Knows(clip, then=ConnectionError("the server is down"))
    result, _ = run(clip, Drifts(clip, range(10, 14)), grounder=broken)
    assert j_and_f(clip, result) == pytest.approx(26 / 30, abs=0.01)
    assert "asking failed" in result.warnings[0]
    assert "the server is down" in result.warnings[0]


def test_every_asking_is_a_turn_of_the_trace_and_its_time_is_told(tmp_path):
    clip = moving_square(30)
    grounder = Knows(clip, seconds=0.02)
    result, _ = run(clip, Drifts(clip, range(10, 30), wrong=corner(clip)), grounder=grounder)
    _, second = result.trace.turns
    assert second.selection.reason.startswith("Asked again on frame 10: object 1: its mask jumped")
    assert second.answer_keyframe == 10
    assert result.timings["grounder"] >= 0.04
    parts = sum(seconds for name, seconds in result.timings.items() if name != "total")
    assert parts <= result.timings["total"]
    result.save(tmp_path / "out", parts=["report"])
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "Asked again on frame 10" in page
    assert vs.Segmentation.load(tmp_path / "out") == result
    assert result.grounding.keyframe == 0


@pytest.mark.parametrize("order", ["time", "made"])
def test_streams_are_repaired_too(order):
    clip = moving_square(30)
    wrapper = OnDoubtPropagator(propagator=Drifts(clip, range(10, 30), wrong=corner(clip)))
    pipe = vs.Pipeline(Keyframe(), Knows(clip), wrapper)
    with pipe.stream(clip.video, "the red square", order=order) as stream:
        masks = {one.frame: one.masks[1] for one in stream}
    assert all((masks[frame] == clip.masks[1][frame]).all() for frame in range(30))
    assert len(stream.trace.turns) == 2
    assert "replaced" in stream.warnings[0]


def test_a_live_source_is_refused_clearly():
    clip = moving_square(30)
    pipe = vs.Pipeline(Keyframe(), Knows(clip), OnDoubtPropagator(propagator=Drifts(clip)))
    with pytest.raises(vs.errors.IncompatibleStagesError, match="cannot run on a live source"):
        pipe.stream(iter(np.array(clip.video.read(range(30)))), "the red square")


def test_without_a_query_it_propagates_as_the_wrapped_one():
    clip = moving_square(30)
    wrapper = OnDoubtPropagator(propagator=Drifts(clip, range(10, 30)))
    pipe = vs.Pipeline(Keyframe(), Knows(clip), wrapper)
    result = pipe.propagate(clip.video, clip.prompt())
    assert j_and_f(clip, result) == pytest.approx(10 / 30, abs=0.01)


def test_a_box_answer_of_another_frame_is_carried_there():
    clip = moving_square(30)
    box = vs.Grounding(16, (vs.Prompt(1, 16, box=clip.box(frame=16)),))
    pipe = vs.Pipeline(
        Keyframe(),
        Knows(clip, then=box),
        OnDoubtPropagator(propagator=Drifts(clip, range(10, 14))),
        segmenter="cut",
    )
    assert j_and_f(clip, pipe(clip.video, "the red square")) > 0.95


@pytest.mark.parametrize("kind", ["mask", "box"])
def test_an_object_that_is_still_hidden_is_taken_up_where_the_answer_shows_it(kind):
    clip = moving_square(40)
    clip.masks[1][10:18] = False

    class Loses(DriftingSession):
        """Does not find the object again by itself."""

        def propagate(self, frames):
            begun = None
            for index, _ in frames:
                begun = index if begun is None else begun
                away = begun < 10 <= index or index < 18 <= begun
                yield index, {1: clip.masks[1][index] & (not away)}

    class Propagator(Drifts):
        def open(self, video, *, seed=0):
            return Loses(video, self.capabilities, self)

    later = vs.Grounding(22, (clip.prompt(1, 22, kind=kind),))
    grounder = Knows(clip, then=later)
    result, _ = run(clip, Propagator(clip), grounder=grounder, seconds=60)
    assert grounder.frames == [0, 12]
    assert "object 1 is back on frame 22" in result.warnings[0]
    # Mended backward from frame 22 to where it came back.
    assert j_and_f(clip, result) > 0.99


def test_warnings_of_the_wrapped_sessions_are_told():
    class Warns(DriftingSession):
        @property
        def warnings(self):
            return ("the wrapped one is tired",) if self._closed else ()

    class Propagator(Drifts):
        def open(self, video, *, seed=0):
            return Warns(video, self.capabilities, self)

    clip = moving_square(30)
    result, _ = run(clip, Propagator(clip))
    assert result.warnings == ("the wrapped one is tired",)
    result, _ = run(clip, Propagator(clip, range(10, 30), wrong=corner(clip)))
    assert result.warnings[0] == "the wrapped one is tired"
    assert "asked again 1 time" in result.warnings[1]


def test_nested_in_itself_each_has_its_own_budget():
    clip = moving_square(60)
    grounder = Knows(clip, then=vs.Grounding(None))
    inner = OnDoubtPropagator(propagator=Drifts(clip, range(5, 60)), asks=1)
    run(clip, inner, grounder=grounder, asks=2)
    assert len(grounder.frames) == 1 + 3


def test_pipelines_are_checked_before_anything_loads():
    use = vs.use("on-doubt", propagator="xmem")
    with pytest.raises(vs.errors.IncompatibleStagesError, match="takes masks only"):
        vs.Pipeline("uniform", "attributes", use)
    problems = vs.default_registry().check("propagator", "on-doubt", {"propagator": "flo"})
    assert any("did you mean 'flow'?" in text for text in problems)
    pipe = vs.Pipeline("uniform", "attributes", vs.use("on-doubt", propagator="flow", asks=2))
    assert vs.Pipeline.from_yaml(pipe.to_yaml()).config == pipe.config
    assert "takes masks, boxes, points" in str(pipe.explain())


def test_wrapping_a_pipeline_puts_wrappers_around_its_stages():
    pipe = wrap(
        vs.Pipeline.from_name("attributes").replace(chat=vs.use("replay", path="none.jsonl")),
        vs.use("reflect", turns=2),
        "existence",
        "on-doubt",
    )
    grounder = pipe.config.to_dict()["grounder"]
    inner = {"name": "reflect", "options": {"grounder": "attributes", "turns": 2}}
    assert grounder == {"name": "existence", "options": {"grounder": inner}}
    assert pipe.config.propagator.options == {"propagator": "flow"}
    assert vs.Pipeline.from_yaml(pipe.to_yaml()).config == pipe.config
    with pytest.raises(vs.ConfigError, match=r"'attributes' is no wrapper: .*existence, reflect"):
        wrap(pipe, "attributes")
    with pytest.raises(vs.ConfigError, match="the propagator is an instance of StandStill"):
        wrap(pipe.replace(propagator=StandStill()), "on-doubt")
