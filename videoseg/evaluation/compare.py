"""Two evaluations of the same samples, compared sample by sample."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from videoseg.errors import ConfigError, EvaluationError
from videoseg.evaluation.records import Record
from videoseg.evaluation.report.write import load_report, records_of
from videoseg.evaluation.run import files_of_runs, read_run
from videoseg.files import expand_path
from videoseg.metrics.protocol import FINAL_SCORE_PARTS, EvalProtocol
from videoseg.metrics.scoring import SampleScore
from videoseg.text import format_count, shorten
from videoseg.types import FloatArray, to_dict

__all__ = [
    "Change",
    "Comparison",
    "Difference",
    "compare_evaluations",
]

_MAX_RESAMPLES = 1_000_000
"""No interval needs more draws than this."""

_MIN_UNITS = 5
"""Fewest samples or videos an interval needs. With fewer, many draws repeat one unit, and the
interval ends at the values of single units; with one unit it has no width."""

_CHUNK = 4_000_000
"""Drawn units held in memory at a time, about 32 MB."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Difference of one measure between two evaluations.

    Args:
        measure: The measure.
        first: The value of the first evaluation, over the samples both have.
        second: The value of the second, over the same samples.
        difference: Second minus first.
        low: Lower end of the interval of the difference; None if there are too few samples
            or videos for one (``Comparison.min_units``).
        high: Upper end, or None.
    """

    measure: str
    first: float
    second: float
    difference: float
    low: float | None
    high: float | None

    @property
    def clear(self) -> bool:
        """Whether there is an interval, and zero lies outside it."""
        if self.low is None or self.high is None:
            return False
        return self.low > 0 or self.high < 0


@dataclass(frozen=True, slots=True)
class Change:
    """Scores of one sample in both evaluations.

    Args:
        sample: ``video_id/expression_id``.
        query: The sentence.
        first: The main measure in the first evaluation.
        second: The main measure in the second.
    """

    sample: str
    query: str
    first: float
    second: float

    @property
    def difference(self) -> float:
        """Second minus first."""
        return self.second - self.first


@dataclass(frozen=True, slots=True)
class Comparison:
    """The outcome of a comparison.

    Args:
        first: The folder of the first evaluation.
        second: The folder of the second.
        benchmark: Benchmark and split.
        protocol: The rules.
        num_samples: Samples both have.
        num_videos: Videos they are on.
        left_out: Samples only one of them has; they do not count.
        resampled: What the bootstrap draws: ``samples`` or ``videos``.
        min_units: How many of those an interval needs.
        confidence: Confidence level of the intervals, in (0, 1).
        num_resamples: Number of bootstrap draws.
        seed: Seed of the bootstrap.
        differences: One for each measure.
        main_measure: The measure that samples are compared by.
        better: Samples with a higher score in the second.
        worse: Samples with a lower score in the second.
        changes: Every sample, the largest change first.
    """

    first: str
    second: str
    benchmark: str
    protocol: EvalProtocol
    num_samples: int
    num_videos: int
    left_out: int
    resampled: str
    min_units: int
    confidence: float
    num_resamples: int
    seed: int
    differences: tuple[Difference, ...]
    main_measure: str
    better: int
    worse: int
    changes: tuple[Change, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the comparison as plain data for JSON."""
        data: dict[str, Any] = to_dict(self)
        return {"format": "videoseg-comparison", "schema": 1, **data}


def compare_evaluations(
    first: str | Path,
    second: str | Path,
    *,
    resample: Literal["samples", "videos"] = "samples",
    num_resamples: int = 10_000,
    confidence: float = 0.95,
    seed: int = 0,
    allow_different: bool = False,
) -> Comparison:
    """Compare two evaluations sample by sample.

    The interval of each difference is the percentile bootstrap of the paired samples (Efron
    and Tibshirani, 1993): both evaluations are recomputed on samples drawn with replacement,
    the same ones for both. Expressions of one video share their frames and often their objects;
    drawing whole videos accounts for that and gives wider intervals. With fewer than five
    samples, or videos, there is no interval.

    Args:
        first: The folder of an evaluation.
        second: The folder of another.
        resample: What is drawn: single samples, or videos with all their samples.
        num_resamples: Number of draws, from 100 to 1,000,000.
        confidence: Confidence level of the intervals, in (0, 1).
        seed: The seed, at least 0; the same seed gives the same intervals.
        allow_different: Compare the common samples and measures even if protocols or sets of
            samples differ.

    Raises:
        OutputError: If a folder holds no evaluation.
        EvaluationError: If the two differ in benchmark, protocol or samples, or nothing can be
            compared.
        ConfigError: If an argument is out of range.
    """
    _check_arguments(resample, num_resamples, confidence, seed)
    ours, theirs = _Scores.read(expand_path(first)), _Scores.read(expand_path(second))
    shared = sorted(set(ours.scores) & set(theirs.scores))
    left_out = len(set(ours.scores) ^ set(theirs.scores))
    problems = ours.differences(theirs, left_out)
    if problems and not allow_different:
        raise EvaluationError(
            f"{first} and {second} cannot be compared: {'; '.join(problems)}; to compare what "
            "both have anyway, pass allow_different=True"
        )
    if not shared:
        raise EvaluationError(
            f"{first} and {second} have no scored sample in common; compare evaluations of one "
            "benchmark with public ground truth"
        )
    records = [ours.records[name] for name in shared]
    pairs = [(ours.scores[name], theirs.scores[name]) for name in shared]
    protocol = ours.protocol
    main = _main_measure(protocol, pairs)
    changes = sorted(
        (
            Change(record.sample, record.query, a.values[main], b.values[main])
            for record, (a, b) in zip(records, pairs, strict=True)
            if main in a.values and main in b.values
        ),
        key=lambda change: (-abs(change.difference), change.sample),
    )
    return Comparison(
        first=str(first),
        second=str(second),
        benchmark=ours.benchmark,
        protocol=protocol,
        num_samples=len(shared),
        num_videos=len({record.video_id for record in records}),
        left_out=left_out,
        resampled=resample,
        min_units=_MIN_UNITS,
        confidence=confidence,
        num_resamples=num_resamples,
        seed=seed,
        differences=tuple(
            _differences(
                _tables(theirs.protocol.measures, records, pairs, protocol),
                [one.video_id if resample == "videos" else one.sample for one in records],
                final="final_score" in {*theirs.protocol.measures} & {*protocol.measures},
                num_resamples=num_resamples,
                confidence=confidence,
                seed=seed,
            )
        ),
        main_measure=main,
        better=sum(change.difference > 0 for change in changes),
        worse=sum(change.difference < 0 for change in changes),
        changes=tuple(changes),
    )


@dataclass(frozen=True, slots=True)
class _Scores:
    """The scores in one folder."""

    benchmark: str
    samples: str
    protocol: EvalProtocol
    records: Mapping[str, Record]
    scores: Mapping[str, SampleScore]

    @staticmethod
    def read(folder: Path) -> _Scores:
        report = load_report(folder)
        last = {record.sample: record for record in records_of(folder, masks=False)}
        records = {name: record for name, record in last.items() if not record.left_out}
        scores = {
            name: record.score_or_zero(report.protocol)
            for name, record in records.items()
            if report.scored
        }
        identity = read_run(files_of_runs(folder)[0].run).identity
        return _Scores(report.benchmark, identity.samples, report.protocol, records, scores)

    def differences(self, other: _Scores, left_out: int) -> list[str]:
        """Return why the two are not comparable."""
        found = []
        if self.benchmark != other.benchmark:
            found.append(f"one is of {self.benchmark}, the other of {other.benchmark}")
        elif self.samples != other.samples:
            found.append(f"the samples of {self.benchmark} are not the same ones")
        if self.protocol != other.protocol:
            ours, theirs = self.protocol.to_dict(), other.protocol.to_dict()
            rules = [
                f"{rule} {ours[rule]} and {theirs[rule]}"
                for rule in ours
                if ours[rule] != theirs[rule]
            ]
            found.append(f"their protocols differ: {', '.join(rules)}")
        if left_out:
            found.append(f"only in one of them: {format_count(left_out, 'sample')}")
        return found


# -- measures as ratios of sums ----------------------------------------------------------


def _differences(
    tables: Mapping[str, FloatArray],
    units: Sequence[str],
    *,
    final: bool,
    num_resamples: int,
    confidence: float,
    seed: int,
) -> Iterator[Difference]:
    sums = None
    if tables and len(set(units)) >= _MIN_UNITS:
        # All measures share the same draws, which are the expensive part.
        columns = np.concatenate(list(tables.values()), axis=1)
        sums = _bootstrap_sums(columns, units, num_resamples, seed)
    totals, drawn = {}, {}
    start = 0
    for measure, table in tables.items():
        totals[measure] = _values(table.sum(axis=0)[None])
        if sums is not None:
            drawn[measure] = _values(sums[:, start : start + table.shape[1]])
        start += table.shape[1]
    for pairs in (totals, drawn):
        if final and all(name in pairs for name in FINAL_SCORE_PARTS):
            firsts, seconds = zip(*(pairs[name] for name in FINAL_SCORE_PARTS), strict=True)
            pairs["final_score"] = (np.mean(firsts, axis=0), np.mean(seconds, axis=0))
    for measure, pair in totals.items():
        first, second = (float(values[0]) for values in pair)
        low, high = None, None
        if measure in drawn:
            drawn_first, drawn_second = drawn[measure]
            low, high = _interval(drawn_second - drawn_first, confidence)
        yield Difference(measure, first, second, second - first, low, high)


def _tables(
    measures: Collection[str],
    records: Sequence[Record],
    pairs: Sequence[tuple[SampleScore, SampleScore]],
    protocol: EvalProtocol,
) -> dict[str, FloatArray]:
    """Return the parts of each sample by measure, shape (samples, 4 x groups).

    The parts of both evaluations are contributions to the numerator and the denominator of the
    measure. Measures whose denominator is zero, or that only one evaluation has, are left out,
    and so is the final score, which is made of others.
    """
    groups: Sequence[str | None] = protocol.groups if protocol.averages_groups else (None,)
    tables: dict[str, FloatArray] = {}
    for measure in protocol.measures:
        if measure not in measures or measure == "final_score":
            continue
        columns = []
        for group in groups:
            parts = [
                (*_part(measure, a, protocol), *_part(measure, b, protocol))
                if group is None or record.group == group
                else (0.0, 0.0, 0.0, 0.0)
                for record, (a, b) in zip(records, pairs, strict=True)
            ]
            column = np.array(parts, dtype=np.float64)
            # A group without samples is left out of the mean, as in the summary.
            if column[:, 1].sum() > 0 and column[:, 3].sum() > 0:
                columns.append(column)
        if columns:
            tables[measure] = np.concatenate(columns, axis=1)
    return tables


def _values(sums: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the values of both evaluations from sums of shape (draws, 4 x groups)."""
    by_group = sums.reshape(len(sums), -1, 4)
    with np.errstate(divide="ignore", invalid="ignore"):
        first = by_group[:, :, 0] / by_group[:, :, 1]
        second = by_group[:, :, 2] / by_group[:, :, 3]
    return first.mean(axis=1), second.mean(axis=1)


def _part(measure: str, score: SampleScore, protocol: EvalProtocol) -> tuple[float, float]:
    if measure == "ciou":
        return float(score.intersection), float(score.union)
    if protocol.averages_objects:
        values = [one.values[measure] for one in score.objects if measure in one.values]
        if values:
            return sum(values), float(len(values))
    return (score.values[measure], 1.0) if measure in score.values else (0.0, 0.0)


def _main_measure(protocol: EvalProtocol, pairs: Sequence[tuple[SampleScore, SampleScore]]) -> str:
    given = {measure for pair in pairs for score in pair for measure in score.values}
    wanted = ("j_and_f", "j", "giou", *protocol.measures)
    return next((name for name in wanted if name in given), "")


def _check_arguments(resample: str, num_resamples: int, confidence: float, seed: int) -> None:
    problems = []
    if resample not in ("samples", "videos"):
        problems.append(f"resample must be 'samples' or 'videos', got {resample!r}")
    if not 100 <= num_resamples <= _MAX_RESAMPLES:
        problems.append(
            f"num_resamples must be from 100 to {_MAX_RESAMPLES:,}, got {shorten(num_resamples)}"
        )
    if seed < 0:
        problems.append(f"seed must be >= 0, got {seed}")
    if not 0 < confidence < 1:
        problems.append(f"confidence must lie in (0, 1), got {confidence}")
    if problems:
        raise ConfigError(problems)


def _bootstrap_sums(
    columns: FloatArray, units: Sequence[str], num_resamples: int, seed: int
) -> FloatArray:
    """Return the sum of each column over the samples of each bootstrap draw of units.

    Args:
        columns: Shape (samples, columns).
        units: The unit of each sample, drawn with all its samples: its own name, or its video.
        num_resamples: Number of draws.
        seed: The seed; the same seed gives the same draws.

    Returns:
        Shape (draws, columns).
    """
    place = {name: index for index, name in enumerate(sorted(set(units)))}
    unit_of = np.array([place[unit] for unit in units])
    num_units = len(place)
    by_unit = np.zeros((num_units, columns.shape[1]))
    np.add.at(by_unit, unit_of, columns)
    rng = np.random.default_rng(seed)
    rows = max(1, _CHUNK // num_units)
    parts = []
    for begin in range(0, num_resamples, rows):
        count = min(rows, num_resamples - begin)
        drawn = rng.integers(num_units, size=(count, num_units))
        # How often each unit was drawn; one bincount for all rows is much faster.
        drawn += num_units * np.arange(count)[:, None]
        times = np.bincount(drawn.ravel(), minlength=count * num_units)
        parts.append(times.reshape(count, num_units) @ by_unit)
    return np.concatenate(parts)


def _interval(drawn: FloatArray, confidence: float) -> tuple[float, float] | tuple[None, None]:
    """Return the percentile interval of drawn values; (None, None) if none is finite."""
    finite = drawn[np.isfinite(drawn)]
    if not len(finite):
        return None, None
    tail = (1 - confidence) / 2
    low, high = np.quantile(finite, [tail, 1 - tail])
    return float(low), float(high)
