"""The numbers of training, with the papers' values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from videoseg import ConfigError
from videoseg_train.episode_chat import StageName
from videoseg_train.objective import FIXED_THRESHOLD, AdvantageScale, TokenWeighting

__all__ = [
    "BatchSettings",
    "CalibrationSettings",
    "GrpoSettings",
    "OptimizerSettings",
    "SftSettings",
]

Schedule: TypeAlias = Literal["constant", "linear", "cosine"]


@dataclass(frozen=True, slots=True)
class OptimizerSettings:
    """AdamW and its learning rate.

    Args:
        learning_rate: The rate at its highest: 1e-6 in VideoSeg-R1; 4e-5 in the supervised stages
            of VideoSEG-O3, 3e-6 in its reinforcement learning.
        weight_decay: AdamW's, apart from the gradient: 0.01 in VideoSeg-R1; 0.05 and 0 in
            VideoSEG-O3.
        betas: Decay of the means of the gradient and of its square.
        max_gradient_norm: Norm to which a larger gradient is scaled down; None for no bound. 1 in
            both recipes.
        schedule: How the rate falls: ``constant`` (VisionReasoner), ``linear`` (VideoSEG-O3's
            reinforcement learning), ``cosine`` (its supervised stages).
        num_steps: How many steps there are in all; only a schedule that falls needs it.
        warmup_steps: Steps in which the rate rises from 0.
    """

    learning_rate: float = 1e-6
    weight_decay: float = 0.01
    betas: tuple[float, float] = (0.9, 0.999)
    max_gradient_norm: float | None = 1.0
    schedule: Schedule = "constant"
    num_steps: int | None = None
    warmup_steps: int = 0

    def __post_init__(self) -> None:
        problems = []
        if not self.learning_rate > 0:
            problems.append(f"learning_rate must be above 0, got {self.learning_rate}")
        if self.schedule != "constant" and not self.num_steps:
            problems.append(f"the schedule {self.schedule!r} needs num_steps")
        if problems:
            raise ConfigError(problems)


@dataclass(frozen=True, slots=True)
class CalibrationSettings:
    """SEG-aware logit calibration of VideoSEG-O3.

    Args:
        weight: Weight of the mask's log-likelihood beside the token's; 1 as released.
        target: ``own`` is the mask that the policy has sampled, as released; ``truth`` is the true
            one.
        threshold: At which logit the sampled mask is cut: 0; as released 0.5.
    """

    weight: float = 1.0
    target: Literal["own", "truth"] = "own"
    threshold: float = FIXED_THRESHOLD


@dataclass(frozen=True, slots=True)
class GrpoSettings:
    """Group-relative policy optimization.

    Args:
        group_size: Rollouts for each sample: 8 in VideoSeg-R1, 4 in VideoSEG-O3.
        divergence_weight: Weight of the divergence from the reference: 5e-3 in VisionReasoner,
            0.04 in VideoSEG-O3; 0 needs no reference.
        divergence_limit: Bound on the difference of the two log-probabilities, in nats: 10 in
            VisionReasoner, None in VideoSEG-O3.
        correct_divergence: Multiply the divergence by the ratio, so that its gradient has no bias
            (DeepSeek-V3.2, arXiv 2512.02556); TRL does since 1.x by default, the papers do not.
        clip: How far the ratio of probabilities may leave 1, in one number or as (below, above):
            0.2 in VisionReasoner, None (no bound) in VideoSEG-O3.
        advantage_scale: ``group`` divides advantages by the standard deviation of their group, as
            both recipes do; ``none`` does not (Dr. GRPO).
        advantage_epsilon: Added to that deviation: 1e-6 in VisionReasoner, 1e-4 in VideoSEG-O3
            and TRL.
        weighting: ``token``: each token counts the same (VisionReasoner). ``sequence``: each
            rollout does (VideoSEG-O3). ``constant``: tokens count 1 / ``max_tokens`` (Dr. GRPO).
        max_tokens: The most tokens of a rollout, for the weighting ``constant``.
        entropy_weight: Of the entropy of tokens, which is then raised: 1e-3 in VisionReasoner, 0
            in VideoSEG-O3.
        num_updates: How often the rollouts of a step are used; 1 in both.
        trained: Whose questions' answers are sampled and trained: those of the ``grounder``, of
            the ``sampler`` (such as ``htfs``), or of both. The other one's answers are those of
            inference.
        calibration: SEG-aware logit calibration, for policies that segment; None for none. See
            ``CalibrationSettings``.
        mask_weight: Weight of the losses of masks against the truth, on the overview and on the
            pending keyframes: 0.2 in VideoSEG-O3. For policies that segment.
    """

    group_size: int = 8
    divergence_weight: float = 5e-3
    divergence_limit: float | None = None
    correct_divergence: bool = False
    clip: float | tuple[float, float] | None = 0.2
    advantage_scale: AdvantageScale = "group"
    advantage_epsilon: float = 1e-4
    weighting: TokenWeighting = "sequence"
    max_tokens: int | None = None
    entropy_weight: float = 0.0
    num_updates: int = 1
    trained: tuple[StageName, ...] = ("grounder",)
    calibration: CalibrationSettings | None = None
    mask_weight: float = 0.0

    def __post_init__(self) -> None:
        problems = []
        if self.group_size < 2:
            problems.append(
                f"group_size must be at least 2, since rollouts are compared, got "
                f"{self.group_size}"
            )
        if self.num_updates < 1:
            problems.append(f"num_updates must be at least 1, got {self.num_updates}")
        if self.weighting == "constant" and not self.max_tokens:
            problems.append("the weighting 'constant' needs max_tokens")
        if problems:
            raise ConfigError(problems)


@dataclass(frozen=True, slots=True)
class SftSettings:
    """Supervised fine-tuning on demonstrations.

    Args:
        weighting: How tokens count, as in ``GrpoSettings``; ``token`` is the usual mean over all
            tokens.
        trained: Whose questions' answers are trained: those of the ``grounder``, of the
            ``sampler``, or of both.
        cross_entropy_weight: Weight of the cross-entropy of masks; 2 in VideoSEG-O3. For policies
            that segment.
        dice_weight: Weight of the Dice loss of masks; 0.5 in VideoSEG-O3. For policies that
            segment.
    """

    weighting: TokenWeighting = "token"
    trained: tuple[StageName, ...] = ("grounder",)
    cross_entropy_weight: float = 2.0
    dice_weight: float = 0.5


@dataclass(frozen=True, slots=True)
class BatchSettings:
    """How a step is cut into parts that fit into memory; the result is the same.

    Args:
        max_sequences: Sequences computed at once.
        max_tokens: Tokens computed at once, padding included; None for no bound.
    """

    max_sequences: int = 8
    max_tokens: int | None = None
