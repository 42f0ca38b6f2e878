"""``report.md``: the same numbers, for a repository or an issue."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from videoseg.evaluation.report.data import EvaluationReport, SampleRow, TableRow
from videoseg.evaluation.report.tables import (
    headline_rows,
    markdown_table,
    measure_name,
    percent,
)
from videoseg.evaluation.report.words import cost_facts, protocol_facts, run_facts
from videoseg.text import shorten_text

__all__ = ["render_markdown"]

_MOST_FAILURES = 60


def render_markdown(
    report: EvaluationReport,
    best: Sequence[SampleRow] = (),
    worst: Sequence[SampleRow] = (),
    *,
    submission: str = "",
) -> str:
    """Return the report in Markdown.

    Args:
        report: The report.
        best: The best samples.
        worst: The worst ones.
        submission: The file to upload, where a server does the scoring.
    """
    parts = [f"# {report.benchmark}", f"{report.coverage}.", f"Protocol {report.protocol}."]
    if submission:
        parts.append(f"Scored by the benchmark's server: upload {submission}.")
    if report.scored:
        parts.append(_table("", headline_rows(report), report.measures))
    for breakdown in report.breakdowns:
        parts += [
            f"## By {breakdown.name}",
            _table(breakdown.name, breakdown.rows, report.measures),
        ]
    for title, rows in (("Worst", worst), ("Best", best)):
        if rows:
            parts += [f"## {title}", _samples(rows, report.main_measure)]
    if failures := report.failures:
        lines = [
            [row.sample, shorten_text(row.query, 120), row.error.type, row.error.message]
            for row in failures[:_MOST_FAILURES]
            if row.error is not None
        ]
        parts += ["## Failures", markdown_table(["sample", "query", "error", "message"], lines)]
        if len(failures) > _MOST_FAILURES:
            parts.append(f"{len(failures) - _MOST_FAILURES} more are in report.json.")
    if report.problems:
        parts += ["## Problems", _facts(("", text) for text in report.problems[:20])]
    parts += ["## Protocol", _facts(protocol_facts(report.protocol).items())]
    parts += ["## Run", _facts({**cost_facts(report), **run_facts(report)}.items())]
    return "\n\n".join(parts) + "\n"


def _table(first: str, rows: Sequence[TableRow], measures: Sequence[str]) -> str:
    return markdown_table(
        [first, "samples", *(measure_name(name) for name in measures)],
        [
            [row.label, str(row.count), *(percent(row.values.get(name)) for name in measures)]
            for row in rows
        ],
    )


def _samples(rows: Sequence[SampleRow], measure: str) -> str:
    return markdown_table(
        ["sample", "query", measure_name(measure)],
        [[r.sample, shorten_text(r.query, 120), percent(r.values.get(measure))] for r in rows],
    )


def _facts(facts: Iterable[tuple[str, str]]) -> str:
    return "\n".join(f"- {name}{': ' if name else ''}{text}" for name, text in facts if text)
