"""Training sets of benchmarks, their filters, and the frames that are trained on."""

from __future__ import annotations

import json

import numpy as np
import pytest
from training_toys import toy_sample
from videoseg_train import (
    DifficultyRatings,
    LabelFilter,
    TargetFrameSampler,
    TrainingDataError,
    TrainingSample,
    TrainingSet,
    best_frames,
    label_quality,
    target_frames,
)

import videoseg as vs
from videoseg.benchmarks import Sample, Truth
from videoseg.testing import moving_square
from videoseg.types import ChatReply, Rle

CLIPS = {"num_videos": 3, "queries_per_video": 3, "size": (64, 80), "num_frames": 16}


@pytest.fixture(scope="module")
def drawn():
    return TrainingSet.open("synthetic", split="train", options=CLIPS)


class Split:
    """A split of one clip with a square; its masks and annotated frames are given."""

    name = "drawn/train"
    protocol = None

    def __init__(self, frames, *, queries=("the square", ""), size=(48, 64), objects=None):
        self.clip = moving_square(12, size=(48, 64))
        self.frames, self.size, self.objects = tuple(frames), size, objects or {}
        self.samples = [Sample("clip", str(n), query) for n, query in enumerate(queries)]

    def video(self, video_id):
        return self.clip.video

    def truth(self, sample):
        masks = [Rle.encode(self.clip.masks[1][frame]) for frame in self.frames]
        if self.objects is None:
            return None
        objects = self.objects.get(sample.expression_id, {0: masks})
        return Truth(self.size, self.frames, objects)


def test_samples_are_those_of_the_split_and_made_when_asked_for(drawn):
    count = len(drawn)
    assert count >= 5
    sample = drawn[1]
    assert sample is drawn[1]
    assert sample.query
    assert sample.details["kind"]
    for track in sample.tracks().values():
        assert track.size == (64, 80)
    assert [one.id for one in drawn[2:5]] == [drawn[n].id for n in (2, 3, 4)]
    assert [one.id for one in drawn] == [drawn[n].id for n in range(count)]
    assert drawn[-1].id == drawn[count - 1].id
    with pytest.raises(IndexError):
        drawn[count]


def test_other_objects_are_those_that_other_queries_mean(drawn):
    for sample in drawn:
        own, others = sample.tracks(), sample.other_tracks()
        assert not own.keys() & others.keys()
        for other in others.values():
            for track in own.values():
                assert not (other.dense() & track.dense()).any()
    assert any(sample.other_tracks() for sample in drawn)


def test_samples_without_a_query_are_left_out_by_name():
    samples = TrainingSet.of_split(Split(range(12)))
    assert len(samples) == 1
    assert samples.left_out == ("clip/1: has no query",)
    with pytest.raises(TrainingDataError, match="no sample has a query"):
        TrainingSet.of_split(Split(range(12), queries=("",)))


def test_object_ids_are_counted_from_one():
    [sample] = TrainingSet.of_split(Split(range(12)))
    assert list(sample.tracks()) == [1]


def test_a_video_of_which_every_third_frame_is_annotated_has_these_frames_alone():
    split = Split(range(1, 12, 3))
    [sample] = TrainingSet.of_split(split)
    assert len(sample.video) == 4
    for number, frame in enumerate((1, 4, 7, 10)):
        assert (sample.video[number] == split.clip.video[frame]).all()
        assert (sample.mask(number) == split.clip.masks[1][frame]).all()


def test_truth_that_does_not_fit_is_an_error():
    with pytest.raises(TrainingDataError, match="not evenly spaced"):
        TrainingSet.of_split(Split([0, 1, 5]))[0]
    with pytest.raises(TrainingDataError, match="of size"):
        TrainingSet.of_split(Split(range(12), size=(24, 32)))[0]
    hidden = Split(range(12))
    hidden.objects = None
    with pytest.raises(TrainingDataError, match="not published"):
        TrainingSet.of_split(hidden)[0]


def test_an_object_of_another_query_with_another_id_is_not_another_object():
    split = Split(range(12), queries=("the square", "it moves"))
    masks = [Rle.encode(mask) for mask in split.clip.masks[1]]
    split.objects = {"1": {5: masks}}
    samples = TrainingSet.of_split(split)
    assert not samples[0].other_tracks()
    elsewhere = [Rle.encode(np.roll(rle.decode(), 20, axis=1)) for rle in masks]
    split.objects = {"1": {5: elsewhere}}
    assert list(TrainingSet.of_split(split)[0].other_tracks()) == [2]


class BoxSegmenter:
    """Fills a part of each box."""

    def __init__(self, share):
        self.share, self.calls = share, 0

    def segment(self, video, prompts):
        self.calls += 1
        masks = []
        for prompt in prompts:
            mask = np.zeros(video.size, dtype=bool)
            box = prompt.box
            right = box.x1 + round(self.share * box.width)
            mask[int(box.y1) : int(box.y2), int(box.x1) : int(right)] = True
            masks.append(vs.ObjectMask(mask))
        return masks


def test_labels_that_the_segmenter_cannot_follow_are_filtered_out():
    sample = toy_sample(0)
    assert label_quality(BoxSegmenter(1), sample) == pytest.approx(1, abs=0.01)
    half = label_quality(BoxSegmenter(0.5), sample)
    assert half == pytest.approx(0.5, abs=0.05)
    segmenter = BoxSegmenter(1)
    label_quality(segmenter, sample, num_frames=3)
    assert segmenter.calls == 3
    absent = TrainingSample("none", sample.video, "a cat", {})
    assert LabelFilter(BoxSegmenter(0))(absent)
    samples = TrainingSet("toys", 2, toy_sample)
    assert len(samples.keep(LabelFilter(BoxSegmenter(0.8)))) == 2
    reason = "has labels of an IoU below 0.6"
    with pytest.raises(TrainingDataError, match=reason):
        samples.keep(LabelFilter(BoxSegmenter(0.5)), reason=reason)
    judged = []
    odd = samples.keep(lambda one: one.id == "clip 1", on_judged=lambda *n: judged.append(n))
    assert [one.id for one in odd] == ["clip 1"]
    assert odd.left_out == ("clip 0: is filtered out",)
    assert judged == [(1, 0), (2, 1)]
    with pytest.raises(vs.ConfigError):
        LabelFilter(BoxSegmenter(1), least_iou=2)


def two_objects():
    sample = toy_sample(0)
    masks = sample.tracks()[1].masks
    none = (None,) * 8
    first = vs.MaskTrack(1, sample.video.size, masks[:4] + none[:4])
    second = vs.MaskTrack(2, sample.video.size, none[:3] + masks[3:6] + none[:2])
    return TrainingSample("two", sample.video, "both", {1: first, 2: second})


def test_target_frames_show_all_objects():
    sample = two_objects()
    assert target_frames(sample) == best_frames(sample) == (3,)
    truth = sample.tracks()
    apart = {1: truth[1], 2: vs.MaskTrack(2, sample.video.size, (None,) * 7 + truth[1].masks[:1])}
    sample = TrainingSample("apart", sample.video, "both", apart)
    assert target_frames(sample) == ()
    assert best_frames(sample) == (0, 1, 2, 3, 7)
    absent = TrainingSample("none", sample.video, "a cat", {})
    assert target_frames(absent) == ()
    assert best_frames(absent) == tuple(range(8))


def test_the_target_frame_is_drawn_where_all_objects_show():
    sample = two_objects()
    sampler = TargetFrameSampler([sample], num_context=(2, 4))
    whole = vs.Window(0, 8)
    counts = set()
    for seed in range(20):
        shown = sampler.sample(sample.video, sample.query, window=whole, seed=seed)
        assert shown.keyframe == 3
        context = shown.of_role("context")
        assert 3 not in context
        counts.add(len(context))
        again = sampler.sample(sample.video, sample.query, window=whole, seed=seed)
        assert again.indices == shown.indices
    assert counts == {2, 3, 4}
    assert sampler.sample(sample.video, "both", window=whole, keyframe=6).keyframe == 6
    with pytest.raises(vs.ConfigError, match="none of the sampler's samples"):
        sampler.sample(sample.video, "neither", window=whole)


class Rater:
    def __init__(self, *texts):
        self.texts, self.asked = texts, 0

    def chat(self, messages, *, num_samples=1, **options):
        self.asked += 1
        return [ChatReply(text) for text in self.texts][:num_samples]


def test_difficulties_are_rated_once(tmp_path):
    axes = (
        "scene_complexity",
        "segmentation_challenge",
        "temporal_ambiguity",
        "motion_complexity",
        "linguistic_ambiguity",
    )
    rater = Rater(*(json.dumps(dict.fromkeys(axes, n)) for n in (2, 3, 9)))
    file = tmp_path / "ratings.jsonl"
    samples = TrainingSet("toys", 2, toy_sample)
    rated = [one.details["difficulty"] for one in samples.map(DifficultyRatings(rater, file))]
    assert rated == [dict.fromkeys(axes, 3)] * 2
    assert rater.asked == 2
    # A line that was cut off is rated again.
    file.write_text(file.read_text()[:-5])
    again = [one.details["difficulty"] for one in samples.map(DifficultyRatings(rater, file))]
    assert again == rated
    assert rater.asked == 3
    kept = [one.details["difficulty"] for one in samples.map(DifficultyRatings(None, file))]
    assert kept == rated
    useless = Rater("hard", "hard", "hard")
    assert DifficultyRatings(useless)(samples[0]).details["difficulty"] == dict.fromkeys(axes, 5)
    with pytest.raises(vs.ConfigError, match="has no difficulty"):
        DifficultyRatings(None, tmp_path / "none.jsonl")(samples[0])
    with pytest.raises(vs.ConfigError):
        DifficultyRatings(None)
