"""What a finished run leaves: a report, and a submission where a server does the scoring."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from videoseg.benchmarks.submission import Masks, write_submission
from videoseg.benchmarks.types import BenchmarkSplit, Sample, SubmissionFormat
from videoseg.errors import OutputError
from videoseg.evaluation.report import EvaluationReport, load_report, records_of, write_report
from videoseg.files import expand_path
from videoseg.text import shorten

__all__ = ["write_outcome"]

_SUBMISSION = "submission.zip"


def write_outcome(
    folder: str | Path, split: BenchmarkSplit, submission: SubmissionFormat | None = None
) -> EvaluationReport:
    """Write the report of a folder, and ``submission.zip`` where the truth is not public.

    Args:
        folder: The folder of the run.
        split: What was run on.
        submission: What the benchmark's server takes; None for none.

    Raises:
        OutputError: If the folder holds no run, or cannot be written.
    """
    folder = expand_path(folder)
    report = load_report(folder, split)
    path = folder / _SUBMISSION
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
    written = ""
    if submission is not None and not report.scored and _whole(report):
        write_submission(split, _predictions(folder, split), path, format=submission)
        written = f"{_SUBMISSION}{f' ({submission.server})' if submission.server else ''}"
    return write_report(folder, split, submission=written)


def _whole(report: EvaluationReport) -> bool:
    return report.coverage.done == report.coverage.in_split


def _predictions(folder: Path, split: BenchmarkSplit) -> Iterator[tuple[Sample, Masks]]:
    samples = {sample.id: sample for sample in split.samples}
    # A sample that was run again has two records, of which the last counts.
    last = {record.sample: place for place, record in enumerate(records_of(folder, masks=False))}
    for place, record in enumerate(records_of(folder)):
        if last[record.sample] == place:
            # What a failed sample had made counts here as little as in the scores.
            tracks = () if record.failed else record.tracks
            masks = {track.object_id: track.masks for track in tracks}
            if record.sample not in samples:
                raise OutputError(
                    f"{folder} has a record of {shorten(record.sample)}, which is no sample of "
                    f"{split.name}; its files do not belong together"
                )
            yield samples[record.sample], masks
