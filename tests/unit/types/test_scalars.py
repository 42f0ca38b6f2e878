"""Numbers and names as detectors, tables and file systems have them."""

from __future__ import annotations

import dataclasses
import json
from decimal import Decimal

import numpy as np
import pytest

from videoseg.errors import ConfigError, ShapeError
from videoseg.results import Segmentation
from videoseg.types import (
    Box,
    Embedding,
    FrameGroup,
    FrameMasks,
    FrameSelection,
    Grounding,
    Look,
    MaskTrack,
    ObjectMask,
    Point,
    Prompt,
    Thought,
    Trace,
    VideoFacts,
    Window,
    from_dict,
    to_dict,
)

WHOLE = [np.int64(7), np.uint8(7), np.array(7), np.float32(7), 7.0, Decimal(7)]
REAL = [np.float32(7), np.float64(7), np.int16(7), np.array(7.0), np.array(7), 7, 7.0]
NOT_WHOLE = [
    7.5,
    True,
    np.True_,
    "7",
    None,
    [7],
    np.array([7]),
    np.nan,
    np.inf,
    7j,
    np.float32(7.5),
]
NOT_REAL = [True, np.True_, "7", b"7", None, [7], np.array([7.0]), np.nan, np.inf, np.complex64(7)]
BOX = Box(0, 0, 2, 2)


def facts(**changes: object) -> VideoFacts:
    return dataclasses.replace(VideoFacts("v", None, 7, (4, 5), 7.0, 7.0, "arrays"), **changes)


TAKES_WHOLE = {
    "object id of a prompt": lambda n: Prompt(n, 0, box=BOX).object_id,
    "frame of a prompt": lambda n: Prompt(1, n, box=BOX).frame,
    "start of a window": lambda n: Window(n, 9).start,
    "stop of a window": lambda n: Window(0, n).stop,
    "keyframe of a look": lambda n: Look(Window(0, 9), n).keyframe,
    "keyframe of a grounding": lambda n: Grounding(n).keyframe,
    "index of a group": lambda n: FrameGroup("context", (n,)).indices[0],
    "pixels of a group": lambda n: FrameGroup("context", (1,), n).max_pixels,
    "keyframe of a selection": lambda n: (
        FrameSelection.of([1], window=Window(0, 9), keyframe=n).keyframe
    ),
    "tokens": lambda n: Thought(num_tokens=n).num_tokens,
    "object id of a track": lambda n: MaskTrack(n, (4, 5), ()).object_id,
    "height of a track": lambda n: MaskTrack(1, (n, 5), ()).size[0],
    "frame of masks": lambda n: FrameMasks(n, {}, (4, 5)).frame,
    "frames of a video": lambda n: facts(num_frames=n).num_frames,
    "width of a video": lambda n: facts(size=(4, n)).size[1],
    "seed": lambda n: Segmentation("q", facts(), Grounding(None), Trace(), (), seed=n).seed,
}
TAKES_REAL = {
    "x of a point": lambda n: Point(n, 1).x,
    "y of a point": lambda n: Point(1, n).y,
    "corner of a box": lambda n: Box(1, 1, n, 9).x2,
    "score of a prompt": lambda n: Prompt(1, 0, box=BOX, score=n).score,
    "confidence of a grounding": lambda n: Grounding(None, confidence=n).confidence,
    "confidence of a selection": lambda n: (
        FrameSelection.of([1], window=Window(0, 9), confidence=n).confidence
    ),
    "value of an embedding": lambda n: Embedding("model", (n,)).values[0],
    "score of a mask": lambda n: ObjectMask(np.ones((2, 2), bool), n).score,
    "rate of a video": lambda n: facts(fps=n).fps,
    "seconds of a video": lambda n: facts(duration=n).duration,
}
MAY_BE_NONE = ("keyframe", "pixels", "tokens", "score", "confidence")


@pytest.mark.parametrize("make", TAKES_WHOLE.values(), ids=TAKES_WHOLE)
def test_whole_numbers_of_any_library_become_pythons(make) -> None:
    for number in WHOLE:
        assert type(make(number)) is int
        assert make(number) == 7


@pytest.mark.parametrize("name", TAKES_WHOLE)
def test_what_is_no_whole_number_is_refused(name) -> None:
    for number in NOT_WHOLE:
        if number is None and name.startswith(MAY_BE_NONE):
            continue
        with pytest.raises(ConfigError, match="whole number"):
            TAKES_WHOLE[name](number)


@pytest.mark.parametrize("make", TAKES_REAL.values(), ids=TAKES_REAL)
def test_numbers_of_any_library_become_pythons(make) -> None:
    for number in REAL:
        assert type(make(number)) in (int, float)
        assert make(number) == 7


@pytest.mark.parametrize("name", TAKES_REAL)
def test_what_is_no_number_is_refused(name) -> None:
    for number in NOT_REAL:
        if number is None and name.startswith(MAY_BE_NONE):
            continue
        if name.endswith("of a video") and isinstance(number, float):
            continue  # of a picture, for one
        with pytest.raises(ConfigError, match="number"):
            TAKES_REAL[name](number)


class Tensor:
    """A number as a library of tensors holds it."""

    def __init__(self, value: object, dtype: str, shape: tuple[int, ...] = ()) -> None:
        self.value, self.dtype, self.shape = value, dtype, shape

    def __index__(self) -> int:
        if not isinstance(self.value, int):
            raise TypeError("only integer tensors can be converted to an index")
        return self.value

    def __float__(self) -> float:
        return float(self.value)


def test_the_numbers_of_a_tensor_are_taken() -> None:
    corners = [Tensor(corner, "torch.float32") for corner in (1.0, 2.0, 3.5, 4.0)]
    prompt = Prompt(Tensor(7, "torch.int64"), Tensor(0, "torch.int64"), box=Box(*corners))
    assert prompt == Prompt(7, 0, box=Box(1, 2, 3.5, 4))
    for tensor in (Tensor(True, "torch.bool"), Tensor(7, "torch.int64", (1,))):
        with pytest.raises(ConfigError, match="whole number"):
            Prompt(tensor, 0, box=BOX)


def test_a_box_of_single_precision_is_saved_as_it_is() -> None:
    box = Box(*np.array([20, 20, 70, 90], np.float32))
    assert box.as_tuple() == (20, 20, 70, 90)
    assert from_dict(Box, json.loads(json.dumps(to_dict(box)))) == box


def test_ids_of_masks_become_pythons_numbers() -> None:
    mask = np.ones((4, 5), bool)
    masks = FrameMasks(0, {np.int64(7): mask}, (4, 5)).masks
    assert list(masks) == [7]
    assert type(next(iter(masks))) is int
    with pytest.raises(ConfigError, match="object_id"):
        FrameMasks(0, {"dog": mask}, (4, 5))


def test_a_window_holds_frames_of_numpy() -> None:
    assert np.int64(3) in Window(0, 9)
    assert np.int64(9) not in Window(0, 9)
    assert "3" not in Window(0, 9)


def test_a_message_about_a_number_is_short() -> None:
    for value in ("x" * 10_000, 10**9999, list(range(10_000)), {"a": "\x1b[31m" * 999}):
        with pytest.raises(ConfigError) as caught:
            Prompt(value if not isinstance(value, int) else -value, 0, box=BOX)
        assert len(str(caught.value)) < 200
        assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize(
    "make",
    [
        lambda text: Prompt(1, 0, box=BOX, label=text).label,
        lambda text: MaskTrack(1, (4, 5), (), label=text).label,
        lambda text: Thought(text).text,
        lambda text: Thought(temporal=text).temporal,
        lambda text: Grounding(None, warnings=(text,)).warnings[0],
        lambda text: facts(name=text).name,
        lambda text: Segmentation(text, facts(), Grounding(None), Trace(), ()).query,
    ],
)
def test_text_can_always_be_written(make) -> None:
    assert make("caf\udce9 \ud800") == "caf\ufffd \ufffd"
    assert make("\ud83d\ude00") == "\N{GRINNING FACE}"
    with pytest.raises(ConfigError, match="must be text"):
        make(7)


@pytest.mark.parametrize("mask", [np.ones((4, 5), bool), "mask", [[True]]])
def test_a_track_holds_encoded_masks_only(mask) -> None:
    with pytest.raises(ConfigError, match=r"Rle\.encode"):
        MaskTrack(1, (4, 5), (mask,))


def test_a_segmenters_mask_is_a_mask() -> None:
    assert ObjectMask(np.array([[0, 255]], np.uint8)).mask.any()
    with pytest.raises(ConfigError, match="mask > 0"):
        ObjectMask(np.array([[-8.0, 7.0]]))
    with pytest.raises(ShapeError):
        ObjectMask(np.ones((1, 4, 5), bool))


@pytest.mark.parametrize("prompts", [7, "prompt", [None], [(1, 0)], {"a": 1}])
def test_a_grounding_holds_prompts_only(prompts) -> None:
    with pytest.raises(ConfigError, match="must be a sequence of Prompt"):
        Grounding(0, prompts)


def test_a_number_beyond_every_float_is_refused() -> None:
    with pytest.raises(ConfigError, match="must be a finite number"):
        Box(0, 0, 10**400, 4)


def test_one_text_is_no_sequence_of_warnings() -> None:
    with pytest.raises(ConfigError, match="warnings of a grounding must be a sequence of text"):
        Grounding(None, warnings="nothing seen")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "make",
    [lambda: FrameMasks(0, [np.ones((2, 2), bool)], (2, 2)), lambda: MaskTrack(1, (2, 2), None)],
)
def test_masks_of_another_type_are_refused(make) -> None:
    with pytest.raises(ConfigError, match="must be a"):
        make()
