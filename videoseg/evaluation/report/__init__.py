"""The report of an evaluation: HTML, Markdown and JSON from the same numbers."""

from videoseg.evaluation.report.build import build_report
from videoseg.evaluation.report.data import (
    Breakdown,
    Costs,
    Coverage,
    EvaluationReport,
    SampleRow,
    TableRow,
    percent,
)
from videoseg.evaluation.report.write import load_report, records_of, write_report

__all__ = [
    "Breakdown",
    "Costs",
    "Coverage",
    "EvaluationReport",
    "SampleRow",
    "TableRow",
    "build_report",
    "load_report",
    "percent",
    "records_of",
    "write_report",
]
