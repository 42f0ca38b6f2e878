"""Content of an evaluation report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from videoseg._html import render
from videoseg.benchmarks.types import LeftOut
from videoseg.evaluation.records import RecordedError, TargetFacts
from videoseg.evaluation.run import RunInfo
from videoseg.metrics.protocol import EvalProtocol, measure_name
from videoseg.types import to_dict

__all__ = [
    "Breakdown",
    "Costs",
    "Coverage",
    "EvaluationReport",
    "SampleRow",
    "TableRow",
    "percent",
]

_SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Coverage:
    """How many samples were run and answered.

    Args:
        in_split: Samples of the split that can be run and scored.
        asked: Samples to run; fewer if there was a limit.
        done: Samples that have a record.
        failed: How many of those failed; they count as zero.
        missing_shards: Shards without records in the folder.
        unusable: Samples of the benchmark that are left out because they cannot be run or their
            ground truth cannot be read.
        uncounted: How many of those done have no prediction and, by the protocol, are in no
            mean.
    """

    in_split: int
    asked: int
    done: int
    failed: int
    missing_shards: tuple[str, ...] = ()
    unusable: int = 0
    uncounted: int = 0

    @property
    def answered(self) -> float:
        """Share of the samples to run that were answered and count, in [0, 1]."""
        return self._num_answered / self.asked if self.asked else 0.0

    @property
    def complete(self) -> bool:
        """Whether every sample of the split was answered and none was left out."""
        return self._num_answered == self.in_split and not self.unusable

    @property
    def _num_answered(self) -> int:
        return self.done - self.failed - self.uncounted

    def __str__(self) -> str:
        parts = [f"{self._num_answered} of {self.asked} answered ({100 * self.answered:.1f} %)"]
        if self.failed:
            parts.append(f"{self.failed} failed and count as zero")
        if self.uncounted:
            parts.append(f"{self.uncounted} without a prediction and in no mean")
        if self.asked > self.done:
            parts.append(f"{self.asked - self.done} not run yet")
        if self.missing_shards:
            parts.append(f"shards {', '.join(self.missing_shards)} are missing")
        if self.asked < self.in_split:
            parts.append(f"limited to {self.asked} of the split's {self.in_split}")
        if self.unusable:
            parts.append(f"{self.unusable} more cannot be run or scored")
        return ", ".join(parts)


@dataclass(frozen=True, slots=True)
class TableRow:
    """One row of a table.

    Args:
        label: Its label.
        count: Number of samples.
        values: Measure to value in [0, 1].
    """

    label: str
    count: int
    values: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Breakdown:
    """Results by one property of the samples.

    Args:
        name: The property.
        rows: One for each of its values.
    """

    name: str
    rows: tuple[TableRow, ...]


@dataclass(frozen=True, slots=True)
class SampleRow:
    """One sample in the report.

    Args:
        sample: ``video_id/expression_id``.
        video_id: The video.
        query: The sentence.
        group: Its group.
        attributes: Its attributes.
        status: ``ok`` or ``failed``.
        values: Measure to value in [0, 1]; empty if the ground truth is not public.
        num_frames: Frames of the video; None if it failed before it was opened.
        num_objects: Number of predicted objects.
        target: Facts about the target.
        error: Why it failed.
        warnings: Warnings of the pipeline.
    """

    sample: str
    video_id: str
    query: str
    group: str
    attributes: Mapping[str, str]
    status: str
    values: Mapping[str, float]
    num_frames: int | None = None
    num_objects: int = 0
    target: TargetFacts | None = None
    error: RecordedError | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Costs:
    """Time and memory of a run, which differ from run to run.

    Args:
        seconds: Median, 90th percentile and sum of the seconds of a sample.
        stages: Mean seconds of each stage.
        frames_per_second: Frames of all videos over all seconds; each video counts once for
            every sample on it.
        peak_memory_bytes: The highest peak of all samples.
        peak_device_memory_bytes: The same for GPU memory.
    """

    seconds: Mapping[str, float] = field(default_factory=dict)
    stages: Mapping[str, float] = field(default_factory=dict)
    frames_per_second: float | None = None
    peak_memory_bytes: int | None = None
    peak_device_memory_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class EvaluationReport:
    """The outcome of an evaluation.

    Everything but ``costs``, ``runs``, ``versions``, ``devices`` and ``problems`` is the same
    for every repetition of a run, however often it was interrupted and in whatever order its
    samples were done.

    Args:
        benchmark: Benchmark and split.
        protocol: The rules.
        pipeline: The pipeline's configuration; empty for predictions of another system.
        seed: The seed.
        coverage: How many samples were answered.
        measures: The measures that have values, in the protocol's order.
        overall: Measure to value in [0, 1], combined by the rules of the protocol; empty if the
            benchmark is scored by its server.
        groups: The same by group.
        breakdowns: The same by attribute, length of the video and size of the target.
        course: Mean J in each tenth of the annotated frames; empty if frames have no score.
        samples: Every sample that counts, in the benchmark's order.
        left_out: Entries of the benchmark that cannot be run or scored and are in no mean.
        costs: Time and memory.
        runs: How it was run, one for each shard.
        versions: Versions of the packages that were used.
        devices: Where models ran.
        problems: Problems with the records.
    """

    benchmark: str
    protocol: EvalProtocol
    pipeline: Mapping[str, Any]
    seed: int
    coverage: Coverage
    measures: tuple[str, ...]
    overall: Mapping[str, float]
    groups: Breakdown
    breakdowns: tuple[Breakdown, ...]
    course: tuple[float, ...]
    samples: tuple[SampleRow, ...]
    left_out: tuple[LeftOut, ...] = ()
    costs: Costs = field(default_factory=Costs)
    runs: tuple[RunInfo, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    devices: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def headline_rows(self) -> tuple[TableRow, ...]:
        """The rows of the first table: overall, then each group."""
        num_scored = sum(bool(row.values) for row in self.samples)
        groups = (replace(row, label=row.label or "no group") for row in self.groups.rows)
        return (TableRow("overall", num_scored, self.overall), *groups)

    @property
    def scored(self) -> bool:
        """Whether there was ground truth to score against."""
        return bool(self.measures)

    @property
    def main_measure(self) -> str:
        """The measure to compare samples by; empty if there is none."""
        by_sample = [name for name in self.measures if any(name in s.values for s in self.samples)]
        for name in ("j_and_f", "j", "giou"):
            if name in by_sample:
                return name
        return by_sample[0] if by_sample else ""

    @property
    def failures(self) -> tuple[SampleRow, ...]:
        """The samples that failed."""
        return tuple(sample for sample in self.samples if sample.error is not None)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON: ``results``, which is reproducible, and ``run``."""
        results: dict[str, Any] = to_dict(self)
        del results["measures"]
        results["coverage"]["answered"] = self.coverage.answered
        names = ("costs", "runs", "versions", "devices", "problems")
        run = {name: results.pop(name) for name in names}
        return {
            "format": "videoseg-evaluation",
            "schema": _SCHEMA,
            "results": results,
            "run": run,
        }

    def _repr_html_(self) -> str:
        if not self.scored:
            return ""
        return render(
            "evaluation_table.html",
            rows=self.headline_rows,
            measures=self.measures,
            measure_name=measure_name,
            percent=percent,
        )


def percent(value: float | None) -> str:
    """Return a value in [0, 1] in percent with one decimal; a dash for None.

    Example:
        >>> percent(0.5), percent(None)
        ('50.0', '–')
    """
    return "–" if value is None else f"{100 * value:.1f}"  # noqa: RUF001
