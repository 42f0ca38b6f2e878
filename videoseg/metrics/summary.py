"""Combines the scores of samples into the numbers of a table."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from videoseg.errors import ConfigError
from videoseg.metrics.measures import (
    BOUNDARY_MEASURES,
    WINDOW_MEASURES,
    average_rows,
    mask_measures,
    window_measures,
)
from videoseg.metrics.protocol import FINAL_SCORE_PARTS, EvalProtocol, Measure
from videoseg.metrics.protocols import TEMPORAL_GROUNDING
from videoseg.metrics.scoring import SampleScore
from videoseg.metrics.video import Masks, tally
from videoseg.types import Window

__all__ = [
    "MaskMetrics",
    "ProtocolMetrics",
    "Summary",
    "WindowMetrics",
    "summarize",
]


@dataclass(frozen=True, slots=True)
class Summary:
    """The numbers of a benchmark's table.

    Args:
        overall: Measure to value, combined as ``protocol.overall`` says. A measure that applies
            to no sample is left out, and so is a ``final_score`` that lacks one of its parts.
        groups: The same for each group; samples without a group are under ``""``.
        num_samples: Number of samples.
        num_by_group: Number of samples in each group.
        num_missing: Number of samples without a prediction.
    """

    overall: Mapping[str, float]
    groups: Mapping[str, Mapping[str, float]]
    num_samples: int
    num_by_group: Mapping[str, int]
    num_missing: int = 0


def summarize(scores: Iterable[tuple[str, SampleScore]], protocol: EvalProtocol) -> Summary:
    """Combine the scores of samples by the rules of a protocol.

    Sums are exact before they are rounded, so the order of the samples does not matter. A group
    in ``protocol.groups`` without samples is left out of the mean of groups.

    Args:
        scores: The group and the score of each sample.
        protocol: The rules.

    Example:
        >>> from videoseg.metrics import protocol_named
        >>> low, high = SampleScore({"j": 0.5}), SampleScore({"j": 1.0})
        >>> scores = [("referring", low), ("referring", low), ("reasoning", high)]
        >>> dict(summarize(scores, protocol_named("revos")).overall)
        {'j': 0.75}
    """
    by_group: dict[str, list[SampleScore]] = defaultdict(list)
    for group, score in scores:
        by_group[group].append(score)
    groups = {name: _table(by_group[name], protocol) for name in sorted(by_group)}
    everything = [score for each in by_group.values() for score in each]
    if protocol.averages_groups:
        rows = [groups[name] for name in protocol.groups if name in groups]
        overall = _with_final_score(average_rows(rows, protocol.measures), protocol)
    else:
        overall = _table(everything, protocol)
    return Summary(
        overall,
        groups,
        len(everything),
        {name: len(by_group[name]) for name in groups},
        sum(score.missing for score in everything),
    )


def _table(scores: Sequence[SampleScore], protocol: EvalProtocol) -> dict[str, float]:
    rows = [score.values for score in scores]
    if protocol.averages_objects:
        rows = [row for score in scores for row in _object_rows(score)]
    table = average_rows(rows, protocol.measures)
    if "ciou" in protocol.measures and scores:
        union = sum(score.union for score in scores)
        table["ciou"] = sum(score.intersection for score in scores) / union if union else 1.0
    return _with_final_score(table, protocol)


def _with_final_score(table: Mapping[str, float], protocol: EvalProtocol) -> dict[str, float]:
    """Return the table in the protocol's order, its final score being that of the table."""
    values = {name: value for name, value in table.items() if name != "final_score"}
    if all(name in values for name in FINAL_SCORE_PARTS):
        parts = [values[name] for name in FINAL_SCORE_PARTS]
        values["final_score"] = math.fsum(parts) / len(parts)
    return {name: values[name] for name in protocol.measures if name in values}


def _object_rows(score: SampleScore) -> list[Mapping[str, float]]:
    """Return the values of each object, and those of the whole sample that no object has."""
    rows = [each.values for each in score.objects]
    of_objects = {name for row in rows for name in row}
    return [*rows, {name: score.values[name] for name in score.values.keys() - of_objects}]


class ProtocolMetrics:
    """Collects the scores of samples and combines them by the rules of a protocol.

    Like ``MaskMetrics`` and ``WindowMetrics`` it has ``update`` (add a sample), ``merge`` (add
    those of another shard) and ``compute``. All samples are kept and summed exactly at the end,
    so that the order of samples and merges does not change a single bit.

    Args:
        protocol: The rules.

    Example:
        >>> from videoseg.metrics import protocol_named
        >>> metrics = ProtocolMetrics(protocol_named("mevis"))
        >>> metrics.update(SampleScore({"j": 0.25}))
        >>> metrics.update(SampleScore({"j": 0.75}))
        >>> metrics.compute().overall["j"]
        0.5
    """

    def __init__(self, protocol: EvalProtocol) -> None:
        self.protocol = protocol
        self._scores: list[tuple[str, SampleScore]] = []

    def __len__(self) -> int:
        return len(self._scores)

    def update(self, score: SampleScore, *, group: str = "") -> None:
        """Add the score of one sample, as ``score_sample`` returns it."""
        objects = tuple(replace(each, j_per_frame=(), f_per_frame=()) for each in score.objects)
        self._scores.append((group, replace(score, objects=objects)))

    def merge(self, other: ProtocolMetrics) -> None:
        """Add the samples of another one, such as that of another shard.

        Raises:
            ConfigError: If it follows another protocol.
        """
        if other.protocol != self.protocol:
            raise ConfigError(
                f"scores by the protocol {other.protocol.name!r} cannot be merged with scores by "
                f"{self.protocol.name!r}, or the two differ in a rule; score both by one protocol"
            )
        self._scores += list(other._scores)

    def compute(self) -> Summary:
        """Return the summary, overall and for each group."""
        return summarize(self._scores, self.protocol)


_Kind = TypeVar("_Kind", bound="_Averages")


class _Averages:
    def __init__(self, protocol: EvalProtocol) -> None:
        self._metrics = ProtocolMetrics(protocol)

    def __len__(self) -> int:
        return len(self._metrics)

    def merge(self: _Kind, other: _Kind) -> None:
        """Add the samples of another one.

        Raises:
            ConfigError: If it computes other measures, or with another tolerance.
        """
        self._metrics.merge(other._metrics)

    def compute(self) -> Mapping[str, float]:
        """Return each measure, averaged over the samples it applies to."""
        return self._metrics.compute().overall


class MaskMetrics(_Averages):
    """Measures of masks, averaged over videos or images.

    Args:
        measures: Names from ``MEASURES``, except those of windows.
        tolerance: Boundary tolerance, as in ``boundary_f``.

    Raises:
        ConfigError: If a measure is unknown or not about masks.

    Example:
        >>> import numpy as np
        >>> metrics = MaskMetrics(("giou", "ciou"))
        >>> metrics.update(np.ones((1, 2, 2), bool), np.ones((1, 2, 2), bool))
        >>> metrics.compute()
        {'giou': 1.0, 'ciou': 1.0}
    """

    def __init__(
        self, measures: tuple[Measure, ...] = ("j_and_f", "j", "f"), *, tolerance: float = 0.008
    ) -> None:
        of_windows = [name for name in measures if name in WINDOW_MEASURES]
        if of_windows:
            raise ConfigError(f"{of_windows} are measures of windows; use WindowMetrics")
        super().__init__(EvalProtocol("measures of masks", tuple(measures), tolerance=tolerance))

    def update(self, pred: Masks, target: Masks, *, foreground: Masks | None = None) -> None:
        """Add one video, or an image as a video of one frame.

        Args:
            pred: Predicted masks, shape (T, H, W), or T encoded ones.
            target: True masks, in the same form.
            foreground: All annotated foreground, in the same form, for ``robustness``; the
                target if None.

        Raises:
            ShapeError: If they differ in shape, or in form.
        """
        protocol = self._metrics.protocol
        wanted = not BOUNDARY_MEASURES.isdisjoint(protocol.measures)
        found = tally(pred, target, tolerance=protocol.tolerance if wanted else None)
        around = None if foreground is None else tally(foreground, target).pred
        self._metrics.update(
            SampleScore(
                mask_measures(found, protocol.measures, foreground=around),
                intersection=int(found.intersection.sum()),
                union=int(found.union.sum()),
                predicted_empty=not found.pred.any(),
                target_empty=not found.target.any(),
            )
        )


class WindowMetrics(_Averages):
    """Temporal grounding: R@0.3, R@0.5, R@0.7 and mIoU over queries.

    Example:
        >>> metrics = WindowMetrics()
        >>> metrics.update(Window(0, 4), Window(2, 6))
        >>> metrics.update(None, Window(2, 6))
        >>> metrics.compute()["window_recall_at_30"]
        0.5
    """

    def __init__(self) -> None:
        super().__init__(EvalProtocol("measures of windows", TEMPORAL_GROUNDING.measures))

    def update(self, pred: Window | None, target: Window) -> None:
        """Add one query; a missing prediction counts as IoU 0."""
        values = window_measures(pred, target, TEMPORAL_GROUNDING.measures)
        self._metrics.update(SampleScore(values))
