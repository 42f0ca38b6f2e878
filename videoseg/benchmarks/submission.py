"""What a benchmark's server takes."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["SubmissionFormat"]


@dataclass(frozen=True, slots=True)
class SubmissionFormat:
    """How a submission is laid out.

    Args:
        top_folder: The folder that holds the videos inside the zip; empty for none.
        server: Where it is uploaded.
    """

    top_folder: str = ""
    server: str = ""
