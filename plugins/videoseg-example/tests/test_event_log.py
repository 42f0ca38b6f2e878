from __future__ import annotations

import json
from pathlib import Path

from videoseg_example import EventLog

import videoseg as vs
from videoseg.testing import moving_square


class BoxAtStart:
    def __init__(self, box: vs.Box) -> None:
        self.box = box

    def step(self, episode: vs.Episode) -> vs.Grounding:
        return vs.Grounding(0, (vs.Prompt(1, 0, box=self.box),))


def test_a_run_becomes_lines_of_json(tmp_path: Path) -> None:
    clip = moving_square(8)
    log = tmp_path / "run.jsonl"
    pipe = vs.Pipeline("first", BoxAtStart(clip.box()), "flow", segmenter="cut")
    pipe(clip.video, "the square", observers=[EventLog(log)])
    events = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    stages = [event["stage"] for event in events if event["event"] == "StageFinished"]
    assert stages == ["sampler", "grounder", "segmenter", "propagator"]
    frames = [event["frame"] for event in events if event["event"] == "FrameDone"]
    assert frames == list(range(8))
    [grounded] = [event for event in events if event["event"] == "Grounded"]
    assert grounded["query"] == "the square"
    assert len(grounded["grounding"]["prompts"]) == 1
    assert [event["time"] for event in events] == sorted(event["time"] for event in events)


def test_a_second_run_is_appended(tmp_path: Path) -> None:
    clip = moving_square(4)
    log = tmp_path / "run.jsonl"
    pipe = vs.Pipeline("first", BoxAtStart(clip.box()), "flow", segmenter="cut")
    sizes = []
    for _ in range(2):
        pipe.ground(clip.video, "the square", observers=[EventLog(log)])
        sizes.append(len(log.read_text(encoding="utf-8").splitlines()))
    # Two stages begin and end, and there is an answer.
    assert sizes == [5, 10]
