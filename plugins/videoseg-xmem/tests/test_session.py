from __future__ import annotations

import copy
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from videoseg_xmem import XMemPropagator
from videoseg_xmem.competition import aggregate
from videoseg_xmem.geometry import FrameGeometry, xmem_size
from videoseg_xmem.session import XMemSession
from videoseg_xmem.tracker import Tracker

import videoseg as vs
from videoseg.errors import PropagationError
from videoseg.testing import moving_square, passing_squares
from videoseg.types import Rle


@pytest.fixture
def propagator(tiny_checkpoint: Path) -> XMemPropagator:
    return XMemPropagator(checkpoint=tiny_checkpoint, size=48, device="cpu", precision="float32")


def tracks(session: XMemSession, direction: str = "forward") -> dict[int, dict[int, np.ndarray]]:
    return {masks.frame: dict(masks.masks) for masks in session.run(direction)}


def test_backward_is_forward_on_the_reversed_video(propagator: XMemPropagator) -> None:
    clip = passing_squares()
    last = clip.num_frames - 1
    reversed_video = vs.Video.from_frames(np.stack([clip.video[i] for i in range(last, -1, -1)]))
    with propagator.open(clip.video) as session:
        session.prompt(clip.prompt(1, last, kind="mask"))
        session.prompt(clip.prompt(2, 7, kind="mask"))
        backward = tracks(session, "backward")
    with propagator.open(reversed_video) as session:
        session.prompt(vs.Prompt(1, 0, mask=clip.prompt(1, last, kind="mask").mask))
        session.prompt(vs.Prompt(2, last - 7, mask=clip.prompt(2, 7, kind="mask").mask))
        forward = tracks(session)
    assert len(backward) == len(forward) == clip.num_frames
    for frame, masks in backward.items():
        assert masks.keys() == forward[last - frame].keys()
        for object_id, mask in masks.items():
            assert np.array_equal(mask, forward[last - frame][object_id])


def test_a_prompted_mask_is_returned_as_it_was_given(propagator: XMemPropagator) -> None:
    clip = passing_squares()
    with propagator.open(clip.video) as session:
        session.prompt(clip.prompt(1, 0, kind="mask"))
        session.prompt(clip.prompt(2, 5, kind="mask"))
        found = tracks(session)
    assert np.array_equal(found[0][1], clip.masks[1][0])
    assert np.array_equal(found[5][2], clip.masks[2][5])
    assert not (found[5][1] & found[5][2]).any()


def test_masks_of_objects_do_not_overlap(propagator: XMemPropagator) -> None:
    clip = passing_squares()
    with propagator.open(clip.video) as session:
        for object_id in (1, 2):
            session.prompt(clip.prompt(object_id, 0, kind="mask"))
        for frame, masks in tracks(session).items():
            assert frame == 0 or not (masks[1] & masks[2]).any()


def test_a_late_object_leaves_earlier_frames_as_they_were(propagator: XMemPropagator) -> None:
    clip = passing_squares()
    found = []
    for with_late in (False, True):
        with propagator.open(clip.video) as session:
            session.prompt(clip.prompt(1, 0, kind="mask"))
            if with_late:
                session.prompt(clip.prompt(2, 6, kind="mask"))
            found.append(tracks(session))
    for frame in range(6):
        assert np.array_equal(found[0][frame][1], found[1][frame][1])


def test_a_refused_prompt_leaves_other_tracks_whole(propagator: XMemPropagator) -> None:
    clip = passing_squares()
    empty = vs.Prompt(2, 3, mask=Rle.encode(np.zeros(clip.size, dtype=bool)))
    found = []
    for refused in (False, True):
        with propagator.open(clip.video) as session:
            session.prompt(clip.prompt(1, 0, kind="mask"))
            for masks in session.run():
                if refused and masks.frame == 2:
                    with pytest.raises(PropagationError, match="empty mask"):
                        session.prompt(empty)
                found.append(masks.masks[1])
    half = len(found) // 2
    assert all(map(np.array_equal, found[:half], found[half:]))


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        (vs.Prompt(1, 0, box=vs.Box(1, 1, 5, 5)), "add a segmenter"),
        (vs.Prompt(1, 99, mask=Rle.encode(np.ones((48, 64), bool))), "frames are 0 to 11"),
        (vs.Prompt(1, 0, mask=Rle.encode(np.ones((4, 6), bool))), r"\(48, 64\)"),
        (vs.Prompt(1, 0, mask=Rle.encode(np.zeros((48, 64), bool))), "empty mask"),
    ],
)
def test_what_is_wrong_with_a_prompt_is_said(
    propagator: XMemPropagator, prompt: vs.Prompt, message: str
) -> None:
    with (
        propagator.open(moving_square().video) as session,
        pytest.raises(PropagationError, match=message),
    ):
        session.prompt(prompt)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("tried to allocate too much"),
        RuntimeError("CUDA error: out of memory"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"),
        MemoryError(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_running_out_of_memory_is_told_and_the_session_goes_on(
    propagator: XMemPropagator, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    clip = moving_square()
    step = Tracker.step

    def failing(self: Tracker, *args: object, **options: object) -> torch.Tensor:
        if self._time == 3:
            raise error
        return step(self, *args, **options)

    with propagator.open(clip.video) as session:
        session.prompt(clip.prompt(1, 0, kind="mask"))
        monkeypatch.setattr(Tracker, "step", failing)
        seen = []
        with pytest.raises(PropagationError, match=r"on frame 4 .* max_objects_per_pass"):
            seen.extend(masks.frame for masks in session.run())
        monkeypatch.undo()
        assert len(tracks(session)) == clip.num_frames


def test_other_errors_are_not_taken_for_a_lack_of_memory(
    propagator: XMemPropagator, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    clip = moving_square()
    with propagator.open(clip.video) as session:
        session.prompt(clip.prompt(1, 0, kind="mask"))
        monkeypatch.setattr(Tracker, "step", fail)
        with pytest.raises(RuntimeError, match="cannot be multiplied"):
            next(session.run())


def test_a_device_without_room_for_the_network_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> None:
        raise torch.OutOfMemoryError("tried to allocate too much")

    monkeypatch.setattr(XMemPropagator, "_load", fail)
    with pytest.raises(PropagationError, match=r"no room for the network.*device='cpu'"):
        XMemPropagator(checkpoint="random", device="cpu").open(moving_square().video)


def test_a_pass_holds_as_many_objects_as_it_says(tiny_checkpoint: Path) -> None:
    clip = passing_squares()
    propagator = XMemPropagator(checkpoint=tiny_checkpoint, size=48, max_objects_per_pass=1)
    assert propagator.capabilities.max_objects_per_pass == 1
    with propagator.open(clip.video) as session:
        session.prompt(clip.prompt(1, 0, kind="mask"))
        with pytest.raises(PropagationError, match="open another session"):
            session.prompt(clip.prompt(2, 0, kind="mask"))


def test_the_models_random_state_is_fixed() -> None:
    from videoseg_xmem.checkpoint import random_network
    from videoseg_xmem.network import Dimensions

    tiny = Dimensions(key=8, value=32, sensory=8, width=8)
    before = torch.get_rng_state()
    one, same, other = (random_network(tiny, seed=seed).state_dict() for seed in (3, 3, 4))
    assert torch.equal(torch.get_rng_state(), before)
    name = "decoder.pred.weight"
    assert torch.equal(one[name], same[name])
    assert not torch.equal(one[name], other[name])


def test_probabilities_sum_to_one_and_the_surest_wins() -> None:
    masks = torch.tensor([[[0.9, 0.2, 0.0]], [[0.6, 0.1, 1.0]]])
    probabilities = aggregate(masks)
    torch.testing.assert_close(probabilities.sum(dim=0), torch.ones(1, 3))
    assert probabilities.argmax(dim=0).tolist() == [[1, 0, 2]]


@pytest.mark.parametrize(
    ("source", "size", "inner", "padded"),
    [
        ((480, 854), 480, (480, 854), (480, 864)),
        ((1080, 1920), 480, (480, 853), (480, 864)),
        ((1920, 1080), 480, (853, 480), (864, 480)),
        ((100, 50), -1, (100, 50), (112, 64)),
        ((9, 13), 48, (48, 69), (48, 80)),
    ],
)
def test_sizes(
    source: tuple[int, int], size: int, inner: tuple[int, int], padded: tuple[int, int]
) -> None:
    geometry = FrameGeometry(
        source, xmem_size(source, size), device=torch.device("cpu"), dtype=torch.float32
    )
    assert (geometry.inner, geometry.padded) == (inner, padded)
    image = geometry.image(np.full((*source, 3), 255, np.uint8))
    assert image.shape == (1, 3, *padded)
    top, left = (padded[0] - inner[0]) // 2, (padded[1] - inner[1]) // 2
    white = [(1 - mean) / std for mean, std in ((0.485, 0.229), (0.456, 0.224), (0.406, 0.225))]
    torch.testing.assert_close(image[0, :, top, left], torch.tensor(white))
    mask = np.zeros(source, dtype=bool)
    mask[: source[0] // 2] = True
    given = geometry.mask(mask)
    back = geometry.masks(torch.stack([1 - given, given]))[0]
    assert (back == mask).mean() > 0.97


def test_something_is_left_of_the_smallest_mask() -> None:
    geometry = FrameGeometry((480, 640), (32, 42), device=torch.device("cpu"), dtype=torch.float32)
    mask = np.zeros((480, 640), dtype=bool)
    mask[7, 9] = True
    assert geometry.mask(mask).sum() == 1


def test_a_propagator_that_is_sent_loads_its_network_again(propagator: XMemPropagator) -> None:
    clip = moving_square(3)

    def masks(propagator: XMemPropagator) -> list[bytes]:
        with propagator.open(clip.video) as session:
            session.prompt(clip.prompt(1, 0, kind="mask"))
            return [found.masks[1].tobytes() for found in session.run()]

    usual = masks(propagator)
    sent = pickle.dumps(propagator)
    assert len(sent) < 2_000
    assert masks(pickle.loads(sent)) == masks(copy.deepcopy(propagator)) == usual


def test_a_session_says_that_it_cannot_be_sent(propagator: XMemPropagator) -> None:
    with propagator.open(moving_square(3).video) as session:
        for attempt in (pickle.dumps, copy.deepcopy):
            with pytest.raises(PropagationError, match="send the propagator and open one there"):
                attempt(session)
