from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_cutie import tiny_network
from videoseg_cutie import CutiePropagator, MemoryOptions
from videoseg_cutie.network.preparation import prepare
from videoseg_cutie.session import CutieSession, cutie_size
from videoseg_cutie.tracker import Tracker

import videoseg as vs
from videoseg.errors import ConfigError, MissingWeightsError, PropagationError
from videoseg.testing import moving_square, passing_squares

SMALL_MEMORY = {
    "mem_every": 2,
    "min_working_frames": 2,
    "max_working_frames": 4,
    "prototypes": 5,
    "long_term_elements": 30,
    "long_term_buffer": 5,
}


def make(checkpoint: Path, **options: object) -> CutiePropagator:
    given = {"max_internal_size": 48, "device": "cpu", "precision": "float32"}
    return CutiePropagator(checkpoint=checkpoint, **(SMALL_MEMORY | given | options))  # type: ignore[arg-type]


def tracks(session: CutieSession, direction: str = "forward") -> dict[int, dict[int, np.ndarray]]:
    return {masks.frame: dict(masks.masks) for masks in session.run(direction)}


def run(propagator: CutiePropagator, *prompts: vs.Prompt) -> dict[int, dict[int, np.ndarray]]:
    with propagator.open(passing_squares().video) as session:
        for prompt in prompts:
            session.prompt(prompt)
        return tracks(session)


class Steps:
    """A tracker on random images with boxes as masks."""

    def __init__(self, seed: int = 0, **options: object) -> None:
        network = prepare(tiny_network(), device=torch.device("cpu"), dtype=torch.float32)
        self.tracker = Tracker(network, MemoryOptions(**(SMALL_MEMORY | options)))  # type: ignore[arg-type]
        self.generator = torch.Generator().manual_seed(seed)

    def step(self, given: Mapping[int, tuple[int, int]] = {}, **options: bool) -> torch.Tensor:
        image = torch.randn(1, 3, 48, 64, generator=self.generator)
        masks = {}
        for number, (top, left) in given.items():
            masks[number] = torch.zeros(48, 64)
            masks[number][top : top + 12, left : left + 14] = 1
        return self.tracker.step(
            image.contiguous(memory_format=torch.channels_last), masks, **options
        )


def test_backward_is_forward_on_the_reversed_video(tiny_checkpoint: Path) -> None:
    clip = passing_squares()
    last = clip.num_frames - 1
    propagator = make(tiny_checkpoint)
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


def test_a_correction_of_one_object_leaves_the_other(tiny_checkpoint: Path) -> None:
    clip = passing_squares()
    first = [clip.prompt(number, 0, kind="mask") for number in (1, 2)]
    plain = run(make(tiny_checkpoint), *first)
    corrected = run(make(tiny_checkpoint), *first, clip.prompt(1, 6, kind="mask"))
    for frame in range(6):
        for number in (1, 2):
            assert np.array_equal(plain[frame][number], corrected[frame][number])
    assert np.array_equal(corrected[6][1], clip.masks[1][6])
    assert not (corrected[6][1] & corrected[6][2]).any()
    assert sorted(corrected[clip.num_frames - 1]) == [1, 2]


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_long_run_with_all_that_can_happen(tiny_checkpoint: Path, precision: str) -> None:
    clip = passing_squares()
    found = run(
        make(tiny_checkpoint, precision=precision, permanent_prompts=True, chunk_size=1),
        clip.prompt(1, 0, kind="mask"),
        clip.prompt(2, 4, kind="mask"),
        clip.prompt(1, 7, kind="mask"),
    )
    assert [sorted(masks) for masks in found.values()] == [[1]] * 4 + [[1, 2]] * (len(found) - 4)


def test_frames_follow_the_rule_of_the_released_implementation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    steps, done = Steps(mem_every=5), []
    segment, remember = Tracker._segment, Tracker._remember

    def note_segment(self: Tracker, frame: object, *, update: bool) -> torch.Tensor:
        done[-1] += "D" if update else "d"
        return segment(self, frame, update=update)  # type: ignore[arg-type]

    def note_remember(self: Tracker, *args: object, **options: object) -> None:
        done[-1] += "M"
        remember(self, *args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Tracker, "_segment", note_segment)
    monkeypatch.setattr(Tracker, "_remember", note_remember)
    both = {0: (2, 3), 1: (30, 40)}
    for index in range(18):
        done.append("")
        given = {0: both, 7: {2: (20, 20)}, 8: both | {2: (20, 20)}}.get(index, {})
        steps.step(given, last=index == 17)
    expected = "M D D D D DM D DM M D D D D DM D D D d"
    assert done == expected.split()


def test_removing_an_object_and_adding_it_again(tiny_checkpoint: Path) -> None:
    steps = Steps()
    steps.step({0: (2, 3), 1: (30, 40)})
    for _ in range(5):
        steps.step()
    steps.step({2: (20, 20)})
    for _ in range(6):
        steps.step()
    steps.tracker.remove([1])
    assert len(steps.step()) == 3
    steps.tracker.remove([0, 1])
    assert torch.equal(steps.step(), torch.ones(1, 48, 64))
    assert len(steps.step({0: (5, 5)})) == 2
    found = steps.step()
    torch.testing.assert_close(found.sum(dim=0), torch.ones(48, 64))


def test_objects_that_came_together_in_chunks_differ_and_apart_do_not() -> None:
    def final(chunk_size: int | None, *arrivals: Mapping[int, tuple[int, int]]) -> torch.Tensor:
        steps = Steps(chunk_size=chunk_size)
        found = torch.zeros(0)
        for given in (*arrivals, {}, {}, {}):
            found = steps.step(given)
        return found

    apart = ({0: (2, 3)}, {}, {1: (30, 40)})
    torch.testing.assert_close(final(1, *apart), final(None, *apart))
    together = ({0: (2, 3), 1: (30, 40)},)
    assert not torch.allclose(final(1, *together), final(None, *together), atol=1e-4)
    torch.testing.assert_close(final(2, *together), final(None, *together))


@pytest.mark.parametrize(
    ("source", "longest", "size"),
    [
        ((480, 854), 480, (480, 854)),
        ((1080, 1920), 480, (480, 853)),
        ((100, 50), -1, (100, 50)),
        ((9, 13), 48, (9, 13)),
        # side / shorter * longest and side * (longest / shorter) differ here by a pixel.
        ((909, 1212), 480, (480, 640)),
    ],
)
def test_sizes(source: tuple[int, int], longest: int, size: tuple[int, int]) -> None:
    assert cutie_size(source, longest) == size


def test_padding_is_black(tiny_checkpoint: Path) -> None:
    with make(tiny_checkpoint).open(moving_square(3, size=(33, 47)).video) as session:
        session._network = tiny_network()
        _, geometry = session.begin()
    image = geometry.image(np.full((33, 47, 3), 255, np.uint8))
    assert image.shape == (1, 3, 48, 48)
    black = [-mean / std for mean, std in ((0.485, 0.229), (0.456, 0.224), (0.406, 0.225))]
    torch.testing.assert_close(image[0, :, 0, 0], torch.tensor(black))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"min_working_frames": 4, "max_working_frames": 4}, "greater than min_working_frames"),
        ({"long_term_elements": 9}, "at least prototypes and long_term_buffer together"),
        ({"chunk_size": 0}, "chunk_size"),
        ({"max_internal_size": 8}, "max_internal_size"),
        ({"precision": "int8"}, "needs engine='openvino'"),
        ({"engine": "openvino", "device": "cuda"}, "cuda"),
    ],
)
def test_options_that_make_no_sense_are_refused(
    tiny_checkpoint: Path, options: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        make(tiny_checkpoint, **options)


def test_masks_are_the_same_in_openvino(tiny_checkpoint: Path) -> None:
    prompt = passing_squares().prompt(1, 0, kind="mask")
    usual = run(make(tiny_checkpoint), prompt)
    other = run(make(tiny_checkpoint, engine="openvino"), prompt)
    assert max(np.mean(other[frame][1] != usual[frame][1]) for frame in usual) < 0.01


def test_sizes_of_a_long_term_memory_that_is_not_there_do_not_matter(
    tiny_checkpoint: Path,
) -> None:
    make(tiny_checkpoint, long_term_elements=0, max_working_frames=1)


def test_missing_weights_are_told_with_their_command(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("VIDEOSEG_WEIGHTS", str(tmp_path))
    with pytest.raises(MissingWeightsError, match="download propagator cutie"):
        CutiePropagator()
    with pytest.raises(MissingWeightsError, match=r"'small' of Cutie .*checkpoint=small"):
        CutiePropagator(checkpoint="small")


def test_a_lack_of_memory_is_told(tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("tried to allocate too much")

    clip = moving_square()
    with make(tiny_checkpoint).open(clip.video) as session:
        session.prompt(clip.prompt(1, 0, kind="mask"))
        monkeypatch.setattr(Tracker, "step", fail)
        with pytest.raises(PropagationError, match=r"on frame 0 .*chunk_size"):
            next(session.run())


def test_a_propagator_that_is_sent_loads_its_network_again(tiny_checkpoint: Path) -> None:
    clip = passing_squares()
    propagator = make(tiny_checkpoint)
    usual = run(propagator, clip.prompt(1, 0, kind="mask"))
    sent = pickle.dumps(propagator)
    assert len(sent) < 3_000
    again = run(pickle.loads(sent), clip.prompt(1, 0, kind="mask"))
    assert all(np.array_equal(again[frame][1], usual[frame][1]) for frame in usual)
