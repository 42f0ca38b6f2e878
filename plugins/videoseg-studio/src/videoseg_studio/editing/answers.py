"""The answer of a pipeline as an action of the journal: its objects, and why."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from videoseg.errors import ConfigError
from videoseg.types import Episode, Prompt, Rle, VideoSource, to_dict
from videoseg_studio.editing.stages import EditStages
from videoseg_studio.editing.state import Correction, clean_label

__all__ = ["answer_action"]


def answer_action(
    stages: EditStages, video: VideoSource, episode: Episode, check: Callable[[], None]
) -> dict[str, Any]:
    """Return the action of an answer. Objects that the segmenter does not find are left out.

    Args:
        stages: The stages of the pipeline that answered.
        video: The video.
        episode: The episode, which has ended.
        check: Called before each call of the segmenter; ends the work by raising.

    Raises:
        ConfigError: If the answer holds embeddings alone.
        VideosegError: If the segmenter fails.
    """
    grounding = episode.grounding
    if grounding is None:
        raise AssertionError("a finished episode has an answer")
    objects: dict[int, dict[str, Any]] = {}
    for prompt in grounding.named_prompts:
        check()
        box = None if prompt.box is None else prompt.box.clipped(video.size)
        mask = _mask_of_prompt(stages, video, prompt)
        if mask.area:
            new = {"object": prompt.object_id, "label": clean_label(prompt.label), "prompts": []}
            correction = Correction(prompt.frame, mask, box=box, origin="answer")
            objects.setdefault(prompt.object_id, new)["prompts"].append(correction.to_action())
    try:
        pipeline = to_dict(stages.pipeline.config)
    except ConfigError:
        # Stages given as instances have no configuration.
        pipeline = {}
    return {
        "do": "answer",
        "query": episode.query,
        "objects": list(objects.values()),
        "pipeline": pipeline,
        "trace": to_dict(episode.trace),
        "status": str(grounding.status),
        "keyframe": grounding.keyframe,
        "confidence": grounding.confidence,
        "thought": to_dict(grounding.thought),
        "warnings": list(grounding.warnings),
        "appears_at_prompt": grounding.appears_at_prompt,
    }


def _mask_of_prompt(stages: EditStages, video: VideoSource, prompt: Prompt) -> Rle:
    if prompt.mask is not None:
        return prompt.mask
    box = None if prompt.box is None else prompt.box.clipped(video.size)
    if box is None and not prompt.points:
        raise ConfigError(
            "this pipeline answers with embeddings, which only its own propagator "
            "understands; choose another one in the studio, or use videoseg run"
        )
    plain = Prompt(
        prompt.object_id,
        prompt.frame,
        box=box,
        points=prompt.points,
        negative_points=prompt.negative_points,
    )
    return stages.segment(video, plain)
