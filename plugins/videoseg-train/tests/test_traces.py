"""Traces in the form of VTS-CoT, made from the truth."""

from __future__ import annotations

import json
import threading
import time

import numpy as np
import pytest
from training_toys import toy_sample
from videoseg_train import (
    TrainingSample,
    TrainingSet,
    build_traces,
    read_cold_start,
)
from videoseg_train.thoughts import find_thought_problems

import videoseg as vs
from videoseg.errors import ChatError, EvaluationError
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
    report = build_traces(toys(), tmp_path, writer=writer, on_done=done.append)
    assert report.num_kept == 2
    # Three of the four questions had been answered.
    assert len(writer.asked) == 1
    assert [(one.sample, one.dropped, one.done, one.total) for one in done] == [
        ("clip 0", "", 1, 2),
        ("clip 1", "", 2, 2),
    ]
    assert done[0].seconds_left is None
    assert done[1].seconds_left == 0
    assert build_traces(toys(), tmp_path).num_kept == 2
    assert len(read(tmp_path)) == 2


class Slow(Writer):
    """Answers several at a time, those asked first last."""

    def __init__(self, *texts):
        super().__init__(*texts)
        self.most, self._now, self._lock = 0, 0, threading.Lock()

    def chat(self, messages, **options):
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
            wait = 0.05 / (1 + len(self.asked))
        time.sleep(wait)
        with self._lock:
            self._now -= 1
            return super().chat(messages, **options)


def test_the_result_does_not_depend_on_how_many_are_made_at_once(tmp_path):
    samples = [*toys(3), toys(1)[0]]
    writer = Slow(GOOD)
    build_traces(samples, tmp_path / "one", writer=Writer(GOOD))
    report = build_traces(samples, tmp_path / "many", writer=writer, num_parallel=3)
    assert report.num_kept == 3
    assert writer.most > 1
    # The sample that is there twice is asked about once.
    assert len(writer.asked) == 6
    for name in ("traces.json", "masks.json", "report.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "many" / name).read_bytes()


def test_an_error_of_the_writer_ends_everything_and_keeps_what_is_finished(tmp_path):
    class Gone(Slow):
        def chat(self, messages, **options):
            if len(self.asked) >= 3:
                raise ChatError("it is gone", component="writer")
            return super().chat(messages, **options)

    gone = Gone(GOOD)
    with pytest.raises(ChatError, match="it is gone"):
        build_traces(toys(4), tmp_path, writer=gone, num_parallel=2)
    answered = len(gone.asked)
    writer = Writer(GOOD)
    assert build_traces(toys(4), tmp_path, writer=writer).num_kept == 4
    assert len(writer.asked) + answered == 8


def test_equal_masks_and_equal_frames_are_written_once(tmp_path):
    [toy] = toys(1)
    other = TrainingSample("other", toy.video, "it", toy.truth)
    part = vs.Video.from_frames(list(toy.video)[::2], fps=12, name=toy.video.name)
    truth = {1: vs.MaskTrack(1, part.size, toy.tracks()[1].masks[::2])}
    shorter = TrainingSample("shorter", part, "it", truth)
    build_traces([toy, other, shorter], tmp_path)
    traces = read(tmp_path)
    assert len(json.loads((tmp_path / "masks.json").read_text())) == 2
    assert len(list((tmp_path / "pictures").iterdir())) == 2
    assert [len(one.video) for one in traces] == [8, 8, 4]
    assert (traces[2].video[1] == part[1]).all()


def test_a_sample_that_cannot_be_opened_is_dropped_and_tried_again(tmp_path):
    [first, second] = toys()

    def open_one(number):
        if number == 0 and is_gone:
            raise vs.VideoError("there is no such file")
        return (first, second)[number]

    is_gone = True
    report = build_traces(TrainingSet("some", 2, open_one), tmp_path)
    assert report.dropped == {"sample 0": "there is no such file"}
    is_gone = False
    assert build_traces(TrainingSet("some", 2, open_one), tmp_path).num_kept == 2


def test_damaged_masks_drop_their_sample_alone_and_are_tried_again(tmp_path):
    [first, second, third] = toys(3)

    def read_masks():
        if is_damaged:
            raise EvaluationError("masks/00001.png is damaged")
        return second.tracks()

    def open_one(number):
        if number == 0 and is_damaged:
            raise EvaluationError("masks/00000.png is damaged")
        return (first, late, third)[number]

    late = TrainingSample(second.id, second.video, second.query, read_masks)
    is_damaged = True
    report = build_traces(TrainingSet("some", 3, open_one), tmp_path)
    assert report.num_kept == 1
    assert report.dropped == {
        "sample 0": "masks/00000.png is damaged",
        "clip 1": "masks/00001.png is damaged",
    }
    assert report.reasons == {"a video or its masks": 2}
    is_damaged = False
    assert build_traces(TrainingSet("some", 3, open_one), tmp_path).num_kept == 3


def test_what_the_source_left_out_is_told_with_a_reason_of_its_own(tmp_path):
    left_out = ("item 4: 'exp' must be a query", "item 4: no masks", "item 7: is damaged")
    samples = TrainingSet("some", 1, lambda number: toys(1)[number], left_out=left_out)
    report = build_traces(samples[:1], tmp_path)
    assert report.num_kept == 1
    assert report.dropped == {
        "item 4": "'exp' must be a query; no masks",
        "item 7": "is damaged",
    }
    assert report.reasons == {"items of the source that cannot be used": 2}
    assert "1 trace of 3 samples" in report.page.read_text()
    # They are read anew each time.
    samples = TrainingSet("some", 1, lambda number: toys(1)[number])
    assert build_traces(samples, tmp_path).dropped == {}


def test_objects_that_show_between_the_frames_that_are_looked_at_make_no_trace(tmp_path):
    [toy] = toys(1)
    video = vs.Video.from_frames([toy.video[0]] * 200, fps=12, name="long")
    masks = tuple(toy.tracks()[1].masks[0] if frame == 3 else None for frame in range(200))
    brief = TrainingSample("brief", video, "it", {1: vs.MaskTrack(1, video.size, masks)})
    report = build_traces([brief], tmp_path)
    assert "do not show on the keyframe" in report.dropped["brief"]
    assert not (tmp_path / "pictures").exists()


def test_a_thought_is_found_beside_the_models_own(tmp_path):
    writer = Writer(f"<think>What do they want? Four parts.</think>\n{GOOD}")
    assert build_traces(toys(1), tmp_path, writer=writer).num_rewritten == 0
    assert read(tmp_path).trace(0).texts[0].startswith(f"<think>{GOOD}</think>")


def test_the_report_shows_examples_of_what_was_wrong(tmp_path):
    samples = toys(3)
    said = ["<b>I see.</b>", "Nor now."], [GOOD + " [SEG]", GOOD, GOOD], [GOOD]
    writer = Writer(*(text for texts in said for text in texts))
    report = build_traces(samples, tmp_path, writer=writer)
    assert report.reasons == {"thoughts that are not usable": 1}
    page = report.page.read_text()
    assert "2 traces of 3 samples, 1 thought written again" in page
    assert "&lt;b&gt;I see.&lt;/b&gt;" in page
    assert "Nor now." in page
    assert "it has tags" in page
    assert page.count("data:image/jpeg;base64,") == 2
    facts = json.loads((tmp_path / "report.json").read_text())
    assert facts["reasons"] == report.reasons


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


def test_thoughts_are_compared_with_the_truth():
    shows = np.arange(8) >= 6
    assert find_thought_problems(GOOD, 8, visible=shows) == []
    [problem] = find_thought_problems(GOOD.replace("7", "5"), 8, visible=shows)
    assert "where the objects do not show" in problem
    unnamed = GOOD.replace(" in frames 0 to 7", "")
    assert find_thought_problems(unnamed, 8, visible=shows) == []


def find_problems(temporal):
    shows = (np.arange(80) >= 20) & (np.arange(80) < 60)
    return find_thought_problems(
        GOOD.replace("it moves in frames 0 to 7.", temporal), 80, visible=shows
    )


@pytest.mark.parametrize(
    "temporal",
    [
        "it shows in frames 8, 24 and 40.",
        "it shows in frames 8, 12, and 40 to 70.",
        "it moves from frame 10 through 40.",
        "it moves from frame 10 through frame 70.",
        "it moves in frames 10 until 40.",
        "it moves from frame 0 till 70.",
        "it moves between frames 10 and 70.",
        "it moves between frame 10 and frame 70.",
        "it is seen in frames 10, 20, 30.",
        "Frames 0-15 are empty; then it enters.",
        "It isn't there in frames 0 to 15.",
        "There is nothing in frames 0 to 9, it is absent until frame 15.",
        "It enters after frame 18 and stays until the end.",
        "It enters at frame 18 and stays to the very end.",
        "From frame 18 it moves to the right.",
        "It shows up to frame 70.",
        "It leaves in frame 61.",
        "It enters before frame 19. Frames 60 to 79 are without it.",
    ],
)
def test_right_thoughts_about_when_are_let_through(temporal):
    assert find_problems(temporal) == []


@pytest.mark.parametrize(
    "temporal",
    [
        "it shows in frames 3, 8 and 70.",
        "it moves from frame 3 through 9.",
        "it moves from frame 60 until frame 70.",
        "it moves between frames 62 and 70.",
        "it is not there at first; it shows in frames 3 to 9.",
        "it is on the left in frame 3.",
    ],
)
def test_wrong_thoughts_about_when_are_found(temporal):
    [problem] = find_problems(temporal)
    assert "where the objects do not show" in problem


@pytest.mark.parametrize(
    "temporal",
    [
        "it shows in frames 3, 999.",
        "it shows in frames 30, 40 and 999.",
        "it moves from frame 30 through 999.",
        "it moves from frame 30 until frame 999.",
        "it is gone after frame 999.",
        "it moves between frame 30 and 999.",
    ],
)
def test_frames_in_lists_and_ranges_must_be_in_the_video(temporal):
    assert find_problems(temporal) == ["frame 999 is not in the video, which has 80"]


@pytest.mark.parametrize("name", ["num_looks", "max_tokens", "num_parallel"])
def test_numbers_out_of_range_are_named(name):
    with pytest.raises(vs.ConfigError, match=f"{name} must be at least 1"):
        build_traces([], "unused", **{name: 0})
