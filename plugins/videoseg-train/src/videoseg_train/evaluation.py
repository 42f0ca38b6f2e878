"""Evaluation of a policy on held-out samples, in between steps of training.

Episodes are run as in inference: the answers at the temperatures that the stages ask for. With a
propagator, the masks of the whole video are scored as videoseg scores benchmarks. Without one,
what is scored needs no other model: for policies that write boxes, the boxes on the keyframe; for
those that segment, the masks of the last answer's ``[SEG]``.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from accelerate.utils import gather_object
from PIL import Image, ImageDraw

from videoseg import ConfigError, Pipeline
from videoseg.metrics import EvalProtocol, SampleScore, score_sample, summarize
from videoseg.plugins import Registry
from videoseg.text import shorten_text
from videoseg.types import BoolArray, Grounding
from videoseg_train.masks import true_masks
from videoseg_train.policy import Policy
from videoseg_train.processes import fail_together
from videoseg_train.rewards import RewardTerm, score_rollouts
from videoseg_train.rollout import Rollout, Stages, run_rollouts
from videoseg_train.samples import TrainingSample

__all__ = ["EpisodeRecord", "Evaluation", "evaluate_policy"]

PROTOCOL = EvalProtocol(
    "training",
    ("j_and_f", "j", "f", "no_target_accuracy", "target_accuracy"),
    source="J and F as DAVIS defines them, of the union of all objects, mean over samples",
)

_THUMBNAIL = 320
_TRUE_COLOR = (0, 158, 115)
_PREDICTED_COLOR = (213, 94, 0)
_LONGEST_TEXT = 4000


@dataclass(frozen=True, slots=True)
class EpisodeRecord:
    """One episode of an evaluation, as plain data.

    Args:
        sample: The sample's id.
        query: What was asked.
        texts: What the policy answered, in order.
        error: Why the episode failed; None if it did not.
        values: Its measures.
        picture: The keyframe with the true masks' outline and the answer, as a data URI; empty
            if none was asked for.
    """

    sample: str
    query: str
    texts: tuple[str, ...]
    error: str | None
    values: Mapping[str, float]
    picture: str = ""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The result of an evaluation.

    Args:
        metrics: Means over all samples, by name.
        episodes: Those that are shown.
    """

    metrics: dict[str, float]
    episodes: tuple[EpisodeRecord, ...] = field(default=())


def evaluate_policy(
    policy: Policy,
    stages: Stages,
    samples: Sequence[TrainingSample],
    *,
    pipeline: Pipeline | None = None,
    rewards: Sequence[RewardTerm] = (),
    shown: int = 0,
    seed: int = 0,
    share: range | None = None,
    registry: Registry | None = None,
) -> Evaluation:
    """Run episodes on held-out samples and score them.

    Args:
        policy: The policy.
        stages: Where it acts.
        samples: The held-out samples.
        pipeline: Its segmenter and propagator make the masks that are scored; None for scores
            that need neither.
        rewards: Terms whose mean is reported, too.
        shown: How many episodes are recorded, the first ones.
        seed: Seed of the episodes.
        share: Which samples are this process's; all processes get the result.
        registry: Where names of components are looked up.

    Raises:
        ConfigError: If the stages cannot be built.
        TrainingError: As ``run_rollouts`` and ``score_rollouts``, or if another process has
            failed.
    """
    mine = range(len(samples)) if share is None else share
    rows: list[tuple[int, dict[str, Any]]] = []
    with fail_together(share is not None):
        for start in range(mine.start, mine.stop, policy.max_batch):
            numbers = range(start, min(start + policy.max_batch, mine.stop))
            rollouts = run_rollouts(
                policy,
                stages,
                [samples[number] for number in numbers],
                seed=seed,
                first_group=start,
                greedy=True,
                registry=registry,
            )
            scores = score_rollouts(rollouts, rewards) if rewards else [None] * len(rollouts)
            for number, rollout, score in zip(numbers, rollouts, scores, strict=True):
                sample_score = _score(rollout, pipeline, segments=policy.seg_model is not None)
                values = dict(sample_score.values)
                if score is not None:
                    values["reward"] = score.total
                row: dict[str, Any] = {
                    "score": sample_score,
                    "failed": rollout.error is not None,
                    "turns": len(rollout.texts),
                    "answer_tokens": rollout.num_tokens,
                    "values": values,
                }
                if number < shown:
                    row["record"] = _record(rollout, values)
                rows.append((number, row))
    if share is not None:
        rows = gather_object(rows)
    return _summarize([row for _, row in sorted(rows, key=lambda item: item[0])])


def _summarize(rows: Sequence[Mapping[str, Any]]) -> Evaluation:
    def mean(name: str) -> float:
        return float(np.mean([float(row[name]) for row in rows]))

    metrics = dict(summarize([("", row["score"]) for row in rows], PROTOCOL).overall)
    others = [row["values"] for row in rows]
    for name in ("keyframe_iou", "keyframe_shows", "mask_iou", "reward"):
        values = [one[name] for one in others if name in one]
        if values:
            metrics[name] = float(np.mean(values))
    metrics |= {name: mean(name) for name in ("failed", "turns", "answer_tokens")}
    metrics["samples"] = float(len(rows))
    return Evaluation(metrics, tuple(row["record"] for row in rows if "record" in row))


# -- scores --------------------------------------------------------------------------------------


def _score(rollout: Rollout, pipeline: Pipeline | None, *, segments: bool) -> SampleScore:
    """Return the score of an episode; a failed one has no prediction.

    Args:
        rollout: The episode.
        pipeline: Makes the masks of the whole video.
        segments: Whether the policy answers with ``[SEG]`` instead of boxes.
    """
    sample, grounding = rollout.sample, rollout.grounding
    tracks = sample.tracks()
    if pipeline is not None:
        predicted = None
        if grounding is not None:
            try:
                result = pipeline.propagate(
                    sample.video, grounding, seed=rollout.seed % 2**63, progress=False
                )
                predicted = {track.object_id: track.masks for track in result.tracks}
            except ConfigError:
                # Prompts outside of the frame: an answer that is of no use.
                predicted = None
        return score_sample(
            predicted,
            {number: track.masks for number, track in tracks.items()},
            size=sample.video.size,
            protocol=PROTOCOL,
        )
    values: dict[str, float] = {}
    main = "mask_iou" if segments else "keyframe_iou"
    is_absent = not tracks or not sample.visible().any()
    if grounding is None or is_absent or not grounding.prompts:
        right = float(is_absent and grounding is not None and not grounding.prompts)
        name = "no_target_accuracy" if is_absent else "target_accuracy"
        return SampleScore({name: right, main: right})
    values["target_accuracy"] = 1.0
    values["keyframe_shows"] = float(sample.mask(grounding.prompts[0].frame).any())
    if segments:
        values[main] = _mask_iou(rollout) if rollout.masks else 0.0
        return SampleScore(values)
    boxes = [prompt for prompt in grounding.prompts if prompt.box is not None]
    values[main] = 0.0
    if boxes:
        frame = boxes[0].frame
        predicted_boxes = _boxes_mask(
            [prompt.box for prompt in boxes if prompt.frame == frame], sample.video.size
        )
        true_boxes = _boxes_mask(
            [
                _box_of(track.mask(frame))
                for track in tracks.values()
                if track.masks[frame] is not None and track.mask(frame).any()
            ],
            sample.video.size,
        )
        values[main] = _iou(predicted_boxes, true_boxes)
    return SampleScore(values)


def _mask_iou(rollout: Rollout) -> float:
    """Return the mean IoU of the masks of the last answer's ``[SEG]`` with the truth."""
    last = max(masks.step for masks in rollout.masks)
    found = []
    for masks in rollout.masks:
        if masks.step != last:
            continue
        truth = true_masks(rollout.sample, masks.frames).numpy()
        for logits, true in zip(masks.logits.cpu().numpy(), truth, strict=True):
            image = Image.fromarray(logits.astype(np.float32))
            resized = image.resize((true.shape[1], true.shape[0]), Image.Resampling.BILINEAR)
            found.append(_iou(np.asarray(resized) > 0, true))
    return float(np.mean(found))


def _iou(first: BoolArray, second: BoolArray) -> float:
    union = int((first | second).sum())
    return 1.0 if union == 0 else int((first & second).sum()) / union


def _boxes_mask(boxes: Sequence[Any], size: tuple[int, int]) -> BoolArray:
    mask = np.zeros(size, dtype=bool)
    for box in boxes:
        x1, y1, x2, y2 = _corners(box)
        mask[max(0, round(y1)) : max(0, round(y2)), max(0, round(x1)) : max(0, round(x2))] = True
    return mask


def _corners(box: Any) -> tuple[float, float, float, float]:
    if isinstance(box, tuple):
        return box
    return float(box.x1), float(box.y1), float(box.x2), float(box.y2)


def _box_of(mask: BoolArray) -> tuple[float, float, float, float]:
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)


# -- records -------------------------------------------------------------------------------------


def _record(rollout: Rollout, values: Mapping[str, float]) -> EpisodeRecord:
    return EpisodeRecord(
        rollout.sample.id,
        rollout.sample.query,
        tuple(shorten_text(text, _LONGEST_TEXT) for text in rollout.texts),
        None if rollout.error is None else shorten_text(rollout.error, 500),
        {name: round(float(value), 4) for name, value in values.items()},
        _picture(rollout),
    )


def _picture(rollout: Rollout) -> str:
    """Return the keyframe, the true outline and the answer as a data URI."""
    sample, grounding = rollout.sample, rollout.grounding
    frame = _shown_frame(rollout, grounding)
    pixels = np.array(sample.video[frame], dtype=np.uint8)
    truth = sample.mask(frame)
    outline = truth & ~_eroded(truth)
    pixels[outline] = _TRUE_COLOR
    image = Image.fromarray(pixels)
    draw = ImageDraw.Draw(image)
    for prompt in () if grounding is None else grounding.prompts:
        if prompt.frame != frame:
            continue
        if prompt.box is not None:
            x1, y1, x2, y2 = _corners(prompt.box)
            corners = (min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2))
            draw.rectangle(corners, outline=_PREDICTED_COLOR)
    masks = [one for one in rollout.masks if one.keyframe == frame]
    if masks:
        height, width = sample.video.size
        logits = Image.fromarray(masks[-1].logits[-1].cpu().numpy().astype(np.float32))
        inside = np.asarray(logits.resize((width, height), Image.Resampling.BILINEAR)) > 0
        shaded = np.array(image)
        edge = inside & ~_eroded(inside)
        shaded[edge] = _PREDICTED_COLOR
        image = Image.fromarray(shaded)
    image.thumbnail((_THUMBNAIL, _THUMBNAIL))
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def _shown_frame(rollout: Rollout, grounding: Grounding | None) -> int:
    if grounding is not None and grounding.prompts:
        return grounding.prompts[0].frame
    if rollout.episode is not None and rollout.episode.selections:
        return rollout.episode.selections[-1].indices[-1]
    return 0


def _eroded(mask: BoolArray) -> BoolArray:
    padded = np.pad(mask, 1)
    inside: BoolArray = (
        padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:] & mask
    )
    return inside
