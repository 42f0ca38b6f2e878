"""Runs a pipeline over a benchmark, scores predictions of any system, and reports.

``evaluate`` does it all. Its parts can be used alone, to run an evaluation in another way:
``SampleRunner`` answers and scores samples, ``RecordFile`` keeps them, ``write_report`` makes the
report from what was kept.
"""

from videoseg.evaluation.annotation_folder import read_annotations
from videoseg.evaluation.comparing import Change, Comparison, Difference, compare_evaluations
from videoseg.evaluation.executor import SampleExecutor
from videoseg.evaluation.progress import Progress, ProgressCounter
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
from videoseg.evaluation.run_file import RunIdentity, RunInfo, RunSession, Shard
from videoseg.evaluation.runner import asked_samples, evaluate
from videoseg.evaluation.running import SETUP_ERRORS, SampleRunner, failed_record, run_sample
from videoseg.evaluation.scoring_folders import score_predictions

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
    "asked_samples",
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
    "write_report",
]
