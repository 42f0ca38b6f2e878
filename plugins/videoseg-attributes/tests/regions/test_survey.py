"""What a survey of a window promises."""

import weakref

import cv2
import numpy as np
import pytest
from videoseg_attributes.grounding.prompts import choose_positions, refine_on_frame
from videoseg_attributes.regions.frames import read_window
from videoseg_attributes.regions.survey import survey_window
from videoseg_synthetic import make_clip

from videoseg.errors import ConfigError
from videoseg.types import Window
from videoseg.video import Video

SIZE = (120, 200)


def textured(size, *, seed, base, spread=16):
    rng = np.random.default_rng(seed)
    coarse = rng.normal(0, spread, (size[0] // 5 + 2, size[1] // 5 + 2, 3)).astype(np.float32)
    field = cv2.resize(coarse, (size[1], size[0]), interpolation=cv2.INTER_CUBIC)
    return np.clip(np.array(base, np.float32) + field, 0, 255).astype(np.uint8)


def drawn(*, num_frames=16, movers=(), still=(), pan=0):
    """Discs on a panning ground; each is (x, y, radius, color, (vx, vy) or absent)."""
    wide = textured((SIZE[0], SIZE[1] + abs(pan) * num_frames), seed=1, base=(95, 110, 95))
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    frames, masks = [], []
    for step in range(num_frames):
        shift = pan * step
        frame = wide[:, shift : shift + SIZE[1]].copy()
        here = []
        for number, (cx, cy, radius, color, *velocity) in enumerate([*still, *movers]):
            vx, vy = velocity[0] if velocity else (-pan, 0)
            mask = np.hypot(x + 0.5 - cx - vx * step, y + 0.5 - cy - vy * step) <= radius
            texture = textured((80, 80), seed=10 + number, base=color, spread=12)
            column = (x - int(cx + vx * step)) % 80
            row = (y - int(cy + vy * step)) % 80
            frame[mask] = texture[row[mask], column[mask]]
            for earlier in here:
                earlier &= ~mask
            here.append(mask)
        frames.append(frame)
        masks.append(here)
    return Video.from_frames(np.stack(frames), fps=12.0), masks


def survey(video, **options):
    return survey_window(video, window=Window(0, len(video)), **options)


def overlap(candidate, found, masks, number):
    scores = []
    for position, frame in enumerate(found.frames):
        truth = masks[frame][number]
        mask = candidate.mask(position)
        if truth.sum() < 30:
            continue
        if mask is None:
            scores.append(0.0)
            continue
        truth = cv2.resize(truth.astype(np.uint8), found.size[::-1], interpolation=0) > 0
        scores.append((mask & truth).sum() / (mask | truth).sum())
    return float(np.mean(scores))


def best_for(found, masks, number):
    return max(found.candidates, key=lambda c: overlap(c, found, masks, number))


RED, BLUE, YELLOW = (200, 50, 50), (50, 60, 200), (210, 190, 60)


@pytest.fixture(scope="module")
def street():
    """Two discs that cross a panning view in opposite directions, and a still one."""
    return drawn(
        movers=[(40, 35, 14, RED, (4, 0)), (160, 85, 16, BLUE, (-5, 0))],
        still=[(110, 60, 11, YELLOW)],
        pan=1,
    )


@pytest.fixture(scope="module")
def found(street):
    return survey(street[0])


def test_every_object_is_covered_by_a_candidate_of_its_own(street, found):
    best = [best_for(found, street[1], number) for number in range(3)]
    assert len({candidate.candidate_id for candidate in best}) == 3
    for number, candidate in enumerate(best):
        assert overlap(candidate, found, street[1], number) > 0.6


def test_velocities_are_those_against_the_scene(street, found):
    diagonal = float(np.hypot(*SIZE))
    # In the picture the red disc moves by 4 a frame; the scene by -1.
    for number, expected in ((1, 5.0), (2, -4.0), (0, 0.0)):
        candidate = best_for(found, street[1], number)
        speeds = [velocity[0] for velocity in candidate.velocities if velocity is not None]
        assert np.median(speeds) == pytest.approx(
            expected * 12 / diagonal, abs=0.8 * 12 / diagonal
        )


def test_movers_come_before_still_things(street, found):
    still = best_for(found, street[1], 0)
    movers = [best_for(found, street[1], number) for number in (1, 2)]
    assert max(mover.candidate_id for mover in movers) < still.candidate_id
    saliencies = [candidate.saliency for candidate in found.candidates]
    assert saliencies == sorted(saliencies, reverse=True)
    assert all(0.0 <= value <= 1.0 for value in saliencies)


def test_masks_are_disjoint_and_complete_records(found):
    for position in range(len(found.frames)):
        total = np.zeros(found.size, int)
        for candidate in found.candidates:
            mask = candidate.mask(position)
            if mask is not None:
                assert mask.any()
                total += mask
            assert (candidate.velocities[position] is None) == (mask is None)
            assert (candidate.motion[position] is None) == (mask is None)
        assert total.max() <= 1
    assert [c.candidate_id for c in found.candidates] == list(range(len(found.candidates)))


def test_same_video_gives_same_survey(street, found):
    again = survey(street[0], seed=5)
    assert [c.masks for c in again.candidates] == [c.masks for c in found.candidates]
    assert again.depth_order == found.depth_order


def test_number_of_candidates_and_frames_is_limited(street):
    small = survey(street[0], num_frames=5, max_candidates=2)
    assert len(small.frames) == 5
    assert len(small.candidates) <= 2
    assert small.frames[0] == 0 and small.frames[-1] == len(street[0]) - 1


def test_only_the_window_is_surveyed(street):
    window = Window(3, 9)
    part = survey_window(street[0], window=window)
    assert part.frames == (3, 4, 5, 6, 7, 8)


def test_still_objects_on_a_single_image_are_found():
    video, masks = drawn(num_frames=1, still=[(60, 60, 18, RED), (140, 50, 14, BLUE)])
    found = survey(video)
    for number in range(2):
        candidate = best_for(found, masks, number)
        assert overlap(candidate, found, masks, number) > 0.7


@pytest.mark.parametrize("size", [(1, 1), (2, 40), (17, 9)])
def test_tiny_and_flat_videos_do_not_crash(size):
    frames = np.full((4, *size, 3), 90, np.uint8)
    found = survey(Video.from_frames(frames))
    assert found.source_size == size


def test_cuts_are_reported():
    clip = make_clip(seed=4, num_frames=32, size=(120, 160), cut=True)
    found = survey(clip.video)
    assert set(found.cuts) == set(clip.cuts)


def test_what_passes_in_front_is_told():
    video, masks = drawn(
        num_frames=20, still=[(100, 60, 15, YELLOW)], movers=[(40, 60, 22, BLUE, (6, 0))]
    )
    found = survey(video, num_frames=20)
    front = best_for(found, masks, 1).candidate_id
    behind = best_for(found, masks, 0).candidate_id
    assert (front, behind) in found.depth_order
    assert (behind, front) not in found.depth_order


def test_wrong_numbers_are_refused(street):
    with pytest.raises(ConfigError, match="num_frames"):
        survey(street[0], num_frames=0)
    with pytest.raises(ConfigError, match="max_candidates"):
        survey(street[0], max_candidates=0)
    with pytest.raises(ConfigError, match="window"):
        survey_window(street[0], window=Window(0, 99))


def test_one_frame_shows_all_chosen_candidates(street, found):
    wanted = [best_for(found, street[1], number) for number in (1, 2)]
    position, other = choose_positions(found, wanted)
    assert position == other
    assert all(candidate.mask(position) is not None for candidate in wanted)
    assert not any(candidate.cut_by_border[position] for candidate in wanted)


def test_refined_candidate_is_precise_with_points_on_and_off_it(street, found):
    video, masks = street
    candidate = best_for(found, masks, 1)
    frame = found.frames[choose_positions(found, [candidate])[0]]
    refined = refine_on_frame(video, found, candidate, frame=frame)
    truth = masks[frame][1]
    assert refined is not None
    assert (refined.mask & truth).sum() / (refined.mask | truth).sum() > 0.8
    assert truth[int(refined.point.y), int(refined.point.x)]
    assert refined.negative_points
    for point in refined.negative_points:
        assert not refined.mask[int(point.y), int(point.x)]
    assert refined.box.contains(refined.point)


def test_refining_outside_the_window_is_refused(street, found):
    with pytest.raises(ConfigError):
        refine_on_frame(street[0], found, found.candidates[0], frame=99)


class CountedFrames:
    """A video that counts how many of the frames that it gave are still held."""

    num_frames, size, fps, name = 120, (64, 96), 10.0, "counted"

    def __init__(self) -> None:
        self.given: list[weakref.ref] = []
        self.most_held = 0

    def __getitem__(self, index: int) -> np.ndarray:
        frame = np.full((*self.size, 3), 90 + index % 7, np.uint8)
        self.given.append(weakref.ref(frame))
        self.most_held = max(self.most_held, sum(one() is not None for one in self.given))
        return frame

    def iter_frames(self, start: int, stop: int):
        for index in range(start, stop):
            yield index, self[index]


def test_frames_that_are_only_searched_for_cuts_are_let_go() -> None:
    video = CountedFrames()
    read_window(video, Window(0, 120), (10, 60, 110))
    assert len(video.given) >= 120
    assert video.most_held < 60
