from dataclasses import replace

import numpy as np
import pytest
from toy_stages import AnswersAt, BoxIsMask, EverySecond, Hold, look, pipeline

from videoseg import Pipeline
from videoseg.errors import (
    ConfigError,
    IncompatibleStagesError,
    MissingWeightsError,
    QueryError,
    StageError,
)
from videoseg.pipeline import run_episode
from videoseg.plugins import Registry
from videoseg.types import (
    Box,
    FrameSelection,
    Grounding,
    ObjectMask,
    Prompt,
    Rle,
    Window,
)


def test_every_frame_has_masks_from_the_right_direction(video):
    result = pipeline(AnswersAt([(1, 4)]))(video, "it")
    track = result.track(1)
    assert track.visible_frames == tuple(range(10))
    for frame in range(10):
        column = 0 if frame >= 4 else 1
        assert track.mask(frame)[1, column]


def test_objects_with_their_own_keyframes_are_complete(video):
    result = pipeline(AnswersAt([(1, 7), (2, 2)]))(video, "them")
    for object_id, keyframe in ((1, 7), (2, 2)):
        track = result.track(object_id)
        assert track.visible_frames == tuple(range(10))
        directions = [int(np.argwhere(track.mask(f))[0][1]) for f in range(10)]
        assert directions == [1] * keyframe + [0] * (10 - keyframe)


def test_a_propagator_that_holds_two_objects_gets_five_in_three_passes(video):
    hold = Hold(max_objects_per_pass=2)
    result = pipeline(AnswersAt([(i, i) for i in range(1, 6)]), hold)(video, "all")
    assert [len(session.prompts) for session in hold.sessions] == [2, 2, 1]
    assert all(session.closed for session in hold.sessions)
    assert result.object_ids == (1, 2, 3, 4, 5)
    assert all(track.visible_frames == tuple(range(10)) for track in result.tracks)


class KeepsBoxes(BoxIsMask):
    def __init__(self):
        self.boxes = []

    def segment(self, video, prompts):
        self.boxes += [prompt.box for prompt in prompts]
        return super().segment(video, prompts)


@pytest.mark.parametrize("with_segmenter", [True, False])
def test_a_box_beyond_the_frame_is_cut_before_any_stage_sees_it(video, with_segmenter):
    hold, segmenter = Hold(), KeepsBoxes()
    pipe = pipeline(propagator=hold, segmenter=segmenter if with_segmenter else None)
    result = pipe.propagate(video, [Prompt(1, 2, box=Box(1, -0.5, 3000, 4))])
    [prompt] = hold.sessions[0].prompts
    assert prompt.box == Box(1, 0, 8, 4)
    assert segmenter.boxes == [prompt.box] * with_segmenter
    [warning] = result.warnings
    assert "(1, -0.5, 3000, 4) of object 1 on frame 2 reaches beyond the 8x6 frame" in warning
    assert "cut to (1, 0, 8, 4)" in warning


def test_a_box_that_is_less_than_a_pixel_too_large_is_cut_silently(video):
    result = pipeline().propagate(video, [Prompt(1, 0, box=Box(0, 0, 8.4, 6))])
    assert result.warnings == ()


def test_a_box_outside_the_frame_is_refused(video):
    with pytest.raises(ConfigError, match=r"\(20, 0, 30, 5\) outside the 8x6 frame"):
        pipeline().propagate(video, [Prompt(1, 0, box=Box(20, 0, 30, 5))])


def test_nothing_found_is_a_result_without_tracks(video):
    result = pipeline(AnswersAt([]))(video, "a unicorn")
    assert not result.found
    assert not result.mask(0).any()


def test_each_look_is_sampled_inside_its_window_and_traced(video):
    grounder = AnswersAt([(1, 6)], looks=[look(4, 9, 6), look(5, 8)])
    result = pipeline(grounder, max_turns=3)(video, "it", seed=40)
    turns = result.trace.turns
    assert [turn.action for turn in turns] == ["look", "look", "answer"]
    assert [turn.selection.window for turn in turns] == [Window(0, 10), Window(4, 9), Window(5, 8)]
    assert turns[1].selection.keyframe == 6
    assert [turn.selection.reason for turn in turns] == ["seed 40", "seed 41", "seed 42"]
    assert all(turn.grounder_seconds >= 0 for turn in turns)


def test_a_look_outside_the_video_is_moved_inside(video):
    grounder = AnswersAt([(1, 9)], looks=[look(8, 500, 300)])
    turns = pipeline(grounder, max_turns=2)(video, "it").trace.turns
    assert turns[0].look_window == Window(8, 10)
    assert turns[0].look_keyframe == 9


def test_the_window_of_an_answer_is_moved_inside_the_video(video):
    class AnswersWith:
        def step(self, episode):
            prompt = Prompt(1, 2, box=Box(0, 0, 2, 2))
            return Grounding(2, (prompt,), window=Window(1, 500), stop_reason="sure")

    result = pipeline(AnswersWith(), max_turns=2)(video, "it")
    assert result.grounding.window == result.trace.turns[-1].answer_window == Window(1, 10)
    assert result.trace.turns[-1].answer_keyframe == 2
    assert result.trace.turns[-1].stop_reason == "sure"


def test_a_look_in_the_last_turn_names_the_grounder(video):
    with pytest.raises(StageError, match="'AnswersAt' looked again in turn 1 of 1"):
        pipeline(AnswersAt(looks=[look(0, 3)]), max_turns=1)(video, "it")


def test_an_answer_outside_the_video_is_refused(video):
    with pytest.raises(StageError, match="frame 99, outside the video"):
        pipeline(AnswersAt([(1, 99)]))(video, "it")


def test_an_answer_outside_the_window_of_its_episode_is_refused(video):
    with pytest.raises(StageError, match=r"frame 9, outside the window \[2, 5\)"):
        run_episode(
            video,
            "it",
            sampler=EverySecond(),
            grounder=AnswersAt([(1, 9)]),
            window=Window(2, 5),
        )


def test_a_sampler_that_leaves_its_window_is_refused(video):
    class Outside:
        def sample(self, video, query, *, window, keyframe=None, seed=0):
            return FrameSelection.of([window.stop], window=window)

    with pytest.raises(StageError, match="outside the window"):
        Pipeline(Outside(), AnswersAt(), Hold())(video, "it")


class FindsOnly:
    """A segmenter that finds one object and gives empty masks for the others."""

    def __init__(self, object_id):
        self.object_id = object_id

    def segment(self, video, prompts):
        whole = BoxIsMask().segment(video, prompts)
        return [
            answer if prompt.object_id == self.object_id else ObjectMask(answer.mask & False, 0.0)
            for prompt, answer in zip(prompts, whole, strict=True)
        ]


def test_an_object_that_the_segmenter_does_not_find_costs_the_others_nothing(video):
    hold = Hold(boxes=False)
    result = pipeline(AnswersAt([(1, 0), (2, 0)]), hold, segmenter=FindsOnly(2))(video, "them")
    assert result.object_ids == (2,)
    assert result.track(2).visible_frames == tuple(range(10))
    assert any("found nothing of object 1 on frame 0" in text for text in result.warnings)


def test_a_segmenter_that_finds_nothing_gives_no_tracks(video):
    hold = Hold(boxes=False)
    result = pipeline(AnswersAt([(1, 0)]), hold, segmenter=FindsOnly(9))(video, "it")
    assert result.tracks == ()
    assert not hold.sessions


def test_the_segmenter_makes_masks_for_a_propagator_that_takes_only_masks(video):
    hold = Hold(boxes=False)
    pipeline(AnswersAt([(1, 0)]), hold, segmenter=BoxIsMask())(video, "it")
    assert hold.sessions[0].prompts[0].mask.area == 4


def test_a_mask_the_grounder_made_is_not_segmented_again(video):
    class GivesMask:
        def step(self, episode):
            mask = Rle.encode(np.ones(episode.video.size, bool))
            return Grounding(0, (Prompt(1, 0, mask=mask),))

    hold = Hold(boxes=False)
    pipeline(GivesMask(), hold, segmenter=BoxIsMask())(video, "it")
    assert hold.sessions[0].prompts[0].mask.area == 48


def test_boxes_for_a_propagator_of_masks_are_refused_before_anything_runs():
    with pytest.raises(IncompatibleStagesError, match="takes masks only"):
        pipeline(propagator=Hold(boxes=False))


def test_stages_can_run_apart_from_one_another(video):
    pipe = pipeline(AnswersAt([(1, 4)]))
    episode = pipe.ground(video, "it")
    apart = pipe.propagate(video, episode.grounding, query="it", trace=episode.trace)
    whole = pipe(video, "it")
    assert apart.tracks == whole.tracks
    assert apart.grounding == whole.grounding


@pytest.mark.parametrize("query", ["", "   ", "\n", "word " * 10_000])
def test_a_query_that_is_none_is_refused(video, query):
    with pytest.raises(QueryError):
        pipeline()(video, query)


def test_without_a_backward_run_earlier_frames_are_empty(video):
    result = pipeline(AnswersAt([(1, 4)]), Hold(backward=False))(video, "it")
    assert result.track(1).visible_frames == tuple(range(4, 10))


def test_observers_see_the_stages_and_every_frame(video):
    class Listener:
        def __init__(self):
            self.started, self.finished, self.frames = [], [], []

        def videoseg_stage_started(self, event):
            self.started.append((event.stage, event.turn))

        def videoseg_stage_finished(self, event):
            self.finished.append((event.stage, event.error))

        def videoseg_frame_done(self, event):
            self.frames.append((event.done, event.total))

    listener = Listener()
    pipeline(AnswersAt([(1, 4)], looks=[look(0, 5)]), max_turns=2)(
        video, "it", observers=[listener]
    )
    expected = [("sampler", 0), ("grounder", 0), ("sampler", 1), ("grounder", 1)]
    assert listener.started == [*expected, ("propagator", None)]
    assert {error for _, error in listener.finished} == {None}
    assert listener.frames == [(n, 10) for n in range(1, 11)]


def test_an_observer_that_fails_costs_a_warning_not_the_result(video):
    class Broken:
        def videoseg_frame_done(self, event):
            raise RuntimeError("no terminal")

    result = pipeline()(video, "it", observers=[Broken()])
    assert result.found
    assert sum("no terminal" in warning for warning in result.warnings) == 1


def test_a_result_says_how_it_came_about(video):
    result = pipeline(name="toy")(video, "it", seed=3)
    assert result.seed == 3
    assert result.device == "cpu"
    assert {"python", "videoseg"} <= set(result.versions)
    assert {"sampler", "grounder", "propagator", "total"} <= set(result.timings)
    assert result.pipeline["name"] == "toy"
    assert result.pipeline["grounder"].endswith(":AnswersAt")


def test_leaving_a_pipeline_closes_only_what_it_built(video):
    class Closable(AnswersAt):
        closed = False

        def close(self):
            self.closed = True

    mine = Closable()
    with pipeline(mine) as pipe:
        pipe(video, "it")
    assert not mine.closed


@pytest.mark.parametrize("max_turns", [0, -1, 1.5])
def test_max_turns_must_be_a_positive_whole_number(max_turns):
    with pytest.raises(ConfigError, match="max_turns"):
        pipeline(max_turns=max_turns)


class LacksWeights:
    def __init__(self):
        raise MissingWeightsError("fetch them")


@pytest.mark.parametrize("run", ["__call__", "stream"])
def test_weights_that_are_missing_are_missed_before_the_grounder_has_worked(video, run):
    asked = []

    class Asked(AnswersAt):
        def step(self, episode):
            asked.append(episode)
            return super().step(episode)

    registry = Registry(allow=("attributes",))
    registry.add("propagator", "weightless", LacksWeights)
    pipe = Pipeline(EverySecond(), Asked(), "weightless", registry=registry)
    with pytest.raises(MissingWeightsError, match="fetch them"):
        getattr(pipe, run)(video, "it")
    assert not asked


def test_all_missing_weights_are_told_at_once(video):
    class Another:
        def __init__(self):
            raise MissingWeightsError("fetch these as well")

    registry = Registry(allow=("attributes",))
    registry.add("segmenter", "weightless", Another)
    registry.add("propagator", "weightless", LacksWeights)
    pipe = Pipeline(
        EverySecond(), AnswersAt(), "weightless", segmenter="weightless", registry=registry
    )
    with pytest.raises(MissingWeightsError, match="fetch these as well; fetch them") as caught:
        pipe(video, "it")
    assert caught.value.problems == ("fetch these as well", "fetch them")
    assert caught.value.stages == (("segmenter",), ("propagator",))


def test_weights_that_two_stages_miss_are_told_once(video):
    class NeedsChat(AnswersAt):
        def __init__(self, *, chat):
            super().__init__()

    registry = Registry(allow=("attributes",))
    registry.add("grounder", "asks", NeedsChat, uses=("chat",))
    for kind in ("segmenter", "propagator", "chat"):
        registry.add(kind, "weightless", LacksWeights)
    names = {"segmenter": "weightless", "propagator": "weightless"}
    pipe = Pipeline(EverySecond(), AnswersAt(), **names, registry=registry)
    with pytest.raises(MissingWeightsError) as caught:
        pipe(video, "it")
    assert caught.value.problems == ("fetch them",)
    assert caught.value.stages == (("segmenter", "propagator"),)
    pipe = Pipeline(EverySecond(), "asks", Hold(), chat="weightless", registry=registry)
    with pytest.raises(MissingWeightsError) as caught:
        pipe(video, "it")
    assert caught.value.stages == (("chat",),)


def test_weights_that_are_missing_are_missed_before_the_segmenter_has_worked(video):
    class Asked(BoxIsMask):
        def segment(self, video, prompts):
            raise AssertionError("it was asked")

    registry = Registry(allow=("attributes",))
    registry.add("propagator", "weightless", LacksWeights)
    pipe = Pipeline(EverySecond(), AnswersAt(), "weightless", segmenter=Asked(), registry=registry)
    with pytest.raises(MissingWeightsError, match="fetch them"):
        pipe.propagate(video, [Prompt(1, 0, box=Box(0, 0, 2, 2))])


class Guesses(AnswersAt):
    def step(self, episode):
        return replace(super().step(episode), status="guessed", unjudged=("dog",))


def test_the_words_of_a_guess_do_not_name_its_objects(video):
    result = pipeline(Guesses([(1, 4)]))(video, "the dog")
    assert (result.status, result.unjudged) == ("guessed", ("dog",))
    assert [track.label for track in result.tracks] == [""]
    assert [prompt.label for prompt in result.grounding.named_prompts] == [""]
    assert [prompt.label for prompt in result.grounding.prompts] == ["object 1"]
    assert [track.label for track in pipeline(AnswersAt([(1, 4)]))(video, "it").tracks] == [
        "object 1"
    ]
