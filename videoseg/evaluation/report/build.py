"""Builds a report from records."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial

from videoseg.benchmarks.types import LeftOut, Sample
from videoseg.evaluation.records import Record
from videoseg.evaluation.report.data import (
    Breakdown,
    Costs,
    Coverage,
    EvaluationReport,
    SampleRow,
    TableRow,
)
from videoseg.evaluation.report.facts import left_out_line
from videoseg.evaluation.run import RunInfo
from videoseg.metrics.protocol import EvalProtocol
from videoseg.metrics.scoring import SampleScore
from videoseg.metrics.summary import Summary, summarize

__all__ = ["build_report"]

_MAX_VALUES = 40
"""An attribute with more values, such as an id, is not a breakdown."""

_NUM_PARTS = 10
"""Parts of a video for J over time."""

_LENGTHS = ((50, "up to 50 frames"), (100, "51 to 100"), (200, "101 to 200"), (500, "201 to 500"))
_AREAS = ((0.01, "under 1 % of the frame"), (0.05, "1 to 5 %"), (0.2, "5 to 20 %"))


def build_report(
    records: Iterable[Record],
    runs: Sequence[RunInfo],
    *,
    protocol: EvalProtocol,
    samples: Sequence[Sample] = (),
    problems: Sequence[str] = (),
) -> EvaluationReport:
    """Build a report from records in any order.

    Args:
        records: The records; of several records of one sample the last counts. Masks and
            traces are not needed.
        runs: What was run and how, one for each shard. All have the same identity.
        protocol: The rules the records were scored by.
        samples: The samples of the split, for their order; by default they are sorted by id.
        problems: Problems with the records, for the reader.
    """
    latest = {record.sample: record.without_masks() for record in records}
    order = {sample.id: place for place, sample in enumerate(samples)}
    every = sorted(latest.values(), key=lambda r: (order.get(r.sample, len(order)), r.sample))
    ordered = [record for record in every if not record.left_out]
    # All shards of a run have read the same benchmark.
    left_out = (
        *runs[0].left_out,
        *(
            LeftOut(record.sample, "" if record.error is None else record.error.message)
            for record in every
            if record.left_out
        ),
    )
    scored = any(record.score is not None for record in ordered)
    # A sample without any value is in no mean, and is not counted as a sample of it.
    scores = [
        (record, score)
        for record in (ordered if scored else ())
        if (score := record.score_or_zero(protocol)).values
    ]
    summary = summarize(((record.group, score) for record, score in scores), protocol)
    identity, versions = runs[0].identity, _versions(ordered)
    return EvaluationReport(
        benchmark=identity.benchmark,
        protocol=protocol,
        pipeline=identity.pipeline,
        seed=identity.seed,
        coverage=_coverage(ordered, runs, left_out),
        measures=tuple(name for name in protocol.measures if name in summary.overall),
        overall=dict(summary.overall),
        groups=Breakdown(
            "group",
            tuple(
                TableRow(name, summary.num_by_group[name], dict(values))
                for name, values in summary.groups.items()
                if name or len(summary.groups) > 1
            ),
        ),
        breakdowns=_breakdowns(scores, protocol),
        course=_j_over_time([score for _, score in scores]),
        samples=tuple(_row(record, protocol, scored=scored) for record in ordered),
        left_out=left_out,
        costs=_costs(ordered),
        runs=tuple(runs),
        versions=versions,
        devices=tuple(sorted({record.device for record in ordered if record.device})),
        problems=(
            *left_out_line(left_out),
            *runs[0].notes,
            *(_gaps(summary, protocol) if scored else ()),
            *problems,
            *(
                f"these records were made with several versions of {name}: {several}"
                for name, several in versions.items()
                if "," in several
            ),
        ),
    )


def _gaps(summary: Summary, protocol: EvalProtocol) -> list[str]:
    """Return what is missing from the overall score."""
    if not summary.overall:
        asked = f"a sample of the groups {', '.join(protocol.groups)}"
        kind = asked if protocol.averages_groups else "a sample"
        return [
            f"there is no overall score: by the protocol {protocol.name} it needs {kind} with a "
            "value, and there is none"
        ]
    absent = [name for name in protocol.groups if name not in summary.groups]
    if absent and protocol.averages_groups:
        return [
            f"the overall score is the mean of fewer groups than {protocol.name} has: no sample "
            f"belongs to {', '.join(absent)}"
        ]
    return []


def _row(record: Record, protocol: EvalProtocol, *, scored: bool) -> SampleRow:
    return SampleRow(
        sample=record.sample,
        video_id=record.video_id,
        query=record.query,
        group=record.group,
        attributes=dict(record.attributes),
        status=record.status,
        values=dict(record.score_or_zero(protocol).values) if scored else {},
        num_frames=record.num_frames,
        num_objects=record.num_objects,
        target=record.target,
        error=record.error,
        warnings=record.warnings,
    )


def _coverage(
    records: Sequence[Record], runs: Sequence[RunInfo], left_out: Sequence[LeftOut]
) -> Coverage:
    # Entries that the reader left out are not samples of the split.
    unreadable = len(left_out) - len(runs[0].left_out)
    in_split = runs[0].identity.num_samples - unreadable
    limits = [run.limit for run in runs if run.limit is not None]
    asked = min(max(limits), in_split) if len(limits) == len(runs) else in_split
    count = max((run.shard.count for run in runs if run.shard is not None), default=0)
    here = {run.shard.number for run in runs if run.shard is not None}
    return Coverage(
        in_split=in_split,
        # A later session may have a lower limit than an earlier one.
        asked=max(asked, len(records)),
        done=len(records),
        failed=sum(record.failed and not _is_uncounted(record) for record in records),
        uncounted=sum(map(_is_uncounted, records)),
        missing_shards=tuple(
            f"{number}/{count}" for number in range(1, count + 1) if number not in here
        ),
        unusable=sum(entry.num_samples for entry in left_out),
    )


def _is_uncounted(record: Record) -> bool:
    """Return whether a sample has no prediction and, by the protocol, is in no mean."""
    return record.score is not None and record.score.missing and not record.score.values


# -- breakdowns --------------------------------------------------------------------------

_Scored = tuple[Record, SampleScore]


def _breakdowns(scores: Sequence[_Scored], protocol: EvalProtocol) -> tuple[Breakdown, ...]:
    names = sorted({name for record, _ in scores for name in record.attributes})
    lengths = (*(label for _, label in _LENGTHS), "longer")
    areas = (*(label for _, label in _AREAS), "20 % or more", "no target")
    numbers = ("0", "1", "2", "3 or more")
    found = [
        *(_breakdown(name, scores, protocol, partial(_attribute, name)) for name in names),
        _breakdown("length of the video", scores, protocol, _length, lengths),
        _breakdown("size of the target", scores, protocol, _area, areas),
        _breakdown("number of true objects", scores, protocol, _objects, numbers),
    ]
    return tuple(breakdown for breakdown in found if len(breakdown.rows) > 1)


def _breakdown(
    name: str,
    scores: Sequence[_Scored],
    protocol: EvalProtocol,
    value_of: Callable[[Record], str | None],
    order: Sequence[str] = (),
) -> Breakdown:
    parts: dict[str, list[tuple[str, SampleScore]]] = defaultdict(list)
    for record, score in scores:
        value = value_of(record)
        if value is not None:
            parts[value].append(("", score))
    if len(parts) > _MAX_VALUES:
        return Breakdown(name, ())
    # The samples of one value may lack the groups that the protocol averages over.
    plain = replace(protocol, overall="samples", groups=()) if protocol.groups else protocol
    labels = [label for label in order if label in parts] or sorted(parts)
    return Breakdown(
        name,
        tuple(
            TableRow(label, len(parts[label]), dict(summarize(parts[label], plain).overall))
            for label in labels
        ),
    )


def _attribute(name: str, record: Record) -> str | None:
    return record.attributes.get(name)


def _length(record: Record) -> str | None:
    if record.num_frames is None:
        return None
    return next((label for most, label in _LENGTHS if record.num_frames <= most), "longer")


def _area(record: Record) -> str | None:
    if record.target is None:
        return None
    share = record.target.area_share
    if not share:
        return "no target"
    return next((label for limit, label in _AREAS if share < limit), "20 % or more")


def _objects(record: Record) -> str | None:
    if record.target is None:
        return None
    return str(record.target.num_objects) if record.target.num_objects < 3 else "3 or more"


def _j_over_time(scores: Sequence[SampleScore]) -> tuple[float, ...]:
    """Return the mean J of each tenth of the frames, over samples with a target."""
    columns: list[list[float]] = [[] for _ in range(_NUM_PARTS)]
    for score in scores:
        if score.target_empty or score.missing:
            continue
        for one in score.objects:
            frames = one.j_per_frame
            if len(frames) < _NUM_PARTS:
                continue
            for column in range(_NUM_PARTS):
                start = column * len(frames) // _NUM_PARTS
                stop = (column + 1) * len(frames) // _NUM_PARTS
                columns[column].append(statistics.fmean(frames[start:stop]))
    return tuple(statistics.fmean(column) for column in columns) if columns[0] else ()


# -- costs -------------------------------------------------------------------------------


def _costs(records: Sequence[Record]) -> Costs:
    done = [record for record in records if not record.failed and "total" in record.timings]
    if not done:
        return Costs()
    totals = sorted(record.timings["total"] for record in done)
    frames = sum(record.num_frames or 0 for record in done)
    stages = {
        name: math.fsum(record.timings.get(name, 0.0) for record in done) / len(done)
        for name in dict.fromkeys(name for record in done for name in record.timings)
    }
    memory = [r.peak_memory_bytes for r in done if r.peak_memory_bytes is not None]
    device = [r.peak_device_memory_bytes for r in done if r.peak_device_memory_bytes is not None]
    whole = math.fsum(totals)
    return Costs(
        seconds={
            "median": statistics.median(totals),
            "p90": totals[min(len(totals) - 1, int(0.9 * len(totals)))],
            "sum": whole,
        },
        stages=stages,
        frames_per_second=frames / whole if whole > 0 else None,
        peak_memory_bytes=max(memory, default=None),
        peak_device_memory_bytes=max(device, default=None),
    )


def _versions(records: Sequence[Record]) -> dict[str, str]:
    found: dict[str, set[str]] = defaultdict(set)
    for record in records:
        for name, version in record.versions.items():
            found[name].add(version)
    return {name: ", ".join(sorted(found[name])) for name in sorted(found)}
