"""The errors of training."""

from __future__ import annotations

from collections.abc import Sequence

from videoseg import VideosegError

__all__ = [
    "CheckpointError",
    "NonFiniteError",
    "RepeatedQuestionError",
    "TrainingDataError",
    "TrainingError",
]

_MOST_LISTED = 20


class TrainingError(VideosegError):
    """Training cannot go on, or its result would be wrong."""


class CheckpointError(TrainingError):
    """A checkpoint is damaged, or belongs to another run."""


class NonFiniteError(TrainingError):
    """A loss or a gradient is not finite; the message names what comes from where."""


class TrainingDataError(TrainingError):
    """A file of training data cannot be used; all its problems are reported together.

    Args:
        source: The file.
        problems: One sentence for each problem.
    """

    def __init__(self, source: str, problems: Sequence[str]) -> None:
        self.source = source
        self.problems = tuple(problems)
        number = "1 problem" if len(self.problems) == 1 else f"{len(self.problems)} problems"
        listed = [f"- {problem}" for problem in self.problems[:_MOST_LISTED]]
        more = len(self.problems) - len(listed)
        listed += [f"- and {more} more; all are in the error's 'problems'"] if more else []
        super().__init__("\n".join([f"{source} cannot be trained on ({number}):", *listed]))


class RepeatedQuestionError(VideosegError):
    """A grounder asked the same question again in a turn, since it could not read the answer.

    In training, an answer that cannot be read ends the episode: a second try would leave the first
    without a reward.
    """
