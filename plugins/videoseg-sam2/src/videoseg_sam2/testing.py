"""The contract test of memory policies: derive from it in your own tests and give ``make``."""

# ruff: noqa: D102 - the name of a test says what it checks

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import numpy as np

from videoseg.types import FloatArray
from videoseg_sam2.memory import Output
from videoseg_sam2.paths import Paths
from videoseg_sam2.policy import BranchingPolicy, Candidates, FrameRecord, Keeping, MemoryPolicy
from videoseg_sam2.trail import Trail

__all__ = ["MemoryPolicyContract"]

_SIDE = 64
# Beyond the reach of every slot and pointer of the network many times over.
_NUM_FRAMES = 300


class MemoryPolicyContract:
    """What every memory policy is asked for, without a network.

    Example:
        >>> from videoseg_sam2 import MemoryPolicy
        >>> class TestMine(MemoryPolicyContract):
        ...     def make(self):
        ...         return MemoryPolicy()
    """

    def make(self) -> MemoryPolicy:
        """Return a new policy."""
        raise NotImplementedError("give your contract test a make() that returns the policy")

    def test_declares_what_it_holds_at_most(self) -> None:
        bounds = self.make().bounds
        _check(
            bounds.features >= 0 and bounds.pointers >= 0 and bounds.branches >= 1,
            f"bounds must be numbers of frames, and of branches; got {bounds}",
        )
        _check(
            bounds.delay == 0
            if bounds.branches == 1
            else bounds.delay is None or bounds.delay > 0,
            f"a delay is what several branches need, and one does not; got {bounds}",
        )

    def test_holds_no_more_than_it_declares(self) -> None:
        # The trail raises where a bound is exceeded or something is recalled that is not held.
        for seed in range(3):
            list(_answers(self.make(), seed=seed, num_frames=_NUM_FRAMES))

    def test_an_object_that_is_never_seen_again(self) -> None:
        list(_answers(self.make(), seed=0, num_frames=60, present=0))

    def test_corrections_on_many_frames(self) -> None:
        list(_answers(self.make(), seed=0, num_frames=90, prompt_every=7))

    def test_takes_a_single_candidate(self) -> None:
        list(_answers(self.make(), seed=0, num_frames=30, num_candidates=1))

    def test_the_same_frames_give_the_same_answers(self) -> None:
        one, other = (list(_answers(self.make(), seed=1, num_frames=80)) for _ in range(2))
        _check(one == other, "two policies that see the same frames must answer the same")

    def test_policies_share_nothing(self) -> None:
        alone = list(_answers(self.make(), seed=1, num_frames=80))
        others = _answers(self.make(), seed=2, num_frames=80)
        beside = []
        for answer in _answers(self.make(), seed=1, num_frames=80):
            beside.append(answer)
            next(others, None)
        _check(alone == beside, "a policy answered otherwise because another one was in use")

    def test_forks_share_nothing(self) -> None:
        if self.make().bounds.branches == 1:
            return
        alone = list(_answers(self.make(), seed=1, num_frames=80))
        forked = list(_answers(self.make(), seed=1, num_frames=80, leads_forks=True))
        _check(alone == forked, "a policy answered otherwise because a fork of it was led on")


def _answers(
    policy: MemoryPolicy,
    *,
    seed: int,
    num_frames: int,
    num_candidates: int = 3,
    prompt_every: int = 90,
    present: float = 0.8,
    leads_forks: bool = False,
) -> Iterator[tuple[object, ...]]:
    """Lead a policy through drawn frames and yield what it answers on each."""
    generator = np.random.default_rng(seed)
    paths = Paths(Trail(policy, origin=0, reverse=False, num_slots=6, num_pointers=15))
    given = _output()
    paths.best.pass_prompted(_record(0, _disks(generator, 0, 1)[0], 1.0, 10.0, 1))
    for step in range(1, num_frames):
        drawn = [
            _candidates(generator, step, num_candidates, present=present) for _ in paths.trails
        ]
        if step % prompt_every == 0:
            paths.settle()
            paths.best.pass_prompted(_record(step, drawn[0].logits[0], 1.0, 10.0, 1))
            yield ("prompted",)
            continue
        if leads_forks:
            for trail in paths.trails:
                fork = cast("BranchingPolicy", trail.policy).fork()
                fork.keep(_record_of(drawn[0], 0))
                fork.held()
        read = [trail.attend(step, {0: given}).outputs for trail in paths.trails]
        if paths.branches:
            followed = paths.grow(drawn)
        else:
            followed = [(0, paths.best.choose(drawn[0]), paths.best)]
        kept: list[Keeping] = []

        def remember(keeping: Keeping, kept: list[Keeping] = kept) -> Output:
            kept.append(keeping)
            return _output(has_features=keeping != "pointer")

        for path, choice, trail in followed:
            trail.keep(_record_of(drawn[path], choice), remember)
        decided = paths.answer(step, [choice for _, choice, _ in followed])
        chosen = tuple((path, choice) for path, choice, _ in followed)
        yield chosen, decided, *kept, *(tuple(one) for found in read for one in found.values())


def _candidates(
    generator: np.random.Generator, step: int, number: int, *, present: float
) -> Candidates:
    """Draw what the network might propose on a frame."""
    disks = _disks(generator, step, number)
    # Away for some time, and now and then on one frame.
    visible = generator.random() < present and not 40 <= step % 100 < 60
    ious = tuple(generator.uniform(0.2, 1.0, number).tolist())
    score = float(generator.uniform(0.5, 8.0)) * (1 if visible else -1)
    logits = disks if visible else np.full_like(disks, -1024.0)
    return Candidates(step, logits, ious, score, _SIDE)


def _record_of(candidates: Candidates, choice: int) -> FrameRecord:
    """Return the record of a frame on which a candidate was chosen."""
    logits, iou = candidates.logits[choice], candidates.ious[choice]
    score = candidates.object_score
    return _record(candidates.step, logits, iou, score, len(candidates.ious))


def _disks(generator: np.random.Generator, step: int, number: int) -> FloatArray:
    """Draw one disk that moves slowly, and others near it; logits of shape (number, h, w)."""
    rows, columns = np.mgrid[: _SIDE // 4, : _SIDE // 4]
    logits = []
    for index in range(number):
        x, y = 4 + 8 * ((step / 60) % 1), 8.0
        if index:
            x, y = x + generator.uniform(-5, 5), y + generator.uniform(-5, 5)
        logits.append(3.0 - np.hypot(columns - x, rows - y))
    return np.stack(logits).astype(np.float32)


def _record(
    step: int, logits: FloatArray, iou: float, score: float, num_candidates: int
) -> FrameRecord:
    return FrameRecord(step, logits, iou, score, num_candidates, _SIDE)


def _output(*, has_features: bool = True) -> Output:
    import torch

    features = torch.zeros(1, 2, 1, 1)
    return Output(
        features if has_features else None,
        [features],
        features[:, :, 0, 0],
        features[:, :1, 0, 0],
    )


def _check(condition: object, message: str) -> None:
    if not condition:
        raise AssertionError(message)
