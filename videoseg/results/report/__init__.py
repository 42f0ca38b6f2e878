"""The HTML report of a result."""

from videoseg.results.report.page import render_report, report_pictures

__all__ = ["render_report", "report_pictures"]
