import json
from dataclasses import replace

import numpy as np
from toy_stages import AnswersAt, look, pipeline

from videoseg.cli.answer import answer_document, explain_answer, reasons_of
from videoseg.types import (
    Box,
    Candidate,
    Comparison,
    Grounding,
    Judgement,
    Prompt,
    Thought,
    Window,
)
from videoseg.video import Video


class LooksThenAnswers(AnswersAt):
    def step(self, episode):
        move = super().step(episode)
        if not isinstance(move, Grounding):
            return move
        prompt = Prompt(1, 5, box=Box(0, 0, 2, 2))
        thought = Thought(spatial="left of the cup", action="answer")
        return Grounding(5, (prompt,), thought, window=Window(4, 7), stop_reason="confirmed")


def answered(tmp_path):
    video = Video.from_frames(np.zeros((10, 8, 12, 3), np.uint8), fps=10)
    grounder = LooksThenAnswers(looks=[look(4, 9, 6)])
    result = pipeline(grounder, max_turns=3)(video, "it")
    return result, json.loads(json.dumps(answer_document(result, tmp_path, {})))


def test_the_document_tells_each_turn(tmp_path):
    first, second = answered(tmp_path)[1]["turns"]
    assert first == {
        "shown_window": [0, 10],
        "shown_frames": {"context": [0, 2, 4, 6, 8], "keyframe": [4]},
        "thought": {"text": "let me see"},
        "action": "look",
        "window": [4, 9],
        "keyframe": 6,
        "stop_reason": "",
    }
    assert second["shown_window"] == [4, 9] and second["shown_frames"]["keyframe"] == [6]
    assert second["thought"] == {"spatial": "left of the cup", "action": "answer"}
    assert (second["action"], second["window"], second["keyframe"]) == ("answer", [4, 7], 5)
    assert second["stop_reason"] == "confirmed"


def test_the_window_is_the_answers(tmp_path):
    assert answered(tmp_path)[1]["window"] == [4, 7]


def test_the_reasons_name_their_part_and_turn(tmp_path):
    assert reasons_of(answered(tmp_path)[0]) == [
        "turn 1: let me see",
        "turn 2: spatial: left of the cup",
        "turn 2: action: answer",
    ]


def test_candidates_stand_for_the_reasons_only_where_they_tell_why(tmp_path):
    result = answered(tmp_path)[0]
    seen = Candidate(3, 5, Box(1, 1, 4, 4), object_id=1)
    judged = replace(seen, judgements=(Judgement("red", 0.9),))
    told = []
    for candidate in (seen, judged):
        grounding = replace(result.grounding, comparison=Comparison((candidate,)))
        told.append(explain_answer(replace(result, grounding=grounding)))
    assert told == [
        ["candidate 3: object 1", *reasons_of(result)],
        ["candidate 3: object 1; red 0.90"],
    ]
