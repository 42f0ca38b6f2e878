"""What a session holds, what it refuses, and what it does when memory runs out."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
import torch
from videoseg_sam2 import Sam2Propagator
from videoseg_sam2.memory import KnownPrompt, MemoryReach, ObjectMemory, Output

import videoseg as vs
from videoseg.errors import PropagationError
from videoseg.testing import LiveSource, RenderedSource, moving_square, passing_squares
from videoseg.types import Box, Embedding, Point, Prompt, Rle


@pytest.fixture
def propagator(toy_modules: Any) -> Sam2Propagator:
    return Sam2Propagator(model="toy", random_weights=True, device="cpu", precision="float32")


BOX = Prompt(1, 0, box=Box(4, 4, 24, 30))


def held(session: Any) -> list[int]:
    """Return how many tensors of memory the session holds of each object."""
    return [
        sum(output.features is not None for output in (*m.passed.values(), *m.prompted.values()))
        for m in session._objects.values()
    ]


def test_only_what_attention_reaches_is_held(propagator: Sam2Propagator) -> None:
    reach = MemoryReach.of(propagator._network.modules)
    assert (reach.features, reach.pointers) == (6, 15)
    with propagator.open(RenderedSource(80)) as session:
        session.prompt(BOX)
        for masks in session.run():
            memory = session._objects[1]
            # What a run the other way would see stays, too, so twice the reach.
            assert len(memory.passed) <= 2 * (reach.pointers + 1)
            assert held(session)[0] <= 2 * (reach.features + 1) + 1
            assert all(output.logits is None for output in memory.passed.values())
            assert masks.frame - reach.pointers <= max(memory.passed, default=0)
        assert session._features is None


def output() -> Output:
    tensor = torch.zeros(1)
    return Output(tensor, [tensor], tensor, tensor)


@pytest.mark.parametrize("reverse", [False, True])
def test_outputs_are_forgotten_when_no_frame_can_reach_them(reverse: bool) -> None:
    memory = ObjectMemory(1, {50: KnownPrompt(Prompt(1, 50, box=Box(0, 0, 1, 1)), 1, False)})
    memory.passed = {frame: output() for frame in range(100)}
    memory.forget_beyond(MemoryReach(3, 5), 50, reverse=reverse)
    near = range(50, 56) if reverse else range(45, 51)
    # A run the other way begins at frame 50 and looks at the frames behind it.
    behind = range(45, 51) if reverse else range(50, 56)
    assert set(memory.passed) == set(near) | set(behind)
    with_features = {frame for frame, kept in memory.passed.items() if kept.features is not None}
    assert with_features == set(range(47, 54))


def test_two_objects_encode_each_frame_once(
    propagator: Sam2Propagator, monkeypatch: pytest.MonkeyPatch
) -> None:
    modules = propagator._network.modules
    encode, count = modules.forward_image, []
    monkeypatch.setattr(modules, "forward_image", lambda image: count.append(1) or encode(image))
    clip = passing_squares()
    with propagator.open(clip.video) as session:
        for object_id in (1, 2):
            session.prompt(clip.prompt(object_id, 0))
        list(session.run())
    assert len(count) == clip.num_frames


def test_a_mask_comes_back_as_it_was_given(propagator: Sam2Propagator) -> None:
    clip = moving_square()
    with propagator.open(clip.video) as session:
        session.prompt(clip.prompt(1, 3))
        first = next(iter(session.run()))
    assert np.array_equal(first.masks[1], clip.masks[1][3])


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        (Prompt(1, 12, box=BOX.box), "outside the video; its frames are 0 to 11"),
        (Prompt(1, 0, box=Box(70, 50, 80, 60)), r"a box .* outside the 64x48 frame"),
        (Prompt(1, 0, points=(Point(64, 3),)), r"a point \(64, 3\) outside the 64x48 frame"),
        (
            Prompt(1, 0, box=BOX.box, negative_points=(Point(3, -1),)),
            r"a point \(3, -1\) outside",
        ),
        (Prompt(1, 0, mask=Rle.empty((48, 64))), "has an empty mask; leave out"),
        (
            Prompt(1, 0, mask=Rle.empty((10, 10))),
            r"mask of \(10, 10\); give one of the frame's",
        ),
        (
            Prompt(1, 0, embedding=Embedding("o3", (1.0,))),
            "only an embedding of 'o3'.*; give a mask",
        ),
    ],
)
def test_a_prompt_that_cannot_be_used_leaves_the_others_alone(
    propagator: Sam2Propagator, prompt: Prompt, message: str
) -> None:
    clip = moving_square()
    with propagator.open(clip.video) as session:
        session.prompt(Prompt(7, 0, box=BOX.box))
        with pytest.raises(PropagationError, match=message):
            session.prompt(prompt)
        assert [sorted(masks.masks) for masks in session.run()] == [[7]] * 12


def test_a_run_that_cannot_begin_is_refused_at_once(propagator: Sam2Propagator) -> None:
    session = propagator.open(moving_square().video)
    with pytest.raises(PropagationError, match="nothing to propagate"):
        session.run()
    session.prompt(BOX)
    with pytest.raises(PropagationError, match="direction must be forward or backward"):
        session.run("sideways")  # type: ignore[arg-type]
    session.close()
    with pytest.raises(PropagationError, match="session is closed"):
        session.run()


def test_an_object_smaller_than_a_pixel_of_the_input_is_in_sight(
    propagator: Sam2Propagator,
) -> None:
    side = 4 * propagator._network.modules.image_size
    mask = np.zeros((side, side), dtype=bool)
    mask[7, 9] = True
    video = vs.Video.from_frames(np.zeros((2, side, side, 3), np.uint8))
    with propagator.open(video) as session:
        session.prompt(Prompt(1, 0, mask=Rle.encode(mask)))
        list(session.run())
        assert session._objects[1].prompted[0].object_score.item() > 0


def test_a_second_prompt_for_one_object_on_a_frame(propagator: Sam2Propagator) -> None:
    with propagator.open(moving_square().video) as session:
        session.prompt(BOX)
        with pytest.raises(PropagationError, match="already has a prompt on frame 0; put"):
            session.prompt(Prompt(1, 0, points=(Point(5, 5),)))


def test_a_second_run_ends_the_first(propagator: Sam2Propagator) -> None:
    with propagator.open(moving_square().video) as session:
        session.prompt(BOX)
        first = session.run()
        next(first)
        assert len(list(session.run())) == 12
        with pytest.raises(PropagationError, match="another one was begun"):
            next(first)


def test_a_prompt_behind_a_run_takes_effect_in_the_next(propagator: Sam2Propagator) -> None:
    clip = passing_squares()
    with propagator.open(clip.video) as session:
        session.prompt(clip.prompt(1, 0))
        during = {}
        for masks in session.run():
            during[masks.frame] = sorted(masks.masks)
            if masks.frame == 6:
                session.prompt(clip.prompt(2, 3))
        after = {masks.frame: sorted(masks.masks) for masks in session.run()}
    assert set(map(tuple, during.values())) == {(1,)}
    assert [after[frame] for frame in (2, 3, 11)] == [[1], [1, 2], [1, 2]]


def test_a_correction_changes_what_follows(propagator: Sam2Propagator) -> None:
    clip = moving_square()

    def logits(session: Any) -> list[np.ndarray]:
        return [one[1].numpy().copy() for _, one in session.run_logits()]

    with propagator.open(clip.video) as session:
        session.prompt(clip.prompt(1, 0))
        before = logits(session)
        session.prompt(Prompt(1, 6, points=(Point(40, 10),)))
        after = logits(session)
        again = logits(session)
    assert all(np.array_equal(one, two) for one, two in zip(before[:6], after[:6], strict=True))
    assert not np.allclose(before[6], after[6])
    assert not np.allclose(before[9], after[9])
    assert all(np.array_equal(one, two) for one, two in zip(after, again, strict=True))


def test_a_live_source_with_a_late_object(propagator: Sam2Propagator) -> None:
    with propagator.open(LiveSource(12, num_objects=2)) as session:
        session.prompt(BOX)
        session.prompt(Prompt(2, 5, box=Box(30, 20, 50, 40)))
        seen = [sorted(masks.masks) for masks in session.run()]
    assert seen == [[1]] * 5 + [[1, 2]] * 7


def out_of_memory_for(
    propagator: Sam2Propagator, monkeypatch: pytest.MonkeyPatch, failing: int
) -> None:
    """Let memory run out in the given call of ``track_step``."""
    modules = propagator._network.modules
    track, calls = modules.track_step, []

    def step(**arguments: Any) -> Any:
        calls.append(1)
        if len(calls) == failing:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return track(**arguments)

    monkeypatch.setattr(modules, "track_step", step)


def test_running_out_of_memory_costs_one_object_only(
    propagator: Sam2Propagator, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = passing_squares()
    with propagator.open(clip.video) as session:
        for object_id in (1, 2):
            session.prompt(clip.prompt(object_id, 0))
        alone = [masks.masks[1] for masks in session.run()]
        # Two calls condition; then each frame takes one for each object.
        out_of_memory_for(propagator, monkeypatch, failing=6)
        session._objects[1].prompted.clear()
        session._objects[2].prompted.clear()
        found = []
        with pytest.raises(PropagationError, match=r"ran out over object 2 on frame 2.*use") as e:
            for masks in session.run():
                found.append(masks)
        assert "precision='bfloat16'" in str(e.value)
        assert len(found) == clip.num_frames
        assert all(np.array_equal(m.masks[1], a) for m, a in zip(found, alone, strict=True))
        assert not any(masks.masks[2].any() for masks in found[2:])


def test_a_device_without_room_for_the_network_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    from videoseg_sam2 import network

    def fail(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    monkeypatch.setattr(network, "_load_shared", fail)
    propagator = Sam2Propagator(model="toy", random_weights=True, device="cpu")
    with pytest.raises(vs.VideosegError, match=r"no room for 'toy'.*device='cpu'"):
        propagator.open(moving_square().video)


def test_running_out_of_memory_over_the_only_object_ends_the_run(
    propagator: Sam2Propagator, monkeypatch: pytest.MonkeyPatch
) -> None:
    with propagator.open(moving_square().video) as session:
        session.prompt(BOX)
        out_of_memory_for(propagator, monkeypatch, failing=4)
        seen = []
        with pytest.raises(PropagationError, match="object 1 on frame 3"):
            for masks in session.run():
                seen.append(masks.frame)
        assert seen == [0, 1, 2]
        # The session goes on once there is memory again.
        assert len(list(session.run())) == 12


def test_running_out_of_memory_over_a_large_frames_mask_costs_one_object_only(
    propagator: Sam2Propagator, monkeypatch: pytest.MonkeyPatch
) -> None:
    from videoseg_sam2 import session as module

    enlarge, calls = module.to_frame_size, []

    def failing(logits: torch.Tensor, size: Any) -> torch.Tensor:
        calls.append(1)
        if len(calls) == 4:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return enlarge(logits, size)

    monkeypatch.setattr(module, "to_frame_size", failing)
    clip, found = passing_squares(), []
    with propagator.open(clip.video) as session:
        for object_id in (1, 2):
            session.prompt(clip.prompt(object_id, 0))
        with pytest.raises(PropagationError, match="over object 2 on frame 1"):
            found.extend(session.run())
    assert len(found) == clip.num_frames
    assert all(masks.masks[2].shape == clip.size for masks in found)


def test_running_out_of_memory_over_the_frame_itself(
    propagator: Sam2Propagator, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("[enforce fail] DefaultCPUAllocator: not enough memory")

    with propagator.open(moving_square().video) as session:
        session.prompt(BOX)
        monkeypatch.setattr(propagator._network.modules, "forward_image", fail)
        with pytest.raises(PropagationError, match="ran out on frame 0"):
            next(iter(session.run()))


def test_other_errors_are_not_taken_for_a_lack_of_memory(
    propagator: Sam2Propagator, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**_: object) -> None:
        raise ZeroDivisionError

    with propagator.open(moving_square().video) as session:
        session.prompt(BOX)
        monkeypatch.setattr(propagator._network.modules, "track_step", fail)
        with pytest.raises(ZeroDivisionError):
            next(iter(session.run()))


def test_an_embedding_guides_the_frames_it_is_told_to(toy_modules: Any) -> None:
    clip = moving_square()
    values = tuple(np.linspace(-3, 3, toy_modules.hidden_dim).tolist())
    prompt = Prompt(1, 0, embedding=Embedding("o3", values))
    logits = {}
    for every in (True, False):
        propagator = Sam2Propagator(
            model="toy",
            random_weights=True,
            device="cpu",
            embeddings=("o3",),
            guide_every_frame=every,
        )
        assert propagator.capabilities.embeddings == ("o3",)
        with propagator.open(clip.video) as session:
            session.prompt(prompt)
            logits[every] = [one[1].numpy().copy() for _, one in session.run_logits()]
            with pytest.raises(PropagationError, match=r"has an embedding of 2 values.*takes 32"):
                session.prompt(Prompt(2, 0, embedding=Embedding("o3", (0.0, 1.0))))
    assert np.array_equal(logits[True][0], logits[False][0])
    assert not np.allclose(logits[True][1], logits[False][1])


def test_an_embedding_may_be_several_vectors(toy_modules: Any) -> None:
    width = toy_modules.hidden_dim
    one, other = (tuple(np.linspace(low, 3, width).tolist()) for low in (-3, 1))
    propagator = Sam2Propagator(
        model="toy", random_weights=True, device="cpu", precision="float32", embeddings=("o3",)
    )
    logits = []
    for values in (one, one + other, other + one):
        with propagator.open(moving_square(2).video) as session:
            session.prompt(Prompt(1, 0, embedding=Embedding("o3", values)))
            logits.append([found[1].numpy().copy() for _, found in session.run_logits()])
    first, both, swapped = logits
    assert not np.allclose(first, both)
    # Prompts are a set: the network does not see their order.
    np.testing.assert_allclose(both, swapped, atol=1e-4)


def test_an_embedding_of_another_model_does_not_reach_the_network(
    propagator: Sam2Propagator,
) -> None:
    found = []
    for embedding in (None, Embedding("another", (3.0,) * 32), Embedding("another", (1.0, 2.0))):
        with propagator.open(moving_square(3).video) as session:
            session.prompt(Prompt(1, 0, box=Box(4, 4, 24, 30), embedding=embedding))
            found.append([one[1].numpy().copy() for _, one in session.run_logits()])
    assert np.array_equal(found[0], found[1])
    assert np.array_equal(found[0], found[2])


def test_bfloat16_comes_close(propagator: Sam2Propagator) -> None:
    clip = moving_square(4)
    low = Sam2Propagator(model="toy", random_weights=True, device="cpu", precision="bfloat16")
    results = []
    for one in (propagator, low):
        with one.open(clip.video) as session:
            session.prompt(clip.prompt(1, 0, kind="box"))
            results.append([logits[1].numpy().copy() for _, logits in session.run_logits()])
    full, half = (np.stack(result) for result in results)
    assert half.dtype == np.float32
    assert not np.array_equal(full, half)
    assert np.abs(full - half).max() < 0.05 * max(1.0, np.abs(full).max())


def test_small_holes_are_filled_if_asked_for(toy_modules: Any) -> None:
    from videoseg_sam2.tracker import FrameTracker

    network = Sam2Propagator(model="toy", random_weights=True, device="cpu")._network
    tracker = FrameTracker(network, size=(48, 64), num_frames=3, largest_hole=4)
    logits = torch.ones(1, 1, 16, 16)
    logits[0, 0, 3:5, 3:5] = -2.0  # a hole of 4 pixels
    logits[0, 0, 9:12, 9:12] = -2.0  # one of 9
    filled = tracker._fill_holes(logits)[0, 0]
    assert (filled[3:5, 3:5] == 0.1).all()
    assert (filled[9:12, 9:12] == -2.0).all()


def test_a_propagator_that_is_sent_loads_its_network_again(propagator: Sam2Propagator) -> None:
    clip = moving_square(3)

    def masks(propagator: Sam2Propagator) -> list[bytes]:
        with propagator.open(clip.video) as session:
            session.prompt(clip.prompt(1, 0, kind="mask"))
            return [found.masks[1].tobytes() for found in session.run()]

    usual = masks(propagator)
    sent = pickle.dumps(propagator)
    assert len(sent) < 2_000
    assert masks(pickle.loads(sent)) == masks(copy.deepcopy(propagator)) == usual


def test_a_session_says_that_it_cannot_be_sent(propagator: Sam2Propagator) -> None:
    with propagator.open(moving_square(3).video) as session:
        for attempt in (pickle.dumps, copy.deepcopy):
            with pytest.raises(PropagationError, match="send the propagator and open one there"):
                attempt(session)
