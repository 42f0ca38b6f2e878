"""What an examination finds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

__all__ = ["Finding", "Verdict"]

Verdict: TypeAlias = Literal["ok", "note", "broken"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the examination.

    Args:
        subject: What was looked at.
        verdict: ``ok``; ``note`` for something worth knowing; ``broken`` for something
            needed that does not work.
        detail: What was found, and what to do.
    """

    subject: str
    verdict: Verdict
    detail: str
