"""Findings of an examination, such as that of ``videoseg doctor``, and how they are printed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["Finding", "Verdict", "print_finding"]

Verdict: TypeAlias = Literal["ok", "note", "broken"]

_STYLES = {"ok": "green", "note": "yellow", "broken": "bold red"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of an examination.

    Args:
        subject: What was examined.
        verdict: ``ok``; ``note`` for something worth knowing; ``broken`` for something
            needed that does not work.
        detail: What was found, and what to do.
    """

    subject: str
    verdict: Verdict
    detail: str


def print_finding(console: Console, finding: Finding) -> None:
    """Print the verdict, the subject and the detail of a finding."""
    from videoseg.cli.terminal import print_row

    console.print(f"{finding.verdict:<7}", style=_STYLES[finding.verdict], end="")
    print_row(console, finding.subject, finding.detail, width=18, indent=7)
