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
    SampleExecutor,
    evaluate,
    select_samples,
)
from videoseg.evaluation.records import (
    Record,
    RecordedError,
    RecordFile,
    TargetFacts,
    read_records,
)
from videoseg.evaluation.report import (
    Coverage,
    EvaluationReport,
    SampleRow,
    build_report,
    load_report,
    records_of,
    write_report,
)
from videoseg.evaluation.run import RunIdentity, RunInfo, RunSession, Shard
from videoseg.evaluation.sample import SETUP_ERRORS, SampleRunner, failed_record, run_sample
from videoseg.evaluation.score import score_predictions

__all__ = [
    "SETUP_ERRORS",
    "Change",
    "Comparison",
    "Coverage",
    "Difference",
    "EvaluationReport",
    "Progress",
    "ProgressCounter",
    "Record",
    "RecordFile",
    "RecordedError",
    "RunIdentity",
    "RunInfo",
    "RunSession",
    "SampleExecutor",
    "SampleRow",
    "SampleRunner",
    "Shard",
    "TargetFacts",
    "build_report",
    "compare_evaluations",
    "evaluate",
    "failed_record",
    "load_report",
    "read_annotations",
    "read_records",
    "records_of",
    "run_sample",
    "score_predictions",
    "select_samples",
    "write_report",
]
