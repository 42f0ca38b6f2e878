"""Answering the query again while masks are propagated, for propagators that ask."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, cast

from videoseg.pipeline.episode_loop import run_episode
from videoseg.stages import FrameSampler, Grounder
from videoseg.types import Grounding, Trace, Window

if TYPE_CHECKING:
    from videoseg.pipeline.run import Run

__all__ = ["Asking"]


class Asking:
    """Lets the stages of a run answer its query again; a ``videoseg.stages.Reanswer``.

    Args:
        run: The run, whose trace gets the turns.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._num_asked = 0

    def __call__(self, frame: int, *, window: Window, reason: str) -> Grounding:
        """Answer again; see ``videoseg.stages.Reanswer``."""
        run, composition = self._run, self._run.composition
        self._num_asked += 1
        episode = run_episode(
            run.video,
            run.query,
            sampler=cast(FrameSampler, composition.build("sampler")),
            grounder=cast(Grounder, composition.build("grounder")),
            max_turns=1,
            seed=run.seed + self._num_asked,
            window=window,
            keyframe=frame,
            observation=run.observation,
            names=(composition.name("sampler"), composition.name("grounder")),
        )
        [turn] = episode.trace.turns
        told = f"Asked again on frame {frame}: {reason}."
        reason = " ".join(filter(None, [told, turn.selection.reason]))
        turn = replace(turn, selection=replace(turn.selection, reason=reason))
        run.trace = Trace((*run.trace.turns, turn))
        answer = cast(Grounding, episode.grounding)
        return replace(answer, prompts=run.complete(answer.prompts))
