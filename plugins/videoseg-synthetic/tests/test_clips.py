from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from videoseg_synthetic import DIFFICULTIES, demo_clip, make_clip, stream_clip

from videoseg.errors import ConfigError
from videoseg.types import VideoSource, from_dict, to_dict

SMALL = (96, 128)


@pytest.fixture(scope="module")
def clips():
    return [make_clip(seed=seed, size=SMALL, num_frames=30) for seed in range(10)]


def test_same_seed_gives_identical_bytes():
    first, second = make_clip(seed=5, size=SMALL), make_clip(seed=5, size=SMALL)
    assert first.frames.tobytes() == second.frames.tobytes()
    assert first.tracks == second.tracks
    assert first.queries == second.queries


def test_frames_do_not_depend_on_the_order_in_which_they_are_drawn():
    clip = make_clip(seed=2, size=SMALL, num_frames=10)
    backwards = [clip.render(index) for index in reversed(range(10))]
    assert np.array_equal(np.stack(backwards[::-1]), clip.frames)


def test_seeds_differ(clips):
    assert len({clip.frames.tobytes() for clip in clips}) == len(clips)
    assert len({tuple(query.text for query in clip.queries) for clip in clips}) == len(clips)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    height=st.integers(64, 140),
    width=st.integers(64, 140),
    num_frames=st.integers(1, 16),
    num_objects=st.integers(1, 7),
    camera=st.sampled_from(["still", "pan", "shake"]),
    cut=st.booleans(),
    static=st.booleans(),
    posts=st.sampled_from([None, True, False]),
)
def test_any_wish_gives_a_sound_clip(
    seed, height, width, num_frames, num_objects, camera, cut, static, posts
):
    clip = make_clip(
        seed=seed,
        size=(height, width),
        num_frames=num_frames,
        num_objects=num_objects,
        camera=camera,
        cut=cut,
        static=static,
        posts=posts,
    )
    assert clip.frames.shape == (num_frames, height, width, 3)
    assert clip.frames.dtype == np.uint8
    assert clip.object_ids == tuple(range(1, num_objects + 1))
    for query in clip.queries:
        assert set(query.object_ids) <= set(clip.object_ids)
        assert query.window.stop <= num_frames


def test_tracks_masks_and_labels_agree(clips):
    for clip in clips[:4]:
        total = np.zeros(clip.labels.shape, dtype=int)
        for track in clip.tracks:
            dense = track.dense()
            assert np.array_equal(dense, clip.masks(track.object_id))
            total += dense
        assert total.max() == 1, "visible masks overlap"


def test_a_visible_mask_lies_within_the_whole_extent(clips):
    hidden = 0
    for clip in clips:
        for object_id in clip.object_ids:
            for frame in range(0, clip.num_frames, 5):
                visible = clip.masks(object_id)[frame]
                whole = clip.amodal_mask(object_id, frame)
                assert not (visible & ~whole).any()
                hidden += int((whole & ~visible).sum())
    assert hidden > 0, "nothing ever hides anything"


def test_what_covers_an_object_is_in_front_of_it(clips):
    for clip in clips:
        depth = {item.object_id: item.depth for item in clip.objects}
        for object_id in clip.object_ids:
            for frame in range(0, clip.num_frames, 5):
                whole = clip.amodal_mask(object_id, frame)
                for other in np.unique(clip.labels[frame][whole]):
                    if other not in (object_id, 255):
                        assert depth[int(other)] < depth[object_id]


def test_pixels_change_just_where_masks_say_an_object_is():
    import cv2

    plain = {"size": SMALL, "noise": 0.0, "shadows": False, "camera": "still", "posts": False}
    clip = make_clip(seed=4, num_frames=20, brightness_drift=0.0, script="crossing", **plain)
    # Soft edges reach up to two pixels beyond the mask.
    square = np.ones((5, 5), np.uint8)
    near = np.stack([cv2.dilate((labels > 0).astype(np.uint8), square) for labels in clip.labels])
    bare = np.ma.masked_array(clip.frames.astype(int), mask=np.repeat(near[..., None], 3, axis=3))
    ground = bare.min(axis=0)
    assert (bare.max(axis=0) == ground).all(), "bare ground changes"

    inside = np.stack([cv2.erode((labels > 0).astype(np.uint8), square) for labels in clip.labels])
    change = np.abs(clip.frames - ground).max(axis=-1)
    moved_over = np.ma.masked_array(change, mask=inside == 0).compressed()
    assert len(moved_over) > 1_000
    assert (moved_over > 8).mean() > 0.98


def test_objects_move_by_less_than_whole_pixels():
    clip = make_clip(seed=1, script="crossing", camera="still", size=(240, 320))
    steps = np.concatenate([np.diff(item.path[:, 0]) for item in clip.objects])
    moving = steps[np.abs(steps) > 0.05]
    assert np.abs(moving - np.round(moving)).mean() > 0.05


def test_brightness_and_noise_are_as_asked_for():
    quiet = make_clip(seed=3, static=True, noise=0.0, brightness_drift=0.0, size=SMALL)
    assert (quiet.frames == quiet.frames[0]).all()
    noisy = make_clip(seed=3, static=True, noise=3.0, brightness_drift=0.0, size=SMALL)
    deviation = noisy.frames.astype(float).std(axis=0)[quiet.labels[0] == 0].mean()
    assert deviation == pytest.approx(3.0, rel=0.15)
    drifting = make_clip(seed=3, static=True, noise=0.0, brightness_drift=0.1, size=SMALL)
    means = drifting.frames.mean(axis=(1, 2, 3))
    assert np.ptp(means) / means.mean() == pytest.approx(0.2, rel=0.25)


def test_a_cut_changes_the_ground_at_the_frame_it_names():
    clip = make_clip(seed=6, cut=True, size=SMALL, noise=0.0)
    (cut,) = clip.cuts
    change = np.abs(np.diff(clip.frames.astype(int), axis=0)).mean(axis=(1, 2, 3))
    assert int(change.argmax()) + 1 == cut
    assert make_clip(seed=6, size=SMALL).cuts == ()


def test_facts_agree_with_the_masks(clips):
    for clip in clips:
        for item in clip.objects:
            areas = clip.masks(item.object_id).sum(axis=(1, 2))
            assert item.visible_areas == tuple(areas)
            shown = np.flatnonzero(areas)
            assert (item.first_visible, item.last_visible) == (shown[0], shown[-1])
            best = int(areas.argmax())
            whole = clip.amodal_mask(item.object_id, best)
            if whole.sum() == areas[best] and areas[best] > 0.97 * np.pi * item.radius**2:
                rows, columns = np.nonzero(whole)
                center = (columns.mean() + 0.5, rows.mean() + 0.5)
                assert item.path[best] == pytest.approx(center, abs=0.35)


def test_the_video_holds_the_frames():
    clip = make_clip(seed=1, size=SMALL, num_frames=6, fps=10)
    assert isinstance(clip.video, VideoSource)
    assert len(clip.video) == 6
    assert clip.video.time_of(5) == pytest.approx(0.5)
    assert np.array_equal(clip.video[3], clip.frames[3])
    assert all(np.array_equal(a, b) for a, b in zip(clip.iter_frames(), clip.frames, strict=True))


@pytest.mark.parametrize("difficulty", DIFFICULTIES)
def test_the_difficulty_asked_for_comes_first(difficulty):
    clip = make_clip(seed=9, difficulty=difficulty, size=SMALL)
    asked = [query.difficulty == difficulty for query in clip.queries]
    assert asked[0]
    assert asked == sorted(asked, reverse=True)
    assert clip.queries_of(difficulty) == clip.queries[: sum(asked)]


def test_queries_go_to_json_and_back(clips):
    for query in clips[0].queries:
        assert from_dict(type(query), to_dict(query)) == query


def test_all_problems_are_reported_together():
    with pytest.raises(ConfigError) as caught:
        make_clip(seed=-1, num_frames=0, size=(32, 320), num_objects=0)
    assert len(caught.value.problems) == 4


def test_an_unknown_object_is_an_error(clips):
    with pytest.raises(KeyError, match="the objects are"):
        clips[0].masks(99)


def test_a_stream_is_a_video_source_with_exact_masks():
    stream = stream_clip(3_000, seed=2, size=(64, 96))
    assert isinstance(stream, VideoSource)
    assert len(stream) == 3_000
    for index in (0, 191, 192, 1_777, 2_999):
        assert stream[index].shape == (64, 96, 3)
        for object_id in stream.clip.object_ids:
            expected = stream.labels_at(index) == object_id
            assert np.array_equal(stream.mask_at(index, object_id), expected)
    # It goes back and forth: nothing jumps at the ends of a lap.
    jumps = [
        (stream.labels_at(index) != stream.labels_at(index + 1)).mean() for index in range(400)
    ]
    assert max(jumps) < 0.2
    assert not np.array_equal(stream[10], stream[10 + 382]), "the noise repeats"
    assert np.array_equal(stream.labels_at(10), stream.labels_at(10 + 382))


def test_a_stream_holds_no_frames():
    import tracemalloc

    stream = stream_clip(600, seed=1, size=(64, 96))
    for _, _ in zip(range(20), stream, strict=False):
        pass
    tracemalloc.start()
    for frame in stream:
        assert frame.dtype == np.uint8
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 40 * 64 * 96 * 3


def test_a_stream_reads_any_order():
    stream = stream_clip(300, seed=1, size=(64, 96))
    forward = dict(stream.iter_frames(5, 9))
    backward = dict(stream.iter_frames(5, 9, reverse=True))
    assert list(backward) == [8, 7, 6, 5]
    assert all(np.array_equal(forward[index], backward[index]) for index in forward)
    assert np.array_equal(stream[-1], stream[299])


def test_the_demonstration_has_something_of_everything():
    clip = demo_clip()
    assert clip.num_frames / clip.fps == 5
    assert {query.difficulty for query in clip.queries} == set(DIFFICULTIES)
    late = next(query for query in clip.queries if query.kind == "late")
    assert clip.objects[late.object_ids[0] - 1].first_visible > clip.num_frames // 4
