"""What the trace of an episode with grounder ``o3`` tells."""

from __future__ import annotations

import json

import pytest
from scripted_chat import ScriptedChat
from videoseg_o3 import CoarseSampler, O3Grounder

import videoseg as vs
from videoseg.pipeline import run_episode
from videoseg.testing import moving_square
from videoseg.types import ChatReply, Embedding

THINK = "<think>Step 1: late. Step 2: left. Step 3: it. Action: go on.</think>"
FOUND = {"start": 3, "end": 7, "keyframe": 6, "objects": [{"bbox_2d": [250, 500, 500, 750]}]}
SELECT = f'{THINK}<select>{{"start": 2, "end": 9, "keyframe": 5}}</select>'
ANSWER = f"{THINK}<answer>{json.dumps(FOUND)}</answer>"
SEG = (
    f'{THINK}<answer><VTG>{{"start": 3, "end": 7, "keyframe": 6}}</VTG>, '
    "<RefSeg>[SEG]</RefSeg></answer>"
)


def run(*replies, max_turns=3, **options):
    return run_episode(
        moving_square(12, size=(48, 64)).video,
        "the square",
        sampler=CoarseSampler(num_context=4, num_detail=2, num_look=3),
        grounder=O3Grounder(chat=ScriptedChat.saying(*replies), **options),
        max_turns=max_turns,
    )


def with_embedding(text):
    return ChatReply(text, embeddings=(Embedding("videoseg-o3", (1.0, 0.0)),))


def test_the_trace_reads_as_a_story():
    assert str(run(SELECT, ANSWER).trace).splitlines() == [
        "Turn 1: frames 0-11, saw context 0, 3, 7, 11; detail 0, 11",
        "  selection: 4 of 12 frames small and 2 larger.",
        "  temporal: late.",
        "  spatial: left.",
        "  linguistic: it.",
        "  action: go on.",
        "  -> look at frames 2-9, keyframe 5",
        "Turn 2: frames 2-9, saw context 2, 5, 9; keyframe 5",
        "  selection: 3 of 8 frames small, and the keyframe 5.",
        "  temporal: late.",
        "  spatial: left.",
        "  linguistic: it.",
        "  action: go on.",
        "  -> answer: frames 3-7, keyframe 5",
        "  stopped: the model answered",
    ]


def test_the_answer_names_its_window():
    assert run(SELECT, ANSWER).grounding.window == vs.Window(3, 8)
    nothing = f'{THINK}<answer>{{"start": 3, "end": 7, "objects": []}}</answer>'
    assert run(SELECT, nothing).grounding.window is None


@pytest.mark.parametrize(
    ("replies", "reason"),
    [
        ([SEG], "the model answered"),
        ([SELECT, SELECT], "the turns were used up while the model asked for more frames"),
        (["<select>{}</select>"], "the model asked for frames in a form that cannot be read"),
        (["no idea"], "the model gave no answer that can be read"),
    ],
)
def test_the_trace_says_why_a_released_episode_stopped(replies, reason):
    replies = [with_embedding(text) for text in replies]
    assert run(*replies, answer="seg", max_turns=2).trace.turns[-1].stop_reason == reason


def test_the_window_of_a_released_answer_is_kept_and_its_keyframe_is_the_one_selected():
    episode = run(with_embedding(SELECT), with_embedding(SEG), answer="seg")
    last = episode.trace.turns[-1]
    assert (last.answer_window, last.answer_keyframe) == (vs.Window(3, 8), 5)


def test_the_thought_of_looking_keeps_its_action_if_another_grounder_answers():
    r1 = '<think>by its place</think><answer>[{"bbox_2d": [250, 500, 500, 750]}]</answer>'
    found = f'{THINK}<answer>{{"start": 3, "end": 7, "keyframe": 6}}</answer>'
    episode = run(SELECT, found, r1, answerer="r1")
    assert episode.grounding.thought.action == "go on."
    assert episode.grounding.stop_reason == "the model answered"
