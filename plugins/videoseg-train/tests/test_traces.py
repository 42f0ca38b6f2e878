"""Traces in the form of VTS-CoT, made from the truth."""

from __future__ import annotations

import json

import pytest
from training_toys import toy_sample
from videoseg_train import (
    TrainingSample,
    TrainingSet,
    build_traces,
    read_cold_start,
)
from videoseg_train.traces import find_thought_problems

import videoseg as vs
from videoseg.types import ChatReply

GOOD = (
    "Step 1 (temporal): it moves in frames 0 to 7.\nStep 2 (spatial): it is left.\n"
    "Step 3 (linguistic): a square.\nAction: look again."
)


class Writer:
    def __init__(self, *texts):
        self.texts, self.asked = list(texts), []

    def chat(self, messages, **options):
        self.asked.append(messages)
        return [ChatReply(self.texts.pop(0) if len(self.texts) > 1 else self.texts[0])]


def read(folder):
    return read_cold_start(
        folder / "traces.json", pictures=folder / "pictures", masks=folder / "masks.json"
    )


def toys(count=2):
    made = []
    for number in range(count):
        sample = toy_sample(number)
        video = vs.Video.from_frames(list(sample.video), fps=12, name=f"toy-{number}")
        made.append(TrainingSample(sample.id, video, sample.query, sample.truth))
    return made


@pytest.mark.parametrize("looks", [1, 2])
def test_perfect_traces_need_no_writer_and_can_be_read(looks, tmp_path):
    options = {"num_videos": 2, "queries_per_video": 1, "size": (64, 64), "num_frames": 30}
    samples = TrainingSet.open("synthetic", split="train", options=options)
    report = build_traces(samples, tmp_path, num_looks=looks)
    assert report.num_kept + len(report.dropped) == 2
    assert report.num_kept
    traces = read(tmp_path)
    for number in range(len(traces)):
        trace = traces.trace(number)
        assert len(trace.rounds) == looks
        assert len(trace.texts) == looks + 1
        visible = trace.sample.visible()
        assert all(visible[one.keyframe] for one in trace.rounds)
    assert (traces[0].mask(9) == samples[0].mask(9)).all() or report.dropped


def test_a_writer_gives_the_thoughts_and_may_correct_them(tmp_path):
    writer = Writer("Step 1: the ground truth says so.", f"<think>{GOOD}</think>", GOOD)
    report = build_traces(toys(1), tmp_path, writer=writer)
    assert (report.num_kept, report.num_rewritten) == (1, 1)
    [first, last] = read(tmp_path).trace(0).texts
    assert first.startswith(f"<think>{GOOD}</think>\n<select>")
    assert last.startswith(f"<think>{GOOD}</think>\n<answer>")
    assert "having been told" in writer.asked[1][-1].parts[-1].text


def test_what_stays_wrong_is_dropped_with_its_reason(tmp_path):
    absent = TrainingSample("none", toys(1)[0].video, "a cat", {})
    report = build_traces([*toys(1), absent], tmp_path, writer=Writer("I see it."))
    assert report.num_kept == 0
    assert "the thought of turn 0" in report.dropped["clip 0"]
    assert report.dropped["none"] == "its objects show on no frame"
    assert json.loads((tmp_path / "report.json").read_text())["dropped"] == report.dropped


def test_building_goes_on_where_it_was_interrupted(tmp_path):
    class Dead(Writer):
        def chat(self, messages, **options):
            if len(self.asked) == 3:
                raise KeyboardInterrupt
            return super().chat(messages, **options)

    with pytest.raises(KeyboardInterrupt):
        build_traces(toys(), tmp_path, writer=Dead(GOOD))
    with (tmp_path / "progress.jsonl").open("a") as file:
        file.write('{"sample": "clip 1", "dro')
    writer = Writer(GOOD)
    done = []
    report = build_traces(toys(), tmp_path, writer=writer, on_done=lambda *one: done.append(one))
    assert report.num_kept == 2
    assert len(writer.asked) == 2
    assert done == [("clip 0", ""), ("clip 1", "")]
    assert build_traces(toys(), tmp_path).num_kept == 2
    assert len(read(tmp_path)) == 2


def test_thoughts_are_checked():
    assert find_thought_problems(GOOD, 8) == []
    for change, problem in (
        (GOOD.replace("Action", "Then"), "'action' is missing"),
        (GOOD + " [SEG]", "tags"),
        (GOOD + " I was told so.", "told"),
        (GOOD.replace("7", "8"), "frame 8 is not in the video"),
        (GOOD + "a" * 4000, "longer"),
    ):
        assert any(problem in one for one in find_thought_problems(change, 8))
    with pytest.raises(vs.ConfigError):
        build_traces([], "unused", num_looks=0)
