"""What each memory policy chooses, keeps and recalls, told of drawn frames without a network."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from videoseg_sam2 import (
    Candidates,
    DistractorAware,
    FrameRecord,
    Held,
    MemoryBounds,
    MemoryPolicy,
    Proposal,
    Recall,
    Sam2Long,
    Sam3Selection,
    Samurai,
    extent_of,
)
from videoseg_sam2.policies.box_filter import BoxFilter, box_iou
from videoseg_sam2.testing import MemoryPolicyContract

from videoseg.errors import ConfigError, PropagationError


class TestFirstInFirstOut(MemoryPolicyContract):
    def make(self) -> MemoryPolicy:
        return MemoryPolicy()


class TestSamurai(MemoryPolicyContract):
    def make(self) -> MemoryPolicy:
        return Samurai()


class TestDistractorAware(MemoryPolicyContract):
    def make(self) -> MemoryPolicy:
        return DistractorAware()


class TestSam3Selection(MemoryPolicyContract):
    def make(self) -> MemoryPolicy:
        return Sam3Selection()


class TestSam2Long(MemoryPolicyContract):
    def make(self) -> MemoryPolicy:
        return Sam2Long()


class TestSam2LongToTheEnd(MemoryPolicyContract):
    def make(self) -> MemoryPolicy:
        return Sam2Long(2, delay=None)


def box(left: int, top: int, right: int, bottom: int) -> np.ndarray:
    """Return logits of 64x64 that are positive in a box, its last pixels included."""
    logits = np.full((64, 64), -5.0, np.float32)
    logits[top : bottom + 1, left : right + 1] = 5.0
    return logits


NOTHING = np.full((64, 64), -1024.0, np.float32)


def candidates(step: int, masks: list[np.ndarray], ious: list[float]) -> Candidates:
    return Candidates(step, np.stack(masks), tuple(ious), 5.0, 64)


def record(
    step: int, logits: np.ndarray, iou: float = 0.9, score: float = 5.0, num_candidates: int = 3
) -> FrameRecord:
    return FrameRecord(step, logits, iou, score, num_candidates, 64)


GIVEN = record(0, box(10, 20, 29, 39), 1.0, 10.0, 1)


def test_the_extent_of_a_mask() -> None:
    assert extent_of(box(3, 5, 7, 9) > 0) == (3, 5, 7, 9)
    assert extent_of(NOTHING > 0) is None
    assert record(0, box(3, 5, 7, 9)).area == 25


def test_a_box_that_moves_steadily_is_predicted() -> None:
    steady = BoxFilter((10, 10, 20, 30))
    for step in range(1, 20):
        steady.predict()
        steady.correct((10 + 2 * step, 10, 20 + 2 * step, 30))
    steady.predict()
    assert steady.box == pytest.approx((50, 10, 60, 30), abs=0.5)


def test_the_iou_of_boxes() -> None:
    assert box_iou((0, 0, 10, 10), (5, 0, 15, 10)) == pytest.approx(1 / 3)
    assert box_iou((0, 0, 10, 10), (20, 0, 30, 10)) == 0
    assert box_iou((0, 0, 0, 0), (0, 0, 0, 0)) == 0


def test_samurai_follows_the_motion_once_it_is_steady() -> None:
    policy, choices = Samurai(), []
    policy.prompted(GIVEN)
    for step in range(1, 30):
        # The twin far away scores a little higher; it stands still, so its box does not agree.
        here, twin = box(10 + step, 20, 29 + step, 39), box(45, 45, 60, 60)
        ious = [0.8, 0.9, 0.1] if step > 16 else [0.9, 0.8, 0.1]
        choices.append(policy.choose(candidates(step, [here, twin, NOTHING], ious)))
        policy.keep(record(step, [here, twin, NOTHING][choices[-1]], ious[choices[-1]]))
    assert choices == [0] * 29
    without_motion = Samurai(motion_weight=0.0)
    without_motion.prompted(GIVEN)
    for step in range(1, 18):
        here, twin = box(10 + step, 20, 29 + step, 39), box(45, 45, 60, 60)
        ious = [0.8, 0.9, 0.1] if step > 16 else [0.9, 0.8, 0.1]
        last = without_motion.choose(candidates(step, [here, twin, NOTHING], ious))
    assert last == 1


def test_samurai_starts_anew_when_it_was_wrong() -> None:
    policy = Samurai()
    policy.prompted(GIVEN)
    for step in range(1, 20):
        policy.choose(candidates(step, [box(10, 20, 29, 39)] * 3, [0.9, 0.1, 0.1]))
    policy.choose(candidates(20, [NOTHING] * 3, [0.2, 0.1, 0.1]))
    # The filter is not asked: the highest estimate wins wherever it lies.
    masks = [box(10, 20, 29, 39), box(45, 45, 60, 60), NOTHING]
    assert policy.choose(candidates(21, masks, [0.8, 0.81, 0.1])) == 1


def test_samurai_reads_good_frames_by_rank_and_the_one_before() -> None:
    policy = Samurai()
    policy.prompted(GIVEN)
    for step in range(1, 21):
        good = step in (2, 3, 5, 8, 9, 13, 17)
        policy.keep(record(step, GIVEN.logits, 0.9 if good else 0.4))
    recall = policy.recall(21)
    assert recall.features == {1: 20, 2: 17, 3: 13, 4: 9, 5: 8, 6: 5}
    assert recall.pointers == {distance: 21 - distance for distance in range(1, 16)}


def test_samurai_starts_its_filter_from_a_correction() -> None:
    policy = Samurai()
    policy.prompted(GIVEN)
    policy.prompted(record(5, box(40, 40, 59, 59), 1.0, 10.0, 1))
    for step in range(6, 24):
        policy.choose(candidates(step, [box(40, 40, 59, 59)] * 3, [0.9, 0.1, 0.1]))
    masks = [box(10, 20, 29, 39), box(40, 40, 59, 59), NOTHING]
    assert policy.choose(candidates(24, masks, [0.9, 0.85, 0.1])) == 1


def lead(policy: DistractorAware, step: int, others: list[np.ndarray], iou: float = 0.9) -> str:
    masks = [GIVEN.logits, *others]
    policy.choose(candidates(step, masks, [iou, 0.5, 0.4]))
    return policy.keep(record(step, GIVEN.logits, iou))


TWIN = np.maximum(GIVEN.logits, box(45, 45, 60, 60))


def test_dam_does_not_remember_frames_without_the_object() -> None:
    policy = DistractorAware()
    policy.prompted(GIVEN)
    assert lead(policy, 1, [GIVEN.logits] * 2) == "recent"
    assert policy.keep(record(2, NOTHING, 0.9, -3.0)) == "nothing"
    recall = policy.recall(3)
    assert recall.features == {1: 1}
    assert recall.pointers == {2: 1}


def test_dam_takes_frames_with_a_distractor_for_prompts() -> None:
    policy = DistractorAware()
    policy.prompted(GIVEN)
    kept = [lead(policy, step, [TWIN, GIVEN.logits]) for step in range(1, 40)]
    # More than five frames apart, the first of them after the prompt.
    assert [step for step, kind in enumerate(kept, 1) if kind == "anchor"] == [
        6,
        12,
        18,
        24,
        30,
        36,
    ]
    recall = policy.recall(40)
    assert recall.anchors == (24, 30, 36)
    assert recall.features == {1: 39, 2: 35, 3: 25}
    assert not {24, 30, 36} & set(recall.pointers.values())


@pytest.mark.parametrize(
    ("others", "iou"),
    [([GIVEN.logits, GIVEN.logits], 0.9), ([TWIN, GIVEN.logits], 0.7)],
    ids=["no distractor", "not sure"],
)
def test_dam_takes_no_other_frames_for_prompts(others: list[np.ndarray], iou: float) -> None:
    policy = DistractorAware()
    policy.prompted(GIVEN)
    assert {lead(policy, step, others, iou) for step in range(1, 20)} == {"recent"}
    assert policy.recall(20).features == {1: 19, 2: 15, 3: 10, 4: 5}


def test_dam_takes_no_frame_of_another_size_for_a_prompt() -> None:
    policy = DistractorAware()
    policy.prompted(GIVEN)
    large = box(5, 5, 44, 44)
    policy.choose(candidates(9, [large, np.maximum(large, box(55, 55, 62, 62)), large], [1, 0, 0]))
    assert policy.keep(record(9, large)) == "recent"


def test_sam3_passes_over_frames_without_the_object() -> None:
    policy = Sam3Selection()
    policy.prompted(GIVEN)
    for step in range(1, 12):
        policy.keep(record(step, GIVEN.logits, 0.9, -2.0 if 4 <= step <= 9 else 5.0))
    assert policy.recall(12).features == {1: 11, 2: 10, 3: 3, 4: 2, 5: 1}
    assert policy.recall(12).pointers == policy.recall(12).features
    policy.keep(record(12, GIVEN.logits, 0.9, -2.0))
    assert policy.recall(13).features == {1: 12, 2: 11, 3: 10, 4: 3, 5: 2, 6: 1}


def test_sam3_takes_any_object_score() -> None:
    policy = Sam3Selection()
    policy.prompted(GIVEN)
    for step, score in ((1, -1e4), (2, 1e4)):
        policy.keep(record(step, GIVEN.logits, 0.9, score))
    assert policy.recall(3).features == {1: 2}


def test_sam2long_follows_the_best_sums_of_what_paths_propose() -> None:
    policy = started(Sam2Long())
    policy.keep(record(1, GIVEN.logits, 0.5))
    better = policy.fork()
    policy.keep(record(2, GIVEN.logits, 0.5))
    better.keep(record(2, GIVEN.logits, 0.9))
    # The second path is ahead by the ratio of 0.9 and 0.5.
    proposals = [
        Proposal(policy, candidates(3, [GIVEN.logits] * 3, [0.9, 0.8, 0.1])),
        Proposal(better, candidates(3, [GIVEN.logits] * 3, [0.3, 0.6, 0.45])),
    ]
    assert list(policy.choose_branches(proposals)) == [(1, 1), (0, 0), (1, 2)]


def test_sam2long_follows_what_differs_where_no_path_is_sure() -> None:
    policy = started(Sam2Long())
    policy.keep(record(1, GIVEN.logits))
    masks = [GIVEN.logits] * 3

    def follow(*found: tuple[list[float], float]) -> list[tuple[int, int]]:
        proposals = [
            Proposal(policy, Candidates(2, np.stack(masks), tuple(ious), score, 64))
            for ious, score in found
        ]
        return list(policy.choose_branches(proposals))

    alike = [0.9, 0.899, 0.3]
    assert follow((alike, 2.5), (alike, 1.0)) == [(0, 0), (1, 0), (0, 1)]
    assert follow((alike, 1.5), (alike, 1.0)) == [(0, 0), (1, 0), (0, 2)]
    # An absent object is something else, and so is one that is surely absent.
    assert follow((alike, 1.5), (alike, -1.0)) == [(0, 0), (1, 0), (0, 2)]
    assert follow(([0.9, 0.5, 0.3], 1.5), (alike, -1.0)) == [(0, 0), (1, 0), (0, 1)]
    assert follow((alike, 1.5), (alike, -2.5)) == [(0, 0), (1, 0), (0, 1)]
    assert follow(([0.9] * 3, 1.0)) == [(0, 0)]


def test_sam2long_does_not_branch_on_the_frame_after_a_prompt() -> None:
    policy = started(Sam2Long())
    proposal = Proposal(policy, candidates(1, [GIVEN.logits] * 3, [0.2, 0.9, 0.8]))
    assert list(policy.choose_branches([proposal])) == [(0, 1)]
    policy.keep(record(1, GIVEN.logits))
    assert list(policy.choose_branches([proposal])) == [(0, 1), (0, 2), (0, 0)]


def test_sam2long_reads_good_frames_by_rank_and_the_one_before() -> None:
    policy = started(Sam2Long())
    for step in range(1, 22):
        iou = 0.2 if step % 5 == 0 else 0.9
        policy.keep(record(step, GIVEN.logits, iou, -1.0 if step in (19, 21) else 5.0))
    recall = policy.recall(22)
    assert recall.features == {1: 21, 2: 18, 3: 17, 4: 16, 5: 14, 6: 13}
    assert list(recall.pointers.values()) == [21, 18, 17, 16, 14, 13, 12, 11, 9, 8, 7, 6, 4, 3, 2]


def test_sam2long_reads_with_larger_keys_what_shows_the_object_for_sure() -> None:
    policy = started(Sam2Long())
    for step, score in enumerate((3.0, 7.0, 1.0, 5.0), 1):
        policy.keep(record(step, GIVEN.logits, 0.9, score))
    expected = {3: 0.95, 1: 0.975, 4: 1.0, 2: 1.025, 0: 1.05}
    assert policy.recall(5).factors == pytest.approx(expected)
    assert policy.recall(5).pointer_factors == pytest.approx(expected)
    for step in range(5, 12):
        policy.keep(record(step, GIVEN.logits, 0.9, 5.0))
    recall = policy.recall(12)
    assert set(recall.factors) == {0, *recall.features.values()}
    assert set(recall.pointer_factors or ()) == {0, *recall.pointers.values()}


def test_sam2long_takes_estimates_below_zero() -> None:
    policy = started(Sam2Long())
    policy.keep(record(1, GIVEN.logits, -0.2))
    proposal = Proposal(policy, candidates(2, [GIVEN.logits] * 3, [-0.5, 0.3, -0.1]))
    assert policy.choose_branches([proposal])[0] == (0, 1)


@pytest.mark.parametrize("options", [{"num_paths": 0}, {"delay": 0}])
def test_sam2long_refuses_what_is_no_tree(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="num_paths must be at least 1, and delay at least 1"):
        Sam2Long(**options)


def started(policy: Sam2Long) -> Sam2Long:
    policy.prompted(GIVEN)
    return policy


class Greedy(MemoryPolicy):
    bounds = MemoryBounds(3, 15)


class Forgetful(MemoryPolicy):
    def held(self) -> Held:
        return Held(set(), set())


class Wild(MemoryPolicy):
    def choose(self, candidates: Candidates) -> int:
        return 3


class Undecided(MemoryPolicy):
    def choose(self, candidates: Candidates) -> int:
        return None  # type: ignore[return-value]


class Unknown(MemoryPolicy):
    def recall(self, step: int) -> Recall:
        return Recall(features={7: 1})


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        (Greedy, "Greedy holds the features of 4 frames, but declares 3 at most"),
        (Wild, "Wild chose candidate 3 of 3"),
        (Undecided, "Undecided chose candidate None of 3"),
        (Unknown, "Unknown recalls slot 7; this network has slots 1 to 6"),
    ],
)
def test_a_policy_that_breaks_the_rules_is_named(policy: type[MemoryPolicy], message: str) -> None:
    class Contract(MemoryPolicyContract):
        def make(self) -> MemoryPolicy:
            return policy()

    with pytest.raises(PropagationError, match=message):
        Contract().test_holds_no_more_than_it_declares()


def test_a_policy_that_recalls_what_it_let_go_is_named() -> None:
    class Contract(MemoryPolicyContract):
        def make(self) -> MemoryPolicy:
            return Forgetful()

    with pytest.raises(PropagationError, match=r"Forgetful recalls features of step 1.*held\(\)"):
        Contract().test_holds_no_more_than_it_declares()
