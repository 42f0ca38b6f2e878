"""The option ``memory``: policies with a network, on videos, forward and backward."""

from __future__ import annotations

import functools
import pickle
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from videoseg_sam2 import (
    BranchingPolicy,
    Candidates,
    DistractorAware,
    FrameRecord,
    Held,
    Keeping,
    MemoryBounds,
    MemoryPolicy,
    Proposal,
    Recall,
    Sam2Long,
    Sam2Propagator,
    Sam3Selection,
    Samurai,
)
from videoseg_sam2.models import config_path
from videoseg_synthetic import make_clip

import videoseg as vs
from videoseg.errors import ConfigError, PropagationError
from videoseg.testing import LiveSource
from videoseg.types import Box, Point, Prompt


class Wavering(MemoryPolicy):
    """Tells a policy that frames differ: to random weights they all are as good."""

    def choose(self, candidates: Candidates) -> int:
        step = candidates.step
        ious = tuple((0.37 * step + 0.41 * index) % 1 for index in range(len(candidates.ious)))
        return super().choose(replace(candidates, ious=ious))

    def keep(self, record: FrameRecord) -> Keeping:
        step = record.step
        score = -2.0 if step % 5 == 3 else 4.0
        iou = 0.2 if step % 7 == 4 else 0.95
        return super().keep(replace(record, iou=iou, object_score=score))


class WaveringSamurai(Wavering, Samurai):
    pass


class WaveringDam(Wavering, DistractorAware):
    pass


class WaveringSam3(Wavering, Sam3Selection):
    pass


class WaveringSam2Long(Wavering, Sam2Long):
    """Sure on every third frame; the best path changes, and frames wait for four more."""

    def __init__(self) -> None:
        super().__init__(delay=4)

    def choose_branches(self, proposals: Sequence[Proposal]) -> Sequence[tuple[int, int]]:
        told = []
        for path, one in enumerate(proposals):
            step = one.candidates.step
            ious = tuple(
                0.3 + 0.1 * ((3 * step + 4 * index + 5 * path) % 7)
                for index in range(len(one.candidates.ious))
            )
            score = 4.0 if step % 3 == 0 else 1.0
            drawn = replace(one.candidates, ious=ious, object_score=score)
            told.append(replace(one, candidates=drawn))
        return super().choose_branches(told)


POLICIES = (WaveringSamurai, WaveringDam, WaveringSam3, WaveringSam2Long)
NUM_FRAMES = 11

Logits = dict[tuple[int, int], np.ndarray]
Memory = str | Callable[[], MemoryPolicy]


@pytest.fixture(scope="module")
def frames() -> np.ndarray:
    video = make_clip(seed=3, num_frames=NUM_FRAMES, size=(72, 96), num_objects=2).video
    return np.stack(video.read(range(NUM_FRAMES)))


def prompt(object_id: int, frame: int = 0) -> Prompt:
    return Prompt(object_id, frame, box=Box(20 * object_id, 10, 20 * object_id + 25, 50))


@pytest.fixture(scope="module")
def run(lively_checkpoint: Path, frames: np.ndarray) -> Callable[..., Logits]:
    def logits_of(
        memory: Memory,
        *prompts: Prompt,
        direction: Any = "forward",
        reverse: bool = False,
        late: dict[int, Prompt] | None = None,
        stop: int | None = None,
    ) -> Logits:
        propagator = Sam2Propagator(
            model="toy",
            checkpoint=lively_checkpoint,
            device="cpu",
            precision="float32",
            memory=memory,
        )
        video = vs.Video.from_frames(frames[::-1].copy() if reverse else frames)
        found: Logits = {}
        with propagator.open(video) as session:
            for one in prompts:
                session.prompt(one)
            for frame, logits in session.run_logits(direction, stop=stop):
                for object_id, values in logits.items():
                    found[frame, object_id] = values.numpy().copy()
                if late and frame in late:
                    session.prompt(late[frame])
        return found

    return logits_of


def equal(one: Logits, other: Logits) -> bool:
    return one.keys() == other.keys() and all(np.array_equal(one[k], other[k]) for k in one)


@pytest.mark.parametrize("direction", ["forward", "backward"])
def test_first_in_first_out_as_a_policy_is_what_is_published(
    run: Callable[..., Logits], direction: str
) -> None:
    prompts = (prompt(1, 5), prompt(2, 4), Prompt(1, 9, points=(Point(30, 30),)))
    published = run("fifo", *prompts, direction=direction)
    assert equal(published, run(MemoryPolicy, *prompts, direction=direction))


@pytest.mark.parametrize("memory", POLICIES)
def test_each_policy_remembers_otherwise(run: Callable[..., Logits], memory: Memory) -> None:
    published, other = run("fifo", prompt(1)), run(memory, prompt(1))
    assert equal({(0, 1): published[0, 1]}, {(0, 1): other[0, 1]})
    assert not equal(published, other)


@pytest.mark.parametrize("memory", POLICIES)
def test_objects_do_not_see_each_other(run: Callable[..., Logits], memory: Memory) -> None:
    both = run(memory, prompt(1), prompt(2, 3))
    for object_id, one in ((1, prompt(1)), (2, prompt(2, 3))):
        mine = {key: value for key, value in both.items() if key[1] == object_id}
        assert equal(mine, run(memory, one))


@pytest.mark.parametrize("memory", POLICIES)
def test_backward_is_forward_on_the_reversed_video(
    run: Callable[..., Logits], memory: Memory
) -> None:
    last = NUM_FRAMES - 1
    backward = run(memory, prompt(1, last), prompt(2, last - 2), direction="backward")
    forward = run(memory, prompt(1), prompt(2, 2), reverse=True)
    assert equal(backward, {(last - frame, key): one for (frame, key), one in forward.items()})


@pytest.mark.parametrize("memory", ["fifo", "samurai"])
def test_a_click_corrects_the_frame_on_which_a_backward_run_begins(
    lively_checkpoint: Path, frames: np.ndarray, memory: Memory
) -> None:
    # Behind it there is no pointer to join with the features, which are kept in bfloat16.
    propagator = Sam2Propagator(
        model="toy",
        checkpoint=lively_checkpoint,
        device="cpu",
        precision="float32",
        memory=memory,
    )
    with propagator.open(vs.Video.from_frames(frames)) as session:
        session.prompt(prompt(1, 4))
        forward = {masks.frame: masks.masks[1] for masks in session.run()}
        session.prompt(Prompt(1, 10, points=(Point(30, 30),)))
        seen = {masks.frame: masks.masks[1] for masks in session.run("backward")}
    assert list(seen) == list(range(10, -1, -1))
    assert not np.array_equal(seen[10], forward[10])


@pytest.mark.parametrize("memory", POLICIES)
def test_a_correction_in_mid_run_changes_what_follows(
    run: Callable[..., Logits], memory: Memory
) -> None:
    click = Prompt(1, 7, box=Box(50, 20, 80, 60))
    plain = run(memory, prompt(1), prompt(2))
    corrected = run(memory, prompt(1), prompt(2), late={4: click})
    changed = {key for key in plain if not np.array_equal(plain[key], corrected[key])}
    assert {key[1] for key in changed} == {1}
    assert {(7, 1), (8, 1), (NUM_FRAMES - 1, 1)} <= changed


def test_a_second_run_begins_with_the_prompts_alone(
    lively_checkpoint: Path, frames: np.ndarray
) -> None:
    propagator = Sam2Propagator(
        model="toy", checkpoint=lively_checkpoint, device="cpu", memory="dam"
    )
    with propagator.open(vs.Video.from_frames(frames)) as session:
        session.prompt(prompt(1, 5))
        runs = [
            [logits[1].numpy().copy() for _, logits in session.run_logits(direction)]
            for direction in ("forward", "backward", "forward")
        ]
        assert session._objects[1].trail is not None
    assert all(np.array_equal(one, two) for one, two in zip(runs[0], runs[2], strict=True))


@pytest.mark.parametrize("memory", ["samurai", "dam", "sam3"])
def test_a_policy_on_a_live_source(lively_checkpoint: Path, memory: Memory) -> None:
    propagator = Sam2Propagator(
        model="toy", checkpoint=lively_checkpoint, device="cpu", memory=memory
    )
    assert propagator.capabilities.live
    with propagator.open(LiveSource(12)) as session:
        session.prompt(Prompt(1, 0, box=Box(4, 4, 24, 30)))
        seen = [masks.frame for masks in session.run()]
        assert len(session._objects[1].trail._entries) <= 18  # type: ignore[union-attr]
    assert seen == list(range(12))


# -- policies of one's own -------------------------------------------------------------------


class Sparse(MemoryPolicy):
    """Features of every third frame in the nearest slots, and no pointers."""

    bounds = MemoryBounds(6, 6)

    def __init__(self, factor: float = 1.0) -> None:
        super().__init__()
        self._kept: tuple[int, ...] = ()
        self._factor = factor

    def keep(self, record: FrameRecord) -> Keeping:
        if record.step % 3:
            return "nothing"
        self._kept = (*self._kept, record.step)[-6:]
        return "recent"

    def recall(self, step: int) -> Recall:
        features = dict(enumerate(self._kept[::-1], start=1))
        return Recall(features=features, factors=dict.fromkeys(self._kept, self._factor))

    def held(self) -> Held:
        return Held(set(self._kept), set(self._kept))


class SecondBest(MemoryPolicy):
    def choose(self, candidates: Candidates) -> int:
        assert candidates.masks.shape == candidates.logits.shape == (3, 32, 32)
        return (candidates.best + 1) % 3


class AnchorsOnly(Sparse):
    bounds = MemoryBounds(2, 2)

    def keep(self, record: FrameRecord) -> Keeping:
        if record.step > 2:
            return "nothing"
        self._kept = (*self._kept, record.step)
        return "anchor"

    def recall(self, step: int) -> Recall:
        return Recall(anchors=self._kept)


def test_slots_may_be_read_without_pointers(run: Callable[..., Logits]) -> None:
    found = run(Sparse, prompt(1))
    assert all(np.isfinite(logits).all() for logits in found.values())
    # Step 3 is the first that is kept: until then only the prompt is read.
    nothing_yet = run(AnchorsNever, prompt(1))
    differs = [f for f in range(NUM_FRAMES) if not np.array_equal(found[f, 1], nothing_yet[f, 1])]
    assert differs[0] == 4


class AnchorsNever(AnchorsOnly):
    def keep(self, record: FrameRecord) -> Keeping:
        return "nothing"


def test_factors_weigh_what_is_remembered(run: Callable[..., Logits]) -> None:
    plain = run(Sparse, prompt(1), stop=8)
    strong = run(functools.partial(Sparse, 1.5), prompt(1), stop=8)
    differs = [frame for frame in range(8) if not np.allclose(plain[frame, 1], strong[frame, 1])]
    assert differs[0] == 4


def test_the_choice_of_a_policy_is_what_is_shown(run: Callable[..., Logits]) -> None:
    assert not equal(run("fifo", prompt(1), stop=4), run(SecondBest, prompt(1), stop=4))


def test_anchors_are_read_like_prompts(run: Callable[..., Logits]) -> None:
    anchored, plain = run(AnchorsOnly, prompt(1)), run(AnchorsNever, prompt(1))
    differs = [f for f in range(NUM_FRAMES) if not np.array_equal(anchored[f, 1], plain[f, 1])]
    assert differs[0] == 2


def test_a_policy_is_named_by_its_path(monkeypatch: pytest.MonkeyPatch) -> None:
    path = "videoseg_sam2:Samurai"
    propagator = Sam2Propagator(model="toy", random_weights=True, memory=path)
    assert propagator._make_policy is Samurai
    assert pickle.loads(pickle.dumps(propagator))._make_policy is Samurai


def needs_more(weight: float) -> MemoryPolicy:
    return Samurai(weight)


class Boundless(MemoryPolicy):
    bounds = None  # type: ignore[assignment]


class Impatient(BranchingPolicy):
    bounds = MemoryBounds(6, 15, branches=3)


class Unbranching(MemoryPolicy):
    bounds = MemoryBounds(6, 15, branches=3, delay=None)


class Unwritten(BranchingPolicy):
    bounds = MemoryBounds(6, 15, branches=3, delay=None)


class Waiting(MemoryPolicy):
    bounds = MemoryBounds(6, 15, delay=2)


@pytest.mark.parametrize(
    ("memory", "message"),
    [
        ("samura", "one of fifo, samurai, dam, sam3, sam2long"),
        ("nowhere:Policy", "'nowhere:Policy' cannot be imported"),
        (needs_more, "cannot be made without arguments.*functools.partial"),
        (dict, "dict.* has no bounds, prompted, choose"),
        (Boundless, "bounds of the memory policy .*Boundless.* must be a .*MemoryBounds, got"),
        (Impatient, "Impatient.* declares 3 branches and a delay of 0; .*at least 1 frame"),
        (Unbranching, "declares 3 branches, but has no choose_branches, fork; .*BranchingPolicy"),
        (Unwritten, "declares 3 branches, but has no choose_branches; .*BranchingPolicy"),
        (Waiting, "Waiting.* declares a delay of 2, but one branch has nothing to wait for"),
    ],
)
def test_what_is_no_policy_is_refused_before_a_run(memory: Memory, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Sam2Propagator(model="toy", random_weights=True, memory=memory)


def test_a_large_network_weighs_motion_less() -> None:
    from videoseg_sam2.policies import find_policy

    large, small = (find_policy("samurai", f"sam2.1-hiera-{size}") for size in ("large", "tiny"))
    assert large is not None
    assert small is not None
    assert (large()._weight, small()._weight) == (0.15, 0.25)  # type: ignore[attr-defined]


def test_a_policy_that_holds_too_much_ends_the_run(run: Callable[..., Logits]) -> None:
    class Greedy(MemoryPolicy):
        bounds = MemoryBounds(2, 15)

    with pytest.raises(PropagationError, match="Greedy holds the features of 3 frames"):
        run(Greedy, prompt(1))


@pytest.fixture
def run_of_form(tmp_path: Path, frames: np.ndarray) -> Callable[[str, str, Memory], int]:
    """Run a network whose configuration has another line at its end; returns the frames."""

    def number_of_frames(setting: str, value: str, memory: Memory) -> int:
        lines = config_path("toy").read_text().splitlines()
        kept = [line for line in lines if not line.strip().startswith(f"{setting}:")]
        config = tmp_path / "form.yaml"
        config.write_text("\n".join([*kept, f"  {setting}: {value}"]))
        propagator = Sam2Propagator(
            model="toy", config=config, random_weights=True, device="cpu", memory=memory
        )
        with propagator.open(vs.Video.from_frames(frames)) as session:
            for frame in (0, 3, 6):
                session.prompt(prompt(1, frame))
            return sum(1 for _ in session.run())

    return number_of_frames


def test_keys_are_weighed_where_pointers_of_prompts_ahead_are_read(
    run_of_form: Callable[[str, str, Memory], int],
) -> None:
    found = run_of_form("only_obj_ptrs_in_the_past_for_eval", "false", "sam2long")
    assert found == NUM_FRAMES


def test_a_network_that_chooses_among_prompted_frames_takes_no_policy(
    run_of_form: Callable[[str, str, Memory], int],
) -> None:
    assert run_of_form("max_cond_frames_in_attn", "2", "fifo") == NUM_FRAMES
    with pytest.raises(PropagationError, match=r"reads 2 of them; leave memory at 'fifo'"):
        run_of_form("max_cond_frames_in_attn", "2", "sam2long")
