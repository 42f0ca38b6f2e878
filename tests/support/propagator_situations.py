"""What each propagator does in situations that users meet, as words for a table.

Run as a script it writes the table into ``docs/how-to/choose-a-propagator.md``.
"""

from __future__ import annotations

import atexit
import contextlib
import re
import tempfile
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from unittest import mock

import numpy as np
from PIL import Image
from videoseg_sam2.policies import FIFO, POLICY_NAMES

import videoseg as vs
from videoseg.errors import PropagationError, VideoError
from videoseg.testing import moving_square, passing_squares
from videoseg.types import BoolArray, Prompt, Rle
from videoseg.video import Video

PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "choose-a-propagator.md"
MARKS = ("<!-- situations -->\n", "<!-- end of situations -->\n")

PROPAGATORS: Mapping[str, vs.Use] = {
    "flow": vs.use("flow"),
    "xmem": vs.use("xmem", checkpoint="random", size=64),
    "cutie": vs.use("cutie", checkpoint="random", max_internal_size=64),
    "sam2": vs.use("sam2", model="toy", random_weights=True),
    "sam2 (memory=sam2long)": vs.use("sam2", model="toy", random_weights=True, memory="sam2long"),
    "transformers-video": vs.use("transformers-video"),
}
"""Those that are tried; networks are small and have random weights."""
RANDOM = frozenset(PROPAGATORS) - {"flow"}
VARIANTS: Mapping[str, tuple[str, ...]] = {
    "sam2": tuple(name for name in POLICY_NAMES if name != FIFO),
    "transformers-video": ("EdgeTAM", "SAM 3"),
}
"""Memory policies and networks that must do what the column of their propagator says."""

Situation = Callable[[vs.Use], str]
Masks = list[dict[int, BoolArray]]


def propagate(propagator: vs.Use, video: Video, *prompts: Prompt) -> Masks:
    """Return for each frame the masks of the objects that are known there."""
    with vs.Pipeline("given", "given", propagator) as pipe:
        result = pipe.propagate(video, list(prompts))
    return [
        {track.object_id: track.mask(frame) for track in result.tracks}
        for frame in range(len(video))
    ]


def given_mask(prompt: Prompt) -> BoolArray:
    """Return the mask of a prompt that has one."""
    assert prompt.mask is not None
    return prompt.mask.decode()


def late_object(propagator: vs.Use) -> str:
    """An object whose first mask is on a later frame."""
    clip = passing_squares(8)
    alone = propagate(propagator, clip.video, clip.prompt(1, 0))
    both = propagate(propagator, clip.video, clip.prompt(1, 0), clip.prompt(2, 4))
    before = all(np.array_equal(a[1], b[1]) for a, b in zip(alone[:4], both[:4], strict=True))
    if not before or not both[4][2].any():
        return "wrong"
    after = all(np.array_equal(a[1], b[1]) for a, b in zip(alone, both, strict=True))
    return "yes; others unchanged" if after else "yes; objects compete"


def object_that_returns(propagator: vs.Use) -> str:
    """An object that is not there on frames 4 to 7 of 12."""
    clip = moving_square(12)
    frames = np.stack(clip.video.read(range(12)))
    for frame in range(4, 8):
        frames[frame][clip.masks[1][frame]] = 112
    masks = propagate(propagator, Video.from_frames(frames, fps=12), clip.prompt(1, 0))
    if propagator.name in RANDOM:
        return "runs"
    missing = all(not masks[frame][1].any() for frame in range(4, 8))
    shown = masks[11][1] & clip.masks[1][11]
    again = shown.sum() > 0.5 * (masks[11][1] | clip.masks[1][11]).sum()
    gone = "empty meanwhile" if missing else "drifts meanwhile"
    return f"{gone}, {'found' if again else 'not found'} again"


def correction(propagator: vs.Use) -> str:
    """A second mask for the object on a later frame."""
    clip = moving_square(8)
    right = clip.rle(1, 5).decode()
    masks = propagate(propagator, clip.video, clip.prompt(1, 0), clip.prompt(1, 5))
    return "yes" if np.array_equal(masks[5][1], right) else "wrong"


def backward(propagator: vs.Use) -> str:
    """The first mask on the last frame."""
    clip = moving_square(6)
    masks = propagate(propagator, clip.video, clip.prompt(1, 5))
    frames = np.stack(clip.video.read(range(6)))[::-1]
    mirrored = Video.from_frames(frames.copy(), fps=clip.video.fps)
    forward = propagate(propagator, mirrored, Prompt(1, 0, mask=clip.rle(1, 5)))[::-1]
    # Time has no direction for any of them.
    if not all(np.array_equal(a[1], b[1]) for a, b in zip(masks, forward, strict=True)):
        return "wrong"
    if propagator.name in RANDOM:
        return "yes"
    shown = masks[0][1] & clip.masks[1][0]
    found = shown.sum() > 0.5 * (masks[0][1] | clip.masks[1][0]).sum()
    return "yes" if found else "loses it"


def one_frame(propagator: vs.Use) -> str:
    """A video of one frame."""
    clip = moving_square(1)
    [masks] = propagate(propagator, clip.video, clip.prompt(1, 0))
    return "the given mask" if np.array_equal(masks[1], clip.masks[1][0]) else "another mask"


def one_pixel(propagator: vs.Use) -> str:
    """An object of one pixel."""
    clip = moving_square(4)
    mask = np.zeros(clip.size, dtype=bool)
    mask[20, 30] = True
    masks = propagate(propagator, clip.video, Prompt(1, 0, mask=Rle.encode(mask)))
    return "given frame kept" if np.array_equal(masks[0][1], mask) else "given frame changed"


def hundred_objects(propagator: vs.Use) -> str:
    """A hundred objects of three by four pixels."""
    clip = moving_square(2)
    prompts = []
    for number in range(100):
        row, column = divmod(number, 10)
        mask = np.zeros(clip.size, dtype=bool)
        mask[4 * row + 2 : 4 * row + 5, 6 * column + 2 : 6 * column + 6] = True
        prompts.append(Prompt(number + 1, 0, mask=Rle.encode(mask)))
    masks = propagate(propagator, clip.video, *prompts)
    kept = all(np.array_equal(masks[0][one.object_id], given_mask(one)) for one in prompts)
    return "yes" if kept else "wrong"


def empty_mask(propagator: vs.Use) -> str:
    """A first mask without a pixel."""
    clip = moving_square(3)
    empty = Rle.encode(np.zeros(clip.size, dtype=bool))
    propagate(propagator, clip.video, Prompt(1, 0, mask=empty))
    return "taken"


def broken_frame(propagator: vs.Use) -> str:
    """Frame 4 of 8 is a picture file that is cut short."""
    clip = moving_square(8)
    prompts = [clip.prompt(1, 0)]
    kept: list[int] = []
    with tempfile.TemporaryDirectory() as folder:
        for index, frame in clip.video.iter_frames():
            Image.fromarray(frame).save(Path(folder) / f"{index:05d}.png")
        file = Path(folder) / "00004.png"
        file.write_bytes(file.read_bytes()[:300])
        with vs.Pipeline("given", vs.use("given", prompts=prompts), propagator) as pipe:
            try:
                with pipe.stream(folder, "the square") as stream:
                    kept.extend(masks.frame for masks in stream)
            except VideoError as error:
                named = "names it" if "00004.png" in str(error) else "does not name it"
                return f"error {named}; masks before it are given" if kept else f"error {named}"
    return f"{len(kept)} of 8 masks"


SITUATIONS: Mapping[str, Situation] = {
    "an object that comes later": late_object,
    "an object that leaves and returns": object_that_returns,
    "a correction on another frame": correction,
    "backward": backward,
    "a video of one frame": one_frame,
    "an object of one pixel": one_pixel,
    "100 objects": hundred_objects,
    "a first mask without a pixel": empty_mask,
    "a frame that cannot be decoded": broken_frame,
}


def outcome(name: str, situation: str, variant: str = "") -> str:
    """Return what a propagator does in a situation, in a few words."""
    propagator = PROPAGATORS[name]
    with contextlib.ExitStack() as stack:
        if name == "transformers-video":
            stack.enter_context(_with_own_classes(variant))
            propagator = vs.use(name, model=str(_tiny_tracker(variant)))
        elif variant:
            propagator = vs.use(name, **propagator.options, memory=variant)
        try:
            return SITUATIONS[situation](propagator)
        except (PropagationError, vs.ConfigError):
            return "refused"


def _with_own_classes(variant: str) -> contextlib.AbstractContextManager[object]:
    """Let EdgeTAM have SAM 2's image encoder, which the plug-in refuses: its own needs timm."""
    if variant != "EdgeTAM":
        return contextlib.nullcontext()
    classes = ("EdgeTamVideoModel", "Sam2VideoProcessor")
    return mock.patch("videoseg_trackers.network._classes_for", lambda *_: classes)


@cache
def _tiny_tracker(variant: str) -> Path:
    """Return a folder with a tiny checkpoint, which lives as long as the process."""
    from tiny_trackers import save_tiny

    folder = tempfile.TemporaryDirectory()
    atexit.register(folder.cleanup)
    network = {"": "sam2", "EdgeTAM": "edgetam", "SAM 3": "sam3"}[variant]
    return save_tiny(network, Path(folder.name))


def written_table() -> dict[tuple[str, str], str]:
    """Return the cells of the table in the documentation."""
    text = PAGE.read_text(encoding="utf-8")
    table = text.split(MARKS[0])[1].split(MARKS[1])[0]
    header, _, *rows = [_cells(line) for line in table.strip().splitlines()]
    names = [cell.strip("`") for cell in header[1:]]
    return {
        (name, row[0]): cell for row in rows for name, cell in zip(names, row[1:], strict=True)
    }


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def make_table() -> str:
    """Return the table in Markdown."""
    lines = [["", *(f"`{name}`" for name in PROPAGATORS)], ["---"] * (len(PROPAGATORS) + 1)]
    for situation in SITUATIONS:
        lines.append([situation, *(outcome(name, situation) for name in PROPAGATORS)])
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


if __name__ == "__main__":
    page = PAGE.read_text(encoding="utf-8")
    pattern = re.compile(f"{MARKS[0]}.*?{MARKS[1]}", re.DOTALL)
    table = make_table()
    print(table)
    PAGE.write_text(pattern.sub(f"{MARKS[0]}{table}{MARKS[1]}", page), encoding="utf-8")
