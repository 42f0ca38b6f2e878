"""From chosen candidates to prompts: a keyframe, boxes, points and masks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from videoseg.types import Prompt, Rle, VideoSource
from videoseg_attributes.grounding.resolving import Choice
from videoseg_attributes.regions.refine import refine_on_frame, shown_on_frames

if TYPE_CHECKING:
    from videoseg_attributes.grounding.surveys import MeasuredSurvey
    from videoseg_attributes.regions.candidate import Candidate, Survey

__all__ = ["choose_positions", "make_prompts"]

_SHOWN_TOGETHER = 0.3  # of how well its own best frame shows a candidate


def choose_positions(
    survey: Survey, candidates: Sequence[Candidate], *, preferred_frame: int | None = None
) -> tuple[int, ...]:
    """Return for each candidate the surveyed frame on which it is best localised.

    All share one frame where there is one that shows each of them well.

    Args:
        survey: The survey.
        candidates: The chosen candidates, at least one.
        preferred_frame: A frame index near which the choice should lie, other things equal.
    """
    shown = np.stack([shown_on_frames(candidate) for candidate in candidates])
    together = shown.min(axis=0)
    if preferred_frame is not None:
        frames = np.array(survey.frames, dtype=np.float64)
        reach = max(1.0, float(np.ptp(frames)))
        together = together * (1 - 0.3 * np.abs(frames - preferred_frame) / reach)
    best = int(np.argmax(together))
    return tuple(
        best if own[best] >= _SHOWN_TOGETHER * own.max() else int(np.argmax(own)) for own in shown
    )


def make_prompts(
    video: VideoSource,
    measured: MeasuredSurvey,
    choices: Sequence[Choice],
    *,
    label: str,
    preferred_frame: int | None = None,
) -> tuple[Prompt, ...]:
    """Return one prompt for each chosen candidate, ids from 1, best first.

    Each candidate is cut out of its source frame at full size.
    """
    survey = measured.survey
    by_id = {candidate.candidate_id: candidate for candidate in survey.candidates}
    chosen = [by_id[choice.track.candidate_id] for choice in choices]
    positions = choose_positions(survey, chosen, preferred_frame=preferred_frame)
    prompts = []
    for number, (choice, candidate, position) in enumerate(
        zip(choices, chosen, positions, strict=True), start=1
    ):
        frame = survey.frames[position]
        refined = refine_on_frame(video, survey, candidate, frame=frame)
        if refined is None:
            continue
        prompts.append(
            Prompt(
                number,
                frame,
                box=refined.box,
                points=(refined.point,),
                negative_points=refined.negative_points,
                mask=Rle.encode(refined.mask),
                label=label,
                score=float(min(1.0, max(0.0, choice.score))),
            )
        )
    return tuple(prompts)
