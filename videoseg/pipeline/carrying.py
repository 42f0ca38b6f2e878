"""From an answer to masks in every frame: segmenter and propagator at work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import cast

from videoseg.errors import ConfigError, PropagationError, StageError
from videoseg.pipeline.composition import Composition
from videoseg.pipeline.observation import Observation
from videoseg.pipeline.prompts import inside_frame
from videoseg.pipeline.propagation import Propagation, require_prompt_kinds, until_failure
from videoseg.stages import Propagator, Segmenter
from videoseg.text import shorten
from videoseg.types import (
    Episode,
    FrameMasks,
    Grounding,
    ObjectMask,
    Prompt,
    Rle,
    Size,
    VideoSource,
)

__all__ = ["answer_of", "fill_tracks", "propagator_for", "with_masks"]


def answer_of(episode: Episode) -> Grounding:
    """Return the grounding of an episode.

    Raises:
        ConfigError: If it has not been answered.
    """
    if episode.grounding is None:
        raise ConfigError("the episode has not been answered")
    return episode.grounding


def with_masks(
    composition: Composition, video: VideoSource, grounding: Grounding, observation: Observation
) -> tuple[Prompt, ...]:
    """Return the prompts of a grounding, with the segmenter's masks if there is a segmenter.

    Boxes are cut to the frame first, so that every segmenter and propagator gets the same.

    Raises:
        ConfigError: If a box lies wholly outside the frame, or a mask has another size.
        StageError: If the segmenter does not answer every prompt with a mask of the frame.
    """
    given = [
        inside_frame(prompt, video.size, observation.warnings) for prompt in grounding.prompts
    ]
    without_mask = [prompt for prompt in given if prompt.mask is None]
    if not without_mask or composition.stages["segmenter"].given is None:
        return tuple(given)
    segmenter = cast(Segmenter, composition.build("segmenter"))
    name = composition.name("segmenter")
    with observation.stage("segmenter", name):
        masks = _encoded(segmenter.segment(video, without_mask), without_mask, video.size, name)
    prompts: list[Prompt] = []
    for prompt in given:
        if prompt.mask is not None:
            prompts.append(prompt)
            continue
        mask = masks[(prompt.object_id, prompt.frame)]
        if mask.area > 0:
            prompts.append(replace(prompt, mask=mask))
            continue
        # One object that cannot be found must not cost the others their tracks.
        observation.warnings.append(
            f"the segmenter found nothing of object {prompt.object_id} on frame "
            f"{prompt.frame}; this prompt is left out"
        )
    return tuple(prompts)


def _encoded(
    answers: Sequence[ObjectMask], prompts: Sequence[Prompt], size: Size, name: str
) -> dict[tuple[int, int], Rle]:
    """Return the mask that a segmenter made for each prompt, by object and frame."""
    problem = ""
    answers = list(answers)
    if len(answers) != len(prompts):
        problem = f"must answer each of {len(prompts)} prompts, got {len(answers)} answers"
    elif other := [answer for answer in answers if not isinstance(answer, ObjectMask)]:
        problem = f"must answer with an ObjectMask, got {shorten(other[0])}"
    elif wrong := [answer for answer in answers if answer.mask.shape != size]:
        problem = f"must answer with masks of {size}, got one of {wrong[0].mask.shape}"
    if problem:
        raise StageError(f"segmenter {name!r} {problem}", stage="segmenter", component=name)
    return {
        (prompt.object_id, prompt.frame): Rle.encode(answer.mask)
        for prompt, answer in zip(prompts, answers, strict=True)
    }


def propagator_for(composition: Composition, prompts: Sequence[Prompt]) -> Propagator:
    """Return the propagator, sure that it takes these prompts.

    Raises:
        IncompatibleStagesError: If it does not.
    """
    propagator = cast(Propagator, composition.build("propagator"))
    require_prompt_kinds(prompts, propagator, composition.name("propagator"))
    return propagator


def fill_tracks(
    composition: Composition,
    tracks: dict[int, list[Rle | None]],
    episode: Episode,
    observation: Observation,
) -> None:
    """Put each object's masks into ``tracks`` as they are made.

    If one direction fails, the other is done before its error is raised: neither needs the
    other's masks.

    Raises:
        PropagationError: If memory runs out.
    """
    video = episode.video
    prompts = with_masks(composition, video, answer_of(episode), observation)
    if not prompts:
        return
    propagator = propagator_for(composition, prompts)
    num_frames = len(video)
    tracks.update({prompt.object_id: [None] * num_frames for prompt in prompts})
    name = composition.name("propagator")
    with observation.stage("propagator", name, total=num_frames):
        propagation = Propagation(propagator, video, prompts, seed=episode.seed)
        failures: list[Exception] = []
        done: set[int] = set()
        try:
            runs = [propagation.forward()]
            if propagation.needs_backward:
                runs.append(propagation.backward())
            for run in runs:
                for frame_masks in until_failure(run, failures):
                    _put(tracks, frame_masks)
                    done.add(frame_masks.frame)
                    observation.frame_done(frame_masks.frame, len(done), num_frames)
        finally:
            propagation.close()
        observation.failed(failures + propagation.failures)
        if failures and isinstance(failures[0], MemoryError):
            # Python's own error has no place for what was made until then.
            raise PropagationError(
                f"the memory of this machine is used up in the propagator {name!r}; try a smaller "
                "or shorter video, or fewer objects"
            ) from failures[0]
        if failures:
            raise failures[0]


def _put(tracks: dict[int, list[Rle | None]], frame_masks: FrameMasks) -> None:
    for object_id, mask in frame_masks.masks.items():
        if mask.any():
            tracks[object_id][frame_masks.frame] = Rle.encode(mask)
