"""Templates escape every value and fail on missing ones."""

from __future__ import annotations

import jinja2
import pytest
from markupsafe import Markup

from videoseg._html import render
from videoseg.evaluation.report.data import TableRow


def table(label: str) -> str:
    return render(
        "evaluation_table.html",
        rows=[TableRow(label, 1, {})],
        measures=["j"],
        measure_name=str.upper,
        percent=lambda value: "none" if value is None else str(value),
        shortened=lambda text, limit: text[:limit],
    )


def test_values_are_escaped_unless_they_are_markup():
    assert "<b>" not in table("<b>x</b>") and "&lt;b&gt;x" in table("<b>x</b>")
    assert "<b>x</b>" in table(Markup("<b>x</b>"))


def test_a_missing_value_is_an_error():
    with pytest.raises(jinja2.UndefinedError, match="rows"):
        render("evaluation_table.html", measures=[])


def test_files_of_both_reports_are_returned_as_they_are():
    assert render("report.css").endswith("}\n") and render("evaluation.css").endswith("}\n")
