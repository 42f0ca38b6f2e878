"""The entry point: declares the rewards and the commands. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterator

import videoseg as vs

__all__ = ["videoseg_commands", "videoseg_components"]

_REWARDS = (
    ("r1-format", "r1_rewards:FormatReward", "VideoSeg-R1: the form of thought and answer."),
    ("r1-accuracy", "r1_rewards:AccuracyReward", "VideoSeg-R1: boxes and points found."),
    ("r1-negative", "r1_rewards:NegativeReward", "VideoSeg-R1: negative points close by."),
    ("r1-no-repeat", "r1_rewards:RepetitionReward", "VideoSeg-R1: no repeated sentences."),
    ("r1-length", "r1_rewards:LengthFactor", "VideoSeg-R1: soft length penalty, a factor."),
    ("box-iou", "r1_rewards:BoxReward", "IoU of the boxes, without a threshold."),
    ("o3-format", "o3_rewards:TurnFormatReward", "VideoSEG-O3, format: the form of turns."),
    ("o3-steps", "o3_rewards:StepsReward", "VideoSEG-O3, format: headings of the thoughts."),
    ("o3-window", "o3_rewards:WindowReward", "VideoSEG-O3, temporal: the frames named."),
    ("o3-keyframe", "o3_rewards:KeyframeReward", "VideoSEG-O3, temporal: the keyframe."),
    ("o3-mask", "o3_rewards:MaskReward", "VideoSEG-O3, mask: IoU on the overview."),
    (
        "o3-keyframe-gain",
        "o3_rewards:KeyframeGainReward",
        "VideoSEG-O3, progress: the keyframe beside the overview.",
    ),
    (
        "o3-progress",
        "o3_rewards:ProgressReward",
        "VideoSEG-O3, progress: the keyframe beside earlier ones.",
    ),
    (
        "o3-visible-area",
        "o3_rewards:VisibleAreaReward",
        "How much of the target the keyframe shows.",
    ),
)


@vs.hookimpl
def videoseg_components() -> Iterator[vs.Component]:
    """Declare the rewards."""
    for name, target, summary in _REWARDS:
        yield vs.Component("reward", name, f"videoseg_train.{target}", summary)


@vs.hookimpl
def videoseg_commands() -> Iterator[vs.Command]:
    """Declare ``videoseg train`` and ``videoseg traces``."""
    yield vs.Command("train", "videoseg_train.cli:train", "Train a policy: SFT and GRPO.")
    yield vs.Command(
        "traces", "videoseg_train.traces_cli:traces", "Make demonstrations for training."
    )
