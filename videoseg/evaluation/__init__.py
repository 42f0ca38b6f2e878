"""Evaluate pipelines on benchmarks, score predictions of any system, compare evaluations.

``evaluate``, ``score_predictions`` and ``compare_evaluations`` do what ``videoseg eval``,
``score`` and ``compare`` do. The parts of ``evaluate`` can be used alone: ``SampleRunner`` runs
and scores samples, ``RecordFile`` stores their records, ``write_report`` makes a report of them.
"""

from videoseg.evaluation.annotations import read_annotations
from videoseg.evaluation.compare import Change, Comparison, Difference, compare_evaluations
from videoseg.evaluation.evaluate import (
    Progress,
    ProgressCounter,
    evaluate,
)
from videoseg.evaluation.jobs import EvaluationJob, Job, JobExecutor
from videoseg.evaluation.records import (
    Record,
    RecordedError,
    RecordFile,
    TargetFacts,
    read_records,
)
from videoseg.evaluation.report.build import build_report
from videoseg.evaluation.report.data import Coverage, EvaluationReport, SampleRow
from videoseg.evaluation.report.write import load_report, records_of, write_report
from videoseg.evaluation.run import RunIdentity, RunInfo, RunSession, Shard
from videoseg.evaluation.sample import SETUP_ERRORS, SampleRunner, failed_record
from videoseg.evaluation.score import score_predictions
from videoseg.evaluation.workers import WorkerPool

__all__ = [
    "SETUP_ERRORS",
    "Change",
    "Comparison",
    "Coverage",
    "Difference",
    "EvaluationJob",
    "EvaluationReport",
    "Job",
    "JobExecutor",
    "Progress",
    "ProgressCounter",
    "Record",
    "RecordFile",
    "RecordedError",
    "RunIdentity",
    "RunInfo",
    "RunSession",
    "SampleRow",
    "SampleRunner",
    "Shard",
    "TargetFacts",
    "WorkerPool",
    "build_report",
    "compare_evaluations",
    "evaluate",
    "failed_record",
    "load_report",
    "read_annotations",
    "read_records",
    "records_of",
    "score_predictions",
    "write_report",
]
