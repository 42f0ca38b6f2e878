"""A project as a result of the toolkit, to be saved and exported."""

from __future__ import annotations

from typing import Any

import videoseg as vs
from videoseg.types import Grounding, MaskTrack, Prompt, Rle, Thought, Trace, from_dict
from videoseg_studio.editing.session import EditSession

__all__ = ["make_result"]


def make_result(session: EditSession) -> vs.Segmentation:
    """Return what is shown now as a result.

    Its grounding holds the masks of all corrections, so that ``Pipeline.propagate`` of any
    pipeline can begin from them. Objects without a mask are left out.
    """
    state, answer = session.state, session.answer
    facts = session.video.facts()
    tracks, prompts = [], []
    for object_id, one in sorted(state.objects.items()):
        masks: list[Rle | None] = [None] * facts.num_frames
        for frame, rle in session.masks(object_id, 0, facts.num_frames):
            if rle.area:
                masks[frame] = rle
        if not any(masks):
            continue
        tracks.append(MaskTrack(object_id, facts.size, tuple(masks), label=one.label))
        prompts += [
            Prompt(
                object_id,
                correction.frame,
                box=correction.box,
                points=correction.points,
                negative_points=correction.negative_points,
                mask=correction.mask,
                label=one.label,
            )
            for _, correction in sorted(one.corrections.items())
            if correction.mask.area
        ]
    is_corrected = any(correction.origin == "user" for _, correction in state.corrections())
    return vs.Segmentation(
        query=state.query,
        video=facts,
        grounding=_grounding(answer, tuple(prompts), is_corrected=is_corrected),
        trace=from_dict(Trace, answer["trace"]) if "trace" in answer else Trace(),
        tracks=tuple(tracks),
        pipeline=answer.get("pipeline", {}),
        versions={"videoseg": vs.__version__},
        warnings=_warnings(session, answer, is_corrected=is_corrected),
        source=session.video,
    )


def _grounding(
    answer: dict[str, Any], prompts: tuple[Prompt, ...], *, is_corrected: bool
) -> Grounding:
    # What a person has corrected is no guess any more.
    guessed = answer.get("status") == "guessed" and not is_corrected
    keyframe = answer.get("keyframe")
    if prompts and keyframe is None:
        keyframe = prompts[0].frame
    return Grounding(
        keyframe if prompts else None,
        prompts,
        thought=from_dict(Thought, answer["thought"]) if "thought" in answer else Thought(),
        confidence=answer.get("confidence"),
        warnings=tuple(answer.get("warnings", ())),
        status="guessed" if guessed else None,
    )


def _warnings(
    session: EditSession, answer: dict[str, Any], *, is_corrected: bool
) -> tuple[str, ...]:
    warnings = list(answer.get("warnings", ()))
    if is_corrected:
        warnings.append("masks were corrected by hand")
    if pending := session.describe()["pending"]:
        warnings.append(f"corrections that were not propagated: {pending}")
    return tuple(warnings)
