"""What a run has made, as a result."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from videoseg.pipeline.carrying import answer_of
from videoseg.pipeline.composition import Composition
from videoseg.pipeline.observation import Observation
from videoseg.pipeline.saving import saveable
from videoseg.pipeline.versions import collect_versions, device_of
from videoseg.results import Segmentation
from videoseg.stages import HasWarnings
from videoseg.types import Episode, Grounding, MaskTrack, Rle, Trace, VideoSource, to_dict

__all__ = ["build_result"]


def build_result(
    composition: Composition,
    episode: Episode,
    trace: Trace,
    made: Mapping[int, Sequence[Rle | None]],
    observation: Observation,
    *,
    begin: float,
    max_turns: int,
    name: str,
) -> Segmentation:
    """Return the result of a run, which may have ended early.

    Args:
        composition: The stages that ran.
        episode: The question with its answer.
        trace: The reasoning.
        made: The masks of each object, one for each frame.
        observation: What was noted on the way.
        begin: When the run began, by ``time.perf_counter``.
        max_turns: The pipeline's.
        name: The pipeline's.
    """
    grounding, trace, unsaved = saveable(answer_of(episode), trace)
    tracks = _mask_tracks(made, episode.video, grounding)
    video_warnings = episode.video.warnings if isinstance(episode.video, HasWarnings) else ()
    warnings = [*grounding.warnings, *video_warnings, *unsaved]
    if tracks and any(not track.visible_frames for track in tracks):
        warnings.append("an object was found but has no mask in any frame")
    return Segmentation(
        query=episode.query,
        video=episode.video.facts(),
        grounding=grounding,
        trace=trace,
        tracks=tracks,
        pipeline=to_dict(composition.record(max_turns=max_turns, name=name)),
        timings={**observation.timings, "total": time.perf_counter() - begin},
        versions=collect_versions(composition.distributions()),
        seed=episode.seed,
        device=device_of(composition.built()),
        warnings=tuple(dict.fromkeys([*warnings, *observation.warnings])),
        source=episode.video,
    )


def _mask_tracks(
    made: Mapping[int, Sequence[Rle | None]], video: VideoSource, grounding: Grounding
) -> tuple[MaskTrack, ...]:
    labels = {prompt.object_id: prompt.label for prompt in reversed(grounding.prompts)}
    return tuple(
        MaskTrack(object_id, video.size, tuple(masks), label=labels[object_id])
        for object_id, masks in sorted(made.items())
    )
