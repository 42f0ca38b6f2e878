"""Several memories of one object: what they have in common with one, and when they answer."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from videoseg_sam2 import (
    BranchingPolicy,
    Candidates,
    MemoryBounds,
    MemoryPolicy,
    Proposal,
    Sam2Long,
    Sam2Propagator,
)
from videoseg_sam2.capabilities import SAM2_CAPABILITIES
from videoseg_sam2.propagator import find_capabilities
from videoseg_synthetic import make_clip

import videoseg as vs
from videoseg.errors import IncompatibleStagesError, PropagationError
from videoseg.testing import LiveSource, moving_square
from videoseg.types import BoolArray, Box, Frame, Point, Prompt

NUM_FRAMES = 9
FIRST, SECOND = (Prompt(n, 0, box=Box(20 * n, 10, 20 * n + 25, 50)) for n in (1, 2))


class Follows(BranchingPolicy):
    """First in, first out, on the best path alone, though it might follow two."""

    bounds = MemoryBounds(6, 15, branches=2, delay=None)

    def choose_branches(self, proposals: Sequence[Proposal]) -> Sequence[tuple[int, int]]:
        return [(0, proposals[0].candidates.best)]


class Undecided(Follows):
    """Follows the best and the second best of the first branch, and from then on both."""

    def choose_branches(self, proposals: Sequence[Proposal]) -> Sequence[tuple[int, int]]:
        best = [one.candidates.best for one in proposals]
        if len(proposals) == 1:
            return [(0, best[0]), (0, (best[0] + 1) % 3)]
        return [(0, best[0]), (1, best[1])]


class UndecidedForTwoFrames(Undecided):
    bounds = MemoryBounds(6, 15, branches=2, delay=2)


class SecondBest(MemoryPolicy):
    """Chooses the second best on the first frame after the prompt."""

    def choose(self, candidates: Candidates) -> int:
        return (candidates.best + (candidates.step == 1)) % 3


class SecondIsBetter(Undecided):
    """Finds out on frame 6 that the second branch is right."""

    def choose_branches(self, proposals: Sequence[Proposal]) -> Sequence[tuple[int, int]]:
        followed = super().choose_branches(proposals)
        return followed[1:] if proposals[0].candidates.step == 6 else followed


@pytest.fixture(scope="module")
def frames() -> np.ndarray:
    video = make_clip(seed=3, num_frames=NUM_FRAMES, size=(72, 96), num_objects=2).video
    return np.stack(video.read(range(NUM_FRAMES)))


@pytest.fixture(scope="module")
def make(lively_checkpoint: Path) -> Callable[[object], Sam2Propagator]:
    return functools.partial(_make, lively_checkpoint)


def _make(checkpoint: Path, memory: Any) -> Sam2Propagator:
    return Sam2Propagator(
        model="toy", checkpoint=checkpoint, device="cpu", precision="float32", memory=memory
    )


def logits_of(propagator: Sam2Propagator, frames: np.ndarray, *prompts: Prompt) -> np.ndarray:
    """Return logits of shape (T, number of objects, H, W)."""
    with propagator.open(vs.Video.from_frames(frames)) as session:
        for prompt in prompts:
            session.prompt(prompt)
        found = [np.stack([one.numpy() for one in m.values()]) for _, m in session.run_logits()]
    return np.stack(found)


def test_one_path_without_thresholds_is_what_is_published(
    make: Callable[[object], Sam2Propagator], frames: np.ndarray
) -> None:
    plain = functools.partial(Sam2Long, 1, good_iou=-1, key_range=(1, 1))
    published = logits_of(make("fifo"), frames, FIRST)
    assert np.array_equal(logits_of(make(plain), frames, FIRST), published)
    with_factors = functools.partial(Sam2Long, 1, good_iou=-1)
    assert not np.allclose(logits_of(make(with_factors), frames, FIRST), published)


def test_a_single_survivor_is_what_is_published(
    make: Callable[[object], Sam2Propagator], frames: np.ndarray
) -> None:
    published = logits_of(make("fifo"), frames, FIRST, SECOND)
    # Of all candidates the network gives a pointer at once, which rounds otherwise.
    assert np.allclose(logits_of(make(Follows), frames, FIRST, SECOND), published, atol=1e-3)


def test_the_branch_that_wins_is_what_its_memory_alone_gives(
    make: Callable[[object], Sam2Propagator], frames: np.ndarray
) -> None:
    first, second = (logits_of(make(one), frames, FIRST) for one in ("fifo", SecondBest))
    assert not np.allclose(first[1:], second[1:], atol=0.1)
    assert np.allclose(logits_of(make(Undecided), frames, FIRST), first, atol=1e-3)
    assert np.allclose(logits_of(make(SecondIsBetter), frames, FIRST), second, atol=1e-3)


def test_branches_share_the_features_of_a_frame(
    make: Callable[[object], Sam2Propagator], frames: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    propagator = make("sam2long")
    modules = propagator._network.modules
    calls: list[int] = []
    encode = modules.forward_image

    def count(image: torch.Tensor) -> Any:
        calls.append(1)
        return encode(image)

    monkeypatch.setattr(modules, "forward_image", count)
    logits_of(propagator, frames, FIRST, SECOND)
    assert len(calls) == NUM_FRAMES


@pytest.mark.parametrize(
    ("memory", "waits"),
    [
        ("fifo", [0] * 9),
        (Undecided, [0, 7, 6, 5, 4, 3, 2, 1, 0]),
        (UndecidedForTwoFrames, [0, 2, 1, 0, 2, 1, 0, 1, 0]),
    ],
    ids=["fifo", "to the end", "for two frames"],
)
def test_an_answer_waits_while_branches_disagree(
    make: Callable[[object], Sam2Propagator], frames: np.ndarray, memory: Any, waits: list[int]
) -> None:
    waited = []
    with make(memory).open(vs.Video.from_frames(frames)) as session:
        session.prompt(FIRST)
        for masks in session.run():
            assert session._position is not None
            waited.append(session._position[0] - masks.frame)
        assert session._objects[1].answers == {}
    assert waited == waits


def test_a_prompt_ends_the_branches(
    make: Callable[[object], Sam2Propagator], frames: np.ndarray
) -> None:
    waited = []
    with make(Undecided).open(vs.Video.from_frames(frames)) as session:
        session.prompt(FIRST)
        session.prompt(Prompt(1, 4, box=Box(30, 10, 60, 50)))
        for masks in session.run():
            assert session._position is not None
            waited.append(session._position[0] - masks.frame)
    assert waited == [0, 3, 2, 1, 0, 3, 2, 1, 0]


def masks_of(
    propagator: Sam2Propagator, frames: np.ndarray, first: Prompt, late: Prompt, direction: Any
) -> dict[int, Mapping[int, BoolArray]]:
    """Return masks by frame; the second prompt comes when two frames have been yielded."""
    found = {}
    with propagator.open(vs.Video.from_frames(frames)) as session:
        session.prompt(first)
        for masks in session.run(direction):
            found[masks.frame] = masks.masks
            if len(found) == 2:
                assert session._position is not None
                assert session._position[0] in (0, NUM_FRAMES - 1)
                session.prompt(late)
    return found


@pytest.mark.parametrize("direction", ["forward", "backward"])
def test_an_object_may_come_on_a_frame_that_was_read_but_not_yielded(
    make: Callable[[object], Sam2Propagator], frames: np.ndarray, direction: Any
) -> None:
    first = replace(FIRST, frame=0 if direction == "forward" else NUM_FRAMES - 1)
    late = replace(SECOND, frame=5)
    found = masks_of(make(Undecided), frames, first, late, direction)
    expected: dict[int, Mapping[int, BoolArray]] = {}
    with make(Undecided).open(vs.Video.from_frames(frames)) as session:
        session.prompt(first)
        session.prompt(late)
        expected = {masks.frame: masks.masks for masks in session.run(direction)}
    assert [*found] == [*expected]
    for frame, masks in expected.items():
        assert found[frame].keys() == masks.keys()
        assert all(np.array_equal(found[frame][key], masks[key]) for key in masks)


@pytest.mark.parametrize("direction", ["forward", "backward"])
@pytest.mark.parametrize(
    "correction",
    [Prompt(1, 5, box=Box(50, 20, 80, 60)), Prompt(1, 5, points=(Point(60, 40),))],
    ids=["box", "click"],
)
def test_a_correction_counts_on_a_frame_that_was_read_but_not_yielded(
    make: Callable[[object], Sam2Propagator],
    frames: np.ndarray,
    correction: Prompt,
    direction: Any,
) -> None:
    first = replace(FIRST, frame=0 if direction == "forward" else NUM_FRAMES - 1)
    found = masks_of(make(Undecided), frames, first, correction, direction)
    with make(Undecided).open(vs.Video.from_frames(frames)) as session:
        session.prompt(first)
        alone = {masks.frame: masks.masks[1] for masks in session.run(direction)}
    assert [*found] == [*alone]
    changed = [frame for frame in alone if not np.array_equal(alone[frame], found[frame][1])]
    reached = [*alone][[*alone].index(5) :]
    assert set(changed) <= set(reached)
    assert {5, reached[1]} <= set(changed)


def test_masks_that_wait_are_given_before_a_frame_that_cannot_be_read(
    make: Callable[[object], Sam2Propagator], frames: np.ndarray
) -> None:
    video = vs.Video.from_frames(frames)

    def read(*_arguments: Any, **_keywords: Any) -> Iterator[tuple[int, Frame]]:
        for index in range(6):
            yield index, frames[index]
        raise vs.VideoError("frame 6 cannot be decoded")

    video.iter_frames = read  # type: ignore[method-assign]
    seen = []
    with make(Undecided).open(video) as session:
        session.prompt(FIRST)
        with pytest.raises(vs.VideoError, match="frame 6"):
            for masks in session.run():
                seen.append(masks.frame)
    assert seen == list(range(6))


def test_masks_that_wait_are_not_lost_with_their_object(
    make: Callable[[object], Sam2Propagator], frames: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    propagator = make(Undecided)
    complete = logits_of(propagator, frames, FIRST, SECOND) > 0
    modules = propagator._network.modules
    track = modules.track_step

    def step(**arguments: Any) -> Any:
        if arguments["frame_idx"] == 5 and not failed:
            failed.append(True)
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return track(**arguments)

    failed: list[bool] = []
    monkeypatch.setattr(modules, "track_step", step)
    found = []
    with propagator.open(vs.Video.from_frames(frames)) as session:
        session.prompt(FIRST)
        session.prompt(SECOND)
        with pytest.raises(PropagationError, match="ran out over object 1 on frame 5"):
            for masks in session.run():
                found.append([masks.masks[1], masks.masks[2]])
    lost, kept = np.stack(found).swapaxes(0, 1)
    assert np.array_equal(kept, complete[:, 1])
    assert np.array_equal(lost[:5], complete[:5, 0])
    assert not lost[5:].any()


def test_a_second_run_ends_one_whose_answers_wait(
    make: Callable[[object], Sam2Propagator], frames: np.ndarray
) -> None:
    with make(Undecided).open(vs.Video.from_frames(frames)) as session:
        session.prompt(FIRST)
        first = session.run()
        assert [next(first).frame, next(first).frame] == [0, 1]
        assert [masks.frame for masks in session.run()] == list(range(NUM_FRAMES))
        with pytest.raises(PropagationError, match="another one was begun"):
            next(first)


def test_what_answers_late_takes_no_live_source(
    make: Callable[[object], Sam2Propagator],
) -> None:
    assert find_capabilities({}) == SAM2_CAPABILITIES
    assert not find_capabilities({"memory": "sam2long"}).live
    assert make(functools.partial(Sam2Long, 1)).capabilities.live
    propagator = make("sam2long")
    with pytest.raises(PropagationError, match="live source"):
        propagator.open(LiveSource(5))
    clip = moving_square(3)
    given = vs.use("given", prompts=[clip.prompt(1, 0)])
    with (
        vs.Pipeline("given", given, propagator) as pipe,
        pytest.raises(IncompatibleStagesError, match="answers late"),
    ):
        pipe.stream(LiveSource(5), "the square")


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ([], r"follows \[\]; allowed are 1 to 2 pairs"),
        ([(0, 0), (0, 1), (0, 2)], "allowed are 1 to 2 pairs"),
        ([(0, 0), (0, 0)], "each once"),
        ([(0, 3)], r"follows \(0, 3\), which is no pair of a branch \(of 1\)"),
        ([(1, 0)], r"follows \(1, 0\), which is no pair"),
        (None, "follows None, which is no list of pairs"),
        ([0, 1], r"follows \[0, 1\], which is no list of pairs"),
        ([(0, 1, 2)], "which is no list of pairs"),
        ([(0, 0.5)], r"follows \(0, 0.5\), which is no pair"),
    ],
)
def test_a_policy_that_follows_what_is_not_there_is_named(
    make: Callable[[object], Sam2Propagator],
    frames: np.ndarray,
    chosen: list[tuple[int, int]],
    message: str,
) -> None:
    class Wild(Follows):
        def choose_branches(self, proposals: Sequence[Proposal]) -> Sequence[tuple[int, int]]:
            return chosen

    with pytest.raises(PropagationError, match=f"Wild.*{message}"):
        logits_of(make(Wild), frames[:2], FIRST)
