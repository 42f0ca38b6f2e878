"""From names to tracks: late objects, corrections, duplicates, bounds."""

from __future__ import annotations

import numpy as np
import pytest
from drawn_tracks import TruthDetector, TruthPropagator
from videoseg_synthetic import make_clip
from videoseg_tracks import Track, TrackFinder, merge_duplicates

import videoseg as vs
from videoseg.masks import iou
from videoseg.propagation import SessionBase
from videoseg.types import Box, Detection, PropagatorCapabilities, Rle

SIZE = (40, 60)


def square(x, *, y=10, side=12):
    mask = np.zeros(SIZE, bool)
    mask[y : y + side, max(0, x) : max(0, x + side)] = True
    return mask


class Scripted:
    """A detector that finds on each frame what a function says: (x, score, name)."""

    vocabulary = None

    def __init__(self, found):
        self.found = found

    def unknown_names(self, names):
        return ()

    def detect(self, frames, names):
        return [
            [
                Detection(Box(x, 10, x + 12, 22), name, score, mask=Rle.encode(square(x)))
                for x, score, name in self.found(int(frame[0, 0, 0]))
            ]
            for frame in frames
        ]


class Drifting:
    """A propagator that leaves every mask where it was given."""

    def __init__(self, **capabilities):
        self.capabilities = PropagatorCapabilities(
            **{"masks": True, "corrections": True, **capabilities}
        )
        self.opened = 0

    def open(self, video, *, seed=0):
        self.opened += 1
        return _DriftingSession(video, self.capabilities)


class _DriftingSession(SessionBase):
    def propagate(self, frames):
        masks = {}
        for index, _ in frames:
            masks |= self.masks_on(index)
            yield index, dict(masks)


def numbered_video(count):
    """Return a video in which each frame tells its index by its color."""
    frames = [np.full((*SIZE, 3), index, np.uint8) for index in range(count)]
    return vs.Video.from_frames(frames)


def find(detector, propagator, *, count=9, **options):
    finder = TrackFinder(detector, propagator, **{"num_frames": count, **options})
    return finder.find(numbered_video(count), ["dog"], window=vs.Window(0, count))


def test_each_object_of_a_clip_gets_one_exact_track(clip):
    finder = TrackFinder(TruthDetector(clip, masks=True), TruthPropagator(clip))
    pool = finder.find(clip.video, ["thing"], window=vs.Window(0, clip.num_frames))
    assert len(pool.tracks) == len(clip.objects)
    for track in pool.tracks:
        object_id = int(clip.labels[track.clearest][track.mask(track.clearest)][0])
        truth = clip.masks(object_id)
        for frame in range(clip.num_frames):
            mask = track.mask(frame)
            assert (truth[frame] == mask).all() if mask is not None else not truth[frame].any()


def test_real_stages_follow_a_clip_that_a_perfect_detector_sees():
    clip = make_clip(seed=5, num_frames=10, size=(96, 128), num_objects=2)
    registry = vs.default_registry()
    finder = TrackFinder(
        TruthDetector(clip),
        registry.build("propagator", "flow"),
        segmenter=registry.build("segmenter", "cut"),
        num_frames=4,
    )
    pool = finder.find(clip.video, ["thing"], window=vs.Window(0, clip.num_frames))
    assert len(pool.tracks) == 2
    for track in pool.tracks:
        object_id = int(np.bincount(clip.labels[5][track.mask(5)]).argmax())
        scores = [iou(track.mask(f), clip.masks(object_id)[f]) for f in track.frames]
        assert np.mean(scores) > 0.8


def test_an_object_that_appears_later_is_added():
    late = Scripted(lambda f: [(0, 0.9, "dog")] + [(30, 0.9, "dog")] * (f >= 2))
    seen = find(late, Drifting(), count=9)
    assert len(seen.tracks) == 2
    # It is followed back to the start, too: what was detected late may have been there before.
    assert all(track.frames == tuple(range(9)) for track in seen.tracks)


def test_what_a_reliable_detector_misses_time_and_again_is_cut_off():
    dog = Scripted(lambda f: [(0, 0.9, "dog")] * (4 <= f < 9))
    [track] = find(dog, Drifting(), count=13).tracks
    assert track.frames == tuple(range(4, 9))
    rare = Scripted(lambda f: [(0, 0.9, "dog")] * (f in (4, 8)))
    [track] = find(rare, Drifting(), count=13).tracks
    assert track.frames == tuple(range(13))


def test_without_backward_runs_a_late_object_begins_late_with_a_warning():
    pool = find(
        Scripted(lambda f: [(0, 0.9, "dog")] * (f >= 5)), Drifting(backward=False), count=9
    )
    [track] = pool.tracks
    assert track.frames == (5, 6, 7, 8)
    assert "cannot run backward" in pool.warnings[0]


def test_a_track_that_stays_behind_is_corrected_by_detections():
    moving = Scripted(lambda f: [(3 * f, 0.9, "dog")])
    [track] = find(moving, Drifting()).tracks
    assert track.num_detections == 9
    assert (track.mask(8) == square(24)).all()
    stuck = find(moving, Drifting(corrections=False)).tracks
    assert (stuck[0].mask(2) == square(0)).all()


def test_weak_detections_start_no_track_where_there_are_strong_ones():
    pool = find(Scripted(lambda f: [(0, 0.9, "dog"), (30, 0.35, "dog")]), Drifting())
    assert len(pool.tracks) == 1
    alone = find(Scripted(lambda f: [(30, 0.35, "dog")]), Drifting())
    assert len(alone.tracks) == 1


def test_one_thing_found_under_two_names_is_one_track():
    pool = find(Scripted(lambda f: [(0, 0.6, "animal"), (0, 0.9, "dog")]), Drifting())
    assert [track.name for track in pool.tracks] == ["dog"]


def test_the_number_of_tracks_is_bounded_and_what_is_left_out_is_said():
    crowd = Scripted(lambda f: [(x, 0.9, "dog") for x in (0, 15, 30, 45)])
    pool = find(crowd, Drifting(), max_tracks=2)
    assert len(pool.tracks) == 2
    assert "max_tracks=2 was reached" in pool.warnings[-1]


def test_a_propagator_of_few_objects_runs_in_several_sessions():
    crowd = Scripted(lambda f: [(x, 0.9, "dog") for x in (0, 15, 30)])
    propagator = Drifting(max_objects_per_pass=1)
    assert len(find(crowd, propagator).tracks) == 3
    assert propagator.opened == 3


def test_a_propagator_without_late_objects_gets_a_session_for_them():
    late = Scripted(lambda f: [(0, 0.9, "dog")] + [(30, 0.9, "dog")] * (f >= 4))
    propagator = Drifting(late_objects=False, backward=False)
    assert len(find(late, propagator).tracks) == 2
    assert propagator.opened == 2


def test_tracks_stay_in_the_window():
    finder = TrackFinder(Scripted(lambda f: [(0, 0.9, "dog")]), Drifting())
    pool = finder.find(numbered_video(12), ["dog"], window=vs.Window(3, 8))
    assert pool.tracks[0].frames == tuple(range(3, 8))


@pytest.mark.parametrize(("shift", "expected"), [(1, 1), (9, 2)])
def test_tracks_that_overlap_are_merged(shift, expected):
    first = Track(1, "dog", {f: Rle.encode(square(5)) for f in range(6)})
    second = Track(2, "dog", {f: Rle.encode(square(5 + shift)) for f in range(3, 12)})
    merged = merge_duplicates([first, second])
    assert len(merged) == expected
    assert merged[0].frames == tuple(range(12 if expected == 1 else 6))


def test_tracks_start_from_the_detection_that_scores_highest():
    # The first detection is weak, and its mask is another than the one the propagator repeats.
    scored = Scripted(lambda f: [(0, 0.9 if f == 4 else 0.5, "dog")])
    started = []

    class Noting(Drifting):
        def open(self, video, *, seed=0):
            session = super().open(video, seed=seed)
            prompt = session.prompt
            session.prompt = lambda given: (started.append(given.frame), prompt(given))
            return session

    [track] = find(scored, Noting()).tracks
    assert started == [0, 4, 4]  # to associate, then forward and backward
    assert track.frames == tuple(range(9))


class Tracker(Scripted):
    """A detector that tracks by itself."""

    def track(self, video, names, *, window=None):
        for frame in window:
            yield (
                frame,
                {
                    number: Detection(
                        Box(x, 10, x + 12, 22), name, score, mask=Rle.encode(square(x))
                    )
                    for number, (x, score, name) in enumerate(self.found(frame), start=4)
                },
            )


def test_a_detector_that_tracks_needs_no_propagator():
    pool = find(Tracker(lambda f: [(0, 0.5, "dog"), (2 * f + 20, 0.9, "dog")][: f + 1]), None)
    assert [track.frames for track in pool.tracks] == [tuple(range(1, 9)), tuple(range(9))]
    assert (pool.tracks[0].mask(5) == square(30)).all()
    bounded = find(Tracker(lambda f: [(0, 0.9, "dog"), (30, 0.8, "dog")]), None, max_tracks=1)
    assert len(bounded.tracks) == 1
    assert "max_tracks=1" in bounded.warnings[0]


def test_a_detector_that_does_not_track_needs_one():
    with pytest.raises(vs.ConfigError, match="does not follow what it finds"):
        TrackFinder(Scripted(lambda f: []), None)
