"""Which of the measured propagators to choose, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from videoseg.bench.measure import Measurement
from videoseg.types import PropagatorCapabilities, PublishedScore

__all__ = ["Advice", "advise"]

_ACCURACY = ("SA-V test", "DAVIS-2017 val")
"""Benchmarks that models are ranked by, the first one that all of them have a score on."""
_LONG = ("LVOS v2 val", *_ACCURACY)


@dataclass(frozen=True, slots=True)
class Advice:
    """What to choose for a purpose.

    Args:
        purpose: ``live video``, ``long videos`` or ``accuracy``.
        choice: The label of a measurement; empty if none serves.
        reason: Why, in a sentence.
    """

    purpose: str
    choice: str
    reason: str


def advise(
    measurements: Sequence[Measurement],
    *,
    capabilities: Mapping[str, PropagatorCapabilities | None],
    scores: Mapping[str, Sequence[PublishedScore]],
    live_fps: float = 24.0,
) -> tuple[Advice, ...]:
    """Choose among propagators for live video, for long videos, and for accuracy.

    Accuracy is what has been published, and where nothing has, the score on the clip that was
    measured. Propagators with random weights are never chosen.

    Args:
        measurements: What was measured.
        capabilities: For each label what the propagator declares.
        scores: For each label what has been published of its model.
        live_fps: Frames per second of live video.
    """
    able = [
        one
        for one in measurements
        if one.kind == "propagator" and one.state == "measured" and not one.random_weights
    ]
    if not able:
        reason = "no propagator with weights was measured"
        return tuple(Advice(purpose, "", reason) for purpose in _PURPOSES)
    found = (
        _for_live_video(able, capabilities, scores, live_fps),
        _for_long_videos(able, scores),
        _for_accuracy(able, scores),
    )
    if not any(one.random_weights for one in measurements):
        return found
    return tuple(
        replace(one, reason=one.reason.replace(_ALONE, _ALONE_BUT_RANDOM)) for one in found
    )


_ALONE = "the only one that was measured"
_ALONE_BUT_RANDOM = f"{_ALONE} without random weights"
_PURPOSES = ("live video", "long videos", "accuracy")


def _for_live_video(
    able: Sequence[Measurement],
    capabilities: Mapping[str, PropagatorCapabilities | None],
    scores: Mapping[str, Sequence[PublishedScore]],
    live_fps: float,
) -> Advice:
    live = [one for one in able if (known := capabilities.get(one.label)) and known.live]
    if not live:
        return Advice("live video", "", "none of them runs on a source whose end is not known")
    fast = [one for one in live if one.frames_per_second >= live_fps]
    if not fast:
        best = max(live, key=lambda one: one.frames_per_second)
        reason = (
            f"the fastest, but {best.frames_per_second:.3g} frames/s do not keep up with "
            f"{live_fps:g}: give it smaller or fewer frames"
        )
        return Advice("live video", best.label, reason)
    best, why = _most_accurate(fast, scores, _ACCURACY)
    keeps = f"keeps up with {live_fps:g} frames/s ({best.frames_per_second:.3g})"
    return Advice("live video", best.label, keeps if len(fast) == 1 else f"{keeps}; {why}")


def _for_long_videos(
    able: Sequence[Measurement], scores: Mapping[str, Sequence[PublishedScore]]
) -> Advice:
    best, why = _most_accurate(able, scores, _LONG)
    hours = _time_for_an_hour(best)
    return Advice("long videos", best.label, f"{why}; an hour of video takes {hours}")


def _time_for_an_hour(measurement: Measurement, fps: float = 24.0) -> str:
    """Return in words how long an hour of video of 24 frames/s takes."""
    if measurement.frames_per_second <= 0:
        return "an unknown time"
    hours = fps / measurement.frames_per_second
    return f"{hours:.1f} hours" if hours >= 1 else f"{60 * hours:.0f} minutes"


def _for_accuracy(
    able: Sequence[Measurement], scores: Mapping[str, Sequence[PublishedScore]]
) -> Advice:
    best, why = _most_accurate(able, scores, _ACCURACY)
    return Advice("accuracy", best.label, why)


def _most_accurate(
    able: Sequence[Measurement],
    scores: Mapping[str, Sequence[PublishedScore]],
    benchmarks: Sequence[str],
) -> tuple[Measurement, str]:
    """Return the most accurate one and why."""
    if len(able) == 1:
        return able[0], _ALONE
    published = [one for one in able if scores.get(one.label)]
    for benchmark in benchmarks:
        rated = {
            one.label: found
            for one in published
            if (found := _score_on(benchmark, scores[one.label])) is not None
        }
        if rated and len(rated) == len(published):
            best = max(
                (one for one in able if one.label in rated), key=lambda m: rated[m.label].value
            )
            score = rated[best.label]
            why = f"the best published score, {score.value:g} on {benchmark} ({score.source})"
            others = [one.label for one in able if one.label not in rated]
            return best, f"{why}; none is published for {', '.join(others)}" if others else why
    scored = [one for one in able if one.j is not None and one.f is not None]
    if scored:
        best = max(scored, key=_mean_score)
        return best, f"the best score on this clip, J&F {100 * _mean_score(best):.1f}"
    best = max(able, key=lambda one: one.frames_per_second)
    return best, "the fastest: nothing comparable is published, and the clip has no true masks"


def _score_on(benchmark: str, scores: Sequence[PublishedScore]) -> PublishedScore | None:
    return next((one for one in scores if one.benchmark == benchmark), None)


def _mean_score(measurement: Measurement) -> float:
    return ((measurement.j or 0.0) + (measurement.f or 0.0)) / 2
