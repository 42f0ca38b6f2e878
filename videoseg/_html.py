"""HTML pages from jinja2 templates."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["render"]

_FOLDERS = ("results/report/templates", "evaluation/report/templates")


def render(template: str, **values: Any) -> str:
    """Render a template; every value is escaped unless it is ``markupsafe.Markup``.

    A file without placeholders, such as a style sheet or a script, is returned as it is.
    Templates of both reports can include and import each other by file name.

    Args:
        template: File name in one of the report template folders.
        **values: Variables of the template. One that is missing is an error.

    Example:
        >>> render("report.css")[:5]
        ':root'
    """
    return _environment().get_template(template).render(values)


@lru_cache(maxsize=1)
def _environment() -> Environment:
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=ChoiceLoader([PackageLoader("videoseg", folder) for folder in _FOLDERS]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
