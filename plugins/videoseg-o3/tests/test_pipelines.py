"""From the question to the masks, with a model that knows the clip, and other parts mixed in."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scripted_chat import ScriptedChat, describe_objects, knowing, knowing_o3
from videoseg_o3 import O3Grounder
from videoseg_synthetic import make_clip

import videoseg as vs
from videoseg.errors import GroundingParseError, IncompatibleStagesError, PropagationError
from videoseg.metrics import region_j
from videoseg.testing import moving_square
from videoseg.types import ChatReply, Embedding, PropagatorCapabilities


def clip_and_query(seed=3, difficulty="time", num_frames=32):
    """Return a clip, and a query for an object that is not always there if there is one."""
    clip = make_clip(seed=seed, difficulty=difficulty, num_frames=num_frames, size=(120, 160))
    known = [query for query in clip.queries if query.object_ids]
    return clip, min(known, key=lambda query: clip.answer_masks(query).any(axis=(1, 2)).sum())


class TakesEmbeddings:
    capabilities = PropagatorCapabilities(masks=False, embeddings=("videoseg-o3",))

    def open(self, video, *, seed=0):
        raise PropagationError("no masks today")


def pipeline(chat, **parts):
    """Return a pipeline whose masks need no weights."""
    stages = {"sampler": "coarse", "grounder": "o3", "propagator": "flow", "segmenter": "cut"}
    return vs.Pipeline(**stages | {"chat": chat, "max_turns": 3} | parts)


def mean_j(result, clip, query):
    predicted = np.stack([result.mask(frame) for frame in range(clip.num_frames)])
    return region_j(predicted, clip.answer_masks(query)).mean()


@pytest.mark.parametrize(("seed", "difficulty"), [(0, "appearance"), (1, "motion"), (3, "time")])
def test_a_model_that_looks_and_then_answers_rightly_gives_the_right_masks(seed, difficulty):
    clip, query = clip_and_query(seed, difficulty)
    result = pipeline(knowing_o3(clip, query))(clip.video, query.text)
    assert mean_j(result, clip, query) >= 0.9
    assert [turn.action for turn in result.trace.turns] == ["look", "answer"]


def test_windows_narrow_and_the_trace_shows_it():
    clip, query = clip_and_query()
    visible = np.flatnonzero(clip.answer_masks(query).any(axis=(1, 2)))
    result = pipeline(knowing_o3(clip, query, looks=2)).ground(clip.video, query.text)
    first, second, last = result.trace.turns
    assert first.selection.window == vs.Window(0, 32)
    assert second.selection.window == vs.Window(int(visible[0]), int(visible[-1]) + 1)
    assert (first.look_window, first.look_keyframe) == (
        second.selection.window,
        second.selection.keyframe,
    )
    assert last.thought.details["stop"] == "answered"
    assert set(last.thought.dimensions) == {"temporal", "spatial", "linguistic"}
    text = str(result.trace)
    assert f"-> look at frames {visible[0]}-{visible[-1]}, keyframe {first.look_keyframe}" in text
    assert "temporal: when." in text


def test_a_result_with_looks_is_saved_and_loaded(tmp_path):
    clip, query = clip_and_query()
    result = pipeline(knowing_o3(clip, query))(clip.video, query.text)
    result.save(tmp_path / "out", parts=("masks",))
    kept = vs.Segmentation.load(tmp_path / "out")
    assert kept == result
    assert kept.trace.turns[0].thought.details["raw"].startswith("<think>Step 1")
    assert kept.pipeline["sampler"] == "coarse"


def test_what_is_not_there_has_no_masks():
    clip = make_clip(seed=1, difficulty="absent", num_frames=16)
    query = next(query for query in clip.queries if not query.object_ids)
    assert not pipeline(knowing_o3(clip, query))(clip.video, query.text).found


def test_a_video_of_one_frame():
    clip = make_clip(seed=0, difficulty="appearance", num_frames=1)
    query = next(query for query in clip.queries if query.object_ids)
    for looks in (0, 1):
        result = pipeline(knowing_o3(clip, query, looks=looks))(clip.video, query.text)
        assert mean_j(result, clip, query) >= 0.9


def test_a_model_that_answers_at_once_and_one_that_looks_for_ever():
    clip, query = clip_and_query(1, "motion")
    result = pipeline(knowing_o3(clip, query, looks=0)).ground(clip.video, query.text)
    assert len(result.trace.turns) == 1
    chat = knowing_o3(clip, query, looks=99)
    with pytest.raises(GroundingParseError, match="raise max_turns, such as max_turns=5"):
        pipeline(chat).ground(clip.video, query.text)
    assert len(chat.calls) == 4
    patient = pipeline(knowing_o3(clip, query, looks=4), max_turns=5)
    assert len(patient.ground(clip.video, query.text).trace.turns) == 5


def test_windows_outside_the_video_are_moved_into_it():
    clip, query = clip_and_query(1, "motion")
    objects = describe_objects(clip, query, 31)
    final = json.dumps({"start": -5, "end": 99, "keyframe": 31, "objects": objects})
    chat = ScriptedChat.saying(
        '<select>{"start": 50, "end": 90, "keyframe": 70}</select>', f"<answer>{final}</answer>"
    )
    result = pipeline(chat)(clip.video, query.text)
    assert result.trace.turns[1].selection.indices == (31,)
    assert mean_j(result, clip, query) >= 0.9
    assert any("not all in the video" in warning for warning in result.warnings)


# -- resuming ----------------------------------------------------------------------------------


class DiesError(Exception):
    """The end of a process."""


def test_a_run_that_was_interrupted_between_turns_does_not_ask_the_first_again(tmp_path):
    clip, query = clip_and_query()
    model = knowing_o3(clip, query)
    asked = []

    class Mortal:
        def __init__(self, lives):
            self.lives = lives

        def chat(self, messages, **sampling):
            if self.lives == 0:
                raise DiesError
            self.lives -= 1
            asked.append(len(messages))
            return model.chat(messages, **sampling)

    path = tmp_path / "exchanges.jsonl"
    with pytest.raises(Exception, match="DiesError"):
        pipeline(Mortal(1)).recording(path).ground(clip.video, query.text, seed=7)
    assert asked == [2]
    result = (
        pipeline(Mortal(1)).recording(path, resume=True).ground(clip.video, query.text, seed=7)
    )
    assert asked == [2, 4]
    whole = pipeline(model).ground(clip.video, query.text, seed=7)
    assert result.grounding == whole.grounding
    assert result.moves == whole.moves


def test_embeddings_are_recorded_so_that_seg_answers_can_be_replayed(tmp_path):
    clip = moving_square(12, size=(48, 64))
    texts = (
        '<select>{"start": 2, "end": 9, "keyframe": 5}</select>',
        '<answer><VTG>{"start": 2, "end": 9, "keyframe": 5}</VTG>, [SEG]</answer>',
    )
    embedding = Embedding("videoseg-o3", (0.5, -0.25))
    replies = [ChatReply(text, embeddings=(embedding,)) for text in texts]
    seg = vs.use("o3", answer="seg")
    path = tmp_path / "exchanges.jsonl"
    parts = {"grounder": seg, "segmenter": None, "propagator": TakesEmbeddings()}
    recorded = pipeline(ScriptedChat.saying(*replies), **parts).recording(path)
    first = recorded.ground(clip.video, "the square")
    replay = pipeline(vs.use("replay", path=str(path)), **parts)
    assert replay.ground(clip.video, "the square").grounding == first.grounding
    assert first.grounding.prompts[0].embedding == embedding


# -- mixes -------------------------------------------------------------------------------------


class Middle:
    """A user's own sampler: every fourth frame, and in looks the keyframe as well."""

    def sample(self, video, query, *, window, keyframe=None, seed=0):
        frames = range(window.start, window.stop, 4)
        return vs.FrameSelection.of(frames, window=window, keyframe=keyframe)


@pytest.mark.parametrize("sampler", [Middle(), "uniform", "every", "first", "motion"])
def test_any_sampler_serves_the_looks(sampler):
    clip, query = clip_and_query()
    result = pipeline(knowing_o3(clip, query), sampler=sampler).ground(clip.video, query.text)
    assert result.grounding.found
    assert len(result.trace.turns) == 2
    window = result.trace.turns[0].look_window
    assert all(index in window for index in result.trace.turns[1].selection.indices)


def test_htfs_feeds_the_looking():
    clip, query = clip_and_query()
    guide, model = knowing(clip, query), knowing_o3(clip, query)

    def answer(exchange, number):
        is_guide = (
            '"percent"' in exchange.texts[-1] or "Reply only with JSON" in exchange.texts[-1]
        )
        return (guide if is_guide else model).answer(exchange, number)

    sampler = vs.use("htfs", num_spans=2, num_positions=2)
    result = pipeline(ScriptedChat(answer), sampler=sampler)(clip.video, query.text)
    assert mean_j(result, clip, query) >= 0.9
    first, last = result.trace.turns
    assert first.selection.keyframe is not None
    assert last.selection.keyframe == first.look_keyframe


def test_the_looking_of_o3_with_the_answer_of_r1():
    clip, query = clip_and_query()
    look = knowing_o3(clip, query)
    locate = knowing(clip, query)

    def answer(exchange, number):
        is_looking = exchange.messages[0].role == "system"
        return (look if is_looking else locate).answer(exchange, number)

    chat = ScriptedChat(answer)
    grounder = vs.use("o3", answerer=vs.use("r1", max_tokens=2048))
    pipe = pipeline(chat, grounder=grounder)
    result = pipe(clip.video, query.text)
    assert mean_j(result, clip, query) >= 0.9
    assert len(chat.calls) == 3
    assert chat.calls[-1].max_tokens == 2048
    window = result.trace.turns[-1].selection.window
    assert all(frame in window for frame in chat.calls[-1].frames)
    again = vs.Pipeline.from_yaml(pipe.replace(chat="o3").to_yaml())
    assert "r1" in again.to_yaml()


def test_a_propagator_that_takes_embeddings_needs_no_segmenter():
    clip = moving_square(8, size=(48, 64))
    reply = ChatReply(
        '<answer><VTG>{"start": 0, "end": 7, "keyframe": 3}</VTG>, [SEG]</answer>',
        embeddings=(Embedding("videoseg-o3", (1.0,)),),
    )
    pipe = pipeline(
        ScriptedChat.saying(reply),
        grounder=vs.use("o3", answer="seg"),
        propagator=TakesEmbeddings(),
        segmenter=None,
    )
    with pytest.raises(vs.VideosegError, match="no masks today") as caught:
        pipe(clip.video, "the square")
    # What was found before is kept.
    assert caught.value.partial.grounding.prompts[0].frame == 3


SEG = vs.use("o3", answer="seg")


@pytest.mark.parametrize(
    "grounder",
    [SEG, O3Grounder(chat=ScriptedChat.saying(""), answer="seg")],
    ids=["name", "instance"],
)
def test_a_propagator_without_embeddings_is_refused_before_the_model_is_asked(grounder):
    with pytest.raises(IncompatibleStagesError, match=r"'flow' does not take.*\(o3\)"):
        pipeline(ScriptedChat.saying(""), grounder=grounder, segmenter=None)
    with pytest.raises(IncompatibleStagesError, match="leave the segmenter out"):
        pipeline(ScriptedChat.saying(""), grounder=grounder, propagator="o3")
    assert pipeline(ScriptedChat.saying(""), grounder=grounder, propagator="o3", segmenter=None)
    changed = pipeline(ScriptedChat.saying(""))
    with pytest.raises(IncompatibleStagesError):
        changed.replace(grounder=grounder)


def test_what_answers_with_boxes_is_not_taken_for_embeddings():
    for options in ({}, {"answer": "text"}, {"answer": "seg", "answerer": "r1"}):
        chat = ScriptedChat.saying("")
        assert pipeline(chat, grounder=vs.use("o3", **options))
        assert pipeline(chat, grounder=O3Grounder(chat=chat, **options))


# -- the pipelines -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "chat", "propagator"),
    [
        ("videoseg-o3-2b", "o3", "o3"),
        ("videoseg-o3-4b", "o3", "o3"),
        ("videoseg-o3-text", "transformers", "sam2"),
        ("videoseg-o3-remote", "openai", "sam2"),
    ],
)
def test_the_pipelines_have_the_parts_of_the_method(name, chat, propagator):
    config = vs.Pipeline.from_name(name).config
    assert (config.sampler.name, config.grounder.name) == ("coarse", "o3")
    assert (config.chat.name, config.propagator.name) == (chat, propagator)
    assert config.segmenter is None
    assert config.max_turns == 3
    assert config.grounder.options["answer"] == ("seg" if chat == "o3" else "text")
    if chat == "o3":
        assert config.chat.options == config.propagator.options
        size = name.removeprefix("videoseg-o3-").upper()
        assert config.chat.options["model"] == f"dmmm997/VideoSEG-O3-{size}-RL"


def test_the_pipeline_for_text_runs_on_real_classes_with_tiny_weights(tmp_path):
    from rigged_vlm import save_rigged_vlm

    found = {"start": 0, "end": 7, "keyframe": 3, "objects": [{"bbox_2d": [250, 500, 500, 750]}]}
    model = save_rigged_vlm(tmp_path / "model", sentence=f"<answer>{json.dumps(found)}</answer>")
    pipe = vs.Pipeline.from_name("videoseg-o3-text").replace(
        chat=vs.use("transformers", model=str(model), device_map="cpu"),
        propagator=vs.use("sam2", model="toy", random_weights=True),
    )
    with pipe:
        result = pipe(moving_square(8, size=(48, 64)).video, "the square")
    [prompt] = result.grounding.prompts
    assert (prompt.frame, prompt.box) == (3, vs.Box(16, 24, 32, 36))
    assert result.pipeline["name"] == "videoseg-o3-text"
    assert result.trace.turns[0].thought.details["coordinate_space"] == "per_mille"
    # Each of the eight frames small and large.
    assert len(result.trace.turns[0].selection.of_role("detail")) == 8
