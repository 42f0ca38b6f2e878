"""Tables of a report, in HTML and in Markdown, from the same rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from videoseg.evaluation.report.data import Breakdown, EvaluationReport, TableRow

__all__ = [
    "MEASURE_NAMES",
    "breakdown_html",
    "headline_html",
    "headline_rows",
    "markdown_table",
    "measure_name",
    "numbers_html",
    "percent",
]

MEASURE_NAMES: Mapping[str, str] = {
    "j_and_f": "J&F",
    "j": "J",
    "f": "F",
    "j_recall": "J recall",
    "f_recall": "F recall",
    "j_decay": "J decay",
    "f_decay": "F decay",
    "robustness": "R",
    "accuracy": "A",
    "tiou": "tIoU",
    "viou": "vIoU",
    "giou": "gIoU",
    "ciou": "cIoU",
    "precision_at_50": "P@0.5",
    "window_iou": "mIoU of windows",
    "window_recall_at_30": "R@0.3",
    "window_recall_at_50": "R@0.5",
    "window_recall_at_70": "R@0.7",
    "no_target_accuracy": "N-acc",
    "target_accuracy": "T-acc",
}
"""What measures are called in tables, as papers have it."""


def measure_name(measure: str) -> str:
    """Return what a measure is called in tables.

    Example:
        >>> measure_name("j_and_f")
        'J&F'
    """
    return MEASURE_NAMES.get(measure, measure)


def percent(value: float | None) -> str:
    """Return a value in [0, 1] in percent, with one decimal; a dash for none.

    Example:
        >>> percent(0.5), percent(None)
        ('50.0', '–')
    """
    return "–" if value is None else f"{100 * value:.1f}"  # noqa: RUF001


def headline_rows(report: EvaluationReport) -> list[TableRow]:
    """Return the rows of the first table: overall, then each group."""
    num_scored = sum(bool(row.values) for row in report.samples)
    total = TableRow("overall", num_scored, report.overall)
    return [
        total,
        *(TableRow(r.label or "no group", r.count, r.values) for r in report.groups.rows),
    ]


def headline_html(report: EvaluationReport) -> str:
    """Return the first table."""
    if not report.scored:
        return ""
    return numbers_html(headline_rows(report), report.measures, first="", total=True)


def breakdown_html(breakdown: Breakdown, measures: Sequence[str], main: str) -> str:
    """Return one breakdown as a table with bars for the main measure."""
    shown = [main, *(name for name in measures if name != main)][:3] if main else measures[:3]
    table = numbers_html(breakdown.rows, shown, first="", meter=main)
    return f"<div><h3>{escape(breakdown.name)}</h3>{table}</div>"


def numbers_html(
    rows: Sequence[TableRow],
    measures: Sequence[str],
    *,
    first: str,
    total: bool = False,
    meter: str = "",
) -> str:
    """Return rows as a table in percent.

    Args:
        rows: The rows.
        measures: The columns.
        first: What stands over the labels.
        total: Whether the first row is the sum of the others.
        meter: The measure that gets a bar.
    """
    head = "".join(f"<th scope='col'>{escape(measure_name(name))}</th>" for name in measures)
    lines = []
    for place, row in enumerate(rows):
        cells = "".join(_cell(row.values.get(name), bar=name == meter) for name in measures)
        kind = " class='total'" if total and place == 0 and len(rows) > 1 else ""
        lines.append(
            f"<tr{kind}><th scope='row'>{escape(row.label)}</th><td>{row.count}</td>{cells}</tr>"
        )
    return (
        f"<div class='wide'><table class='numbers'><thead><tr><th scope='col'>{escape(first)}</th>"
        f"<th scope='col'>samples</th>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table>"
        "</div>"
    )


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    r"""Return a table in Markdown; bars and line breaks in cells are made harmless.

    Example:
        >>> print(markdown_table(["a", "b"], [["x|y", "1"]]))
        | a | b |
        |---|---|
        | x\|y | 1 |
    """
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(
        "|" + "|".join(cell if cell == "---" else f" {_cell_text(cell)} " for cell in line) + "|"
        for line in lines
    )


def _cell(value: float | None, *, bar: bool) -> str:
    if not bar or value is None:
        return f"<td>{percent(value)}</td>"
    share = 100 * min(1.0, max(0.0, value))
    return (
        f"<td class='meter'><i style='--share:{share:.1f}%'></i><span>{percent(value)}</span></td>"
    )


def _cell_text(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")
