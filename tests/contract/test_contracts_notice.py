"""Each contract test can fail: stages that are broken in one way fail the test for it."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from videoseg.errors import VideoError
from videoseg.testing import (
    ChatContract,
    GrounderContract,
    ReaderContract,
    SamplerContract,
    SegmenterContract,
    contract_failures,
)
from videoseg.types import (
    Box,
    ChatReply,
    FrameSelection,
    Grounding,
    ImagePart,
    Look,
    ObjectMask,
    Point,
    Prompt,
    Thought,
    Window,
)


def failures_of(contract, stage, only=()):
    made = type("Made", (contract,), {"make": lambda self, *arguments: stage(*arguments)})
    return contract_failures(made(), only=only)


# -- samplers ---------------------------------------------------------------------------


class GoodSampler:
    def sample(self, video, query, *, window, keyframe=None, seed=0):
        index = int(np.random.default_rng(seed).integers(window.start, window.stop))
        return FrameSelection.of([index], window=window, keyframe=keyframe, reason=query)


class ReturnsAList(GoodSampler):
    def sample(self, video, query, **given):
        return [0]


class LeavesTheWindow(GoodSampler):
    def sample(self, video, query, *, window, keyframe=None, seed=0):
        return FrameSelection.of([window.stop], window=window, keyframe=keyframe)


class WidensTheWindow(GoodSampler):
    def sample(self, video, query, *, window, keyframe=None, seed=0):
        chosen = super().sample(video, query, window=window, keyframe=keyframe, seed=seed)
        return replace(chosen, window=Window(0, window.stop + 5))


class ForgetsTheKeyframe(GoodSampler):
    def sample(self, video, query, *, window, keyframe=None, seed=0):
        return super().sample(video, query, window=window, seed=seed)


class IgnoresTheSeed(GoodSampler):
    calls = 0

    def sample(self, video, query, *, window, keyframe=None, seed=0):
        IgnoresTheSeed.calls += 1
        return super().sample(
            video, query, window=window, keyframe=keyframe, seed=IgnoresTheSeed.calls
        )


class UsesSharedRandomness(GoodSampler):
    def sample(self, video, query, **given):
        np.random.rand()  # noqa: NPY002
        return super().sample(video, query, **given)


class KeepsArraysInDetails(GoodSampler):
    def sample(self, video, query, **given):
        return replace(super().sample(video, query, **given), details={"saw": object()})


class NeedsTwoFrames(GoodSampler):
    def sample(self, video, query, **given):
        video[1]
        return super().sample(video, query, **given)


class NeedsLargeFrames(GoodSampler):
    def sample(self, video, query, **given):
        assert video[0][::8, ::8].shape[0] > 1
        return super().sample(video, query, **given)


class ReadsAsciiOnly(GoodSampler):
    def sample(self, video, query, **given):
        query.encode("ascii")
        return super().sample(video, query, **given)


class ClosesOnce:
    closed = False

    def close(self):
        assert not self.closed
        self.closed = True


class SamplerClosesOnce(ClosesOnce, GoodSampler):
    pass


@pytest.mark.parametrize(
    ("stage", "noticed_by"),
    [
        (object, "test_is_a_sampler"),
        (ReturnsAList, "test_every_index_lies_inside_the_window"),
        (LeavesTheWindow, "test_every_index_lies_inside_the_window"),
        (WidensTheWindow, "test_every_index_lies_inside_the_window"),
        (NeedsTwoFrames, "test_a_video_of_one_frame"),
        (NeedsLargeFrames, "test_tiny_and_odd_sizes"),
        (ForgetsTheKeyframe, "test_keeps_the_keyframe_it_is_asked_for"),
        (IgnoresTheSeed, "test_the_same_seed_gives_the_same_selection"),
        (UsesSharedRandomness, "test_leaves_shared_random_numbers_alone"),
        (KeepsArraysInDetails, "test_selection_goes_to_json_and_back"),
        (ReadsAsciiOnly, "test_any_query_is_accepted"),
        (SamplerClosesOnce, "test_close_may_be_called_twice"),
    ],
)
def test_broken_samplers_are_noticed(stage, noticed_by):
    assert noticed_by in failures_of(SamplerContract, stage, only=(noticed_by,))


# -- grounders --------------------------------------------------------------------------


class GoodGrounder:
    def step(self, episode):
        if not episode.must_answer:
            return Look(Window(0, 1), thought=Thought("let me see"))
        frame = episode.selection.indices[0]
        if "square" not in episode.query:
            return Grounding(None, thought=Thought("not there"))
        return Grounding(frame, (self.prompt(episode, frame),), Thought("because"))

    def prompt(self, episode, frame):
        return Prompt(1, frame, box=Box(0, 0, 2, 2), score=0.5)


class AlwaysLooks(GoodGrounder):
    def step(self, episode):
        return Look(Window(0, 1))


class SaysText(GoodGrounder):
    def step(self, episode):
        return "the red one"


class BoxOutside(GoodGrounder):
    def prompt(self, episode, frame):
        height, width = episode.video.size
        return Prompt(1, frame, box=Box(0, 0, width + 1, height))


class BoxFitsLargeFramesOnly(GoodGrounder):
    def prompt(self, episode, frame):
        return Prompt(1, frame, box=Box(0, 0, 20, 20))


class PointOutside(GoodGrounder):
    def prompt(self, episode, frame):
        return Prompt(1, frame, points=(Point(-3, 0),))


class FrameAfterTheEnd(GoodGrounder):
    def prompt(self, episode, frame):
        return Prompt(1, len(episode.video), box=Box(0, 0, 2, 2))


class AlwaysFrameZero(GoodGrounder):
    def prompt(self, episode, frame):
        return Prompt(1, 0, box=Box(0, 0, 2, 2))


class ScoreAboveOne(GoodGrounder):
    def prompt(self, episode, frame):
        return replace(super().prompt(episode, frame), score=7.5)


class NeedsAKeyframe(GoodGrounder):
    def step(self, episode):
        if episode.selection.keyframe is None:
            raise TypeError("no keyframe")
        return super().step(episode)


class NeedsASecondFrame(GoodGrounder):
    def step(self, episode):
        episode.video[1]
        return super().step(episode)


class Remembers(GoodGrounder):
    queries = ()

    def step(self, episode):
        self.queries = (*self.queries, episode.query)
        return replace(super().step(episode), thought=Thought(" and ".join(self.queries)))


class Guesses(GoodGrounder):
    calls = 0

    def step(self, episode):
        Guesses.calls += 1
        return replace(super().step(episode), thought=Thought(f"guess {Guesses.calls}"))


class GrounderUsesSharedRandomness(GoodGrounder):
    def step(self, episode):
        np.random.seed(episode.seed)  # noqa: NPY002
        return super().step(episode)


class GrounderKeepsArrays(GoodGrounder):
    def step(self, episode):
        return replace(super().step(episode), thought=Thought("", details={"saw": object()}))


class GrounderClosesOnce(ClosesOnce, GoodGrounder):
    pass


@pytest.mark.parametrize(
    ("stage", "noticed_by"),
    [
        (object, "test_is_a_grounder"),
        (AlwaysLooks, "test_answers_when_it_must"),
        (AlwaysLooks, "test_episodes_end_within_their_turns"),
        (SaysText, "test_answers_when_it_must"),
        (BoxOutside, "test_answers_when_it_must"),
        (PointOutside, "test_answers_when_it_must"),
        (FrameAfterTheEnd, "test_answers_when_it_must"),
        (ScoreAboveOne, "test_answers_when_it_must"),
        (AlwaysFrameZero, "test_an_episode_in_a_part_of_the_video_stays_there"),
        (NeedsASecondFrame, "test_a_video_of_one_frame"),
        (NeedsAKeyframe, "test_a_selection_without_and_with_a_keyframe"),
        (Remembers, "test_keeps_no_state_between_episodes"),
        (Guesses, "test_the_same_seed_gives_the_same_move"),
        (GrounderUsesSharedRandomness, "test_leaves_shared_random_numbers_alone"),
        (GrounderKeepsArrays, "test_moves_go_to_json_and_back"),
        (GrounderClosesOnce, "test_close_may_be_called_twice"),
    ],
)
def test_broken_grounders_are_noticed(stage, noticed_by):
    assert noticed_by in failures_of(GrounderContract, stage, only=(noticed_by,))


def test_boxes_that_fit_large_frames_only_are_noticed():
    class Answers(BoxFitsLargeFramesOnly):
        def step(self, episode):
            frame = episode.selection.indices[0]
            return Grounding(frame, (self.prompt(episode, frame),))

    failures = failures_of(GrounderContract, Answers)
    assert set(failures) == {"test_tiny_and_odd_sizes"}


# -- segmenters -------------------------------------------------------------------------


class GoodSegmenter:
    def segment(self, video, prompts):
        return [ObjectMask(self.mask(video, prompt), 0.9) for prompt in prompts]

    def mask(self, video, prompt):
        frame = video[prompt.frame].astype(int)
        colored = np.abs(frame - frame.mean(axis=2, keepdims=True)).max(axis=2) > 30
        if prompt.box is not None:
            height, width = video.size
            box = prompt.box.clipped(video.size)
            rows, columns = np.mgrid[:height, :width]
            inside = (rows >= box.y1) & (rows < box.y2) & (columns >= box.x1) & (columns < box.x2)
            colored &= inside
        return colored


class OneMaskTooMany(GoodSegmenter):
    def segment(self, video, prompts):
        return [*super().segment(video, prompts), ObjectMask(np.zeros(video.size, bool))]


class FillsEmptyAnswers(GoodSegmenter):
    def segment(self, video, prompts):
        return super().segment(video, prompts) or [ObjectMask(np.zeros(video.size, bool))]


class ReturnsNumbers(GoodSegmenter):
    def mask(self, video, prompt):
        return super().mask(video, prompt).astype(np.uint8)


class Transposed(GoodSegmenter):
    def mask(self, video, prompt):
        return super().mask(video, prompt).T


class FindsNothing(GoodSegmenter):
    def mask(self, video, prompt):
        return np.zeros(video.size, bool)


class NeedsBoxes(GoodSegmenter):
    def mask(self, video, prompt):
        assert prompt.box is not None
        return super().mask(video, prompt)


class SortsPrompts(GoodSegmenter):
    def segment(self, video, prompts):
        return super().segment(video, sorted(prompts, key=lambda prompt: prompt.object_id))


class GivesPixelsTwice(GoodSegmenter):
    def mask(self, video, prompt):
        return super().mask(video, Prompt(1, prompt.frame, points=(Point(1, 1),)))


class LooksAtTheFirstFrame(GoodSegmenter):
    def mask(self, video, prompt):
        return super().mask(video, replace(prompt, frame=0, box=Box(0, 0, 999, 999)))


class NeedsAThirdFrame(GoodSegmenter):
    def mask(self, video, prompt):
        video[2]
        return super().mask(video, prompt)


class FailsWhenSmall(GoodSegmenter):
    def mask(self, video, prompt):
        assert min(video.size) > 16
        return super().mask(video, prompt)


class BreaksAtTheBorder(GoodSegmenter):
    def mask(self, video, prompt):
        if prompt.box is not None:
            assert prompt.box.x1 >= 0
        return super().mask(video, prompt)


class ChangesItsMind(GoodSegmenter):
    calls = 0

    def mask(self, video, prompt):
        ChangesItsMind.calls += 1
        return np.roll(super().mask(video, prompt), ChangesItsMind.calls, axis=1)


class SegmenterUsesSharedRandomness(GoodSegmenter):
    def mask(self, video, prompt):
        np.random.rand()  # noqa: NPY002
        return super().mask(video, prompt)


class SegmenterClosesOnce(ClosesOnce, GoodSegmenter):
    pass


@pytest.mark.parametrize(
    ("stage", "noticed_by"),
    [
        (object, "test_is_a_segmenter"),
        (OneMaskTooMany, "test_one_mask_for_each_prompt"),
        (ReturnsNumbers, "test_one_mask_for_each_prompt"),
        (Transposed, "test_one_mask_for_each_prompt"),
        (FillsEmptyAnswers, "test_no_prompts_give_no_masks"),
        (FindsNothing, "test_finds_a_plain_square_in_its_box"),
        (NeedsBoxes, "test_points_are_enough"),
        (SortsPrompts, "test_masks_come_in_the_order_of_the_prompts"),
        (GivesPixelsTwice, "test_one_pixel_is_not_given_to_two_objects_apart"),
        (LooksAtTheFirstFrame, "test_prompts_on_different_frames"),
        (NeedsAThirdFrame, "test_a_video_of_one_frame"),
        (FailsWhenSmall, "test_tiny_and_odd_sizes"),
        (BreaksAtTheBorder, "test_boxes_at_the_border"),
        (ChangesItsMind, "test_the_same_prompts_give_the_same_masks"),
        (SegmenterUsesSharedRandomness, "test_leaves_shared_random_numbers_alone"),
        (SegmenterClosesOnce, "test_close_may_be_called_twice"),
    ],
)
def test_broken_segmenters_are_noticed(stage, noticed_by):
    assert noticed_by in failures_of(SegmenterContract, stage, only=(noticed_by,))


# -- readers ----------------------------------------------------------------------------


class GoodReader:
    """Reads arrays saved by numpy: a file type small enough to break in many ways."""

    def __init__(self, path):
        try:
            self.frames = np.load(path)
        except (OSError, ValueError, EOFError) as error:
            raise VideoError(f"cannot read {path}: {error}") from error
        self.size = self.frames.shape[1:3]
        self.timestamps = np.arange(len(self.frames)) / 10

    def read(self, index):
        if not 0 <= index < len(self.frames):
            raise VideoError(f"there is no frame {index}")
        return self.frames[index]

    def iter_frames(self, start, stop):
        for index in range(start, stop):
            yield self.read(index)

    def close(self):
        pass


class WrongSize(GoodReader):
    def __init__(self, path):
        super().__init__(path)
        self.size = self.size[::-1]


class TimesFromOne(GoodReader):
    def __init__(self, path):
        super().__init__(path)
        self.timestamps = self.timestamps + 1


class OneFrameLate(GoodReader):
    def read(self, index):
        return super().read(max(0, index - 1))


class PlaysTooFar(GoodReader):
    def iter_frames(self, start, stop):
        yield from super().iter_frames(start, min(stop + 1, len(self.frames)))


class SharesItsPosition(GoodReader):
    position = 0

    def read(self, index):
        self.position = index
        return super().read(index)

    def iter_frames(self, start, stop):
        self.position = start
        while self.position < stop:
            yield super().read(self.position)
            self.position += 1


class OtherColorsInPlay(GoodReader):
    def iter_frames(self, start, stop):
        for frame in super().iter_frames(start, stop):
            yield frame // 2 * 2 + 1


class ReadsBgr(GoodReader):
    def read(self, index):
        return super().read(index)[..., ::-1]


class NeedsTwo(GoodReader):
    def __init__(self, path):
        super().__init__(path)
        self.frames[1]


class RaisesIndexError(GoodReader):
    def read(self, index):
        return self.frames[index]


class GivesUpOnce(GoodReader):
    playing = False

    def read(self, index):
        assert not self.playing
        return self.frames[index]

    def iter_frames(self, start, stop):
        self.playing = True
        for index in range(start, stop):
            yield self.frames[index]
        self.playing = False


class LetsErrorsThrough(GoodReader):
    def __init__(self, path):
        np.load(path)
        super().__init__(path)


class ReaderClosesOnce(ClosesOnce, GoodReader):
    pass


class _ArrayReaderContract(ReaderContract):
    suffix = ".npy"

    def write(self, path, frames, fps):
        np.save(path, np.stack(frames))


@pytest.mark.parametrize(
    ("stage", "noticed_by"),
    [
        (WrongSize, "test_size_and_times"),
        (TimesFromOne, "test_size_and_times"),
        (OneFrameLate, "test_every_frame_is_the_one_asked_for"),
        (ReadsBgr, "test_every_frame_is_the_one_asked_for"),
        (PlaysTooFar, "test_frames_in_order"),
        (SharesItsPosition, "test_reading_between_two_steps_of_an_iteration"),
        (GivesUpOnce, "test_an_iteration_may_be_left"),
        (OtherColorsInPlay, "test_both_ways_give_the_same_pixels"),
        (NeedsTwo, "test_one_frame"),
        (RaisesIndexError, "test_refuses_frames_that_do_not_exist"),
        (LetsErrorsThrough, "test_refuses_files_that_are_no_videos"),
        (ReaderClosesOnce, "test_close_may_be_called_twice"),
    ],
)
def test_broken_readers_are_noticed(stage, noticed_by):
    assert noticed_by in failures_of(_ArrayReaderContract, stage, only=(noticed_by,))


def test_what_lacks_a_method_is_no_reader():
    class NoTimes(GoodReader):
        def __init__(self, path):
            super().__init__(path)
            del self.timestamps

    assert "test_is_a_reader" in failures_of(_ArrayReaderContract, NoTimes)


# -- chat models ------------------------------------------------------------------------


class GoodChat:
    def chat(self, messages, *, num_samples=1, temperature=0.0, max_tokens=1024, seed=0):
        images = [p for m in messages for p in m.parts if isinstance(p, ImagePart)]
        sizes = tuple(self.seen(image) for image in images)
        text = f"answer {seed}"
        return [self.reply(text, sizes, max_tokens) for _ in range(num_samples)]

    def reply(self, text, sizes, max_tokens):
        return ChatReply(text, num_tokens=2, image_sizes=sizes)

    def seen(self, image):
        height, width = image.image.shape[:2]
        bound = image.max_pixels or height * width
        scale = min(1.0, (bound / (height * width)) ** 0.5)
        return (max(1, int(height * scale)), max(1, int(width * scale)))


class OneAnswerOnly(GoodChat):
    def chat(self, messages, **given):
        return super().chat(messages, **{**given, "num_samples": 1})


class AnswersStrings(GoodChat):
    def reply(self, text, sizes, max_tokens):
        return text


class FirstImageOnly(GoodChat):
    def chat(self, messages, **given):
        return [replace(r, image_sizes=r.image_sizes[:1]) for r in super().chat(messages, **given)]


class MadeUpSpace(GoodChat):
    def reply(self, text, sizes, max_tokens):
        return ChatReply(text, image_sizes=sizes, coordinate_space="pixels")


class PixelsOfUnknownSize(GoodChat):
    def reply(self, text, sizes, max_tokens):
        return ChatReply(text, coordinate_space="pixels_of_resized")


class IgnoresMaxPixels(GoodChat):
    def seen(self, image):
        return image.image.shape[:2]


class NeverTheSame(GoodChat):
    calls = 0

    def reply(self, text, sizes, max_tokens):
        NeverTheSame.calls += 1
        return ChatReply(f"{text} {NeverTheSame.calls}")


class TalksOn(GoodChat):
    def reply(self, text, sizes, max_tokens):
        return ChatReply(text, num_tokens=max_tokens + 1)


class KeepsObjects(GoodChat):
    def reply(self, text, sizes, max_tokens):
        return ChatReply(text, details={"raw": object()})


class RefusesSystem(GoodChat):
    def chat(self, messages, **given):
        assert messages[0].role == "user"
        return super().chat(messages, **given)


class ChatUsesSharedRandomness(GoodChat):
    def reply(self, text, sizes, max_tokens):
        np.random.rand()  # noqa: NPY002
        return super().reply(text, sizes, max_tokens)


class ChatClosesOnce(ClosesOnce, GoodChat):
    pass


@pytest.mark.parametrize(
    ("stage", "noticed_by"),
    [
        (object, "test_is_a_chat_model"),
        (AnswersStrings, "test_answers_text"),
        (RefusesSystem, "test_answers_a_longer_conversation"),
        (FirstImageOnly, "test_sees_images"),
        (MadeUpSpace, "test_sees_images"),
        (PixelsOfUnknownSize, "test_sees_images"),
        (IgnoresMaxPixels, "test_an_image_is_not_shown_larger_than_allowed"),
        (OneAnswerOnly, "test_gives_as_many_answers_as_asked_for"),
        (NeverTheSame, "test_the_same_seed_gives_the_same_answers"),
        (TalksOn, "test_keeps_to_the_number_of_tokens"),
        (KeepsObjects, "test_details_can_be_kept"),
        (ChatUsesSharedRandomness, "test_leaves_shared_random_numbers_alone"),
        (ChatClosesOnce, "test_close_may_be_called_twice"),
    ],
)
def test_broken_chat_models_are_noticed(stage, noticed_by):
    assert noticed_by in failures_of(ChatContract, stage, only=(noticed_by,))


@pytest.mark.parametrize(
    ("contract", "stage"),
    [
        (SamplerContract, GoodSampler),
        (GrounderContract, GoodGrounder),
        (SegmenterContract, GoodSegmenter),
        (_ArrayReaderContract, GoodReader),
        (ChatContract, GoodChat),
    ],
)
def test_stages_that_keep_the_contract_pass(contract, stage):
    assert failures_of(contract, stage) == {}


def test_a_contract_without_make_says_what_to_do():
    failures = contract_failures(SamplerContract())
    assert "make()" in failures["test_is_a_sampler"]


def test_failures_are_shown_one_a_line():
    failures = failures_of(SamplerContract, ReturnsAList)
    head, *lines = str(failures).splitlines()
    assert head == f"{len(failures)} tests of the contract failed:"
    assert [line.split(":")[0].strip() for line in lines] == list(failures)
    assert str(failures_of(SamplerContract, GoodSampler)) == "the contract is kept"


def test_json_of_failures_can_be_kept():
    assert json.loads(json.dumps(failures_of(SamplerContract, ReturnsAList)))
