"""The errors of training."""

from __future__ import annotations

from videoseg import VideosegError

__all__ = ["NonFiniteError", "RepeatedQuestionError", "TrainingError"]


class TrainingError(VideosegError):
    """Training cannot go on, or its result would be wrong."""


class NonFiniteError(TrainingError):
    """A loss or a gradient is not finite; the message names what comes from where."""


class RepeatedQuestionError(VideosegError):
    """A grounder asked the same question again in a turn, since it could not read the answer.

    In training, an answer that cannot be read ends the episode: a second try would leave the first
    without a reward.
    """
