from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scripted_chat import Exchange, ScriptedChat
from videoseg_r1 import (
    DirectSampler,
    HierarchicalSampler,
    SegmentRandomSampler,
    TimestampSampler,
)
from videoseg_r1.questions import agreement, combine_positions, combine_spans, span_window

import videoseg as vs
from videoseg.errors import ChatError, ContextLengthError
from videoseg.testing import SamplerContract, moving_square


@pytest.fixture(scope="module")
def video() -> vs.Video:
    """Return 100 frames at 10 frames a second."""
    return vs.Video.from_frames(np.zeros((100, 16, 24, 3), np.uint8), fps=10)


WHOLE = vs.Window(0, 100)
SPANS = ['{"start": 2, "end": 6}', '{"start": 4, "end": 8}']
POSITIONS = ['{"percent": 20}', '{"percent": 40}']


def htfs(chat: ScriptedChat, **options) -> HierarchicalSampler:
    return HierarchicalSampler(chat=chat, **{"num_spans": 2, "num_positions": 2} | options)


def by_question(exchange: Exchange, number: int) -> str:
    answers = SPANS if '"start"' in exchange.texts[-1] else POSITIONS
    return answers[number % 2]


class TestHtfsContract(SamplerContract):
    def make(self):
        return htfs(ScriptedChat(by_question))


class TestHtfsContractWithGarbage(SamplerContract):
    def make(self):
        return htfs(ScriptedChat.saying("what?"))


class TestDirectContract(SamplerContract):
    def make(self):
        return DirectSampler(chat=ScriptedChat.saying(POSITIONS))


class TestSegmentRandomContract(SamplerContract):
    def make(self):
        return SegmentRandomSampler(chat=ScriptedChat.saying(SPANS))


class TestTimestampContract(SamplerContract):
    def make(self):
        return TimestampSampler(chat=ScriptedChat.saying('{"keyframe_timestamp": 0}'))


# -- the vectors of the method -----------------------------------------------------------


def test_starts_and_ends_are_averaged_and_the_position_counted_in_the_segment(video):
    chat = ScriptedChat.saying(SPANS, POSITIONS)
    selection = htfs(chat, max_rounds=1).sample(video, "it", window=WHOLE)
    assert selection.window == vs.Window(30, 71)
    assert selection.keyframe == 42


def test_a_segment_one_frame_too_long_is_narrowed_once_more(video):
    chat = ScriptedChat.saying(SPANS, '{"start": 0, "end": 2}', POSITIONS)
    selection = htfs(chat, delta=0.4).sample(video, "it", window=WHOLE)
    first, second = selection.details["rounds"]
    assert first["segment"] == [30, 71]
    # Times of the second round are counted from the start of its clip.
    assert second["spans"] == [[3.0, 5.0]] * 2
    assert selection.window == vs.Window(30, 51)
    assert selection.details["converged"]


def test_every_round_shows_the_same_number_of_frames_so_ever_more_densely(video):
    chat = ScriptedChat.saying(SPANS, '{"start": 0, "end": 2}', POSITIONS)
    htfs(chat, num_frames=16).sample(video, "it", window=WHOLE)
    spans, narrower, positions = (call.frames for call in chat.calls)
    assert len(spans) == len(narrower) == len(positions) == 16
    assert (spans[0], spans[-1]) == (0, 99)
    assert (narrower[0], narrower[-1]) == (30, 70)
    assert chat.calls[1].texts[0] == "<0.0 seconds>"


def test_a_position_of_one_is_the_last_frame(video):
    chat = ScriptedChat.saying(SPANS, '{"percent": 100}')
    assert htfs(chat, max_rounds=1).sample(video, "it", window=WHOLE).keyframe == 70


def test_garbage_leaves_the_whole_clip_and_its_middle(video):
    selection = htfs(ScriptedChat.saying("what?")).sample(video, "it", window=WHOLE)
    assert selection.window == WHOLE
    assert selection.keyframe == 50
    assert not selection.details["converged"]
    assert len(selection.details["warnings"]) == 2


@pytest.mark.parametrize("sampler", [HierarchicalSampler, TimestampSampler])
def test_answers_cut_off_before_they_name_anything_say_so(video, sampler):
    class Rambling(ScriptedChat):
        def chat(self, messages, **sampling):
            replies = super().chat(messages, **sampling)
            return [replace(reply, finish_reason="length") for reply in replies]

    chat = Rambling(lambda exchange, number: "well, let me see")
    selection = sampler(chat=chat, max_tokens=32).sample(video, "it", window=WHOLE)
    first, *others = selection.details["warnings"]
    assert "cut off at max_tokens=32" in first
    assert "raise the sampler's max_tokens, such as max_tokens=128" in first
    # The reason is said once.
    assert all("named a position either" in warning for warning in others)


def test_unusable_answers_are_dropped_and_counted(video):
    chat = ScriptedChat.saying([*SPANS, "no idea", '{"start": 50, "end": 60}'], POSITIONS)
    selection = htfs(chat, num_spans=4, max_rounds=1).sample(video, "it", window=WHOLE)
    assert selection.window == vs.Window(30, 71)
    assert selection.details["rounds"][0]["num_unusable"] == 2


def test_a_span_past_the_end_counts_as_one_up_to_it(video):
    chat = ScriptedChat.saying(['{"start": 1, "end": 1e300}', '{"start": 1, "end": 2}'], POSITIONS)
    selection = htfs(chat, max_rounds=1).sample(video, "it", window=WHOLE)
    assert selection.details["rounds"][0]["span"] == pytest.approx([1, 6])


def test_rounds_that_no_longer_shrink_are_the_last(video):
    chat = ScriptedChat.saying('{"start": 0, "end": 9.9}', POSITIONS)
    selection = htfs(chat, max_rounds=5).sample(video, "it", window=WHOLE)
    assert len(selection.details["rounds"]) == 1
    assert not selection.details["converged"]


def test_all_answers_are_taken_from_one_call_for_each_question(video):
    chat = ScriptedChat.saying(SPANS, POSITIONS)
    htfs(chat, num_spans=10, num_positions=10, max_rounds=1).sample(video, "it", window=WHOLE)
    assert [call.num_samples for call in chat.calls] == [10, 10]
    assert all(call.temperature == 0.8 for call in chat.calls)


def test_a_single_answer_is_the_most_likely_one(video):
    chat = ScriptedChat.saying(SPANS, POSITIONS)
    htfs(chat, num_spans=1, num_positions=1).sample(video, "it", window=WHOLE)
    assert all(call.temperature == 0 for call in chat.calls)


def test_the_query_is_asked_word_for_word(video):
    chat = ScriptedChat.saying(SPANS, POSITIONS)
    query = 'the {budget} "thing" with {query}'
    htfs(chat).sample(video, query, window=WHOLE)
    assert all(f'"{query}"' in call.texts[-1] for call in chat.calls)


def test_every_question_is_kept_as_it_was_asked(video):
    chat = ScriptedChat.saying(SPANS, POSITIONS)
    details = htfs(chat, max_rounds=1).sample(video, "it", window=WHOLE).details
    asked = [*details["rounds"], details["position"]]
    assert [record["question"] for record in asked] == [call.texts[-1] for call in chat.calls]
    assert [record["prompt"] for record in asked] == ["segment.v1", "frame.v1"]


def test_prompts_of_ones_own_are_a_folder_with_one_for_each_question(video, tmp_path):
    (tmp_path / "segment.txt").write_text('When is {query}? As {"start": 1, "end": 2}')
    with pytest.raises(vs.ConfigError, match=r"frame\.txt"):
        htfs(ScriptedChat.saying(""), prompt_version=str(tmp_path))
    (tmp_path / "frame.txt").write_text("Where in it is {query}?")
    chat = ScriptedChat.saying(SPANS, POSITIONS)
    sampler = htfs(chat, max_rounds=1, prompt_version=str(tmp_path))
    details = sampler.sample(video, "it", window=WHOLE).details
    assert [call.texts[-1].split("?")[0] for call in chat.calls] == [
        "When is it",
        "Where in it is it",
    ]
    assert details["position"]["prompt"] == str(tmp_path / "frame.txt")


def test_prompts_of_ones_own_may_speak_before_the_frames(video, tmp_path):
    for name in ("segment", "frame"):
        (tmp_path / f"{name}.txt").write_text("Watch for {query}. {frames} When?")
    chat = ScriptedChat.saying('{"start": 0, "end": 1}', '{"percent": 50}')
    htfs(chat, prompt_version=str(tmp_path)).sample(
        video, "the square", window=vs.Window(0, len(video))
    )
    for call in chat.calls:
        assert call.texts[0] == "Watch for the square.\n"
        assert call.texts[-1] == "When?"


def test_one_prompt_for_two_questions_is_refused(tmp_path):
    path = tmp_path / "mine.txt"
    path.write_text("When is {query}?")
    with pytest.raises(vs.ConfigError, match="more than one question"):
        htfs(ScriptedChat.saying(""), prompt_version=str(path))


def test_a_short_clip_is_not_narrowed():
    chat = ScriptedChat.saying('{"percent": 0}')
    video = moving_square(8).video
    selection = htfs(chat).sample(video, "it", window=vs.Window(0, 8))
    assert len(chat.calls) == 1
    assert selection.keyframe == 0


def test_an_image_asks_nothing():
    chat = ScriptedChat.saying("never asked")
    selection = htfs(chat).sample(moving_square(1).video, "it", window=vs.Window(0, 1))
    assert not chat.calls
    assert selection.keyframe == 0


def test_a_look_that_names_its_keyframe_asks_nothing(video):
    chat = ScriptedChat.saying("never asked")
    window = vs.Window(20, 60)
    selection = htfs(chat).sample(video, "it", window=window, keyframe=33)
    assert not chat.calls
    assert selection.keyframe == 33
    assert selection.window == window
    assert all(frame in window for frame in selection.indices)


def test_a_look_without_a_keyframe_is_narrowed_inside_its_window(video):
    chat = ScriptedChat.saying('{"start": 1, "end": 2}', '{"percent": 50}')
    selection = htfs(chat).sample(video, "it", window=vs.Window(40, 80))
    assert chat.calls[0].frames[0] == 40
    assert selection.window == vs.Window(50, 61)
    assert selection.keyframe == 55


def test_a_model_that_fails_leaves_the_middle_frame_and_a_warning(video):
    def fail(exchange, number):
        raise ContextLengthError("too many frames", component="transformers")

    selection = htfs(ScriptedChat(fail)).sample(video, "it", window=WHOLE)
    assert selection.keyframe == 49
    assert "too many frames" in selection.details["warnings"][0]


def too_long_from(call: int, *answers) -> ScriptedChat:
    """Return a model whose context is too short for all calls from that one on."""

    def answer(exchange, number):
        if len(chat.calls) >= call:
            raise ContextLengthError("too many frames", component="transformers")
        given = answers[len(chat.calls) - 1]
        return given if isinstance(given, str) else given[number % len(given)]

    chat = ScriptedChat(answer)
    return chat


def test_a_fine_question_that_is_too_long_leaves_the_middle_of_the_segment(video):
    chat = too_long_from(2, SPANS)
    selection = htfs(chat, max_rounds=1, delta=0.5).sample(video, "it", window=WHOLE)
    assert selection.window == vs.Window(30, 71)
    assert selection.keyframe == 50
    [only] = selection.details["rounds"]
    assert only["segment"] == [30, 71]
    assert selection.details["converged"]
    assert selection.confidence == pytest.approx(0.8)
    assert "too many frames" in selection.details["warnings"][0]


def test_a_second_round_that_is_too_long_keeps_what_the_first_found(video):
    chat = too_long_from(2, SPANS)
    selection = htfs(chat).sample(video, "it", window=WHOLE)
    assert (selection.window, selection.keyframe) == (vs.Window(30, 71), 50)
    assert len(selection.details["rounds"]) == 1
    assert not selection.details["converged"]
    first, second = selection.details["warnings"]
    assert "round 2" in first
    assert "middle of the segment" in second


def test_the_fine_question_is_asked_even_if_a_round_was_too_long(video):
    def answer(exchange, number):
        if len(chat.calls) == 2:
            raise ContextLengthError("too many frames", component="transformers")
        return by_question(exchange, number)

    chat = ScriptedChat(answer)
    selection = htfs(chat).sample(video, "it", window=WHOLE)
    assert (selection.window, selection.keyframe) == (vs.Window(30, 71), 42)
    assert selection.details["position"]["position"] == pytest.approx(0.3)


@pytest.mark.parametrize("sampler", [DirectSampler, TimestampSampler])
def test_simpler_samplers_take_the_middle_too(video, sampler):
    selection = sampler(chat=too_long_from(1)).sample(video, "it", window=WHOLE)
    assert selection.keyframe == 49
    assert "too many frames" in selection.details["warnings"][0]


@pytest.mark.parametrize(
    "error",
    [
        vs.MissingWeightsError("download them"),
        vs.VideoError("frame 3 cannot be decoded"),
        ChatError("is down", component="openai"),
    ],
)
def test_what_only_the_user_can_mend_is_not_passed_over(video, error):
    def fail(exchange, number):
        raise error

    with pytest.raises(type(error)):
        htfs(ScriptedChat(fail)).sample(video, "it", window=WHOLE)


# -- what the grounder is shown ----------------------------------------------------------


def test_key_frames_come_from_the_segment_and_references_from_outside(video):
    chat = ScriptedChat.saying(SPANS, POSITIONS)
    selection = htfs(chat, max_rounds=1).sample(video, "it", window=WHOLE)
    assert all(frame in selection.window for frame in selection.of_role("detail"))
    assert all(frame not in selection.window for frame in selection.of_role("context"))
    assert len(selection.of_role("context")) == 4
    sizes = {group.role: group.max_pixels for group in selection.groups}
    assert sizes["context"] < sizes["detail"] < sizes["keyframe"]


@pytest.mark.parametrize("references", ["none", "local", "global-local"])
def test_other_reference_frames(video, references):
    chat = ScriptedChat.saying(SPANS, POSITIONS)
    selection = htfs(chat, max_rounds=1, references=references).sample(video, "it", window=WHOLE)
    context = selection.of_role("context")
    if references == "none":
        assert not context
    near = [frame for frame in context if abs(frame - 42) <= 2]
    assert bool(near) == (references != "none")
    far = [frame for frame in context if frame not in selection.window]
    assert bool(far) == (references == "global-local")


def test_an_hour_has_twelve_reference_frames():
    hour = vs.Video.from_frames(np.zeros((3600, 2, 2, 3), np.uint8), fps=1)
    chat = ScriptedChat.saying('{"start": 600, "end": 900}', POSITIONS)
    selection = htfs(chat).sample(hour, "it", window=vs.Window(0, 3600))
    assert len(selection.of_role("context")) == 12


# -- confidence --------------------------------------------------------------------------


def test_answers_that_agree_are_trusted_more(video):
    def confidence(spans, positions):
        chat = ScriptedChat.saying(spans, positions)
        return htfs(chat, max_rounds=1).sample(video, "it", window=WHOLE).confidence

    assert confidence([SPANS[0]], [POSITIONS[0]]) == 1
    assert confidence(SPANS, POSITIONS) == pytest.approx(0.8)
    assert confidence(SPANS, ['{"percent": 0}', '{"percent": 100}']) == 0


def test_a_single_answer_says_nothing_about_confidence(video):
    chat = ScriptedChat.saying(SPANS, POSITIONS)
    sampler = htfs(chat, num_spans=1, num_positions=1)
    assert sampler.sample(video, "it", window=WHOLE).confidence is None
    assert agreement([0.5], 1.0) is None


# -- many answers made into one ----------------------------------------------------------

TWICE = [(1.0, 2.0), (1.1, 2.1), (0.9, 1.9), (8.0, 9.0)]


def test_mean_median_and_cluster_differ_where_an_event_happens_twice():
    assert combine_spans(TWICE, "mean") == pytest.approx((2.75, 3.75))
    assert combine_spans(TWICE, "median") == pytest.approx((1.05, 2.05))
    assert combine_spans(TWICE, "cluster") == pytest.approx((1.0, 2.0))
    assert combine_positions([0.1, 0.15, 0.9], "cluster") == pytest.approx(0.125)


def test_answers_that_agree_are_combined_to_what_they_say():
    for how in ("mean", "median", "cluster"):
        assert combine_spans([(2.0, 3.0)] * 3, how) == pytest.approx((2, 3))


def test_a_segment_has_at_least_two_frames(video):
    assert span_window(video, 5.0, 5.0, WHOLE) == vs.Window(50, 52)
    assert span_window(video, 99.0, 99.0, WHOLE) == vs.Window(98, 100)
    assert span_window(video, 0.0, 99.0, vs.Window(20, 40)) == vs.Window(20, 40)


# -- simpler samplers --------------------------------------------------------------------


def test_direct_counts_the_position_in_the_whole_video(video):
    chat = ScriptedChat.saying('{"percent": 30}')
    selection = DirectSampler(chat=chat).sample(video, "it", window=WHOLE)
    assert len(chat.calls) == 1
    assert selection.keyframe == 30
    assert selection.window == WHOLE


def test_segment_random_draws_inside_the_segment(video):
    drawn = set()
    for seed in range(12):
        chat = ScriptedChat.saying('{"start": 3, "end": 5}')
        sampler = SegmentRandomSampler(chat=chat)
        drawn.add(sampler.sample(video, "it", window=WHOLE, seed=seed).keyframe)
    assert all(30 <= frame <= 50 for frame in drawn)
    assert len(drawn) > 4


def test_timestamp_takes_the_frame_at_the_time_named(video):
    chat = ScriptedChat.saying('{"keyframe_timestamp": 4.2}')
    selection = TimestampSampler(chat=chat).sample(video, "it", window=vs.Window(10, 90))
    # Counted from the start of the clip, which is one second into the video.
    assert selection.keyframe == 52


@pytest.mark.parametrize(("time", "frame"), [(9.9, 99), (10.0, 99), (10.04, 99), (0, 0)])
def test_timestamp_reaches_the_first_and_the_last_frame(video, time, frame):
    chat = ScriptedChat.saying(f'{{"keyframe_timestamp": {time}}}')
    assert TimestampSampler(chat=chat).sample(video, "it", window=WHOLE).keyframe == frame


# -- options -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("num_spans", 0),
        ("delta", 1.5),
        ("temperature", -1),
        ("aggregate", "mode"),
        ("references", "all"),
        ("prompt_version", "v99"),
    ],
)
def test_options_out_of_range_are_refused(option, value):
    with pytest.raises(vs.ConfigError):
        htfs(ScriptedChat.saying(""), **{option: value})
