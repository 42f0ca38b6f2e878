"""How hard each sample is, as a chat model rates it: the prior of VideoSeg-R1's length penalty."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from videoseg_r1 import load_prompt, rate_difficulty
from videoseg_r1.budget import AXES
from videoseg_r1.questions import frame_parts, spread

from videoseg import ChatModel, ConfigError, Window
from videoseg.files import expand_path
from videoseg.types import time_label
from videoseg_train.samples import TrainingSample

__all__ = ["DifficultyRatings"]

_PIXELS = 128 * 28 * 28
"""At which a frame is shown, as a small frame of sampler ``htfs``."""


class DifficultyRatings:
    """Adds its difficulty to a sample: the detail ``difficulty``, from 1 to 10 on five axes.

    A chat model rates each question once, by the median of three answers
    (``videoseg_r1.rate_difficulty``). Ratings are kept in a file, a line for each, so that
    training asks nothing; an answer that could not be used is not kept, and counts as 5.

    Args:
        chat: The model; None to use what the file has and rate nothing.
        file: Where ratings are kept; None for memory alone.
        num_frames: How many frames of the video it is shown.
        prompt: Version of the prompt; see ``videoseg_r1.load_prompt``.

    Raises:
        ConfigError: If there is neither a chat model nor a file, or, when called, if a sample
            has no rating and there is no model.
    """

    def __init__(
        self,
        chat: ChatModel | None,
        file: str | Path | None = None,
        *,
        num_frames: int = 8,
        prompt: str = "v1",
    ) -> None:
        if chat is None and file is None:
            raise ConfigError("difficulty ratings need a chat model, or a file that has them")
        self._chat = chat
        self._file = None if file is None else expand_path(file)
        self._num_frames = num_frames
        self._prompt = load_prompt("difficulty", prompt)
        self._known = {} if self._file is None else _read(self._file)

    def __call__(self, sample: TrainingSample) -> TrainingSample:
        """Return the sample with its difficulty."""
        key = (sample.id, sample.query)
        rated = self._known.get(key)
        if rated is None:
            rated = self._rate(sample)
        return replace(sample, details={**sample.details, "difficulty": rated})

    def _rate(self, sample: TrainingSample) -> dict[str, float]:
        if self._chat is None:
            raise ConfigError(
                f"the file {self._file} has no difficulty of sample {sample.id!r}, and there is "
                "no chat model to rate it"
            )
        video = sample.video
        frames = spread(Window(0, len(video)), self._num_frames)
        parts = frame_parts(
            video, frames, lambda frame: time_label(video.time_of(frame)), max_pixels=_PIXELS
        )
        found = rate_difficulty(self._chat, self._prompt, parts, sample.query)
        rated = {axis: float(value) for axis, value in found.axes.items()}
        if found.rated:
            self._known[sample.id, sample.query] = rated
            if self._file is not None:
                line = {"sample": sample.id, "query": sample.query, "axes": rated}
                _append(self._file, json.dumps(line))
        return rated


def _read(path: Path) -> dict[tuple[str, str], dict[str, float]]:
    """Return the ratings of a file; a line that is not whole is one that was being written."""
    known = {}
    if path.exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                value = json.loads(line)
                axes = {axis: float(value["axes"][axis]) for axis in AXES}
                known[str(value["sample"]), str(value["query"])] = axes
            except (ValueError, KeyError, TypeError):
                continue
    return known


def _append(path: Path, line: str) -> None:
    """Add a line to a file whose last line may have been cut off."""
    torn = path.exists() and path.stat().st_size and not path.read_bytes().endswith(b"\n")
    with path.open("a", encoding="utf-8") as file:
        file.write(("\n" if torn else "") + line + "\n")
