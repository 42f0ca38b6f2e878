"""SAM2Long: a tree of memories that follows several hypotheses."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

from videoseg.errors import ConfigError
from videoseg_sam2.policies.ranked import RankedFrames
from videoseg_sam2.policy import BranchingPolicy, FrameRecord, Keeping, Proposal, Recall

__all__ = ["Sam2Long"]

# Settings of the paper, sections 3.2, 3.3 and 4.1.
_NUM_PATHS, _GOOD_IOU, _SURE_SCORE, _KEY_RANGE = 3, 0.3, 2.0, (0.95, 1.05)
# The object score that a prompted frame counts with.
_PROMPTED_SCORE = 10.0
# So that an estimated IoU of 0 has a logarithm.
_SMALLEST_IOU = 1e-5
# Estimates that are equal in so many digits stand for the same mask.
_DIGITS = 2
# Ours: four seconds of a film, and in run-length codes a few hundred KiB.
_DELAY = 100


class Sam2Long(RankedFrames, BranchingPolicy):
    """SAM2Long (arXiv 2410.16268, section 3), for each object and in both directions.

    Up to three paths are followed, each with a memory of its own. On every frame each of them
    proposes three masks; those are followed whose path has the highest sum of logarithms of
    estimated IoUs. Where no path is sure whether the object is in sight, masks of different
    estimates are preferred, so that one of the paths may be right. The first frame after a prompt
    is not branched on. Features are read of the six newest frames with an estimate above 0.3 and
    the object in sight, pointers of the fifteen newest, and of the frame before in any case; what
    shows the object for sure is read with larger keys.

    The paper answers at the end of the video. Here a frame is answered once all paths agree on it,
    which changes no mask, and after ``delay`` frames as the best path has it, which may. The
    prompted frames ahead of a run are read, too, with keys as they are.

    Args:
        num_paths: How many paths are followed; with 1 it answers at once.
        good_iou: Only frames with a higher estimate are remembered.
        sure_score: A path is sure where the absolute object score is higher.
        key_range: By what keys are multiplied, from the frame with the lowest object score to the
            one with the highest.
        delay: How many frames an answer may wait; None for the end of the run, as in the paper,
            in memory that grows by the masks that wait.

    Raises:
        ConfigError: If there is no path, or no delay.
    """

    def __init__(
        self,
        num_paths: int = _NUM_PATHS,
        *,
        good_iou: float = _GOOD_IOU,
        sure_score: float = _SURE_SCORE,
        key_range: tuple[float, float] = _KEY_RANGE,
        delay: int | None = _DELAY,
    ) -> None:
        super().__init__()
        if num_paths < 1 or (delay is not None and delay < 1):
            raise ConfigError(
                "num_paths must be at least 1, and delay at least 1 frame, or None for the end of "
                f"the run; got {num_paths} and {delay}"
            )
        self.bounds = replace(
            RankedFrames.bounds, branches=num_paths, delay=0 if num_paths == 1 else delay
        )
        self._good_iou = good_iou
        self._sure_score = sure_score
        self._key_range = key_range
        self._object_scores: dict[int, float] = {}
        self._prompted: tuple[int, ...] = ()
        self._follows_prompt = False

    def prompted(self, record: FrameRecord) -> None:
        """Take note of a prompted frame."""
        self._prompted = (*self._prompted, record.step)
        self._follows_prompt = True

    def choose_branches(self, proposals: Sequence[Proposal]) -> Sequence[tuple[int, int]]:
        """Return which candidates of which branches are followed."""
        if self._follows_prompt:
            return [(0, proposals[0].candidates.best)]
        scores = {
            (path, candidate): one.policy.score + _log_of(iou)
            for path, one in enumerate(proposals)
            for candidate, iou in enumerate(one.candidates.ious)
        }
        ranked = sorted(scores, key=scores.__getitem__, reverse=True)
        if any(abs(one.candidates.object_score) > self._sure_score for one in proposals):
            return ranked[: self.bounds.branches]
        chosen = self._differing(ranked, proposals)
        return sorted(chosen, key=ranked.index)

    def is_good(self, record: FrameRecord) -> bool:
        """Return whether a frame is remembered for longer than one step."""
        return record.iou > self._good_iou and record.object_score > 0

    def keep(self, record: FrameRecord) -> Keeping:
        """Return what is remembered of a frame."""
        self.score += _log_of(record.iou)
        self._follows_prompt = False
        keeping = super().keep(record)
        scores = {**self._object_scores, record.step: record.object_score}
        self._object_scores = {step: scores[step] for step in self.held().pointers}
        return keeping

    def recall(self, step: int) -> Recall:
        """Return what is read on a coming frame."""
        recall = super().recall(step)
        if self._key_range == (1, 1):
            return recall
        return replace(
            recall,
            factors=self._factors(recall.features.values()),
            pointer_factors=self._factors(recall.pointers.values()),
        )

    def _differing(
        self, ranked: Sequence[tuple[int, int]], proposals: Sequence[Proposal]
    ) -> Sequence[tuple[int, int]]:
        """Return candidates with different estimates, and one of each path if there is room."""
        most = self.bounds.branches
        chosen: list[tuple[int, int]] = []
        seen: set[float] = set()
        for path, candidate in ranked:
            found = proposals[path].candidates
            sign = 1 if found.object_score > 0 else -1
            estimate = sign * round(found.ious[candidate], _DIGITS)
            if estimate not in seen and len(chosen) < most:
                seen.add(estimate)
                chosen.append((path, candidate))
        for path, candidate in ranked:
            if len(chosen) < most and path not in (one for one, _ in chosen):
                chosen.append((path, candidate))
        return chosen

    def _factors(self, steps: Iterable[int]) -> dict[int, float]:
        """Return by what keys are multiplied: by rank of the object's score, evenly spaced."""
        scores = dict.fromkeys(self._prompted, _PROMPTED_SCORE)
        scores |= {step: self._object_scores[step] for step in steps}
        low, high = self._key_range
        # Of frames that are alike, the later one counts for more.
        ranked = sorted(scores, key=lambda step: (scores[step], step))
        spacing = (high - low) / max(len(ranked) - 1, 1)
        return {step: low + rank * spacing for rank, step in enumerate(ranked)}


def _log_of(iou: float) -> float:
    # Networks whose estimates pass no sigmoid may give less than 0.
    return math.log(max(iou, 0.0) + _SMALLEST_IOU)
