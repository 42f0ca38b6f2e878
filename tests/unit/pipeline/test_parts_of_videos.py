"""A run on a part of a video: everything that goes in and out is that of the whole video."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from toy_stages import AnswersAt, BoxIsMask, Hold, look, pipeline

from videoseg import Segmentation
from videoseg.errors import ConfigError
from videoseg.results import export
from videoseg.results.wording import describe_answer
from videoseg.types import Box, Candidate, Comparison, Prompt, Rle, RoughPlace, Window
from videoseg.video import Video


@pytest.fixture
def video():
    return Video.from_frames(np.full((40, 24, 48, 3), 90, np.uint8), fps=10, name="gray")


@pytest.fixture
def part(video):
    """Frames 10, 13, ..., 28, at half the size."""
    return video.part("10f", "30f", every=3, max_side=24)


class HoldsBoxes(Hold):
    """Answers with the box of the prompt as the mask of every frame."""

    def open(self, video, *, seed=0):
        session = super().open(video, seed=seed)
        run = session.run

        def with_boxes(direction="forward", *, stop=None):
            for masks in run(direction, stop=stop):
                found = {}
                for prompt in session.prompts:
                    mask = np.zeros(video.size, bool)
                    x1, y1, x2, y2 = map(round, prompt.box.as_tuple())
                    mask[y1:y2, x1:x2] = True
                    found[prompt.object_id] = mask
                yield replace(masks, masks=found)

        session.run = with_boxes
        return session


def test_frames_boxes_and_masks_are_those_of_the_whole_video(video, part):
    grounder = AnswersAt(frames=((1, 2),), looks=[look(1, 5, 3)])
    result = pipeline(grounder, HoldsBoxes(), max_turns=2)(part, "it")
    assert result.video == video.facts() and result.part == part.part_of_whole
    assert result.grounding.keyframe == 16 and result.frames == range(10, 30, 3)
    [prompt] = result.grounding.prompts
    assert (prompt.frame, prompt.box) == (16, Box(0, 0, 4, 4))
    track = result.tracks[0]
    assert track.visible_frames == tuple(range(10, 30, 3)) and track.size == (24, 48)
    assert np.argwhere(track.mask(16)).max(axis=0).tolist() == [3, 3]
    first, second = result.trace.turns
    assert first.selection.window == Window(10, 29) and first.selection.indices[0] == 10
    assert first.look_window == Window(13, 23) and first.look_keyframe == 19
    assert second.answer_keyframe == 16
    assert any("frame i there is frame 10 + 3 x i" in text for text in result.warnings)


def test_candidates_are_those_of_the_whole_video(part):
    class Compares(AnswersAt):
        def step(self, episode):
            seen = Candidate(4, 2, Box(1, 2, 5, 6), object_id=1)
            return replace(super().step(episode), comparison=Comparison((seen,), (0, 2, 6)))

    result = pipeline(Compares(frames=((1, 2),)))(part, "it")
    [candidate] = result.grounding.comparison.candidates
    assert (candidate.number, candidate.frame, candidate.box) == (4, 16, Box(2, 4, 10, 12))
    assert result.grounding.comparison.frames == (10, 16, 28)


def test_places_on_other_frames_are_those_of_the_whole_video(part):
    class Sees(AnswersAt):
        def step(self, episode):
            seen = RoughPlace(1, 4, Box(1, 2, 5, 6), 0.5)
            return replace(super().step(episode), places=(seen,))

    class Heeds(Hold):
        def __init__(self):
            super().__init__()
            self.heard = []

        def open(self, video, *, seed=0):
            session = super().open(video, seed=seed)
            session.heed = self.heard.append
            return session

    first = Heeds()
    result = pipeline(Sees(frames=((1, 2),)), first)(part, "it")
    [place] = result.grounding.places
    assert place == RoughPlace(1, 22, Box(2, 4, 10, 12), 0.5)
    assert first.heard == [RoughPlace(1, 4, Box(1, 2, 5, 6), 0.5)]


def test_the_report_goes_to_the_frames_of_the_clip(part, tmp_path):
    import re

    result = pipeline(segmenter=BoxIsMask())(part, "it")
    page = (result.save(tmp_path / "out") / "report.html").read_text()
    times = [float(text) for text in re.findall(r'data-time="([^"]*)"', page)]
    assert len(times) == 7 and times == sorted(times)
    with Video.open(tmp_path / "out/overlay.mp4") as overlay:
        shown = [np.searchsorted(overlay.timestamps, time, side="right") - 1 for time in times]
    assert shown == list(range(7))
    assert "frames 10–28" in page and "one of every 3, at 24 × 12" in page  # noqa: RUF001
    assert "in every frame that was looked at" in page


def test_what_a_part_does_not_show_is_not_called_absent_from_the_video(part):
    result = pipeline(AnswersAt(frames=()))(part, "it")
    assert result.status == "absent"
    assert describe_answer(result) == "Not in the part that was looked at, as far as was seen."


def test_prompts_are_given_in_the_whole_videos_terms_and_kept_as_they_are(part):
    mask = np.zeros((24, 48), bool)
    mask[5:9, 7:13] = True
    given = (Prompt(1, 16, box=Box(9, 5, 21, 11)), Prompt(2, 19, mask=Rle.encode(mask)))
    hold = Hold()
    result = pipeline(propagator=hold).propagate(part, given)
    assert result.grounding.prompts == given and result.grounding.keyframe == 16
    seen = {one.object_id: one for session in hold.sessions for one in session.prompts}
    assert (seen[1].frame, seen[1].box) == (2, Box(4.5, 2.5, 10.5, 5.5))
    assert seen[2].frame == 3 and seen[2].mask.size == (12, 24)


@pytest.mark.parametrize("frame", [9, 11, 31])
def test_a_prompt_outside_of_the_part_is_refused_with_its_frames(part, frame):
    with pytest.raises(ConfigError, match="frames 10 to 28, every 3"):
        pipeline().propagate(part, [Prompt(1, frame, box=Box(0, 0, 2, 2))])


def test_a_stream_yields_the_whole_videos_frames(part):
    with pipeline(AnswersAt(frames=((1, 2),))).stream(part, "it") as stream:
        assert stream.grounding.keyframe == 16
        masks = list(stream)
    assert [one.frame for one in masks] == list(range(10, 30, 3))
    assert masks[0].size == (24, 48) and masks[0].masks[1].any()


def test_observers_are_told_the_answer_in_the_whole_videos_terms(part):
    class Notes:
        def __init__(self):
            self.frames = []

        def videoseg_grounded(self, event):
            self.event = event

        def videoseg_frame_done(self, event):
            self.frames.append(event.frame)

    notes = Notes()
    pipe = pipeline(AnswersAt(frames=((1, 2),)))
    with pipe.stream(part, "it", observers=[notes]) as stream:
        assert [one.frame for one in stream] == notes.frames == list(range(10, 30, 3))
    notes.frames.clear()
    pipe(part, "it", observers=[notes])
    assert sorted(set(notes.frames)) == list(range(10, 30, 3))
    assert notes.event.grounding.keyframe == 16
    assert notes.event.trace.turns[0].answer_keyframe == 16


def test_a_saved_result_shows_the_part_only(part, tmp_path):
    result = pipeline(segmenter=BoxIsMask())(part, "it")
    result.save(tmp_path / "out")
    assert Segmentation.load(tmp_path / "out") == result
    masks = sorted((tmp_path / "out/masks/1").iterdir())
    assert [int(path.stem) for path in masks] == list(range(10, 30, 3))
    with Video.open(tmp_path / "out/overlay.mp4") as overlay:
        assert len(overlay) == 7 and overlay.size == (24, 48)
        assert overlay.duration == pytest.approx(2.1, abs=0.2)


@pytest.mark.parametrize("name", ["png", "coco", "yolo", "davis"])
def test_an_export_says_nothing_of_frames_that_were_not_looked_at(part, tmp_path, name):
    import json

    result = pipeline(segmenter=BoxIsMask())(part, "it")
    export(result, tmp_path, format=name, sequence="gray")
    expected = list(range(10, 30, 3))
    if name == "coco":
        document = json.loads((tmp_path / "annotations/instances_default.json").read_text())
        found = sorted(image["frame_index"] for image in document["images"])
        images = {image["id"]: image["frame_index"] for image in document["images"]}
        labeled = {images[one["image_id"]] for one in document["annotations"]}
        assert sorted(labeled) == expected
    else:
        suffix = {"png": "*.png", "davis": "*.png", "yolo": "*.txt"}[name]
        found = sorted(int(path.stem) for path in tmp_path.rglob(suffix))
    assert found == expected


def test_every_video_is_its_own_whole(video):
    result = pipeline()(video[10:20], "it")
    assert result.part is None and result.video.num_frames == 10


def test_a_part_of_the_first_frame_counts_frames_like_the_video(video):
    result = pipeline()(video.part(every=1_000), "it")
    assert result.frames == range(0, 40, 40)
    assert not any("frame i there" in text for text in result.warnings)
