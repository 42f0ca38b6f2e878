"""The sampler of VideoSEG-O3: many small frames, a few larger ones, and a sharp keyframe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal, TypeAlias

import numpy as np

from videoseg.plugins import PositiveInt, checked_options
from videoseg.samplers import inside_video
from videoseg.types import FrameGroup, FrameSelection, VideoSource, Window

__all__ = ["PRESETS", "CoarsePreset", "CoarseSampler", "FrameBudgets"]

CoarsePreset: TypeAlias = Literal["eval", "rollout", "cold-start"]

_UNIT = 28 * 28
"""The unit in which the released code counts pixels: a patch of its resizing."""


@dataclass(frozen=True, slots=True)
class FrameBudgets:
    """How many frames of each kind are shown, and how large.

    Args:
        num_context: Small frames of the first view.
        num_detail: Larger frames of the first view.
        num_look: Small frames of a look's window.
        context_pixels: Upper bound on height x width of a small frame.
        detail_pixels: The same of a larger frame.
        keyframe_pixels: The same of the keyframe.
        spare: In the first view, a video with so many frames more than are to be shown is
            shown completely.
    """

    num_context: int
    num_detail: int
    num_look: int
    context_pixels: int
    detail_pixels: int
    keyframe_pixels: int
    spare: int = 0


PRESETS: Mapping[CoarsePreset, FrameBudgets] = MappingProxyType(
    {
        # evaluation/dataset/refVOS_COT_v2.py and the defaults of evaluation.sh
        "eval": FrameBudgets(20, 8, 5, 32 * _UNIT, 256 * _UNIT, 512 * _UNIT),
        # open_r1/dataset.py and train_rl.sh
        "rollout": FrameBudgets(10, 5, 5, 32 * _UNIT, 128 * _UNIT, 256 * _UNIT, spare=1),
        # sa2va/datasets/cot_data_refvos_v3.py, whose larger frames are named by its data
        "cold-start": FrameBudgets(20, 5, 10, 32 * _UNIT, 128 * _UNIT, 512 * _UNIT, spare=1),
    }
)
"""The budgets of the released code of VideoSEG-O3, by preset."""


class CoarseSampler:
    """Shows a coarse view of the whole first, then what the grounder asks to look at.

    Without a keyframe: small frames (role ``context``) and a few larger ones (``detail``), both
    evenly spaced over the window. With a keyframe, as in a look: small frames of the window and
    the keyframe. Both ends of the window are included, a window that is shorter than the budget
    is shown completely, and positions between two frames are rounded down, as in the released
    code. Neither the query nor the seed matters.

    Unlike its loader for the cold start, the last frame of a look's window is always included:
    there, a window of one frame is shown as no frame at all.

    Args:
        preset: ``eval`` for the released evaluation, ``rollout`` for its reinforcement learning,
            ``cold-start`` for its supervised training. The other options replace single numbers.
        num_context: How many small frames the first view has at most.
        num_detail: How many larger frames the first view has at most.
        num_look: How many small frames a look has at most.
        context_pixels: Upper bound on height x width at which a small frame is shown.
        detail_pixels: The same for a larger frame.
        keyframe_pixels: The same for the keyframe.

    Raises:
        ConfigError: If an option is not at least 1, or there is no such preset.
    """

    @checked_options("sampler 'coarse'")
    def __init__(
        self,
        *,
        preset: CoarsePreset = "eval",
        num_context: PositiveInt | None = None,
        num_detail: PositiveInt | None = None,
        num_look: PositiveInt | None = None,
        context_pixels: PositiveInt | None = None,
        detail_pixels: PositiveInt | None = None,
        keyframe_pixels: PositiveInt | None = None,
    ) -> None:
        given = {
            "num_context": num_context,
            "num_detail": num_detail,
            "num_look": num_look,
            "context_pixels": context_pixels,
            "detail_pixels": detail_pixels,
            "keyframe_pixels": keyframe_pixels,
        }
        changed = {name: value for name, value in given.items() if value is not None}
        self._budgets = replace(PRESETS[preset], **changed)

    @property
    def budgets(self) -> FrameBudgets:
        """The numbers in use."""
        return self._budgets

    def sample(
        self,
        video: VideoSource,
        query: str,  # noqa: ARG002 - part of the contract
        *,
        window: Window,
        keyframe: int | None = None,
        seed: int = 0,  # noqa: ARG002
    ) -> FrameSelection:
        """Choose frames of the window; see ``FrameSampler.sample``.

        A keyframe outside the window is moved to the nearest frame of the window.
        """
        window = inside_video(video, window)
        if keyframe is None:
            return self._first_view(window)
        return self._look(window, keyframe)

    def _first_view(self, window: Window) -> FrameSelection:
        budgets = self._budgets
        context = _spread(window, budgets.num_context, spare=budgets.spare)
        detail = _spread(window, budgets.num_detail, spare=budgets.spare)
        groups = (
            FrameGroup("context", context, max_pixels=budgets.context_pixels),
            FrameGroup("detail", detail, max_pixels=budgets.detail_pixels),
        )
        reason = f"{len(context)} of {len(window)} frames small and {len(detail)} larger."
        return FrameSelection(groups, window, reason=reason)

    def _look(self, window: Window, keyframe: int) -> FrameSelection:
        budgets = self._budgets
        context = _spread(window, budgets.num_look)
        shown = window.nearest(keyframe)
        groups = (
            FrameGroup("context", context, max_pixels=budgets.context_pixels),
            FrameGroup("keyframe", (shown,), max_pixels=budgets.keyframe_pixels),
        )
        reason = f"{len(context)} of {len(window)} frames small, and the keyframe {shown}."
        if shown != keyframe:
            reason += f" Keyframe {keyframe} lies outside the window; {shown} is shown instead."
        return FrameSelection(groups, window, reason=reason)


def _spread(window: Window, count: int, *, spare: int = 0) -> tuple[int, ...]:
    """Return at most ``count`` frames of a window, both ends included; one frame is the first.

    A window of up to ``count + spare`` frames is returned completely.
    """
    if len(window) <= count + spare:
        return tuple(window)
    # NumPy's floating-point positions, rounded down: in exact arithmetic single frames differ.
    return tuple(np.linspace(window.start, window.stop - 1, count, dtype=int).tolist())
