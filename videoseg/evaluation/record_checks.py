"""Whether the numbers of a record can be what they stand for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from videoseg.metrics.protocol import MEASURES
from videoseg.metrics.scoring import ObjectScore, SampleScore
from videoseg.text import shorten

if TYPE_CHECKING:
    from videoseg.evaluation.records import Record

__all__ = ["record_problem"]

_MAX_NUMBER = 2**62
# A mean of ones may come out a rounding above 1.
_SLACK = 1e-9


def record_problem(record: Record) -> str | None:
    """Say which number of a record cannot be one, or return None.

    Records come from files that anybody may have changed, and one number out of range would
    change the scores of all.
    """
    if record.score is not None and (problem := _score_problem(record.score)) is not None:
        return problem
    target = record.target
    if target is not None and not _are_shares((target.visible_share, target.area_share)):
        return "a share of the target that is not from 0 to 1"
    numbers = [
        *record.timings.values(),
        *(number or 0 for number in (record.num_frames, record.num_objects)),
        *(number or 0 for number in (record.peak_memory_bytes, record.peak_device_memory_bytes)),
        *(() if target is None else (target.num_objects, target.num_frames)),
    ]
    # Comparing so also finds what is no number at all.
    if not all(0 <= number <= _MAX_NUMBER for number in numbers):
        return "a time, a number or an amount of memory that cannot be"
    return None


def _score_problem(score: SampleScore) -> str | None:
    parts: tuple[SampleScore | ObjectScore, ...] = (score, *score.objects)
    for part in parts:
        for name, value in part.values.items():
            if name not in MEASURES:
                return f"{shorten(name)} is no measure"
            least = -1.0 if name.endswith("_decay") else 0.0
            if not least - _SLACK <= value <= 1.0 + _SLACK:
                return f"a score of {shorten(value)} for {name}, which is not from {least:g} to 1"
    if not all(
        _are_shares(one.j_per_frame) and _are_shares(one.f_per_frame) for one in score.objects
    ):
        return "a score of a frame that is not from 0 to 1"
    if not 0 <= score.intersection <= score.union <= _MAX_NUMBER:
        return "an intersection that is not from 0 to the union"
    return None


def _are_shares(values: tuple[float, ...]) -> bool:
    return all(-_SLACK <= value <= 1.0 + _SLACK for value in values)
