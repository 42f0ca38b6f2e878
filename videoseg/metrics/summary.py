"""From the scores of samples to the numbers in a table."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from videoseg.metrics.protocol import EvalProtocol
from videoseg.metrics.scoring import SampleScore

__all__ = ["Summary", "summarise"]


@dataclass(frozen=True, slots=True)
class Summary:
    """What a benchmark's table says.

    Args:
        overall: Measure to value, combined as ``protocol.overall`` has it. A measure that
            applies to no sample is left out.
        groups: The same for each group by itself; samples of no group are under ``""``.
        num_samples: How many samples there are.
        num_by_group: How many of them are in each group.
        num_missing: How many of them have no prediction.
    """

    overall: Mapping[str, float]
    groups: Mapping[str, Mapping[str, float]]
    num_samples: int
    num_by_group: Mapping[str, int]
    num_missing: int = 0


def summarise(scores: Iterable[tuple[str, SampleScore]], protocol: EvalProtocol) -> Summary:
    """Combine the scores of samples by the rules of a protocol.

    Sums are exact before they are rounded, so the order of the samples changes nothing. A
    group that ``protocol.groups`` names but no sample belongs to is left out of their mean.

    Args:
        scores: The group and the score of each sample.
        protocol: The rules.

    Example:
        >>> from videoseg.metrics import protocol_named
        >>> low, high = SampleScore({"j": 0.5}), SampleScore({"j": 1.0})
        >>> scores = [("referring", low), ("referring", low), ("reasoning", high)]
        >>> dict(summarise(scores, protocol_named("revos")).overall)
        {'j': 0.75}
    """
    by_group: dict[str, list[SampleScore]] = defaultdict(list)
    for group, score in scores:
        by_group[group].append(score)
    groups = {name: _table(by_group[name], protocol) for name in sorted(by_group)}
    everything = [score for each in by_group.values() for score in each]
    if protocol.overall == "groups":
        overall = _mean_of_groups(groups, protocol)
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
    table: dict[str, float] = {}
    for name in protocol.measures:
        if name == "ciou":
            union = sum(score.union for score in scores)
            if scores:
                table[name] = sum(score.intersection for score in scores) / union if union else 1.0
            continue
        values = _values(scores, name, by_object=protocol.overall == "objects")
        if values:
            table[name] = math.fsum(values) / len(values)
    return table


def _values(scores: Sequence[SampleScore], name: str, *, by_object: bool) -> list[float]:
    rows: Iterable[Mapping[str, float]] = (score.values for score in scores)
    if by_object:
        # Measures of a whole sample, such as those of windows, have no objects to average.
        rows = (
            row
            for score in scores
            for row in (
                [each.values for each in score.objects if name in each.values] or [score.values]
            )
        )
    return [row[name] for row in rows if name in row]


def _mean_of_groups(
    groups: Mapping[str, Mapping[str, float]], protocol: EvalProtocol
) -> dict[str, float]:
    table: dict[str, float] = {}
    for name in protocol.measures:
        values = [
            groups[group][name]
            for group in protocol.groups
            if group in groups and name in groups[group]
        ]
        if values:
            table[name] = math.fsum(values) / len(values)
    return table
